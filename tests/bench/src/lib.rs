//! Measurements of docs/performance.md.
#![forbid(unsafe_code)]
