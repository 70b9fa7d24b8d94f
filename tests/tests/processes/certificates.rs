//! Who is not certified by this installation gets nothing and brings nothing.

use tests::harness::gate::{A_ENTRY, Gate, GateName, Neighbourhood};
use tests::harness::gate_database::GateDatabase;
use tests::harness::hub::Hub;
use tests::harness::network::{Databases, SOON, case};
use tests::harness::wait::wait_for;

const STRANGER: GateName = GateName {
    id: 3,
    code: "A-BI-01",
    terminal: "A",
    kind: "bidirectional",
};

#[test]
fn a_gate_of_another_authority_gets_nothing() {
    case("stranger", Databases::Shared, |network| {
        let elsewhere = network.folder().join("elsewhere");
        let other = Hub::new(&elsewhere, "postgres://nowhere", "", "")?;
        let mut stranger = Gate::new(STRANGER, &network.folder().join("stranger"))?;
        other.issue_keys(STRANGER.id, STRANGER.terminal, &stranger.folder().join("keys"))?;
        stranger.configure(&Neighbourhood {
            hub: Some(network.hub.sync_address()),
            gates: vec![network.gate(A_ENTRY).sync_address()],
        })?;
        stranger.start()?;
        // It works alone, and tries to reach the others.
        let tapped = stranger.tap("TESTCARD0001")?;
        // Somebody who is certified gets through in the meantime, both ways.
        network.issue("TESTCARD0002", "50000.00")?;
        let fact = network.pass(A_ENTRY, "TESTCARD0002")?;
        network.wait_for_fact(fact.fact()?, SOON)?;
        wait_for("the stranger to be turned away by both", SOON, || {
            let log = stranger.process()?.log();
            let of = |address: std::net::SocketAddr| log.contains(&address.to_string());
            Ok((of(network.hub.sync_address()) && of(network.gate(A_ENTRY).sync_address())).then_some(()))
        })?;
        assert!(!network.has_fact(tapped.fact()?)?, "a stranger's tap was taken");
        let store = GateDatabase::new(&stranger);
        assert_eq!(store.fare_versions()?, 0, "the stranger was told the fares");
        assert_eq!(store.cards()?.len(), 0, "the stranger was told of cards");
        assert!(stranger.process()?.terminate()?.success());
        Ok(())
    });
}
