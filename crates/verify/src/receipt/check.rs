//! Checking a receipt: each step in the order of docs/formats.md ("Checking a receipt").

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use credlog_ledger::attestation::{Attestation, AttestationError, Cosigned};
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::entry::IssuerEntry;
use credlog_ledger::follow::{Follower, MemberChange, SealedCheckpoint};
use credlog_ledger::ids::{Height, IssuerNumber, LedgerId, Origin, UnixMillis, WebUrl};
use credlog_ledger::member::MemberSet;
use credlog_ledger::record::{EncodedRecord, RECORD_LEAF};
use credlog_ledger::seal::{SEAL_LEAF, Seal};
use credlog_tlog::{
    Checkpoint, Hash, LeafIndex, Note, TreeSize, leaf_hash, verify_consistency, verify_inclusion,
};

use super::refusal::{Doubt, Refusal, RefusalCode};
use super::statement::ProvenCredential;
use super::trust::{Newest, Trust};
use super::{ChangeProof, Receipt, form};
use crate::common::NODE_URLS_MAX;
use crate::shared::Shared;

/// How a receipt is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOptions {
    /// The verifier's clock.
    pub now: UnixMillis,
    /// The time asked about, which the receipt has to be about; `None` for now.
    pub at: Option<UnixMillis>,
    /// Longest time since the as-of time, in milliseconds; `None` for any.
    pub age_ms_max: Option<u64>,
}

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The ledger.
    pub ledger: LedgerId,
    /// Origin of its log.
    pub origin: Origin,
    /// The time asked about; `None` for now.
    pub at: Option<UnixMillis>,
    /// Height of the checkpoint's last seal.
    pub height: Height,
    /// Leaves of the checkpoint.
    pub size: TreeSize,
    /// As-of time of the checkpoint: nothing attested before it is missing.
    pub as_of: UnixMillis,
    /// Who cosigned, and when.
    pub cosigned: Vec<Cosigned>,
    /// The members in force after the checkpoint.
    pub members: MemberSet,
    /// Every change of the member set that was followed: height and number of members since.
    pub changes: Vec<(Height, usize)>,
    /// Whether the verifier's trust file shows that the member set is the ledger's; from the
    /// genesis alone nobody knows whether there was a later change.
    pub members_known: bool,
    /// The as-of seal: what is said holds for the state after it.
    pub seal: Seal,
    /// Its leaf index.
    pub seal_index: LeafIndex,
    /// What is said about each credential.
    pub credentials: Vec<ProvenCredential>,
    /// Why it does not answer the question.
    pub doubt: Option<Doubt>,
    /// The verifier's trust, if the receipt advances it.
    pub trust: Option<Trust>,
    /// Addresses of the members' nodes in every set that the receipt shows.
    pub(super) node_urls: Shared<Vec<WebUrl>>,
}

/// What a receipt says, whoever attests it: all its proofs lead to its checkpoint, but whether
/// that is the ledger's was not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Origin of the log, as the checkpoint says.
    pub origin: String,
    /// Leaves of the checkpoint.
    pub size: TreeSize,
    /// The names under the checkpoint, and when each signed.
    pub signers: Vec<(String, Option<u64>)>,
    /// The as-of seal.
    pub seal: Seal,
    /// What is said about each credential.
    pub credentials: Vec<ProvenCredential>,
}

/// A leaf as far as it was read.
pub(super) enum Leaf {
    Seal(Seal),
    Record(Box<EncodedRecord>),
    /// Neither.
    Other,
}

/// The parts of a receipt that were proven.
pub(super) struct Parts {
    pub(super) leaves: BTreeMap<u64, Leaf>,
    pub(super) entries: BTreeMap<(u64, IssuerNumber), Arc<IssuerEntry>>,
}

