//! A run: what is left of earlier ones first, then window by window. While one window is anchored,
//! the next is signed.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use credlog_ledger::ids::Digest;
use credlog_verify::{Position, Terms};
use indicatif::ProgressBar;

use super::journal::Pending;
use super::outlook::Outlook;
use super::pack;
use super::prepare::{Prepared, Signer};
use super::settle::Settlement;
use super::source::{Checked, Source};
use crate::outcome::{Failure, Result};
use crate::parallel;

/// Credentials that are signed before they are sent.
const WINDOW: usize = 2_048;

/// What a run did.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) issued_before: usize,
    pub(super) finished_from_before: usize,
    pub(super) issued: usize,
    /// Files whose former content was signed by an earlier run and will never be issued.
    pub(super) replaced: Vec<String>,
    /// How long all of it took.
    pub(super) took: Duration,
}

/// Issues what is neither issued nor under way, after what is left of earlier runs.
pub(super) fn issue_all(
    out: &Path,
    checked: &Checked,
    settlement: &mut Settlement<'_>,
    tally: &mut Tally,
    bar: &ProgressBar,
) -> Result<()> {
    let left = finish_earlier(out, checked, settlement, tally, bar)?;
    let todo = todo(out, checked, settlement, &left)?;
    // A credential counts once when it is signed and once when it is anchored.
    bar.set_length(2 * todo.len() as u64);
    bar.set_message("signing and anchoring");
    let mut windows = todo.chunks(WINDOW);
    let mut placed = place(&mut windows, settlement)?;
    let mut signed = sign(settlement.signer, &settlement.outlook, &placed, bar);
    while !placed.is_empty() {
        let next = place(&mut windows, settlement)?;
        let (signer, outlook) = (settlement.signer, settlement.outlook.clone());
        let current = std::mem::take(&mut signed);
        signed = std::thread::scope(|scope| {
            let following = scope.spawn(|| sign(signer, &outlook, &next, bar));
            let anchored = anchor(current, settlement, tally, bar);
            let following = following
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            anchored.map(|()| following)
        })?;
        placed = next;
    }
    Ok(())
}

/// Settles what earlier runs left; answers with what of it need not be taken up again.
fn finish_earlier(
    out: &Path,
    checked: &Checked,
    settlement: &mut Settlement<'_>,
    tally: &mut Tally,
    bar: &ProgressBar,
) -> Result<HashSet<Digest>> {
    // Records of an earlier run come first: the ledger may hold them.
    let pending = settlement.journal.pending()?;
    for one in &pending {
        check_ours(out, one, settlement)?;
    }
    // What is left out on the way is reported there, and not taken up again.
    let mut left_sources: HashSet<_> = pending
        .iter()
        .flat_map(|one| &one.credentials)
        .map(|one| one.source)
        .collect();
    let (pending, forgotten) = settlement.drop_changed(pending, &checked.sources)?;
    for one in forgotten {
        left_sources.remove(&one.source);
        tally.replaced.push(one.file);
    }
    let left: usize = pending.iter().map(|one| one.credentials.len()).sum();
    bar.set_message("finishing an earlier run");
    let before = settlement.failed();
    settlement.settle(pending, &mut |_| {})?;
    tally.finished_from_before = left - (settlement.failed() - before);
    let done = checked
        .sources
        .iter()
        .filter(|one| settlement.journal.issued(&one.digest).is_some());
    tally.issued_before = done
        .filter(|one| !left_sources.contains(&one.digest))
        .count();
    Ok(left_sources)
}

/// An unfinished run can only be finished by the same issuer on the same ledger.
fn check_ours(out: &Path, pending: &Pending, settlement: &Settlement<'_>) -> Result<()> {
    let record = pending.record.record();
    let signatory = settlement.signatory;
    if record.author.id == signatory.author && record.ledger == signatory.ledger {
        return Ok(());
    }
    Err(Failure::input(format!(
        "{} holds an unfinished run by {} on ledger {}; finish that one first, or choose another \
         --out",
        out.display(),
        record.author.id,
        record.ledger
    )))
}

/// What is neither issued nor under way, and whose file may be written.
fn todo<'s>(
    out: &Path,
    checked: &'s Checked,
    settlement: &Settlement<'_>,
    left: &HashSet<Digest>,
) -> Result<Vec<&'s Source>> {
    let mut todo = Vec::new();
    for source in &checked.sources {
        if settlement.journal.issued(&source.digest).is_some() || left.contains(&source.digest) {
            continue;
        }
        if !settlement.journal.has_room_for(&source.file) {
            return Err(Failure::input(format!(
                "{} is there already and was not issued from {}; choose another --out, or move \
                 the file away",
                out.join(&source.file).display(),
                source.origin
            )));
        }
        todo.push(source);
    }
    Ok(todo)
}

type Placed<'s> = Vec<(&'s Source, Position)>;

/// The next window, with a position for each credential; empty when there is no more.
fn place<'s>(
    windows: &mut std::slice::Chunks<'_, &'s Source>,
    settlement: &mut Settlement<'_>,
) -> Result<Placed<'s>> {
    let Some(window) = windows.next() else {
        return Ok(Vec::new());
    };
    let places = settlement.positions.take(window.len())?;
    Ok(window.iter().copied().zip(places).collect())
}

type Signed = Vec<Result<(Terms, Prepared)>>;

fn sign(signer: &Signer, outlook: &Outlook, placed: &Placed<'_>, bar: &ProgressBar) -> Signed {
    parallel::map(placed, |(source, place)| {
        let result = signer.prepare(source, *place, outlook);
        bar.inc(1);
        result
    })
}

fn anchor(
    signed: Signed,
    settlement: &mut Settlement<'_>,
    tally: &mut Tally,
    bar: &ProgressBar,
) -> Result<()> {
    let mut prepared = Vec::with_capacity(signed.len());
    let mut places = HashSet::new();
    for result in signed {
        match result {
            Ok((terms, one)) if places.insert(one.place) => prepared.push((terms, one)),
            Ok((_, one)) => {
                bar.inc(1);
                settlement.left_out.push(Failure::input(format!(
                    "{}: another of these credentials has position {} of the status lists",
                    one.file, one.place
                )));
            }
            Err(failure) => {
                bar.inc(1);
                settlement.left_out.push(failure);
            }
        }
    }
    let number = prepared.len();
    let before = settlement.failed();
    let pending = settlement.begin(pack::pack(prepared))?;
    settlement.settle(pending, &mut |count| bar.inc(count as u64))?;
    tally.issued += number - (settlement.failed() - before);
    Ok(())
}
