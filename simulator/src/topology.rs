//! Networks: terminals, gates and fares.

pub mod generate;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sync_protocol::decide::{Gate, GateType, Mode};
use sync_protocol::fact::Direction;
use sync_protocol::fare::{FareError, FareVersion, OrphanPolicy};
use sync_protocol::id::{GateCode, GateId, NodeId, TerminalCode};
use sync_protocol::money::Money;

use crate::network::Link;
use crate::scenario::{End, FaultKind};

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

impl GateService {
    /// The word in the `gates` table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            GateService::Online => "online",
            GateService::Maintenance => "maintenance",
        }
    }
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

impl GateSite {
    /// Whether passengers use it this way.
    #[must_use]
    pub fn is_used_for(&self, direction: Direction) -> bool {
        self.status == GateService::Online && self.kind.serves(direction)
    }
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
    /// A network of these terminals, gates and fares, which belong together.
    #[must_use]
    pub const fn new(
        terminals: Vec<Terminal>,
        gates: Vec<GateSite>,
        fares: BTreeMap<TerminalCode, BTreeMap<TerminalCode, Money>>,
    ) -> Topology {
        Topology {
            terminals,
            gates,
            fares,
        }
    }

    /// The source design's network.
    #[must_use]
    pub fn sample() -> Topology {
        let text = include_str!("../networks/sample.toml");
        toml::from_str(text).expect("BUG: the sample network is valid; a test reads it")
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
        FareVersion::new(version, from_ms, policy, self.routes())
    }

    /// A later version: the network's fares in thousandths, in steps of five hundred rupiah.
    ///
    /// # Errors
    /// The fares are not a table.
    pub fn changed_fares(
        &self,
        version: u32,
        from_ms: i64,
        policy: OrphanPolicy,
        per_mille: i64,
    ) -> Result<FareVersion, FareError> {
        let step = Money::rupiah(500).as_hundredths();
        let changed =
            |price: Money| Money::hundredths(price.as_hundredths() * per_mille / 1_000 / step * step);
        let fares = self.routes().map(|(from, to, price)| (from, to, changed(price)));
        FareVersion::new(version, from_ms, policy, fares)
    }

    /// The fare of a route.
    #[must_use]
    pub fn fare(&self, from: TerminalCode, to: TerminalCode) -> Option<Money> {
        self.fares.get(&from)?.get(&to).copied()
    }

    fn routes(&self) -> impl Iterator<Item = (TerminalCode, TerminalCode, Money)> + '_ {
        let routes = self.fares.iter();
        routes.flat_map(|(from, prices)| prices.iter().map(move |(to, price)| (*from, *to, *price)))
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

    /// The links that a fault cuts.
    ///
    /// # Errors
    /// The network has no such terminal, gate or link.
    pub fn links_cut_by(&self, fault: &FaultKind) -> Result<BTreeSet<Link>, String> {
        let uplinks_of = |is_cut: &dyn Fn(&GateSite) -> bool| -> BTreeSet<Link> {
            let cut_off = self.deciding_gates().filter(|(_, site)| is_cut(site));
            cut_off
                .map(|(gate, _)| Link::between(gate.id.node(), NodeId::HUB))
                .collect()
        };
        match *fault {
            // Terminals have no links among each other: an island is cut off by its uplinks.
            FaultKind::Island { terminal } => Some(uplinks_of(&|site| site.terminal == terminal))
                .filter(|uplinks| !uplinks.is_empty())
                .ok_or_else(|| {
                    let known = self.terminals.iter();
                    let codes: Vec<&str> = known.map(|terminal| terminal.code.as_str()).collect();
                    format!(
                        "the network has no terminal {terminal}: {} are allowed",
                        codes.join(", ")
                    )
                }),
            FaultKind::HubAway => Ok(uplinks_of(&|_| true)),
            FaultKind::Cut { from, to } => self.link(from, to).map(|link| BTreeSet::from([link])),
            _ => Ok(BTreeSet::new()),
        }
    }

    fn link(&self, from: End, to: End) -> Result<Link, String> {
        let ((one, here), (other, there)) = (self.end(from)?, self.end(to)?);
        if one == other || (here != there && !one.is_hub() && !other.is_hub()) {
            return Err(format!(
                "there is no link between {from} and {to}: a gate has links to the hub and to the other gates of its \
                 terminal"
            ));
        }
        Ok(Link::between(one, other))
    }

    /// The node at the end of a link, and the terminal of a gate.
    fn end(&self, end: End) -> Result<(NodeId, Option<TerminalCode>), String> {
        let End::Gate(code) = end else {
            return Ok((NodeId::HUB, None));
        };
        let mut gates = self.deciding_gates();
        let gate = gates.find(|(_, site)| site.code == code);
        gate.map(|(gate, _)| (gate.id.node(), Some(gate.terminal)))
            .ok_or_else(|| {
                let codes: Vec<&str> = self.gates.iter().map(|gate| gate.code.as_str()).collect();
                format!("the network has no gate {code}: {} are allowed", codes.join(", "))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_network_is_the_source_designs() {
        let network = Topology::sample();
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