impl Receipt {
    /// Checks everything that it claims, against what the verifier trusts.
    ///
    /// # Errors
    /// [`Refusal`]: the receipt proves nothing. The first check that fails is named.
    pub fn check(&self, trust: &Trust, options: &CheckOptions) -> Result<Proven, Refusal> {
        let (note, checkpoint) = self.check_form()?;
        let founders = trust.founders();
        if self.ledger != *founders.ledger() || checkpoint.origin() != founders.origin().as_str() {
            return Err(Refusal::new(
                RefusalCode::OtherLedger,
                format!(
                    "it is of the ledger {} ({}), not of {} ({})",
                    checkpoint.origin(),
                    self.ledger,
                    founders.origin(),
                    founders.ledger()
                ),
            ));
        }
        let mut parts = self.open_leaves(&checkpoint)?;
        let last = parts.seal(checkpoint.size().0 - 1)?.clone();
        let seal = self.check_seals(&parts, checkpoint.size(), options.at)?;
        self.check_consistency(&checkpoint, trust)?;
        let followed = self.follow(trust, &checkpoint, &last)?;
        let members = followed.members();
        let attestation = attest(members, founders.origin(), &checkpoint, &note)?;
        parts.entries = self.open_entries(&parts)?;
        let credentials = self.open_statements(&parts, &seal)?;
        let standing = self.stand(trust, &checkpoint)?;
        let as_of = attestation.as_of().unwrap_or_default();
        // Of an older log it is known that it was not the newest any more at that time, whatever
        // its cosigners say; and members of a set that was left behind may say anything today, so
        // that only its last seal tells.
        let capped = match (standing, trust.newest()) {
            (Standing::Older { .. }, Some(newest)) if *members == newest.members => {
                as_of.min(UnixMillis(newest.time.0.saturating_sub(1)))
            }
            (Standing::Older { .. }, Some(_)) => as_of.min(last.time),
            _ => as_of,
        };
        Ok(Proven {
            ledger: self.ledger,
            origin: founders.origin().clone(),
            at: self.at,
            height: last.height,
            size: checkpoint.size(),
            as_of: capped,
            cosigned: attestation.cosigned().to_vec(),
            members: members.clone(),
            changes: followed.changes(),
            members_known: trust.newest().is_some()
                && standing != (Standing::Older { shown: false }),
            doubt: self.doubt(capped, standing, options),
            trust: (standing == Standing::Newer).then(|| {
                trust.advanced(Newest {
                    height: last.height,
                    time: last.time,
                    size: checkpoint.size(),
                    root: checkpoint.root(),
                    as_of,
                    members: members.clone(),
                })
            }),
            seal,
            seal_index: LeafIndex(self.seal),
            credentials,
            node_urls: followed.node_urls().into(),
        })
    }

    /// What it says, before anybody is trusted: every check that needs no genesis.
    ///
    /// # Errors
    /// [`Refusal`], as of [`Receipt::check`].
    pub fn claims(&self) -> Result<Claims, Refusal> {
        let (note, checkpoint) = self.check_form()?;
        let mut parts = self.open_leaves(&checkpoint)?;
        let seal = self.check_seals(&parts, checkpoint.size(), self.at)?;
        parts.entries = self.open_entries(&parts)?;
        let lines = note.signatures().iter();
        Ok(Claims {
            origin: checkpoint.origin().to_owned(),
            size: checkpoint.size(),
            signers: lines
                .map(|line| (line.name().to_owned(), line.claimed_time()))
                .collect(),
            credentials: self.open_statements(&parts, &seal)?,
            seal,
        })
    }

    /// Check 3, and what the leaves say.
    fn open_leaves(&self, checkpoint: &Checkpoint) -> Result<Parts, Refusal> {
        let mut leaves = BTreeMap::new();
        for proof in &self.leaves {
            let hash = leaf_hash(&proof.leaf.0);
            let (index, size, root) = (proof.index, checkpoint.size(), checkpoint.root());
            verify_inclusion(&hash, LeafIndex(index), size, &proof.path.0, &root).map_err(
                |error| Refusal::new(RefusalCode::Path, format!("leaf {index}: {error}")),
            )?;
            leaves.insert(index, Leaf::read(&proof.leaf.0));
        }
        Ok(Parts {
            leaves,
            entries: BTreeMap::new(),
        })
    }

