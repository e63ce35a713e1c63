//! The commit certificate: a quorum of precommits for one value, checked without the engine.

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::ids::{Height, LedgerId, MemberId, Round, ValueId};
use crate::member::{MEMBERS_MAX, MemberSet};
use crate::text::signature_text;
use crate::vote::{VoteKind, vote_message};

/// Limit of a certificate's canonical bytes: the precommits of [`MEMBERS_MAX`] members with the
/// longest ids.
pub const CERTIFICATE_BYTES_MAX: usize = 8 + 4 + 32 + 8 + MEMBERS_MAX * (8 + 40 + 64);

/// Why a certificate certifies nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not canonical bytes.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// No list of distinct members in ascending order.
    #[error(
        "the certificate of height {height} has {count} signatures; 1 to {MEMBERS_MAX} in \
         strictly ascending order of member are needed"
    )]
    Signatures {
        /// Height of the certificate.
        height: Height,
        /// How many it has.
        count: usize,
    },
    /// It is about another value than the one in question.
    #[error("the certificate of height {height} is for value {certified}, not {expected}")]
    OtherValue {
        /// Height of the certificate.
        height: Height,
        /// The value it certifies.
        certified: ValueId,
        /// The value in question.
        expected: ValueId,
    },
    /// Two certificates of different decisions have nothing to unite.
    #[error(
        "certificates of height {height}, round {round} and height {other_height}, round \
         {other_round}, or of two values, cannot be united"
    )]
    OtherDecision {
        /// Height of the one.
        height: Height,
        /// Round of the one.
        round: Round,
        /// Height of the other.
        other_height: Height,
        /// Round of the other.
        other_round: Round,
    },
    /// Someone signed who has no vote.
    #[error("the certificate of height {height} is signed by {member}, who is no member then")]
    UnknownMember {
        /// Height of the certificate.
        height: Height,
        /// Who signed.
        member: MemberId,
    },
    /// A signature does not verify.
    #[error("the precommit of member {member} for height {height} does not verify")]
    BadSignature {
        /// Height of the certificate.
        height: Height,
        /// Whose signature.
        member: MemberId,
    },
    /// Every signature is good, but they are too few.
    #[error(
        "the certificate of height {height} has {signatures} signatures; a quorum of its members \
         is {quorum}"
    )]
    NoQuorum {
        /// Height of the certificate.
        height: Height,
        /// How many members signed.
        signatures: usize,
        /// How many are needed.
        quorum: usize,
    },
}

/// A member's precommit for the value of the certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitSignature {
    /// Who signed, with its consensus key.
    pub member: MemberId,
    /// Ed25519 over [`vote_message`] of the precommit.
    #[serde(with = "signature_text")]
    pub signature: [u8; 64],
}

/// Precommits of distinct members for one value: with a quorum of them it is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitCertificate {
    /// The height decided.
    pub height: Height,
    /// The round in which it was decided.
    pub round: Round,
    /// The checkpoint decided, by its id.
    pub value: ValueId,
    /// The precommits, in strictly ascending order of member.
    pub signatures: Vec<CommitSignature>,
}

impl CommitCertificate {
    /// A certificate from precommits in any order.
    ///
    /// # Errors
    /// [`CertificateError::Signatures`] for none, too many, or two by one member.
    pub fn new(
        height: Height,
        round: Round,
        value: ValueId,
        mut signatures: Vec<CommitSignature>,
    ) -> Result<Self, CertificateError> {
        signatures.sort_by(|a, b| a.member.cmp(&b.member));
        let certificate = Self {
            height,
            round,
            value,
            signatures,
        };
        certificate.check_order()?;
        Ok(certificate)
    }

    /// The canonical bytes.
    ///
    /// # Errors
    /// [`CertificateError::Signatures`] when they are not in order.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CertificateError> {
        self.check_order()?;
        Ok(codec::encode("certificate", self, CERTIFICATE_BYTES_MAX)?)
    }

    /// Reads canonical bytes. No signature is verified here.
    ///
    /// # Errors
    /// [`CertificateError::Codec`] and [`CertificateError::Signatures`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        let certificate: Self = codec::decode("certificate", bytes, CERTIFICATE_BYTES_MAX)?;
        certificate.check_order()?;
        Ok(certificate)
    }

    fn check_order(&self) -> Result<(), CertificateError> {
        let mut pairs = self.signatures.windows(2);
        let ascending = pairs.all(|pair| pair[0].member < pair[1].member);
        let count = self.signatures.len();
        if count == 0 || count > MEMBERS_MAX || !ascending {
            return Err(CertificateError::Signatures {
                height: self.height,
                count,
            });
        }
        Ok(())
    }

    /// Checks that `members`, the set in force for this height, decided `value`: every
    /// signature is a good precommit by a member, and they are a quorum.
    ///
    /// # Errors
    /// Every [`CertificateError`] but `Codec` and `OtherDecision`.
    pub fn verify(
        &self,
        ledger: &LedgerId,
        members: &MemberSet,
        value: &ValueId,
    ) -> Result<(), CertificateError> {
        self.check_order()?;
        let height = self.height;
        if self.value != *value {
            return Err(CertificateError::OtherValue {
                height,
                certified: self.value,
                expected: *value,
            });
        }
        let (signatures, quorum) = (self.signatures.len(), members.quorum());
        if signatures < quorum {
            return Err(CertificateError::NoQuorum {
                height,
                signatures,
                quorum,
            });
        }
        let kind = VoteKind::Precommit;
        let message = vote_message(ledger, kind, height, self.round, Some(&self.value));
        for CommitSignature { member, signature } in &self.signatures {
            let seat = members
                .find(member)
                .ok_or_else(|| CertificateError::UnknownMember {
                    height,
                    member: member.clone(),
                })?;
            let key = &seat.member.keys.consensus.key;
            if key.as_ed25519().is_none() || !key.verifies(&message, signature) {
                return Err(CertificateError::BadSignature {
                    height,
                    member: member.clone(),
                });
            }
        }
        Ok(())
    }

    /// Takes over the signatures of members that have none here, and answers whether there were
    /// any. Both certificates have been verified before.
    ///
    /// # Errors
    /// [`CertificateError::OtherDecision`] unless height, round and value are the same,
    /// [`CertificateError::Signatures`] for more than there can be members; this one is then
    /// unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<bool, CertificateError> {
        if (self.height, self.round, self.value) != (other.height, other.round, other.value) {
            return Err(CertificateError::OtherDecision {
                height: self.height,
                round: self.round,
                other_height: other.height,
                other_round: other.round,
            });
        }
        let is_new = |one: &&CommitSignature| {
            let found = self.signatures.iter().find(|own| own.member == one.member);
            found.is_none()
        };
        let new: Vec<_> = other.signatures.iter().filter(is_new).cloned().collect();
        if new.is_empty() {
            return Ok(false);
        }
        let all = self.signatures.iter().cloned().chain(new).collect();
        *self = Self::new(self.height, self.round, self.value, all)?;
        Ok(true)
    }
}
