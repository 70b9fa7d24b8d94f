//! What a person who looks at the network does: presents a card, and waits until something shows.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use super::Network;
use crate::harness::database::TRANSACTIONS;
use crate::harness::gate::{A_ENTRY, B_EXIT, GateName, Tapped};
use crate::harness::gate_database::GateDatabase;
use crate::harness::process;
use crate::harness::wait::wait_for;

/// Everything that is quick takes less.
pub const SOON: Duration = Duration::from_secs(20);

impl Network {
    /// Issues a card with money on it and waits until every gate knows it.
    ///
    /// # Errors
    /// The hub refused, or a gate did not hear of it.
    pub fn issue(&self, card: &str, amount: &str) -> anyhow::Result<()> {
        self.hub.issue_card(card, amount)?;
        for gate in self.gates.values() {
            self.wait_for_balance(gate.name, card, amount)?;
        }
        Ok(())
    }

    /// Waits until a gate shows a balance.
    ///
    /// # Errors
    /// It did not, [`SOON`].
    pub fn wait_for_balance(&self, gate: GateName, card: &str, amount: &str) -> anyhow::Result<()> {
        let store = GateDatabase::new(self.gate(gate));
        let mut seen = None;
        let what = format!("{} to show {amount} on {card}", gate.code);
        let waited = wait_for(&what, SOON, || {
            seen = store.balance(card)?;
            Ok((seen.as_deref() == Some(amount)).then_some(()))
        });
        waited.with_context(|| format!("it shows {seen:?}"))
    }

    /// Waits until a fact is at the hub.
    ///
    /// # Errors
    /// It is not, in time.
    pub fn wait_for_fact(&self, fact: &str, limit: Duration) -> anyhow::Result<()> {
        wait_for(&format!("the fact {fact} at the hub"), limit, || {
            Ok(self.has_fact(fact)?.then_some(()))
        })
    }

    /// Whether a fact is at the hub.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn has_fact(&self, fact: &str) -> anyhow::Result<bool> {
        let parts: Vec<&str> = fact.split(':').collect();
        let [site, seq, index] = parts.as_slice() else {
            anyhow::bail!("{fact} is no fact");
        };
        let count = self.database.number(
            TRANSACTIONS,
            &format!(
                "SELECT count(*)::text FROM facts WHERE site = '{site}'::uuid AND seq = {seq} AND index = {index}"
            ),
        )?;
        Ok(count == 1)
    }

    /// Every tap at the hub, as `site:seq:index`.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn taps_at_hub(&self) -> anyhow::Result<BTreeSet<String>> {
        let rows = self.database.rows(
            TRANSACTIONS,
            "SELECT replace(site::text, '-', '') || ':' || seq || ':' || index FROM facts WHERE kind = 'tap'",
        )?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Waits until a gate shows that a card travels, or that it does not.
    ///
    /// # Errors
    /// It did not, [`SOON`].
    pub fn wait_for_trip(&self, gate: GateName, card: &str, travels: bool) -> anyhow::Result<()> {
        let store = GateDatabase::new(self.gate(gate));
        wait_for(
            &format!("{} to show whether {card} travels", gate.code),
            SOON,
            || Ok((store.travels(card)? == travels).then_some(())),
        )
    }

    /// What the hub calls a key in Redis: its own name for it after the prefix of its databases.
    #[must_use]
    pub fn redis_key(&self, name: &str) -> String {
        format!("{}{name}", self.database.prefix())
    }

    /// Asks Redis, as `redis-cli` does.
    ///
    /// # Errors
    /// It does not answer.
    pub fn ask_redis(&self, words: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("redis-cli");
        let answer = process::run(
            command
                .args(["-u", &self.redis.url(), "--no-auth-warning"])
                .args(words),
        )?;
        Ok(answer.trim().to_owned())
    }

    /// Presents a card, which has to be let through.
    ///
    /// # Errors
    /// No answer, or the barrier stayed closed.
    pub fn pass(&self, gate: GateName, card: &str) -> anyhow::Result<Tapped> {
        let tapped = self.gate(gate).tap(card)?;
        anyhow::ensure!(tapped.opened, "{} stayed closed: {}", gate.code, tapped.whole);
        Ok(tapped)
    }

    /// Somebody gets in at Terminal A and out at Terminal B: the network goes on.
    ///
    /// # Errors
    /// It does not.
    pub fn pass_somebody(&self) -> anyhow::Result<()> {
        const CARD: &str = "SOMEBODY0001";
        self.issue(CARD, "50000.00")?;
        self.pass(A_ENTRY, CARD)?;
        self.wait_for_trip(B_EXIT, CARD, true)?;
        self.pass(B_EXIT, CARD)?;
        for name in self.gates.values().map(|gate| gate.name) {
            self.wait_for_balance(name, CARD, "45000.00")?;
        }
        Ok(())
    }

    pub(super) fn wait_for_fares(&self) -> anyhow::Result<()> {
        let count = "SELECT count(*)::text FROM fare_versions";
        let known = wait_for("the sample's fares at the hub", SOON, || {
            let known = self.database.number(TRANSACTIONS, count)?;
            Ok((known > 0).then_some(known))
        })?;
        for gate in self.gates.values() {
            let store = GateDatabase::new(gate);
            wait_for(&format!("{} to know the fares", gate.name.code), SOON, || {
                Ok((store.fare_versions()? == known).then_some(()))
            })
            .with_context(|| format!("{} says:\n{}", gate.name.code, gate.log_end()))?;
        }
        Ok(())
    }
}
