//! One request: sending, sending again, reading the answer within its limit.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::{ANSWER_BYTES_MAX, Client, ClientConfig, ClientError};
use crate::page::PageQuery;
use crate::path::percent_encode;
use crate::problem::{MEDIA_TYPE_PROBLEM, Problem};

/// Most bytes of problem details.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// The base address, with a slash at the end.
pub(super) fn base(text: &str) -> Result<Url, ClientError> {
    let wrong = |reason: String| ClientError::Address {
        url: text.to_owned(),
        reason,
    };
    let mut base = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
        return Err(wrong(
            "http:// or https:// and a host are needed".to_owned(),
        ));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(wrong("it ends with a query or a fragment".to_owned()));
    }
    let path = format!("{}/", base.path().trim_end_matches('/'));
    base.set_path(&path);
    Ok(base)
}

pub(super) fn http(base: &Url, config: &ClientConfig) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        .timeout(config.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("credlog/", env!("CARGO_PKG_VERSION")));
    if is_loopback(base) {
        // A proxy of the environment does not reach this machine's own ports.
        builder = builder.no_proxy();
    }
    let setup = |error: reqwest::Error| ClientError::Setup {
        reason: causes(&error),
    };
    for authority in authorities(&config.authorities_pem)? {
        builder = builder.add_root_certificate(authority);
    }
    builder.build().map_err(setup)
}

/// The certificates of further authorities; a text without any is a mistake.
fn authorities(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, ClientError> {
    if pem.is_empty() {
        return Ok(Vec::new());
    }
    let unusable = |reason: &str| ClientError::Authorities {
        reason: reason.to_owned(),
    };
    let found = reqwest::Certificate::from_pem_bundle(pem);
    let found = found.map_err(|error| unusable(&causes(&error)))?;
    match found.is_empty() {
        true => Err(unusable("no CERTIFICATE in it")),
        false => Ok(found),
    }
}

fn is_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// What is sent.
pub(super) struct Request {
    method: Method,
    path: String,
    query: String,
    body: Option<(&'static str, Vec<u8>)>,
}

impl Request {
    pub(super) fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            query: String::new(),
            body: None,
        }
    }

    pub(super) fn post(path: &str, media_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            query: String::new(),
            body: Some((media_type, body)),
        }
    }

    pub(super) fn query(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let before = if self.query.is_empty() { '?' } else { '&' };
            self.query.push(before);
            self.query
                .push_str(&format!("{name}={}", percent_encode(value)));
        }
        self
    }

    pub(super) fn page(self, page: PageQuery) -> Self {
        let after = page.after.map(|after| after.to_string());
        let limit = page.limit.map(|limit| limit.to_string());
        self.query("after", after.as_deref())
            .query("limit", limit.as_deref())
    }
}

impl Client {
    /// The whole URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url())
    }

    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, ClientError> {
        let url = self.url(&request.path);
        let bytes = self.bytes(request, ANSWER_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Malformed {
            url,
            reason: error.to_string(),
        })
    }

    /// An answer that is not what the route gives.
    pub(super) fn malformed(&self, path: &str, reason: &dyn std::error::Error) -> ClientError {
        ClientError::Malformed {
            url: self.url(path),
            reason: reason.to_string(),
        }
    }

    /// The body of a successful answer.
    pub(super) async fn bytes(
        &self,
        request: Request,
        bytes_max: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let url = self.url(&request.path);
        let mut retries_left = self.config.retries_max;
        loop {
            let response = self.send(&request, &url).await?;
            if response.status().is_success() {
                return self.read(response, &url, bytes_max).await;
            }
            let pause = retry_after(&response).filter(|pause| *pause <= self.config.pause_max);
            let put_off = matches!(
                response.status(),
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
            );
            match pause {
                Some(pause) if put_off && retries_left > 0 => tokio::time::sleep(pause).await,
                _ => return Err(self.failure(response, url).await),
            }
            retries_left -= 1;
        }
    }

    async fn send(&self, request: &Request, url: &str) -> Result<Response, ClientError> {
        let whole = format!("{url}{}", request.query);
        let mut builder = self.http.request(request.method.clone(), whole);
        if let Some((media_type, body)) = &request.body {
            builder = builder.header(CONTENT_TYPE, *media_type).body(body.clone());
        }
        builder
            .send()
            .await
            .map_err(|error| self.transport_error(&error.without_url(), url))
    }

    async fn read(
        &self,
        mut response: Response,
        url: &str,
        bytes_max: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.transport_error(&error.without_url(), url))?
        {
            if bytes.len() + chunk.len() > bytes_max {
                let url = url.to_owned();
                return Err(ClientError::TooLarge { url, bytes_max });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Why an answer is not a success.
    async fn failure(&self, response: Response, url: String) -> ClientError {
        let status = response.status().as_u16();
        let details = content_type(response.headers()) == Some(MEDIA_TYPE_PROBLEM);
        if !details {
            return ClientError::Status { url, status };
        }
        let bytes = match self.read(response, &url, PROBLEM_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(error) => return error,
        };
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => ClientError::Problem {
                url,
                problem: Box::new(problem),
            },
            Err(_) => ClientError::Status { url, status },
        }
    }

    fn transport_error(&self, error: &reqwest::Error, url: &str) -> ClientError {
        let url = url.to_owned();
        let reason = causes(error);
        if error.is_connect() {
            ClientError::Unreachable { url, reason }
        } else if error.is_timeout() {
            let seconds = self.config.timeout.as_secs();
            ClientError::Timeout { url, seconds }
        } else {
            ClientError::Broken { url, reason }
        }
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3; the form with a date is not read).
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// Why a request failed: the innermost cause says most.
pub fn causes(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_with_a_host() {
        for (text, expected) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            (
                "https://node.example/credlog/",
                "https://node.example/credlog/",
            ),
        ] {
            assert_eq!(base(text).unwrap().as_str(), expected);
        }
        for bad in ["", "127.0.0.1:8080", "ftp://a", "http://a/?x=1", "node"] {
            assert!(
                matches!(base(bad), Err(ClientError::Address { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn loopback_is_known_by_its_address() {
        for (text, expected) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://127.0.0.1.example", false),
            ("http://192.0.2.1", false),
        ] {
            assert_eq!(is_loopback(&base(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn queries_are_encoded() {
        let request = Request::get("/v1/x")
            .query("at", Some("2026-11-21T10:00:00.000Z"))
            .query("issuer", None)
            .page(PageQuery {
                after: Some(7),
                limit: None,
            });
        assert_eq!(request.query, "?at=2026-11-21T10%3A00%3A00.000Z&after=7");
    }
}
