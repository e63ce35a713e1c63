//! Testimony: what members have signed about the log, as far as this node has collected it.
//!
//! Commit certificates, cosignatures and evidence follow from no block: other nodes hold other
//! signatures of the same things, and what is lost cannot be computed again. So they are no
//! part of the state and its digest, and have a digest of their own: the same sum over their
//! cells, which changes in one batch with them and is compared at open.
//!
//! ```text
//! certificate  height       → canonical bytes of the commit certificate; empty: not known
//! cosignatures size         → attested u8 ‖ note signature lines, each with its newline
//! attested     nothing      → size u64 of the newest attested checkpoint
//! evidence     slot u16     → order u64 ‖ canonical bytes of the equivocation
//! ```

use std::collections::BTreeMap;

use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::evidence::Equivocation;
use credlog_ledger::ids::{Height, MemberId, Origin, ValueId};
use credlog_ledger::rows::SealRow;
use credlog_ledger::state::{State, ViewError};
use credlog_tlog::{Checkpoint, Hash, LeafIndex, NoteSignature, TreeSize};

use crate::cell::{self, Kind, after_prefix, attested_key, certificate_key, cosignatures_key};
use crate::cell::{evidence_key, testimony_key};
use crate::fault::{Fatal, Fault};
use crate::generation::{Cell, Cells};
use crate::snapshot::{Rows, Snapshot};
use credlog_ledger::state::StateDigest;

/// Most cosignatures of a checkpoint that are kept.
pub const COSIGNATURES_MAX: usize = 256;
/// Most bytes of their lines.
pub const COSIGNATURES_BYTES_MAX: usize = 1 << 18;
/// Most equivocations that are kept; then the oldest of the member with the most goes.
pub const EVIDENCE_MAX: usize = 1_024;
/// Cells read at a time.
const CHUNK_CELLS: usize = 512;

/// The cosignatures of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignatures {
    /// Leaves of the checkpoint's log: the size after a seal.
    pub size: u64,
    /// Whether a quorum of the members has cosigned it (rule C5). The caller judges.
    pub attested: bool,
    /// The signature lines, at most [`COSIGNATURES_MAX`].
    pub lines: Vec<NoteSignature>,
}

/// Testimony that is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TestimonyError {
    /// No block ends there.
    #[error("no committed checkpoint has size {size}")]
    NoCheckpoint {
        /// Leaves of the log.
        size: u64,
    },
    /// There is no such block yet.
    #[error("height {height} is not committed; the store is at height {head}")]
    NotCommitted {
        /// The height.
        height: Height,
        /// Height of the store.
        head: Height,
    },
    /// It decides something else than what is stored.
    #[error(
        "the certificate of height {height} is for value {certified}, the block stored there \
         leads to {stored}: the members have decided two values, stop and inform them"
    )]
    OtherValue {
        /// The height.
        height: Height,
        /// What the certificate decides.
        certified: ValueId,
        /// What the stored block leads to.
        stored: ValueId,
    },
    /// More than is kept.
    #[error(
        "{count} cosignatures of {bytes} bytes; at most {COSIGNATURES_MAX} of \
         {COSIGNATURES_BYTES_MAX} bytes are kept"
    )]
    TooMany {
        /// How many.
        count: usize,
        /// Bytes of their lines.
        bytes: usize,
    },
    /// An attested checkpoint would lose its quorum.
    #[error("the checkpoint of size {size} is attested; fewer cosignatures do not replace that")]
    Attested {
        /// Leaves of the log.
        size: u64,
    },
    /// It has no canonical bytes.
    #[error("it has no canonical bytes: {0}")]
    Form(String),
    /// What is stored cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Writing failed.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

impl Cosignatures {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, TestimonyError> {
        let lines: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        let (count, bytes) = (self.lines.len(), lines.len());
        if count > COSIGNATURES_MAX || bytes > COSIGNATURES_BYTES_MAX {
            return Err(TestimonyError::TooMany { count, bytes });
        }
        Ok([&[u8::from(self.attested)], lines.as_bytes()].concat())
    }

    pub(crate) fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, Fault> {
        let read = || {
            let (attested, lines) = bytes.split_first().filter(|(flag, _)| **flag <= 1)?;
            let lines = std::str::from_utf8(lines).ok()?;
            let lines = lines.lines().map(|line| line.parse().ok());
            Some(Self {
                size,
                attested: *attested == 1,
                lines: lines.collect::<Option<_>>()?,
            })
        };
        let damaged = || Fault::damaged(format!("the cosignatures of size {size} are none"));
        read().ok_or_else(damaged)
    }
}

impl Snapshot<'_> {
    /// The commit certificate of a height; nothing for genesis, for heights that are not
    /// committed, and where it is known to be lost.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, ViewError> {
        Ok(self.cells().certificate(height)?)
    }

    /// The cosignatures of the checkpoint of this size, if any were kept.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn cosignatures(&self, size: u64) -> Result<Option<Cosignatures>, ViewError> {
        Ok(self.cells().cosignatures(size)?)
    }

    /// The newest checkpoint with a quorum of cosignatures, and these.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn newest_attested(&self) -> Result<Option<Cosignatures>, ViewError> {
        Ok(self.cells().newest_attested()?)
    }
}

