//! Cards: issued, shown, blocked.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sync_protocol::fact::CardStatus;
use sync_protocol::id::CardId;
use sync_protocol::journey::{Endpoint, Journey};
use sync_shell::http::{JsonBody, PathParts, Problem};
use utoipa::ToSchema;

use super::App;
use super::decide::{RequestAnswer, RequestStatus};
use super::person::PersonBody;
use super::problem::{Refuse, bad_input, not_found};
use super::values::{Amount, spoken};
use crate::decisions::{Decision, TEXT_BYTES_MAX};
use crate::ledger::JournalEntry;
use crate::ledger::postgres::{LedgerError, PostgresLedger};
use crate::people::Person;
use crate::reference;

/// Most journeys of a card that are shown, the latest.
pub const JOURNEYS_SHOWN: usize = 20;
/// Most journal entries of a card that are shown, the latest.
pub const ENTRIES_SHOWN: usize = 50;

/// A card to be issued.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueBody {
    /// The card: 8 to 20 of A-Z and 0-9.
    #[schema(value_type = String, example = "CARD0001")]
    pub card: CardId,
    /// Who holds it; a card without is anonymous.
    #[serde(default)]
    pub person: Option<PersonBody>,
}

/// A card's new status.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardStatusBody {
    /// `active`, `suspended`, `blocked` or `closed`.
    #[schema(value_type = String, example = "blocked")]
    pub status: CardStatus,
    /// Why, for the log of the hub; 1 to 200 bytes.
    #[schema(example = "reported lost")]
    pub reason: String,
}

/// A card as the hub knows it. Who holds it is not part of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CardAnswer {
    /// The card.
    #[schema(value_type = String)]
    pub card: CardId,
    /// `active`, `suspended`, `blocked` or `closed`.
    #[schema(value_type = String)]
    pub status: CardStatus,
    /// Credits less debits.
    pub balance: Amount,
    /// What the journey under way holds.
    pub held: Amount,
    /// What is left after the hold.
    pub available: Amount,
    /// How many facts the hub has settled of the card.
    pub facts: u64,
    /// Counts the card's settled states.
    pub revision: u64,
    /// The journey under way.
    pub open_journey: Option<JourneyAnswer>,
    /// The latest journeys, the last one first.
    pub journeys: Vec<JourneyAnswer>,
    /// The latest entries of the journal, the last one first.
    pub entries: Vec<EntryAnswer>,
}

/// One journey.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct JourneyAnswer {
    /// `active`, `completed`, `incomplete`, `unstarted` or `cancelled`.
    pub status: &'static str,
    /// Where it began.
    pub entry: Option<EndAnswer>,
    /// Where it ended.
    pub exit: Option<EndAnswer>,
    /// What it costs.
    pub fare: Amount,
    /// What was held for it.
    pub hold: Amount,
}

/// One end of a journey.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EndAnswer {
    /// The terminal's code.
    pub terminal: String,
    /// When, RFC 3339, by the gate's clock.
    pub at: String,
    /// The tap: `site:seq:index`.
    pub fact: String,
    /// The same for people.
    pub reference: String,
}

/// One entry of the journal.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EntryAnswer {
    /// The card's revision that booked it.
    pub revision: u64,
    /// Its place in that revision.
    pub line: u32,
    /// The rule that made it, such as `TOPUP` or `CAPTURE`.
    pub rule: &'static str,
    /// What it adds to the balance.
    pub amount: Amount,
    /// Whether it takes an earlier one back.
    pub reversal: bool,
    /// The fact behind it: `site:seq:index`.
    pub fact: String,
    /// The same for people.
    pub reference: String,
}

/// Issues a card, and registers the person who holds it.
#[utoipa::path(post, path = "/v1/cards", tag = "cards", request_body = IssueBody,
    responses((status = 201, body = RequestAnswer), (status = 202, body = RequestAnswer, description = "Not settled in time"),
        (status = 422, body = Problem)))]
