//! What a receipt says about one credential (check 12 of docs/formats.md).

use std::collections::BTreeSet;

use credlog_ledger::body::{Body, Item, Reason};
use credlog_ledger::entry::{Accreditation, IssuerEntry};
use credlog_ledger::ids::{
    AchievementId, Digest, Height, IssuerNumber, KeyId, LeafIndex, ListNumber, RecordId,
    StatusIndex, UnixMillis,
};
use credlog_ledger::record::{AuthorId, EncodedRecord};
use credlog_ledger::rows::StatusChangeKind;
use credlog_ledger::seal::Seal;
use credlog_ledger::status::{Chunk, LIST_CHUNKS, Status, chunk_of};
use credlog_tlog::{Hash, LeafIndex as TreeLeaf, TreeSize, leaf_hash, verify_inclusion};

use super::check::{Leaf, Parts};
use super::refusal::{Refusal, RefusalCode};
use super::{Receipt, Statement, form};

/// What is proven about one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenCredential {
    /// The credential.
    pub digest: Digest,
    /// Number of its issuer.
    pub issuer: IssuerNumber,
    /// The issuer when the credential was issued.
    pub entry_at_issue: IssuerEntry,
    /// The issuer after the as-of seal.
    pub entry: IssuerEntry,
    /// The accreditation that covered the issue.
    pub accreditation: Accreditation,
    /// The Issue record.
    pub record: RecordId,
    /// Its leaf.
    pub leaf: LeafIndex,
    /// Height of its block.
    pub height: Height,
    /// Time of its block's seal.
    pub time: UnixMillis,
    /// The issuer's key that signed it.
    pub key: KeyId,
    /// Status list.
    pub list: ListNumber,
    /// Position in it.
    pub index: StatusIndex,
    /// What it attests.
    pub achievement: Option<AchievementId>,
    /// Beginning of validity, if the record states one.
    pub valid_from: Option<UnixMillis>,
    /// End of validity, if the record states one.
    pub valid_until: Option<UnixMillis>,
    /// Status after the as-of seal.
    pub status: Status,
    /// The record that made it so, unless it is valid.
    pub change: Option<ProvenChange>,
}

/// A change of status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenChange {
    /// What happened.
    pub change: StatusChangeKind,
    /// The record.
    pub record: RecordId,
    /// Its leaf.
    pub leaf: LeafIndex,
    /// Height of its block.
    pub height: Height,
    /// Time of its block's seal.
    pub time: UnixMillis,
    /// Who signed it.
    pub by: AuthorId,
    /// Why.
    pub reason: Reason,
}

impl Receipt {
    /// Check 12, for all credentials.
    pub(super) fn open_statements(
        &self,
        parts: &Parts,
        seal: &Seal,
    ) -> Result<Vec<ProvenCredential>, Refusal> {
        let mut proven = Vec::with_capacity(self.credentials.len());
        let mut chunks = BTreeSet::new();
        for one in &self.credentials {
            let opening = Opening {
                receipt: self,
                parts,
                seal,
                one,
            };
            proven.push(opening.open(&mut chunks)?);
        }
        if chunks.len() != self.chunks.len() {
            return Err(form::malformed(
                "it has a status chunk that no credential needs",
            ));
        }
        Ok(proven)
    }
}

/// The chunk in which the Issue record of a statement places the credential.
pub(super) fn chunk_named(receipt: &Receipt, one: &Statement) -> Option<(ListNumber, u32)> {
    let place = receipt
        .leaves
        .binary_search_by_key(&one.issue, |leaf| leaf.index);
    let record = EncodedRecord::decode(receipt.leaves[place.ok()?].leaf.0.get(1..)?).ok()?;
    let Body::Issue(issue) = &record.record().body else {
        return None;
    };
    let item = issue.items.iter().find(|item| item.digest == one.digest)?;
    Some((issue.list, chunk_of(item.index)))
}

