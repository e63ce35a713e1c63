//! What every request goes through, whatever its route.

use std::any::Any;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use credlog_api::problem::MEDIA_TYPE_PROBLEM;
use credlog_api::{Problem, ProblemType};
use http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tower_http::catch_panic::ResponseForPanic;

use super::Context;
use super::answer::{Refusal, internal};
use super::manner::Manner;
use super::pages;
use crate::metrics::Metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Route of requests that match none, in metrics.
const NO_ROUTE: &str = "none";

/// Bounds, counts and finishes a request.
pub(crate) async fn guard(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let number = context.request_number.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:08x}-{number:x}", context.request_prefix);
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map(MatchedPath::as_str);
    let method = request.method().clone();
    let at_path = request.uri().path().to_owned();
    let manner = Manner::of(route);
    let response = answer(&context, request, next, route.map(|_| manner)).await;
    if let Some(Refusal(problem)) = response.extensions().get::<Refusal>() {
        context.note(problem);
    }
    let status = response.status();
    let route = route.unwrap_or(NO_ROUTE);
    let response = finish(response, &id, &method, manner, at_path);
    let elapsed = begun.elapsed();
    let metrics = &context.metrics;
    let labels = [method_label(&method), route, status_label(status)];
    metrics.requests.with_label_values(&labels).inc();
    metrics
        .request_seconds
        .with_label_values(&[route])
        .observe(elapsed.as_secs_f64());
    tracing::debug!(
        request = id,
        method = labels[0],
        route,
        status = status.as_u16(),
        elapsed_us = elapsed.as_micros(),
        "answered"
    );
    response
}

/// Whom a request counts for.
#[derive(Debug, Clone, Copy)]
struct Client(IpAddr);

/// Whom a request counts for, as the guard noted it.
pub(crate) fn client(request: &Request) -> IpAddr {
    let noted = request.extensions().get::<Client>();
    // Without a connection there is no address; all such requests are one client's.
    noted.map_or(Ipv6Addr::UNSPECIFIED.into(), |client| client.0)
}

async fn answer(
    context: &Context,
    mut request: Request,
    next: Next,
    manner: Option<Manner>,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if let Some(ConnectInfo(peer)) = peer {
        let client = context.rate_limits.client(peer.ip(), request.headers());
        request.extensions_mut().insert(Client(client));
    }
    if request.method() == Method::OPTIONS
        && let Some(manner) = manner
    {
        return preflight(manner);
    }
    let manner = manner.unwrap_or(Manner::of(None));
    if let Err(refusal) = admit(context, &request, manner) {
        return refusal.into_response();
    }
    let Ok(_permit) = context.requests.try_acquire() else {
        let detail = "too many requests at a time; try again in a second";
        let problem = Problem::new(ProblemType::OVERLOADED, detail).retry_after(1);
        return Refusal::from(problem).into_response();
    };
    if !manner.is_prompt {
        return next.run(request).await;
    }
    match tokio::time::timeout(context.request_timeout(), next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = "the answer took too long: this node is busy, or too few members can be \
                          reached for a decision; what was sent may still take effect, and \
                          sending it again gives the same answer";
            let problem = Problem::new(ProblemType::OVERLOADED, detail).retry_after(1);
            Refusal::from(problem).into_response()
        }
    }
}

fn admit(context: &Context, request: &Request, manner: Manner) -> Result<(), Refusal> {
    if let Some(traffic) = manner.traffic
        && let Err(wait) = context.rate_limits.admit(traffic, client(request))
    {
        return Err(rate_limited("requests", wait));
    }
    let media_types = manner.media_types;
    let acceptable = |media_type: &&str| accepts(request.headers(), media_type);
    if media_types.is_empty() || media_types.iter().any(acceptable) {
        return Ok(());
    }
    let listed = media_types.join(" or ");
    let detail = format!("the answer is {listed}; send an Accept that includes it, or none");
    Err(Problem::new(ProblemType::NOT_ACCEPTABLE, detail).into())
}

/// 429: too many of something come from an address.
pub(crate) fn rate_limited(what: &str, wait: Duration) -> Refusal {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
    let seconds = seconds.saturating_add(1);
    let detail = format!("too many {what} from this address; try again in {seconds} s");
    Problem::new(ProblemType::RATE_LIMITED, detail)
        .retry_after(seconds)
        .into()
}

