//! Money in and money back, once per Idempotency-Key.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use sync_protocol::id::CardId;
use sync_shell::http::{JsonBody, Problem};
use utoipa::ToSchema;

use super::App;
use super::decide::{RequestAnswer, idempotency_key};
use super::values::Amount;
use crate::decisions::Decision;

/// Money paid in through a channel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopUpBody {
    /// The card.
    #[schema(value_type = String, example = "CARD0001")]
    pub card: CardId,
    /// How much, above zero.
    pub amount: Amount,
    /// The channel's reference, one in the whole network; 1 to 200 bytes.
    #[schema(example = "bank-2026-000123")]
    pub reference: String,
}

/// Fare money given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundBody {
    /// The card.
    #[schema(value_type = String, example = "CARD0001")]
    pub card: CardId,
    /// How much, above zero.
    pub amount: Amount,
    /// Why, for the holder and the auditor; 1 to 200 bytes.
    #[schema(example = "Gate A-EXIT-01 charged twice")]
    pub reason: String,
}

/// Pays money into a card.
#[utoipa::path(post, path = "/v1/topups", tag = "payments", request_body = TopUpBody,
    params(("Idempotency-Key" = String, Header, description = "Repeat it with the same body to get the same answer")),
    responses((status = 201, body = RequestAnswer), (status = 202, body = RequestAnswer, description = "Not settled in time"),
        (status = 422, body = Problem, description = "Refused, or the key stands for another request")))]
pub async fn top_up(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<TopUpBody>,
) -> Result<RequestAnswer, Problem> {
    let key = idempotency_key(&headers)?;
    let decision = Decision::TopUp {
        card: body.card,
        amount: body.amount.0,
        reference: body.reference,
    };
    app.decide(vec![decision], Some(key), false).await
}

/// Gives fare money back to a card.
#[utoipa::path(post, path = "/v1/refunds", tag = "payments", request_body = RefundBody,
    params(("Idempotency-Key" = String, Header, description = "Repeat it with the same body to get the same answer")),
    responses((status = 201, body = RequestAnswer), (status = 202, body = RequestAnswer, description = "Not settled in time"),
        (status = 422, body = Problem, description = "Refused, or the key stands for another request")))]
pub async fn refund(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<RefundBody>,
) -> Result<RequestAnswer, Problem> {
    let key = idempotency_key(&headers)?;
    let decision = Decision::Refund {
        card: body.card,
        amount: body.amount.0,
        reason: body.reason,
    };
    app.decide(vec![decision], Some(key), false).await
}
