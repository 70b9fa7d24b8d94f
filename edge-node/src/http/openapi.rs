//! The description of the interface, made from the handlers themselves.

use axum::Json;
use sync_shell::http::Problem;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{health, quarantine, taps};
use crate::answer::TapAnswer;
use crate::status::Status;

#[derive(OpenApi)]
#[openapi(
    info(title = "Gate", description = "One gate's local interface. Amounts are decimal strings in rupiah."),
    paths(
        taps::present, taps::recent, quarantine::list, quarantine::retry, health::status, health::healthz,
        health::metrics, serve
    ),
    components(schemas(TapAnswer, Status, Problem)),
    modifiers(&Bearer),
)]
struct Document;

/// The token in the gate's data folder.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The text of the file `token` in the gate's data folder."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The description of the whole interface.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_described() {
        let document = document();
        let paths: Vec<&String> = document.paths.paths.keys().collect();
        assert_eq!(
            paths,
            [
                "/healthz",
                "/metrics",
                "/openapi.json",
                "/v1/quarantine",
                "/v1/quarantine/retry",
                "/v1/status",
                "/v1/taps"
            ]
        );
        let taps = &document.paths.paths["/v1/taps"];
        assert!(taps.get.is_some() && taps.post.is_some());
    }
}
