//! Tests that cross crates, on real processes.
#![forbid(unsafe_code)]
