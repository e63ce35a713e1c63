//! GET /v1/credentials/{digest}.

use axum::extract::{Path, State as Extract};
use credlog_api::verification::CredentialQuery;
use credlog_ledger::ids::Digest;
use credlog_verify::Question;
use http::Uri;

use crate::http::Shared;
use crate::http::answer::{Answer, json};
use crate::http::query::{parameters, segment};
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
