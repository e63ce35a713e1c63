//! Checkpoints that are handed in to be cosigned (C2SP tlog-witness).
//!
//! The rules are the same as for those that this member cosigns by itself (C1 and C2): it signs the
//! newest checkpoint of its own log and nothing else, so a checkpoint that is handed in can only
//! be this one. It need not be shown that the log grew, since the node has all of it; the proof is
//! checked all the same, as every witness does.

use credlog_ledger::ids::{MemberId, UnixMillis};
use credlog_store::CosignerError;
use credlog_tlog::{
    AddCheckpoint, Checkpoint, Hash, NoteSignature, ProofError, TreeSize, empty_root,
    verify_consistency,
};

use super::{Cosigning, Inner, Released};

/// Conflicting checkpoints that are told of one by one.
const CONFLICTS_MAX: usize = 64;

/// Why a checkpoint that was handed in is not cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// This member has cosigned another size last, or another root of this size.
    Cosigned {
        /// The size that it cosigned last; 0 if it never cosigned.
        size: u64,
    },
    /// The consistency proof does not verify.
    Inconsistent(ProofError),
    /// The log has not come to this checkpoint here.
    Ahead {
        /// Leaves of the log that are durable here.
        tip: u64,
    },
    /// The log is greater here.
    Passed {
        /// Leaves of the log here.
        tip: u64,
    },
    /// This member cosigns nothing now: it catches up, waits for the decision on a block (rule
    /// C2), has no block, has no cosigner key in force, or its clock went back.
    Silent,
}

impl Cosigning {
    /// The size that this member cosigned last; 0 if it never cosigned.
    pub fn cosigned_size(&self) -> u64 {
        let inner = self.lock();
        let last = inner.own.as_ref().and_then(|own| own.file.last());
        last.map_or(0, |last| last.size)
    }

    /// Leaves of the newest checkpoint.
    pub fn tip(&self) -> u64 {
        self.lock().tip_size()
    }

    /// Cosigns a checkpoint that somebody handed in, if it is the newest one here. The store has
    /// to hold the log durably up to `durable` leaves. Who signed the checkpoint is the caller's
    /// to look at.
    ///
    /// # Errors
    /// [`CosignerError`]: the node must stop.
    pub fn cosign_handed(
        &self,
        request: &AddCheckpoint,
        durable: u64,
        now: UnixMillis,
    ) -> Result<Result<(NoteSignature, Released), Declined>, CosignerError> {
        let mut inner = self.lock();
        let answer = inner.cosign_handed(request, durable, now)?;
        self.note_attested(&mut inner);
        Ok(answer)
    }

    /// Tells that these members, or whoever has their keys, signed a checkpoint of another
    /// history; once for each.
    pub fn other_history_handed(&self, checkpoint: &Checkpoint, own: &Hash, by: &[MemberId]) {
        let mut inner = self.lock();
        let seen = (checkpoint.size().0, checkpoint.root().0);
        if inner.conflicts.len() == CONFLICTS_MAX || !inner.conflicts.insert(seen) {
            return;
        }
        self.metrics.consortium.cosignature_conflicts.inc();
        let by: Vec<&str> = by.iter().map(MemberId::as_str).collect();
        tracing::error!(
            members = by.join(" "),
            size = checkpoint.size().0,
            root = %checkpoint.root(),
            own_root = %own,
            "a checkpoint of another history of this log was handed in, signed by members: they \
             lie, or the ledger has forked; keep this line and ask the members"
        );
    }
}

impl Inner {
    fn cosign_handed(
        &mut self,
        request: &AddCheckpoint,
        durable: u64,
        now: UnixMillis,
    ) -> Result<Result<(NoteSignature, Released), Declined>, CosignerError> {
        let Some(own) = &self.own else {
            return Ok(Err(Declined::Silent));
        };
        let (member, key_id) = (own.member.clone(), own.signer.verifier_key().id());
        let last = own.file.last();
        let (size, root) = last.map_or((0, empty_root()), |last| (last.size, Hash(last.root.0)));
        if let Err(declined) = self.follows(request, size, &root, durable) {
            return Ok(Err(declined));
        }
        let tip = request.checkpoint().size().0;
        let line = |inner: &Self| {
            let known = inner.gathered.get(&tip)?.signatures.get(&member);
            known.filter(|(_, line)| line.key_id() == key_id).cloned()
        };
        // One cosignature a second: whoever asks does not keep the disk busy.
        let known = line(self).filter(|(second, _)| *second == now.0 / 1_000);
        if let Some((_, signature)) = known {
            return Ok(Ok((signature, None)));
        }
        let released = self.sign(now)?;
        let signed = line(self).filter(|_| released.is_some());
        Ok(match signed {
            Some((_, signature)) => Ok((signature, released)),
            None => Err(Declined::Silent),
        })
    }

    /// Whether a checkpoint follows what was cosigned last, and is the newest.
    fn follows(
        &self,
        request: &AddCheckpoint,
        size: u64,
        root: &Hash,
        durable: u64,
    ) -> Result<(), Declined> {
        let checkpoint = request.checkpoint();
        let is_other = checkpoint.size().0 == size && checkpoint.root() != *root;
        if request.old().0 != size || is_other {
            return Err(Declined::Cosigned { size });
        }
        let (new, new_root) = (checkpoint.size(), checkpoint.root());
        verify_consistency(TreeSize(size), root, new, &new_root, request.proof())
            .map_err(Declined::Inconsistent)?;
        let tip = self.tip_size();
        if new.0 > tip.min(durable) {
            return Err(Declined::Ahead {
                tip: tip.min(durable),
            });
        }
        if new.0 < tip {
            return Err(Declined::Passed { tip });
        }
        let newest = self.gathered.get(&tip);
        if newest.is_none_or(|newest| newest.checkpoint != *checkpoint) {
            return Err(Declined::Cosigned { size });
        }
        Ok(())
    }
}
