//! Properties of the crate, against oracles that others wrote and against hostile bytes.
//!
//! `CREDLOG_TEST_LONG=1` runs twenty times as many cases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hostile;
mod in_place;
mod messages;
mod notes;
mod trees;

use proptest::test_runner::Config;

/// So many cases of a property, or twenty times as many in a long run.
fn cases(count: u32) -> Config {
    let factor = if std::env::var_os("CREDLOG_TEST_LONG").is_some() {
        20
    } else {
        1
    };
    Config {
        cases: count * factor,
        failure_persistence: None,
        ..Config::default()
    }
}
