//! What a node says to run its engine.

use std::path::PathBuf;
use std::time::Duration;

use credlog_ledger::ids::LedgerId;
use ed25519_dalek::SigningKey;

/// How this node takes part.
#[derive(Clone)]
#[allow(clippy::large_enum_variant)] // there is one
pub enum Role {
    /// It votes with this consensus key in every height whose member set has the key.
    Validator {
        /// The private key.
        consensus: SigningKey,
    },
    /// It follows without a vote.
    Observer,
}

/// A node that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its node key (Ed25519): its network identity.
    pub node_key: [u8; 32],
    /// Multiaddrs of its consensus swarm, with or without `/p2p/<peer id>`. Without any, the
    /// peer is let in but not called: an observer.
    pub addresses: Vec<String>,
}

/// Timeouts of a round; each grows by its delta a round, up to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the proposal to arrive. Default: 1 s.
    pub propose: Duration,
    /// Growth a round. Default: 500 ms.
    pub propose_delta: Duration,
    /// For further prevotes, once a quorum has prevoted. Default: 500 ms.
    pub prevote: Duration,
    /// Growth a round. Default: 500 ms.
    pub prevote_delta: Duration,
    /// For further precommits, once a quorum has precommitted. Default: 500 ms.
    pub precommit: Duration,
    /// Growth a round. Default: 500 ms.
    pub precommit_delta: Duration,
    /// Until a node that does not get on in a round says its votes again. Default: 2 s.
    pub rebroadcast: Duration,
    /// Most of any of these. Default: 30 s.
    pub max: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let half = Duration::from_millis(500);
        Self {
            propose: Duration::from_secs(1),
            propose_delta: half,
            prevote: half,
            prevote_delta: half,
            precommit: half,
            precommit_delta: half,
            rebroadcast: Duration::from_secs(2),
            max: Duration::from_secs(30),
        }
    }
}

/// How decided blocks are fetched from peers and served to them. All nodes of a ledger should
/// have the same: a peer that asks for more at a time than this node serves gets less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncSettings {
    /// Blocks asked for in one request, 1 to 256; an answer stops at 10 MiB. Default: 20.
    pub batch_size: usize,
    /// Requests under way at a time. `batch_size` times this many blocks are read ahead, which
    /// bounds the memory: 60 MiB by default. Default: 3.
    pub parallel_requests: usize,
    /// How often the own tip is told to peers; so long may a node that missed a decision wait.
    /// Default: 1 s.
    pub status_interval: Duration,
    /// How long an answer may take. Default: 10 s.
    pub request_timeout: Duration,
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self {
            batch_size: 20,
            parallel_requests: 3,
            status_interval: Duration::from_secs(1),
            request_timeout: Duration::from_secs(10),
        }
    }
}

/// What an engine needs to run.
#[derive(Clone)]
pub struct Config {
    /// The ledger. Its id is in every signed message and in the names of protocols, so that
    /// nodes of two ledgers never talk.
    pub ledger: LedgerId,
    /// Private node key: the network identity.
    pub node_key: SigningKey,
    /// Whether this node votes.
    pub role: Role,
    /// Multiaddr to listen at: `/ip4/…/tcp/…`, or `/ip4/…/udp/…/quic-v1`. Its transport is
    /// the only one that is spoken: all nodes of a ledger need the same.
    pub listen: String,
    /// Who may connect: every other member, and observers.
    pub peers: Vec<Peer>,
    /// The write-ahead log of this consensus key. Its folder is made. It must never be
    /// restored from a copy, nor be used with another key: see docs/operate.md.
    pub wal_path: PathBuf,
    /// Timeouts of a round.
    pub timeouts: Timeouts,
    /// How long a height lasts at least; the rest after the decision gathers more precommits.
    /// Default: none.
    pub target_time: Option<Duration>,
    /// Catching up.
    pub sync: SyncSettings,
    /// Connections from one IP address; nodes behind one address share it. Default: 16.
    pub connections_per_ip_max: usize,
}

impl Config {
    /// A configuration with every default and no peers.
    pub fn new(
        ledger: LedgerId,
        node_key: SigningKey,
        role: Role,
        listen: String,
        wal_path: PathBuf,
    ) -> Self {
        Self {
            ledger,
            node_key,
            role,
            listen,
            peers: Vec::new(),
            wal_path,
            timeouts: Timeouts::default(),
            target_time: None,
            sync: SyncSettings::default(),
            connections_per_ip_max: 16,
        }
    }
}

/// Why an engine did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a multiaddr that can be listened at or called.
    #[error("{address:?} is no address of a node: {reason}")]
    Address {
        /// The text.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// Another program listens there, or the address is none of this machine.
    #[error(
        "the consensus swarm cannot listen at {address}: {reason}; a node needs this port and the \
         next one for itself"
    )]
    Listen {
        /// The address.
        address: String,
        /// What the system answered.
        reason: String,
    },
    /// The address of a peer names another peer.
    #[error("{address} names another peer than the node key does, which is {expected}")]
    OtherPeer {
        /// The address.
        address: String,
        /// The peer id of the node key.
        expected: String,
    },
    /// A setting is out of its range.
    #[error("{name} is {value}; {range} is allowed")]
    Range {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: usize,
        /// The range.
        range: &'static str,
    },
    /// The write-ahead log is in use.
    #[error("the write-ahead log {path} cannot be used: {reason}")]
    Wal {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The engine did not start.
    #[error("the consensus engine did not start: {reason}")]
    Engine {
        /// What it says.
        reason: String,
    },
}
