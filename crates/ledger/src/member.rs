//! Members: the institutions with a vote.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::codec::{self, CodecError};
use crate::ids::{DisplayName, Height, MemberId, NodeAddress, Origin, Root, Round, WebUrl};
use crate::key::{KeyError, ProvenKey, PublicKey, Role};

/// Most members of a ledger.
pub const MEMBERS_MAX: usize = 100;
/// Most addresses of one member's node.
pub const ADDRESSES_MAX: usize = 8;
/// Limit of the canonical bytes of a member set.
pub const MEMBER_SET_BYTES_MAX: usize = 1 << 20;

/// The keys of a member, each with its proof of possession; all Ed25519.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberKeys {
    /// Signs records.
    pub governance: ProvenKey,
    /// Signs consensus votes.
    pub consensus: ProvenKey,
    /// Cosigns checkpoints.
    pub cosigner: ProvenKey,
    /// Signs the checkpoint its node serves.
    pub node: ProvenKey,
}

impl MemberKeys {
    /// The four keys with their roles.
    pub fn roles(&self) -> [(Role, &ProvenKey); 4] {
        [
            (Role::Governance, &self.governance),
            (Role::Consensus, &self.consensus),
            (Role::Cosigner, &self.cosigner),
            (Role::Node, &self.node),
        ]
    }
}

/// An institution with a validating node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Member {
    /// Identifier, unique among members past and present: one who left comes back under
    /// another.
    pub id: MemberId,
    /// Name for people.
    pub name: DisplayName,
    /// Its keys.
    pub keys: MemberKeys,
    /// Multiaddrs of its node.
    pub addresses: Vec<NodeAddress>,
    /// Where its node serves HTTP to the public.
    pub url: Option<WebUrl>,
}

/// What is wrong with a member's description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// A key does not pass rule R4.
    #[error("the {role} key of member {member}: {source}")]
    Key {
        /// The member.
        member: MemberId,
        /// Role of the key.
        role: &'static str,
        /// What is wrong.
        source: KeyError,
    },
    /// Too many addresses.
    #[error("member {member} has {count} addresses; at most {ADDRESSES_MAX} are allowed")]
    Addresses {
        /// The member.
        member: MemberId,
        /// How many.
        count: usize,
    },
    /// Not a set of members in ascending order of id.
    #[error("{count} members are not 1 to {MEMBERS_MAX} in strictly ascending order of id")]
    Set {
        /// How many.
        count: usize,
    },
    /// One key in two roles or of two members.
    #[error("key {key} of member {member} stands there twice; each role needs its own key")]
    SharedKey {
        /// The member.
        member: MemberId,
        /// The key.
        key: PublicKey,
    },
}

impl Member {
    /// Rule R4 for the member's own keys, and the limits of its description.
    ///
    /// # Errors
    /// Every [`MemberError`].
    pub fn check(&self, origin: &Origin) -> Result<(), MemberError> {
        if self.addresses.len() > ADDRESSES_MAX {
            return Err(MemberError::Addresses {
                member: self.id.clone(),
                count: self.addresses.len(),
            });
        }
        let mut seen: Vec<&PublicKey> = Vec::new();
        for (role, proven) in self.keys.roles() {
            proven
                .check(origin, role, self.id.as_str())
                .map_err(|source| MemberError::Key {
                    member: self.id.clone(),
                    role: role.as_str(),
                    source,
                })?;
            if seen.contains(&&proven.key) {
                return Err(MemberError::SharedKey {
                    member: self.id.clone(),
                    key: proven.key.clone(),
                });
            }
            seen.push(&proven.key);
        }
        Ok(())
    }
}

/// A member of the current set, with the number of its cosigner key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatedMember {
    /// The member.
    pub member: Member,
    /// Number of its cosigner key, from 0: part of the cosigner name.
    pub cosigner_number: u32,
}

impl SeatedMember {
    /// Cosigner name: `<origin>/<member>/<key number>` (design rule C5).
    pub fn cosigner_name(&self, origin: &Origin) -> String {
        format!("{origin}/{}/{}", self.member.id, self.cosigner_number)
    }
}

/// The members in force, in ascending order of id; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<SeatedMember>", into = "Vec<SeatedMember>")]
pub struct MemberSet(Vec<SeatedMember>);

impl TryFrom<Vec<SeatedMember>> for MemberSet {
    type Error = MemberError;

    /// Takes a list that is in order already: a decoded set has one form.
    fn try_from(seats: Vec<SeatedMember>) -> Result<Self, MemberError> {
        let ascending = seats
            .windows(2)
            .all(|pair| pair[0].member.id < pair[1].member.id);
        if seats.is_empty() || seats.len() > MEMBERS_MAX || !ascending {
            return Err(MemberError::Set { count: seats.len() });
        }
        Ok(Self(seats))
    }
}

impl From<MemberSet> for Vec<SeatedMember> {
    fn from(set: MemberSet) -> Self {
        set.0
    }
}

impl MemberSet {
    /// A set in ascending order of id, of at least one member.
    pub fn new(mut members: Vec<SeatedMember>) -> Self {
        members.sort_by(|a, b| a.member.id.cmp(&b.member.id));
        Self(members)
    }

    /// The members.
    pub fn members(&self) -> &[SeatedMember] {
        &self.0
    }

    /// The member with this id.
    pub fn find(&self, id: &MemberId) -> Option<&SeatedMember> {
        self.0
            .binary_search_by(|seat| seat.member.id.cmp(id))
            .ok()
            .map(|at| &self.0[at])
    }

    /// How many distinct members are more than two thirds of the set.
    pub fn quorum(&self) -> usize {
        self.0.len() * 2 / 3 + 1
    }

    /// Whose turn it is to propose: members in ascending order of id, one step a height
    /// and one step a round.
    pub fn proposer(&self, height: Height, round: Round) -> &SeatedMember {
        let turn = (u128::from(height.0) + u128::from(round.0)) % self.0.len().max(1) as u128;
        #[allow(clippy::cast_possible_truncation)] // less than the number of members
        &self.0[turn as usize]
    }

    /// The canonical bytes.
    ///
    /// # Errors
    /// [`CodecError`] for a set that is longer than any that the rules let come about.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode("member set", self, MEMBER_SET_BYTES_MAX)
    }

    /// Reads canonical bytes. The members' keys are not checked here: a set is believed because a
    /// seal names its [`MemberSet::hash`].
    ///
    /// # Errors
    /// Every [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode("member set", bytes, MEMBER_SET_BYTES_MAX)
    }

    /// BLAKE3 of the canonical bytes: `members_hash` of a seal.
    ///
    /// # Errors
    /// As [`MemberSet::to_bytes`].
    pub fn hash(&self) -> Result<Root, CodecError> {
        Ok(Root(*blake3::hash(&self.to_bytes()?).as_bytes()))
    }
}