impl Cells<'_> {
    pub(crate) fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, Fault> {
        if height.0 == 0 || height > self.generation.head.height {
            return Ok(None);
        }
        let missing = || Fault::damaged(format!("the certificate of height {height} is lost"));
        let bytes = self.value(&certificate_key(height))?;
        read_certificate(height, &bytes.ok_or_else(missing)?)
    }

    /// As [`certificate`](Self::certificate), compared with the seal's row.
    pub(crate) fn check_certificate(&self, height: Height) -> Result<(), Fault> {
        let Some(certificate) = self.certificate(height)? else {
            return Ok(());
        };
        if certificate.value != value_at(*self, height)? {
            let what = format!("the certificate of height {height} is for another block");
            return Err(Fault::damaged(what));
        }
        Ok(())
    }

    pub(crate) fn cosignatures(&self, size: u64) -> Result<Option<Cosignatures>, Fault> {
        if size > self.generation.head.size {
            return Ok(None);
        }
        let bytes = self.value(&cosignatures_key(size))?;
        bytes
            .map(|bytes| Cosignatures::from_bytes(size, &bytes))
            .transpose()
    }

    fn newest_attested(&self) -> Result<Option<Cosignatures>, Fault> {
        let Some(bytes) = self.value(&attested_key())? else {
            return Ok(None);
        };
        let damaged = || Fault::damaged("the size of the newest attested checkpoint is none");
        let size = u64::from_be_bytes(bytes.try_into().map_err(|_| damaged())?);
        if size <= self.generation.head.size {
            return self.cosignatures(size)?.ok_or_else(damaged).map(Some);
        }
        // Attested after this state: the newest one up to this state's end.
        let mut end = after(&cosignatures_key(self.generation.head.size));
        while let Some((key, bytes)) = self.below(&[Kind::Cosignatures as u8], &end)? {
            let found = Cosignatures::from_bytes(number(&key), &bytes)?;
            if found.attested {
                return Ok(Some(found));
            }
            end = key;
        }
        Ok(None)
    }
}

fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The number at the end of a key with a height or a size.
fn number(key: &[u8]) -> u64 {
    key.last_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Reads a certificate's cell; nothing where it is known to be lost.
pub(crate) fn read_certificate(
    height: Height,
    bytes: &[u8],
) -> Result<Option<CommitCertificate>, Fault> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let fault = |what: &str| Fault::damaged(format!("the certificate of height {height}: {what}"));
    let read = CommitCertificate::from_bytes(bytes);
    let certificate = read.map_err(|error| fault(&error.to_string()))?;
    match certificate.height == height {
        true => Ok(Some(certificate)),
        false => Err(fault("it is of another height")),
    }
}

/// The value to which the block of a height leads.
pub(crate) fn value_at(cells: Cells<'_>, height: Height) -> Result<ValueId, Fault> {
    let rows = Rows(cells);
    let state = State(&rows);
    let missing = || Fault::damaged(format!("the row of the seal of height {height} is missing"));
    let seal = state.seal(height)?.ok_or_else(missing)?;
    value_of(&state.ledger()?.origin, &seal)
}

fn value_of(origin: &Origin, seal: &SealRow) -> Result<ValueId, Fault> {
    let checkpoint = Checkpoint::new(origin.as_str(), TreeSize(seal.size), Hash(seal.root.0));
    let checkpoint = checkpoint.map_err(|error| Fault::damaged(error.to_string()))?;
    Ok(ValueId::of(&checkpoint))
}

/// The height whose seal is the last leaf of the log of a size.
pub(crate) fn height_of_size(cells: Cells<'_>, size: u64) -> Result<Option<Height>, Fault> {
    if size == 0 || size > cells.generation.head.size {
        return Ok(None);
    }
    let rows = Rows(cells);
    let state = State(&rows);
    let Some((height, _)) = state.block_of(LeafIndex(size - 1))? else {
        return Ok(None);
    };
    let seal = state.seal(height)?;
    Ok(seal.is_some_and(|seal| seal.size == size).then_some(height))
}

/// Cells of testimony to write, with the digest that goes with them.
pub(crate) struct Draft<'s> {
    cells: Cells<'s>,
    pub(crate) digest: StateDigest,
    pub(crate) puts: Vec<Cell>,
}

impl<'s> Draft<'s> {
    pub(crate) fn new(cells: Cells<'s>, digest: StateDigest) -> Self {
        let puts = Vec::new();
        Self {
            cells,
            digest,
            puts,
        }
    }

    /// Writes a cell, once in a draft.
    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Fault> {
        if let Some(old) = self.cells.value(&key)? {
            self.digest.remove(&key, &old);
        }
        self.digest.add(&key, &value);
        self.puts.push((key, value));
        Ok(())
    }

