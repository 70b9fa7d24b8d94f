//! The hub as the network's authority: which gate gets a certificate, and why not.
//!
//! A first certificate costs a token that a person made for one gate ([`enrolment`]); the next ones cost the last one.
//! Whoever asks has proved in the handshake that it holds the key ([`sync_shell::certify`]). Every certificate issued
//! is recorded before it leaves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sync_protocol::id::{NodeId, TerminalCode};
use sync_protocol::time::{DAY_MS, HOUR_MS, SECOND_MS};
use sync_shell::certify::{
    Answer, Answering, Applicant, Certificates, Certifier, EnrolToken, Enrolment, Refused, Request,
};
use sync_shell::identity::{Authority, Identity, IdentityError, Life, NodeKeys};
use sync_shell::links::Links;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::HubConfig;
use crate::ledger::postgres::{EnrolRow, IssuedRow, LedgerError, PostgresLedger};
use crate::metrics as names;
use crate::net::ingest::count;
use crate::stop::Stop;

/// Certificates begin this long before now, for clocks that are a little behind.
pub const BACKDATED_MS: i64 = HOUR_MS;

/// The hub's own certificate is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What the hub certifies with.
#[derive(Clone)]
pub struct Office {
    /// The authority; `None` when its key is not at hand here.
    pub authority: Option<Arc<Authority>>,
    /// Tokens and certificates.
    pub ledger: PostgresLedger,
    /// The clocks.
    pub clock: Clock,
    /// How long a certificate is valid.
    pub valid_days: u32,
    /// How long the ledger may take.
    pub patience: Duration,
}

/// Why a newcomer gets no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEnrolled {
    /// No token has this secret.
    #[error("the hub knows no such token: make one with `hub enroll-token` and copy it whole")]
    Unknown,
    /// Its time is over.
    #[error("the token ended at {0}: make another with `hub enroll-token`")]
    Expired(String),
    /// It was taken by another key.
    #[error("the token was used at {0} and counts once: make another with `hub enroll-token`")]
    Used(String),
    /// It is another gate's.
    #[error(
        "the token is for {token}, this is {gate} by its settings: correct [gate] there, or make a token for it"
    )]
    OtherGate {
        /// Whom the token is for.
        token: String,
        /// Who asks.
        gate: String,
    },
}

/// Whether a newcomer may have a certificate for its key.
///
/// # Errors
/// See [`NotEnrolled`].
pub fn enrolment(
    token: Option<&EnrolRow>,
    asked: &Enrolment,
    key: &[u8; 32],
    now_ms: i64,
) -> Result<(), NotEnrolled> {
    let token = token.ok_or(NotEnrolled::Unknown)?;
    let is_same_gate = token.gate == asked.gate
        && token.terminal == asked.terminal.as_str()
        && token.gate_code == asked.code;
    let spoken = crate::http::values::spoken;
    match &token.used {
        Some((used_ms, by)) if by.as_slice() != key => return Err(NotEnrolled::Used(spoken(*used_ms))),
        _ => {}
    }
    if now_ms >= token.expires_ms {
        return Err(NotEnrolled::Expired(spoken(token.expires_ms)));
    }
    if !is_same_gate {
        let named =
            |code: &str, gate: NodeId, terminal: &str| format!("{code} ({gate} of terminal {terminal})");
        let code: String = asked.code.chars().take(40).collect();
        return Err(NotEnrolled::OtherGate {
            token: named(&token.gate_code, token.gate, &token.terminal),
            gate: named(&code, asked.gate, asked.terminal.as_str()),
        });
    }
    Ok(())
}

impl Office {
    /// Answers what comes over the port for links.
    #[must_use]
    pub fn certifier(self) -> Certifier {
        Arc::new(move |applicant, request| -> Answering {
            let office = self.clone();
            Box::pin(async move { office.answer(applicant, request).await })
        })
    }

    async fn answer(self, applicant: Applicant, request: Request) -> Answer {
        let patience = self.patience;
        let work = async {
            match request {
                _ if self.is_revoked(&applicant).await? => Err(Refused::Finally(
                    "this key is revoked: make a new one with a token of `hub enroll-token`".to_owned(),
                )),
                Request::Enrol(enrolment) => self.enrol(&applicant, &enrolment).await,
                Request::Renew => self.renew(&applicant).await,
            }
        };
        let late = || Err(Refused::ForNow("its database does not answer in time".to_owned()));
        let answer = timeout(patience, work).await.unwrap_or_else(|_| late());
        if let Err(Refused::Finally(reason) | Refused::ForNow(reason)) = &answer {
            warn!(address = %applicant.address, reason, "a certificate was refused");
        }
        answer
    }

