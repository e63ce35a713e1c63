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
pub(crate) fn messages(signer: &Signer, id: &StreamId, candidate: &Candidate) -> Vec<Message> {
    let mut first = First {
        height: candidate.height.0,
        round: candidate.round.0,
        valid_round: candidate.valid_round.map(|round| round.0),
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
            valid_round: self.first.valid_round.map(ids::Round),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;
    use tokio::sync::mpsc;

    use super::*;
    use crate::context::Address;
    use crate::network::peer_id;
    use crate::prevotes::Prevotes;
    use crate::signing::PublicKey;

    const LEDGER: LedgerId = LedgerId([3; 32]);

    fn signer(of: u8) -> Signer {
        let (sender, _) = mpsc::unbounded_channel();
        Signer {
            ledger: LEDGER,
            key: SigningKey::from_bytes(&[of; 32]),
            prevotes: Arc::new(Prevotes::new(sender)),
        }
    }

    fn streamer(of: u8) -> Validator {
        let key = signer(of).key.verifying_key();
        Validator {
            member: "a".parse().unwrap(),
            address: Address::Key(key.to_bytes()),
            key: PublicKey(key),
            node_key: [of; 32],
        }
    }

    fn candidate(block: Vec<u8>) -> Candidate {
        Candidate {
            height: ids::Height(7),
            round: ids::Round(1),
            valid_round: Some(ids::Round(0)),
            proposer: "a".parse().unwrap(),
            value: ValueId([9; 32]),
            block,
        }
    }

    fn parts(id: u8, block: &[u8]) -> Vec<Message> {
        let id = StreamId::new(vec![id].into());
        messages(&signer(1), &id, &candidate(block.to_vec()))
    }

    fn peer(of: u8) -> PeerId {
        peer_id(&[of; 32]).unwrap()
    }

    fn take_all(streams: &mut Streams, parts: Vec<Message>) -> Option<Whole> {
        let taken = parts
            .into_iter()
            .filter_map(|part| streams.take(peer(1), part));
        taken.collect::<Vec<_>>().pop()
    }

    proptest! {
        #[test]
        fn a_stream_comes_together_in_any_order(
            length in 0..5 * CHUNK_BYTES_MAX,
            order in any::<prop::sample::Index>(),
            repeat in any::<prop::sample::Index>(),
        ) {
            let block: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
            let mut all = parts(1, &block);
            let turn = order.index(all.len());
            all.rotate_left(turn);
            let again = all[repeat.index(all.len())].clone();
            let last = all.len() - 1;
            all.insert(last, again);
            let whole = take_all(&mut Streams::default(), all).unwrap();
            prop_assert_eq!(whole.first.valid_round, Some(0));
            let found = whole.candidate(&LEDGER, &streamer(1), "a".parse().unwrap());
            prop_assert_eq!(found, Ok(candidate(block)));
        }
    }

    #[test]
    fn only_what_the_streamer_signed_is_a_candidate() {
        let whole = |change: fn(&mut Whole)| {
            let mut whole = take_all(&mut Streams::default(), parts(1, b"block")).unwrap();
            change(&mut whole);
            whole
        };
        let read =
            |whole: Whole, by: u8| whole.candidate(&LEDGER, &streamer(by), "a".parse().unwrap());
        assert!(read(whole(|_| {}), 1).is_ok());
        assert_eq!(read(whole(|_| {}), 2), Err(BadStream::Signature));
        let other_ledger = whole(|_| {});
        let other_ledger =
            other_ledger.candidate(&LedgerId([4; 32]), &streamer(1), "a".parse().unwrap());
        assert_eq!(other_ledger, Err(BadStream::Signature));
        let changes: [fn(&mut Whole); 6] = [
            |whole| whole.first.height += 1,
            |whole| whole.first.round += 1,
            |whole| whole.first.valid_round = None,
            |whole| whole.first.value[0] ^= 1,
            |whole| whole.first.block_length += 1,
            |whole| whole.first.block_hash[0] ^= 1,
        ];
        for change in changes {
            assert_eq!(read(whole(change), 1), Err(BadStream::Signature));
        }
        assert_eq!(
            read(whole(|whole| whole.block[0] ^= 1), 1),
            Err(BadStream::OtherBytes)
        );
        assert_eq!(
            read(whole(|whole| whole.block.push(0)), 1),
            Err(BadStream::OtherBytes)
        );
    }

    #[test]
    fn streams_are_bounded() {
        let block = vec![1; 3 * CHUNK_BYTES_MAX];
        let mut streams = Streams::default();
        for id in 0..100 {
            let mut all = parts(id, &block);
            all.pop();
            assert_eq!(take_all(&mut streams, all), None);
        }
        assert_eq!(streams.of[&peer(1)].len(), STREAMS_PER_MEMBER);
        // Of another member, nothing was lost.
        let mut other = parts(1, &block);
        let last = other.pop().unwrap();
        for part in other {
            assert_eq!(streams.take(peer(2), part), None);
        }
        assert!(streams.take(peer(2), last).is_some());
        streams.drop_up_to(6);
        assert_eq!(streams.of[&peer(1)].len(), STREAMS_PER_MEMBER);
        streams.drop_up_to(7);
        assert!(streams.of.is_empty());
    }

    #[test]
    fn parts_that_no_honest_member_sends_end_their_stream() {
        let part = |sequence, content| {
            StreamMessage::new(StreamId::new(vec![1].into()), sequence, content)
        };
        let chunk = |length| StreamContent::Data(Part::Chunk(vec![0; length]));
        let mut huge = first_of();
        huge.block_length = u32::MAX;
        let mut other = first_of();
        other.round += 1;
        let first = |first: &First| StreamContent::Data(Part::First(first.clone()));
        let (one, other) = (first(&first_of()), first(&other));
        let bad = [
            vec![part(MESSAGES_MAX, chunk(1))],
            vec![part(u64::MAX, StreamContent::Fin)],
            vec![part(1, chunk(CHUNK_BYTES_MAX + 1))],
            vec![part(0, chunk(1))],
            vec![part(0, StreamContent::Fin)],
            vec![part(1, one.clone())],
            vec![part(0, first(&huge))],
            vec![part(0, one.clone()), part(0, other)],
            vec![part(2, StreamContent::Fin), part(3, chunk(1))],
            vec![part(2, StreamContent::Fin), part(2, chunk(1))],
            vec![part(3, chunk(1)), part(2, StreamContent::Fin)],
        ];
        for messages in bad {
            let mut streams = Streams::default();
            assert_eq!(take_all(&mut streams, messages.clone()), None);
            let left = streams.of.get(&peer(1)).map_or(0, VecDeque::len);
            assert_eq!(left, 0, "{messages:?}");
        }
    }

    fn first_of() -> First {
        match parts(1, b"").remove(0).content {
            StreamContent::Data(Part::First(first)) => first,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn early_streams_wait_for_their_height() {
        let whole = |height| {
            let mut whole = take_all(&mut Streams::default(), parts(1, b"x")).unwrap();
            whole.first.height = height;
            whole
        };
        let mut early = Early::default();
        for height in [5, 6, 6, 7, 900] {
            early.keep(5, whole(height));
        }
        assert_eq!(early.of.len(), 3);
        assert_eq!(early.take(6), [whole(6)]);
        assert_eq!(early.take(6), []);
        assert_eq!(early.take(8), []);
        assert!(early.of.is_empty());
    }
}
