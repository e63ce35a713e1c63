//! Making receipts from a ledger as a node (or an auditor) keeps it.

use std::collections::{BTreeMap, BTreeSet};

use credlog_ledger::archive::Archive;
use credlog_ledger::attestation::{Attestation, Cosigned};
use credlog_ledger::ids::{Digest, Height, IssuerId, IssuerNumber, ListNumber, UnixMillis};
use credlog_ledger::member::MemberSet;
use credlog_ledger::rows::{CredentialRow, SealRow};
use credlog_ledger::state::{SealedTrees, State, ViewError};
use credlog_ledger::status::{Status, chunk_of};
use credlog_tlog::{
    Checkpoint, Hash, LeafIndex, Note, NoteSignature, TreeError, TreeSize, consistency_proof,
    inclusion_proof,
};

use super::{
    Base64, ChangeProof, ChunkProof, ConsistencyProof, EntryProof, Format, HashText, LeafProof,
    Path, RECEIPT_BYTES_MAX, RECEIPT_CREDENTIALS_MAX, Receipt, Statement,
};
use crate::facts::MATCHES_MAX;

/// Bytes of parts in one receipt, which base64 makes a third longer.
const PARTS_BYTES_MAX: usize = RECEIPT_BYTES_MAX / 4 * 3 - (1 << 20);
/// What a proof and the names around it take, on the same scale.
const PROOF_BYTES: usize = 1_200;

/// What a receipt is to be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The credentials; without an issuer, as issued by everybody who issued them.
    pub credentials: Vec<(Digest, Option<IssuerId>)>,
    /// The time asked about; `None` for now.
    pub at: Option<UnixMillis>,
    /// Changes of the member set are shown that came after this height.
    pub since: Height,
    /// Leaves of the checkpoint that the verifier trusts, to be shown to be of one log.
    pub trusted: Option<TreeSize>,
}

/// Why there is no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// Nothing that was asked about is on the ledger, as far as it is attested.
    #[error(
        "none of the credentials is on the ledger: the checkpoint of {size} leaves (height \
         {height}, attested as of {as_of}) was looked at"
    )]
    NotAnchored {
        /// Leaves of the checkpoint.
        size: TreeSize,
        /// Height of its seal.
        height: Height,
        /// Its as-of time.
        as_of: UnixMillis,
    },
    /// The ledger is not attested up to the time asked about.
    #[error("the ledger is attested as of {as_of} only, earlier than {at}; ask again later")]
    NotReached {
        /// The time asked about.
        at: UnixMillis,
        /// As-of time of the newest attested checkpoint.
        as_of: UnixMillis,
    },
    /// No block ends at the trusted size, or it is none.
    #[error(
        "no checkpoint of this ledger has {trusted} leaves: it has not come that far here, or \
         the verifier trusts another history"
    )]
    NoSuchCheckpoint {
        /// Leaves of the trusted checkpoint.
        trusted: TreeSize,
    },
    /// The certificate of a change of the member set is lost here.
    #[error("this node has lost the commit certificate of height {height}; ask another node")]
    CertificateLost {
        /// Height of the change.
        height: Height,
    },
    /// Too many credentials at once.
    #[error("{count} credentials; a receipt is about at most {RECEIPT_CREDENTIALS_MAX}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// It would be longer than any receipt that is read.
    #[error(
        "the receipt would be longer than {RECEIPT_BYTES_MAX} bytes; ask for fewer credentials at \
         once, and with `since` if the members changed often"
    )]
    TooLarge,
    /// The ledger cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// A height that changed the member set, with its proof.
type Change = (Height, Result<ChangeProof, MakeError>);

/// An attested checkpoint, as receipts show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    checkpoint: Checkpoint,
    height: Height,
    as_of: UnixMillis,
    /// With the newest cosignatures of exactly a quorum.
    note: String,
    /// Since genesis; one of which the certificate is lost here fails those who need it.
    changes: Vec<Change>,
}

