//! The newest attested checkpoint as receipts show it, made once for each.

use std::sync::{Arc, Mutex, PoisonError};

use credlog_api::{Problem, ProblemType};
use credlog_store::Snapshot;
use credlog_tlog::{NoteSignature, TreeSize};
use credlog_verify::receipt::{Attested, MakeError};

use crate::http::Context;
use crate::http::answer::Refusal;

/// A node that has just started may hear of a quorum soon.
const NOT_ATTESTED_RETRY_AFTER_S: u32 = 1;

/// The newest attested checkpoint.
#[derive(Debug, Default)]
pub(crate) struct NewestAttested {
    newest: Mutex<Option<Newest>>,
}

#[derive(Debug)]
struct Newest {
    size: u64,
    /// Of the cosignatures.
    version: u64,
    attested: Arc<Attested>,
}

impl Context {
    /// The newest attested checkpoint, and a state that is not before it.
    ///
    /// # Errors
    /// A problem if there is none, or the store cannot be read.
    pub(crate) fn attested(&self) -> Result<(Snapshot<'_>, Arc<Attested>), Refusal> {
        // First who attests, then the state: so the state is never before the checkpoint.
        let found = self.cosigning.newest_attested();
        let snapshot = self.store.snapshot();
        let attested = match found {
            Some((checkpoint, lines, version)) => {
                let size = checkpoint.size().0;
                self.newest_attested
                    .of(&snapshot, (size, version), || lines)?
            }
            // After a start, until members cosign again.
            None => match snapshot.newest_attested()? {
                Some(kept) => self
                    .newest_attested
                    .of(&snapshot, (kept.size, 0), || kept.lines)?,
                None => None,
            },
        };
        let attested = attested.ok_or_else(|| {
            Problem::new(
                ProblemType::NOT_ATTESTED,
                "no checkpoint of this ledger is attested by a quorum of its members yet; try \
                 again in a second, and ask the node's operator if this does not end",
            )
            .retry_after(NOT_ATTESTED_RETRY_AFTER_S)
        })?;
        Ok((snapshot, attested))
    }
}

impl NewestAttested {
    fn of(
        &self,
        snapshot: &Snapshot<'_>,
        (size, version): (u64, u64),
        lines: impl FnOnce() -> Vec<NoteSignature>,
    ) -> Result<Option<Arc<Attested>>, Refusal> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(newest) = newest.as_ref()
            && (newest.size, newest.version) == (size, version)
        {
            return Ok(Some(Arc::clone(&newest.attested)));
        }
        let before = newest.as_ref().map(|newest| newest.attested.as_ref());
        let read = Attested::read(snapshot, TreeSize(size), &lines(), before);
        let Some(attested) = read.map_err(refusal)? else {
            return Ok(None);
        };
        let attested = Arc::new(attested);
        *newest = Some(Newest {
            size,
            version,
            attested: Arc::clone(&attested),
        });
        Ok(Some(attested))
    }
}

/// Why there is no receipt, as an answer.
pub(crate) fn refusal(error: MakeError) -> Refusal {
    let kind = match error {
        MakeError::View(error) => return error.into(),
        MakeError::NotAnchored { .. } => ProblemType::NOT_ANCHORED,
        MakeError::NotReached { .. } => ProblemType::NOT_REACHED,
        MakeError::CertificateLost { .. } => ProblemType::CERTIFICATE_LOST,
        MakeError::NoSuchCheckpoint { .. } => ProblemType::NOT_FOUND,
        _ => ProblemType::INVALID_PARAMETER,
    };
    Problem::new(kind, error.to_string()).into()
}
