//! GET /v1/status-lists/{list}/{purpose}.

use axum::extract::{Path, Request, State as Extract};
use axum::response::{IntoResponse, Response};
use credlog_api::issuer::StatusListQuery;
use credlog_ledger::ids::{Height, ListNumber, UnixMillis};
use credlog_ledger::state::State;
use credlog_verify::published::status_bits;
use http::header::{ETAG, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::http::answer::{
    Answer, Refusal, bytes_with, cached, has_etag, invalid_parameter, not_found,
};
use crate::http::guard::{accepts, client, rate_limited};
use crate::http::query::{number, parameters};
use crate::http::rate::Traffic;
use crate::http::status_lists::{Signed, Wanted};
use crate::http::{Context, Shared};
use crate::production::now;

/// What a list is served as: the same bytes, under the first of these that is acceptable.
pub(crate) const STATUS_LIST_TYPES: &[&str] =
    &["application/vc", "application/ld+json", "application/json"];
/// As long as the list's `ttl`.
const CACHE: &str = "public, max-age=60";
/// No later block changes the state of a time that the newest seal has passed.
const PAST_CACHE: &str = "public, max-age=31536000, immutable";

pub(crate) async fn signed(
    Extract(context): Shared,
    Path((list, purpose)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let StatusListQuery { timestamp } = parameters(request.uri())?;
    let now = now();
    let head = context.store.snapshot().head().clone();
    // A seal may be a little ahead of the clock (rule R1).
    if timestamp.is_some_and(|time| time.unix_millis() > now.max(head.time)) {
        return Err(invalid_parameter(
            "timestamp lies in the future (RANGE_ERROR); leave it out for the list as of now",
        ));
    }
    // A time that no seal has passed yet is now.
    let timestamp = timestamp.filter(|time| time.unix_millis() <= head.time);
    let wanted = Wanted {
        list: ListNumber(number("status list", &list)?),
        purpose: purpose
            .parse()
            .map_err(|_| not_found("status lists have the purposes revocation and suspension"))?,
        base: context.public_url(request.headers())?,
        timestamp,
    };
    let signed = match context.status_lists.find(&wanted, head.size, now) {
        Some(signed) => signed,
        None => {
            let client = client(&request);
            let may_sign = move |context: &Context| {
                let admitted = context.rate_limits.admit(Traffic::Verify, client);
                admitted.map_err(|wait| rate_limited("requests that need a signature", wait))
            };
            let work = move |context: &Context| make(context, &wanted, now, may_sign);
            context.blocking(work).await?
        }
    };
    let cache = timestamp.map_or(CACHE, |_| PAST_CACHE);
    Ok(respond(request.headers(), signed, cache))
}

fn make(
    context: &Context,
    wanted: &Wanted,
    now: UnixMillis,
    may_sign: impl Fn(&Context) -> Result<(), Refusal>,
) -> Result<Signed, Refusal> {
    let snapshot = context.store.snapshot();
    let head = snapshot.head();
    let (height, time) = match wanted.timestamp.map(UnixMillis::from) {
        None => (None, head.time),
        Some(time) => match State(&snapshot).seal_not_after(time)? {
            Some(seal) => (Some(seal.height), seal.time),
            None => (Some(Height(0)), time),
        },
    };
    // Each moment of the past is another list, read chunk by chunk: that counts before it is
    // done. A list of now counts only when it has to be signed.
    let is_past = wanted.timestamp.is_some();
    if is_past {
        may_sign(context)?;
    }
    let bits = status_bits(&snapshot, wanted.list, wanted.purpose, height)?;
    let bits = bits.ok_or_else(|| {
        let then = wanted.timestamp.map(|time| format!(" at {time}"));
        not_found(format!(
            "there is no status list {} on this ledger{}",
            wanted.list,
            then.unwrap_or_default()
        ))
    })?;
    let lists = &context.status_lists;
    let admit = || match is_past {
        true => Ok(()),
        false => may_sign(context),
    };
    lists.sign(wanted, &bits, (head.size, time), now, admit)
}

fn respond(headers: &HeaderMap, signed: Signed, cache: &'static str) -> Response {
    let mut response = if has_etag(headers, &signed.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut known = STATUS_LIST_TYPES.iter();
        let media_type = known.find(|known| accepts(headers, known));
        let media_type = media_type.copied().unwrap_or(STATUS_LIST_TYPES[0]);
        bytes_with(StatusCode::OK, media_type, signed.document)
    };
    let to = response.headers_mut();
    to.insert(ETAG, signed.etag);
    to.insert(VARY, HeaderValue::from_static("accept, host"));
    cached(response, cache)
}