impl Attested {
    /// The checkpoint of a size with the newest cosignatures of a quorum of the members in force
    /// after it; `None` if `cosignatures` hold none. `before`, one of an earlier checkpoint of the
    /// same ledger, saves work.
    ///
    /// # Errors
    /// [`MakeError::View`], also if the size is that of no block's end.
    pub fn read(
        archive: &impl Archive,
        size: TreeSize,
        cosignatures: &[NoteSignature],
        before: Option<&Self>,
    ) -> Result<Option<Self>, MakeError> {
        let state = State(archive);
        let damaged = |what: String| MakeError::View(ViewError::Damaged(what));
        let height = state
            .height_of_size(size)?
            .ok_or_else(|| damaged(format!("no block ends at {size} leaves")))?;
        let row = seal_row(state, height)?;
        let origin = state.ledger()?.origin;
        let members = state
            .members_at(height)?
            .ok_or_else(|| damaged(format!("there are no members at height {height}")))?;
        let checkpoint = Checkpoint::new(origin.as_str(), size, Hash(row.root.0))
            .map_err(|error| damaged(error.to_string()))?;
        let mut known: BTreeMap<_, (u64, &NoteSignature)> = BTreeMap::new();
        for line in cosignatures {
            // Each was verified when it came; what does not verify now does not count.
            let cosigned = Cosigned::by_member(&members, &origin, &checkpoint, line);
            if let Ok(Some(cosigned)) = cosigned {
                let newest = known.entry(cosigned.member).or_insert((0, line));
                if cosigned.time_seconds >= newest.0 {
                    *newest = (cosigned.time_seconds, line);
                }
            }
        }
        let mut lines: Vec<(u64, &NoteSignature)> = known.into_values().collect();
        lines.sort_by(|(a, _), (b, _)| b.cmp(a));
        lines.truncate(members.quorum());
        let mut lines: Vec<NoteSignature> =
            lines.into_iter().map(|(_, line)| line.clone()).collect();
        lines.sort_by(|a, b| a.name().cmp(b.name()));
        let attestation = Attestation::of(&members, &origin, &checkpoint, &lines);
        let as_of = attestation.ok().and_then(|attestation| attestation.as_of());
        let Some(as_of) = as_of else {
            return Ok(None);
        };
        let note = Note::new(&checkpoint.body(), lines)
            .map_err(|error| damaged(error.to_string()))?
            .to_string();
        let mut changes = match before {
            Some(before) if before.height <= height => {
                let good = before
                    .changes
                    .iter()
                    .take_while(|(_, change)| change.is_ok());
                good.cloned().collect()
            }
            _ => Vec::new(),
        };
        let known = changes.last().map_or(Height(0), |(height, _)| *height);
        changes.extend(member_changes(archive, known, height)?);
        Ok(Some(Self {
            checkpoint,
            height,
            as_of,
            note,
            changes,
        }))
    }

    /// Leaves of the log.
    pub fn size(&self) -> TreeSize {
        self.checkpoint.size()
    }

    /// Height of its seal.
    pub fn height(&self) -> Height {
        self.height
    }

    /// Its as-of time.
    pub fn as_of(&self) -> UnixMillis {
        self.as_of
    }

    /// The signed note: the checkpoint and exactly a quorum of cosignatures.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The changes of the member set after a height.
    ///
    /// # Errors
    /// [`MakeError::CertificateLost`] and [`MakeError::View`].
    pub fn changes_since(&self, since: Height) -> Result<Vec<ChangeProof>, MakeError> {
        let later = self.changes.iter().filter(|(height, _)| *height > since);
        later.map(|(_, change)| change.clone()).collect()
    }
}

/// The changes of the member set above one height and up to another, each with its proof.
fn member_changes(
    archive: &impl Archive,
    after: Height,
    until: Height,
) -> Result<Vec<Change>, MakeError> {
    let changes = State(archive)
        .member_changes(after, usize::MAX)?
        .into_iter();
    let changes = changes.take_while(|(height, _)| *height <= until);
    let proven =
        |(height, members): (Height, MemberSet)| (height, change_proof(archive, height, &members));
    Ok(changes.map(proven).collect())
}

