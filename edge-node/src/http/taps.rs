//! Taps over HTTP: presenting a card, and the last ones.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sync_protocol::fact::Direction;
use sync_protocol::id::CardId;
use sync_shell::http::{JsonBody, Problem, QueryParts};
use utoipa::{IntoParams, ToSchema};

use super::App;
use crate::answer::{Outcome, TapAnswer, direction_name, reason_name};
use crate::message::Language;
use crate::store::{Inspection, RecentTap};
use crate::taps::TapRefusal;

/// Taps told when the request does not say how many.
pub const TAPS_LAST_DEFAULT: usize = 50;
/// Most taps told.
pub const TAPS_LAST_MAX: usize = 1_000;

/// A card presented at this gate.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TapBody {
    /// The card: 8 to 20 of A-Z and 0-9; blanks around it and lower case are put right.
    #[schema(example = "CARD0001")]
    pub card: String,
    /// Which way; left out, a gate for one way takes that, a bidirectional one what fits the journey under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "entry")]
    pub direction: Option<Direction>,
}

/// How many taps to tell.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Last {
    /// 1 to 1000.
    #[param(default = 50, minimum = 1, maximum = 1000)]
    last: Option<usize>,
}

/// A tap in the gate's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordedTap {
    /// The fact, `site:seq:index`.
    pub fact: String,
    /// Its time, milliseconds since 1970.
    pub at_ms: i64,
    /// The card.
    pub card: String,
    /// entry or exit.
    pub direction: String,
    /// Whether the barrier opened.
    pub decision: Outcome,
    /// Why.
    pub reason: String,
    /// What is held, rupiah.
    pub hold: String,
    /// What the gate quoted, rupiah.
    pub fare: Option<String>,
    /// The fare version used; 0 for none.
    pub fare_version: u32,
    /// Age of the gate's knowledge then, seconds.
    pub balance_age_s: u32,
    /// Whether the hub's settled states cover it.
    pub covered: bool,
}

impl From<&RecentTap> for RecordedTap {
    fn from(recent: &RecentTap) -> RecordedTap {
        let tap = &recent.tap;
        RecordedTap {
            fact: recent.fact.to_string(),
            at_ms: recent.at.ms,
            card: tap.card.to_string(),
            direction: direction_name(tap.direction).to_owned(),
            decision: if tap.accepted {
                Outcome::Open
            } else {
                Outcome::Deny
            },
            reason: reason_name(tap.reason).to_owned(),
            hold: tap.hold.to_string(),
            fare: tap.quoted.map(|fare| fare.to_string()),
            fare_version: tap.fare_version,
            balance_age_s: tap.knowledge.age_s,
            covered: recent.covered,
        }
    }
}

/// Presents a card.
///
/// The answer comes once the tap is durable. A denial is an answer like another: status 200, decision `deny`.
#[utoipa::path(
    post, path = "/v1/taps", request_body = TapBody,
    params(("accept-language" = Option<String>, Header, description = "id or en: the language of the message")),
    responses(
        (status = 200, description = "Decided", body = TapAnswer),
        (status = 400, description = "No JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not announced as JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No card, or an unknown field", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "Too many taps wait, or the gate stops; see Retry-After", body = Problem,
            content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
pub(super) async fn present(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<TapBody>,
) -> Result<Json<TapAnswer>, Response> {
    let language = asked_language(&headers).unwrap_or(app.0.language);
    let card = CardId::from_reader(&body.card).map_err(|error| {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
        problem.of_type("bad-card", "Not a card").into_response()
    })?;
    let answer = app.0.taps.tap(card, body.direction).await.map_err(refused)?;
    Ok(Json(answer.told(language)))
}

/// The gate's last taps, newest first.
#[utoipa::path(
    get, path = "/v1/taps", params(Last),
    responses(
        (status = 200, description = "The taps", body = Vec<RecordedTap>),
        (status = 400, description = "Not 1 to 1000", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
pub(super) async fn recent(
    State(app): State<App>,
    QueryParts(Last { last }): QueryParts<Last>,
) -> Result<Json<Vec<RecordedTap>>, Problem> {
    let last = last.unwrap_or(TAPS_LAST_DEFAULT);
    if !(1..=TAPS_LAST_MAX).contains(&last) {
        let detail = format!("last is {last}: 1 to {TAPS_LAST_MAX} taps are told");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let found = app.looked_up(move |database| Inspection::open(database)?.recent_taps(last));
    let taps = found.await?;
    Ok(Json(taps.iter().map(RecordedTap::from).collect()))
}

fn asked_language(headers: &HeaderMap) -> Option<Language> {
    Language::accepted(headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?)
}

fn refused(refusal: TapRefusal) -> Response {
    let mut response = Problem::new(StatusCode::SERVICE_UNAVAILABLE, refusal.to_string()).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
