//! The source design's sample data, corrected: five terminals, ten gates, a fare version, five cards and their holders.
//!
//! It enters as decisions do, so what it makes is true by the same rules as everything else. What is not loaded, and
//! why, is in `sql/sample/README.md`.
//!
//! Invariant: loading again changes nothing, because every request has an Idempotency-Key and a content that never
//! changes.

use std::fmt;

use sqlx::postgres::{PgPool, PgRow};
use sqlx::{FromRow, Row};
use sync_protocol::fare::{FareError, FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, TerminalCode};
use sync_protocol::money::Money;
use sync_protocol::rows::{RowChange, RowSet, Value, key};

use crate::decisions::Decision;
use crate::ledger::postgres::{LedgerError, PostgresLedger, Request, RequestId, SubmitError};
use crate::people::{Demographics, People, PeopleError, Person};

/// 1 January 2024, 00:00 in Jakarta, milliseconds since 1970: before everything that the source's sample dates.
const FARES_FROM_MS: i64 = 1_704_042_000_000;
/// Who asks for the sample.
const REQUESTED_BY: &str = "hub sample load";

const TERMINALS: &str = include_str!("../../sql/sample/terminals.sql");
const GATES: &str = include_str!("../../sql/sample/gates.sql");
const FARES: &str = include_str!("../../sql/sample/fares.sql");
const CARDS: &str = include_str!("../../sql/sample/cards.sql");

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The requests, in order; the settler takes them when it comes to them.
    pub requests: Vec<RequestId>,
    /// How many of them had been asked for before.
    pub repeated: usize,
    /// Terminals of the sample.
    pub terminals: usize,
    /// Gates of the sample.
    pub gates: usize,
    /// Routes of its fare version.
    pub routes: usize,
    /// Cards of the sample, each with a person.
    pub cards: usize,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loaded {
            terminals,
            gates,
            routes,
            cards,
            ..
        } = self;
        if self.repeated == self.requests.len() {
            f.write_str("the sample was loaded before: nothing changed; ")?;
        }
        write!(
            f,
            "{terminals} terminals, {gates} gates, {routes} fares, {cards} cards with their holders"
        )
    }
}

/// Why the sample is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The network has a row of its own that says otherwise.
    #[error(
        "the network has {found} where the sample has {sample}: the sample is for a network that was not set up yet"
    )]
    OtherRow {
        /// What stands there.
        found: String,
        /// What the sample says.
        sample: String,
    },
    /// The network has fares of its own.
    #[error(
        "the network has a fare version 1 of its own: the sample is for a network that was not set up yet"
    )]
    OtherFares,
    /// A sample file is damaged.
    #[error("the sample of {what} is damaged: {detail}")]
    Damaged {
        /// Which.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// A request is refused.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A person was not registered.
    #[error(transparent)]
    People(#[from] PeopleError),
}

/// Asks for the sample and registers its persons. Does not wait for the settler.
///
/// # Errors
/// The network says otherwise, a request is refused, or a database does not answer.
pub async fn load(ledger: &PostgresLedger, people: &People, now_ms: i64) -> Result<Loaded, SampleError> {
    let sample = Sample::read(ledger.pool()).await?;
    check_rows(&ledger.rows().await?, &sample.rows)?;
    let fares = ledger.fare_book().await?;
    let mut own = fares.iter().map(|table| table.fact());
    if own.any(|known| known.version == sample.fares.version && *known != sample.fares) {
        return Err(SampleError::OtherFares);
    }
    for (card, _, person) in &sample.cards {
        people.register_first(*card, person, now_ms).await?;
    }
    let (mut requests, mut repeated) = (Vec::new(), 0);
    for request in sample.requests() {
        let submitted = ledger.submit(&request).await?;
        repeated += usize::from(submitted.is_repeated);
        requests.push(submitted.id);
    }
    Ok(Loaded {
        requests,
        repeated,
        terminals: sample.terminals,
        gates: sample.gates,
        routes: sample.fares.fares().count(),
        cards: sample.cards.len(),
    })
}

/// The sample as decisions.
struct Sample {
    terminals: usize,
    gates: usize,
    rows: Vec<RowChange>,
    fares: FareVersion,
    cards: Vec<(CardId, Money, Person)>,
}

impl Sample {
    async fn read(pool: &PgPool) -> Result<Sample, SampleError> {
        let terminals: Vec<TerminalRow> = rows(pool, "terminals", TERMINALS).await?;
        let gates: Vec<GateRow> = rows(pool, "gates", GATES).await?;
        let fares: Vec<FareRow> = rows(pool, "fares", FARES).await?;
        let cards: Vec<CardRow> = rows(pool, "cards", CARDS).await?;
        let routes = fares
            .into_iter()
            .map(|FareRow(origin, destination, price)| (origin, destination, price));
        Ok(Sample {
            terminals: terminals.len(),
            gates: gates.len(),
            rows: changes(&terminals, &gates),
            fares: FareVersion::new(1, FARES_FROM_MS, OrphanPolicy::Release, routes)
                .map_err(|error: FareError| damaged("fares", error))?,
            cards: cards
                .into_iter()
                .map(|CardRow(card, top_up, person)| (card, top_up, person))
                .collect(),
        })
    }

    fn requests(&self) -> [Request; 3] {
        let request = |key: &str, decisions| Request {
            idempotency_key: Some(format!("hub sample load: {key}")),
            decisions,
            // The version begins before it is published, as the first one of a network has to: nobody travelled.
            override_lead_time: true,
            requested_by: REQUESTED_BY.to_owned(),
        };
        let network = self.rows.iter().cloned().map(Decision::Row).collect();
        let issued = self
            .cards
            .iter()
            .map(|(card, _, _)| Decision::Issue { card: *card });
        let paid = self.cards.iter().map(|(card, amount, _)| Decision::TopUp {
            card: *card,
            amount: *amount,
            reference: format!("SAMPLE-TOPUP-{card}"),
        });
        [
            request("network", network),
            request("fares", vec![Decision::Fares(self.fares.clone())]),
            request("cards", issued.chain(paid).collect()),
        ]
    }
}

/// A cell of the sample must not meet another one that has as few edits: then the greater value would win, and the
/// network would be a mixture. One that was edited since stays as it is.
fn check_rows(known: &RowSet, sample: &[RowChange]) -> Result<(), SampleError> {
    for change in sample {
        let cell = known
            .row(&change.table, &change.key)
            .filter(|row| row.causal_length() == change.causal_length)
            .and_then(|row| row.cells().get(&change.column));
        if let Some(cell) = cell
            && cell.col_version <= change.col_version
            && cell.value != change.value
        {
            let found = RowChange {
                value: cell.value.clone(),
                col_version: cell.col_version,
                ..change.clone()
            };
            return Err(SampleError::OtherRow {
                found: found.to_string(),
                sample: change.to_string(),
            });
        }
    }
    Ok(())
}

fn changes(terminals: &[TerminalRow], gates: &[GateRow]) -> Vec<RowChange> {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut changes = Vec::new();
    for terminal in terminals {
        let columns = [
            ("code", text(terminal.code.as_str())),
            ("name", text(&terminal.name)),
            ("location", text(&terminal.location)),
            ("latitude", Value::real(terminal.latitude)),
            ("longitude", Value::real(terminal.longitude)),
            ("is_active", Value::Integer(1)),
        ];
        inserted(&mut changes, "terminals", terminal.id, columns);
    }
    for gate in gates {
        let columns = [
            ("terminal_id", Value::Integer(gate.terminal_id)),
            ("gate_code", text(&gate.code)),
            ("type", text(&gate.gate_type)),
            ("status", text(&gate.status)),
            ("mode", text("normal")),
        ];
        inserted(&mut changes, "gates", gate.id, columns);
    }
    changes
}

/// A row as its first insertion states it.
fn inserted<const N: usize>(changes: &mut Vec<RowChange>, table: &str, id: i64, columns: [(&str, Value); N]) {
    let packed = key::pack(&[Value::Integer(id)]).expect("BUG: a number is a key");
    for ((column, value), seq) in columns.into_iter().zip(0..) {
        changes.push(RowChange {
            table: table.to_owned(),
            key: packed.clone(),
            column: column.to_owned(),
            value,
            col_version: 1,
            causal_length: 1,
            seq,
        });
    }
}

fn damaged(what: &'static str, detail: impl ToString) -> SampleError {
    SampleError::Damaged {
        what,
        detail: detail.to_string(),
    }
}

async fn rows<T>(pool: &PgPool, what: &'static str, statement: &'static str) -> Result<Vec<T>, SampleError>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let rows = sqlx::query_as(statement).fetch_all(pool).await;
    rows.map_err(|error| match error {
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => damaged(what, error),
        error => SampleError::Ledger(error.into()),
    })
}