    /// All cells, the digest's too.
    pub(crate) fn finish(mut self) -> (Vec<Cell>, StateDigest) {
        let digest = self.digest;
        self.puts
            .push((testimony_key(), digest.to_bytes().to_vec()));
        (self.puts, digest)
    }
}

/// Cells as sled takes them.
pub(crate) fn batch(cells: Vec<Cell>) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for (key, value) in cells {
        let sealed = cell::seal(&key, value);
        batch.insert(key, sealed);
    }
    batch
}

/// One equivocation that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    order: u64,
    evidence: Equivocation,
}

impl Kept {
    fn key(&self) -> (&MemberId, Height) {
        (&self.evidence.member, self.evidence.conflict.height())
    }
}

/// All evidence, by slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EvidenceList(BTreeMap<u16, Kept>);

impl EvidenceList {
    /// All, the oldest first.
    pub(crate) fn all(&self) -> Vec<Equivocation> {
        let mut kept: Vec<_> = self.0.values().collect();
        kept.sort_by_key(|kept| kept.order);
        kept.into_iter().map(|kept| kept.evidence.clone()).collect()
    }

    pub(crate) fn read(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let what = cell::describe(key);
        let malformed = || Fault::damaged(format!("{what} has another form"));
        let (order, bytes) = value.split_first_chunk::<8>().ok_or_else(malformed)?;
        let evidence = Equivocation::from_bytes(bytes)
            .map_err(|error| Fault::damaged(format!("{what}: {error}")))?;
        let slot = u16::from_be_bytes(*key.last_chunk::<2>().ok_or_else(malformed)?);
        let order = u64::from_be_bytes(*order);
        self.0.insert(slot, Kept { order, evidence });
        Ok(())
    }

    /// Adds evidence; answers the cell to write, or nothing if it is there.
    pub(crate) fn put(&mut self, evidence: &Equivocation) -> Result<Option<Cell>, TestimonyError> {
        let bytes = evidence.to_bytes();
        let bytes = bytes.map_err(|error| TestimonyError::Form(error.to_string()))?;
        if self.0.values().any(|kept| kept.evidence == *evidence) {
            return Ok(None);
        }
        let order = self
            .0
            .values()
            .map(|kept| kept.order + 1)
            .max()
            .unwrap_or(0);
        let kept = Kept {
            order,
            evidence: evidence.clone(),
        };
        let slot = self.slot_for(&kept);
        self.0.insert(slot, kept);
        let value = [&order.to_be_bytes()[..], &bytes].concat();
        Ok(Some((evidence_key(slot), value)))
    }

    fn slot_for(&self, new: &Kept) -> u16 {
        let same = self.0.iter().find(|(_, kept)| kept.key() == new.key());
        if let Some((slot, _)) = same {
            return *slot;
        }
        if self.0.len() < EVIDENCE_MAX {
            return (0..).find(|slot| !self.0.contains_key(slot)).unwrap_or(0);
        }
        // One member's misdeeds must not push out what is known of another.
        let mut counts: BTreeMap<&MemberId, usize> = BTreeMap::new();
        for kept in self.0.values() {
            *counts.entry(&kept.evidence.member).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        let of_most = self
            .0
            .iter()
            .filter(|(_, kept)| most.is_some_and(|(member, _)| kept.evidence.member == *member));
        let oldest = of_most.min_by_key(|(_, kept)| kept.order);
        oldest.map_or(0, |(slot, _)| *slot)
    }
}

/// Reads all testimony of a store and compares it with its digest.
pub(crate) fn scan(cells: Cells<'_>) -> Result<(StateDigest, EvidenceList), Fault> {
    let (mut digest, mut evidence) = (StateDigest::default(), EvidenceList::default());
    let mut certificates = 0;
    let (first, last) = (Kind::Certificate as u8, Kind::Evidence as u8);
    let end = after_prefix(&[last]);
    let mut next = Some(vec![first]);
    while let Some(start) = next {
        let (found, more) = cells.chunk(&start, end.as_deref(), CHUNK_CELLS)?;
        for (key, value) in found {
            digest.add(&key, &value);
            match Kind::parse(&key) {
                Some((Kind::Certificate, height, _)) => {
                    read_certificate(Height(height), &value)?;
                    certificates += 1;
                }
                Some((Kind::Cosignatures, size, _)) => {
                    Cosignatures::from_bytes(size, &value)?;
                }
                Some((Kind::Evidence, ..)) => evidence.read(&key, &value)?,
                _ => {}
            }
        }
        next = more;
    }
    let height = cells.generation.head.height.0;
    if certificates != height {
        let what = format!("{certificates} of {height} certificates are there");
        return Err(Fault::damaged(what));
    }
    let missing = || Fault::damaged("the digest of the testimony is missing");
    let stored = cells.value(&testimony_key())?.ok_or_else(missing)?;
    if stored != digest.to_bytes() {
        return Err(Fault::damaged(format!(
            "certificates, cosignatures and evidence have digest {digest}, another was stored"
        )));
    }
    Ok((digest, evidence))
}
