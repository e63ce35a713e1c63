//! What a node tells the swarm: its key, its ledger, where it listens, and its limits.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::address::{Address, NodeKey};

/// Who may connect, and where members are dialled. Members have gossip addresses
/// ([`Address::next_port`] of those on the ledger), observers an empty list: they dial.
/// The own key may be in it and is passed over.
pub type Peers = BTreeMap<NodeKey, Vec<Address>>;

/// The most addresses of one peer that are dialled; further ones are left out.
pub const PEER_ADDRESSES_MAX: usize = 16;

/// The most that any queue is made for, whatever a limit says.
pub(crate) const QUEUE_MAX: usize = 1 << 20;

/// How a node takes part.
#[derive(Clone)]
pub struct Config {
    /// The secret node key (the 32-byte seed of RFC 8032).
    pub secret: Zeroizing<[u8; 32]>,
    /// The ledger's id. It is in topics, protocol names and the Noise prologue: nodes of two
    /// ledgers never exchange anything.
    pub ledger: [u8; 32],
    /// Where to listen: IP addresses, TCP or QUIC; port 0 takes any. May be empty for a node
    /// that only dials.
    pub listen: Vec<Address>,
    /// The bounds.
    pub limits: Limits,
}

impl Config {
    /// A configuration with the default limits.
    pub fn new(secret: [u8; 32], ledger: [u8; 32], listen: Vec<Address>) -> Self {
        Self {
            secret: Zeroizing::new(secret),
            ledger,
            listen,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("secret", &"(hidden)")
            .field("ledger", &hex::encode(self.ledger))
            .field("listen", &self.listen)
            .field("limits", &self.limits)
            .finish()
    }
}

/// The bounds of one node. What all nodes must agree on (sizes on the wire) is in
/// [`crate::wire`]; these may differ from node to node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Events that wait for the application; a further one is dropped and counted.
    /// Default 1,024.
    pub events_max: usize,
    /// Batches without a verdict yet, of all peers; further ones are dropped and counted.
    /// Default 1,024.
    pub unjudged_max: usize,
    /// Bytes of batches without a verdict yet, of all peers. Default 64 MiB.
    pub unjudged_bytes_max: usize,
    /// Batches without a verdict yet, of one peer. Default 256.
    pub peer_unjudged_max: usize,
    /// Bytes of batches without a verdict yet, of one peer. Default 8 MiB.
    pub peer_unjudged_bytes_max: usize,
    /// Bytes a second that one peer may send as gossip, each message counted as at least
    /// 4 KiB, with a burst of two seconds. What is over it is not looked at, and the peer
    /// loses standing. Default 32 MiB.
    pub peer_bytes_per_second: u32,
    /// Bytes that wait to be published; further ones are refused. Default 16 MiB.
    pub publish_bytes_max: usize,
    /// How long small payloads are gathered into one message; the first after a pause goes
    /// at once. Default 10 ms.
    pub gather: Duration,
    /// How often one random peer is asked for what was missed. Default 5 s.
    pub fetch_interval: Duration,
    /// The first wait before a member is dialled again; it doubles. Default 200 ms.
    pub redial_min: Duration,
    /// The longest wait before a member is dialled again. Default 2 s.
    pub redial_max: Duration,
    /// Established connections in all; a peer has at most 2. Default 1,024.
    pub connections_max: u32,
    /// Incoming connections whose handshake is not finished. Default 64.
    pub pending_incoming_max: u32,
    /// The same for one IP address (IPv6: one /64). Default 32.
    pub source_pending_max: u32,
    /// Incoming connections a second for one IP address (IPv6: one /64). One that proves to
    /// come from an allowed peer does not count. Default 20.
    pub source_attempts_per_second: u32,
    /// How many of them may come at once. Default 64.
    pub source_attempts_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events_max: 1_024,
            unjudged_max: 1_024,
            unjudged_bytes_max: 64 << 20,
            peer_unjudged_max: 256,
            peer_unjudged_bytes_max: 8 << 20,
            peer_bytes_per_second: 32 << 20,
            publish_bytes_max: 16 << 20,
            gather: Duration::from_millis(10),
            fetch_interval: Duration::from_secs(5),
            redial_min: Duration::from_millis(200),
            redial_max: Duration::from_secs(2),
            connections_max: 1_024,
            pending_incoming_max: 64,
            source_pending_max: 32,
            source_attempts_per_second: 20,
            source_attempts_burst: 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_not_printed() {
        let config = Config::new([0xab; 32], [1; 32], Vec::new());
        let text = format!("{config:?}");
        assert!(
            text.contains("hidden") && !text.contains("171") && !text.contains("ab"),
            "{text}"
        );
    }
}
