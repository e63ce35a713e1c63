//! The whole audit: a ledger replayed from its public files.

use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::Height;
use credlog_tlog::{Checkpoint, Note, TILE_WIDTH};

use crate::attested::{self, Patience};
use crate::batch::{Batch, Batches, Keys};
use crate::certificates::Certificates;
use crate::closing::{self, Signed};
use crate::error::AuditError;
use crate::finding::Findings;
use crate::history;
use crate::lane::{Limits, lane};
use crate::piece::Piece;
use crate::replayed::Replayed;
use crate::report::{FollowedState, Report};
use crate::source::Source;
use crate::step::Step;
use crate::steps::Steps;
use crate::walk::Walk;

/// Weight of pieces that wait for their signatures.
const PIECES_WEIGHT_MAX: usize = 48 << 20;
/// Weight of batches that wait for their turn.
const BATCHES_WEIGHT_MAX: usize = 64 << 20;
/// Heights that wait for their certificate.
const STEPS_MAX: u64 = 1_024;
/// Things that could not be checked and are listed one by one.
const GAPS_MAX: usize = 32;

/// How an audit goes about.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads for signatures and hashes; default one for each core.
    pub threads: usize,
    /// How long to wait for a newest checkpoint that a quorum has cosigned, of a source that
    /// grows; default 20 s. Without one the audit goes on, and says so.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: thread::available_parallelism().map_or(1, NonZeroUsize::get),
            patience: Duration::from_secs(20),
        }
    }
}

/// How far an audit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Leaves that lie behind.
    pub leaves: u64,
    /// All leaves.
    pub size: u64,
    /// Findings so far.
    pub findings: u64,
}

/// Replays a ledger from genesis to its newest checkpoint. `progress` is told how far it is, from
/// the thread that calls.
///
/// # Errors
/// [`AuditError`] if there is nothing to begin with: no genesis, no checkpoint, or that of another
/// log. What keeps the audit from its end later stands in the report, beside what was found.
pub fn replay(
    source: &dyn Source,
    genesis: &Genesis,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, AuditError> {
    Ok(replay_keeping(source, genesis, options, progress)?.0)
}

/// As [`replay`], and keeps what was replayed if nothing is wrong with it: receipts can be made
/// from that.
///
/// # Errors
/// As [`replay`].
pub fn replay_keeping<'s>(
    source: &'s dyn Source,
    genesis: &Genesis,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Report, Option<Replayed<'s>>), AuditError> {
    let began = Instant::now();
    let mut walk = Walk::new(source, genesis)?;
    let patience = match source.is_live() {
        true => Patience::of(options.patience),
        false => Patience::of(Duration::ZERO),
    };
    let newest = attested::newest(source, &genesis.origin, patience)?;
    let (note, checkpoint) = (newest.note, newest.checkpoint);
    let mut outcome = Outcome::default();
    let height = newest.seal.map_or(Height(0), |seal| seal.height);
    walk_along(
        source,
        genesis,
        options,
        &checkpoint,
        height,
        &mut walk,
        &mut |step| {
            outcome.take(step);
            progress(Progress {
                leaves: outcome.leaves,
                size: checkpoint.size().0,
                findings: outcome.findings.count(),
            });
        },
    );
    if !outcome.stopped {
        outcome.take(walk.finish());
    }
    let signed = close(source, genesis, &walk, (&note, &checkpoint), &mut outcome);
    let report = report(genesis, &walk, &checkpoint, signed, outcome, began);
    let state = walk.into_state().filter(|_| report.findings_count == 0);
    let replayed = state
        .filter(|_| report.leaves == checkpoint.size().0)
        .map(|state| Replayed::new(source, state, checkpoint.size(), note));
    Ok((report, replayed))
}

/// What was found on the way.
#[derive(Default)]
struct Outcome {
    findings: Findings,
    gaps: Vec<String>,
    gaps_count: u64,
    certificates: u64,
    leaves: u64,
    stopped: bool,
    lists: u64,
    newer_lists: u64,
}

impl Outcome {
    fn take(&mut self, step: Step) {
        self.findings.extend(step.findings);
        for gap in step.gaps {
            self.gap(gap.to_string());
        }
        if let Some(error) = step.stopped {
            self.stopped = true;
            self.gap(format!("the log was read no further: {error}"));
        }
        self.certificates += u64::from(step.certified);
        self.leaves = self.leaves.max(step.leaves);
    }

    fn gap(&mut self, text: String) {
        self.gaps_count += 1;
        if self.gaps.len() < GAPS_MAX && !self.gaps.contains(&text) {
            self.gaps.push(text);
        }
    }
}

