//! Publishing fares: a whole version at a time (D-22).

use axum::extract::State;
use serde::Deserialize;
use sync_protocol::fare::{FareError, FareVersion, OrphanPolicy};
use sync_protocol::id::TerminalCode;
use sync_shell::http::{JsonBody, Problem};
use utoipa::ToSchema;

use super::App;
use super::decide::RequestAnswer;
use super::problem::bad_input;
use super::values::{Amount, Moment};
use crate::decisions::Decision;

/// A complete fare table. A file of `hub fares publish` holds the same.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FaresBody {
    /// The next version's number.
    #[schema(minimum = 1)]
    pub version: u32,
    /// From when entries are priced by it: RFC 3339 with an offset, or milliseconds since 1970.
    #[schema(value_type = String, example = "2026-01-01T03:00:00+07:00")]
    pub effective_from: Moment,
    /// What a journey without exit costs: `release`, `charge_max` or `charge_min`.
    #[schema(value_type = String, example = "release")]
    pub orphan_policy: OrphanPolicy,
    /// `[origin, destination, amount]` of every route.
    #[schema(value_type = Vec<Vec<String>>, example = json!([["A", "B", "5000.00"], ["B", "A", "5000.00"]]))]
    pub fares: Vec<(TerminalCode, TerminalCode, Amount)>,
    /// Publishes it although it takes effect sooner than the lead time allows (T-22b).
    #[serde(default)]
    pub override_lead_time: bool,
}

impl FaresBody {
    /// The version.
    ///
    /// # Errors
    /// A route twice, a price that is none, or too many terminals.
    pub fn version(&self) -> Result<FareVersion, FareError> {
        let fares = self.fares.iter().map(|(from, to, price)| (*from, *to, price.0));
        FareVersion::new(self.version, self.effective_from.ms, self.orphan_policy, fares)
    }
}

/// Publishes a fare version.
#[utoipa::path(post, path = "/v1/fare-versions", tag = "fares", request_body = FaresBody,
    responses((status = 201, body = RequestAnswer), (status = 202, body = RequestAnswer, description = "Not settled in time"),
        (status = 422, body = Problem, description = "Refused: a hole in the numbers, a damaged table, too late")))]
pub async fn publish(
    State(app): State<App>,
    JsonBody(body): JsonBody<FaresBody>,
) -> Result<RequestAnswer, Problem> {
    let version = body.version().map_err(bad_input)?;
    app.decide(vec![Decision::Fares(version)], None, body.override_lead_time)
        .await
}
