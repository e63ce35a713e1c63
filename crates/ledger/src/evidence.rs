//! Evidence that a member contradicted itself: two signatures by one consensus key of which an
//! honest member makes only one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::codec::{self, CodecError};
use crate::ids::{Height, LedgerId, MemberId, Round, ValueId};
use crate::key::PublicKey;
use crate::member::MemberSet;
use crate::text::signature_text;
use crate::vote::{VoteKind, proposal_message, vote_message};

/// Limit of the canonical bytes of an equivocation.
pub const EVIDENCE_BYTES_MAX: usize = 512;

/// Why something is no evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Not canonical bytes.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The two statements are the same, or not in their one order.
    #[error(
        "the two statements of member {member} at height {height} are not two in ascending order"
    )]
    NoConflict {
        /// Who is accused.
        member: MemberId,
        /// At which height.
        height: Height,
    },
    /// The accused is no member, or has another key.
    #[error("{member} is no member with consensus key {key} in the set given")]
    UnknownKey {
        /// Who is accused.
        member: MemberId,
        /// The key of the evidence.
        key: PublicKey,
    },
    /// The accused did not sign this.
    #[error("a signature under the statements of member {member} does not verify")]
    BadSignature {
        /// Who is accused.
        member: MemberId,
    },
}

/// A vote of the kind, height and round that stand beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedVote {
    /// For what; nothing is a vote for no value.
    pub value: Option<ValueId>,
    /// Ed25519 over [`vote_message`].
    #[serde(with = "signature_text")]
    #[schema(schema_with = crate::schema::signature)]
    pub signature: [u8; 64],
}

/// A proposal of the height and round that stand beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedProposal {
    /// What is proposed.
    pub value: ValueId,
    /// The earlier round in which it had a quorum of prevotes.
    pub valid_round: Option<Round>,
    /// Ed25519 over [`proposal_message`].
    #[serde(with = "signature_text")]
    #[schema(schema_with = crate::schema::signature)]
    pub signature: [u8; 64],
}

/// Two statements that exclude each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Conflict {
    /// Two votes of one kind, height and round for different values.
    #[serde(rename_all = "camelCase")]
    Votes {
        /// Kind of both.
        kind: VoteKind,
        /// Height of both.
        height: Height,
        /// Round of both.
        round: Round,
        /// The vote for the lower value id; none is the lowest.
        first: SignedVote,
        /// The vote for the higher one.
        second: SignedVote,
    },
    /// Two proposals of one height and round that differ in value or earlier round.
    #[serde(rename_all = "camelCase")]
    Proposals {
        /// Height of both.
        height: Height,
        /// Round of both.
        round: Round,
        /// The proposal of the lower value id, or of the lower earlier round of one value.
        first: SignedProposal,
        /// The other one.
        second: SignedProposal,
    },
}

impl Conflict {
    /// The height of both statements.
    pub fn height(&self) -> Height {
        match self {
            Self::Votes { height, .. } | Self::Proposals { height, .. } => *height,
        }
    }

    /// The round of both statements.
    pub fn round(&self) -> Round {
        match self {
            Self::Votes { round, .. } | Self::Proposals { round, .. } => *round,
        }
    }

    fn is_in_order(&self) -> bool {
        match self {
            Self::Votes { first, second, .. } => first.value < second.value,
            Self::Proposals { first, second, .. } => {
                (first.value, first.valid_round) < (second.value, second.valid_round)
            }
        }
    }

    /// Both messages with their signatures.
    fn signed(&self, ledger: &LedgerId) -> [(Vec<u8>, &[u8; 64]); 2] {
        match self {
            Self::Votes {
                kind,
                height,
                round,
                first,
                second,
            } => [first, second].map(|vote| {
                let value = vote.value.as_ref();
                let message = vote_message(ledger, *kind, *height, *round, value);
                (message, &vote.signature)
            }),
            Self::Proposals {
                height,
                round,
                first,
                second,
            } => [first, second].map(|one| {
                let (value, valid) = (&one.value, one.valid_round);
                let message = proposal_message(ledger, *height, *round, value, valid);
                (message, &one.signature)
            }),
        }
    }
}

/// A member signed two statements that exclude each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Equivocation {
    /// Whose key it is.
    pub member: MemberId,
    /// Its consensus key.
    pub key: PublicKey,
    /// What it signed.
    pub conflict: Conflict,
}

impl Equivocation {
    /// Evidence from two votes in any order.
    ///
    /// # Errors
    /// [`EvidenceError::NoConflict`] for two votes for the same value.
    pub fn votes(
        member: MemberId,
        key: PublicKey,
        kind: VoteKind,
        position: (Height, Round),
        mut votes: [SignedVote; 2],
    ) -> Result<Self, EvidenceError> {
        votes.sort_by_key(|vote| vote.value);
        let [first, second] = votes;
        let conflict = Conflict::Votes {
            kind,
            height: position.0,
            round: position.1,
            first,
            second,
        };
        Self::checked(member, key, conflict)
    }

    /// Evidence from two proposals in any order.
    ///
    /// # Errors
    /// [`EvidenceError::NoConflict`] for two equal proposals.
    pub fn proposals(
        member: MemberId,
        key: PublicKey,
        position: (Height, Round),
        mut proposals: [SignedProposal; 2],
    ) -> Result<Self, EvidenceError> {
        proposals.sort_by_key(|one| (one.value, one.valid_round));
        let [first, second] = proposals;
        let conflict = Conflict::Proposals {
            height: position.0,
            round: position.1,
            first,
            second,
        };
        Self::checked(member, key, conflict)
    }

    fn checked(
        member: MemberId,
        key: PublicKey,
        conflict: Conflict,
    ) -> Result<Self, EvidenceError> {
        let evidence = Self {
            member,
            key,
            conflict,
        };
        evidence.check_order()?;
        Ok(evidence)
    }

    fn check_order(&self) -> Result<(), EvidenceError> {
        if self.conflict.is_in_order() {
            return Ok(());
        }
        Err(EvidenceError::NoConflict {
            member: self.member.clone(),
            height: self.conflict.height(),
        })
    }

    /// The canonical bytes.
    ///
    /// # Errors
    /// [`EvidenceError::NoConflict`], and [`EvidenceError::Codec`] for a key that is none.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EvidenceError> {
        self.check_order()?;
        Ok(codec::encode("evidence", self, EVIDENCE_BYTES_MAX)?)
    }

    /// Reads canonical bytes. No signature is verified here.
    ///
    /// # Errors
    /// [`EvidenceError::Codec`] and [`EvidenceError::NoConflict`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let evidence: Self = codec::decode("evidence", bytes, EVIDENCE_BYTES_MAX)?;
        evidence.check_order()?;
        Ok(evidence)
    }

    /// Checks the accusation against `members`, the set in force for that height.
    ///
    /// # Errors
    /// Every [`EvidenceError`] but `Codec`.
    pub fn verify(&self, ledger: &LedgerId, members: &MemberSet) -> Result<(), EvidenceError> {
        self.check_order()?;
        let seat = members.find(&self.member);
        if seat.is_none_or(|seat| seat.member.keys.consensus.key != self.key) {
            return Err(EvidenceError::UnknownKey {
                member: self.member.clone(),
                key: self.key.clone(),
            });
        }
        let good = |(message, signature): (Vec<u8>, &[u8; 64])| {
            self.key.as_ed25519().is_some() && self.key.verifies(&message, signature)
        };
        if !self.conflict.signed(ledger).into_iter().all(good) {
            return Err(EvidenceError::BadSignature {
                member: self.member.clone(),
            });
        }
        Ok(())
    }
}
