//! A ledger of one member on a real node process, for tests that cross crates.
//!
//! [`TestLedger`] makes the folder (genesis, keys, configuration) and signs records;
//! [`NodeProcess`] is the running `credlog node run`, ended by its process id when dropped.
#![forbid(unsafe_code)]

mod http;
mod ledger;
mod process;

pub use http::{Answer, answer, exchange, get, open, post};
pub use ledger::TestLedger;
pub use process::{NodeProcess, binary};

/// The full counts of the project's bars, or a tenth of them (`CREDLOG_TEST_LONG=1`).
pub fn count(full: usize) -> usize {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1");
    if long { full } else { full.div_ceil(10) }
}
