//! `enroll`: a first certificate, by a token that a person brought from the hub.
//!
//! The key is made here and stays here. Nothing is written before the hub's answer is here and checked.

use std::io::{self, Read as _};
use std::process::ExitCode;

use anyhow::Context as _;
use edge_node::config::GateConfig;
use edge_node::run::{Surroundings, load_keys};
use sync_shell::certify::{AskError, Certificates, EnrolToken, Enrolment, Request, Who, ask};
use sync_shell::identity::Newcomer;
use sync_shell::output::say;

use super::failure::Failure;
use super::utc;

/// An answer that was lost on its way is asked for again, with the same key: the token still counts for that.
const ATTEMPTS_MAX: u32 = 2;
/// Most bytes of a token from standard input.
const TOKEN_BYTES_MAX: u64 = 4 << 10;

pub(crate) fn execute(config: &GateConfig, token: &str, replace: bool) -> Result<ExitCode, Failure> {
    let token: EnrolToken = read_token(token)?
        .parse()
        .map_err(|error| Failure::bad_input(format!("{error}")))?;
    let folder = config.keys_dir();
    if !replace {
        Newcomer::check_folder(&folder).map_err(|error| {
            Failure::bad_input(format!(
                "{error}. This gate has enrolled before; --replace gives it a new key, and the old one is gone then"
            ))
        })?;
    }
    let surroundings = Surroundings::system();
    let newcomer = Newcomer::new(surroundings.secret()?, surroundings.clock.now().wall_ms)?;
    let certificates = obtain(config, &token, &newcomer)?;
    newcomer
        .settle(
            &folder,
            &certificates.certificate,
            &certificates.authority,
            token.authority,
            replace,
        )
        .context("the hub's certificate cannot be kept here; the token still counts for no other machine, so make another")?;
    let keys = load_keys(config)?;
    say(format_args!(
        "gate {} ({}) of terminal {} is enrolled: its key and certificate are in {}, valid until {} UTC",
        config.gate.id.0,
        config.gate.code,
        config.gate.terminal,
        folder.display(),
        utc::text(keys.expires_at_ms())
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn read_token(given: &str) -> Result<String, Failure> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut text = String::new();
    io::stdin()
        .take(TOKEN_BYTES_MAX)
        .read_to_string(&mut text)
        .context("the token cannot be read from standard input")?;
    Ok(text)
}

fn obtain(config: &GateConfig, token: &EnrolToken, newcomer: &Newcomer) -> Result<Certificates, Failure> {
    let gate = &config.gate;
    let request = Request::Enrol(Enrolment::new(
        token.secret,
        gate.id.node(),
        gate.terminal,
        gate.code,
    ));
    let who = Who::Newcomer(newcomer, token.authority);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no runtime for a connection")?;
    let asked = runtime.block_on(async {
        let mut answer = ask(&token.hub, who, &request).await;
        for _ in 1..ATTEMPTS_MAX {
            if !matches!(answer, Err(AskError::Unreachable { .. })) {
                break;
            }
            answer = ask(&token.hub, who, &request).await;
        }
        answer
    });
    asked.map_err(|error| match error {
        AskError::Refused(_) => Failure::bad_input(format!("the hub refuses: {error}")),
        AskError::Stranger { .. } => Failure::bad_input(error.to_string()),
        AskError::NotNow(_) | AskError::Unreachable { .. } | AskError::Tls(_) => Failure::from(error),
    })
}
