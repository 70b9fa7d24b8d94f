//! Those whom this node dials, again and again while no link to them stands.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use sync_protocol::id::NodeId;
use tokio::time::Instant;

use super::Shared;
use super::establish::{NoLink, count_failed_handshake, establish};
use super::jitter::Backoff;
use super::limits::{ADDRESSES_PER_TARGET_MAX, BACKOFF_MAX, ESTABLISH_MAX, OWN_ADDRESS_PAUSE, RESOLVE_MAX};
use super::link::in_words;
use crate::identity::COMMON_NAME;

/// Dials a target whenever no link to the node there stands. Ends by being aborted.
pub(super) async fn keep_dialling(shared: Arc<Shared>, target: String) {
    let mut backoff = Backoff::new(shared.seed, &target);
    let mut last_kind = String::new();
    loop {
        match dial(&shared, &target).await {
            Ok(node) => {
                last_kind.clear();
                let since = Instant::now();
                shared.registry.wait_unlinked(node).await;
                if since.elapsed() >= BACKOFF_MAX {
                    backoff.reset();
                }
            }
            Err(NoLink::OwnNumber) => {
                tracing::debug!(target, "the target is this node itself");
                tokio::time::sleep(OWN_ADDRESS_PAUSE).await;
            }
            Err(reason) => {
                // Once per reason, or a node that is down for a week would fill the log. Some reasons hold the time.
                let reason = reason.to_string();
                let kind = reason.replace(|sign: char| sign.is_ascii_digit(), "");
                if kind != last_kind {
                    tracing::warn!(target, reason, "no link; trying again and again");
                    last_kind = kind;
                }
            }
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

/// Tries the target's addresses in turn until one gives a link. Returns who is there, linked now or before.
async fn dial(shared: &Arc<Shared>, target: &str) -> Result<NodeId, NoLink> {
    let mut last = NoLink::Lost(format!("{target} has no address this node can reach"));
    for address in resolve(target).await? {
        match dial_address(shared, address).await {
            Err(NoLink::Linked(node)) => return Ok(node),
            Err(reason @ (NoLink::Lost(_) | NoLink::TooSlow)) => last = reason,
            linked_or_refused => return linked_or_refused,
        }
    }
    Err(last)
}

async fn resolve(target: &str) -> Result<Vec<SocketAddr>, NoLink> {
    let resolved = tokio::time::timeout(RESOLVE_MAX, tokio::net::lookup_host(target)).await;
    let resolved =
        resolved.map_err(|_| NoLink::Lost(format!("the name {target} is not resolved in time")))?;
    let addresses = resolved.map_err(|error| NoLink::Lost(format!("cannot resolve {target}: {error}")))?;
    Ok(addresses.take(ADDRESSES_PER_TARGET_MAX).collect())
}

async fn dial_address(shared: &Arc<Shared>, address: SocketAddr) -> Result<NodeId, NoLink> {
    let client = shared
        .client
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let connecting = shared
        .endpoint
        .connect_with(client, address, COMMON_NAME)
        .map_err(|error| NoLink::Lost(format!("cannot dial {address}: {error}")))?;
    let connected = tokio::time::timeout(ESTABLISH_MAX, connecting).await;
    let connection = connected.map_err(|_| NoLink::TooSlow)?.map_err(|error| {
        count_failed_handshake(shared, &error);
        NoLink::Lost(in_words(&error))
    })?;
    establish(shared, connection, true).await
}
