//! GET /v1/ledger.

use axum::extract::State as Extract;
use credlog_api::ledger::{AttestedView, LedgerView, MemberBrief};
use credlog_ledger::state::State;
use http::Uri;

use crate::attesting::Attested;
use crate::http::Shared;
use crate::http::answer::{Answer, json};
use crate::http::query::no_parameters;
use crate::production::now;

pub(crate) async fn ledger(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let snapshot = context.store.snapshot();
    let state = State(&snapshot);
    let (head, ledger, members) = (snapshot.head(), state.ledger()?, state.members()?);
    let presence = context.presence.borrow().clone();
    json(&LedgerView {
        origin: ledger.origin,
        ledger_id: ledger.id,
        height: head.height,
        size: head.size,
        root: head.root,
        time: head.time.into(),
        as_of: head.time.into(),
        attested: context.cosigning.attested().map(attested),
        role: presence.role,
        peers: u32::try_from(presence.peers.len()).unwrap_or(u32::MAX),
        syncing: presence.is_syncing,
        members: members.members().iter().map(MemberBrief::new).collect(),
        issuers: head.registry_size,
        status_lists: head.status_lists,
        parameters: state.parameters()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn attested(attested: Attested) -> AttestedView {
    AttestedView {
        size: attested.size,
        height: attested.height,
        as_of: attested.as_of.into(),
        age_seconds: now().0.saturating_sub(attested.as_of.0) / 1_000,
        cosigners: attested.cosigners,
        quorum: attested.quorum,
    }
}
