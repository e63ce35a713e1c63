//! Blocks on their way: a candidate as a signed stream of parts, and parts put together again.
//!
//! The first part says what comes, under the signature of the member that streams; chunks of
//! at most 64 KiB follow, and the engine's end mark. Parts come in any order and through any
//! peer, so a stream is known by who published it and its id.

use std::collections::{BTreeMap, VecDeque};

use arc_malachitebft_core_types as ct;
use arc_malachitebft_engine::util::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_peer::PeerId;
use borsh::{BorshDeserialize, BorshSerialize};
use credlog_ledger::block::BLOCK_BYTES_MAX;
use credlog_ledger::ids::{self, LedgerId, ValueId};
use credlog_ledger::vote::stream_message;

use crate::application::Candidate;
use crate::context::{Ledger, Validator};
use crate::signing::{Signature, Signer};

/// Most bytes of a block in one part.
pub(crate) const CHUNK_BYTES_MAX: usize = 64 << 10;
/// Most messages of a stream: the first part, the chunks, the end.
const MESSAGES_MAX: u64 = BLOCK_BYTES_MAX.div_ceil(CHUNK_BYTES_MAX) as u64 + 2;
/// Streams of one member that are kept at a time: the current one, and the next that may
/// overtake its last parts. The oldest goes first.
const STREAMS_PER_MEMBER: usize = 2;

/// What a stream says that it carries.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct First {
    pub(crate) height: u64,
    pub(crate) round: u32,
    /// The earlier round with a polka for the value, if it is proposed again.
    pub(crate) valid_round: Option<u32>,
    pub(crate) value: [u8; 32],
    pub(crate) block_length: u32,
    /// BLAKE3 of the block.
    pub(crate) block_hash: [u8; 32],
    /// Of the member that streams, over `credlog_ledger::vote::stream_message`.
    pub(crate) signature: Signature,
}

impl First {
    fn message(&self, ledger: &LedgerId) -> Vec<u8> {
        stream_message(
            ledger,
            ids::Height(self.height),
            ids::Round(self.round),
            self.valid_round.map(ids::Round),
            &ValueId(self.value),
            self.block_length,
            &self.block_hash,
        )
    }
}

/// One part of a stream.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Part {
    /// The first one.
    First(First),
    /// The next bytes of the block.
    Chunk(Vec<u8>),
}

impl ct::ProposalPart<Ledger> for Part {
    fn is_first(&self) -> bool {
        matches!(self, Self::First(_))
    }

    fn is_last(&self) -> bool {
        false
    }
}

pub(crate) type Message = StreamMessage<Part>;

/// Cuts a candidate into the signed messages of stream `id`.
pub(crate) fn messages(
    signer: &Signer,
    id: StreamId,
    candidate: &Candidate,
    valid_round: Option<u32>,
) -> Vec<Message> {
    let mut first = First {
        height: candidate.height.0,
        round: candidate.round.0,
        valid_round,
        value: candidate.value.0,
        // The application's limit of a block is far below.
        block_length: u32::try_from(candidate.block.len()).unwrap_or(u32::MAX),
        block_hash: *blake3::hash(&candidate.block).as_bytes(),
        signature: Signature([0; 64]),
    };
    first.signature = signer.sign(&first.message(&signer.ledger));
    let chunks = candidate.block.chunks(CHUNK_BYTES_MAX);
    let chunks = chunks.map(|chunk| StreamContent::Data(Part::Chunk(chunk.to_vec())));
    let contents = std::iter::once(StreamContent::Data(Part::First(first)))
        .chain(chunks)
        .chain([StreamContent::Fin]);
    let numbered = (0..).zip(contents);
    numbered
        .map(|(sequence, content)| StreamMessage::new(id.clone(), sequence, content))
        .collect()
}

/// A stream that is all here; its first part is not verified yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) publisher: PeerId,
    pub(crate) first: First,
    block: Vec<u8>,
}

/// Why a stream carries no candidate.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadStream {
    #[error("its first part is not signed by the member that published it")]
    Signature,
    #[error("its bytes are not those that its first part announces")]
    OtherBytes,
}

impl Whole {
    /// The candidate that `streamer` sent, proposed by `proposer` in that round.
    pub(crate) fn candidate(
        self,
        ledger: &LedgerId,
        streamer: &Validator,
        proposer: ids::MemberId,
    ) -> Result<Candidate, BadStream> {
        let First {
            height,
            round,
            value,
            ..
        } = self.first;
        if !streamer
            .key
            .verifies(&self.first.message(ledger), &self.first.signature)
        {
            return Err(BadStream::Signature);
        }
        let length = usize::try_from(self.first.block_length);
        let hash = blake3::hash(&self.block);
        if length != Ok(self.block.len()) || *hash.as_bytes() != self.first.block_hash {
            return Err(BadStream::OtherBytes);
        }
        Ok(Candidate {
            height: ids::Height(height),
            round: ids::Round(round),
            proposer,
            value: ValueId(value),
            block: self.block,
        })
    }
}

