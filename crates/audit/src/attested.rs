//! The newest checkpoint of a source, cosigned by a quorum if one can be had.

use std::time::{Duration, Instant};

use credlog_ledger::attestation::Attestation;
use credlog_ledger::ids::Origin;
use credlog_ledger::member::MemberSet;
use credlog_ledger::seal::Seal;
use credlog_tlog::{Checkpoint, Note};

use crate::error::AuditError;
use crate::files;
use crate::source::Source;

/// Cosignatures come within milliseconds of a block, as a rule.
const PAUSE: Duration = Duration::from_millis(150);

/// How long to wait for cosignatures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// None: for ever.
    until: Option<Instant>,
}

impl Patience {
    pub(crate) fn of(time: Duration) -> Self {
        let until = Instant::now().checked_add(time);
        Self { until }
    }

    fn has_ended(self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// The newest checkpoint, and what its last leaf says. Nothing of it is believed yet.
#[derive(Debug)]
pub(crate) struct Newest {
    pub(crate) bytes: Vec<u8>,
    pub(crate) note: Note,
    pub(crate) checkpoint: Checkpoint,
    /// Its last leaf, if that is a seal.
    pub(crate) seal: Option<Seal>,
}

/// Reads the newest checkpoint, again and again until a quorum has cosigned it or the patience
/// has ended.
///
/// # Errors
/// [`AuditError::Checkpoint`], [`AuditError::OtherLog`], and what reading gives.
pub(crate) fn newest(
    source: &dyn Source,
    origin: &Origin,
    patience: Patience,
) -> Result<Newest, AuditError> {
    loop {
        let (newest, members) = look(source, origin)?;
        // Of a copy that a web server serves, nobody will cosign anything.
        let may_come = members.is_some_and(|members| {
            !is_attested(&members, origin, &newest.checkpoint, &newest.note)
        });
        if !may_come || patience.has_ended() {
            return Ok(newest);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether a quorum of these members has cosigned a checkpoint.
pub(crate) fn is_attested(
    members: &MemberSet,
    origin: &Origin,
    checkpoint: &Checkpoint,
    note: &Note,
) -> bool {
    Attestation::of(members, origin, checkpoint, note.signatures())
        .is_ok_and(|attestation| attestation.is_quorum())
}

/// The newest checkpoint, and the members that its seal names, if they are published.
fn look(source: &dyn Source, origin: &Origin) -> Result<(Newest, Option<MemberSet>), AuditError> {
    let (note, checkpoint, bytes) = files::checkpoint(source)?;
    if checkpoint.origin() != origin.as_str() {
        return Err(AuditError::OtherLog {
            found: checkpoint.origin().to_owned(),
            expected: origin.to_string(),
        });
    }
    let seal = files::last_seal(source, checkpoint.size())?;
    let members = match &seal {
        Some(seal) => members_of(source, seal)?,
        None => None,
    };
    let newest = Newest {
        bytes,
        note,
        checkpoint,
        seal,
    };
    Ok((newest, members))
}

/// The set that a seal names, if it is published: under the height after it, or, in a copy, under
/// that of the last change.
fn members_of(source: &dyn Source, seal: &Seal) -> Result<Option<MemberSet>, AuditError> {
    let bytes = files::members(source, seal.height.next())?;
    let set = bytes.and_then(|bytes| MemberSet::from_bytes(&bytes).ok());
    Ok(set.filter(|set| set.hash() == Ok(seal.members_hash)))
}
