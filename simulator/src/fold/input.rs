//! Lines to facts: one pass over a stream, one line in memory at a time.
//!
//! Sites are any text here and compare as text. They are numbered by rank once all are known, so that a
//! [`SiteId`] compares as its text does, whatever its length.
//!
//! Invariant: two lines with one id carry the same fact, or the input is refused with both lines named.

mod line;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::str;

use sync_protocol::fact::{Fact, OrderedFact};
use sync_protocol::id::{FactId, GateId, Seq, SiteId};

use self::line::{Line, Named};
pub use self::value::Wrong;
use self::value::clipped;

/// Longest line taken: room for a fare version of 480 terminals, the largest there is.
pub const LINE_BYTES_MAX: u64 = 16 << 20;
/// Reading stops after so many errors.
pub const ERRORS_MAX: usize = 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Facts read, duplicates dropped.
#[derive(Debug)]
pub struct Input {
    /// The sites' names; a [`SiteId`] is the place in this list.
    pub sites: Sites,
    /// Every fact of a card, by card and then in the order of the fold.
    pub facts: Vec<OrderedFact>,
    /// Every fare version, in the order of the fold.
    pub fare_versions: Vec<OrderedFact>,
}

/// Sites by rank.
#[derive(Debug, Default)]
pub struct Sites(Vec<Box<str>>);

impl Sites {
    /// The name of a site.
    #[must_use]
    pub fn name(&self, site: SiteId) -> &str {
        let rank = usize::try_from(u128::from_be_bytes(site.0)).ok();
        let name = rank.and_then(|rank| self.0.get(rank));
        name.expect("BUG: every site comes from this list")
    }
}

/// Why the input is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The file cannot be read.
    #[error("{name}: {error}; a readable file of facts, one JSON object a line, or - is allowed")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// Lines are wrong.
    #[error("{0}")]
    Lines(WrongLines),
}

/// The lines that are wrong, at most [`ERRORS_MAX`] of them.
#[derive(Debug)]
pub struct WrongLines {
    name: String,
    lines: Vec<(u64, Wrong)>,
}

impl fmt::Display for WrongLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (line, wrong)) in self.lines.iter().enumerate() {
            let separator = if place == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{line}: {wrong}", self.name)?;
        }
        if self.lines.len() == ERRORS_MAX {
            write!(f, "\n{}: stopped after {ERRORS_MAX} errors", self.name)?;
        }
        Ok(())
    }
}

/// Reads all facts. `name` stands for the input in messages.
///
/// # Errors
/// The stream cannot be read, or lines are wrong: see [`Refusal`].
pub fn read(name: &str, mut stream: impl BufRead) -> Result<Input, Refusal> {
    let unreadable = |error| Refusal::Unreadable {
        name: name.to_owned(),
        error,
    };
    let mut union = Union::default();
    let mut wrong = Vec::new();
    let mut bytes = Vec::new();
    let mut number = 0;
    while wrong.len() < ERRORS_MAX {
        number += 1;
        let length = read_line(&mut stream, &mut bytes).map_err(unreadable)?;
        match length {
            LineLength::End => break,
            LineLength::TooLong => {
                wrong.push((
                    number,
                    Wrong::new(
                        "the line is too long",
                        format!("up to {LINE_BYTES_MAX} bytes are allowed"),
                    ),
                ));
            }
            LineLength::Whole => {
                let text = bytes
                    .strip_prefix(BYTE_ORDER_MARK)
                    .filter(|_| number == 1)
                    .unwrap_or(&bytes);
                if let Err(error) = read_fact(text, number, &mut union) {
                    wrong.push((number, error));
                }
            }
        }
    }
    if wrong.is_empty() {
        return Ok(union.finish());
    }
    let name = name.to_owned();
    Err(Refusal::Lines(WrongLines { name, lines: wrong }))
}

