//! The auditor: a whole ledger checked from its public files, and such files written.
//!
//! ```text
//! source (URL or folder) -> pieces (bundle, tile: decoded, hashed) -> batches (signatures)
//!     -> walk (tree, rules, seals, members) -> certificates -> report
//! ```
//!
//! [`replay`] reads the files that docs/formats.md, "Reading a ledger", lists, from a node or from a
//! copy, and recomputes every leaf hash, tile, root, seal, record signature, rule, certificate and
//! cosignature from the genesis file on. What is wrong is a [`finding`]; what could not be
//! read is none. [`export`] makes such a copy.
//!
//! It shares with what it audits the crates for trees, rules and wire types, and nothing else: no
//! store, no engine, no network of nodes.
#![forbid(unsafe_code)]

mod attested;
mod batch;
mod certificates;
mod closing;
mod error;
pub mod export;
mod files;
pub mod finding;
mod history;
mod lane;
mod piece;
mod replay;
mod replayed;
mod report;
mod source;
mod state;
mod step;
mod steps;
mod upper;
mod walk;

pub use error::{AuditError, ExportError};
pub use finding::{Finding, Kind};
pub use replay::{Options, Progress, replay, replay_keeping};
pub use replayed::Replayed;
pub use report::{FollowedState, Report};
pub use source::{Folder, Source, SourceError, Web, open};
pub use state::AuditState;
