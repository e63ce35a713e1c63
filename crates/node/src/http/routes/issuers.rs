//! GET /v1/issuers and below, and GET /v1/status-lists/{list}.

use axum::extract::{Path, State as Extract};
use credlog_api::issuer::{IssuerBrief, IssuerView, StatusListView, UsedPositions};
use credlog_api::{Page, Time};
use credlog_ledger::body::POSITIONS;
use credlog_ledger::entry::IssuerEntry;
use credlog_ledger::ids::{IssuerId, IssuerNumber, ListNumber, UnixMillis};
use credlog_ledger::state::{State, USED_PAGE_POSITIONS, ViewError};
use credlog_verify::facts::IssuerFacts;
use http::Uri;

use crate::http::answer::{Answer, Refusal, json, not_found};
use crate::http::query::{no_parameters, number, page, segment};
use crate::http::{Context, Shared};
use crate::production::now;

pub(crate) async fn issuers(Extract(context): Shared, uri: Uri) -> Answer {
    let (after, limit) = page(&uri)?;
    context
        .blocking(move |context| list(context, after, limit))
        .await
}

fn list(context: &Context, after: Option<u64>, limit: usize) -> Answer {
    let snapshot = context.store.snapshot();
    let first = after.map_or(0, |after| after.saturating_add(1));
    let found = State(&snapshot).issuers(IssuerNumber(first), limit)?;
    let moment = moment(snapshot.head().time);
    let brief = |(number, entry): &(IssuerNumber, IssuerEntry)| {
        let facts = IssuerFacts::new(*number, entry, moment.unix_millis());
        IssuerBrief::new(&facts, moment)
    };
    let last = found.last().map(|(number, _)| number.0);
    json(&Page {
        items: found.iter().map(brief).collect(),
        next: last.filter(|last| last + 1 < snapshot.head().registry_size),
    })
}

pub(crate) async fn issuer(Extract(context): Shared, Path(id): Path<String>, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let id: IssuerId = segment(&id)?;
    let snapshot = context.store.snapshot();
    let state = State(&snapshot);
    let (number, entry) = state.find_issuer(&id)?.ok_or_else(|| unknown(&id))?;
    let head = snapshot.head();
    let moment = moment(head.time);
    json(&IssuerView {
        issuer: IssuerFacts::new(number, &entry, moment.unix_millis()),
        achievement_count: state.achievement_count(number)?,
        lists: state.lists_of(number)?,
        as_of: head.time.into(),
    })
}

pub(crate) async fn achievements(
    Extract(context): Shared,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let id: IssuerId = segment(&id)?;
    let (after, limit) = page(&uri)?;
    let done = move |context: &Context| defined(context, &id, after, limit);
    context.blocking(done).await
}

fn defined(context: &Context, id: &IssuerId, after: Option<u64>, limit: usize) -> Answer {
    let snapshot = context.store.snapshot();
    let state = State(&snapshot);
    let number = state.issuer_number(id)?.ok_or_else(|| unknown(id))?;
    let (items, next) = state.achievements(number, after, limit)?;
    json(&Page { items, next })
}

pub(crate) async fn status_list(
    Extract(context): Shared,
    Path(text): Path<String>,
    uri: Uri,
) -> Answer {
    no_parameters(&uri)?;
    let list = ListNumber(number("status list", &text)?);
    let snapshot = context.store.snapshot();
    let state = State(&snapshot);
    let missing = || not_found(format!("there is no status list {list} on this ledger"));
    let row = state.list(list)?.ok_or_else(missing)?;
    let damaged = |what: &str| ViewError::Damaged(format!("status list {list}: {what}"));
    let entry = state
        .issuer(row.issuer)?
        .ok_or_else(|| damaged("its issuer is missing"))?;
    let mut used = Vec::with_capacity(POSITIONS as usize / 8);
    for page in 0..POSITIONS / USED_PAGE_POSITIONS {
        used.extend(state.used_page(list, page)?);
    }
    json(&StatusListView {
        list,
        issuer: entry.id,
        capacity: POSITIONS,
        used: row.used,
        used_positions: UsedPositions::try_from(used)
            .map_err(|error| damaged(&error.to_string()))?,
        as_of: snapshot.head().time.into(),
    })
}

/// What is said for now is said for this moment, or for the newest seal if that is later.
fn moment(head: UnixMillis) -> Time {
    now().max(head).into()
}

fn unknown(id: &IssuerId) -> Refusal {
    not_found(format!("issuer {id} is not known to this ledger"))
}
