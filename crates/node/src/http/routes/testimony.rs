//! GET /v1/certificates/{height} and GET /v1/evidence: what members have signed.

use axum::extract::{Path, State as Extract};
use credlog_api::governance::EvidenceView;
use credlog_ledger::ids::Height;
use credlog_ledger::state::ViewError;
use http::Uri;

use crate::http::Shared;
use crate::http::answer::{Answer, Refusal, json, not_found};
use crate::http::query::{no_parameters, number};
use crate::http::routes::members::{DECIDED_CACHE, octets};

/// The newest certificate may still gain signatures.
const NEWEST_CACHE: &str = "public, max-age=1";

pub(crate) async fn certificate(
    Extract(context): Shared,
    Path(text): Path<String>,
    uri: Uri,
) -> Answer {
    no_parameters(&uri)?;
    let height = Height(number("height", &text)?);
    let snapshot = context.store.snapshot();
    let newest = snapshot.head().height;
    let certificate = snapshot.certificate(height)?.ok_or_else(|| {
        let reason = match (1..=newest.0).contains(&height.0) {
            true => "this node has lost it; ask another".to_owned(),
            false => format!("the newest block is {newest}"),
        };
        not_found(format!(
            "there is no certificate of height {height}: {reason}"
        ))
    })?;
    let damaged = |error: &dyn std::error::Error| ViewError::Damaged(error.to_string());
    let bytes = certificate
        .to_bytes()
        .map_err(|error| Refusal::from(damaged(&error)))?;
    let cache = match height < newest {
        true => DECIDED_CACHE,
        false => NEWEST_CACHE,
    };
    Ok(octets(bytes, cache))
}

pub(crate) async fn evidence(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let read = |context: &crate::http::Context| {
        json(&EvidenceView {
            evidence: context.store.evidence(),
        })
    };
    context.blocking(read).await
}
