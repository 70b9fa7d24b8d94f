//! The hub's end of one request.

use quinn::{Connection, VarInt};
use rustls::pki_types::CertificateDer;
use sync_protocol::codec;

use super::{ANSWER_MAX, Applicant, Certifier, REQUEST_BYTES_MAX, Request};
use crate::identity::Identity;

/// The request was answered, or is none.
const DONE: VarInt = VarInt::from_u32(0);

/// Answers the request that comes over a connection, and ends it.
pub(crate) async fn serve(connection: Connection, certifier: Certifier) {
    let address = connection.remote_address();
    match tokio::time::timeout(ANSWER_MAX, exchange(&connection, certifier)).await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => tracing::debug!(%address, reason, "a request for a certificate was not answered"),
        Err(_) => tracing::debug!(%address, "a request for a certificate took too long"),
    }
    connection.close(DONE, b"done");
}

async fn exchange(connection: &Connection, certifier: Certifier) -> Result<(), String> {
    let applicant = applicant(connection).ok_or("it shows no certificate")?;
    let mut incoming = connection.accept_uni().await.map_err(|error| error.to_string())?;
    let bytes = incoming.read_to_end(REQUEST_BYTES_MAX).await;
    let bytes = bytes.map_err(|error| error.to_string())?;
    let request: Request = codec::decode(&bytes).map_err(|error| error.to_string())?;
    let answer = certifier(applicant, request).await;
    let mut outgoing = connection.open_uni().await.map_err(|error| error.to_string())?;
    let sent = outgoing.write_all(&codec::encode(&answer)).await;
    sent.map_err(|error| error.to_string())?;
    outgoing.finish().map_err(|error| error.to_string())?;
    // Until the other end has read it, or is gone.
    let _ = connection.closed().await;
    Ok(())
}

fn applicant(connection: &Connection) -> Option<Applicant> {
    let chain = connection
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    let certificate = chain.first()?.to_vec();
    let key = Identity::key_in(&certificate).ok()?;
    Some(Applicant {
        certificate,
        key,
        address: connection.remote_address(),
    })
}