    /// Checks 4 and 5: the as-of seal.
    fn check_seals(
        &self,
        parts: &Parts,
        size: TreeSize,
        asked: Option<UnixMillis>,
    ) -> Result<Seal, Refusal> {
        let seal = parts.seal(self.seal)?;
        let next = self.next.map(|next| parts.seal(next)).transpose()?;
        for one in &self.credentials {
            parts.seal(one.issue_seal)?;
            one.status_seal.map(|seal| parts.seal(seal)).transpose()?;
        }
        let wrong = |reason: String| Err(Refusal::new(RefusalCode::WrongSeal, reason));
        if self.at != asked {
            let about = |at: Option<UnixMillis>| at.map_or("now".to_owned(), |at| at.to_string());
            return wrong(format!(
                "it says how things stood {}, asked was about {}",
                about(self.at),
                about(asked)
            ));
        }
        let is_last = self.seal == size.0 - 1;
        match (self.at, next) {
            (None, None) if is_last => {}
            (None, _) => {
                return wrong(format!(
                    "it says what holds now, but its seal of height {} is not the newest",
                    seal.height
                ));
            }
            (Some(at), _) if seal.time > at => {
                return wrong(format!("its seal is of {}, later than {at}", seal.time));
            }
            (Some(at), Some(next))
                if seal.height.0.checked_add(1) != Some(next.height.0) || next.time <= at =>
            {
                return wrong(format!(
                    "the seal of height {} ({}) does not show that the one of height {} ({}) was \
                     the newest at {at}",
                    next.height, next.time, seal.height, seal.time
                ));
            }
            (Some(at), None) if !is_last => {
                return wrong(format!(
                    "nothing shows that its seal of height {} was the newest at {at}",
                    seal.height
                ));
            }
            (Some(_), _) => {}
        }
        Ok(seal.clone())
    }

    /// Check 6. A path does not bind the sizes that it compares, so that a size which is not
    /// the verifier's own would be anybody's claim.
    fn check_consistency(&self, checkpoint: &Checkpoint, trust: &Trust) -> Result<(), Refusal> {
        let Some(other) = &self.consistency else {
            return Ok(());
        };
        let own = (checkpoint.size(), checkpoint.root());
        let other_one = (TreeSize(other.size), other.root.0);
        let trusted = trust.newest().map(|newest| newest.size);
        if trusted != Some(other_one.0) || other_one.0 == own.0 {
            return Err(Refusal::new(
                RefusalCode::Consistency,
                format!(
                    "it compares itself with a log of {} leaves, which is not the one of your \
                     trust file; get a receipt that does not",
                    other.size
                ),
            ));
        }
        let (old, new) = match other_one.0 < own.0 {
            true => (other_one, own),
            false => (own, other_one),
        };
        verify_consistency(old.0, &old.1, new.0, &new.1, &other.path.0)
            .map_err(Refusal::of(RefusalCode::Consistency))
    }

    /// Check 7: the set in force after the checkpoint.
    fn follow(
        &self,
        trust: &Trust,
        checkpoint: &Checkpoint,
        last: &Seal,
    ) -> Result<Followed, Refusal> {
        let refuse = Refusal::of::<String>(RefusalCode::Members);
        let since = self.since.unwrap_or_default();
        let mut follower = trust.follower_since(since).ok_or_else(|| {
            refuse(format!(
                "it follows the members from height {since} on, which is not where the trust file \
                 ends; ask for one that begins at genesis"
            ))
        })?;
        let mut followed = Followed {
            sets: vec![follower.members().clone()],
            heights: vec![since],
        };
        for proof in &self.members {
            if proof.size > checkpoint.size().0 {
                return Err(refuse(format!(
                    "a change of the members at {} leaves lies behind the checkpoint",
                    proof.size
                )));
            }
            follower
                .follow(proof.read()?)
                .map_err(Refusal::of(RefusalCode::Members))?;
            followed.sets.push(follower.members().clone());
            followed.heights.push(follower.changed());
        }
        followed.check_last(&follower, last)?;
        if let Some(newest) = trust.newest()
            && checkpoint.size() > newest.size
            && *followed.in_force_at(newest.height) != newest.members
        {
            return Err(refuse(format!(
                "after height {} it follows other members than were believed before: a change is \
                 left out, or it is of another history; ask another node",
                newest.height
            )));
        }
        Ok(followed)
    }

