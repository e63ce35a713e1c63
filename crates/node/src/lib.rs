//! The node: configuration, mempool, block producer, HTTP and metrics.
#![forbid(unsafe_code)]