/// Whether an Accept header (RFC 9110 section 12.5.1) includes a media type. What cannot
/// be read of it counts as everything.
pub(crate) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let (group, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    let mut best: Option<(u8, bool)> = None;
    for value in headers.get_all(ACCEPT) {
        let Ok(value) = value.to_str() else {
            return true;
        };
        for range in value.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let precision = match name.strip_suffix("/*") {
                _ if name == media_type => 3,
                Some("*") => 1,
                Some(named) if named == group => 2,
                _ => 0,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q="));
            let wanted = quality
                .and_then(|q| q.parse::<f32>().ok())
                .is_none_or(|q| q > 0.0);
            if best.is_none_or(|(found, _)| precision > found) {
                best = Some((precision, precision > 0 && wanted));
            }
        }
    }
    best.is_none_or(|(_, wanted)| wanted)
}

/// The answer to OPTIONS: what is public to read may be read by any web page; nothing may
/// be written by one.
fn preflight(manner: Manner) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(manner.methods));
    if manner.is_public() {
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, HEAD"),
        );
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
}

/// Writes the problem, if the response is one, and the headers of every response.
fn finish(
    mut response: Response,
    id: &str,
    method: &Method,
    manner: Manner,
    at_path: String,
) -> Response {
    if let Some(Refusal(problem)) = response.extensions_mut().remove::<Refusal>() {
        response = match manner.is_page() {
            true => pages::refused(&problem, None),
            false => write_problem(response, &problem.at_path(at_path)),
        };
    }
    let status = response.status();
    let headers = response.headers_mut();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static(manner.methods));
    }
    if matches!(
        status,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
    ) {
        // The rest of the body is not waited for.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        let exposed = HeaderValue::from_static("x-request-id, retry-after, etag");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn write_problem(mut response: Response, problem: &Problem) -> Response {
    // A problem is plain text and numbers: it always has a JSON form.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE_PROBLEM));
    if let Some(seconds) = problem.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    *response.body_mut() = Body::from(body);
    response
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The status as text, for labels.
fn status_label(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "200",
        202 => "202",
        204 => "204",
        304 => "304",
        400 => "400",
        403 => "403",
        404 => "404",
        405 => "405",
        406 => "406",
        408 => "408",
        409 => "409",
        413 => "413",
        415 => "415",
        422 => "422",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}

/// For paths that no route has.
pub(crate) async fn not_found() -> Refusal {
    let detail = "no route has this path; docs/api.md lists them all";
    Problem::new(ProblemType::NOT_FOUND, detail).into()
}

/// For methods that a route has not.
pub(crate) async fn method_not_allowed() -> Refusal {
    let detail = "this route has other methods; the header Allow names them";
    Problem::new(ProblemType::METHOD_NOT_ALLOWED, detail).into()
}

/// Turns a panic of a handler into a problem, and counts it.
#[derive(Clone)]
pub(crate) struct Panics(pub(crate) Arc<Metrics>);

impl ResponseForPanic for Panics {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, panic: Box<dyn Any + Send>) -> Response {
        self.0.panics.inc();
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        tracing::error!(panic = text.unwrap_or("without text"), "a request panicked");
        internal().into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handler that panics is answered like any other failure, and counted.
    #[tokio::test]
    async fn a_panic_becomes_a_problem() {
        async fn fails() -> StatusCode {
            panic!("the handler panics")
        }
        let metrics = Arc::new(Metrics::new("university-a", "ledger.example/1").unwrap());
        let panics = Panics(Arc::clone(&metrics));
        let router: axum::Router = axum::Router::new()
            .route("/", axum::routing::get(fails))
            .layer(tower_http::catch_panic::CatchPanicLayer::custom(panics));
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
        assert_eq!(metrics.panics.get(), 1);
        let response = finish(
            response,
            "id",
            &Method::GET,
            Manner::of(None),
            "/".to_owned(),
        );
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE_PROBLEM);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await;
        let problem: Problem = serde_json::from_slice(&body.unwrap()).unwrap();
        assert!(problem.is(ProblemType::INTERNAL));
        assert!(!problem.detail.contains("the handler panics"), "{problem}");
    }

    #[test]
    fn accept_headers_are_read_by_precision_and_quality() {
        let ask = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            accepts(&headers, "application/json")
        };
        for good in [
            &[][..],
            &["application/json"],
            &["*/*"],
            &["application/*;q=0.1"],
            &["text/html, Application/JSON;q=0.9"],
            &["text/html", "*/*;q=0.1"],
            &["*/*;q=0, application/json"],
        ] {
            assert!(ask(good), "{good:?}");
        }
        for bad in [
            &["text/html"][..],
            &["application/json;q=0, */*"],
            &["*/*;q=0.0"],
            &["application/jsonx"],
            &[""],
        ] {
            assert!(!ask(bad), "{bad:?}");
        }
    }
}
