//! Problem documents (RFC 9457): what is wrong, in which field, and what to do.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// One problem document (RFC 9457), as `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `urn:unsilo:problem:` and the title in lower case with dashes: stable, for programs.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: Box<str>,
    /// What kind of problem it is, in words; always the same for one type.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// Where in the request, as in `rows[3].p7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    field: Option<Box<str>>,
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'static str>,
    /// Seconds after which the same request may work.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!(
                "urn:unsilo:problem:{}",
                title.to_ascii_lowercase().replace(' ', "-")
            )
            .into(),
            title,
            status: status.as_u16(),
            detail: detail.into().into(),
            field: None,
            next: None,
            retry_after_seconds: None,
        }
    }

    /// A field of the request that is not as it should be.
    pub(super) fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: Some(field.into().into()),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "A field is not as expected",
                detail,
            )
        }
    }

    /// The same problem, which lies in this field.
    pub(super) fn at(self, field: impl Into<String>) -> Self {
        Self {
            field: Some(field.into().into()),
            ..self
        }
    }

    /// What to do now.
    pub(super) fn next(self, next: &'static str) -> Self {
        Self {
            next: Some(next),
            ..self
        }
    }

    /// The same request may work after so many seconds.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..self
        }
    }

    /// This process failed, and logged why.
    pub(super) fn failed() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Failed",
            "the coordinator failed and logged why",
        )
        .next("try again later; if that goes on, tell the coordinator's admin")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.retry_after_seconds;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The answer to a known path asked in the wrong way.
pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "Method not allowed",
        "POST is for /v1/predict, /v1/predict/encrypted and /v1/feedback, PUT and DELETE for /v1/keys, GET for everything",
    )
    .next("/v1/openapi.json says which method each path takes")
}

/// The answer to an unknown path.
pub(super) async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "Not found",
        "there is no such path here",
    )
    .next("/v1/openapi.json and the page at /reference list what there is")
}
