//! Networks: terminals, gates and fares.

use std::collections::BTreeMap;

use serde::Deserialize;
use sync_protocol::decide::{Gate, GateType, Mode};
use sync_protocol::fare::{FareError, FareVersion, OrphanPolicy};
use sync_protocol::id::{GateCode, GateId, TerminalCode};
use sync_protocol::money::Money;

use crate::scenario::{End, NetworkName};

/// How far a synchronised gate clock may be off either way, milliseconds (domain 7: skew budget).
pub const CLOCK_UNCERTAINTY_MS: u32 = 2_000;

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// Its code.
    pub code: TerminalCode,
    /// Its name.
    pub name: String,
}

/// Whether passengers use a gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateService {
    /// They do.
    #[default]
    Online,
    /// Its node runs, passengers are sent elsewhere.
    Maintenance,
}

/// A gate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateSite {
    /// Its code.
    pub code: GateCode,
    /// Its terminal.
    pub terminal: TerminalCode,
    /// Which ways it works.
    pub kind: GateType,
    /// Whether passengers use it.
    #[serde(default)]
    pub status: GateService,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// The terminals.
    #[serde(rename = "terminal")]
    pub terminals: Vec<Terminal>,
    /// The gates. A gate's id is its place here, from 1.
    #[serde(rename = "gate")]
    pub gates: Vec<GateSite>,
    fares: BTreeMap<TerminalCode, BTreeMap<TerminalCode, Money>>,
}

impl Topology {
    /// The network of that name.
    #[must_use]
    pub fn named(name: NetworkName) -> Topology {
        let text = match name {
            NetworkName::Sample => include_str!("../networks/sample.toml"),
        };
        toml::from_str(text).expect("BUG: a built-in network is valid; a test reads each of them")
    }

    /// The network's fares as a version.
    ///
    /// # Errors
    /// The fares are not a table.
    pub fn fare_version(
        &self,
        version: u32,
        from_ms: i64,
        policy: OrphanPolicy,
    ) -> Result<FareVersion, FareError> {
        let routes = self.fares.iter();
        let fares =
            routes.flat_map(|(from, prices)| prices.iter().map(move |(to, price)| (*from, *to, *price)));
        FareVersion::new(version, from_ms, policy, fares)
    }

    /// The highest fare of the network.
    #[must_use]
    pub fn highest_fare(&self) -> Money {
        self.fares
            .values()
            .flat_map(BTreeMap::values)
            .copied()
            .max()
            .unwrap_or_default()
    }

    /// The gates with their ids, as they decide.
    pub fn deciding_gates(&self) -> impl Iterator<Item = (Gate, &GateSite)> {
        self.gates.iter().zip(1..).map(|(site, number)| {
            let gate = Gate {
                id: GateId(number),
                terminal: site.terminal,
                kind: site.kind,
                mode: Mode::Normal,
                uncertainty_ms: CLOCK_UNCERTAINTY_MS,
            };
            (gate, site)
        })
    }

    /// The gate with that code.
    #[must_use]
    pub fn gate_id(&self, code: GateCode) -> Option<GateId> {
        self.gates
            .iter()
            .zip(1..)
            .find(|(gate, _)| gate.code == code)
            .map(|(_, number)| GateId(number))
    }

    /// The node at the end of a link, or what is wrong with it.
    ///
    /// # Errors
    /// The network has no such gate.
    pub fn node(&self, end: End) -> Result<sync_protocol::id::NodeId, String> {
        match end {
            End::Hub => Ok(sync_protocol::id::NodeId::HUB),
            End::Gate(code) => self.gate_id(code).map(GateId::node).ok_or_else(|| {
                let codes: Vec<&str> = self.gates.iter().map(|gate| gate.code.as_str()).collect();
                format!("the network has no gate {code}: {} are allowed", codes.join(", "))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_network_is_the_source_designs() {
        let network = Topology::named(NetworkName::Sample);
        assert_eq!((network.terminals.len(), network.gates.len()), (5, 10));
        let fares = network.fare_version(1, 0, OrphanPolicy::Release).unwrap();
        assert_eq!(fares.fares().count(), 20);
        let table = sync_protocol::fare::FareTable::new(fares);
        // maximum fare from A 12,000; B 11,000; C 10,000; D 9,000; E 12,000.
        for (code, highest) in [
            ("A", 12_000),
            ("B", 11_000),
            ("C", 10_000),
            ("D", 9_000),
            ("E", 12_000),
        ] {
            assert_eq!(
                table.highest_from(code.parse().unwrap()),
                Some(Money::rupiah(highest)),
                "{code}"
            );
        }
    }
}
