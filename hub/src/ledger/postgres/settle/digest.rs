//! The digest of everything that is settled: one row, read and written with each settling transaction.

use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use sync_protocol::digest::SettledDigest;
use sync_protocol::fare::FareBook;
use sync_protocol::id::Seq;

use super::super::columns::{self, StateColumns, card_settled, corrupt, site_id, stored_count, stored_seq};
use super::super::{LedgerError, sql};

/// Card states read at a time, when a database gets its digest.
const CARDS_AT_A_TIME: i64 = 4_096;

/// The digest as it is stored, or worked out anew for a database that has none.
pub(super) async fn read(
    connection: &mut PgConnection,
    fares: &FareBook,
) -> Result<SettledDigest, LedgerError> {
    let stored: Option<(i64, Vec<u8>)> = sqlx::query_as(sql::SETTLED_DIGEST)
        .fetch_optional(&mut *connection)
        .await?;
    match stored {
        Some((cards, lanes)) => {
            let cards = stored_count(cards, "a count of cards")?;
            SettledDigest::restored(cards, &lanes)
                .ok_or_else(|| corrupt("a settled digest of bytes:", lanes.len()))
        }
        None => worked_out(connection, fares).await,
    }
}

async fn worked_out(connection: &mut PgConnection, fares: &FareBook) -> Result<SettledDigest, LedgerError> {
    let mut digest = SettledDigest::default();
    for table in fares.iter() {
        digest.add_fares(table.fact().version, table.fact().hash());
    }
    let covered: Vec<(Uuid, i64)> = sqlx::query_as(sql::COVERAGE_ALL)
        .fetch_all(&mut *connection)
        .await?;
    for (site, seq) in covered {
        digest.cover(site_id(site), Seq::NONE, stored_seq(seq)?);
    }
    let mut after = String::new();
    loop {
        let states: Vec<StateColumns> = sqlx::query_as(sql::CARD_ENTRIES_AFTER)
            .bind(&after)
            .bind(CARDS_AT_A_TIME)
            .fetch_all(&mut *connection)
            .await?;
        let Some((last, ..)) = states.last() else {
            return Ok(digest);
        };
        after.clone_from(last);
        for columns in states {
            digest.settle(None, Some(&card_settled(columns)?));
        }
    }
}

pub(super) async fn save(connection: &mut PgConnection, digest: &SettledDigest) -> Result<(), LedgerError> {
    sqlx::query(sql::SETTLED_DIGEST_SAVE)
        .bind(columns::count(digest.cards()))
        .bind(digest.lanes())
        .execute(connection)
        .await?;
    Ok(())
}
