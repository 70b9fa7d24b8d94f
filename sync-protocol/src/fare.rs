//! Fare versions: whole tables with a time from which they hold (D-22).
//!
//! A [`FareVersion`] is what travels: compact and hashed. A [`FareTable`] is what decides: dense, with the highest
//! and lowest fares per terminal worked out. A [`FareBook`] holds every known version and picks the one in force.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::TerminalCode;
use crate::money::Money;
use crate::mutation::{Mutation, is};

/// Most terminals in one table. Keeps a version inside one changeset.
pub const TERMINALS_MAX: usize = 480;

/// What an unfinished journey costs (D-26).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrphanPolicy {
    /// Nothing: the source design's choice.
    #[default]
    Release,
    /// The highest fare from (or into) the terminal.
    ChargeMax,
    /// The lowest fare from (or into) the terminal.
    ChargeMin,
}

/// A complete fare table as a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FareVersion {
    /// Counts the versions, from 1.
    pub version: u32,
    /// Holds for journeys entered from this time on, milliseconds since 1970.
    pub effective_from_ms: i64,
    /// What an unfinished journey costs.
    pub orphan_policy: OrphanPolicy,
    /// The terminals, ascending.
    terminals: Vec<TerminalCode>,
    /// Every price is a multiple of this.
    unit: Money,
    /// Row by row, origin then destination: 0 where there is no fare, else 1 + price / unit.
    prices: Vec<u64>,
    /// Hash of all the above.
    hash: [u8; 32],
}

/// Why a fare version is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FareError {
    /// Version numbers start at 1.
    #[error("fare version 0 is not allowed: versions count from 1")]
    VersionZero,
    /// A terminal is not charged to itself by the table.
    #[error("a fare from {0} to itself is not allowed: same-station journeys have their own rule")]
    SameTerminal(TerminalCode),
    /// Two prices for one route.
    #[error("two fares from {0} to {1}: a version states each route once")]
    Twice(TerminalCode, TerminalCode),
    /// Not a price.
    #[error("the fare from {0} to {1} is {2}: a price lies between 0.00 and 9999999999999.99")]
    Price(TerminalCode, TerminalCode, Money),
    /// Too large to travel.
    #[error("{0} terminals in one fare version: at most {TERMINALS_MAX} are allowed")]
    TooManyTerminals(usize),
    /// The table is not what its hash says, or not in canonical form.
    #[error("fare version {0} is damaged: its content does not match its hash")]
    Damaged(u32),
}

impl FareVersion {
    /// A version from its routes, in any order.
    ///
    /// # Errors
    /// See [`FareError`].
    pub fn new(
        version: u32,
        effective_from_ms: i64,
        orphan_policy: OrphanPolicy,
        fares: impl IntoIterator<Item = (TerminalCode, TerminalCode, Money)>,
    ) -> Result<FareVersion, FareError> {
        if version == 0 {
            return Err(FareError::VersionZero);
        }
        let mut routes = BTreeMap::new();
        for (origin, destination, price) in fares {
            if origin == destination {
                return Err(FareError::SameTerminal(origin));
            }
            if !price.is_price() {
                return Err(FareError::Price(origin, destination, price));
            }
            if routes.insert((origin, destination), price).is_some() {
                return Err(FareError::Twice(origin, destination));
            }
        }
        let terminals: BTreeSet<_> = routes.keys().flat_map(|(from, to)| [*from, *to]).collect();
        let terminals: Vec<_> = terminals.into_iter().collect();
        if terminals.len() > TERMINALS_MAX {
            return Err(FareError::TooManyTerminals(terminals.len()));
        }
        let unit = routes.values().fold(0, |unit, price| {
            greatest_common_divisor(unit, price.as_hundredths())
        });
        let unit = unit.max(1);
        let price_code = |from: &TerminalCode, to: &TerminalCode| {
            routes
                .get(&(*from, *to))
                .map_or(0, |price| 1 + (price.as_hundredths() / unit).unsigned_abs())
        };
        let prices = terminals
            .iter()
            .flat_map(|from| terminals.iter().map(move |to| price_code(from, to)));
        let mut table = FareVersion {
            version,
            effective_from_ms,
            orphan_policy,
            prices: prices.collect(),
            terminals,
            unit: Money::hundredths(unit),
            hash: [0; 32],
        };
        table.hash = table.content_hash();
        Ok(table)
    }

