//! The libp2p swarm that spreads records and cosignatures among members and observers.
//!
//! ```text
//! publish -> gathered into a batch -> signed gossipsub message -> peers
//!   peer -> Event::Records(batch, token) -> the application judges -> relayed, or not
//!   peer <- what was missed: ids, then records, and the newest cosignatures -> peer
//! ```
//!
//! Only peers on the list may connect ([`Gossip::set_peers`]); a stranger is dropped after its
//! handshake, a flood of connections before it. Payloads are bytes here: nothing is relayed
//! before the application has judged it. Nobody is waited for: every queue has a bound, what
//! does not fit is dropped and counted ([`Metrics`]), and what a node missed it fetches from
//! its peers when they connect and every few seconds.
//!
//! It refuses, by design: rules of the ledger, storage, and any peer or address that the
//! application did not name (no discovery).
//!
//! The swarm listens at the port after the consensus port ([`Address::next_port`]), over
//! TCP (Noise, Yamux) and QUIC. The ledger's id is in every topic and protocol name.
#![forbid(unsafe_code)]

mod address;
mod budget;
mod config;
mod event;
mod fetch;
mod gate;
mod handle;
mod metrics;
mod missed;
mod redial;
mod swarm;
mod task;
mod throttle;
pub mod wire;

pub use address::{ADDRESS_CHARS_MAX, Address, AddressError, NodeKey};
pub use config::{Config, Limits, PEER_ADDRESSES_MAX, Peers};
pub use event::{Arrival, Event, Reply, Token, Verdict};
pub use handle::{Gossip, PublishError, SetPeersError, StartError};
pub use metrics::Metrics;
pub use missed::{Request, Response};
