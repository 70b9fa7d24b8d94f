//! The checks that end every case find what is wrong.

use tests::harness::books;
use tests::harness::database::TRANSACTIONS;
use tests::harness::gate::{A_ENTRY, B_EXIT};
use tests::harness::network::{Databases, Network, SOON, case};

const CARD: &str = "TESTCARD0001";

#[test]
fn whoever_tampers_with_the_books_is_found_out() {
    case("tampered", Databases::Shared, |network| {
        network.issue(CARD, "50000.00")?;
        let entry = network.pass(A_ENTRY, CARD)?;
        network.wait_for_trip(B_EXIT, CARD, true)?;
        let exit = network.pass(B_EXIT, CARD)?;
        network.wait_for_fact(entry.fact()?, SOON)?;
        network.wait_for_fact(exit.fact()?, SOON)?;
        network.level()?;
        for (change, undo) in [
            (
                "UPDATE accounts SET balance = balance + 1 WHERE account = 'fare_revenue'",
                "UPDATE accounts SET balance = balance - 1 WHERE account = 'fare_revenue'",
            ),
            (
                "UPDATE transfers SET amount = amount + 1 WHERE card = 'TESTCARD0001' AND rule = 'CAPTURE'",
                "UPDATE transfers SET amount = amount - 1 WHERE card = 'TESTCARD0001' AND rule = 'CAPTURE'",
            ),
            (
                "UPDATE card_states SET status = 'blocked' WHERE card = 'TESTCARD0001'",
                "UPDATE card_states SET status = 'active' WHERE card = 'TESTCARD0001'",
            ),
            (
                "CREATE TABLE kept AS SELECT * FROM facts WHERE card = 'TESTCARD0001' AND direction = 'exit';
                 DELETE FROM facts WHERE card = 'TESTCARD0001' AND direction = 'exit'",
                "INSERT INTO facts SELECT * FROM kept; DROP TABLE kept",
            ),
        ] {
            network.database.rows(TRANSACTIONS, change)?;
            assert!(books::check(&network.database).is_err(), "not found: {change}");
            network.database.rows(TRANSACTIONS, undo)?;
            books::check(&network.database)?;
        }
        lost_on_the_way(network)
    });
}

/// A tap that the hub lacks is missed.
fn lost_on_the_way(network: &Network) -> anyhow::Result<()> {
    assert!(!network.has_fact("00000000000000000000000000000000:1:0")?);
    let taps = network.taps_at_hub()?;
    assert_eq!(taps.len(), 2, "{taps:?}");
    Ok(())
}