/// Reads, hashes, checks signatures, walks and checks certificates, each on threads of its own.
fn walk_along<'s>(
    source: &'s dyn Source,
    genesis: &Genesis,
    options: &Options,
    checkpoint: &Checkpoint,
    newest: Height,
    walk: &mut Walk<'s>,
    take: &mut dyn FnMut(Step),
) {
    let size = checkpoint.size();
    let threads = options.threads.max(1);
    let limits = Limits {
        threads,
        results: 2 * threads as u64,
        weight: BATCHES_WEIGHT_MAX,
    };
    let readers = Limits {
        threads: threads.max(source.readers()),
        results: 64,
        weight: PIECES_WEIGHT_MAX,
    };
    let heights = Limits {
        threads,
        results: STEPS_MAX,
        weight: usize::MAX,
    };
    thread::scope(|scope| {
        let indexes = 0..size.0.div_ceil(u64::from(TILE_WIDTH));
        let pieces = lane(scope, readers, indexes, move |index| {
            Piece::read(source, index, size)
        });
        let batches = Batches::new(pieces, Keys::of(genesis));
        let verified = lane(
            scope,
            limits,
            batches,
            |batch: Result<Batch, AuditError>| batch.map(Batch::verify),
        );
        let certificates = Certificates::read(scope, source, newest);
        let steps = Steps::new(walk, verified, certificates);
        lane(scope, heights, steps, Step::verify).for_each(take);
    });
}

/// What remains when the log lies behind.
fn close(
    source: &dyn Source,
    genesis: &Genesis,
    walk: &Walk<'_>,
    (note, checkpoint): (&Note, &Checkpoint),
    outcome: &mut Outcome,
) -> Signed {
    if outcome.stopped {
        return Signed::default();
    }
    let found = (walk.size(), walk.root());
    outcome
        .findings
        .extend(closing::compare(checkpoint, found, walk.height()));
    let Some(members) = walk.members() else {
        outcome.gap("the members that cosign the newest checkpoint are not known".to_owned());
        return Signed::default();
    };
    let (signed, findings) = closing::signatures(note, checkpoint, members, &genesis.origin);
    outcome.findings.extend(findings);
    if let Some(state) = walk.state() {
        let followed = (state, walk.height());
        match history::compare(source, genesis, walk.ledger(), followed) {
            Ok(finding) => outcome.findings.extend(finding),
            Err(gap) => outcome.gap(gap.to_string()),
        }
        let lists = closing::status_lists(source, state);
        outcome.findings.extend(lists.findings);
        outcome.lists = lists.compared;
        outcome.newer_lists = lists.newer;
        for gap in lists.gaps {
            outcome.gap(gap.to_string());
        }
    }
    signed
}

fn report(
    genesis: &Genesis,
    walk: &Walk<'_>,
    checkpoint: &Checkpoint,
    signed: Signed,
    mut outcome: Outcome,
    began: Instant,
) -> Report {
    let counts = walk.counts();
    for (count, what) in [
        (
            counts.uncertified,
            "heights have no certificate here; other nodes may have it",
        ),
        (
            counts.unchecked_certificates,
            "certificates were not checked: the members in force were not known",
        ),
        (
            counts.unchecked_signatures,
            "signatures were not checked: their keys follow from what could not be followed",
        ),
    ] {
        if count > 0 {
            let first = match counts.first_uncertified {
                Some(first) if what.starts_with("heights") => format!(", the first is {first}"),
                _ => String::new(),
            };
            outcome.gap(format!("{count} {what}{first}"));
        }
    }
    let followed = walk.followed();
    let (findings, findings_count) = outcome.findings.done();
    Report {
        origin: genesis.origin.clone(),
        ledger_id: walk.ledger(),
        size: checkpoint.size(),
        root: checkpoint.root().to_string(),
        leaves: walk.size().0,
        records: counts.records,
        height: walk.height(),
        time: walk.time().into(),
        certificates: outcome.certificates,
        tiles: counts.tiles,
        member_changes: counts.member_changes,
        cosigned: signed.cosigned,
        quorum: signed.quorum,
        as_of: signed.as_of.map(Into::into),
        served_by: signed.served_by,
        status_lists: outcome.lists,
        newer_status_lists: outcome.newer_lists,
        state: FollowedState {
            height: followed.height,
            digest: followed.digest,
            rows: followed.rows,
            credentials: followed.credentials,
        },
        findings,
        findings_count,
        unchecked: outcome.gaps,
        took: began.elapsed(),
    }
}