    /// Checks what came from outside: the hash, the shape and every price.
    ///
    /// # Errors
    /// See [`FareError`].
    pub fn check(&self) -> Result<(), FareError> {
        let damaged = FareError::Damaged(self.version);
        let size = self.terminals.len();
        if size > TERMINALS_MAX {
            return Err(FareError::TooManyTerminals(size));
        }
        let unit = self.unit.as_hundredths();
        let shape = self.prices.len() == size * size
            && self.terminals.windows(2).all(|pair| pair[0] < pair[1])
            && self.unit.is_price()
            && unit > 0
            && self
                .prices
                .iter()
                .all(|code| *code <= 1 + (Money::AMOUNT_MAX.as_hundredths() / unit).unsigned_abs());
        if !shape || self.hash != self.content_hash() {
            return Err(damaged);
        }
        let again = FareVersion::new(
            self.version,
            self.effective_from_ms,
            self.orphan_policy,
            self.fares(),
        )?;
        if again == *self { Ok(()) } else { Err(damaged) }
    }

    /// The routes and prices, by origin then destination.
    pub fn fares(&self) -> impl Iterator<Item = (TerminalCode, TerminalCode, Money)> + '_ {
        let size = self.terminals.len().max(1);
        self.prices
            .iter()
            .enumerate()
            .filter(|(_, code)| **code > 0)
            .filter_map(move |(cell, code)| {
                let price = i64::try_from(code - 1)
                    .ok()?
                    .checked_mul(self.unit.as_hundredths())?;
                Some((
                    *self.terminals.get(cell / size)?,
                    *self.terminals.get(cell % size)?,
                    Money::hundredths(price),
                ))
            })
    }

    /// Hash of the content, which names the table.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    fn content_hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 fare version");
        hasher.update(&self.version.to_le_bytes());
        hasher.update(&self.effective_from_ms.to_le_bytes());
        hasher.update(&[self.orphan_policy as u8]);
        hasher.update(&self.unit.as_hundredths().to_le_bytes());
        hasher.update(&(self.terminals.len() as u64).to_le_bytes());
        for terminal in &self.terminals {
            hasher.update(&[terminal.as_str().len() as u8]);
            hasher.update(terminal.as_str().as_bytes());
        }
        for code in &self.prices {
            hasher.update(&code.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

/// Euclid's algorithm on non-negative numbers.
const fn greatest_common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Highest and lowest fare of a terminal in one direction; `None` without any fare.
type Range = Option<(Money, Money)>;

/// A fare version made ready for lookups.
pub struct FareTable {
    fact: FareVersion,
    /// By terminal ordinal: 1 + row in `prices`, or 0.
    rows: Vec<u16>,
    /// Dense matrix; negative where there is no fare.
    prices: Vec<i64>,
    size: usize,
    from: Vec<Range>,
    into: Vec<Range>,
}

impl fmt::Debug for FareTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FareTable")
            .field("version", &self.fact.version)
            .field("terminals", &self.size)
            .finish()
    }
}

impl FareTable {
    /// Prepares a version that has passed [`FareVersion::check`] (or came from [`FareVersion::new`]).
    #[must_use]
    pub fn new(fact: FareVersion) -> FareTable {
        let size = fact.terminals.len();
        let mut rows = vec![
            0;
            fact.terminals
                .iter()
                .map(|code| code.ordinal() + 1)
                .max()
                .unwrap_or(0)
        ];
        for (row, code) in fact.terminals.iter().enumerate() {
            rows[code.ordinal()] = row as u16 + 1;
        }
        let mut table = FareTable {
            rows,
            prices: vec![-1; size * size],
            size,
            from: vec![None; size],
            into: vec![None; size],
            fact,
        };
        let fares: Vec<_> = table.fact.fares().collect();
        for (origin, destination, price) in fares {
            let (Some(row), Some(column)) = (table.row(origin), table.row(destination)) else {
                continue;
            };
            table.prices[row * size + column] = price.as_hundredths();
            widen(&mut table.from[row], price);
            widen(&mut table.into[column], price);
        }
        table
    }

