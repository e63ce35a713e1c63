//! What consensus keys sign: votes, proposals and the streams that carry blocks.
//!
//! Each message is a line that names it, the ledger, and fields of fixed width, big-endian; an
//! option is `0x00`, or `0x01` and its value. So no signature passes for one of another kind, of
//! another ledger, or for a record (whose first line differs). Ed25519, verified strictly.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{Height, LedgerId, Round, ValueId};

const VOTE_DOMAIN: &[u8] = b"credlog/vote/v1\n";
const PROPOSAL_DOMAIN: &[u8] = b"credlog/proposal/v1\n";
const STREAM_DOMAIN: &[u8] = b"credlog/stream/v1\n";

/// Which of the two votes of a round.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum VoteKind {
    /// The first vote: byte 1.
    Prevote = 1,
    /// The second vote, of which a quorum decides: byte 2.
    Precommit = 2,
}

impl VoteKind {
    /// Its byte in [`vote_message`].
    pub fn byte(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for VoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prevote => "prevote",
            Self::Precommit => "precommit",
        })
    }
}

/// What a vote signs; no value is a vote for none in this round.
pub fn vote_message(
    ledger: &LedgerId,
    kind: VoteKind,
    height: Height,
    round: Round,
    value: Option<&ValueId>,
) -> Vec<u8> {
    let mut message = Message::new(VOTE_DOMAIN, ledger);
    message.put(&[kind.byte()]);
    message.put_position(height, round);
    message.put_option(value.map(ValueId::as_bytes));
    message.0
}

/// What the proposer of a round signs; `valid_round` is the earlier round in which the value had
/// a quorum of prevotes, if it is proposed again.
pub fn proposal_message(
    ledger: &LedgerId,
    height: Height,
    round: Round,
    value: &ValueId,
    valid_round: Option<Round>,
) -> Vec<u8> {
    let mut message = Message::new(PROPOSAL_DOMAIN, ledger);
    message.put_position(height, round);
    message.put(value.as_bytes());
    message.put_round(valid_round);
    message.0
}

/// What a member signs who streams a block of `block_length` bytes, whose BLAKE3 is
/// `block_hash`, for a proposal.
pub fn stream_message(
    ledger: &LedgerId,
    height: Height,
    round: Round,
    valid_round: Option<Round>,
    value: &ValueId,
    block_length: u32,
    block_hash: &[u8; 32],
) -> Vec<u8> {
    let mut message = Message::new(STREAM_DOMAIN, ledger);
    message.put_position(height, round);
    message.put_round(valid_round);
    message.put(value.as_bytes());
    message.put(&block_length.to_be_bytes());
    message.put(block_hash);
    message.0
}

struct Message(Vec<u8>);

impl Message {
    fn new(domain: &[u8], ledger: &LedgerId) -> Self {
        let mut bytes = Vec::with_capacity(192);
        bytes.extend_from_slice(domain);
        bytes.extend_from_slice(ledger.as_bytes());
        Self(bytes)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn put_position(&mut self, height: Height, round: Round) {
        self.put(&height.0.to_be_bytes());
        self.put(&round.0.to_be_bytes());
    }

    fn put_option<const N: usize>(&mut self, value: Option<&[u8; N]>) {
        match value {
            None => self.put(&[0]),
            Some(bytes) => {
                self.put(&[1]);
                self.put(bytes);
            }
        }
    }

    fn put_round(&mut self, round: Option<Round>) {
        self.put_option(round.map(|round| round.0.to_be_bytes()).as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEDGER: LedgerId = LedgerId([7; 32]);
    const VALUE: ValueId = ValueId([9; 32]);

    #[test]
    fn votes_for_a_value_and_for_none() {
        let vote = |value| {
            let (height, round) = (Height(0x0102), Round(3));
            vote_message(&LEDGER, VoteKind::Precommit, height, round, value)
        };
        let head = [b"credlog/vote/v1\n", &[7; 32][..], &[2]].concat();
        let place = [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3];
        assert_eq!(vote(None), [&head[..], &place, &[0]].concat());
        let whole = [&head[..], &place, &[1], &[9; 32]].concat();
        assert_eq!(vote(Some(&VALUE)), whole);
    }

    #[test]
    fn proposals_and_streams_name_the_earlier_round() {
        let (height, round) = (Height(1), Round(2));
        let one = proposal_message(&LEDGER, height, round, &VALUE, None);
        assert_eq!(one.len(), 20 + 32 + 12 + 32 + 1);
        let two = proposal_message(&LEDGER, height, round, &VALUE, Some(Round(1)));
        assert_eq!(two.len(), one.len() + 4);
        assert_eq!(two[one.len() - 1..], [1, 0, 0, 0, 1]);
        let stream = |valid| stream_message(&LEDGER, height, round, valid, &VALUE, 0x10, &[5; 32]);
        assert_eq!(stream(None).len(), 18 + 32 + 12 + 1 + 32 + 4 + 32);
        assert_eq!(stream(Some(Round(1)))[18 + 32 + 12..][..5], [1, 0, 0, 0, 1]);
        assert_eq!(stream(None)[18 + 32 + 12 + 1 + 32..][..4], [0, 0, 0, 0x10]);
    }
}
