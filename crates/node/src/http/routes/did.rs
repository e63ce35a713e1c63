//! GET /issuers/{slug}/did.json: the did:web document of a registered issuer.

use axum::extract::{Path, Request, State as Extract};
use credlog_ledger::ids::{IssuerId, WebUrl};
use credlog_ledger::state::State;
use credlog_verify::did_document::{did_document, did_web};
use credlog_verify::facts::IssuerFacts;
use http::header::VARY;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::http::answer::{Answer, bytes_with, cached, internal, not_found};
use crate::http::guard::accepts;
use crate::http::public_url::{asked_host, is_at};
use crate::http::query::no_parameters;
use crate::http::{Context, Shared};
use crate::production::now;

/// What a document is served as: the same bytes, under the first of these that is acceptable.
pub(crate) const DID_TYPES: &[&str] = &[
    "application/did+json",
    "application/did",
    "application/did+ld+json",
    "application/json",
];
/// A key that is in other hands must not be believed for long.
const CACHE: &str = "public, max-age=60";

pub(crate) async fn document(
    Extract(context): Shared,
    Path(slug): Path<String>,
    request: Request,
) -> Answer {
    no_parameters(request.uri())?;
    let snapshot = context.store.snapshot();
    let state = State(&snapshot);
    for did in names(&context, request.headers(), &slug) {
        let Some((number, entry)) = state.find_issuer(&did)? else {
            continue;
        };
        let moment = now().max(snapshot.head().time);
        let document = did_document(&IssuerFacts::new(number, &entry, moment));
        let document = document.map_err(|error| {
            tracing::error!(issuer = %did, %error, "an issuer has no DID document");
            internal()
        })?;
        let mut known = DID_TYPES.iter();
        let media_type = known.find(|known| accepts(request.headers(), known));
        let media_type = media_type.copied().unwrap_or(DID_TYPES[0]);
        let mut response = bytes_with(StatusCode::OK, media_type, document.to_string());
        let vary = HeaderValue::from_static("accept, host");
        response.headers_mut().insert(VARY, vary);
        return Ok(cached(response, CACHE));
    }
    Err(not_found(
        "no registered issuer has a did:web at this address; GET /v1/issuers lists them all",
    ))
}

/// Which did:web the path may be that of: at the host that was asked for, or at that of another
/// member.
fn names(context: &Context, headers: &HeaderMap, slug: &str) -> Vec<IssuerId> {
    let members = context.members.borrow();
    let urls = members.members().iter();
    let mut urls: Vec<WebUrl> = urls.filter_map(|seat| seat.member.url.clone()).collect();
    if let Some(host) = asked_host(headers) {
        urls.extend(format!("https://{host}").parse().ok());
        urls.sort_by_key(|url| !is_at(url, &host));
    }
    urls.iter().filter_map(|url| did_web(url, slug)).collect()
}
