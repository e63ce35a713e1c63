//! The engine's types, made of the ledger's.

use std::fmt;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::sync::Arc;

use arc_malachitebft_core_types as ct;
use borsh::{BorshDeserialize, BorshSerialize};
use credlog_ledger::ids;
use credlog_ledger::member::MemberSet;
use ct::{NilOrVal, SignedExtension, VoteType};
use ed25519_dalek::VerifyingKey;

use crate::signing::{Ed25519, PublicKey};
use crate::stream::Part;

/// The types of one ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ledger;

pub(crate) type Round = ct::Round;
pub(crate) type HeightParams = ct::HeightParams<Ledger>;

/// Height of a block.
#[derive(
    Clone,
    Copy,
    Default,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub(crate) struct Height(pub(crate) u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ct::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

impl From<ids::Height> for Height {
    fn from(height: ids::Height) -> Self {
        Self(height.0)
    }
}

impl From<Height> for ids::Height {
    fn from(height: Height) -> Self {
        Self(height.0)
    }
}

/// What is decided: the id of a checkpoint. The value is its own id.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub(crate) struct Value(pub(crate) [u8; 32]);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ids::ValueId(self.0).fmt(f)
    }
}

impl ct::Value for Value {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

impl From<ids::ValueId> for Value {
    fn from(value: ids::ValueId) -> Self {
        Self(value.0)
    }
}

impl From<Value> for ids::ValueId {
    fn from(value: Value) -> Self {
        Self(value.0)
    }
}

/// Who signed.
///
/// The engine's own messages name a consensus key, so that a member whose key was replaced is
/// no validator under the old one. Certificates of decided heights name the member, as the
/// ledger stores them: which key it had then, the set of that height says. One certificate
/// never holds both forms (only the second comes from peers in a sync response, only the
/// first in any other message).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Address {
    /// By consensus key.
    Key([u8; 32]),
    /// By member.
    Member(ids::MemberId),
}

impl ct::Address for Address {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(&hex::encode(&key[..8])),
            Self::Member(member) => member.fmt(f),
        }
    }
}

impl BorshSerialize for Address {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        match self {
            Self::Key(key) => writer.write_all(key),
            Self::Member(member) => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the signature of member {member} goes into commit certificates alone"),
            )),
        }
    }
}

impl BorshDeserialize for Address {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        <[u8; 32]>::deserialize_reader(reader).map(Self::Key)
    }
}

/// A member with its consensus key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validator {
    pub(crate) member: ids::MemberId,
    pub(crate) address: Address,
    pub(crate) key: PublicKey,
    pub(crate) node_key: [u8; 32],
}

impl ct::Validator<Ledger> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// One member, one vote.
    fn voting_power(&self) -> u64 {
        1
    }
}

/// The members of a height in ascending order of id, which is the order of proposers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validators(Arc<[Validator]>);

impl Validators {
    /// The validators of a member set. Says which member has no Ed25519 keys; the rules keep
    /// such a set from coming about.
    pub(crate) fn of(members: &MemberSet) -> std::result::Result<Self, String> {
        let seats = members.members().iter();
        let all: std::result::Result<_, _> = seats
            .map(|seat| {
                let member = &seat.member;
                let keys = &member.keys;
                let bad = || format!("member {} has no Ed25519 keys", member.id);
                let consensus = keys.consensus.key.as_ed25519().ok_or_else(bad)?;
                Ok(Validator {
                    member: member.id.clone(),
                    address: Address::Key(*consensus),
                    key: PublicKey(VerifyingKey::from_bytes(consensus).map_err(|_| bad())?),
                    node_key: *keys.node.key.as_ed25519().ok_or_else(bad)?,
                })
            })
            .collect();
        all.map(Self)
    }

    #[cfg(test)]
    pub(crate) fn from_list(all: Vec<Validator>) -> Self {
        Self(all.into())
    }

    pub(crate) fn all(&self) -> &[Validator] {
        &self.0
    }

    pub(crate) fn find(&self, address: &Address) -> Option<&Validator> {
        self.0.iter().find(|one| match address {
            Address::Key(_) => one.address == *address,
            Address::Member(member) => one.member == *member,
        })
    }

    /// How many are more than two thirds.
    pub(crate) fn quorum(&self) -> usize {
        self.0.len() * 2 / 3 + 1
    }

    /// How many always include one that is honest.
    pub(crate) fn honest(&self) -> usize {
        self.0.len().saturating_sub(1) / 3 + 1
    }

    /// As `MemberSet::proposer`.
    pub(crate) fn proposer(&self, height: u64, round: u32) -> &Validator {
        let turn = (u128::from(height) + u128::from(round)) % self.0.len().max(1) as u128;
        #[allow(clippy::cast_possible_truncation)] // less than the number of members
        &self.0[turn as usize]
    }
}

impl ct::ValidatorSet<Ledger> for Validators {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.0.len() as u64
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.find(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.get(index)
    }
}

/// A vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) kind: VoteType,
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) value: NilOrVal<Value>,
    pub(crate) address: Address,
}

impl ct::Vote<Ledger> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<Value> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<Value> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    fn extension(&self) -> Option<&SignedExtension<Ledger>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Ledger>> {
        None
    }

    fn extend(self, _: SignedExtension<Ledger>) -> Self {
        self
    }
}

/// A proposal; the block comes beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) value: Value,
    pub(crate) valid_round: Round,
    pub(crate) address: Address,
}

impl ct::Proposal<Ledger> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.valid_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}

impl ct::Context for Ledger {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = Validators;
    type Timeouts = ct::LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = bytes::Bytes;
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        validators: &'a Validators,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        validators.proposer(height.0, round.as_u32().unwrap_or(0))
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: Value,
        valid_round: Round,
        address: Address,
    ) -> Proposal {
        Proposal {
            height,
            round,
            value,
            valid_round,
            address,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<Value>,
        address: Address,
    ) -> Vote {
        vote(VoteType::Prevote, height, round, value, address)
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<Value>,
        address: Address,
    ) -> Vote {
        vote(VoteType::Precommit, height, round, value, address)
    }
}

fn vote(
    kind: VoteType,
    height: Height,
    round: Round,
    value: NilOrVal<Value>,
    address: Address,
) -> Vote {
    Vote {
        kind,
        height,
        round,
        value,
        address,
    }
}

pub(crate) type SignedVote = ct::SignedVote<Ledger>;
pub(crate) type SignedProposal = ct::SignedProposal<Ledger>;
