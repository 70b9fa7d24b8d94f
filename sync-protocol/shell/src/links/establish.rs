//! From a connection to a link: who is it, may it link, and does this connection count.

use std::sync::Arc;

use quinn::{Connection, ConnectionError, SendStream};
use rustls::pki_types::CertificateDer;
use sync_protocol::id::NodeId;

use super::Shared;
use super::lane::{self, Beginning, LaneFault, Lanes, Reader};
use super::limits::ESTABLISH_MAX;
use super::link::{self, NewLink, code, in_words};
use super::registry::{Entered, NotEntered};
use super::supervise;
use super::tls::is_certificate_error;
use crate::identity::Identity;

/// Why a connection became no link.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLink {
    /// The two nodes are linked, or about to be.
    #[error("linked already with {0}")]
    Linked(NodeId),
    /// The other end is this node itself, or one of the same number.
    #[error(
        "the node there has this node's own number: it is this node itself, or two nodes are configured alike"
    )]
    OwnNumber,
    /// The roster does not admit the node.
    #[error("{0} is not admitted")]
    NotAdmitted(NodeId),
    /// Its key is revoked.
    #[error("the key of {0} is revoked: it must enrol again before it links here")]
    Revoked(NodeId),
    /// The certificate names no node.
    #[error("{0}")]
    Certificate(String),
    /// The connection ended, or was never made.
    #[error("{0}")]
    Lost(String),
    /// It took too long.
    #[error("no link within {} s", ESTABLISH_MAX.as_secs())]
    TooSlow,
    /// The other end did not keep to the protocol.
    #[error("{0}")]
    Fault(LaneFault),
    /// Too many links.
    #[error("this node has as many links as it may have")]
    Full,
}

/// Makes a link of a connection whose handshake is done, and lets it run. Returns who is at the other end.
pub(super) async fn establish(
    shared: &Arc<Shared>,
    connection: Connection,
    dialled: bool,
) -> Result<NodeId, NoLink> {
    let agreed = tokio::time::timeout(ESTABLISH_MAX, agree(shared, &connection, dialled)).await;
    match agreed.unwrap_or(Err(NoLink::TooSlow)) {
        Ok(established) => {
            let link = &established.entered.link;
            let node = link.peer.node;
            // It may have been revoked while the two agreed.
            if shared.is_revoked(&link.peer.key) {
                link.close(code::NOT_ADMITTED, "its key is revoked");
            }
            shared
                .runtime
                .spawn(supervise::run(Arc::clone(shared), established));
            Ok(node)
        }
        Err(reason) => {
            refuse(shared, &connection, &reason);
            Err(reason)
        }
    }
}

/// A link that counts, and its streams.
pub(super) struct Established {
    pub(super) entered: Entered,
    pub(super) outgoing: Outgoing,
    pub(super) incoming: Lanes<Reader>,
}

/// The streams towards the other end.
pub(super) enum Outgoing {
    /// They are open.
    Open(Lanes<SendStream>),
    /// They are to be opened like this, which tells the other end that the connection counts.
    ToOpen(Beginning),
}

/// Finds out whether a connection counts. Does not wait once it was entered: whoever is entered is run.
async fn agree(shared: &Shared, connection: &Connection, dialled: bool) -> Result<Established, NoLink> {
    let peer = identify(shared, connection)?;
    // The end that dials knows best whether it needs to.
    if dialled && shared.registry.is_linked(peer.node) {
        return Err(NoLink::Linked(peer.node));
    }
    let new = |start| NewLink {
        peer,
        connection: connection.clone(),
        dialled,
        start,
    };
    let not_entered = |reason| match reason {
        NotEntered::Duplicate => NoLink::Linked(peer.node),
        NotEntered::Full => NoLink::Full,
    };
    let fault = |fault| no_link(fault, peer.node);
    let start = shared.start;
    if shared.identity.node > peer.node {
        let (incoming, theirs) = lane::accept(connection).await.map_err(fault)?;
        let entered = shared.registry.decide(new(theirs.start)).map_err(not_entered)?;
        let choice = entered.link.choice;
        return Ok(Established {
            entered,
            outgoing: Outgoing::ToOpen(Beginning { start, choice }),
            incoming,
        });
    }
    let outgoing = lane::open(connection, Beginning { start, choice: 0 })
        .await
        .map_err(fault)?;
    let (incoming, theirs) = lane::accept(connection).await.map_err(fault)?;
    let entered = shared
        .registry
        .follow(new(theirs.start), theirs.choice)
        .map_err(not_entered)?;
    Ok(Established {
        entered,
        outgoing: Outgoing::Open(outgoing),
        incoming,
    })
}

/// Who is at the other end, if it may link.
fn identify(shared: &Shared, connection: &Connection) -> Result<Identity, NoLink> {
    let chain = connection.peer_identity();
    let chain = chain.and_then(|chain| chain.downcast::<Vec<CertificateDer<'static>>>().ok());
    let certificate = chain.as_ref().and_then(|chain| chain.first());
    let certificate = certificate.ok_or_else(|| NoLink::Certificate("it shows no certificate".to_owned()))?;
    if let Some((admission, _)) = &shared.certifies {
        let chain = chain.as_deref().map_or(&[][..], Vec::as_slice);
        admission.check(chain).map_err(NoLink::Certificate)?;
    }
    let peer =
        Identity::from_certificate(certificate).map_err(|error| NoLink::Certificate(error.to_string()))?;
    if peer.node == shared.identity.node {
        return Err(NoLink::OwnNumber);
    }
    if shared.is_revoked(&peer.key) {
        return Err(NoLink::Revoked(peer.node));
    }
    if !(shared.admits)(&peer) {
        return Err(NoLink::NotAdmitted(peer.node));
    }
    Ok(peer)
}

/// Closes a connection that became no link, and counts it.
fn refuse(shared: &Shared, connection: &Connection, reason: &NoLink) {
    let refusals = &shared.refusals;
    let (counter, code) = match reason {
        NoLink::Linked(_) => (Some(&refusals.duplicates), code::DUPLICATE),
        NoLink::OwnNumber => (Some(&refusals.own_number), code::OWN_NUMBER),
        NoLink::NotAdmitted(_) | NoLink::Revoked(_) => (Some(&refusals.not_admitted), code::NOT_ADMITTED),
        NoLink::Certificate(_) => (Some(&refusals.certificates), code::CERTIFICATE),
        NoLink::Fault(_) | NoLink::TooSlow => (Some(&refusals.faults), code::FAULT),
        NoLink::Full => (Some(&refusals.floods), code::FULL),
        NoLink::Lost(_) => (None, code::CLOSED),
    };
    if let Some(counter) = counter {
        counter.add(1);
    }
    let told = match reason {
        NoLink::NotAdmitted(node) => format!("{node} is not admitted here: check the roster"),
        other => other.to_string(),
    };
    link::close(connection, code, &told);
}

fn no_link(fault: LaneFault, peer: NodeId) -> NoLink {
    match fault {
        // The deciding end keeps another connection of the two: this end knows it, or will in a moment.
        LaneFault::Lost(ConnectionError::ApplicationClosed(close))
            if [code::DUPLICATE, code::REPLACED].contains(&close.error_code) =>
        {
            NoLink::Linked(peer)
        }
        LaneFault::Lost(error) => NoLink::Lost(in_words(&error)),
        fault => NoLink::Fault(fault),
    }
}

/// Counts a handshake that failed because of the other end's certificate.
pub(super) fn count_failed_handshake(shared: &Shared, error: &ConnectionError) {
    if is_certificate_error(error) {
        shared.refusals.certificates.add(1);
    }
}
