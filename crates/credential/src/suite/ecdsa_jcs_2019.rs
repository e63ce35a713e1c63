//! `ecdsa-jcs-2019` (W3C Data Integrity ECDSA Cryptosuites v1.0 section 3.3) with P-256 and
//! SHA-256; keys on P-384 are not known here.

use super::Cryptosuite;
use super::jcs::Jcs;
use crate::algorithm::Algorithm;

/// P-256 over canonical JSON.
pub(super) const SUITE: Cryptosuite = Cryptosuite {
    name: "ecdsa-jcs-2019",
    transformation: &Jcs,
    algorithm: Algorithm::Es256,
};
