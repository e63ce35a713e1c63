//! The ledger's rules: records, canonical bytes, transition, seals and blocks.
#![forbid(unsafe_code)]