fn read_fact(bytes: &[u8], number: u64, union: &mut Union) -> Result<(), Wrong> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let place = error.valid_up_to() + 1;
        Wrong::new(
            format!("byte {place} is not UTF-8"),
            "lines of JSON in UTF-8 are allowed",
        )
    })?;
    if text.trim_ascii().is_empty() {
        return Ok(());
    }
    let line = line::parse(text, union)?;
    union.add(line, number)
}

enum LineLength {
    Whole,
    TooLong,
    End,
}

/// Reads one line without its end. Of a line that is too long nothing is kept.
fn read_line(stream: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<LineLength> {
    bytes.clear();
    let read = stream
        .by_ref()
        .take(LINE_BYTES_MAX + 1)
        .read_until(b'\n', bytes)?;
    if read == 0 {
        return Ok(LineLength::End);
    }
    if bytes.pop_if(|last| *last == b'\n').is_some() || (read as u64) <= LINE_BYTES_MAX {
        return Ok(LineLength::Whole);
    }
    bytes.clear();
    bytes.shrink_to(0);
    stream.skip_until(b'\n')?;
    Ok(LineLength::TooLong)
}

/// The facts read so far, united by id. Sites stand under the number of their first appearance until the end.
#[derive(Default)]
struct Union {
    sites: BTreeMap<Box<str>, u32>,
    gates: BTreeMap<Box<str>, u32>,
    facts: Vec<OrderedFact>,
    lines: Vec<u64>,
    places: BTreeMap<(u32, Seq), usize>,
}

impl Named for Union {
    fn fact_id(&mut self, site: &str, seq: u64) -> FactId {
        FactId {
            site: site_id(number_of(&mut self.sites, site)),
            seq: Seq(seq),
            index: 0,
        }
    }

    fn gate_id(&mut self, gate: &str) -> GateId {
        GateId(number_of(&mut self.gates, gate))
    }
}

impl Union {
    fn add(&mut self, line: Line, number: u64) -> Result<(), Wrong> {
        let Line { site, key, fact } = line;
        let site_number = number_of(&mut self.sites, &site);
        let place = *self
            .places
            .entry((site_number, key.id.seq))
            .or_insert(self.facts.len());
        let Some(known) = self.facts.get(place) else {
            self.facts.push(OrderedFact { key, fact });
            self.lines.push(number);
            return Ok(());
        };
        if known.key == key && known.fact == fact {
            return Ok(());
        }
        let first = self.lines[place];
        let seq = key.id.seq;
        Err(Wrong::new(
            format!(
                "site {:?} seq {seq} says something else than line {first}",
                clipped(&site)
            ),
            "one fact for each site and seq is allowed, repeated as it is or not at all",
        ))
    }

    fn finish(self) -> Input {
        let mut ranks = vec![0; self.sites.len()];
        for (rank, number) in (0..).zip(self.sites.values()) {
            ranks[*number as usize] = rank;
        }
        let sites = Sites(self.sites.into_keys().collect());
        let mut facts = self.facts;
        let rank = |id: &mut FactId| id.site = site_id(ranks[site_number(id.site)]);
        for OrderedFact { key, fact } in &mut facts {
            rank(&mut key.id);
            if let Fact::Close { tap, .. } = fact {
                rank(tap);
            }
        }
        facts.sort_unstable_by_key(|fact| (fact.fact.card(), fact.key));
        let fare_versions = facts.partition_point(|fact| fact.fact.card().is_none());
        let of_cards = facts.split_off(fare_versions);
        Input {
            sites,
            facts: of_cards,
            fare_versions: facts,
        }
    }
}

/// The number of a name, a new one when it is new.
fn number_of(names: &mut BTreeMap<Box<str>, u32>, name: &str) -> u32 {
    if let Some(number) = names.get(name) {
        return *number;
    }
    let number = u32::try_from(names.len()).expect("BUG: memory ends before the names do");
    names.insert(name.into(), number);
    number
}

fn site_id(number: u32) -> SiteId {
    SiteId(u128::from(number).to_be_bytes())
}

fn site_number(site: SiteId) -> usize {
    usize::try_from(u128::from_be_bytes(site.0)).expect("BUG: sites are numbered from 0")
}
