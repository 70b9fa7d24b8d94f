//! Problem details: how an HTTP error is told (RFC 9457).

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The content type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The type of a problem that its status says all about.
const ABOUT_BLANK: &str = "about:blank";

/// What went wrong with a request, to whom it may concern: a program by `type` and `status`, a person by the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// What kind of problem it is: `about:blank`, or a word of the interface such as `unknown-card`.
    #[serde(rename = "type", default = "about_blank")]
    pub type_: String,
    /// The kind in words; the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence: what happened, to what, and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// More that a program may want.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Problem {
    /// A problem of this status, titled by it.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            type_: about_blank(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            extra: BTreeMap::new(),
        }
    }

    /// The same problem with a type and title of its own.
    #[must_use]
    pub fn of_type(mut self, type_: &str, title: &str) -> Problem {
        self.type_ = type_.to_owned();
        self.title = title.to_owned();
        self
    }

    /// The same problem with one more thing told to programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.extra.insert(name.to_owned(), value.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn about_blank() -> String {
    ABOUT_BLANK.to_owned()
}
