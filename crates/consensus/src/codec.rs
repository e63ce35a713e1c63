//! Bytes on the wire and in the write-ahead log: borsh, with a limit a message that is checked
//! before anything is decoded.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::sync::Arc;

use arc_malachitebft_app_channel::app::types::codec::{Codec, HasEncodedLen};
use arc_malachitebft_core_consensus::{LivenessMsg, ProposedValue, SignedConsensusMsg};
use arc_malachitebft_core_types as ct;
use arc_malachitebft_engine::util::streaming::StreamMessage;
use arc_malachitebft_sync as sync;
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use credlog_ledger::block::BLOCK_BYTES_MAX;
use credlog_ledger::certificate::{CERTIFICATE_BYTES_MAX, CommitCertificate};
use credlog_ledger::ids::ValueId;
use ct::{NilOrVal, PolkaCertificate, ValidatorProof, VoteType};

use crate::certificates;
use crate::context::{Address, Height, Ledger, Proposal, Round, Value, Vote};
use crate::observed::Observed;
use crate::signing::Signature;
use crate::stream::{CHUNK_BYTES_MAX, Part};

/// A signed vote or proposal.
const VOTE_BYTES_MAX: usize = 256;
/// A polka or round certificate of a hundred members.
const CERTIFICATE_MESSAGE_BYTES_MAX: usize = 32 << 10;
/// A part of a block with its stream's id.
pub(crate) const PART_BYTES_MAX: usize = CHUNK_BYTES_MAX + 512;
/// A status or a request of sync.
const SYNC_MESSAGE_BYTES_MAX: usize = 256;
/// A proof that a consensus key runs under a network identity.
const PROOF_BYTES_MAX: usize = 512;
/// Most bytes of the decided blocks in one answer, and of the answer.
pub(crate) const RESPONSE_BYTES_MAX: usize = 10 << 20;
/// Most decided blocks in one answer.
pub(crate) const RESPONSE_BLOCKS_MAX: usize = 256;

/// The codec of the engine's messages. What peers say of heights that this node does not have
/// is noted on the way.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) observed: Arc<Observed>,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, text.into())
}

fn decode<T: BorshDeserialize>(bytes: &[u8], limit: usize) -> Result<T> {
    if bytes.len() > limit {
        let size = bytes.len();
        return Err(invalid(format!(
            "{size} bytes; at most {limit} are allowed here"
        )));
    }
    borsh::from_slice(bytes)
}

macro_rules! limited {
    ($($message:ty, $limit:expr;)*) => {$(
        impl Codec<$message> for Wire {
            type Error = Error;

            fn decode(&self, bytes: Bytes) -> Result<$message> {
                decode(&bytes, $limit)
            }

            fn encode(&self, message: &$message) -> Result<Bytes> {
                borsh::to_vec(message).map(Bytes::from)
            }
        }
    )*};
}

limited! {
    Part, PART_BYTES_MAX;
    StreamMessage<Part>, PART_BYTES_MAX;
    SignedConsensusMsg<Ledger>, VOTE_BYTES_MAX;
    PolkaCertificate<Ledger>, CERTIFICATE_MESSAGE_BYTES_MAX;
    ProposedValue<Ledger>, VOTE_BYTES_MAX;
    sync::Request<Ledger>, SYNC_MESSAGE_BYTES_MAX;
}

impl Codec<LivenessMsg<Ledger>> for Wire {
    type Error = Error;

    fn decode(&self, bytes: Bytes) -> Result<LivenessMsg<Ledger>> {
        decode(&bytes, CERTIFICATE_MESSAGE_BYTES_MAX)
    }

    /// The engine makes the certificate of a round also from a decision that came by sync, whose
    /// signatures are named by member.
    fn encode(&self, message: &LivenessMsg<Ledger>) -> Result<Bytes> {
        let LivenessMsg::SkipRoundCertificate(certificate) = message else {
            return borsh::to_vec(message).map(Bytes::from);
        };
        let mut certificate = certificate.clone();
        let members = self.observed.members(certificate.height.0);
        for signature in &mut certificate.round_signatures {
            let found = members
                .as_ref()
                .and_then(|all| all.find(&signature.address));
            if let Some(validator) = found {
                signature.address = validator.address.clone();
            }
        }
        borsh::to_vec(&LivenessMsg::<Ledger>::SkipRoundCertificate(certificate)).map(Bytes::from)
    }
}

impl Codec<sync::Status<Ledger>> for Wire {
    type Error = Error;

    fn decode(&self, bytes: Bytes) -> Result<sync::Status<Ledger>> {
        let status: sync::Status<Ledger> = decode(&bytes, SYNC_MESSAGE_BYTES_MAX)?;
        self.observed.note_tip(status.peer_id, status.tip_height.0);
        Ok(status)
    }

    fn encode(&self, status: &sync::Status<Ledger>) -> Result<Bytes> {
        borsh::to_vec(status).map(Bytes::from)
    }
}

impl Codec<ValidatorProof<Ledger>> for Wire {
    type Error = Error;

    fn decode(&self, bytes: Bytes) -> Result<ValidatorProof<Ledger>> {
        let (key, peer, signature): (Vec<u8>, Vec<u8>, Signature) =
            decode(&bytes, PROOF_BYTES_MAX)?;
        Ok(ValidatorProof::new(key, peer, signature))
    }

    fn encode(&self, proof: &ValidatorProof<Ledger>) -> Result<Bytes> {
        let fields = (&proof.public_key, &proof.peer_id, &proof.signature);
        borsh::to_vec(&fields).map(Bytes::from)
    }
}

