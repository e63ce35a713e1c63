//! `eddsa-jcs-2022` (W3C Data Integrity EdDSA Cryptosuites v1.0 section 3.3).

use super::Cryptosuite;
use super::jcs::Jcs;
use crate::algorithm::Algorithm;

/// Ed25519 over canonical JSON.
pub(super) const SUITE: Cryptosuite = Cryptosuite {
    name: "eddsa-jcs-2022",
    transformation: &Jcs,
    algorithm: Algorithm::EdDsa,
};
