//! GET /v1/blocks and GET /v1/blocks/{height}.

use axum::extract::{Path, State as Extract};
use credlog_api::Page;
use credlog_api::block::{BlockBrief, BlockRecord, BlockView};
use credlog_ledger::block::Block;
use credlog_ledger::ids::{Height, LeafIndex};
use credlog_ledger::state::{State, ViewError};
use http::Uri;

use crate::http::answer::{Answer, json, not_found};
use crate::http::query::{number, page};
use crate::http::{Context, Shared};

pub(crate) async fn blocks(Extract(context): Shared, uri: Uri) -> Answer {
    let (after, limit) = page(&uri)?;
    context
        .blocking(move |context| list(context, after, limit))
        .await
}

/// Newest first: `after` is the lowest height of the page before.
fn list(context: &Context, after: Option<u64>, limit: usize) -> Answer {
    let snapshot = context.store.snapshot();
    let state = State(&snapshot);
    let tip = snapshot.head().height.0;
    let newest = after.map_or(tip, |after| after.saturating_sub(1).min(tip));
    let mut items = Vec::new();
    for height in (1..=newest).rev().take(limit).map(Height) {
        let missing = || ViewError::Damaged(format!("the seal of height {height} is missing"));
        items.push(BlockBrief::new(&state.seal(height)?.ok_or_else(missing)?));
    }
    let lowest = items.last().map(|block| block.height.0);
    let next = lowest.filter(|lowest| *lowest > 1);
    json(&Page { items, next })
}

pub(crate) async fn block(Extract(context): Shared, Path(text): Path<String>, uri: Uri) -> Answer {
    let height = Height(number("height", &text)?);
    let (after, limit) = page(&uri)?;
    let done = move |context: &Context| one(context, height, after, limit);
    context.blocking(done).await
}

fn one(context: &Context, height: Height, after: Option<u64>, limit: usize) -> Answer {
    let snapshot = context.store.snapshot();
    let (Some(row), Some(bytes)) = (State(&snapshot).seal(height)?, snapshot.block(height)?) else {
        let tip = snapshot.head().height;
        return Err(not_found(format!(
            "there is no block {height}; the newest is {tip}"
        )));
    };
    let block = Block::from_bytes(&bytes).map_err(|error| ViewError::Damaged(error.to_string()))?;
    let count = block.records.len();
    let skip = after.map_or(0, |after| {
        usize::try_from(after).unwrap_or(count).saturating_add(1)
    });
    let records = block
        .records
        .iter()
        .zip(row.first_leaf..)
        .skip(skip)
        .take(limit);
    let items: Vec<_> = records
        .map(|(record, leaf)| BlockRecord {
            record_id: record.id(),
            leaf_index: LeafIndex(leaf),
            kind: record.record().body.kind().to_owned(),
            author: record.record().author.clone(),
        })
        .collect();
    let end = skip.saturating_add(items.len());
    let next = (end < count).then(|| end as u64 - 1);
    json(&BlockView {
        block: BlockBrief::new(&row),
        seal: row.seal,
        records: Page { items, next },
    })
}
