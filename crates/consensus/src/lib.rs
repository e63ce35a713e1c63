//! The Byzantine-fault-tolerant engine behind a small [`Application`] trait.
//!
//! ```text
//! Application (blocks, rules, disk)  <-  driver  ->  engine (Tendermint)  ->  libp2p
//! ```
//!
//! Members decide one checkpoint a height: [`Consensus::start`] runs the engine and a thread
//! that answers it from the [`Application`]. The value that is voted on is the 32-byte id of
//! the checkpoint; the block goes beside it, as a signed stream of parts. A ledger with
//! nothing to decide is idle: no rounds, no blocks.
//!
//! Every signature is Ed25519 over the bytes of `credlog_ledger::vote`, so whoever reads a
//! certificate or evidence needs nothing of this crate. It is the only one that imports the
//! engine, and none of the engine's types is public. It knows no rule and stores nothing but
//! the engine's write-ahead log.
#![forbid(unsafe_code)]

mod application;
mod certificates;
mod codec;
mod config;
mod consensus;
mod context;
mod driver;
mod engine;
mod held;
mod metrics;
mod network;
mod observed;
mod prevotes;
mod signing;
mod status;
mod stream;

pub use application::{Application, Candidate, Decided, Fatal, Judgement, Undecided};
pub use config::{Config, ConfigError, Peer, Role, SyncSettings, Timeouts};
pub use consensus::Consensus;
pub use network::peer_id_text;
pub use status::{ConnectedPeer, RoundRole, Status};