/// Streams that are under way, by the peer that publishes them. Who may publish is asked
/// before; so the bytes held are at most those of [`STREAMS_PER_MEMBER`] blocks a member.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    of: BTreeMap<PeerId, VecDeque<(StreamId, Stream)>>,
}

#[derive(Debug, Default)]
struct Stream {
    first: Option<First>,
    chunks: BTreeMap<u64, Vec<u8>>,
    end: Option<u64>,
}

impl Streams {
    /// Takes one message; the stream, if that was the last that was missing. A message that
    /// no honest member sends ends its stream.
    pub(crate) fn take(&mut self, publisher: PeerId, message: Message) -> Option<Whole> {
        let streams = self.of.entry(publisher).or_default();
        let id = message.stream_id.clone();
        let at = match streams.iter().position(|(known, _)| *known == id) {
            Some(at) => at,
            None => {
                if streams.len() >= STREAMS_PER_MEMBER {
                    streams.pop_front();
                }
                streams.push_back((id, Stream::default()));
                streams.len() - 1
            }
        };
        let (_, stream) = streams.get_mut(at)?;
        if !stream.put(message) {
            streams.remove(at);
            return None;
        }
        if !stream.is_whole() {
            return None;
        }
        let (_, stream) = streams.remove(at)?;
        let first = stream.first?;
        let block = stream.chunks.into_values().flatten().collect();
        Some(Whole {
            publisher,
            first,
            block,
        })
    }

    /// Forgets streams of heights that are decided.
    pub(crate) fn drop_up_to(&mut self, height: u64) {
        for streams in self.of.values_mut() {
            streams.retain(|(_, stream)| {
                stream
                    .first
                    .as_ref()
                    .is_none_or(|first| first.height > height)
            });
        }
        self.of.retain(|_, streams| !streams.is_empty());
    }

    /// Forgets streams of those that may publish no more.
    pub(crate) fn keep_publishers(&mut self, may_publish: impl Fn(&PeerId) -> bool) {
        self.of.retain(|peer, _| may_publish(peer));
    }
}

impl Stream {
    /// Whether the message fits.
    fn put(&mut self, message: Message) -> bool {
        if message.sequence >= MESSAGES_MAX || self.end.is_some_and(|end| message.sequence > end) {
            return false;
        }
        match (message.sequence, message.content) {
            (0, StreamContent::Data(Part::First(first))) => {
                let is_small = first.block_length as usize <= BLOCK_BYTES_MAX;
                let fits = is_small && self.first.as_ref().is_none_or(|known| *known == first);
                self.first = Some(first);
                fits
            }
            (0, _) | (_, StreamContent::Data(Part::First(_))) => false,
            (at, StreamContent::Data(Part::Chunk(bytes))) => {
                let fits = bytes.len() <= CHUNK_BYTES_MAX && self.end != Some(at);
                self.chunks.entry(at).or_insert(bytes);
                fits
            }
            (at, StreamContent::Fin) => {
                let last = self.chunks.last_key_value().map_or(0, |(at, _)| *at);
                self.end.get_or_insert(at);
                at > last
            }
        }
    }

    fn is_whole(&self) -> bool {
        let chunks = self.chunks.len() as u64;
        self.first.is_some() && self.end == Some(chunks + 1)
    }
}

/// Whole streams above the next height, until that height comes: one a member and height,
/// of the nearest heights.
#[derive(Debug, Default)]
pub(crate) struct Early {
    of: BTreeMap<(u64, PeerId), Whole>,
}

/// How far above the tip streams are kept; a node that is further behind syncs.
const HEIGHTS_AHEAD_MAX: u64 = 2;

impl Early {
    /// Keeps a stream for a height after `next`, the one that is decided next.
    pub(crate) fn keep(&mut self, next: u64, whole: Whole) {
        if whole.first.height.saturating_sub(next) <= HEIGHTS_AHEAD_MAX {
            self.of.insert((whole.first.height, whole.publisher), whole);
        }
    }

    /// The streams for `next`; those below are forgotten.
    pub(crate) fn take(&mut self, next: u64) -> Vec<Whole> {
        let all = std::mem::take(&mut self.of).into_iter();
        let (later, due): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.partition(|((height, _), _)| *height > next);
        self.of = later;
        let due = due.into_iter().filter(|((height, _), _)| *height == next);
        due.map(|(_, whole)| whole).collect()
    }
}
