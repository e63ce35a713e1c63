//! The member set followed from genesis, offline: each change is proven by the certificate of the
//! height that made it (rule C5 of docs/formats.md).

use credlog_tlog::{
    Checkpoint, CheckpointError, Hash, LeafIndex, ProofError, TreeSize, leaf_hash, verify_inclusion,
};

use crate::certificate::{CertificateError, CommitCertificate};
use crate::codec::CodecError;
use crate::genesis::{Genesis, GenesisError};
use crate::ids::{Height, LedgerId, Origin, Root, Round, UnixMillis, ValueId};
use crate::member::MemberSet;
use crate::seal::Seal;

/// Why a change of the member set is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The leaf is no seal.
    #[error("the leaf is not the seal of a block: {0}")]
    Seal(#[source] CodecError),
    /// The seal is not the last leaf of the checkpoint.
    #[error("the seal of height {height} is not the last leaf of the checkpoint: {source}")]
    Inclusion {
        /// Height of the seal.
        height: Height,
        /// What the path leads to.
        source: ProofError,
    },
    /// The origin cannot stand in a checkpoint; none that genesis accepted.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint has no leaf, so no seal.
    #[error("the checkpoint is that of an empty log, which no seal made")]
    EmptyLog,
    /// Height, time or size do not lie after those of the change before.
    #[error(
        "the change at height {height} does not lie after the one at {last} in height, time and \
         size of the log; give the changes in their order"
    )]
    NotLater {
        /// Height of the change.
        height: Height,
        /// Height of the last change, 0 for genesis.
        last: Height,
    },
    /// The certificate is of a round before the one in which the block was first proposed.
    #[error(
        "the certificate of height {height} is of round {certified}, before its seal's {first}"
    )]
    EarlierRound {
        /// Height of both.
        height: Height,
        /// Round of the certificate.
        certified: Round,
        /// Round of the seal.
        first: Round,
    },
    /// The certificate is that of another height.
    #[error("the certificate is of height {certified}, the seal of height {height}")]
    OtherHeight {
        /// Height of the certificate.
        certified: Height,
        /// Height of the seal.
        height: Height,
    },
    /// The members in force did not decide this.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The new list is not the one that the seal names.
    #[error("the member list has hash {found}; the seal of height {height} names {named}")]
    OtherMembers {
        /// Height of the seal.
        height: Height,
        /// Hash of the list given.
        found: Root,
        /// `members_hash` of the seal.
        named: Root,
    },
    /// The list is longer than any that the rules let come about.
    #[error("the member list has no canonical form: {0}")]
    Members(#[source] CodecError),
    /// The set did not change at this height.
    #[error("the member set did not change at height {height}; leave this step out")]
    NoChange {
        /// Height of the seal.
        height: Height,
    },
}

/// A checkpoint with the seal that made it: its last leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedCheckpoint {
    /// Size of the log after the seal.
    pub size: TreeSize,
    /// Root of the log after the seal.
    pub root: Hash,
    /// The seal's leaf: its type byte and canonical bytes.
    pub seal_leaf: Vec<u8>,
    /// Inclusion path of leaf `size - 1` (RFC 6962 section 2.1.1).
    pub path: Vec<Hash>,
}

impl SealedCheckpoint {
    /// The seal, shown to be the last leaf of the checkpoint.
    ///
    /// # Errors
    /// [`FollowError::Seal`], [`FollowError::EmptyLog`] and [`FollowError::Inclusion`].
    pub fn open(&self) -> Result<Seal, FollowError> {
        let seal = Seal::from_leaf(&self.seal_leaf).map_err(FollowError::Seal)?;
        let last = self.size.0.checked_sub(1).ok_or(FollowError::EmptyLog)?;
        let leaf = leaf_hash(&self.seal_leaf);
        verify_inclusion(&leaf, LeafIndex(last), self.size, &self.path, &self.root).map_err(
            |source| FollowError::Inclusion {
                height: seal.height,
                source,
            },
        )?;
        Ok(seal)
    }
}

/// One height that changed the member set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberChange {
    /// The checkpoint of that height and its seal.
    pub sealed: SealedCheckpoint,
    /// Its commit certificate, by the members in force for that height.
    pub certificate: CommitCertificate,
    /// The members in force from the next height on.
    pub members: MemberSet,
}

/// The member set in force, as far as it was followed.
///
/// It believes what a quorum of each set decided, beginning with genesis. That there is no
/// further change it cannot know: keys of former members could tell another story from the
/// height on at which they left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    ledger: LedgerId,
    origin: Origin,
    members: MemberSet,
    changed: Height,
    time: UnixMillis,
    size: TreeSize,
}

impl Follower {
    /// At the founding members.
    ///
    /// # Errors
    /// [`GenesisError`] if the file cannot found a ledger.
    pub fn new(genesis: &Genesis) -> Result<Self, GenesisError> {
        genesis.check()?;
        Ok(Self {
            ledger: genesis.ledger_id()?,
            origin: genesis.origin.clone(),
            members: genesis.member_set(),
            changed: Height(0),
            time: genesis.time,
            size: TreeSize(0),
        })
    }

    /// At a set that was believed before: `members` are in force after the block of this seal's
    /// height and time, at which the log has `size` leaves.
    #[must_use]
    pub fn resume(
        &self,
        height: Height,
        time: UnixMillis,
        size: TreeSize,
        members: MemberSet,
    ) -> Self {
        Self {
            members,
            changed: height,
            time,
            size,
            ..self.clone()
        }
    }

    /// The ledger.
    pub fn ledger(&self) -> &LedgerId {
        &self.ledger
    }

    /// Origin of its log.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Leaves of the log at the last change.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// The members in force from [`Follower::changed`] + 1 on.
    pub fn members(&self) -> &MemberSet {
        &self.members
    }

    /// The height that made this set, 0 for the founding members.
    pub fn changed(&self) -> Height {
        self.changed
    }

    /// Takes one step: checks the change and puts its members in force. After an error the
    /// follower stands where it stood.
    ///
    /// # Errors
    /// Every [`FollowError`].
    pub fn follow(&mut self, change: MemberChange) -> Result<(), FollowError> {
        let seal = change.sealed.open()?;
        let (height, size) = (seal.height, change.sealed.size);
        if height <= self.changed || seal.time <= self.time || size <= self.size {
            return Err(FollowError::NotLater {
                height,
                last: self.changed,
            });
        }
        if change.certificate.height != height {
            return Err(FollowError::OtherHeight {
                certified: change.certificate.height,
                height,
            });
        }
        if change.certificate.round < seal.round {
            return Err(FollowError::EarlierRound {
                height,
                certified: change.certificate.round,
                first: seal.round,
            });
        }
        let checkpoint = Checkpoint::new(self.origin.as_str(), size, change.sealed.root)?;
        let value = ValueId::of(&checkpoint);
        let certificate = &change.certificate;
        certificate.verify(&self.ledger, &self.members, &value)?;
        let found = change.members.hash().map_err(FollowError::Members)?;
        if found != seal.members_hash {
            return Err(FollowError::OtherMembers {
                height,
                found,
                named: seal.members_hash,
            });
        }
        if change.members == self.members {
            return Err(FollowError::NoChange { height });
        }
        self.members = change.members;
        self.changed = height;
        self.time = seal.time;
        self.size = size;
        Ok(())
    }
}
