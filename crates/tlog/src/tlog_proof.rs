//! An inclusion proof as a file of its own (C2SP tlog-proof).

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::{Hash, LeafIndex, decimal};
use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::proof::{
    HashLinesError, PROOF_HASHES_MAX, ProofError, read_hashes, verify_inclusion, write_hashes,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use thiserror::Error;

/// The most bytes of extra data.
pub const TLOG_PROOF_EXTRA_BYTES_MAX: usize = 64 * 1024;

/// The longest file that is read, in bytes: extra data in base64, the hashes, a whole note.
pub const TLOG_PROOF_BYTES_MAX: usize = HEADER.len()
    + 64
    + TLOG_PROOF_EXTRA_BYTES_MAX.div_ceil(3) * 4
    + 45 * PROOF_HASHES_MAX
    + NOTE_BYTES_MAX;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// That a leaf stands in a log: its index, the path to a root, and the checkpoint with that root.
///
/// ```text
/// c2sp.org/tlog-proof@v1
/// index 2
/// <base64 of 32 bytes, the leaf's sibling; a line each up to the root's child>
///
/// ledger.example/2026
/// 3
/// <base64 of the root>
///
/// — ledger.example/2026 <base64>
/// ```
///
/// A second line `extra <base64>` may hold data that nothing authenticates. `Display` writes the
/// one form that [`TlogProof::parse`] reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    extra: Vec<u8>,
    index: LeafIndex,
    path: Vec<Hash>,
    checkpoint: Checkpoint,
    note: Note,
}

impl TlogProof {
    /// A proof from its parts: extra data (none: empty), the index, the path from the leaf to the
    /// root, and the signed checkpoint. Nothing is verified.
    ///
    /// # Errors
    /// [`TlogProofError`] for parts beyond the limits, or a note over anything but a checkpoint.
    pub fn new(
        extra: Vec<u8>,
        index: LeafIndex,
        path: Vec<Hash>,
        note: Note,
    ) -> Result<Self, TlogProofError> {
        if extra.len() > TLOG_PROOF_EXTRA_BYTES_MAX {
            return Err(TlogProofError::ExtraTooLong { bytes: extra.len() });
        }
        if path.len() > PROOF_HASHES_MAX {
            return Err(TlogProofError::Path(HashLinesError::TooMany));
        }
        Ok(Self {
            extra,
            index,
            path,
            checkpoint: Checkpoint::parse(note.text())?,
            note,
        })
    }

    /// Reads a file. Nothing is verified yet.
    ///
    /// # Errors
    /// [`TlogProofError`] when the bytes are not exactly one proof within the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLong { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TlogProofError::NotUtf8)?;
        let (head, note) = text.split_once("\n\n").ok_or(TlogProofError::NoEmptyLine)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(TlogProofError::Header);
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.map(read_extra).transpose()?.unwrap_or_default();
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(decimal).ok_or(TlogProofError::Index)?;
        let path = read_hashes(lines)?;
        let note = Note::parse(note.as_bytes())?;
        Self::new(extra, LeafIndex(index), path, note)
    }

    /// Checks that the leaf with this hash stands at the index in the checkpoint's tree. Who
    /// signed the checkpoint is the caller's business: see [`TlogProof::note`].
    ///
    /// # Errors
    /// [`ProofError`] when the index is outside the tree, or the path has another length or leads
    /// elsewhere.
    pub fn verify_inclusion(&self, leaf_hash: &Hash) -> Result<(), ProofError> {
        let (size, root) = (self.checkpoint.size(), self.checkpoint.root());
        verify_inclusion(leaf_hash, self.index, size, &self.path, &root)
    }

    /// Data that nothing authenticates; empty if there is none.
    #[must_use]
    pub fn extra(&self) -> &[u8] {
        &self.extra
    }

    /// Position of the leaf.
    #[must_use]
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// Hashes from the leaf's sibling to the root's child.
    #[must_use]
    pub fn path(&self) -> &[Hash] {
        &self.path
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

/// Reads the line of extra data. One without data is left out by who writes.
fn read_extra(line: &str) -> Result<Vec<u8>, TlogProofError> {
    let encoded = line.strip_prefix("extra ").unwrap_or_default();
    let extra = STANDARD.decode(encoded).ok();
    extra
        .filter(|extra| !extra.is_empty())
        .ok_or(TlogProofError::Extra)
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", STANDARD.encode(&self.extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        write_hashes(f, &self.path)?;
        write!(f, "\n{}", self.note)
    }
}

