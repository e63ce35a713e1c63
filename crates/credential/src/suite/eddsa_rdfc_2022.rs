//! `eddsa-rdfc-2022` (W3C Data Integrity EdDSA Cryptosuites v1.0 section 3.2).

use super::Cryptosuite;
use super::rdfc::Rdfc;
use crate::algorithm::Algorithm;

/// Ed25519 over canonical RDF.
pub(super) const SUITE: Cryptosuite = Cryptosuite {
    name: "eddsa-rdfc-2022",
    transformation: &Rdfc,
    algorithm: Algorithm::EdDsa,
};
