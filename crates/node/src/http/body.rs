//! Request bodies: the right media type, within their size and time.

use std::ops::Deref;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use credlog_api::{Problem, ProblemType};
use credlog_credential::Form;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::answer::Refusal;
use super::guard::client;
use super::shares::{Share, Shares};

/// The media type of a body, without parameters: one of `known`.
pub(crate) fn media_type(
    headers: &HeaderMap,
    known: &[&'static str],
) -> Result<&'static str, Refusal> {
    refuse_encoded(headers)?;
    let essence = essence(headers);
    let found = known
        .iter()
        .find(|known| essence.is_some_and(|essence| essence.eq_ignore_ascii_case(known)));
    match found {
        Some(found) => Ok(found),
        None => {
            let known = known.join(" or ");
            Err(unsupported(format!("send it with Content-Type {known}")))
        }
    }
}

/// The form in which a credential comes, by its media type; `None`: its content tells.
pub(crate) fn form(headers: &HeaderMap) -> Result<Option<Form>, Refusal> {
    /// What says nothing about the content.
    const UNTOLD: [&str; 2] = ["text/plain", "application/octet-stream"];
    refuse_encoded(headers)?;
    let Some(essence) = essence(headers) else {
        return Ok(None);
    };
    if UNTOLD
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
    {
        return Ok(None);
    }
    match Form::of_media_type(essence) {
        Some(form) => Ok(Some(form)),
        None => Err(unsupported(
            "send it as application/json, application/vc, application/vp, application/vc+jwt, \
             application/vp+jwt, image/png or image/svg+xml; or as text/plain, and the content \
             tells",
        )),
    }
}

/// The media type of a body as it is given, without parameters.
fn essence(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    given.split(';').next().map(str::trim)
}

pub(crate) fn refuse_encoded(headers: &HeaderMap) -> Result<(), Refusal> {
    let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported("send the body without Content-Encoding"));
    }
    Ok(())
}

fn unsupported(detail: impl Into<String>) -> Refusal {
    Problem::new(ProblemType::UNSUPPORTED_MEDIA_TYPE, detail).into()
}

/// A body in memory, with its share of the memory for bodies. It belongs inside of the work
/// that reads it: the share is given back when the work ends.
pub(crate) struct Read {
    bytes: Bytes,
    _share: Share,
}

impl Deref for Read {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

/// The whole body. Its share of `bodies` is taken before the first byte is read: as much
/// as the client announced, or as much as the route reads.
pub(crate) async fn read(
    request: Request,
    bytes_max: u64,
    timeout: Duration,
    bodies: &Shares,
) -> Result<Read, Refusal> {
    let client = client(&request);
    let (parts, body) = request.into_parts();
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let amount = announced.unwrap_or(bytes_max);
    let _share = bodies.take(client, amount).ok_or_else(no_memory)?;
    let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    match tokio::time::timeout(timeout, collect(body, limit)).await {
        Ok(Ok(bytes)) => Ok(Read { bytes, _share }),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Ok(Err(_)) => {
            let detail = "the body broke off or is not well formed HTTP";
            Err(Problem::new(ProblemType::MALFORMED_REQUEST, detail).into())
        }
        Err(_) => {
            let detail = format!(
                "the body was not there in full after {} ms",
                timeout.as_millis()
            );
            Err(Problem::new(ProblemType::REQUEST_TIMEOUT, detail).into())
        }
    }
}

async fn collect(
    body: Body,
    limit: usize,
) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Limited::new(body, limit).collect().await?.to_bytes())
}

fn no_memory() -> Refusal {
    let detail = "too many bytes of requests are worked on at a time; try again in a second";
    Problem::new(ProblemType::OVERLOADED, detail)
        .retry_after(1)
        .into()
}

fn too_large(bytes_max: u64) -> Refusal {
    let detail = format!("at most {bytes_max} bytes are read; send it in parts");
    Problem::new(ProblemType::BODY_TOO_LARGE, detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_compared_without_parameters_and_case() {
        let ask = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(text));
            media_type(&headers, &["application/json", "text/plain"])
        };
        assert_eq!(
            ask("Application/JSON; charset=utf-8").unwrap(),
            "application/json"
        );
        assert_eq!(ask("text/plain").unwrap(), "text/plain");
        assert_eq!(ask("application/jsonx").unwrap_err().0.status, 415);
        assert!(media_type(&HeaderMap::new(), &["application/json"]).is_err());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(media_type(&headers, &["text/plain"]).is_err());
    }
}