pub async fn issue(
    State(app): State<App>,
    JsonBody(body): JsonBody<IssueBody>,
) -> Result<RequestAnswer, Problem> {
    let person = body.person.map(Person::from);
    if let Some(person) = &person {
        person.check().map_err(bad_input)?;
    }
    let card = body.card;
    let answer = app.decide(vec![Decision::Issue { card }], None, false).await?;
    if answer.status != RequestStatus::Refused
        && let Some(person) = person
    {
        app.people
            .register(card, &person, app.clock.wall_ms())
            .await
            .or_refuse()?;
        if let Some(cache) = &app.cache {
            // The cache shows the person when it can; a card without one is not wrong there.
            let _ = cache.refresh_cards(&[card]).await;
        }
    }
    Ok(answer)
}

/// Sets a card's status. Gates learn of it with the card's next settled state.
#[utoipa::path(put, path = "/v1/cards/{card}/status", tag = "cards", request_body = CardStatusBody,
    params(("card" = String, Path, description = "The card")),
    responses((status = 201, body = RequestAnswer), (status = 202, body = RequestAnswer, description = "Not settled in time"),
        (status = 422, body = Problem)))]
pub async fn set_status(
    State(app): State<App>,
    PathParts(card): PathParts<String>,
    JsonBody(body): JsonBody<CardStatusBody>,
) -> Result<RequestAnswer, Problem> {
    let card: CardId = card.parse().map_err(bad_input)?;
    if !(1..=TEXT_BYTES_MAX).contains(&body.reason.len()) {
        return Err(bad_input(format!("give a reason of 1 to {TEXT_BYTES_MAX} bytes")));
    }
    let status = body.status;
    let answer = app
        .decide(vec![Decision::Status { card, status }], None, false)
        .await?;
    tracing::info!(%card, ?status, reason = body.reason, request = answer.request, "a card's status was decided");
    Ok(answer)
}

/// Shows a card.
#[utoipa::path(get, path = "/v1/cards/{card}", tag = "cards",
    params(("card" = String, Path, description = "The card")),
    responses((status = 200, body = CardAnswer), (status = 404, body = Problem)))]
pub async fn show(
    State(app): State<App>,
    PathParts(card): PathParts<String>,
) -> Result<Json<CardAnswer>, Problem> {
    let card: CardId = card.parse().map_err(bad_input)?;
    match read(&app.ledger, card).await.or_refuse()? {
        Some(answer) => Ok(Json(answer)),
        None => Err(not_found(format!("card {card} is not known: issue it first"))),
    }
}

/// Reads a card; `None` when no settled fact is about it.
///
/// # Errors
/// The ledger cannot be read.
pub async fn read(ledger: &PostgresLedger, card: CardId) -> Result<Option<CardAnswer>, LedgerError> {
    let Some(settled) = ledger.card_state(card).await? else {
        return Ok(None);
    };
    let projection = ledger.projection(card).await?;
    let journal = ledger.journal(card).await?;
    let journeys = projection.journeys.iter().rev().take(JOURNEYS_SHOWN);
    let open = projection
        .journeys
        .iter()
        .rev()
        .find(|journey| journey.status.name() == "active");
    Ok(Some(CardAnswer {
        card,
        status: projection.status,
        balance: Amount(projection.balance),
        held: Amount(projection.held),
        available: Amount(projection.balance - projection.held),
        facts: settled.facts,
        revision: settled.revision,
        open_journey: open.map(journey_answer),
        journeys: journeys.map(journey_answer).collect(),
        entries: journal
            .iter()
            .rev()
            .take(ENTRIES_SHOWN)
            .map(entry_answer)
            .collect(),
    }))
}

fn journey_answer(journey: &Journey) -> JourneyAnswer {
    JourneyAnswer {
        status: journey.status.name(),
        entry: journey.entry.map(end_answer),
        exit: journey.exit.map(end_answer),
        fare: Amount(journey.fare),
        hold: Amount(journey.hold),
    }
}

fn end_answer(end: Endpoint) -> EndAnswer {
    EndAnswer {
        terminal: end.terminal.to_string(),
        at: spoken(end.at_ms),
        fact: end.tap.to_string(),
        reference: reference::of(end.tap),
    }
}

fn entry_answer(entry: &JournalEntry) -> EntryAnswer {
    EntryAnswer {
        revision: entry.id.revision,
        line: entry.id.line,
        rule: entry.posting.rule.name(),
        amount: Amount(entry.effect()),
        reversal: entry.reversal,
        fact: entry.posting.fact.to_string(),
        reference: reference::of(entry.posting.fact),
    }
}
