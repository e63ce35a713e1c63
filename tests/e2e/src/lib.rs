//! Ledgers on real node processes, for tests that cross crates.
//!
//! [`Seat`] is a member-to-be with its keys and its place, [`Issuer`] signs what an issuer
//! says, [`NodeProcess`] is a running `credlog node run`, ended by its process id when
//! dropped. [`TestLedger`] is the folder of a sole member; ledgers of several members are
//! founded by `credlog-cluster`.
#![forbid(unsafe_code)]

mod founding;
mod http;
mod issuer;
mod ledger;
mod process;

pub use founding::{Place, Seat, genesis, write_key};
pub use http::{Answer, answer, exchange, get, open, post, post_for};
pub use issuer::Issuer;
pub use ledger::TestLedger;
pub use process::{NodeProcess, binary, node_run};

/// The full counts of the project's bars, or a tenth of them (`CREDLOG_TEST_LONG=1`).
pub fn count(full: usize) -> usize {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1");
    if long { full } else { full.div_ceil(10) }
}