    async fn is_revoked(&self, applicant: &Applicant) -> Result<bool, Refused> {
        let revoked = self.ledger.revoked_keys().await.map_err(for_now)?;
        Ok(revoked.contains(&applicant.key))
    }

    async fn enrol(&self, applicant: &Applicant, asked: &Enrolment) -> Answer {
        let now_ms = self.clock.wall_ms();
        let hash = EnrolToken::hash(&asked.secret);
        let enrolling = self.ledger.enrolling(&hash).await.map_err(for_now)?;
        enrolment(enrolling.token.as_ref(), asked, &applicant.key.0, now_ms)
            .map_err(|reason| Refused::Finally(reason.to_string()))?;
        let (certificates, issued) = self.issue(asked.gate, asked.terminal, applicant, "enrolled", now_ms)?;
        let from = applicant.address.to_string();
        enrolling.take(issued, &from).await.map_err(for_now)?;
        info!(gate = asked.code, from, "a gate enrolled");
        Ok(certificates)
    }

    async fn renew(&self, applicant: &Applicant) -> Answer {
        let now_ms = self.clock.wall_ms();
        let identity = self.known(applicant)?;
        let terminal = identity.terminal.ok_or_else(not_a_gates)?;
        let (certificates, issued) = self.issue(identity.node, terminal, applicant, "renewed", now_ms)?;
        self.ledger.record_certificate(issued).await.map_err(for_now)?;
        info!(node = %identity.node, "a certificate was renewed");
        Ok(certificates)
    }

    /// Who shows a certificate of this installation, valid or not any more.
    fn known(&self, applicant: &Applicant) -> Result<Identity, Refused> {
        let authority = self.authority()?;
        let identity = Identity::from_certificate(&applicant.certificate).ok();
        let identity = identity.filter(|_| authority.issued(&applicant.certificate));
        identity.ok_or_else(|| {
            Refused::Finally(
                "the certificate is not of this installation: enrol the gate with `hub enroll-token`"
                    .to_owned(),
            )
        })
    }

    fn authority(&self) -> Result<&Authority, Refused> {
        self.authority.as_deref().ok_or_else(|| {
            Refused::ForNow(
                "the authority's key is not at hand at this hub: set authority.dir (HUB_AUTHORITY__DIR) there to the \
                 folder of `hub ca init`, and start it again"
                    .to_owned(),
            )
        })
    }

    fn issue(
        &self,
        node: NodeId,
        terminal: TerminalCode,
        applicant: &Applicant,
        reason: &'static str,
        now_ms: i64,
    ) -> Result<(Certificates, IssuedRow), Refused> {
        let authority = self.authority()?;
        let (not_before_ms, not_after_ms) = period(now_ms, self.valid_days);
        let certified = authority.certify(node, Some(terminal), &applicant.key, not_before_ms, not_after_ms);
        let certified = certified.map_err(|error: IdentityError| Refused::ForNow(error.to_string()))?;
        let certificates = Certificates {
            certificate: certified.pem,
            authority: authority.certificate_pem().to_owned(),
        };
        let issued = IssuedRow {
            node,
            terminal: Some(terminal),
            key: applicant.key,
            not_before_ms,
            not_after_ms,
            issued_ms: now_ms,
            reason,
        };
        Ok((certificates, issued))
    }
}

/// From when to when a certificate issued now is valid, milliseconds since 1970.
#[must_use]
pub fn period(now_ms: i64, valid_days: u32) -> (i64, i64) {
    (
        now_ms.saturating_sub(BACKDATED_MS),
        now_ms.saturating_add(i64::from(valid_days) * DAY_MS),
    )
}

fn not_a_gates() -> Refused {
    Refused::Finally("only a gate's certificate is renewed here".to_owned())
}

fn for_now(error: LedgerError) -> Refused {
    warn!(%error, "a certificate could not be recorded");
    Refused::ForNow("its database does not answer".to_owned())
}

/// The hub's own certificate, which it renews by itself where the authority is at hand.
#[derive(Clone)]
pub struct OwnCertificate {
    authority: Option<Arc<Authority>>,
    folder: PathBuf,
    valid_days: u32,
    clock: Clock,
}

