//! What a witness is asked: to cosign a checkpoint that follows one it knows (C2SP tlog-witness).

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::{Hash, TreeSize, decimal};
use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::proof::{HashLinesError, PROOF_HASHES_MAX, read_hashes, write_hashes};
use std::fmt;
use thiserror::Error;

/// The longest request that is read, in bytes: the old size, the hashes, a whole note.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = 64 + 45 * PROOF_HASHES_MAX + NOTE_BYTES_MAX;

/// The body of `POST /add-checkpoint`.
///
/// ```text
/// old 20852014
/// <base64 of 32 bytes, a line for each hash of the consistency proof>
///
/// example.com/behind-the-sofa
/// 20852163
/// CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
///
/// — example.com/behind-the-sofa <base64>
/// ```
///
/// `Display` writes the one form that [`AddCheckpoint::parse`] reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    old: TreeSize,
    proof: Vec<Hash>,
    checkpoint: Checkpoint,
    note: Note,
}

impl AddCheckpoint {
    /// A request: the size that the witness cosigned last, the consistency proof from there, and
    /// the signed checkpoint. Neither proof nor signatures are verified.
    ///
    /// # Errors
    /// [`AddCheckpointError`] for too many hashes, an old size above the new one, or a note over
    /// anything but a checkpoint.
    pub fn new(old: TreeSize, proof: Vec<Hash>, note: Note) -> Result<Self, AddCheckpointError> {
        if proof.len() > PROOF_HASHES_MAX {
            return Err(AddCheckpointError::Proof(HashLinesError::TooMany));
        }
        let checkpoint = Checkpoint::parse(note.text())?;
        if old > checkpoint.size() {
            let new = checkpoint.size();
            return Err(AddCheckpointError::SizesOutOfOrder { old, new });
        }
        Ok(Self {
            old,
            proof,
            checkpoint,
            note,
        })
    }

    /// Reads a request. Neither proof nor signatures are verified.
    ///
    /// # Errors
    /// [`AddCheckpointError`] when the bytes are not exactly one request within the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, AddCheckpointError> {
        if bytes.len() > ADD_CHECKPOINT_BYTES_MAX {
            return Err(AddCheckpointError::TooLong { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| AddCheckpointError::NotUtf8)?;
        let (head, note) = text
            .split_once("\n\n")
            .ok_or(AddCheckpointError::NoEmptyLine)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(decimal).ok_or(AddCheckpointError::Old)?;
        let proof = read_hashes(lines)?;
        Self::new(TreeSize(old), proof, Note::parse(note.as_bytes())?)
    }

    /// The size that the witness is thought to have cosigned last.
    #[must_use]
    pub fn old(&self) -> TreeSize {
        self.old
    }

    /// The consistency proof from the old size to the checkpoint's (RFC 6962 section 2.1.2).
    #[must_use]
    pub fn proof(&self) -> &[Hash] {
        &self.proof
    }

    /// The checkpoint, as the note says it.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint with its signatures, which are not verified here.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        write_hashes(f, &self.proof)?;
        write!(f, "\n{}", self.note)
    }
}

/// Why bytes are not a request to a witness.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// The request is longer than the limit.
    #[error("the request has {bytes} bytes, the limit is {ADD_CHECKPOINT_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the request is not UTF-8")]
    NotUtf8,
    /// No empty line before the checkpoint.
    #[error("the request has no empty line before its checkpoint")]
    NoEmptyLine,
    /// The first line is another.
    #[error("the first line is not `old <size>`, in decimal without leading zeros")]
    Old,
    /// The witness is said to know a greater tree than the one it is shown.
    #[error("the old size {old} is greater than the size {new} of the checkpoint")]
    SizesOutOfOrder {
        /// The old size.
        old: TreeSize,
        /// The size of the checkpoint.
        new: TreeSize,
    },
    /// Malformed hashes, or too many.
    #[error(transparent)]
    Proof(#[from] HashLinesError),
    /// What follows the empty line is no signed note.
    #[error("the checkpoint is malformed: {0}")]
    Note(#[from] NoteError),
    /// The note is over something else.
    #[error("the checkpoint is malformed: {0}")]
    Checkpoint(#[from] CheckpointError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use crate::signer::NoteSigner;
    use ed25519_dalek::SigningKey;

    fn note(size: u64) -> Note {
        let signer = NoteSigner::new("o", SigningKey::from_bytes(&[1; 32])).unwrap();
        let checkpoint = Checkpoint::new("o", TreeSize(size), leaf_hash(b"r")).unwrap();
        let body = checkpoint.body();
        Note::new(&body, vec![signer.sign(&body).unwrap()]).unwrap()
    }

    #[test]
    fn only_the_one_spelling_passes() {
        let hash = leaf_hash(b"a");
        let request = AddCheckpoint::new(TreeSize(2), vec![hash, hash], note(3)).unwrap();
        let good = request.to_string();
        assert!(good.starts_with(&format!("old 2\n{0}\n{0}\n\no\n3\n", hash.to_base64())));
        assert_eq!(AddCheckpoint::parse(good.as_bytes()), Ok(request));
        let error = |from: &str, to: &str| {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good, "{from}");
            AddCheckpoint::parse(changed.as_bytes()).unwrap_err()
        };
        for line in [
            "old 02", "old", "old  2", "old +2", "OLD 2", "new 2", "old 2\r", "",
        ] {
            assert_eq!(error("old 2", line), AddCheckpointError::Old, "{line}");
        }
        let (old, new) = (TreeSize(4), TreeSize(3));
        let order = AddCheckpointError::SizesOutOfOrder { old, new };
        assert_eq!(error("old 2", "old 4"), order);
        let base64 = hash.to_base64();
        assert!(matches!(
            error(&base64, &base64[1..]),
            AddCheckpointError::Proof(_)
        ));
        assert!(matches!(
            error("\n\n", "\n\n\n"),
            AddCheckpointError::Checkpoint(_)
        ));
        assert!(matches!(
            error("o\n3\n", "o\n3\nmore\n"),
            AddCheckpointError::Checkpoint(_)
        ));
        let bare = AddCheckpoint::parse(b"old 2\n");
        assert_eq!(bare, Err(AddCheckpointError::NoEmptyLine));
        assert_eq!(
            AddCheckpoint::parse(b"\xff"),
            Err(AddCheckpointError::NotUtf8)
        );
    }

    #[test]
    fn lengths_have_limits() {
        let make = |count| AddCheckpoint::new(TreeSize(0), vec![leaf_hash(b"x"); count], note(9));
        let most = make(PROOF_HASHES_MAX).unwrap();
        let text = most.to_string();
        assert_eq!(AddCheckpoint::parse(text.as_bytes()), Ok(most));
        let many = AddCheckpointError::Proof(HashLinesError::TooMany);
        assert_eq!(make(PROOF_HASHES_MAX + 1), Err(many.clone()));
        let line = leaf_hash(b"x").to_base64();
        let more = text.replacen("old 0\n", &format!("old 0\n{line}\n"), 1);
        assert_eq!(AddCheckpoint::parse(more.as_bytes()), Err(many));
        let bytes = ADD_CHECKPOINT_BYTES_MAX + 1;
        let long = AddCheckpoint::parse(&vec![b'\n'; bytes]);
        assert_eq!(long, Err(AddCheckpointError::TooLong { bytes }));
    }
}
