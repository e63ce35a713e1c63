//! GET /v1/certificates/{height}, GET /v1/certificates/bundle/… and GET /v1/evidence: what
//! members have signed.

use axum::extract::{Path, State as Extract};
use credlog_api::governance::EvidenceView;
use credlog_ledger::ids::Height;
use credlog_ledger::state::ViewError;
use credlog_tlog::{TILE_WIDTH, TileLevel, TilePath, TreeSize, encode_bundle};
use http::Uri;

use crate::http::answer::{Answer, Refusal, invalid_parameter, json, not_found};
use crate::http::query::{no_parameters, number};
use crate::http::routes::members::{DECIDED_CACHE, octets};
use crate::http::{Context, Shared};

/// The newest certificate may still gain signatures.
const NEWEST_CACHE: &str = "public, max-age=1";
/// Certificates of older heights gain signatures seldom, and none that is needed.
const BUNDLE_CACHE: &str = "public, max-age=3600";
/// What stands before number and width of a bundle.
const BUNDLES: &str = "/v1/certificates/bundle/";

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
    let bytes = certificate.to_bytes().map_err(|error| damaged(&error))?;
    let cache = match height < newest {
        true => DECIDED_CACHE,
        false => NEWEST_CACHE,
    };
    Ok(octets(bytes, cache))
}

fn damaged(error: &dyn std::error::Error) -> Refusal {
    ViewError::Damaged(error.to_string()).into()
}

pub(crate) async fn certificate_bundle(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    // The path as it was sent: no second spelling by percent-encoding.
    let number = uri.path().trim_start_matches(BUNDLES);
    let path: TilePath = format!("tile/entries/{number}").parse().map_err(|error| {
        invalid_parameter(format!(
            "{} is no bundle of certificates; its number and width are written as those of an \
             entry bundle: {error}",
            uri.path()
        ))
    })?;
    context.blocking(move |context| bundle(context, path)).await
}

fn bundle(context: &Context, path: TilePath) -> Answer {
    let snapshot = context.store.snapshot();
    let newest = snapshot.head().height;
    if path.level() != TileLevel::Entries || !path.is_within(TreeSize(newest.0)) {
        return Err(not_found(format!(
            "the newest block is {newest}; there is no such bundle of certificates"
        )));
    }
    let first = path.index() * u64::from(TILE_WIDTH) + 1;
    let last = path.index() * u64::from(TILE_WIDTH) + u64::from(path.width());
    let mut certificates = Vec::with_capacity(usize::from(path.width()));
    for height in (first..=last).map(Height) {
        let found = snapshot.certificate(height)?;
        let bytes = found.map(|one| one.to_bytes()).transpose();
        certificates.push(bytes.map_err(|error| damaged(&error))?.unwrap_or_default());
    }
    let bytes = encode_bundle(&certificates).map_err(|error| damaged(&error))?;
    let cache = match !path.is_partial() && last < newest.0 {
        true => BUNDLE_CACHE,
        false => NEWEST_CACHE,
    };
    Ok(octets(bytes, cache))
}

pub(crate) async fn evidence(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let read = |context: &Context| {
        json(&EvidenceView {
            evidence: context.store.evidence(),
        })
    };
    context.blocking(read).await
}
