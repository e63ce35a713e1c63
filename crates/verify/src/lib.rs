//! Verdicts: what may be said about a credential, and why.
//!
//! ```text
//! digest     -> gather  -> Facts (issuance, status, issuer and its keys)
//! credential -> examine -> Presented (proof, validity, status lists elsewhere)
//!                          judge -> Verdict (checks, summary)
//! ```
//!
//! [`gather`] asks one committed state of the ledger about one digest. [`examine`] checks the
//! credential itself, with the issuer's keys as the ledger knows them. [`judge`] puts both side
//! by side and answers with a [`Verdict`]: never one boolean, but checks with plain reasons and
//! their evidence, and one [`Summary`]. [`verify()`] does the last two in one step.
//!
//! [`Facts`] travel as JSON, so a verifier that will not let a credential leave its machine
//! sends the digest, and judges by the same function as the node would.
//!
//! What cannot be checked is `unknown` and says why; `unknown` never becomes valid. No I/O, no
//! storage, no clock: the time of the check is an argument.
#![forbid(unsafe_code)]

mod check;
mod common;
pub mod did_document;
pub mod entries;
mod examine;
pub mod facts;
mod gather;
mod handed;
mod holder;
mod judge;
pub mod prefix;
mod presented;
pub mod published;
pub mod receipt;
mod shared;
mod terms;
mod timestamp;
mod verdict;

pub use check::{Answer, CheckError, DigestSubject, check, check_digest};
pub use common::Common;
pub use examine::{
    digest_of, examine, examine_with, issuer_of, own_position, positions_named, prove, verify,
};
pub use facts::{Facts, Position, Question};
pub use gather::{gather, gather_with};
pub use handed::{HandedOver, ReadLists, Wanted, wanted};
pub use holder::{PresentationVerdict, PresentedCredential, prove_holder};
pub use judge::{JudgeError, judge};
pub use presented::{
    DigestOnly, Presented, ProofFinding, SigningKey, StatusListFinding, Subject, Unread,
};
pub use shared::Shared;
pub use terms::{Terms, TermsError};
pub use timestamp::{Time, TimeError};
pub use verdict::{
    Check, CheckName, CredentialSummary, Evidence, LedgerPoint, Link, LinkName, Outcome,
    Registered, Summary, Verdict,
};
