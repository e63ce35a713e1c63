//! The credlog command.
#![forbid(unsafe_code)]
fn main() {}
