//! Attestation: which members cosigned a checkpoint, and as of when it is the newest (rules C4
//! and C5 of docs/formats.md).

use credlog_tlog::{Checkpoint, NoteSignature, SignatureKind, VerifierKey};

use crate::ids::{MemberId, Origin, UnixMillis};
use crate::member::{MemberSet, SeatedMember};

/// Why cosignatures attest nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// The member's cosigner key can verify nothing.
    #[error("the cosigner key of member {member} is no Ed25519 key that can be trusted")]
    Key {
        /// The member.
        member: MemberId,
    },
    /// A cosignature under a member's name is not by its key.
    #[error("the cosignature by member {member} does not verify; do not trust the checkpoint")]
    BadSignature {
        /// The member.
        member: MemberId,
    },
}

/// A member saw a checkpoint as the newest one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cosigned {
    /// Who.
    pub member: MemberId,
    /// When, in seconds since 1970, by its own clock.
    pub time_seconds: u64,
}

/// The distinct members of one set that cosigned one checkpoint, each with its newest time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    cosigned: Vec<Cosigned>,
    quorum: usize,
}

impl SeatedMember {
    /// The key that verifies the member's cosignatures, under its name (rule C5).
    ///
    /// # Errors
    /// [`AttestationError::Key`] for a key that rule R4 never let in.
    pub fn cosigner(&self, origin: &Origin) -> Result<VerifierKey, AttestationError> {
        let wrong = || AttestationError::Key {
            member: self.member.id.clone(),
        };
        let key = self.member.keys.cosigner.key.as_ed25519();
        let name = self.cosigner_name(origin);
        VerifierKey::new(&name, SignatureKind::CosignatureV1, key.ok_or_else(wrong)?)
            .map_err(|_| wrong())
    }
}

impl Cosigned {
    /// Who of `members` made this signature of a note over the checkpoint, and when; nobody if
    /// its name and key id are no member's.
    ///
    /// # Errors
    /// [`AttestationError`] if it stands under a member's name and key id but does not verify.
    pub fn by_member(
        members: &MemberSet,
        origin: &Origin,
        checkpoint: &Checkpoint,
        signature: &NoteSignature,
    ) -> Result<Option<Self>, AttestationError> {
        let Some(seat) = seat_of(members, origin, signature.name()) else {
            return Ok(None);
        };
        let key = seat.cosigner(origin)?;
        if key.id() != signature.key_id() {
            return Ok(None);
        }
        let member = &seat.member.id;
        let bad = || AttestationError::BadSignature {
            member: member.clone(),
        };
        let verified = signature.verify(&key, &checkpoint.body());
        let time = verified.map_err(|_| bad())?;
        Ok(Some(Self {
            member: member.clone(),
            time_seconds: time.ok_or_else(bad)?,
        }))
    }
}

/// The member whose cosigner name this is.
fn seat_of<'m>(members: &'m MemberSet, origin: &Origin, name: &str) -> Option<&'m SeatedMember> {
    let path = name.strip_prefix(origin.as_str())?.strip_prefix('/')?;
    let (member, _) = path.split_once('/')?;
    let seat = members.find(&member.parse().ok()?)?;
    (seat.cosigner_name(origin) == name).then_some(seat)
}

impl Attestation {
    /// Verifies the cosignatures of `members` over the checkpoint; `members` is the set that its
    /// seal names, in force for the next height. Signatures under other names or keys do not
    /// count, as in any signed note; a member counts once, with its newest time.
    ///
    /// # Errors
    /// [`AttestationError`] if any signature under a member's name and key id is bad.
    pub fn of(
        members: &MemberSet,
        origin: &Origin,
        checkpoint: &Checkpoint,
        signatures: &[NoteSignature],
    ) -> Result<Self, AttestationError> {
        let mut cosigned: Vec<Cosigned> = Vec::new();
        for signature in signatures {
            let Some(one) = Cosigned::by_member(members, origin, checkpoint, signature)? else {
                continue;
            };
            match cosigned.binary_search_by(|known| known.member.cmp(&one.member)) {
                Ok(at) => cosigned[at] = one.max(cosigned[at].clone()),
                Err(at) => cosigned.insert(at, one),
            }
        }
        Ok(Self {
            cosigned,
            quorum: members.quorum(),
        })
    }

    /// Who cosigned, in ascending order of member.
    pub fn cosigned(&self) -> &[Cosigned] {
        &self.cosigned
    }

    /// How many distinct members it takes.
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    /// Whether a quorum cosigned.
    pub fn is_quorum(&self) -> bool {
        self.cosigned.len() >= self.quorum
    }

    /// The as-of time of an attested checkpoint: 1,000 times the quorum-th newest of the
    /// cosignatures' seconds (rule C4). Nothing that was attested before it is missing from the
    /// checkpoint, up to the error of the members' clocks. None without a quorum.
    pub fn as_of(&self) -> Option<UnixMillis> {
        let mut times: Vec<u64> = self.cosigned.iter().map(|one| one.time_seconds).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let seconds = times.get(self.quorum.checked_sub(1)?)?;
        Some(UnixMillis(seconds.saturating_mul(1_000)))
    }
}
