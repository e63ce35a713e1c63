//! Identifiers of problems, as the W3C specifications name them.
//!
//! Verifiable Credentials Data Model v2.0 section "Problem Details", Data Integrity v1.0 section
//! "Processing Errors", Bitstring Status List v1.0 section "Processing Errors".

/// The input is not JSON of the expected form.
pub const PARSING_ERROR: &str = "https://www.w3.org/TR/vc-data-model#PARSING_ERROR";
/// The securing mechanism shows that the content was changed or corrupted.
pub const CRYPTOGRAPHIC_SECURITY_ERROR: &str =
    "https://www.w3.org/TR/vc-data-model#CRYPTOGRAPHIC_SECURITY_ERROR";
/// A value has the wrong form.
pub const MALFORMED_VALUE_ERROR: &str = "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR";
/// A value is outside of the range that goes with it.
pub const RANGE_ERROR: &str = "https://www.w3.org/TR/vc-data-model#RANGE_ERROR";
/// A proof could not be verified.
pub const PROOF_VERIFICATION_ERROR: &str = "https://w3id.org/security#PROOF_VERIFICATION_ERROR";
/// A proof was made for another domain.
pub const INVALID_DOMAIN_ERROR: &str = "https://w3id.org/security#INVALID_DOMAIN_ERROR";
/// A proof answers another challenge.
pub const INVALID_CHALLENGE_ERROR: &str = "https://w3id.org/security#INVALID_CHALLENGE_ERROR";
/// The transformation to RDF would lose part of the document.
pub const DATA_LOSS_DETECTION_ERROR: &str = "https://w3id.org/security#DATA_LOSS_DETECTION_ERROR";
/// No status list credential is at hand for the entry.
pub const STATUS_RETRIEVAL_ERROR: &str =
    "https://www.w3.org/ns/credentials/status-list#STATUS_RETRIEVAL_ERROR";
/// The status list credential could not be verified, or does not fit the entry.
pub const STATUS_VERIFICATION_ERROR: &str =
    "https://www.w3.org/ns/credentials/status-list#STATUS_VERIFICATION_ERROR";
/// The status list is shorter than the specification allows.
pub const STATUS_LIST_LENGTH_ERROR: &str =
    "https://www.w3.org/ns/credentials/status-list#STATUS_LIST_LENGTH_ERROR";