    /// The fact behind the table.
    #[must_use]
    pub const fn fact(&self) -> &FareVersion {
        &self.fact
    }

    /// The fare of a route.
    #[must_use]
    pub fn fare(&self, origin: TerminalCode, destination: TerminalCode) -> Option<Money> {
        let cell = self.row(origin)? * self.size + self.row(destination)?;
        self.prices
            .get(cell)
            .copied()
            .filter(|price| *price >= 0)
            .map(Money::hundredths)
    }

    /// The highest fare from a terminal: what an entry holds (D-23).
    #[must_use]
    pub fn highest_from(&self, origin: TerminalCode) -> Option<Money> {
        self.from[self.row(origin)?].map(|(highest, _)| highest)
    }

    /// The lowest fare from a terminal: what a long same-station journey costs (T-13).
    #[must_use]
    pub fn lowest_from(&self, origin: TerminalCode) -> Option<Money> {
        self.from[self.row(origin)?].map(|(_, lowest)| lowest)
    }

    /// What an entry without exit costs under the version's policy.
    #[must_use]
    pub fn incomplete_charge(&self, origin: TerminalCode) -> Money {
        self.orphan_charge(self.row(origin).and_then(|row| self.from[row]))
    }

    /// What a closed exit without entry costs under the version's policy.
    #[must_use]
    pub fn unstarted_charge(&self, destination: TerminalCode) -> Money {
        self.orphan_charge(self.row(destination).and_then(|column| self.into[column]))
    }

    fn orphan_charge(&self, range: Range) -> Money {
        let (highest, lowest) = range.unwrap_or_default();
        match self.fact.orphan_policy {
            OrphanPolicy::Release => Money::ZERO,
            OrphanPolicy::ChargeMax => highest,
            OrphanPolicy::ChargeMin => lowest,
        }
    }

    fn row(&self, terminal: TerminalCode) -> Option<usize> {
        self.rows
            .get(terminal.ordinal())
            .and_then(|row| usize::from(*row).checked_sub(1))
    }
}

fn widen(range: &mut Range, price: Money) {
    let (highest, lowest) = range.unwrap_or((price, price));
    *range = Some((highest.max(price), lowest.min(price)));
}

/// Every fare version a node knows. A set: the order in which versions arrive does not matter.
#[derive(Clone, Debug, Default)]
pub struct FareBook {
    /// Highest version first. Of two facts with one version number the first inserted stays.
    tables: Vec<Arc<FareTable>>,
}

impl FareBook {
    /// Adds a version. Returns false when that version number is already there.
    pub fn insert(&mut self, fact: FareVersion) -> bool {
        match self
            .tables
            .binary_search_by(|table| fact.version.cmp(&table.fact.version))
        {
            Ok(_) => false,
            Err(place) => {
                self.tables.insert(place, Arc::new(FareTable::new(fact)));
                true
            }
        }
    }

    /// The version in force for a journey entered at `ms`: the highest version number among those with
    /// effective_from not after it (4.8 point 8).
    #[must_use]
    pub fn effective_at(&self, ms: i64) -> Option<&FareTable> {
        if is(Mutation::OldFareVersion) {
            return self.tables.last().map(Arc::as_ref);
        }
        let ms = ms - i64::from(is(Mutation::FareJustAfter));
        self.tables
            .iter()
            .find(|table| table.fact.effective_from_ms <= ms)
            .map(Arc::as_ref)
    }

    /// The highest version number; 0 when there is none. The hub numbers without gaps, so it names the whole set.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.tables.first().map_or(0, |table| table.fact.version)
    }

    /// All versions, highest first.
    pub fn iter(&self) -> impl Iterator<Item = &FareTable> {
        self.tables.iter().map(Arc::as_ref)
    }
}