/// A column that is kept as text.
fn parsed<T: std::str::FromStr>(row: &PgRow, column: &str) -> Result<T, sqlx::Error>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: &str = row.try_get(column)?;
    text.parse()
        .map_err(|error: T::Err| sqlx::Error::Decode(Box::new(error)))
}

struct TerminalRow {
    id: i64,
    code: TerminalCode,
    name: String,
    location: String,
    latitude: f64,
    longitude: f64,
}

impl FromRow<'_, PgRow> for TerminalRow {
    fn from_row(row: &PgRow) -> Result<TerminalRow, sqlx::Error> {
        Ok(TerminalRow {
            id: row.try_get("id")?,
            code: parsed(row, "code")?,
            name: row.try_get("name")?,
            location: row.try_get("location")?,
            latitude: row.try_get("latitude")?,
            longitude: row.try_get("longitude")?,
        })
    }
}

struct GateRow {
    id: i64,
    terminal_id: i64,
    code: String,
    gate_type: String,
    status: String,
}

impl FromRow<'_, PgRow> for GateRow {
    fn from_row(row: &PgRow) -> Result<GateRow, sqlx::Error> {
        Ok(GateRow {
            id: row.try_get("id")?,
            terminal_id: row.try_get("terminal_id")?,
            code: row.try_get("gate_code")?,
            gate_type: row.try_get("gate_type")?,
            status: row.try_get("status")?,
        })
    }
}

struct FareRow(TerminalCode, TerminalCode, Money);

impl FromRow<'_, PgRow> for FareRow {
    fn from_row(row: &PgRow) -> Result<FareRow, sqlx::Error> {
        Ok(FareRow(
            parsed(row, "origin")?,
            parsed(row, "destination")?,
            parsed(row, "price")?,
        ))
    }
}

struct CardRow(CardId, Money, Person);

impl FromRow<'_, PgRow> for CardRow {
    fn from_row(row: &PgRow) -> Result<CardRow, sqlx::Error> {
        let person = Person {
            full_name: row.try_get("full_name")?,
            email: row.try_get("email")?,
            phone: row.try_get("phone")?,
            demographics: Demographics {
                age_group: row.try_get("age_group")?,
                gender: row.try_get("gender")?,
                membership: row.try_get("membership")?,
            },
        };
        Ok(CardRow(parsed(row, "card_id")?, parsed(row, "top_up")?, person))
    }
}
