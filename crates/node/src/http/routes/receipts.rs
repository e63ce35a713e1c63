//! Receipts: GET /v1/receipts/{digest}, …/tlog-proof, POST /v1/receipts; and what verifiers
//! follow the ledger with: GET /v1/consistency, GET /v1/members/history.

use axum::extract::{Path, Request, State as Extract};
use credlog_api::receipt::{
    AttestedPoint, ConsistencyQuery, ConsistencyView, HistoryQuery, MemberHistory, ReceiptQuery,
    ReceiptsAnswer, ReceiptsRequest,
};
use credlog_api::{Problem, ProblemType};
use credlog_ledger::ids::{Digest, Height};
use credlog_ledger::state::{State, ViewError};
use credlog_store::Snapshot;
use credlog_tlog::{Hash, LeafIndex, Note, TlogProof, TreeError, TreeSize, consistency_proof};
use credlog_verify::receipt::{
    Attested, HashText, MakeError, Path as HashPath, Receipt, Wanted, make,
};
use http::{StatusCode, Uri};

use crate::http::answer::{Answer, Refusal, bytes_with, cached, json, not_found};
use crate::http::attested::refusal;
use crate::http::query::{parameters, segment};
use crate::http::{Context, Shared, body};

/// A receipt for now is replaced with the next checkpoint.
const RECEIPT_CACHE: &str = "public, max-age=1";
/// A proof between two logs never changes.
const PROOF_CACHE: &str = "public, max-age=31536000, immutable";

pub(crate) async fn receipt(
    Extract(context): Shared,
    Path(digest): Path<String>,
    uri: Uri,
) -> Answer {
    let digest: Digest = segment(&digest)?;
    let query: ReceiptQuery = parameters(&uri)?;
    let work = move |context: &Context| {
        let (snapshot, attested) = context.attested()?;
        let (receipt, _) = make(&snapshot, &attested, &wanted(digest, query)).map_err(refusal)?;
        written(&receipt)
    };
    context.blocking(work).await
}

fn wanted(digest: Digest, query: ReceiptQuery) -> Wanted {
    Wanted {
        credentials: vec![(digest, query.issuer)],
        at: query.at.map(Into::into),
        since: query.since.unwrap_or_default(),
        trusted: query.trusted,
    }
}

/// The very bytes of the receipt.
fn written(receipt: &Receipt) -> Answer {
    let bytes = receipt.to_bytes().map_err(|error| damaged(&error))?;
    let response = bytes_with(StatusCode::OK, "application/json", bytes);
    Ok(cached(response, RECEIPT_CACHE))
}

fn damaged(error: &dyn std::fmt::Display) -> Refusal {
    ViewError::Damaged(error.to_string()).into()
}

pub(crate) async fn tlog_proof(
    Extract(context): Shared,
    Path(digest): Path<String>,
    uri: Uri,
) -> Answer {
    let digest: Digest = segment(&digest)?;
    let query: ReceiptQuery = parameters(&uri)?;
    let has_more = query.at.is_some() || query.since.is_some() || query.trusted.is_some();
    if has_more {
        let detail = "a tlog-proof is for now and of one log: only `issuer` may be given";
        return Err(Problem::new(ProblemType::INVALID_PARAMETER, detail).into());
    }
    let work = move |context: &Context| {
        let (snapshot, attested) = context.attested()?;
        let (receipt, _) = make(&snapshot, &attested, &wanted(digest, query)).map_err(refusal)?;
        let proof = inclusion(&receipt).map_err(|error| damaged(&error))?;
        let media_type = "text/plain; charset=utf-8";
        let response = bytes_with(StatusCode::OK, media_type, proof.to_string());
        Ok(cached(response, RECEIPT_CACHE))
    };
    context.blocking(work).await
}

/// The inclusion of the first Issue record that a receipt shows.
fn inclusion(receipt: &Receipt) -> Result<TlogProof, Box<dyn std::error::Error>> {
    let index = receipt.credentials.first().map(|one| one.issue);
    let leaf = receipt.leaves.iter().find(|leaf| Some(leaf.index) == index);
    let leaf = leaf.ok_or("the receipt has no leaf")?;
    let note = Note::parse(receipt.checkpoint.as_bytes())?;
    let path = leaf.path.0.clone();
    Ok(TlogProof::new(
        Vec::new(),
        LeafIndex(leaf.index),
        path,
        note,
    )?)
}

