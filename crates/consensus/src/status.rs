//! What the engine is doing, for people and for the node's readiness.

use credlog_ledger::ids::{Height, MemberId, Round};

/// This node's part in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoundRole {
    /// It proposes.
    Proposer,
    /// It votes.
    Validator,
    /// It follows: an observer, or a node whose consensus key is in no member's hands now.
    #[default]
    Observer,
}

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedPeer {
    /// Its network identity (libp2p peer id, base58).
    pub peer_id: String,
    /// The address it is connected from or called at.
    pub address: String,
    /// Whether it has proved to hold the consensus key of a current member.
    pub is_validator: bool,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Newest committed height.
    pub tip: Height,
    /// The height that runs, or that starts as soon as there is something to decide.
    pub height: Height,
    /// Its round; none before the first.
    pub round: Option<Round>,
    /// Who proposes in that round.
    pub proposer: Option<MemberId>,
    /// This node's part in that round.
    pub role: RoundRole,
    /// Whether `height` waits for something to decide.
    pub is_idle: bool,
    /// The peers that are connected.
    pub peers: Vec<ConnectedPeer>,
    /// The highest tip that a connected peer says to have.
    pub peers_tip: Option<Height>,
}

impl Status {
    /// The connected peers that are members.
    pub fn members(&self) -> impl Iterator<Item = &ConnectedPeer> {
        self.peers.iter().filter(|peer| peer.is_validator)
    }

    /// Whether a peer says to have decided blocks that this node has not. A peer can lie: it
    /// delays readiness, nothing else.
    pub fn is_behind(&self) -> bool {
        self.peers_tip.is_some_and(|tip| tip > self.tip)
    }
}