/// An answer of sync: the first height, then blocks with the ledger's certificates.
#[derive(BorshSerialize, BorshDeserialize)]
struct Answer {
    first: u64,
    decided: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Codec<sync::Response<Ledger>> for Wire {
    type Error = Error;

    fn decode(&self, bytes: Bytes) -> Result<sync::Response<Ledger>> {
        let answer: Answer = decode(&bytes, RESPONSE_BYTES_MAX + 4_096)?;
        let count = answer.decided.len();
        if count > RESPONSE_BLOCKS_MAX {
            return Err(invalid(format!(
                "{count} blocks; at most {RESPONSE_BLOCKS_MAX}"
            )));
        }
        let mut values = Vec::with_capacity(count);
        for (block, certificate) in answer.decided {
            if block.len() > BLOCK_BYTES_MAX || certificate.len() > CERTIFICATE_BYTES_MAX {
                return Err(invalid("a block or its certificate is too large"));
            }
            let certificate = CommitCertificate::from_bytes(&certificate);
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            values.push(sync::RawDecidedValue::new(
                synced_bytes(&certificate.value, &block),
                certificates::to_engine(&certificate),
            ));
            self.observed.note_decided(certificate);
        }
        let response = sync::ValueResponse::new(Height(answer.first), values);
        Ok(sync::Response::ValueResponse(response))
    }

    fn encode(&self, response: &sync::Response<Ledger>) -> Result<Bytes> {
        let sync::Response::ValueResponse(response) = response;
        let decided = response.values.iter().map(|value| {
            let (_, block) = synced_parts(&value.value_bytes)
                .ok_or_else(|| invalid("a decided value without its block"))?;
            Ok((block.to_vec(), certificate_bytes(&value.certificate)?))
        });
        let answer = Answer {
            first: response.start_height.0,
            decided: decided.collect::<Result<_>>()?,
        };
        borsh::to_vec(&answer).map(Bytes::from)
    }
}

impl HasEncodedLen<sync::Response<Ledger>> for Wire {
    fn encoded_len(&self, response: &sync::Response<Ledger>) -> Result<usize> {
        let sync::Response::ValueResponse(response) = response;
        let lengths = response.values.iter().map(|value| {
            let block = value.value_bytes.len().saturating_sub(32);
            Ok(8 + block + certificate_bytes(&value.certificate)?.len())
        });
        lengths.sum::<Result<usize>>().map(|length| 12 + length)
    }
}

/// How the engine carries a decided block to the driver: the claimed value and the block.
pub(crate) fn synced_bytes(value: &ValueId, block: &[u8]) -> Bytes {
    [value.as_bytes().as_slice(), block].concat().into()
}

/// The value and the block in them.
pub(crate) fn synced_parts(bytes: &[u8]) -> Option<(ValueId, &[u8])> {
    let (value, block) = bytes.split_first_chunk()?;
    Some((ValueId(*value), block))
}

/// The ledger's bytes of a certificate that came from the ledger.
fn certificate_bytes(certificate: &ct::ExtendedCommitCertificate<Ledger>) -> Result<Vec<u8>> {
    let certificate =
        certificates::of_members(certificate).map_err(|error| invalid(error.to_string()))?;
    certificate
        .to_bytes()
        .map_err(|error| invalid(error.to_string()))
}

/// A round that somebody signs in: there is always one.
fn write_round<W: Write>(round: Round, writer: &mut W) -> Result<()> {
    let round = round
        .as_u32()
        .ok_or_else(|| invalid("a message of no round"))?;
    round.serialize(writer)
}

fn read_round<R: Read>(reader: &mut R) -> Result<Round> {
    u32::deserialize_reader(reader).map(Round::new)
}

impl BorshSerialize for Vote {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        match self.kind {
            VoteType::Prevote => 1_u8,
            VoteType::Precommit => 2,
        }
        .serialize(writer)?;
        self.height.serialize(writer)?;
        write_round(self.round, writer)?;
        match self.value {
            NilOrVal::Nil => None,
            NilOrVal::Val(value) => Some(value),
        }
        .serialize(writer)?;
        self.address.serialize(writer)
    }
}

impl BorshDeserialize for Vote {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        Ok(Self {
            kind: match u8::deserialize_reader(reader)? {
                1 => VoteType::Prevote,
                2 => VoteType::Precommit,
                other => return Err(invalid(format!("{other} is no kind of vote"))),
            },
            height: Height::deserialize_reader(reader)?,
            round: read_round(reader)?,
            value: match Option::<Value>::deserialize_reader(reader)? {
                None => NilOrVal::Nil,
                Some(value) => NilOrVal::Val(value),
            },
            address: Address::deserialize_reader(reader)?,
        })
    }
}

impl BorshSerialize for Proposal {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        self.height.serialize(writer)?;
        write_round(self.round, writer)?;
        self.value.serialize(writer)?;
        self.valid_round.as_u32().serialize(writer)?;
        self.address.serialize(writer)
    }
}

impl BorshDeserialize for Proposal {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        Ok(Self {
            height: Height::deserialize_reader(reader)?,
            round: read_round(reader)?,
            value: Value::deserialize_reader(reader)?,
            valid_round: Option::<u32>::deserialize_reader(reader)?.into(),
            address: Address::deserialize_reader(reader)?,
        })
    }
}

#[cfg(test)]
mod tests;