fn change_proof(
    archive: &impl Archive,
    height: Height,
    members: &MemberSet,
) -> Result<ChangeProof, MakeError> {
    let row = seal_row(State(archive), height)?;
    let certificate = archive
        .certificate(height)?
        .ok_or(MakeError::CertificateLost { height })?;
    let last = LeafIndex(row.size - 1);
    let path = inclusion_proof(archive, last, TreeSize(row.size)).map_err(tree)?;
    Ok(ChangeProof {
        certificate: Base64(certificate.to_bytes().map_err(|error| damage(&error))?),
        members: Base64(members.to_bytes().map_err(|error| damage(&error))?),
        path: Path(path),
        root: HashText(Hash(row.root.0)),
        seal: Base64(row.seal.leaf().map_err(|error| damage(&error))?),
        size: row.size,
    })
}

/// Makes a receipt about those credentials that the ledger has at the time asked about.
///
/// The second part of the answer are the digests that it does not have.
///
/// # Errors
/// Every [`MakeError`].
pub fn make(
    archive: &impl Archive,
    attested: &Attested,
    wanted: &Wanted,
) -> Result<(Receipt, Vec<Digest>), MakeError> {
    let count = wanted.credentials.len();
    if count > RECEIPT_CREDENTIALS_MAX {
        return Err(MakeError::TooMany { count });
    }
    let not_anchored = || MakeError::NotAnchored {
        size: attested.size(),
        height: attested.height,
        as_of: attested.as_of,
    };
    let Some((seal, next)) = seals_at(archive, attested, wanted.at)? else {
        return Err(not_anchored());
    };
    let mut making = Making::new(archive, attested, seal);
    let mut missing = Vec::new();
    for (digest, issuer) in &wanted.credentials {
        if making.credential(digest, issuer.as_ref())? == 0 {
            missing.push(*digest);
        }
        let count = making.statements.len();
        if count > RECEIPT_CREDENTIALS_MAX {
            return Err(MakeError::TooMany { count });
        }
    }
    if making.statements.is_empty() {
        return Err(not_anchored());
    }
    if let Some(next) = &next {
        making.leaves.insert(next.size - 1);
    }
    let receipt = making.finish(wanted, next.as_ref())?;
    Ok((receipt, missing))
}

/// The as-of seal, and the one after it if that has to be shown; nothing if there was none yet.
fn seals_at(
    archive: &impl Archive,
    attested: &Attested,
    at: Option<UnixMillis>,
) -> Result<Option<(SealRow, Option<SealRow>)>, MakeError> {
    let state = State(archive);
    let Some(at) = at else {
        return Ok(Some((seal_row(state, attested.height)?, None)));
    };
    let Some(found) = state.seal_not_after(at)? else {
        return Ok(None);
    };
    if found.height < attested.height {
        let next = seal_row(state, found.height.next())?;
        return Ok(Some((seal_row(state, found.height)?, Some(next))));
    }
    if attested.as_of < at {
        let as_of = attested.as_of;
        return Err(MakeError::NotReached { at, as_of });
    }
    Ok(Some((seal_row(state, attested.height)?, None)))
}

/// A receipt in the making.
struct Making<'a, A> {
    archive: &'a A,
    attested: &'a Attested,
    seal: SealRow,
    leaves: BTreeSet<u64>,
    /// By the leaf index of the seal; with the seal.
    entries: BTreeMap<(u64, IssuerNumber), SealRow>,
    chunks: BTreeSet<(ListNumber, u32)>,
    statements: BTreeMap<(Digest, IssuerNumber), Statement>,
}

impl<'a, A: Archive> Making<'a, A> {
    fn new(archive: &'a A, attested: &'a Attested, seal: SealRow) -> Self {
        let last = attested.size().0 - 1;
        Self {
            archive,
            attested,
            leaves: BTreeSet::from([last, seal.size - 1]),
            seal,
            entries: BTreeMap::new(),
            chunks: BTreeSet::new(),
            statements: BTreeMap::new(),
        }
    }