    /// Check 11.
    fn open_entries(
        &self,
        parts: &Parts,
    ) -> Result<BTreeMap<(u64, IssuerNumber), Arc<IssuerEntry>>, Refusal> {
        let mut entries = BTreeMap::new();
        for proof in &self.entries {
            let refuse = |error: &dyn std::fmt::Display| {
                let reason = format!(
                    "issuer {} under the seal at leaf {}: {error}",
                    proof.issuer, proof.seal
                );
                Refusal::new(RefusalCode::Entry, reason)
            };
            let seal = parts.seal(proof.seal)?;
            let (index, size) = (LeafIndex(proof.issuer.0), TreeSize(seal.registry_size));
            let (hash, root) = (leaf_hash(&proof.entry.0), Hash(seal.registry_root.0));
            verify_inclusion(&hash, index, size, &proof.path.0, &root)
                .map_err(|error| refuse(&error))?;
            let entry = IssuerEntry::from_bytes(&proof.entry.0).map_err(|error| refuse(&error))?;
            if entry.accreditations.is_empty() {
                return Err(refuse(&"it was never accredited"));
            }
            entries.insert((proof.seal, proof.issuer), Arc::new(entry));
        }
        Ok(entries)
    }

    /// Check 13.
    fn stand(&self, trust: &Trust, checkpoint: &Checkpoint) -> Result<Standing, Refusal> {
        let Some(newest) = trust.newest() else {
            return Ok(Standing::Newer);
        };
        let fork = |reason: String| Err(Refusal::new(RefusalCode::Fork, reason));
        let compared = self.consistency.as_ref();
        let same_size = checkpoint.size() == newest.size && checkpoint.root() != newest.root;
        if same_size || compared.is_some_and(|other| other.root.0 != newest.root) {
            return fork(format!(
                "the log of {} leaves has another root than the one believed before: this ledger \
                 shows two histories, keep both files and ask its members",
                newest.size.0
            ));
        }
        if checkpoint.size() < newest.size {
            let shown = compared.is_some();
            return Ok(Standing::Older { shown });
        }
        Ok(match compared {
            Some(_) => Standing::Newer,
            None => Standing::NotCompared,
        })
    }

    fn doubt(
        &self,
        as_of: UnixMillis,
        standing: Standing,
        options: &CheckOptions,
    ) -> Option<Doubt> {
        let age = options.now.0.saturating_sub(as_of.0);
        // First the one that may be anybody's invention.
        if standing == (Standing::Older { shown: false }) {
            Some(Doubt::OlderThanTrust)
        } else if self.next.is_none() && self.at.is_some_and(|at| as_of < at) {
            Some(Doubt::AtNotReached)
        } else if options.age_ms_max.is_some_and(|most| age > most) {
            Some(Doubt::TooOld)
        } else {
            None
        }
    }
}

/// How a receipt stands to what was believed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It may be believed from now on.
    Newer,
    /// As new or newer, but nothing shows that it is of one log with the trust file.
    NotCompared,
    /// Older; `shown` if it is of one log with the trust file.
    Older { shown: bool },
}

/// The member sets from one height on, each with the height that made it.
struct Followed {
    sets: Vec<MemberSet>,
    heights: Vec<Height>,
}

impl Followed {
    fn members(&self) -> &MemberSet {
        &self.sets[self.sets.len() - 1]
    }

    /// The set in force after the block of a height, which is not below the first.
    fn in_force_at(&self, height: Height) -> &MemberSet {
        let after = self.heights.partition_point(|one| *one <= height);
        &self.sets[after.max(1) - 1]
    }

