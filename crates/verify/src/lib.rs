//! Verdicts: what may be said about a credential, and why.
//!
//! ```text
//! credential -> Presented (proof, validity, status lists) \
//!                                                          judge -> Verdict (checks, summary)
//! digest     -> gather    (issuance, status, issuer)      /
//! ```
//!
//! [`facts::gather`] asks one committed state of the ledger about one digest. [`judge`] puts
//! these [`Facts`] beside what was found out about the credential itself and answers with a
//! [`Verdict`]: never one boolean, but checks with plain reasons and their evidence, and one
//! [`Summary`]. [`Facts`] travel as JSON, so a verifier that will not let a credential leave
//! its machine sends the digest, and judges by the same function as the node would.
//!
//! What cannot be checked is `unknown` and says why; `unknown` never becomes valid. No I/O, no
//! storage, no clock: the time of the check is an argument.
#![forbid(unsafe_code)]

pub mod facts;
mod judge;
mod presented;
mod timestamp;
mod verdict;

pub use facts::{Facts, Question, gather};
pub use judge::{JudgeError, judge};
pub use presented::{
    CredentialSummary, DigestOnly, Presented, ProofFinding, SigningKey, StatusListFinding, Subject,
};
pub use timestamp::{Time, TimeError};
pub use verdict::{Check, CheckName, Evidence, LedgerPoint, Outcome, Summary, Verdict};
