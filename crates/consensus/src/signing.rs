//! Ed25519 under the ledger's messages: strict verification, one signer.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::sync::Arc;

use arc_malachitebft_core_types as ct;
use arc_malachitebft_signing as scheme;
use borsh::{BorshDeserialize, BorshSerialize};
use credlog_ledger::ids::{self, LedgerId, ValueId};
use credlog_ledger::vote::{self, VoteKind};
use ct::{NilOrVal, SignedExtension, SignedMessage, ValidatorProof, VoteExtensionScope, VoteType};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use scheme::VerificationResult;

use crate::context::{Ledger, Proposal, Round, SignedProposal, SignedVote, Vote};
use crate::prevotes::Prevotes;

/// The engine's name for Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

/// A signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct Signature(pub(crate) [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex::encode(&self.0[..8]))
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey(pub(crate) VerifyingKey);

impl PublicKey {
    pub(crate) fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

/// A private key; the engine never gets one.
#[derive(Clone)]
pub(crate) struct NoPrivateKey;

impl ct::SigningScheme for Ed25519 {
    type DecodingError = Error;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = NoPrivateKey;

    fn decode_signature(bytes: &[u8]) -> Result<Signature, Error> {
        let bytes = bytes.try_into();
        bytes
            .map(Signature)
            .map_err(|_| invalid("64 bytes are a signature"))
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, Error> {
        let bytes = bytes
            .try_into()
            .map_err(|_| invalid("32 bytes are a key"))?;
        let key = VerifyingKey::from_bytes(bytes);
        key.map(PublicKey)
            .map_err(|_| invalid("these 32 bytes are no key"))
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.0.to_bytes().to_vec()
    }
}

fn invalid(text: &str) -> Error {
    Error::new(ErrorKind::InvalidData, text)
}

/// The bytes under a vote; none for the round before the first, in which nobody signs.
pub(crate) fn vote_bytes(ledger: &LedgerId, vote: &Vote) -> Option<Vec<u8>> {
    let round = ids::Round(vote.round.as_u32()?);
    let value = match &vote.value {
        NilOrVal::Nil => None,
        NilOrVal::Val(value) => Some(ValueId::from(*value)),
    };
    let (kind, height) = (vote_kind(vote.kind), vote.height.into());
    Some(vote::vote_message(
        ledger,
        kind,
        height,
        round,
        value.as_ref(),
    ))
}

/// The ledger's name for a kind of vote.
pub(crate) fn vote_kind(kind: VoteType) -> VoteKind {
    match kind {
        VoteType::Prevote => VoteKind::Prevote,
        VoteType::Precommit => VoteKind::Precommit,
    }
}

/// The bytes under a proposal, as [`vote_bytes`].
pub(crate) fn proposal_bytes(ledger: &LedgerId, proposal: &Proposal) -> Option<Vec<u8>> {
    let round = ids::Round(proposal.round.as_u32()?);
    let (height, value) = (proposal.height.into(), proposal.value.into());
    let valid_round = ledger_round(proposal.valid_round);
    Some(vote::proposal_message(
        ledger,
        height,
        round,
        &value,
        valid_round,
    ))
}

/// The ledger's form of a round.
pub(crate) fn ledger_round(round: Round) -> Option<ids::Round> {
    round.as_u32().map(ids::Round)
}

/// Verifies what peers sign, and tallies the prevotes among it (rule R1).
#[derive(Clone)]
pub(crate) struct Verifier {
    pub(crate) ledger: LedgerId,
    pub(crate) prevotes: Arc<Prevotes>,
}

impl Verifier {
    pub(crate) fn verifies_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &PublicKey,
    ) -> bool {
        vote_bytes(&self.ledger, vote).is_some_and(|bytes| key.verifies(&bytes, signature))
    }

    pub(crate) fn verifies_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> bool {
        let bytes = proposal_bytes(&self.ledger, proposal);
        bytes.is_some_and(|bytes| key.verifies(&bytes, signature))
    }
}

type Verified = Result<VerificationResult, scheme::Error>;

#[async_trait::async_trait]
impl scheme::Verifier<Ledger> for Verifier {
    async fn verify_signed_vote(&self, vote: &Vote, by: &Signature, key: &PublicKey) -> Verified {
        let good = self.verifies_vote(vote, by, key);
        if good {
            self.prevotes.note(vote, key);
        }
        Ok(VerificationResult::from_bool(good))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        by: &Signature,
        key: &PublicKey,
    ) -> Verified {
        Ok(VerificationResult::from_bool(
            self.verifies_proposal(proposal, by, key),
        ))
    }

    /// Votes have no extensions on this ledger.
    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<Ledger>,
        _: &bytes::Bytes,
        _: &Signature,
        _: &PublicKey,
    ) -> Verified {
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(&self, proof: &ValidatorProof<Ledger>) -> Verified {
        let key = proof.decoded_public_key();
        let good = key.is_ok_and(|key| key.verifies(&proof.preimage(), &proof.signature));
        Ok(VerificationResult::from_bool(good))
    }
}

/// Signs with a member's consensus key. The engine writes what it signs to its log first.
pub(crate) struct Signer {
    pub(crate) ledger: LedgerId,
    pub(crate) key: SigningKey,
    pub(crate) prevotes: Arc<Prevotes>,
}

impl Signer {
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }

    /// The proof that this consensus key runs under that network identity.
    pub(crate) fn validator_proof(&self, peer_id: Vec<u8>) -> ValidatorProof<Ledger> {
        let key = self.key.verifying_key().to_bytes().to_vec();
        let message = ValidatorProof::<Ledger>::signing_bytes(&key, &peer_id);
        ValidatorProof::new(key, peer_id, self.sign(&message))
    }
}

fn unsigned(what: &str) -> scheme::Error {
    scheme::Error::from_source(invalid(what))
}

#[async_trait::async_trait]
impl scheme::Signer<Ledger> for Signer {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedVote, scheme::Error> {
        let bytes = vote_bytes(&self.ledger, &vote);
        let bytes = bytes.ok_or_else(|| unsigned("a vote of no round is not signed"))?;
        self.prevotes
            .note(&vote, &PublicKey(self.key.verifying_key()));
        Ok(SignedMessage::new(vote, self.sign(&bytes)))
    }

    async fn sign_proposal(&self, proposal: Proposal) -> Result<SignedProposal, scheme::Error> {
        let bytes = proposal_bytes(&self.ledger, &proposal);
        let bytes = bytes.ok_or_else(|| unsigned("a proposal of no round is not signed"))?;
        Ok(SignedMessage::new(proposal, self.sign(&bytes)))
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<Ledger>,
        _: bytes::Bytes,
    ) -> Result<SignedExtension<Ledger>, scheme::Error> {
        Err(unsigned("votes have no extensions on this ledger"))
    }

    async fn sign_validator_proof(
        &self,
        _: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<Ledger>, scheme::Error> {
        Ok(self.validator_proof(peer_id))
    }
}
