//! The node: configuration, mempool, block producer, HTTP and metrics.
//!
//! A record's way through a node:
//!
//! ```text
//! POST /v1/records -> admission (signature, in batches) -> mempool (fair, bounded)
//!     -> application (execute, seal) -> store (durable) -> the submitter's answer
//! ```
//!
//! [`Node::start`] starts one from a [`Config`]; [`run`] also logs and waits for its end.
//! One thread owns the [`Application`](application::Application) and decides on blocks;
//! all that reads works on committed snapshots of the store. No wire types here: they are
//! `credlog_api`'s.
#![forbid(unsafe_code)]

pub mod admission;
pub mod application;
pub mod attesting;
pub mod config;
pub mod cosigning;
pub mod doubt;
mod events;
mod fetching;
mod http;
pub mod issuing;
pub mod key_use;
pub mod keys;
pub mod log;
mod machine;
pub mod mempool;
pub mod metrics;
mod node;
pub mod outbox;
mod participation;
pub mod peers;
pub mod presence;
pub mod production;
mod reach;
pub mod relay;
pub mod shared;
pub mod tls;
mod upkeep;
pub mod watchdog;
mod webhooks;
mod witnesses;

pub use config::{Config, ConfigError};
pub use node::{Node, RunError, StartError, run, run_with};
pub use participation::Between;
pub use webhooks::{WEBHOOKS_FOLDER, WebhookError};