pub(crate) async fn receipts(Extract(context): Shared, request: Request) -> Answer {
    crate::http::query::no_parameters(request.uri())?;
    body::media_type(request.headers(), &["application/json"])?;
    let read = context
        .body(
            request,
            credlog_api::receipt::RECEIPTS_REQUEST_BYTES_MAX as u64,
        )
        .await?;
    let asked: ReceiptsRequest = serde_json::from_slice(&read).map_err(|error| {
        let detail =
            format!("the body is not {{\"credentials\": [{{\"digest\": …}}]}}: {error}; see /docs");
        Refusal::from(Problem::new(ProblemType::MALFORMED_REQUEST, detail))
    })?;
    let work = move |context: &Context| {
        let _read = read;
        let (snapshot, attested) = context.attested()?;
        json(&about_many(&snapshot, &attested, asked)?)
    };
    context.blocking(work).await
}

fn about_many(
    snapshot: &Snapshot<'_>,
    attested: &Attested,
    asked: ReceiptsRequest,
) -> Result<ReceiptsAnswer, Refusal> {
    let credentials = asked.credentials.into_iter();
    let wanted = Wanted {
        credentials: credentials.map(|one| (one.digest, one.issuer)).collect(),
        at: asked.at.map(Into::into),
        since: asked.since.unwrap_or_default(),
        trusted: asked.trusted,
    };
    let checkpoint = AttestedPoint {
        size: attested.size(),
        height: attested.height(),
        as_of: attested.as_of().into(),
    };
    let (receipt, not_anchored) = match make(snapshot, attested, &wanted) {
        Ok((receipt, missing)) => (Some(receipt), missing),
        Err(MakeError::NotAnchored { .. }) => {
            let all = wanted.credentials.iter().map(|(digest, _)| *digest);
            (None, all.collect())
        }
        Err(error) => return Err(refusal(error)),
    };
    Ok(ReceiptsAnswer {
        receipt,
        not_anchored,
        checkpoint,
    })
}

pub(crate) async fn consistency(Extract(context): Shared, uri: Uri) -> Answer {
    let query: ConsistencyQuery = parameters(&uri)?;
    let work = move |context: &Context| {
        let snapshot = context.store.snapshot();
        let ConsistencyQuery { from, to } = query;
        if from > to {
            let detail = format!("`from` ({from}) is greater than `to` ({to}); exchange them");
            return Err(Problem::new(ProblemType::INVALID_PARAMETER, detail).into());
        }
        let (from_root, to_root) = (root(&snapshot, from)?, root(&snapshot, to)?);
        let path = consistency_proof(&snapshot, from, to).map_err(tree)?;
        let response = json(&ConsistencyView {
            from,
            from_root,
            to,
            to_root,
            path: HashPath(path),
        })?;
        Ok(cached(response, PROOF_CACHE))
    };
    context.blocking(work).await
}

/// The root of the log where a block ends.
fn root(snapshot: &Snapshot<'_>, size: TreeSize) -> Result<HashText, Refusal> {
    let state = State(snapshot);
    let none = || {
        let newest = snapshot.head().size;
        not_found(format!(
            "no block ends at {size} leaves; the newest at {newest}. Ask for sizes of checkpoints"
        ))
    };
    let height = state.height_of_size(size)?.ok_or_else(none)?;
    let row = state.seal(height)?.ok_or_else(none)?;
    Ok(HashText(Hash(row.root.0)))
}

fn tree(error: TreeError<ViewError>) -> Refusal {
    match error {
        TreeError::Reader(error) => error.into(),
        other => not_found(format!("there is no such proof: {other}")),
    }
}

pub(crate) async fn history(Extract(context): Shared, uri: Uri) -> Answer {
    let query: HistoryQuery = parameters(&uri)?;
    let work = move |context: &Context| {
        let (snapshot, attested) = context.attested()?;
        let since = query.since.unwrap_or(Height(0));
        let response = json(&MemberHistory {
            ledger: State(&snapshot).ledger()?.id,
            since,
            height: attested.height(),
            members: attested.changes_since(since).cloned().collect(),
            checkpoint: attested.note().to_owned(),
        })?;
        Ok(cached(response, RECEIPT_CACHE))
    };
    context.blocking(work).await
}
