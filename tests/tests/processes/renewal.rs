//! A certificate that has ended: taps go on, links do not, and it renews once the hub is there, also after a restart.

use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use serde_json::Value;
use sync_protocol::id::NodeId;
use sync_protocol::time::DAY_MS;
use sync_shell::identity::{Authority, NodeKeys};
use tests::harness::gate::{Gate, GateName, Neighbourhood};
use tests::harness::network::{Databases, SOON, case};
use tests::harness::wait::wait_for;

const OLD: GateName = GateName {
    id: 3,
    code: "A-BI-01",
    terminal: "A",
    kind: "bidirectional",
};
/// Attempts in vain are spread out: the next one may be this far off.
const RENEWED_LIMIT: Duration = Duration::from_secs(120);

fn alarm(gate: &Gate) -> anyhow::Result<Option<String>> {
    let status = gate.status()?;
    let alarm = status.get("certificate_alarm").context("no such key")?;
    Ok(alarm.as_str().map(str::to_owned))
}

fn metric(gate: &Gate, name: &str) -> anyhow::Result<f64> {
    let text = gate.client()?.get("/metrics")?.body;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {name}"))?.parse()?)
}

#[test]
fn an_ended_certificate_stops_no_tap_and_renews_after_a_restart() {
    case("renewal", Databases::Shared, |network| {
        let mut gate = Gate::new(OLD, &network.folder().join("old"))?;
        let keys = gate.folder().join("keys");
        let authority = Authority::load(&network.folder().join("hub/ca"))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "certificates are held against the real clock"
        )]
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let now_ms = i64::try_from(now.as_millis())?;
        let terminal = Some(OLD.terminal.parse()?);
        let secret = [33; 32];
        let (from_ms, to_ms) = (now_ms - 91 * DAY_MS, now_ms - DAY_MS);
        let issued = authority.issue(NodeId(OLD.id), terminal, &secret, from_ms, to_ms)?;
        issued.write(&keys)?;
        gate.configure(&Neighbourhood {
            hub: Some(network.hub.sync_address()),
            gates: Vec::new(),
        })?;

        network.hub.kill()?;
        gate.start()?;
        let tapped = gate.tap("TESTCARD0077")?;
        tapped.fact()?;
        assert!(alarm(&gate)?.is_some_and(|alarm| alarm.contains("has ended: taps go on")));
        assert!(metric(&gate, "gate_certificate_alarm")? > 0.5);
        assert!(metric(&gate, "gate_certificate_expires_in_seconds")? < -80_000.0);
        assert!(!linked(&gate.status()?));

        // It is off for a while, and comes back with nothing but the ended certificate.
        gate.kill()?;
        gate.start()?;
        assert!(alarm(&gate)?.is_some());
        network.hub.start()?;
        wait_for("the certificate to renew", RENEWED_LIMIT, || {
            Ok(alarm(&gate)?.is_none().then_some(()))
        })?;
        network.wait_for_fact(tapped.fact()?, SOON)?;
        assert!(linked(&gate.status()?));
        assert!(metric(&gate, "gate_certificate_expires_in_seconds")? > 6_900_000.0);
        // The same key; on the disk, and once in the hub's register.
        let renewed = NodeKeys::load(&keys)?;
        assert_eq!(renewed.identity(), &issued.identity);
        assert!(renewed.expires_at_ms() > now_ms + 89 * DAY_MS);
        let register = "SELECT reason, node::text FROM certificates";
        let rows = network
            .database
            .rows(tests::harness::database::TRANSACTIONS, register)?;
        assert_eq!(rows, [["renewed".to_owned(), OLD.id.to_string()]]);
        assert_eq!(fs::read_dir(&keys)?.count(), 3, "something is left over");
        assert!(gate.process()?.terminate()?.success());
        Ok(())
    });
}

fn linked(status: &Value) -> bool {
    status["hub"]["reachable"].as_bool().unwrap_or(false)
}