    fn changes(&self) -> Vec<(Height, usize)> {
        let counts = self.sets.iter().map(|set| set.members().len());
        self.heights.iter().copied().zip(counts).skip(1).collect()
    }

    /// Addresses of nodes, the latest first, each once.
    fn node_urls(&self) -> Vec<WebUrl> {
        let mut seen = HashSet::new();
        let seats = self.sets.iter().rev().flat_map(MemberSet::members);
        let urls = seats.filter_map(|seat| seat.member.url.as_ref());
        let new = urls.filter(|url| seen.insert(*url)).take(NODE_URLS_MAX);
        new.cloned().collect()
    }

    fn check_last(&self, follower: &Follower, last: &Seal) -> Result<(), Refusal> {
        let refuse = Refusal::of::<String>(RefusalCode::Members);
        let hash = follower
            .members()
            .hash()
            .map_err(|error| refuse(error.to_string()))?;
        if follower.changed() > last.height || hash != last.members_hash {
            return Err(refuse(format!(
                "the newest seal (height {}) names other members than those that were followed",
                last.height
            )));
        }
        Ok(())
    }
}

impl ChangeProof {
    /// The change, to be followed.
    ///
    /// # Errors
    /// [`RefusalCode::Members`] for bytes that are no certificate or member set.
    pub fn read(&self) -> Result<MemberChange, Refusal> {
        let certificate = CommitCertificate::from_bytes(&self.certificate.0)
            .map_err(Refusal::of(RefusalCode::Members))?;
        let members =
            MemberSet::from_bytes(&self.members.0).map_err(Refusal::of(RefusalCode::Members))?;
        Ok(MemberChange {
            sealed: SealedCheckpoint {
                size: TreeSize(self.size),
                root: self.root.0,
                seal_leaf: self.seal.0.clone(),
                path: self.path.0.clone(),
            },
            certificate,
            members,
        })
    }
}

impl Leaf {
    fn read(leaf: &[u8]) -> Self {
        let read = match leaf {
            [SEAL_LEAF, ..] => Seal::from_leaf(leaf).ok().map(Self::Seal),
            [RECORD_LEAF, bytes @ ..] => {
                let record = EncodedRecord::decode(bytes).ok();
                record.map(|record| Self::Record(Box::new(record)))
            }
            _ => None,
        };
        read.unwrap_or(Self::Other)
    }
}

impl Parts {
    pub(super) fn seal(&self, index: u64) -> Result<&Seal, Refusal> {
        match self.leaves.get(&index) {
            Some(Leaf::Seal(seal)) => Ok(seal),
            Some(_) => Err(Refusal::new(
                RefusalCode::NotASeal,
                format!("leaf {index} is no seal"),
            )),
            None => Err(form::malformed(format!("leaf {index} is missing"))),
        }
    }
}

/// Checks 8 to 10.
fn attest(
    members: &MemberSet,
    origin: &Origin,
    checkpoint: &Checkpoint,
    note: &Note,
) -> Result<Attestation, Refusal> {
    let lines = note.signatures();
    let mut bad: Option<AttestationError> = None;
    for line in lines {
        match Cosigned::by_member(members, origin, checkpoint, line) {
            Ok(Some(_)) => {}
            Ok(None) => {
                return Err(Refusal::new(
                    RefusalCode::UnknownSigner,
                    format!("{} is no cosigner of a member in force", line.name()),
                ));
            }
            Err(error) => bad = bad.or(Some(error)),
        }
    }
    let quorum = members.quorum();
    if lines.len() != quorum {
        return Err(Refusal::new(
            RefusalCode::Quorum,
            format!(
                "{} members cosigned, a quorum of {} is {quorum}",
                lines.len(),
                members.members().len()
            ),
        ));
    }
    if let Some(error) = bad {
        return Err(Refusal::new(RefusalCode::Cosignature, error));
    }
    Attestation::of(members, origin, checkpoint, lines)
        .map_err(Refusal::of(RefusalCode::Cosignature))
}
