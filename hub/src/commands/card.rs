//! `hub card` and `hub topup`.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use sync_protocol::fact::CardStatus;
use sync_protocol::id::CardId;
use sync_protocol::money::Money;

use super::desk::{Desk, unreachable};
use super::say::say;
use super::{Failure, Surroundings};
use crate::config::HubConfig;
use crate::decisions::Decision;
use crate::http::{CardAnswer, JourneyAnswer, read_card};
use crate::people::{Demographics, People, Person};
use crate::reference;

/// What to do with a card.
#[derive(Debug, Subcommand)]
pub enum CardCommand {
    /// Issues a card, and registers the person who holds it.
    Issue(IssueArguments),
    /// Shows a card as the hub knows it.
    Show {
        /// The card.
        card: CardId,
        /// Prints JSON, as `GET /v1/cards/{card}` does.
        #[arg(long)]
        json: bool,
    },
    /// Sets a card's status: active, suspended, blocked or closed.
    Status {
        /// The card.
        card: CardId,
        /// The status.
        #[arg(value_parser = card_status)]
        status: CardStatus,
    },
}

/// A card and who holds it.
#[derive(Debug, Args)]
pub struct IssueArguments {
    /// The card: 8 to 20 of A-Z and 0-9.
    card: CardId,
    /// The holder's full name; without it the card is anonymous.
    #[arg(long)]
    name: Option<String>,
    /// The holder's e-mail address.
    #[arg(long, requires = "name")]
    email: Option<String>,
    /// The holder's phone number.
    #[arg(long, requires = "name")]
    phone: Option<String>,
    /// For statistics, such as 25-34.
    #[arg(long, requires = "name")]
    age_group: Option<String>,
    /// For statistics.
    #[arg(long, requires = "name")]
    gender: Option<String>,
    /// For statistics, such as regular.
    #[arg(long, requires = "name")]
    membership: Option<String>,
}

/// Money to be paid in.
#[derive(Debug, Args)]
pub struct TopUpArguments {
    /// The card.
    card: CardId,
    /// How much, in rupiah, such as 50000 or 50000.00.
    amount: Money,
    /// The channel's reference: the same one again is the same payment.
    #[arg(long)]
    reference: String,
}

/// Does it.
///
/// # Errors
/// It is refused, makes no sense, or a database does not answer.
pub async fn execute(
    command: CardCommand,
    config: &HubConfig,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    match command {
        CardCommand::Issue(arguments) => issue(arguments, config, surroundings).await,
        CardCommand::Show { card, json } => {
            let desk = Desk::open(config, surroundings).await?;
            let answer = read_card(&desk.ledger, card).await.map_err(unreachable)?;
            let answer = answer.ok_or_else(|| {
                Failure::refused(anyhow!(
                    "card {card} is not known: issue it with `hub card issue {card}`"
                ))
            })?;
            match json {
                true => print_json(&answer),
                false => print_card(&answer),
            }
        }
        CardCommand::Status { card, status } => {
            let desk = Desk::open(config, surroundings).await?;
            desk.decide(vec![Decision::Status { card, status }], false)
                .await?;
            say(format_args!("card {card} is {}", status_name(status)))?;
            Ok(())
        }
    }
}

async fn issue(
    arguments: IssueArguments,
    config: &HubConfig,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    let card = arguments.card;
    let person = arguments.name.map(|full_name| Person {
        full_name,
        email: arguments.email,
        phone: arguments.phone,
        demographics: Demographics {
            age_group: arguments.age_group,
            gender: arguments.gender,
            membership: arguments.membership,
        },
    });
    if let Some(person) = &person {
        person.check().map_err(Failure::bad_input)?;
    }
    let desk = Desk::open(config, surroundings).await?;
    desk.decide(vec![Decision::Issue { card }], false).await?;
    say(format_args!("card {card} is issued"))?;
    if let Some(person) = person {
        let people = People::new(desk.pools.users.clone());
        people
            .register(card, &person, desk.clock.wall_ms())
            .await
            .map_err(Failure::unreachable)?;
        say(format_args!("its holder is registered"))?;
    }
    Ok(())
}

/// `hub topup`.
///
/// # Errors
/// It is refused, makes no sense, or a database does not answer.
pub async fn top_up(
    arguments: TopUpArguments,
    config: &HubConfig,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    let TopUpArguments {
        card,
        amount,
        reference,
    } = arguments;
    let desk = Desk::open(config, surroundings).await?;
    let decision = Decision::TopUp {
        card,
        amount,
        reference,
    };
    let facts = desk.decide(vec![decision], false).await?;
    for fact in facts {
        say(format_args!(
            "paid Rp {amount} into card {card}: {}",
            reference::of(fact)
        ))?;
    }
    Ok(())
}

fn card_status(text: &str) -> Result<CardStatus, String> {
    match text {
        "active" => Ok(CardStatus::Active),
        "suspended" => Ok(CardStatus::Suspended),
        "blocked" => Ok(CardStatus::Blocked),
        "closed" => Ok(CardStatus::Closed),
        _ => Err("active, suspended, blocked and closed are allowed".to_owned()),
    }
}

const fn status_name(status: CardStatus) -> &'static str {
    match status {
        CardStatus::Active => "active",
        CardStatus::Suspended => "suspended",
        CardStatus::Blocked => "blocked",
        CardStatus::Closed => "closed",
    }
}

fn print_json(answer: &CardAnswer) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(answer).map_err(Failure::unreachable)?;
    say(format_args!("{text}"))?;
    Ok(())
}

fn print_card(answer: &CardAnswer) -> Result<(), Failure> {
    say(format_args!(
        "card {}: {}",
        answer.card,
        status_name(answer.status)
    ))?;
    say(format_args!(
        "balance Rp {}, held Rp {}, available Rp {}",
        answer.balance.0, answer.held.0, answer.available.0
    ))?;
    if let Some(open) = &answer.open_journey {
        say(format_args!("under way: {}", spoken_journey(open)))?;
    }
    for journey in answer
        .journeys
        .iter()
        .filter(|journey| journey.status != "active")
    {
        say(format_args!(
            "{:>10}  {}",
            journey.status,
            spoken_journey(journey)
        ))?;
    }
    for entry in &answer.entries {
        let back = if entry.reversal { " (taken back)" } else { "" };
        say(format_args!(
            "{:>10}  Rp {}{back}  {}",
            entry.rule, entry.amount.0, entry.reference
        ))?;
    }
    Ok(())
}

fn spoken_journey(journey: &JourneyAnswer) -> String {
    let end = |end: &Option<crate::http::EndAnswer>| match end {
        Some(end) => format!("{} {}", end.terminal, end.at),
        None => "?".to_owned(),
    };
    format!(
        "{} to {}, fare Rp {}, hold Rp {}",
        end(&journey.entry),
        end(&journey.exit),
        journey.fare.0,
        journey.hold.0
    )
}
