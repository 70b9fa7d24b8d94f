//! Everybody agrees.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Network;
use crate::harness::books::{self, Facts};
use crate::harness::database::{TRANSACTIONS, USERS};
use crate::harness::gate_database::GateDatabase;
use crate::harness::wait::wait_for;

/// How long after the last fault everybody may take to agree.
pub const LEVEL_LIMIT: Duration = Duration::from_secs(60);

impl Network {
    /// Waits until nothing is under way and everybody agrees; then checks the books.
    ///
    /// # Errors
    /// Somebody disagrees when [`LEVEL_LIMIT`] is over, or the books are wrong.
    pub fn level(&self) -> anyhow::Result<Facts> {
        wait_for("everybody to agree", LEVEL_LIMIT, || self.is_level().map(Some))?;
        books::check(&self.database)
    }

    /// An error says who does not agree about what.
    fn is_level(&self) -> anyhow::Result<()> {
        let waiting = self
            .database
            .number(TRANSACTIONS, "SELECT count(*)::text FROM arrivals")?;
        anyhow::ensure!(waiting == 0, "{waiting} changesets wait to be settled");
        let pending = "SELECT count(*)::text FROM decision_requests WHERE state = 'pending'";
        let pending = self.database.number(TRANSACTIONS, pending)?;
        anyhow::ensure!(pending == 0, "{pending} decisions wait to be numbered");
        let sites = self.database.rows(
            TRANSACTIONS,
            "SELECT replace(s.site::text, '-', ''), coalesce(s.terminal, ''), s.head_seq::text
             FROM sites AS s
             LEFT JOIN hub_sites AS h ON h.role = s.role AND h.head_chain = s.head_chain
             WHERE s.role = 'gate' OR h.role IS NOT NULL",
        )?;
        let own = sites
            .iter()
            .filter(|site| site.get(1).is_some_and(String::is_empty));
        let opened = "SELECT count(*)::text FROM hub_sites WHERE head_seq > 0";
        let opened = usize::try_from(self.database.number(TRANSACTIONS, opened)?)?;
        anyhow::ensure!(
            own.count() == opened,
            "the hub has opened {opened} sites of its own: {sites:?}"
        );
        let cards = self.cards(
            TRANSACTIONS,
            "SELECT card, balance::numeric(15,2)::text, status FROM card_states",
        )?;
        let told = self.cards(
            TRANSACTIONS,
            "SELECT card, balance::numeric(15,2)::text, status FROM card_states
             WHERE card IN (SELECT card FROM outbox)",
        )?;
        let users = self.cards(USERS, "SELECT card_id, balance::text, status::text FROM users")?;
        same(USERS, &users, &told)?;
        for gate in self.gates.values() {
            let store = GateDatabase::new(gate);
            let heads = store.heads()?;
            for site in &sites {
                let [id, terminal, head] = books::columns(site)?;
                if terminal.is_empty() || terminal == gate.name.terminal {
                    let head: u64 = head.parse()?;
                    let held = heads.get(id).copied().unwrap_or_default();
                    anyhow::ensure!(
                        held == head,
                        "{} holds {held} of site {id}, the hub {head}",
                        gate.name.code
                    );
                }
            }
            same(gate.name.code, &store.cards()?, &cards)?;
        }
        Ok(())
    }

    fn cards(&self, database: &str, sql: &str) -> anyhow::Result<BTreeSet<Vec<String>>> {
        Ok(self.database.rows(database, sql)?.into_iter().collect())
    }
}

fn same(name: &str, shown: &BTreeSet<Vec<String>>, settled: &BTreeSet<Vec<String>>) -> anyhow::Result<()> {
    let difference: Vec<_> = shown.symmetric_difference(settled).take(4).collect();
    anyhow::ensure!(difference.is_empty(), "{name} and the hub differ: {difference:?}");
    Ok(())
}
