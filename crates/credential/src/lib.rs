//! Secured credentials: digest, Data Integrity proofs, JWS, Bitstring Status Lists.
//!
//! From the outside in: [`open()`] reads whatever somebody was given, JSON, a compact JWS or an
//! image; [`Credential`] and [`Presentation`] check the form of W3C VC 2.0, VC 1.1 and Open Badges
//! 3.0; [`verify_proofs`] and [`verify_presentation`] check each proof; [`check_status`] reads
//! status lists that were handed over; [`sign`] makes proofs; [`digest()`] names a credential on
//! the ledger.
//!
//! ```
//! # let json = include_bytes!("../tests/fixtures/samples/01-valid-ob3-eddsa-rdfc-2022.json");
//! use credlog_credential::{Credential, IssuerBinding, NoRegistry, Outcome, verify_proofs};
//!
//! let credential = Credential::parse(json)?;
//! let report = verify_proofs(&credential, time::OffsetDateTime::now_utc(), &NoRegistry);
//! assert_eq!(report.outcome(), Outcome::Valid);
//! assert_eq!(report.issuer_binding(credential.issuer_id()), IssuerBinding::Bound);
//! # Ok::<(), credlog_credential::CredentialError>(())
//! ```
//!
//! What it refuses to do: no input or output (contexts are built in, keys come from a
//! [`KeyResolver`], lists from the caller), no clock, no ledger. "The proof verifies" and "the
//! issuer controls the key" are two answers, and what cannot be checked is
//! [`Outcome::Unknown`], never valid.
#![forbid(unsafe_code)]

mod achievement;
mod algorithm;
pub mod bake;
pub mod context;
mod credential;
pub mod did;
mod digest;
mod form;
pub mod json;
mod jws;
mod learner_record;
pub mod multikey;
mod open;
mod presentation;
pub mod problem;
mod proof;
mod rdf;
mod related;
mod secret_key;
mod sign;
pub mod status;
mod suite;
mod summary;
mod text;
mod timestamp;
mod url;

pub use achievement::AchievementClaims;
pub use credential::{Credential, CredentialError, DataModel, Validity};
pub use digest::{Digest, DigestError, digest, digest_jws};
pub use form::Form;
pub use json::{JsonError, Limits};
pub use jws::{Content, Jws, JwsError};
pub use multikey::{JwkError, Multikey, MultikeyError};
pub use open::{OpenError, Opened, open};
pub use presentation::{
    AUTHENTICATION, CREDENTIALS_MAX, Challenge, Presentation, PresentationError, sign_presentation,
    sign_presentation_jws, verify_presentation,
};
pub use proof::error::ProofError;
pub use proof::method::{
    Candidates, KeyResolver, KeySource, MethodKey, NoRegistry, ResolvedKey, WithDocuments,
};
pub use proof::report::{IssuerBinding, Outcome, ProofReport, ProofResult};
pub use proof::{
    Expected, PROOFS_MAX, verify_document, verify_jws, verify_proofs, verify_proofs_expecting,
};
pub use related::RelatedError;
pub use secret_key::SecretKey;
pub use sign::{ExistingProofs, JwsForm, SignError, SignOptions, sign, sign_document, sign_jws};
pub use status::check_status;
pub use status::{
    StatusEntry, StatusError, StatusListCredential, StatusResult, VerifiedStatusList,
};
pub use suite::{ASSERTION_METHOD, NotSignedBy, Suite};
pub use summary::Summary;
pub use text::is_deceptive;
