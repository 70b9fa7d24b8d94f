//! Terminals and gates as judged, and when gates were heard.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use super::{ProjectError, failed, sql};
use crate::project::shared_rows::Judged;

/// Writes terminals, gates and what is rejected of them. Returns the terminals that are new or have another code.
pub(super) async fn project(
    connection: &mut PgConnection,
    judged: &Judged,
    at_ms: i64,
) -> Result<Vec<i32>, ProjectError> {
    let moved = terminals(connection, judged, at_ms).await?;
    gates(connection, judged, at_ms).await?;
    rejected(connection, judged, at_ms).await?;
    Ok(moved)
}

async fn terminals(
    connection: &mut PgConnection,
    judged: &Judged,
    at_ms: i64,
) -> Result<Vec<i32>, ProjectError> {
    let all = &judged.terminals;
    let ids: Vec<i32> = all.iter().map(|terminal| terminal.id).collect();
    let codes: Vec<&str> = all.iter().map(|terminal| terminal.code.as_str()).collect();
    let retired = sqlx::query(sql::TERMINALS_RETIRE)
        .bind(&ids)
        .bind(at_ms)
        .bind(&codes);
    retired.execute(&mut *connection).await.map_err(failed)?;
    let rows = sqlx::query(sql::TERMINALS_PROJECT)
        .bind(&ids)
        .bind(
            all.iter()
                .map(|terminal| terminal.name.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(&codes)
        .bind(
            all.iter()
                .map(|terminal| terminal.location.as_deref())
                .collect::<Vec<_>>(),
        )
        .bind(all.iter().map(|terminal| terminal.latitude).collect::<Vec<_>>())
        .bind(all.iter().map(|terminal| terminal.longitude).collect::<Vec<_>>())
        .bind(all.iter().map(|terminal| terminal.is_active).collect::<Vec<_>>())
        .bind(at_ms);
    let rows = rows.fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(|row| row.try_get(0).map_err(failed)).collect()
}

async fn gates(connection: &mut PgConnection, judged: &Judged, at_ms: i64) -> Result<(), ProjectError> {
    let all = &judged.gates;
    let ids: Vec<i64> = all.iter().map(|gate| gate.id).collect();
    let terminals: Vec<i32> = all.iter().map(|gate| gate.terminal_id).collect();
    let codes: Vec<&str> = all.iter().map(|gate| gate.code.as_str()).collect();
    let retired = sqlx::query(sql::GATES_RETIRE)
        .bind(&ids)
        .bind(at_ms)
        .bind(&terminals)
        .bind(&codes);
    retired.execute(&mut *connection).await.map_err(failed)?;
    let written = sqlx::query(sql::GATES_PROJECT)
        .bind(&ids)
        .bind(&terminals)
        .bind(&codes)
        .bind(all.iter().map(|gate| gate.gate_type.as_str()).collect::<Vec<_>>())
        .bind(all.iter().map(|gate| gate.status.as_str()).collect::<Vec<_>>())
        .bind(all.iter().map(|gate| gate.mode.as_str()).collect::<Vec<_>>())
        .bind(at_ms);
    written.execute(connection).await.map(|_| ()).map_err(failed)
}

async fn rejected(connection: &mut PgConnection, judged: &Judged, at_ms: i64) -> Result<(), ProjectError> {
    let all = &judged.rejected;
    let tables: Vec<&str> = all.iter().map(|rejected| rejected.table).collect();
    let keys: Vec<&str> = all.iter().map(|rejected| rejected.key.as_str()).collect();
    let reasons: Vec<&str> = all.iter().map(|rejected| rejected.reason.as_str()).collect();
    let cleared = sqlx::query(sql::REJECTED_CLEAR).bind(&tables).bind(&keys);
    cleared.execute(&mut *connection).await.map_err(failed)?;
    let written = sqlx::query(sql::REJECTED_PROJECT)
        .bind(tables)
        .bind(keys)
        .bind(reasons)
        .bind(at_ms);
    written.execute(connection).await.map(|_| ()).map_err(failed)
}

/// Derives each gate's status from when it was last heard (D-45).
pub(super) async fn liveness(
    connection: &mut PgConnection,
    heard: &BTreeMap<i64, i64>,
    now_ms: i64,
    offline_after_ms: i64,
) -> Result<(), ProjectError> {
    let written = sqlx::query(sql::GATES_LIVENESS)
        .bind(heard.keys().copied().collect::<Vec<_>>())
        .bind(heard.values().copied().collect::<Vec<_>>())
        .bind(now_ms)
        .bind(offline_after_ms);
    written.execute(connection).await.map(|_| ()).map_err(failed)
}