/// Why bytes are not a proof.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TlogProofError {
    /// The file is longer than the limit.
    #[error("the proof has {bytes} bytes, the limit is {TLOG_PROOF_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The extra data are longer than the limit.
    #[error("the proof has {bytes} bytes of extra data, the limit is {TLOG_PROOF_EXTRA_BYTES_MAX}")]
    ExtraTooLong {
        /// Their length.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the proof is not UTF-8")]
    NotUtf8,
    /// No empty line before the checkpoint.
    #[error("the proof has no empty line before its checkpoint")]
    NoEmptyLine,
    /// Another first line.
    #[error("the first line of a proof is {HEADER}")]
    Header,
    /// The line of extra data has none, or is no base64.
    #[error("a line of extra data is `extra <base64>`; without data it is left out")]
    Extra,
    /// No index where it belongs.
    #[error("the proof has no line `index <number>`, in decimal without leading zeros")]
    Index,
    /// Malformed hashes, or too many.
    #[error(transparent)]
    Path(#[from] HashLinesError),
    /// What follows the empty line is no signed note.
    #[error("the checkpoint of the proof is malformed: {0}")]
    Note(#[from] NoteError),
    /// The note is over something else.
    #[error("the checkpoint of the proof is malformed: {0}")]
    Checkpoint(#[from] CheckpointError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{TreeSize, leaf_hash, node_hash};
    use crate::signer::NoteSigner;
    use ed25519_dalek::SigningKey;

    fn note(size: u64, root: Hash) -> Note {
        let signer = NoteSigner::new("o", SigningKey::from_bytes(&[1; 32])).unwrap();
        let body = Checkpoint::new("o", TreeSize(size), root).unwrap().body();
        Note::new(&body, vec![signer.sign(&body).unwrap()]).unwrap()
    }

    fn proof(extra: &[u8]) -> TlogProof {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let note = note(2, node_hash(&a, &b));
        TlogProof::new(extra.to_vec(), LeafIndex(1), vec![a], note).unwrap()
    }

    #[test]
    fn it_shows_its_leaf_and_no_other() {
        let proof = proof(b"");
        assert_eq!(proof.verify_inclusion(&leaf_hash(b"b")), Ok(()));
        assert!(proof.verify_inclusion(&leaf_hash(b"a")).is_err());
        let only = leaf_hash(b"a");
        let single = TlogProof::new(vec![], LeafIndex(0), vec![], note(1, only)).unwrap();
        assert_eq!(single.verify_inclusion(&only), Ok(()));
        assert_eq!(TlogProof::parse(single.to_string().as_bytes()), Ok(single));
    }

    #[test]
    fn only_the_one_spelling_passes() {
        let good = proof(b"more").to_string();
        assert_eq!(TlogProof::parse(good.as_bytes()), Ok(proof(b"more")));
        assert!(good.contains("\nextra bW9yZQ==\nindex 1\n"));
        let error = |from: &str, to: &str| {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good, "{from}");
            TlogProof::parse(changed.as_bytes()).unwrap_err()
        };
        assert_eq!(error("v1", "v2"), TlogProofError::Header);
        assert_eq!(error("c2sp", "\nc2sp"), TlogProofError::Header);
        for extra in [
            "extra ",
            "extra bW9yZQ",
            "extra bW9yZQ== ",
            "extra bW9yZR==",
        ] {
            assert_eq!(error("extra bW9yZQ==", extra), TlogProofError::Extra);
        }
        for line in [
            "index 01", "index +1", "index", "index 1 ", "index -1", "1", "INDEX 1",
        ] {
            assert_eq!(error("index 1", line), TlogProofError::Index, "{line}");
        }
        let twice = "extra bW9yZQ==\nextra bW9yZQ==";
        assert_eq!(error("extra bW9yZQ==", twice), TlogProofError::Index);
        let hash = leaf_hash(b"a").to_base64();
        let short = TlogProofError::Path(HashLinesError::Hash {
            number: 0,
            source: crate::hash::HashError::Base64,
        });
        assert_eq!(error(&hash, &hash[..43]), short);
        assert!(matches!(
            error("\n\n", "\n\n\n"),
            TlogProofError::Checkpoint(_)
        ));
        assert!(matches!(
            error("o\n2", "o\n02"),
            TlogProofError::Checkpoint(_)
        ));
        assert!(matches!(
            error("\n\n", "\r\n\r\n"),
            TlogProofError::Header | TlogProofError::Path(_)
        ));
        let unended = TlogProof::parse(good.trim_end().as_bytes());
        assert_eq!(unended, Err(TlogProofError::Note(NoteError::LineNotEnded)));
        let trailing = TlogProof::parse(format!("{good}\n").as_bytes());
        assert!(matches!(trailing, Err(TlogProofError::Note(_))));
    }

    #[test]
    fn lengths_have_limits() {
        let good = proof(b"");
        let make = |extra: usize, hashes: usize| {
            let path = vec![leaf_hash(b"a"); hashes];
            TlogProof::new(vec![7; extra], LeafIndex(u64::MAX), path, good.note.clone())
        };
        let (extra, hashes) = (TLOG_PROOF_EXTRA_BYTES_MAX, PROOF_HASHES_MAX);
        let greatest = make(extra, hashes).unwrap();
        assert_eq!(
            TlogProof::parse(greatest.to_string().as_bytes()),
            Ok(greatest)
        );
        let bytes = extra + 1;
        assert_eq!(make(bytes, 0), Err(TlogProofError::ExtraTooLong { bytes }));
        let many = TlogProofError::Path(HashLinesError::TooMany);
        assert_eq!(make(0, hashes + 1), Err(many.clone()));
        let line = format!(
            "index 1\n{}",
            format!("{}\n", leaf_hash(b"x").to_base64()).repeat(63)
        );
        let long = good.to_string().replace("index 1\n", &line);
        assert_eq!(TlogProof::parse(long.as_bytes()), Err(many));
        let bytes = TLOG_PROOF_BYTES_MAX + 1;
        let result = TlogProof::parse(&vec![b'a'; bytes]);
        assert_eq!(result, Err(TlogProofError::TooLong { bytes }));
    }
}
