//! GET /v1/credentials/{digest} and GET /v1/credentials?prefix=.

use axum::extract::{Path, State as Extract};
use credlog_api::verification::{CredentialQuery, CrowdQuery};
use credlog_ledger::ids::Digest;
use credlog_verify::Question;
use credlog_verify::prefix::{PREFIX_DIGITS_MIN, crowd, crowd_after};
use http::Uri;

use crate::http::answer::{Answer, invalid_parameter, json};
use crate::http::query::{parameters, segment};
use crate::http::{Context, Shared};
use crate::production::now;

pub(crate) async fn credential(
    Extract(context): Shared,
    Path(digest): Path<String>,
    uri: Uri,
) -> Answer {
    let digest: Digest = segment(&digest)?;
    let query: CredentialQuery = parameters(&uri)?;
    let question = Question {
        digest,
        issuer: query.issuer,
        at: query.at.map(Into::into),
        positions: query
            .positions
            .map_or_else(Vec::new, |positions| positions.0),
        now: now(),
    };
    // A few reads of rows that are mostly in the cache: cheaper than another thread.
    json(&context.facts(&question)?)
}

pub(crate) async fn credentials(Extract(context): Shared, uri: Uri) -> Answer {
    let CrowdQuery { prefix, after } = parameters(&uri)?;
    if after.is_none() && prefix.digits() < PREFIX_DIGITS_MIN {
        return Err(invalid_parameter(format!(
            "prefix has {} digits; at least {PREFIX_DIGITS_MIN} of the digest's are needed",
            prefix.digits()
        )));
    }
    let work = move |context: &Context| {
        let snapshot = context.store.snapshot();
        json(&match &after {
            None => crowd(&snapshot, &prefix)?,
            Some(after) => crowd_after(&snapshot, &prefix, after)?,
        })
    };
    context.blocking(work).await
}
