//! `hub enroll-token`: what a person carries to a gate that has no certificate yet.

use anyhow::anyhow;
use clap::Args;
use sync_protocol::id::{GateCode, TerminalCode};
use sync_protocol::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use sync_shell::certify::EnrolToken;
use sync_shell::identity::NodeKeys;

use super::desk::{Desk, unreachable};
use super::say::say;
use super::{Failure, Surroundings};
use crate::config::HubConfig;
use crate::http::values::spoken;
use crate::ledger::postgres::EnrolRow;
use crate::run::load_authority;
use crate::shared_tables::{GateRow, gates};

/// A token is valid for at most this long.
const VALID_MS_MAX: i64 = 30 * DAY_MS;

/// Flags of `hub enroll-token`.
#[derive(Debug, Args)]
pub struct EnrollTokenArguments {
    /// The code of the gate's terminal.
    #[arg(long, value_name = "CODE")]
    terminal: TerminalCode,
    /// The gate's code, such as A-ENTRY-01.
    #[arg(long, value_name = "CODE")]
    gate: GateCode,
    /// How long the token can be used: a number and s, m, h or d; at most 30d.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration_ms)]
    valid_for: i64,
    /// How the gate reaches the hub's port for links; otherwise sync.advertise, or sync.listen.
    #[arg(long, value_name = "HOST:PORT")]
    hub: Option<String>,
}

/// Makes a token and prints it, alone on standard output.
///
/// # Errors
/// The gate is not in the shared table, the authority's key is not here, or the database does not answer.
pub async fn token(
    arguments: EnrollTokenArguments,
    config: &HubConfig,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    let keys = NodeKeys::load(&config.keys).map_err(Failure::bad_input)?;
    let authority = load_authority(config, &keys).map_err(Failure::bad_input)?;
    let authority = authority.ok_or_else(|| {
        Failure::bad_input(anyhow!(
            "gates cannot enrol at this hub, for the authority's key is not at hand: set authority.dir \
             (HUB_AUTHORITY__DIR) to the folder of `hub ca init`"
        ))
    })?;
    let hub = address(&arguments, config)?;
    let desk = Desk::open(config, surroundings).await?;
    let rows = desk.ledger.rows().await.map_err(unreachable)?;
    let gate = find(gates(&rows), &arguments)?;
    let secret = (surroundings.random)();
    let now_ms = surroundings.clock.wall_ms();
    let token = EnrolRow {
        gate: gate.id.node(),
        terminal: arguments.terminal.to_string(),
        gate_code: gate.code.clone(),
        expires_ms: now_ms.saturating_add(arguments.valid_for),
        used: None,
    };
    let hash = EnrolToken::hash(&secret);
    let stored = desk.ledger.add_enrol_token(&hash, &token, now_ms).await;
    stored.map_err(unreachable)?;
    let text = EnrolToken {
        authority: authority.fingerprint(),
        secret,
        hub,
    };
    say(format_args!("{text}"))?;
    let until = spoken(token.expires_ms);
    tell(&format!(
        "for {} of terminal {}, once, until {until}: on the gate's machine run `edge-node enroll TOKEN`",
        gate.code, arguments.terminal
    ));
    Ok(())
}

/// To the person beside the token: not part of what a script takes.
#[expect(clippy::print_stderr, reason = "what a command says to a person")]
fn tell(text: &str) {
    eprintln!("{text}");
}

fn find(gates: Vec<GateRow>, arguments: &EnrollTokenArguments) -> Result<GateRow, Failure> {
    let EnrollTokenArguments { gate, terminal, .. } = arguments;
    let found = gates.into_iter().find(|row| row.code == gate.as_str());
    let found = found.ok_or_else(|| {
        Failure::refused(anyhow!(
            "no gate has the code {gate}: enter it first with `hub gate add`"
        ))
    })?;
    match found.terminal.as_deref() {
        Some(of) if of == terminal.as_str() => Ok(found),
        of => Err(Failure::refused(anyhow!(
            "{gate} stands in terminal {}, not in {terminal}: correct --terminal",
            of.unwrap_or("(unknown)")
        ))),
    }
}

fn address(arguments: &EnrollTokenArguments, config: &HubConfig) -> Result<String, Failure> {
    let listen = config.sync.listen;
    let named = arguments.hub.clone();
    let named = named.or_else(|| Some(config.sync.advertise.clone()).filter(|named| !named.is_empty()));
    let named = named.or_else(|| (!listen.ip().is_unspecified()).then(|| listen.to_string()));
    named.ok_or_else(|| {
        Failure::bad_input(anyhow!(
            "the token must say how the gate reaches this hub: give --hub HOST:PORT, or set sync.advertise"
        ))
    })
}

fn duration_ms(text: &str) -> Result<i64, String> {
    let said = || "a number and s, m, h or d, from 1s to 30d, such as 24h".to_owned();
    let unit = text.chars().last().ok_or_else(said)?;
    let unit_ms = match unit {
        's' => SECOND_MS,
        'm' => MINUTE_MS,
        'h' => HOUR_MS,
        'd' => DAY_MS,
        _ => return Err(said()),
    };
    let number = text
        .strip_suffix(unit)
        .and_then(|number| number.parse::<u32>().ok());
    let ms = number.and_then(|number| i64::from(number).checked_mul(unit_ms));
    ms.filter(|ms| (1..=VALID_MS_MAX).contains(ms)).ok_or_else(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(duration_ms("24h"), Ok(DAY_MS));
        assert_eq!(duration_ms("90s"), Ok(90 * SECOND_MS));
        assert_eq!(duration_ms("30d"), Ok(30 * DAY_MS));
        for wrong in ["", "h", "0h", "24", "31d", "-1h", "1.5h", "24 h", "1w", "é"] {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
    }
}
