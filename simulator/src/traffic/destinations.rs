//! From where to where: terminals drawn by weight, and the gates that passengers use there.

use std::collections::BTreeMap;

use sync_protocol::fact::Direction;
use sync_protocol::id::TerminalCode;
use sync_protocol::money::Money;

use crate::random::Stream;
use crate::scenario::Pairs;
use crate::topology::Topology;

/// Draws before a trip without another destination is given up.
const DRAWS_MAX: usize = 32;
/// The nearest terminal draws this many times as many commuters as the furthest.
const CENTRE_WEIGHT: i64 = 10;
/// Commuters turn round at noon.
const NOON_HOUR: i64 = 12;

/// The gates of a terminal by what passengers use them for.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors {
    /// Those that let in.
    pub(super) entries: Vec<u32>,
    /// Those that let out.
    pub(super) exits: Vec<u32>,
    /// Those that only let out.
    pub(super) exits_only: Vec<u32>,
    /// Those that only let in.
    pub(super) entries_only: Vec<u32>,
}

/// Where trips begin and end.
pub(super) struct Destinations {
    doors: Vec<Doors>,
    pairs: Drawn,
}

enum Drawn {
    /// Origins and destinations apart, before noon and after.
    Apart([(Weighted, Weighted); 2]),
    /// Both at once.
    Together(Weighted, Vec<(usize, usize)>),
}

/// Numbers drawn in proportion to their weights.
struct Weighted {
    /// The weight of each and all before it.
    until: Vec<u64>,
}

impl Weighted {
    fn new(weights: impl IntoIterator<Item = u64>) -> Weighted {
        let sum = |sum: &mut u64, weight: u64| {
            *sum += weight;
            Some(*sum)
        };
        Weighted {
            until: weights.into_iter().scan(0, sum).collect(),
        }
    }

    fn pick(&self, stream: &mut Stream) -> Option<usize> {
        let total = *self.until.last()?;
        let drawn = stream.below(total);
        Some(self.until.partition_point(|until| *until <= drawn)).filter(|place| *place < self.until.len())
    }
}

impl Destinations {
    pub(super) fn new(pairs: &Pairs, network: &Topology) -> Destinations {
        let doors = doors_of(network);
        let open_in = |place: usize| u64::from(!doors[place].entries.is_empty());
        let open_out = |place: usize| u64::from(!doors[place].exits.is_empty());
        let places = 0..doors.len();
        let pairs = match pairs {
            Pairs::Uniform => {
                let weighted = || {
                    (
                        Weighted::new(places.clone().map(open_in)),
                        Weighted::new(places.clone().map(open_out)),
                    )
                };
                Drawn::Apart([weighted(), weighted()])
            }
            Pairs::Commuter => {
                let central = centrality(network);
                let outer = |place: usize| CENTRE_WEIGHT.unsigned_abs() + 1 - central[place];
                Drawn::Apart([
                    (
                        Weighted::new(places.clone().map(|place| open_in(place) * outer(place))),
                        Weighted::new(places.clone().map(|place| open_out(place) * central[place])),
                    ),
                    (
                        Weighted::new(places.clone().map(|place| open_in(place) * central[place])),
                        Weighted::new(places.clone().map(|place| open_out(place) * outer(place))),
                    ),
                ])
            }
            Pairs::Listed(pairs) => {
                let codes: BTreeMap<TerminalCode, usize> = places_of(network);
                let listed = pairs.iter().filter_map(|pair| {
                    let ends = (*codes.get(pair.from.get_ref())?, *codes.get(pair.to.get_ref())?);
                    Some((ends, pair.weight.get().unsigned_abs()))
                });
                let (ends, weights): (Vec<_>, Vec<_>) = listed.unzip();
                Drawn::Together(Weighted::new(weights), ends)
            }
        };
        Destinations { doors, pairs }
    }

    /// Places of an origin and another destination, for a trip that begins in that hour of the day.
    pub(super) fn draw(&self, hour: i64, stream: &mut Stream) -> Option<(usize, usize)> {
        match &self.pairs {
            Drawn::Apart(halves) => {
                let (origins, destinations) = &halves[usize::from(hour >= NOON_HOUR)];
                let origin = origins.pick(stream)?;
                (0..DRAWS_MAX)
                    .filter_map(|_| destinations.pick(stream))
                    .find(|destination| *destination != origin)
                    .map(|destination| (origin, destination))
            }
            Drawn::Together(weighted, ends) => weighted.pick(stream).map(|place| ends[place]),
        }
    }

    /// The gates of the terminal at a place.
    pub(super) fn doors(&self, place: usize) -> &Doors {
        &self.doors[place]
    }
}

fn places_of(network: &Topology) -> BTreeMap<TerminalCode, usize> {
    let terminals = network.terminals.iter().zip(0..);
    terminals
        .map(|(terminal, place)| (terminal.code, place))
        .collect()
}

fn doors_of(network: &Topology) -> Vec<Doors> {
    let places = places_of(network);
    let mut doors = vec![Doors::default(); places.len()];
    for (gate, site) in network.deciding_gates() {
        let Some(doors) = places.get(&site.terminal).and_then(|place| doors.get_mut(*place)) else {
            continue;
        };
        let number = gate.id.0;
        match (
            site.is_used_for(Direction::Entry),
            site.is_used_for(Direction::Exit),
        ) {
            (true, true) => {
                doors.entries.push(number);
                doors.exits.push(number);
            }
            (true, false) => {
                doors.entries.push(number);
                doors.entries_only.push(number);
            }
            (false, true) => {
                doors.exits.push(number);
                doors.exits_only.push(number);
            }
            (false, false) => {}
        }
    }
    doors
}

/// How central each terminal is, 1 to [`CENTRE_WEIGHT`]. The centre is where it is cheapest to get to from everywhere.
fn centrality(network: &Topology) -> Vec<u64> {
    let codes: Vec<TerminalCode> = network.terminals.iter().map(|terminal| terminal.code).collect();
    let fare =
        |from: TerminalCode, to: TerminalCode| network.fare(from, to).unwrap_or(Money::ZERO).as_hundredths();
    let total = |to: &TerminalCode| -> i64 { codes.iter().map(|from| fare(*from, *to)).sum() };
    let Some(centre) = codes.iter().copied().min_by_key(total) else {
        return Vec::new();
    };
    let furthest = codes
        .iter()
        .map(|from| fare(*from, centre))
        .max()
        .unwrap_or(0)
        .max(1);
    let weight = |from: &TerminalCode| {
        let nearness = furthest - fare(*from, centre);
        (1 + (CENTRE_WEIGHT - 1) * nearness / furthest).unsigned_abs()
    };
    codes.iter().map(weight).collect()
}
