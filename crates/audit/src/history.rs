//! The published history of the members, which receipts and verifiers rest on.

use credlog_api::client::ANSWER_BYTES_MAX;
use credlog_api::path;
use credlog_api::receipt::MemberHistory;
use credlog_ledger::follow::Follower;
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{Height, LedgerId};
use credlog_ledger::state::State;

use crate::closing;
use crate::error::AuditError;
use crate::files;
use crate::finding::{Finding, Kind};
use crate::source::Source;
use crate::state::AuditState;

/// Follows the published history from genesis, and compares where it leads with the state, as far
/// as that goes.
///
/// # Errors
/// [`AuditError::Source`] if it cannot be read.
pub(crate) fn compare(
    source: &dyn Source,
    genesis: &Genesis,
    ledger: LedgerId,
    (state, height): (&AuditState, Height),
) -> Result<Option<Finding>, AuditError> {
    let Some(bytes) = source.read(path::MEMBERS_HISTORY, ANSWER_BYTES_MAX)? else {
        return Ok(None);
    };
    let followed = follow(&bytes, genesis, ledger, (state, height));
    let finding = |reason: String| {
        let text = format!("the published history of the members is wrong: {reason}");
        Finding::new(Kind::Members, text).file(path::MEMBERS_HISTORY)
    };
    Ok(followed.err().map(finding))
}

fn follow(
    bytes: &[u8],
    genesis: &Genesis,
    ledger: LedgerId,
    (state, height): (&AuditState, Height),
) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let history: MemberHistory = serde_json::from_slice(bytes).map_err(|error| text(&error))?;
    if history.ledger != ledger || history.since != Height(0) {
        return Err("it is not that of this ledger from its beginning".to_owned());
    }
    let mut follower = Follower::new(genesis).map_err(|error| text(&error))?;
    let mut members = follower.members().clone();
    for change in &history.members {
        follower
            .follow(change.read().map_err(|refusal| refusal.reason)?)
            .map_err(|error| text(&error))?;
        // What came after the log that was read cannot be compared with it.
        if follower.changed() <= height {
            members = follower.members().clone();
        }
    }
    let note = history.checkpoint.as_bytes();
    let (note, checkpoint) = files::parse_checkpoint(note).map_err(|error| text(&error))?;
    if checkpoint.origin() != genesis.origin.as_str() {
        return Err("its checkpoint is that of another log".to_owned());
    }
    let (_, findings) =
        closing::signatures(&note, &checkpoint, follower.members(), &genesis.origin);
    if let Some(finding) = findings.first() {
        return Err(format!("of its checkpoint, {}", finding.message));
    }
    let known = State(state).members_at(height.min(history.height));
    match known.map_err(|error| text(&error))? {
        Some(known) if known == members => Ok(()),
        _ => Err("a change is missing, or is not that of the log".to_owned()),
    }
}
