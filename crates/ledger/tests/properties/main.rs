//! Properties over many random histories, records and bytes.
//!
//! `CREDLOG_TEST_LONG=1` runs many times more cases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arbitrary;
mod encoding;
mod history;
mod hostile;
mod model;
mod mutation;
mod signatures;
#[path = "../support/mod.rs"]
mod support;

use proptest::test_runner::Config;

/// So many cases, or fifty times as many in a long run.
fn cases(count: u32) -> Config {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1");
    Config {
        cases: if long { count * 50 } else { count },
        failure_persistence: None,
        ..Config::default()
    }
}
