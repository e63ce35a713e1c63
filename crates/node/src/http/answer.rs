//! Answers: JSON, and problems.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use credlog_api::{Problem, ProblemType};
use credlog_ledger::state::ViewError;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

/// Room for the JSON of most answers.
const JSON_BYTES: usize = 2_048;

/// What a route gives.
pub(crate) type Answer = Result<Response, Refusal>;

/// A problem on its way to the client; [`guard`](super::guard) writes it.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(pub(crate) Box<Problem>);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<ViewError> for Refusal {
    /// The store cannot be read. The client learns no more than that; the
    /// [`guard`](super::guard) sees to it that the node looks into it.
    fn from(error: ViewError) -> Self {
        tracing::error!(%error, "the store cannot be read");
        let detail = "the node could not read its store and looks at all of it now; ask another \
                      node, or its operator, who finds the reason in the log";
        Problem::new(ProblemType::STORE_UNREADABLE, detail).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

/// A failure of the node; the log says more.
pub(crate) fn internal() -> Refusal {
    let detail = "the node could not answer; its operator finds the reason in the log, under the \
                  request id";
    Problem::new(ProblemType::INTERNAL, detail).into()
}

/// 404 for something of which the client knows the name.
pub(crate) fn not_found(what: impl Into<String>) -> Refusal {
    Problem::new(ProblemType::NOT_FOUND, what).into()
}

/// 400 for a parameter of path or query.
pub(crate) fn invalid_parameter(what: impl Into<String>) -> Refusal {
    Problem::new(ProblemType::INVALID_PARAMETER, what).into()
}

/// 200 with JSON.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    json_with(StatusCode::OK, value)
}

/// JSON with a status.
pub(crate) fn json_with(status: StatusCode, value: &impl Serialize) -> Answer {
    let mut bytes = Vec::with_capacity(JSON_BYTES);
    match serde_json::to_writer(&mut bytes, value) {
        Ok(()) => Ok(bytes_with(status, "application/json", bytes)),
        Err(error) => {
            tracing::error!(%error, "an answer has no JSON form");
            Err(internal())
        }
    }
}

/// Bytes of a media type.
pub(crate) fn bytes_with(
    status: StatusCode,
    media_type: &'static str,
    bytes: impl Into<Body>,
) -> Response {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    let value = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

/// Whether `If-None-Match` (RFC 9110 section 13.1.2) names an entity tag, or any.
pub(crate) fn has_etag(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).into_iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes())
}

/// Says how long the answer may be kept.
pub(crate) fn cached(mut response: Response, control: &'static str) -> Response {
    let value = HeaderValue::from_static(control);
    response.headers_mut().insert(CACHE_CONTROL, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_compared_weakly() {
        let etag = HeaderValue::from_static("\"abc\"");
        let ask = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(text));
            has_etag(&headers, &etag)
        };
        assert!(ask("\"abc\""));
        assert!(ask("\"x\", W/\"abc\""));
        assert!(ask("*"));
        assert!(!ask("abc"));
        assert!(!ask("\"abcd\""));
        assert!(!has_etag(&HeaderMap::new(), &etag));
    }
}
