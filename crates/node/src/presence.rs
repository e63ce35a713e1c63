//! What this node is to its ledger now, as it tells others.

use credlog_api::ledger::NodeRole;
use credlog_ledger::ids::Height;

/// What this node is, and what it sees of the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presence {
    /// Its part.
    pub role: NodeRole,
    /// Peer ids of the consensus swarm's connected peers.
    pub peers: Vec<String>,
    /// How many peers the gossip swarm has.
    pub gossip_peers: usize,
    /// The greatest height that a connected peer says to have.
    pub peers_tip: Option<Height>,
    /// Whether that is more than this node has.
    pub is_syncing: bool,
}
