//! Verdicts: a credential and facts of the ledger give checks and a summary.
#![forbid(unsafe_code)]
