//! A gate that is revoked: nobody links with it any more, those who cannot hear the hub included, and what it wrote
//! afterwards counts for nothing until somebody has looked at it.

use std::time::Duration;

use anyhow::Context as _;
use tests::harness::database::TRANSACTIONS;
use tests::harness::gate::{A_ENTRY, A_EXIT, Gate, GateName, Neighbourhood};
use tests::harness::gate_database::GateDatabase;
use tests::harness::network::{Databases, HUB, Network, SOON, case};
use tests::harness::process;
use tests::harness::proxy::Weather;
use tests::harness::wait::wait_for;

const STOLEN: GateName = GateName {
    id: 3,
    code: "A-BI-01",
    terminal: "A",
    kind: "bidirectional",
};
/// A connected node is cut off by then.
const CUT_LIMIT: Duration = Duration::from_secs(60);

/// Who is linked with a gate, by number.
fn links(gate: &Gate) -> anyhow::Result<Vec<String>> {
    let status = gate.status()?;
    let peers = status["peers"].as_array().context("no peers")?;
    let names = peers.iter().filter_map(|peer| peer["node"].as_str());
    Ok(names.map(str::to_owned).collect())
}

fn wait_for_links(gate: &Gate, limit: Duration, expected: &[&str]) -> anyhow::Result<()> {
    let what = format!("{} to be linked with {expected:?} alone", gate.name.code);
    wait_for(&what, limit, || Ok((links(gate)? == expected).then_some(())))
}

fn stolen_gate(network: &Network) -> anyhow::Result<Gate> {
    let gate = Gate::new(STOLEN, &network.folder().join("stolen"))?;
    let keys = gate.folder().join("keys");
    network.hub.issue_keys(STOLEN.id, STOLEN.terminal, &keys)?;
    let [entry, exit] = [A_ENTRY, A_EXIT].map(|name| network.gate(name).sync_address());
    gate.configure(&Neighbourhood {
        hub: Some(network.hub.sync_address()),
        gates: vec![entry, exit],
    })?;
    Ok(gate)
}

/// The log of a fact, and its changeset.
fn place(fact: &str) -> anyhow::Result<(String, u64)> {
    let mut parts = fact.split(':');
    let site = parts.next().context("no site")?.to_owned();
    Ok((site, parts.next().context("no number")?.parse()?))
}

#[test]
fn a_revoked_gate_is_cut_off_by_all_and_what_it_writes_later_is_held() {
    case("revocation", Databases::Shared, |network| {
        let revoke = ["revoke", "--gate", STOLEN.code];
        let unknown = process::finish(&mut network.hub.command(&revoke)?)?;
        assert!(
            unknown.errors.contains("the hub knows no key of gate 3"),
            "{unknown:?}"
        );
        let mut stolen = stolen_gate(network)?;
        stolen.start()?;
        wait_for_links(&stolen, SOON, &["hub", "gate 1", "gate 2"])?;
        network.issue("TESTCARD0091", "50000.00")?;
        let first = stolen.tap("TESTCARD0091")?;
        network.wait_for_fact(first.fact()?, SOON)?;
        let (site, last) = place(first.fact()?)?;
        let nothing = format!("{site}:0");
        let low = [&revoke[..], &["--last-seq", &nothing]].concat();
        let low = process::finish(&mut network.hub.command(&low)?)?;
        assert!(low.errors.contains("what was taken is not undone"), "{low:?}");

        // One neighbour hears nobody else: it goes on with the revoked gate.
        network.cut(A_EXIT.id, HUB);
        network.cut(A_EXIT.id, A_ENTRY.id);
        let said = network
            .hub
            .run(&["revoke", "--gate", STOLEN.code, "--reason", "stolen"])?;
        assert!(
            said.contains(&format!("log {site}: accepted up to {last}\n")),
            "{said}"
        );
        wait_for_links(&stolen, CUT_LIMIT, &["gate 2"])?;
        let later = stolen.tap("TESTCARD0091")?;
        let neighbour = GateDatabase::new(network.gate(A_EXIT));
        let (_, later_seq) = place(later.fact()?)?;
        wait_for("the neighbour to hold the later tap", SOON, || {
            let head = neighbour.heads()?.get(&site).copied();
            Ok((head >= Some(later_seq)).then_some(()))
        })?;

        // The hub is away. The neighbour hears of the revocation from another gate, and cuts the link.
        network.hub.kill()?;
        network.set_weather(A_EXIT.id, A_ENTRY.id, Weather::default());
        network.set_weather(A_ENTRY.id, A_EXIT.id, Weather::default());
        wait_for_links(&stolen, CUT_LIMIT, &[])?;
        wait_for_links(network.gate(A_EXIT), SOON, &["gate 1"])?;

        // What the neighbour held goes to the hub, and is put aside there.
        network.heal();
        network.hub.start()?;
        let held = "SELECT replace(site::text, '-', ''), reason FROM quarantine ORDER BY seq";
        let held = wait_for("the later tap to be held", CUT_LIMIT, || {
            let held = network.database.rows(TRANSACTIONS, held)?;
            Ok((!held.is_empty()).then_some(held))
        })?;
        let expected = "the writer's key is revoked: held for review";
        assert!(
            held.iter().all(|row| row == &[site.as_str(), expected]),
            "{held:?}"
        );
        assert!(
            !network.has_fact(later.fact()?)?,
            "a revoked gate's tap was taken"
        );
        network.pass_somebody()?;
        assert_eq!(links(&stolen)?, Vec::<String>::new());
        // By itself it goes on; a start makes no difference.
        stolen.kill()?;
        stolen.start()?;
        let alone = stolen.tap("TESTCARD0091")?;
        network.pass(A_ENTRY, "CARD0002")?;
        assert!(!network.has_fact(alone.fact()?)?);
        assert!(stolen.process()?.terminate()?.success());
        Ok(())
    });
}
