//! What is remembered of steps back: see [`crate::recovery`].

use sqlx::postgres::PgConnection;
use sync_protocol::changeset::Head;
use sync_protocol::id::{CardId, SiteId};

use super::columns::{self, SiteColumns, card_id, site_record, stored_count, uuid};
use super::{LedgerError, PostgresLedger, sql};
use crate::own_site::Writer;
use crate::recovery::{RESTATED_MAX, Recovery, TakenBack};

impl PostgresLedger {
    /// What is remembered of steps back, and the first of the cards to be stated anew.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn recovery(&self) -> Result<Recovery, LedgerError> {
        let mut connection = self.pool.acquire().await.map_err(LedgerError::from)?;
        read(&mut connection).await
    }

    /// Settles from now on as after a step back: gates hold what the hub published once and have pruned what would
    /// prove it.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn suspect_step_back(&self) -> Result<(), LedgerError> {
        sqlx::query(sql::RECOVERY_NOTE)
            .bind(0_i64)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Takes note of what came back, in the transaction that stores it.
pub(super) async fn note(connection: &mut PgConnection, back: &TakenBack) -> Result<(), LedgerError> {
    if back.changesets == 0 {
        return Ok(());
    }
    if !back.cards.is_empty() {
        let cards: Vec<String> = back.cards.iter().map(CardId::to_string).collect();
        sqlx::query(sql::RESTATEMENTS_INSERT)
            .bind(cards)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(sql::RECOVERY_NOTE)
        .bind(columns::count(back.changesets))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn read(connection: &mut PgConnection) -> Result<Recovery, LedgerError> {
    let (is_due, revision_floor, changesets): (bool, i64, i64) = sqlx::query_as(sql::RECOVERY_READ)
        .fetch_one(&mut *connection)
        .await?;
    let cards: Vec<String> = sqlx::query_scalar(sql::RESTATEMENTS_FIRST)
        .bind(RESTATED_MAX as i64)
        .fetch_all(connection)
        .await?;
    Ok(Recovery {
        is_due,
        revision_floor: stored_count(revision_floor, "a revision")?,
        changesets: stored_count(changesets, "changesets taken back")?,
        restate: cards.iter().map(|card| card_id(card)).collect::<Result<_, _>>()?,
    })
}

/// Stores what settling made of it: `before` as it was read, `after` with its floor.
pub(super) async fn write(
    connection: &mut PgConnection,
    before: &Recovery,
    after: &Recovery,
    restated: &[CardId],
) -> Result<(), LedgerError> {
    if !restated.is_empty() {
        let cards: Vec<String> = restated.iter().map(CardId::to_string).collect();
        sqlx::query(sql::RESTATEMENTS_DELETE)
            .bind(cards)
            .execute(&mut *connection)
            .await?;
    }
    if before.is_due {
        sqlx::query(sql::RECOVERY_BEGIN)
            .bind(columns::count(after.revision_floor))
            .bind(columns::count(before.changesets))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Lets the writer of the term before know what came back of its site since.
pub(super) async fn catch_up(connection: &mut PgConnection, writer: &mut Writer) -> Result<(), LedgerError> {
    let site: SiteId = writer.site();
    let found: Option<SiteColumns> = sqlx::query_as(sql::SITES_KNOWN)
        .bind(vec![uuid(site)])
        .fetch_optional(connection)
        .await?;
    let held: Option<Head> = found.map(site_record).transpose()?.map(|(_, record)| record.head);
    if let Some(held) = held {
        writer.catch_up(held);
    }
    Ok(())
}
