//! `ecdsa-rdfc-2019` (W3C Data Integrity ECDSA Cryptosuites v1.0 section 3.2) with P-256 and
//! SHA-256; keys on P-384 are not known here.

use super::Cryptosuite;
use super::rdfc::Rdfc;
use crate::algorithm::Algorithm;

/// P-256 over canonical RDF.
pub(super) const SUITE: Cryptosuite = Cryptosuite {
    name: "ecdsa-rdfc-2019",
    transformation: &Rdfc,
    algorithm: Algorithm::Es256,
};
