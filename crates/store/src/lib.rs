//! The sled-backed store of a ledger: blocks, tiles and state, checked at open.
//!
//! ```text
//! Executed, certificate -> one atomic batch -> flush -> watermark file -> readers see it
//! ```
//!
//! [`Store::commit`] makes a block and its commit certificate durable; [`Store::snapshot`] answers from one committed
//! and durable state: rows (`credlog_ledger::state::View`), blocks, leaves, tiles, entry
//! bundles, and proofs through `credlog_tlog::TileReader`.
//!
//! sled may lose or garble data without an error after a bit flip or a torn file, so nothing
//! of it is trusted:
//! - every value ends with a check over its key and itself, verified at every read;
//! - the [`StateDigest`], a sum over all rows, is recomputed at open;
//! - the log's tiles and newest blocks are compared with its root;
//! - the [`Watermark`], a file outside sled, says what was durable.
//!
//! Beside sled stand files that must survive its loss: blocks that were executed and not
//! decided ([`Store::put_undecided`]), and what the member's keys have signed last
//! ([`Ballot`], [`Cosigner`]).
//!
//! It refuses, by design: rules of the ledger, networks, and a store that fails a check.
#![forbid(unsafe_code)]

mod ballot;
mod batch;
mod block;
mod cell;
mod check;
mod commit;
mod cosigner;
mod database;
mod directory;
mod fault;
mod filter;
mod folder;
mod generation;
mod key_file;
mod log;
mod opening;
mod page;
mod progress;
mod rebuild;
mod replay;
mod resync;
mod rows;
mod scrub;
mod sled_files;
mod slots;
mod snapshot;
mod space;
mod store;
mod testimony;
mod undecided;
mod verify;
mod watermark;

pub use ballot::{Ballot, BallotError, Standing, Waiting};
pub use check::{CheckReport, FINDINGS_MAX, Finding, check};
pub use cosigner::{Cosigned, Cosigner, CosignerError};
pub use credlog_ledger::state::StateDigest;
pub use database::Options;
pub use fault::{Fatal, OpenError, StoreError};
pub use key_file::KeyFileError;
pub use progress::Progress;
pub use rebuild::{RebuildOptions, RebuildReport, rebuild};
pub use resync::Resync;
pub use scrub::{Scrub, Scrubbed};
pub use snapshot::Snapshot;
pub use space::Space;
pub use store::{FirstKeys, Store};
pub use testimony::{
    COSIGNATURES_BYTES_MAX, COSIGNATURES_MAX, Cosignatures, EVIDENCE_MAX, TestimonyError,
};
pub use undecided::{
    UNDECIDED_ENTRIES_MAX, UNDECIDED_METADATA_BYTES_MAX, Undecided, UndecidedError,
};
pub use watermark::Watermark;
