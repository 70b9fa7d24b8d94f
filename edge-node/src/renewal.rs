//! The gate's certificate renews itself: when half of its life is over the hub is asked for the next one, which is
//! written durably and used from the next handshake on. Links that stand go on.
//!
//! The way is open for a certificate that has ended too, also after a start: the hub takes it for this one thing. Taps
//! need no certificate at any time. The key stays the same, and so does the log that this start writes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sync_protocol::time::SECOND_MS;
use sync_shell::certify::{Request, Who, ask};
use sync_shell::identity::{Life, NodeKeys, Validity};
use sync_shell::links::Links;
use tokio::sync::watch;

use crate::clock::Clock;

/// A certificate is looked at this often; the time of day may have been set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// First pause after an attempt in vain; doubled up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// Longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// How the gate's certificate stands, for whoever looks.
#[derive(Clone, Debug)]
pub struct CertificateWatch {
    validity: watch::Receiver<Validity>,
    spread: u8,
    hub: Option<String>,
}

/// How the certificate stands at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateState {
    /// When it ends, milliseconds since 1970.
    pub expires_ms: i64,
    /// Whole seconds until then; negative afterwards.
    pub left_s: i64,
    /// How it stands.
    pub life: Life,
}

impl CertificateState {
    /// What an operator must know and do; nothing while all is well.
    #[must_use]
    pub const fn alarm(&self) -> Option<&'static str> {
        match self.life {
            Life::Good | Life::Due => None,
            Life::Late => Some(
                "three quarters of the certificate's life are over and it was not renewed: see that sync.hub is set and \
                 reached, and that the hub has its authority at hand; or enrol again with `edge-node enroll --replace`",
            ),
            Life::Ended => Some(
                "the certificate has ended: taps go on, links do not; it renews as soon as the hub is reached and has its \
                 authority at hand; or enrol again with `edge-node enroll --replace`",
            ),
        }
    }
}

impl CertificateWatch {
    /// How it stands at a time, milliseconds since 1970.
    #[must_use]
    pub fn at(&self, now_ms: i64) -> CertificateState {
        let validity = *self.validity.borrow();
        CertificateState {
            expires_ms: validity.to_ms,
            left_s: validity.to_ms.saturating_sub(now_ms).div_euclid(SECOND_MS),
            life: validity.life(now_ms, self.spread),
        }
    }
}

/// Renews a certificate as long as it runs.
pub(crate) struct Renewer {
    keys: Arc<NodeKeys>,
    folder: PathBuf,
    links: Links,
    clock: Clock,
    known: watch::Sender<Validity>,
    watch: CertificateWatch,
}

impl Renewer {
    /// Renews the certificate of `keys`, which are in `folder`, at the hub `hub` (`host:port`), if there is one.
    pub(crate) fn new(
        keys: Arc<NodeKeys>,
        folder: PathBuf,
        hub: Option<String>,
        links: Links,
        clock: Clock,
    ) -> Renewer {
        let (known, validity) = watch::channel(keys.validity());
        let watch = CertificateWatch {
            validity,
            spread: keys.identity().key.0[0],
            hub,
        };
        Renewer {
            keys,
            folder,
            links,
            clock,
            known,
            watch,
        }
    }

    /// For whoever looks.
    pub(crate) fn watch(&self) -> CertificateWatch {
        self.watch.clone()
    }

    /// Looks at the certificate, and renews it when it is time. Ends by being aborted.
    pub(crate) async fn run(mut self) {
        let mut alarmed = Life::Good;
        let mut last = String::new();
        let mut pause = PAUSE_MIN;
        loop {
            let state = self.watch.at(self.clock.now().wall_ms);
            if state.life != alarmed {
                alarmed = state.life;
                if let Some(alarm) = state.alarm() {
                    tracing::error!(left_s = state.left_s, "{alarm}");
                }
            }
            let Some(hub) = self.watch.hub.clone().filter(|_| state.life != Life::Good) else {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            match self.renew(&hub).await {
                Ok(()) => (pause, last) = (PAUSE_MIN, String::new()),
                Err(reason) => {
                    // Once per reason: a hub may be away for days.
                    if reason != last {
                        tracing::warn!(reason, "the certificate was not renewed; trying again and again");
                        last = reason;
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn renew(&mut self, hub: &str) -> Result<(), String> {
        let asked = ask(hub, Who::Node(&self.keys), &Request::Renew).await;
        let certificates = asked.map_err(|error| error.to_string())?;
        let (keys, folder) = (Arc::clone(&self.keys), self.folder.clone());
        let written = tokio::task::spawn_blocking(move || keys.renew(&folder, &certificates.certificate));
        let renewed = match written.await {
            Ok(Ok(renewed)) => renewed,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(error) => return Err(error.to_string()),
        };
        let validity = renewed.validity();
        if validity.to_ms <= self.keys.validity().to_ms {
            return Err(
                "the hub's new certificate ends no later than the old one: see authority.certificate_days there"
                    .to_owned(),
            );
        }
        self.links.reload(&renewed).map_err(|error| error.to_string())?;
        self.keys = Arc::new(renewed);
        self.known.send_replace(validity);
        tracing::info!(expires_ms = validity.to_ms, "the certificate was renewed");
        Ok(())
    }
}
