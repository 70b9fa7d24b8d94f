//! Fares: the routes of every published version, and which version is in force.

use sqlx::PgConnection;
use sync_protocol::fare::FareVersion;
use sync_protocol::id::TerminalCode;
use sync_protocol::money::Money;

use super::{ProjectError, failed, sql};
use crate::project::{fares, shown_ms};

/// Writes the routes of the versions that are concerned, between terminals that are known.
pub(super) async fn project(
    connection: &mut PgConnection,
    versions: &[(FareVersion, i64)],
    is_concerned: impl Fn(u32) -> bool,
) -> Result<(), ProjectError> {
    for (version, settled_ms) in versions {
        if !is_concerned(version.version) {
            continue;
        }
        let routes: Vec<(TerminalCode, TerminalCode, Money)> = version.fares().collect();
        let written = sqlx::query(sql::FARES_PROJECT)
            .bind(number(version.version))
            .bind(
                routes
                    .iter()
                    .map(|(from, _, _)| from.as_str())
                    .collect::<Vec<_>>(),
            )
            .bind(routes.iter().map(|(_, to, _)| to.as_str()).collect::<Vec<_>>())
            .bind(
                routes
                    .iter()
                    .map(|(_, _, price)| price.as_hundredths())
                    .collect::<Vec<_>>(),
            )
            .bind(shown_ms(version.effective_from_ms))
            .bind(*settled_ms);
        written.execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(())
}

/// Derives until when the versions hold and which of them is in force.
pub(super) async fn in_force(
    connection: &mut PgConnection,
    versions: &[(FareVersion, i64)],
    now_ms: i64,
) -> Result<(), ProjectError> {
    let facts = versions.iter().map(|(version, _)| version);
    let spans = fares::spans(facts.clone());
    let current = fares::in_force(facts, now_ms).map(|version| number(version.version));
    let written = sqlx::query(sql::FARES_IN_FORCE)
        .bind(spans.iter().map(|span| number(span.version)).collect::<Vec<_>>())
        .bind(
            spans
                .iter()
                .map(|span| span.until_ms.map(shown_ms))
                .collect::<Vec<_>>(),
        )
        .bind(current);
    written.execute(connection).await.map(|_| ()).map_err(failed)
}

/// Versions count from 1 without gaps: none is anywhere near the limit.
fn number(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}
