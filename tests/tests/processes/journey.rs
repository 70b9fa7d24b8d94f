//! One passenger's way through everything.

use tests::harness::database::{TERMINALS, TRANSACTIONS, USERS};
use tests::harness::gate::{A_ENTRY, B_EXIT};
use tests::harness::network::{Databases, Network, SOON, case};
use tests::harness::wait::wait_for;

const CARD: &str = "TESTCARD0001";

#[test]
fn an_entry_at_a_and_an_exit_at_b_show_everywhere() {
    case("journey", Databases::Shared, |network| {
        network.issue(CARD, "50000.00")?;
        let entry = network.pass(A_ENTRY, CARD)?;
        assert_eq!(
            entry.hold.as_deref(),
            Some("12000.00"),
            "the highest fare from A (D-23)"
        );
        travelling(network)?;

        let exit = network.pass(B_EXIT, CARD)?;
        assert_eq!(exit.fare.as_deref(), Some("5000.00"));
        assert_eq!(exit.balance.as_deref(), Some("45000.00"));
        for name in network.gates.values().map(|gate| gate.name) {
            network.wait_for_balance(name, CARD, "45000.00")?;
        }
        paid(network)
    });
}

/// While the passenger travels: the gate of B knows of the entry, and the databases and Redis show the trip.
fn travelling(network: &Network) -> anyhow::Result<()> {
    network.wait_for_trip(B_EXIT, CARD, true)?;
    let held = format!("SELECT held::numeric(15,2)::text FROM card_states WHERE card = '{CARD}'");
    expect(network, TRANSACTIONS, &held, "12000.00")?;
    let trip = format!("SELECT current_trip_terminal FROM users WHERE card_id = '{CARD}'");
    expect(network, USERS, &trip, "A")?;
    let hold = format!("SELECT status::text FROM balance_holds WHERE card_id = '{CARD}'");
    expect(network, TERMINALS, &hold, "held")?;
    let user = user_id(network)?;
    wait_for("the trip in Redis", SOON, || {
        let terminal = network.ask_redis(&[
            "hget",
            &network.redis_key(&format!("active_trip:{user}")),
            "checkin_terminal",
        ])?;
        Ok((!terminal.is_empty()).then_some(()))
    })
}

/// After the exit: the same money in every place.
fn paid(network: &Network) -> anyhow::Result<()> {
    let balance = format!(
        "SELECT balance::numeric(15,2)::text || ' ' || held::numeric(15,2) FROM card_states WHERE card = '{CARD}'"
    );
    expect(network, TRANSACTIONS, &balance, "45000.00 0.00")?;
    let journal = format!(
        "SELECT string_agg(rule || ' ' || amount, ', ' ORDER BY revision, line)
                           FROM transfers WHERE card = '{CARD}'"
    );
    expect(network, TRANSACTIONS, &journal, "TOPUP 50000.00, CAPTURE 5000.00")?;
    let user = format!(
        "SELECT balance::text || ' ' || (current_trip_terminal IS NULL) FROM users WHERE card_id = '{CARD}'"
    );
    expect(network, USERS, &user, "45000.00 true")?;
    let hold = format!(
        "SELECT status || ' ' || hold_amount || ' ' || final_amount
                        FROM balance_holds WHERE card_id = '{CARD}'"
    );
    expect(network, TERMINALS, &hold, "charged 12000.00 5000.00")?;
    let user = user_id(network)?;
    wait_for("the balance in Redis, and the trip gone", SOON, || {
        let balance = network.ask_redis(&["hget", &network.redis_key(&format!("user:{user}")), "balance"])?;
        let trip = network.ask_redis(&["exists", &network.redis_key(&format!("active_trip:{user}"))])?;
        anyhow::ensure!(
            (balance.as_str(), trip.as_str()) == ("45000.00", "0"),
            "balance {balance}, trip {trip}"
        );
        Ok(Some(()))
    })?;
    let lives_s: i64 = network
        .ask_redis(&["ttl", &network.redis_key(&format!("user:{user}"))])?
        .parse()?;
    assert!(
        (1..=3_600).contains(&lives_s),
        "user: lives an hour (R-20), not {lives_s} s"
    );
    Ok(())
}

fn user_id(network: &Network) -> anyhow::Result<String> {
    let id = format!("SELECT id::text FROM users WHERE card_id = '{CARD}'");
    wait_for("the card in user_service_db", SOON, || {
        network.database.value(USERS, &id)
    })
}

fn expect(network: &Network, database: &str, sql: &str, expected: &str) -> anyhow::Result<()> {
    wait_for(&format!("{expected:?} from {sql}"), SOON, || {
        let found = network.database.value(database, sql)?;
        anyhow::ensure!(found.as_deref() == Some(expected), "it says {found:?}");
        Ok(Some(()))
    })
}
