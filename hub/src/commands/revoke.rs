//! `hub revoke`: a gate that is stolen, or whose key is.

use std::collections::BTreeMap;

use anyhow::anyhow;
use clap::Args;
use sync_protocol::changeset::PublicKey;
use sync_protocol::id::{GateCode, Seq, SiteId};

use super::desk::{Desk, unreachable};
use super::say::say;
use super::{Failure, Surroundings};
use crate::config::HubConfig;
use crate::decisions::Decision;
use crate::ledger::postgres::RevokeError;
use crate::shared_tables::{Revocation, gates, revoke_key};

/// Flags of `hub revoke`.
#[derive(Debug, Args)]
pub struct RevokeArguments {
    /// The gate's code, such as A-ENTRY-01.
    #[arg(long, value_name = "CODE")]
    gate: GateCode,
    /// The last changeset of a log that counts, where it is more than the hub holds; may be given several times.
    #[arg(long, value_name = "SITE:SEQ", value_parser = site_and_seq)]
    last_seq: Vec<(SiteId, Seq)>,
    /// A public key of the gate that the hub has not met: 64 hexadecimal digits, as `hub ca issue` printed them; may be
    /// given several times.
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Vec<PublicKey>,
    /// Why, for the record.
    #[arg(long, default_value = "", value_parser = reason)]
    reason: String,
}

/// Most characters of a reason.
const REASON_CHARS_MAX: usize = 200;

/// Revokes the gate's keys, and tells everybody.
///
/// # Errors
/// No gate has the code, nothing is known of it, or the database does not answer.
pub async fn execute(
    arguments: RevokeArguments,
    config: &HubConfig,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    let desk = Desk::open(config, surroundings).await?;
    let rows = desk.ledger.rows().await.map_err(unreachable)?;
    let code = arguments.gate;
    let gate = gates(&rows).into_iter().find(|row| row.code == code.as_str());
    let gate = gate.ok_or_else(|| Failure::refused(anyhow!("no gate has the code {code}")))?;
    let named: BTreeMap<SiteId, Seq> = arguments.last_seq.into_iter().collect();
    let now_ms = surroundings.clock.wall_ms();
    let node = gate.id.node();
    let revoked = desk
        .ledger
        .revoke(node, &arguments.key, &named, &arguments.reason, now_ms)
        .await;
    let revoked = revoked.map_err(|error| match error {
        RevokeError::Ledger(error) => unreachable(error),
        other => Failure::refused(other),
    })?;
    // From here on this hub and its like refuse the gate. The gates are told by the shared tables; if this fails, the
    // same command again tells them.
    let edits = revoked.keys.iter().map(|key| {
        let revocation = Revocation {
            key,
            node,
            sites: &revoked.sites,
            at_ms: now_ms,
        };
        revoke_key(&rows, &revocation)
    });
    let edits: Vec<_> = edits.flatten().map(Decision::Row).collect();
    if !edits.is_empty() {
        desk.decide(edits, false).await?;
    }
    if revoked.tokens > 0 {
        say(format_args!(
            "{} unused token(s) of {code} let nobody enrol any more",
            revoked.tokens
        ))?;
    }
    for (site, last) in &revoked.sites {
        say(format_args!("log {site}: accepted up to {last}"))?;
    }
    say(format_args!(
        "{code} is revoked: {} key(s) link no more; what comes later of its logs is held in the table quarantine. A new \
         key by `hub enroll-token` puts the gate in use again; until then `hub gate status {code} maintenance` lets \
         journeys close without it",
        revoked.keys.len()
    ))?;
    Ok(())
}

fn site_and_seq(text: &str) -> Result<(SiteId, Seq), String> {
    let read = || {
        let (site, seq) = text.split_once(':')?;
        let site = SiteId(sync_shell::identity::hexadecimal(site)?);
        let seq = seq
            .parse::<u64>()
            .ok()
            .filter(|seq| i64::try_from(*seq).is_ok())?;
        Some((site, Seq(seq)))
    };
    read().ok_or_else(|| "the 32 digits of a log, a colon and a number, as `taps` shows facts".to_owned())
}

fn key(text: &str) -> Result<PublicKey, String> {
    let key = sync_shell::identity::hexadecimal(text).map(PublicKey);
    key.ok_or_else(|| "the 64 digits of a public key, as `hub ca issue` printed them".to_owned())
}

fn reason(text: &str) -> Result<String, String> {
    if text.chars().count() > REASON_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(format!("at most {REASON_CHARS_MAX} characters, on one line"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_log_is_read_strictly() {
        let site = "0123456789abcdef0123456789abcdef";
        let (read, seq) = site_and_seq(&format!("{site}:17")).unwrap();
        assert_eq!((read.to_string().as_str(), seq), (site, Seq(17)));
        for wrong in [
            "",
            "17",
            site,
            &format!("{site}:-1"),
            &format!("{}:1", &site[1..]),
        ] {
            assert!(site_and_seq(wrong).is_err(), "{wrong}");
        }
    }
}