/// The accreditation that covered an issue; the rules let no Issue record in without one (rule
/// R7). One that ended in the very block of the issue covered it as well.
fn accreditation<'e>(
    entry: &'e IssuerEntry,
    time: UnixMillis,
    achievement: &Option<AchievementId>,
) -> Option<&'e Accreditation> {
    let achievement = achievement.as_ref();
    let covering = entry.covering(time, achievement).map(|(_, one)| one);
    let mut then = entry.accreditations.iter().filter(|one| one.since <= time);
    covering
        .or_else(|| then.find(|one| one.scope.covers(achievement)))
        .or_else(|| entry.accreditations.first())
}

struct Opening<'a> {
    receipt: &'a Receipt,
    parts: &'a Parts,
    seal: &'a Seal,
    one: &'a Statement,
}

impl Opening<'_> {
    fn open(&self, chunks: &mut BTreeSet<(ListNumber, u32)>) -> Result<ProvenCredential, Refusal> {
        let one = self.one;
        let refuse = |reason: &str| {
            let reason = format!("credential {}: {reason}", one.digest);
            Refusal::new(RefusalCode::Issue, reason)
        };
        let entry_at_issue = self.entry(one.issue_seal)?;
        let entry = self.entry(self.receipt.seal)?;
        let record = self.record(one.issue).ok_or_else(|| {
            refuse("the leaf that should have issued it is no record of this ledger")
        })?;
        let Body::Issue(issue) = &record.record().body else {
            return Err(refuse(
                "the record that should have issued it is no Issue record",
            ));
        };
        let item = issue.items.iter().find(|item| item.digest == one.digest);
        let item = *item.ok_or_else(|| refuse("the Issue record does not name it"))?;
        if record.record().author.id != AuthorId::Issuer(entry_at_issue.id.clone())
            || entry.id != entry_at_issue.id
        {
            return Err(refuse(
                "the Issue record is not by the issuer that is shown",
            ));
        }
        let issue_seal = self.block_seal(one.issue, one.issue_seal)?;
        if let (Some(status), Some(status_seal)) = (one.status, one.status_seal) {
            self.block_seal(status, status_seal)?;
            if status <= one.issue {
                return Err(self.wrong_seal("its status was changed before it was issued"));
            }
        }
        let status = self.status(issue.list, item, chunks)?;
        let accreditation = accreditation(entry_at_issue, issue_seal.time, &issue.achievement);
        Ok(ProvenCredential {
            accreditation: accreditation
                .ok_or_else(|| refuse("its issuer was never accredited"))?
                .clone(),
            digest: one.digest,
            issuer: one.issuer,
            entry_at_issue: entry_at_issue.clone(),
            entry: entry.clone(),
            record: record.id(),
            leaf: LeafIndex(one.issue),
            height: issue_seal.height,
            time: issue_seal.time,
            key: record.record().author.key,
            list: issue.list,
            index: item.index,
            achievement: issue.achievement.clone(),
            valid_from: issue.valid_from,
            valid_until: issue.valid_until,
            status,
            change: self.change(entry, status)?,
        })
    }

    fn entry(&self, seal: u64) -> Result<&IssuerEntry, Refusal> {
        let found = self.parts.entries.get(&(seal, self.one.issuer));
        found.ok_or_else(|| form::malformed("a registry entry is missing"))
    }

    /// A record of this ledger.
    fn record(&self, index: u64) -> Option<&EncodedRecord> {
        match self.parts.leaves.get(&index) {
            Some(Leaf::Record(record)) if record.record().ledger == self.receipt.ledger => {
                Some(record)
            }
            _ => None,
        }
    }

    fn wrong_seal(&self, reason: &str) -> Refusal {
        let reason = format!("credential {}: {reason}", self.one.digest);
        Refusal::new(RefusalCode::WrongSeal, reason)
    }

    /// The seal of the block that holds a leaf.
    fn block_seal(&self, leaf: u64, at: u64) -> Result<&Seal, Refusal> {
        let seal = self.parts.seal(at)?;
        let first = at.saturating_sub(u64::from(seal.record_count));
        if !(first..at).contains(&leaf) {
            return Err(self.wrong_seal(&format!(
                "leaf {leaf} is not in the block of height {}",
                seal.height
            )));
        }
        if at > self.receipt.seal {
            return Err(self.wrong_seal(&format!(
                "leaf {leaf} was sealed after the seal that the receipt speaks of"
            )));
        }
        Ok(seal)
    }

    fn status(
        &self,
        list: ListNumber,
        item: Item,
        chunks: &mut BTreeSet<(ListNumber, u32)>,
    ) -> Result<Status, Refusal> {
        let key = (list, chunk_of(item.index));
        let refuse = |reason: String| {
            let reason = format!("chunk {} of status list {list}: {reason}", key.1);
            Refusal::new(RefusalCode::Status, reason)
        };
        let all = &self.receipt.chunks;
        let place = all.binary_search_by_key(&key, |chunk| (chunk.list, chunk.chunk));
        let proof = &all[place.map_err(|_| refuse("it is not shown".to_owned()))?];
        let bits = Chunk(proof.bits.0.0);
        if chunks.insert(key) {
            let width = u64::from(LIST_CHUNKS);
            let sizes = (self.seal.status_lists.checked_mul(width)).zip(list.0.checked_mul(width));
            let (size, first) = sizes.ok_or_else(|| refuse("there is no such list".to_owned()))?;
            verify_inclusion(
                &leaf_hash(&bits.leaf(list, proof.chunk)),
                TreeLeaf(first.saturating_add(u64::from(proof.chunk))),
                TreeSize(size),
                &proof.path.0,
                &Hash(self.seal.status_root.0),
            )
            .map_err(|error| refuse(error.to_string()))?;
        }
        Ok(bits.status(item.index))
    }

    /// The record that made the status what it is.
    fn change(&self, entry: &IssuerEntry, status: Status) -> Result<Option<ProvenChange>, Refusal> {
        let one = self.one;
        let refuse = |reason: &str| {
            let reason = format!("credential {}: {reason}", one.digest);
            Refusal::new(RefusalCode::StatusRecord, reason)
        };
        let (leaf, at) = match (one.status.zip(one.status_seal), status) {
            (None, Status::Valid) => return Ok(None),
            (Some(shown), Status::Revoked | Status::Suspended) => shown,
            (Some(_), Status::Valid) => {
                return Err(refuse(
                    "its status is valid, yet a record is shown that ended it",
                ));
            }
            (None, _) => return Err(refuse("it is not valid, and no record shows why")),
        };
        let record = self
            .record(leaf)
            .ok_or_else(|| refuse("the leaf that should have changed its status is no record"))?;
        let seal = self.parts.seal(at)?;
        let named = |change: &credlog_ledger::body::StatusChange| {
            change.issuer == entry.id && change.digests.contains(&one.digest)
        };
        let (change, reason) = match (&record.record().body, status) {
            (Body::Revoke(change), Status::Revoked) if named(change) => {
                (StatusChangeKind::Revoked, change.reason)
            }
            (Body::Suspend(change), Status::Suspended) if named(change) => {
                (StatusChangeKind::Suspended, change.reason)
            }
            (
                Body::Supersede {
                    issuer,
                    old,
                    new,
                    reason,
                },
                Status::Revoked,
            ) if *issuer == entry.id && *old == one.digest => {
                (StatusChangeKind::Superseded { by: *new }, *reason)
            }
            _ => return Err(refuse("the record that is shown did not make its status")),
        };
        Ok(Some(ProvenChange {
            change,
            record: record.id(),
            leaf: LeafIndex(leaf),
            height: seal.height,
            time: seal.time,
            by: record.record().author.id.clone(),
            reason,
        }))
    }
}
