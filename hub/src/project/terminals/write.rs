//! Balance holds as rows.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use sync_protocol::id::CardId;
use sync_protocol::money::Money;

use super::{ProjectError, failed, sql};
use crate::project::holds::{Hold, Shown};
use crate::project::{HOLD_TTL_MS, USERS, shown_ms};

/// The holds with these references, and those of the cards that are shown as open.
pub(super) async fn read_holds(
    connection: &mut PgConnection,
    references: &BTreeSet<String>,
    cards: &[&str],
) -> Result<BTreeMap<String, Hold>, ProjectError> {
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let rows = sqlx::query(sql::HOLDS_READ).bind(references).bind(cards);
    let rows = rows.fetch_all(connection).await.map_err(failed)?;
    let holds = rows.iter().map(|row| {
        let hold = hold(row)?;
        Ok((hold.reference.clone(), hold))
    });
    holds.collect()
}

fn hold(row: &PgRow) -> Result<Hold, ProjectError> {
    let money = |column: &str| row.try_get(column).map(Money::hundredths).map_err(failed);
    let reference: String = row.try_get("transaction_reference").map_err(failed)?;
    let damaged = |detail: String| ProjectError::Database {
        database: super::TERMINALS,
        source: sqlx::Error::Decode(format!("balance hold {reference}: {detail}").into()),
    };
    let card: &str = row.try_get("card_id").map_err(failed)?;
    let terminal: &str = row.try_get("terminal_code").map_err(failed)?;
    Ok(Hold {
        entry: row.try_get("entry_fact").map_err(failed)?,
        card: card.parse().map_err(|error| damaged(format!("{error}")))?,
        terminal: terminal.parse().map_err(|error| damaged(format!("{error}")))?,
        hold: money("hold")?,
        captured: money("captured")?,
        forfeited: money("forfeited")?,
        completed: row.try_get("completed").map_err(failed)?,
        open: row.try_get("open").map_err(failed)?,
        created_ms: row.try_get("created_ms").map_err(failed)?,
        released_ms: row.try_get("released_ms").map_err(failed)?,
        updated_ms: row.try_get("updated_ms").map_err(failed)?,
        position: row.try_get("position").map_err(failed)?,
        reference,
    })
}

/// Writes holds, each with the id of its card's user.
pub(super) async fn write_holds(
    connection: &mut PgConnection,
    holds: &BTreeMap<String, Hold>,
    users: &BTreeMap<CardId, i64>,
) -> Result<(), ProjectError> {
    // A user without an id cannot be: they were given one just before.
    let rows: Vec<Line<'_>> = holds
        .values()
        .filter_map(|hold| {
            let user = *users.get(&hold.card)?;
            let shown = hold.shown();
            Some(Line { hold, user, shown })
        })
        .collect();
    let written = sqlx::query(sql::HOLDS_PROJECT)
        .bind(column(&rows, |line| line.hold.reference.as_str()))
        .bind(column(&rows, |line| line.hold.entry.as_str()))
        .bind(column(&rows, |line| line.hold.card.as_str()))
        .bind(column(&rows, |line| line.user))
        .bind(column(&rows, |line| line.hold.terminal.as_str()))
        .bind(column(&rows, |line| line.hold.hold.as_hundredths()))
        .bind(column(&rows, |line| line.hold.captured.as_hundredths()))
        .bind(column(&rows, |line| line.hold.forfeited.as_hundredths()))
        .bind(column(&rows, |line| line.hold.completed))
        .bind(column(&rows, |line| line.shown.status))
        .bind(column(&rows, |line| {
            line.shown.final_amount.map(Money::as_hundredths)
        }))
        .bind(column(&rows, |line| shown_ms(line.hold.created_ms)))
        .bind(column(&rows, |line| line.shown.released_ms.map(shown_ms)))
        .bind(column(&rows, |line| line.hold.updated_ms))
        .bind(column(&rows, |line| line.hold.position))
        .bind(HOLD_TTL_MS);
    written.execute(connection).await.map(|_| ()).map_err(failed)
}

/// One row to be written.
struct Line<'a> {
    hold: &'a Hold,
    user: i64,
    shown: Shown,
}

fn column<'a, T>(lines: &'a [Line<'a>], value: impl Fn(&'a Line<'a>) -> T) -> Vec<T> {
    lines.iter().map(value).collect()
}

/// Gives holds the id of their terminal, where it has come or changed.
pub(super) async fn hold_terminals(connection: &mut PgConnection, moved: &[i32]) -> Result<(), ProjectError> {
    if moved.is_empty() {
        return Ok(());
    }
    let written = sqlx::query(sql::HOLDS_TERMINALS).bind(moved);
    written.execute(connection).await.map(|_| ()).map_err(failed)
}

/// Users' ids by card.
pub(super) fn ids(rows: &[PgRow]) -> Result<BTreeMap<CardId, i64>, ProjectError> {
    let error = ProjectError::of(USERS);
    let ids = rows.iter().map(|row| {
        let card: &str = row.try_get("card_id").map_err(error)?;
        let card = card.parse().map_err(|reason| ProjectError::Database {
            database: USERS,
            source: sqlx::Error::Decode(format!("card {card:?}: {reason}").into()),
        })?;
        Ok((card, row.try_get("id").map_err(error)?))
    });
    ids.collect()
}
