//! The HTTP interface: wire types, problem types and the typed client.
//!
//! A node serves what this crate describes, and every client of the project reads it by the
//! same types; docs/api.md shows each route with an example. JSON is camelCase; ids, digests
//! and hashes are lower-case hex; times are RFC 3339 ([`Time`]), except inside of records,
//! which are shown as their authors signed them (Unix milliseconds). Requests are read
//! strictly: an unknown parameter or property is refused. Answers may gain properties.
//!
//! No server here, and no rules of the ledger.
#![forbid(unsafe_code)]

pub mod block;
pub mod client;
pub mod event;
pub mod governance;
pub mod issuer;
pub mod ledger;
pub mod page;
pub mod path;
pub mod problem;
pub mod receipt;
pub mod submission;
pub mod vcalm;
pub mod verification;

pub use client::{Client, ClientConfig, ClientError};
pub use credlog_verify::{Answer, Facts, Time, Verdict};
pub use page::{Page, PageQuery};
pub use problem::{Problem, ProblemType};
pub use submission::{RecordOutcome, RecordView, SubmitOutcomes, Wait};
pub use verification::VerifyRequest;
