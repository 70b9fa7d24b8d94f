//! `tap`: a card presented by hand.

use std::process::ExitCode;

use anyhow::Context as _;
use edge_node::answer::{Outcome, TapAnswer};
use edge_node::config::GateConfig;
use edge_node::http::TapBody;
use edge_node::node::{Node, Tapped};
use edge_node::run::StartError;
use edge_node::run::{Surroundings, load_keys, node_parts, open_store};
use edge_node::store::Fault;
use hyper::Method;
use sync_protocol::fact::Direction;
use sync_protocol::id::CardId;
use sync_shell::output::say;

use super::client::{Asked, ask};
use super::failure::{DENIED, Failure};

pub(crate) fn execute(
    config: &GateConfig,
    card: &str,
    direction: Option<Direction>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let card = CardId::from_reader(card).map_err(|error| Failure::bad_input(error.to_string()))?;
    let body = TapBody {
        card: card.to_string(),
        direction,
    };
    let answer = match ask(config, Method::POST, "/v1/taps", Some(serde_json::to_vec(&body)?))? {
        Asked::Answer(answer) => serde_json::from_slice(&answer).context("the gate's answer")?,
        Asked::Refused(problem) => return Err(anyhow::anyhow!("the gate refused: {}", problem.detail).into()),
        Asked::NotRunning(address) => {
            let answer = decide_here(config, card, direction).with_context(|| {
                format!("no gate answers at {address}, and its database cannot be used instead")
            })?;
            eprintln!(
                "edge-node: the gate does not run; decided and recorded here, told to others when it runs"
            );
            answer
        }
    };
    show(&answer, json)?;
    Ok(match answer.decision {
        Outcome::Open => ExitCode::SUCCESS,
        Outcome::Deny => ExitCode::from(DENIED),
    })
}

/// Opens the database as the gate would, decides and commits.
fn decide_here(config: &GateConfig, card: CardId, direction: Option<Direction>) -> anyhow::Result<TapAnswer> {
    let keys = load_keys(config)?;
    let surroundings = Surroundings::system();
    let store = open_store(config, &keys, &surroundings).map_err(|error| match error {
        StartError::Store(error) if matches!(error.fault, Fault::InUse) => anyhow::anyhow!(
            "{error}; if it is the gate, its HTTP interface is not where http.listen says ({})",
            config.http.listen
        ),
        other => other.into(),
    })?;
    let now = surroundings.clock.now();
    let mut node = Node::new(node_parts(config, &keys, store, &surroundings)?, now)?;
    let tapped = Tapped {
        card,
        direction,
        at_ms: now.wall_ms,
    };
    let answers = node.taps(now, &[tapped]);
    let answer = answers
        .first()
        .context("BUG: a tap has an answer")?
        .told(config.language);
    node.close(now, &mut Vec::new())?;
    Ok(answer)
}

fn show(answer: &TapAnswer, json: bool) -> anyhow::Result<()> {
    if json {
        say(format_args!("{}", serde_json::to_string_pretty(answer)?))?;
        return Ok(());
    }
    let decision = match answer.decision {
        Outcome::Open => "open",
        Outcome::Deny => "deny",
    };
    say(format_args!("{decision}  {} ({})", answer.reason, answer.rule))?;
    say(format_args!("{}", answer.message))?;
    let unknown = "unknown";
    say(format_args!(
        "balance {}, held {}, fare {}, knowledge {} s old, fact {}",
        answer.balance.as_deref().unwrap_or(unknown),
        answer.hold,
        answer.fare.as_deref().unwrap_or("none"),
        answer.balance_age_s,
        answer.fact.as_deref().unwrap_or("none: it could not be stored"),
    ))?;
    Ok(())
}
