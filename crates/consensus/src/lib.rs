//! The Byzantine-fault-tolerant engine behind a small [`Application`] trait.
mod application;
pub use application::{Application, Candidate, Decided, Fatal, Judgement, Undecided};
