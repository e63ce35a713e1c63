//! GET /v1/ledger.

use axum::extract::State as Extract;
use credlog_api::ledger::{LedgerView, MemberBrief, NodeRole};
use credlog_ledger::state::State;
use http::Uri;

use crate::http::Shared;
use crate::http::answer::{Answer, json};
use crate::http::query::no_parameters;

pub(crate) async fn ledger(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let snapshot = context.store.snapshot();
    let state = State(&snapshot);
    let (head, ledger, members) = (snapshot.head(), state.ledger()?, state.members()?);
    json(&LedgerView {
        origin: ledger.origin,
        ledger_id: ledger.id,
        height: head.height,
        size: head.size,
        root: head.root,
        time: head.time.into(),
        as_of: head.time.into(),
        attested: None,
        role: NodeRole::Member,
        peers: 0,
        syncing: false,
        members: members.members().iter().map(MemberBrief::new).collect(),
        issuers: head.registry_size,
        status_lists: head.status_lists,
        parameters: state.parameters()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