    fn state(&self) -> State<'a> {
        State(self.archive)
    }

    /// Takes up what the ledger says of a credential; answers how often it was issued.
    fn credential(
        &mut self,
        digest: &Digest,
        issuer: Option<&IssuerId>,
    ) -> Result<usize, MakeError> {
        let state = self.state();
        let rows = match issuer {
            None => state.credentials(digest)?,
            Some(id) => match state.issuer_number(id)? {
                None => Vec::new(),
                Some(number) => {
                    let row = state.credential(digest, number)?;
                    row.map(|row| (number, row)).into_iter().collect()
                }
            },
        };
        let size = self.seal.size;
        let rows = rows.into_iter().filter(|(_, row)| row.leaf.0 < size);
        let rows: Vec<_> = rows.take(MATCHES_MAX).collect();
        for (number, row) in &rows {
            self.statement(digest, *number, row)?;
        }
        Ok(rows.len())
    }

    fn statement(
        &mut self,
        digest: &Digest,
        issuer: IssuerNumber,
        row: &CredentialRow,
    ) -> Result<(), MakeError> {
        let issue_seal = self.seal_of(row.leaf)?;
        let at_issue = issue_seal.size - 1;
        let changed = self.change(row)?;
        let status = match changed {
            None => None,
            Some(leaf) => Some((leaf.0, self.seal_of(leaf)?.size - 1)),
        };
        self.leaves.extend([row.leaf.0, at_issue]);
        self.leaves
            .extend(status.into_iter().flat_map(<[u64; 2]>::from));
        self.entries.insert((at_issue, issuer), issue_seal);
        let seal = self.seal.clone();
        self.entries.insert((seal.size - 1, issuer), seal);
        self.chunks.insert((row.list, chunk_of(row.index)));
        let statement = Statement {
            digest: *digest,
            issue: row.leaf.0,
            issue_seal: at_issue,
            issuer,
            status: status.map(|(leaf, _)| leaf),
            status_seal: status.map(|(_, seal)| seal),
        };
        self.statements.insert((*digest, issuer), statement);
        Ok(())
    }

    /// The record that made the status what it is at the as-of seal.
    fn change(&self, row: &CredentialRow) -> Result<Option<LeafIndex>, MakeError> {
        let state = self.state();
        let chunk = state.chunk_at(row.list, chunk_of(row.index), self.seal.seal.height)?;
        if chunk.status(row.index) == Status::Valid {
            return Ok(None);
        }
        let last = LeafIndex(self.seal.size - 1);
        let newest = state.newest_status_events(row.list, row.index, last, 1)?;
        let newest = newest.first().map(|event| event.leaf);
        let missing = || damage(&format!("position {} of list {}", row.index, row.list));
        newest.ok_or_else(missing).map(Some)
    }

    fn seal_of(&self, leaf: LeafIndex) -> Result<SealRow, MakeError> {
        let found = self.state().block_of(leaf)?;
        let (height, _) = found.ok_or_else(|| damage(&format!("leaf {leaf} is in no block")))?;
        seal_row(self.state(), height)
    }

    fn finish(self, wanted: &Wanted, next: Option<&SealRow>) -> Result<Receipt, MakeError> {
        let mut room = PARTS_BYTES_MAX;
        let mut leaves = Vec::with_capacity(self.leaves.len());
        for leaf in &self.leaves {
            let proof = self.leaf_proof(*leaf)?;
            take(&mut room, proof.leaf.0.len())?;
            leaves.push(proof);
        }
        let mut entries = Vec::with_capacity(self.entries.len());
        for ((_, issuer), row) in &self.entries {
            let proof = self.entry_proof(*issuer, row)?;
            take(&mut room, proof.entry.0.len())?;
            entries.push(proof);
        }
        let members = self.attested.changes_since(wanted.since)?;
        for change in &members {
            take(
                &mut room,
                change.members.0.len() + change.certificate.0.len(),
            )?;
        }
        let chunks = self.chunks.iter();
        let trees = self.state().sealed_trees(&self.seal.seal);
        let chunks = chunks.map(|(list, chunk)| self.chunk_proof(&trees, *list, *chunk));
        let chunks = chunks.collect::<Result<_, _>>()?;
        Ok(Receipt {
            at: wanted.at,
            checkpoint: self.attested.note.clone(),
            chunks,
            consistency: self.consistency(wanted.trusted)?,
            credentials: self.statements.into_values().collect(),
            entries,
            leaves,
            ledger: State(self.archive).ledger()?.id,
            members,
            next: next.map(|next| next.size - 1),
            seal: self.seal.size - 1,
            since: Some(wanted.since).filter(|since| since.0 > 0),
            format: Format::V1,
        })
    }

    fn leaf_proof(&self, index: u64) -> Result<LeafProof, MakeError> {
        let leaf = self.archive.leaf(LeafIndex(index))?;
        let leaf = leaf.ok_or_else(|| damage(&format!("leaf {index} is not there")))?;
        let path = inclusion_proof(self.archive, LeafIndex(index), self.attested.size());
        Ok(LeafProof {
            index,
            leaf: Base64(leaf),
            path: Path(path.map_err(tree)?),
        })
    }

    fn entry_proof(&self, issuer: IssuerNumber, row: &SealRow) -> Result<EntryProof, MakeError> {
        let state = self.state();
        let entry = state.issuer_at(issuer, row.seal.height)?;
        let entry = entry.ok_or_else(|| damage(&format!("issuer {issuer} has no entry")))?;
        Ok(EntryProof {
            entry: Base64(entry.to_bytes().map_err(|error| damage(&error))?),
            issuer,
            path: Path(state.sealed_trees(&row.seal).registry_path(issuer)?),
            seal: row.size - 1,
        })
    }

    fn chunk_proof(
        &self,
        trees: &SealedTrees<'_>,
        list: ListNumber,
        chunk: u32,
    ) -> Result<ChunkProof, MakeError> {
        let height = self.seal.seal.height;
        let bits = self.state().chunk_at(list, chunk, height)?;
        Ok(ChunkProof {
            bits: HashText(Hash(bits.0)),
            chunk,
            list,
            path: Path(trees.status_path(list, chunk)?),
        })
    }

    fn consistency(
        &self,
        trusted: Option<TreeSize>,
    ) -> Result<Option<ConsistencyProof>, MakeError> {
        let own = self.attested.size();
        let Some(trusted) = trusted.filter(|trusted| *trusted != own && trusted.0 > 0) else {
            return Ok(None);
        };
        let none = MakeError::NoSuchCheckpoint { trusted };
        let state = self.state();
        let height = state.height_of_size(trusted)?.ok_or(none)?;
        let root = Hash(seal_row(state, height)?.root.0);
        let (old, new) = (trusted.min(own), trusted.max(own));
        let path = consistency_proof(self.archive, old, new).map_err(tree)?;
        Ok(Some(ConsistencyProof {
            path: Path(path),
            root: HashText(root),
            size: trusted.0,
        }))
    }
}

/// Takes the bytes of a part and its proof off what is left of a receipt.
fn take(room: &mut usize, bytes: usize) -> Result<(), MakeError> {
    *room = room
        .checked_sub(bytes + PROOF_BYTES)
        .ok_or(MakeError::TooLarge)?;
    Ok(())
}

fn seal_row(state: State<'_>, height: Height) -> Result<SealRow, MakeError> {
    let row = state.seal(height)?;
    row.ok_or_else(|| damage(&format!("there is no seal of height {height}")))
}

fn damage(what: &dyn std::fmt::Display) -> MakeError {
    MakeError::View(ViewError::Damaged(what.to_string()))
}

fn tree(error: TreeError<ViewError>) -> MakeError {
    match error {
        TreeError::Reader(error) => error.into(),
        other => damage(&other),
    }
}
