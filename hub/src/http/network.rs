//! Who is in the network and how it stands with each.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sync_protocol::id::NodeId;
use sync_protocol::wire::Heartbeat;
use sync_shell::http::Problem;
use utoipa::ToSchema;

use super::App;
use super::problem::Refuse;
use super::values::spoken;
use crate::shared_tables::{GateRow, gates};

/// The network as this process sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct NetworkAnswer {
    /// When it was looked at, RFC 3339.
    pub at: String,
    /// How many gates are connected to this process.
    pub connected: usize,
    /// Changesets that are stored and not settled.
    pub unsettled: u64,
    /// The gates of the shared table, and those that were heard without being in it.
    pub gates: Vec<GateAnswer>,
}

/// One gate.
#[derive(Debug, Serialize, ToSchema)]
pub struct GateAnswer {
    /// Its number.
    pub gate: u32,
    /// Its code; `null` for one that is not in the shared table.
    pub code: Option<String>,
    /// The code of its terminal.
    pub terminal: Option<String>,
    /// `entry`, `exit` or `bidirectional`.
    #[serde(rename = "type")]
    pub gate_type: Option<String>,
    /// What people set: `online`, `maintenance`, `error` or `removed`.
    pub status: Option<String>,
    /// What people set: `normal`, `closed` or `free_flow`.
    pub mode: Option<String>,
    /// Whether it is connected to this process.
    pub connected: bool,
    /// From where.
    pub address: Option<String>,
    /// When its last heartbeat was heard, RFC 3339.
    pub last_heartbeat: Option<String>,
    /// How long ago that is, seconds.
    pub heartbeat_age_s: Option<i64>,
    /// How many changesets it has written, by its heartbeat, that are not stored here.
    pub behind_changesets: Option<u64>,
}

/// Shows the network.
#[utoipa::path(get, path = "/v1/network", tag = "network", responses((status = 200, body = NetworkAnswer)))]
pub async fn show(State(app): State<App>) -> Result<Json<NetworkAnswer>, Problem> {
    let rows = app.ledger.rows().await.or_refuse()?;
    let beats = app.ledger.heartbeats().await.or_refuse()?;
    let unsettled = app.ledger.waiting().await.or_refuse()?;
    let held = app.ledger.have().await.or_refuse()?;
    let behind = |beat: &Heartbeat| -> u64 {
        let lacking = beat
            .sites
            .iter()
            .map(|(site, head)| head.seq.0.saturating_sub(held.head(*site).seq.0));
        lacking.fold(0, u64::saturating_add)
    };
    let now_ms = app.clock.wall_ms();
    let connected = app.standing.read().connected;
    let mut answers: BTreeMap<u32, GateAnswer> = BTreeMap::new();
    for row in gates(&rows) {
        answers.insert(row.id.0, of_row(row));
    }
    for (beat, heard_ms) in beats.iter().filter(|(beat, _)| !beat.node.is_hub()) {
        let answer = answers.entry(beat.node.0).or_insert_with(|| unlisted(beat.node));
        answer.last_heartbeat = Some(spoken(*heard_ms));
        answer.heartbeat_age_s = Some(now_ms.saturating_sub(*heard_ms).max(0) / 1_000);
        answer.behind_changesets = Some(behind(beat));
    }
    for (node, link) in &connected {
        let answer = answers.entry(node.0).or_insert_with(|| unlisted(*node));
        answer.connected = true;
        answer.address = Some(link.address.to_string());
        answer.terminal = answer
            .terminal
            .take()
            .or_else(|| link.terminal.map(|code| code.to_string()));
    }
    Ok(Json(NetworkAnswer {
        at: spoken(now_ms),
        connected: connected.len(),
        unsettled,
        gates: answers.into_values().collect(),
    }))
}

fn of_row(row: GateRow) -> GateAnswer {
    GateAnswer {
        code: Some(row.code),
        terminal: row.terminal,
        gate_type: Some(row.gate_type),
        status: Some(row.status),
        mode: Some(row.mode),
        ..unlisted(row.id.node())
    }
}

fn unlisted(node: NodeId) -> GateAnswer {
    GateAnswer {
        gate: node.0,
        code: None,
        terminal: None,
        gate_type: None,
        status: None,
        mode: None,
        connected: false,
        address: None,
        last_heartbeat: None,
        heartbeat_age_s: None,
        behind_changesets: None,
    }
}
