//! Secured credentials: digest, Data Integrity proofs, Bitstring Status Lists.
#![forbid(unsafe_code)]
