//! The ledger's rules: what may enter the log, and what follows from it.
//!
//! ```text
//! signed records -> block -> leaves + one seal leaf -> checkpoint (size, root)
//!                -> commit certificate -> cosignatures
//! ```
//!
//! The state is a pure function of the log. [`transition`] turns one committed state and a
//! list of records into a sealed block, its rows and the log's new root; everyone who
//! executes the same block gets the same bytes. Rules are numbered R1 to R10 (R0: the
//! envelope of a record); [`rejection`] names them, docs/formats.md specifies them and every
//! hashed or signed byte.
//!
//! What members sign about a block is checked here as well, offline and without an engine:
//! [`vote`]s, the commit [`certificate`], [`evidence`] against a member who contradicts itself, the
//! [`attestation`] of a checkpoint, and the member set [`follow`]ed from genesis.
//!
//! No I/O, no clock, no randomness in the transition, no storage, no consensus engine.
#![forbid(unsafe_code)]

pub mod archive;
pub mod attestation;
pub mod block;
pub mod body;
pub mod certificate;
pub mod clock;
pub mod codec;
pub mod entry;
pub mod evidence;
pub mod follow;
pub mod genesis;
pub mod ids;
pub mod key;
pub mod member;
pub mod parameters;
pub mod record;
pub mod rejection;
pub mod rows;
pub mod schema;
pub mod seal;
pub mod signature;
pub mod state;
pub mod status;
mod text;
pub mod transition;
pub mod vote;
