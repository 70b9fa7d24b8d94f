//! The interface described for programs.

use axum::Json;
use sync_shell::http::Problem;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::decide::{RequestAnswer, RequestStatus};
use super::{cards, fares, gates, health, network, payments, person, requests, values};

#[derive(OpenApi)]
#[openapi(
    info(title = "Hub", description = "Cards, money, fares and gates of the fare network. \
        Amounts are decimal strings; errors are problem details (RFC 9457)."),
    paths(
        cards::issue, cards::show, cards::set_status, payments::top_up, payments::refund, fares::publish,
        gates::set_status, network::show, requests::show, health::alive, health::ready, health::metrics,
    ),
    components(schemas(
        cards::IssueBody, cards::CardStatusBody, cards::CardAnswer, person::PersonBody, payments::TopUpBody,
        payments::RefundBody, fares::FaresBody, gates::GateStatusBody, network::NetworkAnswer, health::Readiness,
        RequestAnswer, RequestStatus, values::Amount, Problem,
    )),
    security(("token" = [])),
)]
struct Document;

/// The description (OpenAPI 3.1).
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The token in the hub's token file"))
        .build();
    if let Some(components) = document.components.as_mut() {
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
    document
}

/// Serves it.
pub async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
