//! Verdicts over a real ledger in memory: every summary, every check, every kind of date.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail the test

mod ledger;

mod attacks;
mod checks;
mod crowds;
mod dates;
mod properties;
mod samples;
mod summaries;
