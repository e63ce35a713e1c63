//! Making Data Integrity proofs, and JWS.

mod jws;

use serde_json::{Map, Value, json};
use thiserror::Error;
use time::OffsetDateTime;

use crate::credential::{Credential, CredentialError};
use crate::json::one_or_many;
use crate::problem;
use crate::proof::error::ProofError;
use crate::proof::method::self_contained;
use crate::proof::{PROOFS_MAX, signed_document};
use crate::rdf::budget::Budget;
use crate::secret_key::SecretKey;
use crate::suite::{ASSERTION_METHOD, Suite};
use crate::timestamp;
use crate::url::is_url;

pub use self::jws::{JwsForm, sign_jws};

/// What to do with a credential that carries a proof already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingProofs {
    /// Refuse it.
    Refuse,
    /// Keep its proofs and add one: a proof set, or a chain with
    /// [`SignOptions::previous_proofs`].
    Keep,
}

/// How to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOptions {
    /// The cryptosuite.
    pub suite: Suite,
    /// The verification method by which verifiers find the key, a URL.
    pub verification_method: String,
    /// The proof's `created`; whole seconds.
    pub created: OffsetDateTime,
    /// The proof's `proofPurpose`; [`ASSERTION_METHOD`] for a credential.
    pub proof_purpose: String,
    /// The proof's `expires`; whole seconds.
    pub expires: Option<OffsetDateTime>,
    /// The proof's `challenge`, which a verifier gave to the holder.
    pub challenge: Option<String>,
    /// The proof's `domain`: the verifier for which it is made.
    pub domain: Option<String>,
    /// The proof's `id`, a URL, by which a later proof of a chain names it.
    pub id: Option<String>,
    /// The ids of proofs that this one also signs (`previousProof`).
    pub previous_proofs: Vec<String>,
    /// What to do with a credential that carries a proof already.
    pub existing: ExistingProofs,
}

impl SignOptions {
    /// A proof with purpose `assertionMethod`, without `id` or `expires`, on an unsigned
    /// credential.
    #[must_use]
    pub fn new(
        suite: Suite,
        verification_method: impl Into<String>,
        created: OffsetDateTime,
    ) -> Self {
        Self {
            suite,
            verification_method: verification_method.into(),
            created,
            proof_purpose: ASSERTION_METHOD.to_owned(),
            expires: None,
            challenge: None,
            domain: None,
            id: None,
            previous_proofs: Vec::new(),
            existing: ExistingProofs::Refuse,
        }
    }
}

/// Why a credential was not signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// It is not a credential.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// It carries a proof already.
    #[error("the credential is signed already; sign an unsigned one, or ask to add a proof")]
    AlreadySigned,
    /// It carries as many proofs as verifiers check.
    #[error("the credential carries {PROOFS_MAX} proofs already")]
    TooManyProofs,
    /// An option has the wrong form.
    #[error("the option {option} {reason}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What is needed.
        reason: &'static str,
    },
    /// The verification method carries another key than the one that signs.
    #[error("the verification method names the key {named}, but the signing key is {signing}")]
    KeyMismatch {
        /// The method's key as Multikey text.
        named: String,
        /// The signing key's public key as Multikey text.
        signing: String,
    },
    /// The cryptosuite takes another kind of key.
    #[error("the suite {suite} does not sign with a key of the kind {kind}")]
    SuiteMismatch {
        /// The cryptosuite.
        suite: &'static str,
        /// The kind of the signing key.
        kind: &'static str,
    },
    /// The document cannot be signed whole: undefined terms, unknown contexts, no valid JSON-LD.
    #[error("the credential cannot be signed: {0}")]
    Document(ProofError),
}

impl SignError {
    /// The W3C problem identifier.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::Credential(error) => error.problem_type(),
            Self::Document(error) => error.problem_type(),
            _ => problem::MALFORMED_VALUE_ERROR,
        }
    }
}

/// Signs a credential; the result is the credential with its new proof.
///
/// # Errors
/// [`SignError`]; no signature is made that a verifier of this crate would refuse. Whether related
/// resources are what the credential says is another question ([`Credential::check_related`]).
pub fn sign(unsigned: Value, key: &SecretKey, options: &SignOptions) -> Result<Value, SignError> {
    let credential = Credential::from_json(unsigned)?;
    if credential.jws().is_some() {
        return Err(SignError::AlreadySigned);
    }
    sign_document(credential.into_document(), key, options)
}

