//! GET /v1/members, GET /v1/members/{height} and GET /v1/proposals.

use axum::extract::{Path, State as Extract};
use axum::response::Response;
use credlog_api::governance::{ProposalView, ProposalsView};
use credlog_api::ledger::{MemberView, MembersView};
use credlog_ledger::ids::Height;
use credlog_ledger::state::{State, ViewError};
use http::{StatusCode, Uri};

use crate::http::answer::{Answer, Refusal, bytes_with, cached, json, not_found};
use crate::http::query::{no_parameters, number};
use crate::http::{Context, Shared};
use crate::production::now;

/// The set that decides a height never changes once the height before is decided.
pub(super) const DECIDED_CACHE: &str = "public, max-age=31536000, immutable";

pub(crate) async fn members(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let snapshot = context.store.snapshot();
    let state = State(&snapshot);
    let (origin, members) = (state.ledger()?.origin, state.members()?);
    let view = |seat| MemberView::new(&origin, seat);
    json(&MembersView {
        height: snapshot.head().height,
        quorum: members.quorum(),
        members: members.members().iter().map(view).collect(),
    })
}

pub(crate) async fn members_at(
    Extract(context): Shared,
    Path(text): Path<String>,
    uri: Uri,
) -> Answer {
    no_parameters(&uri)?;
    let height = Height(number("height", &text)?);
    let snapshot = context.store.snapshot();
    let tip = snapshot.head().height;
    let before = height.0.checked_sub(1).map(Height);
    let Some(before) = before.filter(|before| *before <= tip) else {
        let newest = tip.next();
        return Err(not_found(format!(
            "who decides height {height} is not known; it is for heights 1 to {newest}"
        )));
    };
    let damaged = |reason: String| Refusal::from(ViewError::Damaged(reason));
    let members = State(&snapshot)
        .members_at(before)?
        .ok_or_else(|| damaged(format!("the members at height {before} are missing")))?;
    let bytes = members
        .to_bytes()
        .map_err(|error| damaged(error.to_string()))?;
    Ok(octets(bytes, DECIDED_CACHE))
}

/// Canonical bytes of something that is decided.
pub(super) fn octets(bytes: Vec<u8>, cache: &'static str) -> Response {
    let response = bytes_with(StatusCode::OK, "application/octet-stream", bytes);
    cached(response, cache)
}

pub(crate) async fn proposals(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    context.blocking(open_proposals).await
}

fn open_proposals(context: &Context) -> Answer {
    let snapshot = context.store.snapshot();
    let state = State(&snapshot);
    let members = state.members()?;
    let open = state.open_proposals(now().max(snapshot.head().time))?;
    json(&ProposalsView {
        height: snapshot.head().height,
        quorum: members.quorum(),
        proposals: open
            .into_iter()
            .map(|(id, row)| ProposalView::new(id, row, &members))
            .collect(),
    })
}
