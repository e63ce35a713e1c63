//! The real binary with real nodes: one file a subject.
#![allow(clippy::unwrap_used, clippy::panic)] // a failed expectation ends a test

mod accreditation;
mod documents;
mod interrupted;
mod issue;
mod keys;
mod many;
mod members;
mod orphan;
mod receipts;
mod story;
mod table;
mod tls;
mod verify;
mod waiting;
mod world;
mod wrong_input;