/// Signs any JSON document, for instance a presentation, whose form its own rules checked.
///
/// # Errors
/// As [`sign`].
pub fn sign_document(
    unsigned: Value,
    key: &SecretKey,
    options: &SignOptions,
) -> Result<Value, SignError> {
    let Value::Object(mut document) = unsigned else {
        return Err(CredentialError::NotAnObject.into());
    };
    check_options(key, options)?;
    let proofs = document.remove("proof");
    let proofs = one_or_many(proofs.as_ref()).to_vec();
    if !proofs.is_empty() && options.existing == ExistingProofs::Refuse {
        return Err(SignError::AlreadySigned);
    }
    if proofs.len() >= PROOFS_MAX {
        return Err(SignError::TooManyProofs);
    }
    if options
        .id
        .as_ref()
        .is_some_and(|id| proofs.iter().any(|proof| proof["id"] == **id))
    {
        return Err(SignError::Option {
            option: "id",
            reason: "is another proof's id already",
        });
    }
    let proof = proof(&document, &proofs, key, options).map_err(SignError::Document)?;
    let secured = if proofs.is_empty() {
        proof
    } else {
        Value::Array(proofs.into_iter().chain([proof]).collect())
    };
    document.insert("proof".into(), secured);
    Ok(Value::Object(document))
}

fn check_options(key: &SecretKey, options: &SignOptions) -> Result<(), SignError> {
    let wrong = |option, reason| SignError::Option { option, reason };
    if options.suite.algorithm() != key.algorithm() {
        return Err(SignError::SuiteMismatch {
            suite: options.suite.name(),
            kind: key.public().kind(),
        });
    }
    if options.id.as_deref().is_some_and(|id| !is_url(id)) {
        return Err(wrong("id", "must be a URL"));
    }
    if options.proof_purpose.is_empty() {
        return Err(wrong("proof_purpose", "must not be empty"));
    }
    if timestamp::format(options.created).is_none() {
        return Err(wrong("created", "must lie in the years 0000 to 9999"));
    }
    if options
        .expires
        .is_some_and(|expires| timestamp::format(expires).is_none())
    {
        return Err(wrong("expires", "must lie in the years 0000 to 9999"));
    }
    check_method(&options.verification_method, key)
}

/// A method that carries a key must carry that of the signer.
pub(crate) fn check_method(method: &str, key: &SecretKey) -> Result<(), SignError> {
    if !is_url(method) {
        return Err(SignError::Option {
            option: "verification_method",
            reason: "must be a URL",
        });
    }
    let signing = key.public().to_string();
    match self_contained(method) {
        Ok((method, _)) if method.multikey != signing => Err(SignError::KeyMismatch {
            named: method.multikey,
            signing,
        }),
        // A method that only a registry resolves is the caller's knowledge.
        Ok(_) | Err(ProofError::UnresolvableMethod { .. }) => Ok(()),
        Err(error) => Err(SignError::Document(error)),
    }
}

fn proof(
    unsecured: &Map<String, Value>,
    proofs: &[Value],
    key: &SecretKey,
    options: &SignOptions,
) -> Result<Value, ProofError> {
    let transformation = options.suite.transformation();
    let document = signed_document(unsecured, proofs, &options.previous_proofs)?;
    let mut proof = proof_options(options);
    transformation.complete_options(&document, &mut proof);
    let mut budget = Budget::default();
    let options_hash = transformation.options_hash(&document, &proof, &mut budget)?;
    let document_hash = transformation.document_hash(&document, &mut budget)?;
    let signature = key.sign(&[options_hash, document_hash].concat());
    let signature = format!("z{}", bs58::encode(signature).into_string());
    proof.insert("proofValue".into(), signature.into());
    Ok(Value::Object(proof))
}

fn proof_options(options: &SignOptions) -> Map<String, Value> {
    let mut proof = Map::new();
    proof.insert("type".into(), "DataIntegrityProof".into());
    proof.insert("cryptosuite".into(), options.suite.name().into());
    proof.insert(
        "verificationMethod".into(),
        options.verification_method.clone().into(),
    );
    proof.insert("proofPurpose".into(), options.proof_purpose.clone().into());
    if let Some(created) = timestamp::format(options.created) {
        proof.insert("created".into(), created.into());
    }
    if let Some(expires) = options.expires.and_then(timestamp::format) {
        proof.insert("expires".into(), expires.into());
    }
    let texts = [
        ("id", &options.id),
        ("challenge", &options.challenge),
        ("domain", &options.domain),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            proof.insert(name.into(), text.clone().into());
        }
    }
    match options.previous_proofs.as_slice() {
        [] => {}
        [one] => drop(proof.insert("previousProof".into(), one.clone().into())),
        many => drop(proof.insert("previousProof".into(), json!(many))),
    }
    proof
}