impl OwnCertificate {
    /// Renews the certificate in the hub's key folder.
    #[must_use]
    pub fn new(authority: Option<Arc<Authority>>, config: &HubConfig, clock: Clock) -> OwnCertificate {
        OwnCertificate {
            authority,
            folder: config.keys.clone(),
            valid_days: config.authority.certificate_days,
            clock,
        }
    }

    /// The keys with their next certificate, written durably, when half of the last one's life is over.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn renewed(&self, keys: &NodeKeys) -> Result<Option<NodeKeys>, IdentityError> {
        let now_ms = self.clock.wall_ms();
        let Some(authority) = &self.authority else {
            return Ok(None);
        };
        if keys.validity().life(now_ms, 0) == Life::Good || !keys.identity().node.is_hub() {
            return Ok(None);
        }
        let (from_ms, to_ms) = period(now_ms, self.valid_days);
        let certified = authority.certify(NodeId::HUB, None, &keys.identity().key, from_ms, to_ms)?;
        let renewed = keys.renew(&self.folder, &certified.pem)?;
        info!(
            until = crate::http::values::spoken(to_ms),
            "the hub's certificate was renewed"
        );
        Ok(Some(renewed))
    }

    /// Renews it as long as the hub runs; links that stand go on.
    pub async fn keep(self, mut keys: Arc<NodeKeys>, links: Links, mut stop: Stop) {
        loop {
            let left_s = keys.expires_at_ms().saturating_sub(self.clock.wall_ms()) / SECOND_MS;
            metrics::gauge!(names::CERTIFICATE_EXPIRES_IN).set(count(usize::try_from(left_s).unwrap_or(0)));
            let outcome = self.renewed(&keys).map_err(|error| error.to_string());
            let outcome = outcome.and_then(|renewed| match renewed {
                Some(renewed) => {
                    links.reload(&renewed).map_err(|error| error.to_string())?;
                    keys = Arc::new(renewed);
                    Ok(())
                }
                None => Ok(()),
            });
            if let Err(reason) = outcome {
                warn!(reason, "the hub's certificate was not renewed");
            }
            tokio::select! {
                biased;
                _ = stop.told() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [1; 32];

    fn token() -> EnrolRow {
        EnrolRow {
            gate: NodeId(1),
            terminal: "A".to_owned(),
            gate_code: "A-ENTRY-01".to_owned(),
            expires_ms: 1_000,
            used: None,
        }
    }

    fn asked() -> Enrolment {
        let terminal = "A".parse().unwrap();
        Enrolment::new([9; 32], NodeId(1), terminal, "A-ENTRY-01".parse().unwrap())
    }

    fn judge(token: &EnrolRow, asked: &Enrolment, now_ms: i64) -> Result<(), NotEnrolled> {
        enrolment(Some(token), asked, &KEY, now_ms)
    }

    #[test]
    fn a_token_counts_until_it_ends() {
        assert_eq!(judge(&token(), &asked(), 999), Ok(()));
        assert!(matches!(
            judge(&token(), &asked(), 1_000),
            Err(NotEnrolled::Expired(_))
        ));
        assert_eq!(enrolment(None, &asked(), &KEY, 0), Err(NotEnrolled::Unknown));
    }

    #[test]
    fn a_used_token_counts_for_the_key_that_took_it_and_for_no_other() {
        let mut used = token();
        used.used = Some((10, KEY.to_vec()));
        assert_eq!(judge(&used, &asked(), 20), Ok(()));
        assert!(matches!(
            judge(&used, &asked(), 1_000),
            Err(NotEnrolled::Expired(_))
        ));
        used.used = Some((10, vec![2; 32]));
        assert!(matches!(judge(&used, &asked(), 20), Err(NotEnrolled::Used(_))));
    }

    #[test]
    fn a_token_is_for_its_gate_alone() {
        let (two, b, code) = (NodeId(2), "B".parse().unwrap(), "A-EXIT-01".to_owned());
        let others = [
            Enrolment { gate: two, ..asked() },
            Enrolment {
                terminal: b,
                ..asked()
            },
            Enrolment { code, ..asked() },
        ];
        for other in others {
            let refused = judge(&token(), &other, 0).unwrap_err();
            assert!(matches!(refused, NotEnrolled::OtherGate { .. }), "{refused}");
            assert!(
                refused.to_string().contains("A-ENTRY-01 (gate 1 of terminal A)"),
                "{refused}"
            );
        }
    }
}
