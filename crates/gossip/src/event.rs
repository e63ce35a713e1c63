//! What the swarm tells the application, and how the application answers.

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::request_response::InboundRequestId;
use tokio::sync::mpsc;

use crate::address::NodeKey;
use crate::wire::Id;

/// What happened. Each is dropped, and counted, when the application is behind; the answer
/// is then the one for an unanswered event.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Records came, by gossip or fetched.
    Records(Arrival),
    /// Cosignatures came, by gossip or fetched.
    Cosignatures(Arrival),
    /// A peer connected.
    PeerConnected(NodeKey),
    /// A peer's last connection closed.
    PeerDisconnected(NodeKey),
    /// A peer has these pending records; the application answers with those it lacks. They
    /// are fetched and come as [`Event::Records`].
    Offered {
        /// The peer.
        from: NodeKey,
        /// The record ids, at most [`crate::wire::PENDING_IDS_MAX`].
        ids: Vec<[u8; 32]>,
        /// Those of the ids that are neither pending here nor in the log.
        lacking: Reply<Vec<[u8; 32]>>,
    },
    /// A peer asks for the ids of the pending records; the first
    /// [`crate::wire::PENDING_IDS_MAX`] are sent.
    WantsPendingIds {
        /// The peer.
        from: NodeKey,
        /// The ids.
        reply: Reply<Vec<[u8; 32]>>,
    },
    /// A peer asks for pending records.
    WantsPendingRecords {
        /// The peer.
        from: NodeKey,
        /// Their ids, at most [`crate::wire::REQUEST_IDS_MAX`].
        ids: Vec<[u8; 32]>,
        /// One for each id, in order; `None` for a record that is not pending here.
        reply: Reply<Vec<Option<Bytes>>>,
    },
    /// A peer asks for the newest cosignatures.
    WantsCosignatures {
        /// The peer.
        from: NodeKey,
        /// The cosignatures, of the newest checkpoints first.
        reply: Reply<Vec<Bytes>>,
    },
}

/// Payloads that came together from one peer, to be judged together.
#[derive(Debug)]
pub struct Arrival {
    /// The peer that sent them; not always who made them.
    pub from: NodeKey,
    /// The payloads, at least one.
    pub payloads: Vec<Bytes>,
    /// Takes the verdict.
    pub token: Token,
}

/// What the application thinks of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// At least one payload is new and good, and none is bad: the batch goes on to peers.
    Accept,
    /// Nothing new, or it cannot be said now: the batch goes nowhere, and nobody is blamed.
    Ignore,
    /// A payload is bad whatever the state (a wrong form or signature): the batch goes
    /// nowhere, and the peer loses standing. Three in ten minutes, and it is not heard for a
    /// while. What depends on the state is never a reason: an honest peer may be ahead.
    Reject,
}

/// Takes the verdict on one [`Arrival`]. Nothing is relayed before it. A dropped token is
/// [`Verdict::Ignore`]. A verdict later than five seconds relays nothing.
#[derive(Debug)]
#[must_use = "a dropped token is Verdict::Ignore"]
pub struct Token {
    answers: mpsc::Sender<Answer>,
    arrival: u64,
    judged: bool,
}

impl Token {
    pub(crate) fn new(answers: mpsc::Sender<Answer>, arrival: u64) -> Self {
        Self {
            answers,
            arrival,
            judged: false,
        }
    }

    /// Gives the verdict. Never waits: there is room for each token's.
    pub fn judge(mut self, verdict: Verdict) {
        self.give(verdict);
    }

    fn give(&mut self, verdict: Verdict) {
        if !self.judged {
            self.judged = true;
            // It fails only when the swarm has stopped.
            let _ = self
                .answers
                .try_send(Answer::Verdict(self.arrival, verdict));
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.give(Verdict::Ignore);
    }
}

/// Takes one answer. A dropped reply answers nothing: the peer hears an error. An answer that
/// comes later than five seconds goes nowhere.
#[derive(Debug)]
#[must_use = "a dropped reply gives the peer an error"]
pub struct Reply<T> {
    answers: mpsc::Sender<Answer>,
    question: Question,
    wrap: Option<fn(Option<T>) -> Body>,
}

impl<T> Reply<T> {
    pub(crate) fn new(
        answers: mpsc::Sender<Answer>,
        question: Question,
        wrap: fn(Option<T>) -> Body,
    ) -> Self {
        Self {
            answers,
            question,
            wrap: Some(wrap),
        }
    }

    /// Gives the answer. Never waits: there is room for each reply's.
    pub fn send(mut self, answer: T) {
        self.give(Some(answer));
    }

    fn give(&mut self, answer: Option<T>) {
        if let Some(wrap) = self.wrap.take() {
            // It fails only when the swarm has stopped.
            let _ = self
                .answers
                .try_send(Answer::Reply(self.question, wrap(answer)));
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.give(None);
    }
}

/// What a reply belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// The fetch from this peer, by its number.
    Fetch(PeerId, u64),
    /// The request of a peer.
    Request(InboundRequestId),
}

/// The content of an answer; `None` when there is none.
#[derive(Debug)]
pub(crate) enum Body {
    Ids(Option<Vec<Id>>),
    Records(Option<Vec<Option<Bytes>>>),
    Cosignatures(Option<Vec<Bytes>>),
}

/// What comes back from the application. The channel has room for one of each token and
/// reply that is out, so sending never fails for want of room.
#[derive(Debug)]
pub(crate) enum Answer {
    Verdict(u64, Verdict),
    Reply(Question, Body),
}
