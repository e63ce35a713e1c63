//! Data Integrity proofs: sets and chains (W3C Verifiable Credential Data Integrity v1.0,
//! sections 4.4 and 4.5).

pub(crate) mod error;
mod fields;
mod jws;
pub(crate) mod method;
pub(crate) mod report;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use self::error::ProofError;
pub(crate) use self::fields::Fields;
pub use self::jws::verify_jws;
use self::method::{Candidates, KeyResolver, KeySource, Lookup, Meant, MethodKey};
use self::report::{ProofReport, ProofResult};
use crate::algorithm::Algorithm;
use crate::credential::Credential;
use crate::json::one_or_many;
use crate::multikey::Multikey;
use crate::rdf::budget::Budget;
use crate::suite::{ASSERTION_METHOD, Suite, Transformation};

/// Proofs of one document that are checked at most.
pub const PROOFS_MAX: usize = 16;

/// Forms of one document that are hashed at most: proofs of a chain sign it with other proofs
/// inside.
const FORMS_MAX: usize = 8;

/// Signatures of one document that are tried at most with keys of which any may be meant.
const TRIES_MAX: usize = 256;

/// Checks every proof of a credential, as of a time (at which only what
/// ends looks: a proof, or a key of a DID document).
/// For one that came as a JWS, the first result is that of its signature; proofs that it carries
/// as well are checked as well.
///
/// A good proof says that its key signed everything in the credential, nothing about the issuer:
/// see [`ProofReport::issuer_binding`].
#[must_use]
pub fn verify_proofs(
    credential: &Credential,
    at: OffsetDateTime,
    keys: &dyn KeyResolver,
) -> ProofReport {
    verify_proofs_expecting(credential, ASSERTION_METHOD.into(), at, keys)
}

/// As [`verify_proofs`], for a verifier that expects more of the proofs, or another purpose.
#[must_use]
pub fn verify_proofs_expecting(
    credential: &Credential,
    expected: Expected<'_>,
    at: OffsetDateTime,
    keys: &dyn KeyResolver,
) -> ProofReport {
    let budget = Budget::of_company(credential.company());
    let mut report = verify_within(credential.document(), expected, at, keys, budget);
    if let Some(jws) = credential.jws() {
        let signature = verify_jws(jws, credential.issuer_id(), expected, at, keys);
        report.proofs.insert(0, signature);
    }
    report
}

/// What a verifier expects of each proof of a document, besides that it is good.
///
/// A purpose alone is one: `"assertionMethod".into()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The proof's `proofPurpose`.
    pub purpose: &'a str,
    /// The proof's `challenge`, if one was given to whoever made the proof.
    pub challenge: Option<&'a str>,
    /// The proof's one `domain`, if the proof must be meant for it.
    pub domain: Option<&'a str>,
}

impl<'a> From<&'a str> for Expected<'a> {
    fn from(purpose: &'a str) -> Self {
        Self {
            purpose,
            challenge: None,
            domain: None,
        }
    }
}

/// Checks every proof of any secured JSON document, for instance a presentation.
///
/// A document that is no object, or has no `proof`, gives an empty report, which is not valid.
#[must_use]
pub fn verify_document<'a>(
    document: &Value,
    expected: impl Into<Expected<'a>>,
    at: OffsetDateTime,
    keys: &dyn KeyResolver,
) -> ProofReport {
    verify_within(document, expected.into(), at, keys, Budget::default())
}

fn verify_within(
    document: &Value,
    expected: Expected<'_>,
    at: OffsetDateTime,
    keys: &dyn KeyResolver,
    budget: Budget,
) -> ProofReport {
    let mut unsecured = document.as_object().cloned().unwrap_or_default();
    let proofs = unsecured.remove("proof");
    let proofs = one_or_many(proofs.as_ref());
    if proofs.len() > PROOFS_MAX {
        let mut first = fields::claims(&proofs[0]);
        first.result = Err(ProofError::TooManyProofs {
            proofs: proofs.len(),
            proofs_max: PROOFS_MAX,
        });
        return ProofReport {
            proofs: vec![first],
        };
    }
    let mut verifier = Verifier {
        unsecured,
        proofs,
        expected,
        at,
        keys,
        hashed: Vec::new(),
        budget,
        tries: TRIES_MAX,
    };
    let mut results: Vec<_> = proofs.iter().map(|proof| verifier.verify(proof)).collect();
    break_chains(proofs, &mut results);
    ProofReport { proofs: results }
}

/// The document without its proofs, plus those that a later proof of a chain also signs.
///
/// # Errors
/// [`ProofError::PreviousProofMissing`] when `previousProof` names no proof of the document.
pub(crate) fn signed_document(
    unsecured: &Map<String, Value>,
    proofs: &[Value],
    previous: &[String],
) -> Result<Map<String, Value>, ProofError> {
    let mut document = unsecured.clone();
    let found: Result<Vec<_>, _> = previous
        .iter()
        .map(|id| {
            let named = |proof: &&Value| proof.get("id").and_then(Value::as_str) == Some(id);
            let proof = proofs.iter().find(named);
            proof
                .cloned()
                .ok_or_else(|| ProofError::PreviousProofMissing { id: id.clone() })
        })
        .collect();
    let found = found?;
    if !found.is_empty() {
        document.insert("proof".into(), Value::Array(found));
    }
    Ok(document)
}

/// A form of the document that was hashed, so that the proofs of a set share the work.
struct Hashed {
    transformation: &'static str,
    /// What the document's `@context` was for it.
    context: Option<Value>,
    /// The proofs inside.
    previous: Vec<String>,
    hash: Result<[u8; 32], ProofError>,
}

struct Verifier<'a> {
    unsecured: Map<String, Value>,
    proofs: &'a [Value],
    expected: Expected<'a>,
    at: OffsetDateTime,
    keys: &'a dyn KeyResolver,
    hashed: Vec<Hashed>,
    budget: Budget,
    /// Signatures that may still be tried where any of several keys may be meant.
    tries: usize,
}

impl Verifier<'_> {
    fn verify(&mut self, proof: &Value) -> ProofResult {
        let mut result = fields::claims(proof);
        result.result = self.check(proof, &mut result);
        result
    }

    fn check(&mut self, proof: &Value, result: &mut ProofResult) -> Result<(), ProofError> {
        let fields = Fields::read(proof)?;
        let suite =
            Suite::named(fields.cryptosuite).ok_or_else(|| ProofError::UnsupportedSuite {
                cryptosuite: fields.cryptosuite.to_owned(),
            })?;
        let signature = fields.signature()?;
        fields.check_expected(&self.expected)?;
        if let Some(expires) = fields.expires.filter(|expires| *expires < self.at) {
            return Err(ProofError::Expired { expires });
        }
        self.check_ids_are_unique(&fields)?;
        let lookup = Lookup {
            purpose: fields.purpose,
            at: self.at,
            keys: self.keys,
        };
        let meant = lookup.find(fields.verification_method)?;
        if let Meant::Key(method, _) = &meant {
            result.key = Some(method.clone());
        }
        let message = self.signed_hashes(suite, &fields)?;
        let signed = Signed {
            algorithm: suite.algorithm(),
            message: &message,
            signature: &signature,
            holder: "proofValue",
        };
        match meant {
            Meant::Key(_, key) => signed.verify(&key),
            Meant::OneOf(candidates) => {
                let key = signed.signer(candidates, fields.verification_method, &mut self.tries);
                key.map(|key| result.key = Some(key))
            }
        }
    }

    /// What a proof signs: the hash of its options, then that of the document.
    fn signed_hashes(&mut self, suite: Suite, fields: &Fields<'_>) -> Result<Vec<u8>, ProofError> {
        let context = self.unsecured.get("@context").cloned();
        let mut contexts = Map::from_iter(context.map(|context| ("@context".to_owned(), context)));
        let options = fields.options();
        let transformation = suite.transformation();
        transformation.match_contexts(&mut contexts, &options)?;
        let options_hash = transformation.options_hash(&contexts, &options, &mut self.budget)?;
        let context = contexts.remove("@context");
        let document_hash = self.document_hash(transformation, context, &fields.previous)?;
        Ok([options_hash, document_hash].concat())
    }

    fn document_hash(
        &mut self,
        transformation: &dyn Transformation,
        context: Option<Value>,
        previous: &[String],
    ) -> Result<[u8; 32], ProofError> {
        let same = |hashed: &&Hashed| {
            hashed.transformation == transformation.name()
                && hashed.previous == previous
                && hashed.context == context
        };
        if let Some(hashed) = self.hashed.iter().find(same) {
            return hashed.hash.clone();
        }
        if self.hashed.len() == FORMS_MAX {
            return Err(ProofError::TooComplex {
                reason: format!("its proofs sign more than {FORMS_MAX} forms of it"),
            });
        }
        let mut document = signed_document(&self.unsecured, self.proofs, previous)?;
        if let Some(context) = &context {
            document.insert("@context".into(), context.clone());
        }
        let hash = transformation.document_hash(&document, &mut self.budget);
        self.hashed.push(Hashed {
            transformation: transformation.name(),
            context,
            previous: previous.to_vec(),
            hash: hash.clone(),
        });
        hash
    }

    /// Two proofs with one id would make `previousProof` ambiguous.
    fn check_ids_are_unique(&self, fields: &Fields<'_>) -> Result<(), ProofError> {
        let with_id = |id: &str| {
            let same = |proof: &&Value| proof.get("id").and_then(Value::as_str) == Some(id);
            self.proofs.iter().filter(same).count()
        };
        let named = fields
            .id
            .into_iter()
            .chain(fields.previous.iter().map(String::as_str));
        if named.into_iter().any(|id| with_id(id) > 1) {
            return Err(ProofError::Malformed {
                property: "id",
                reason: "is the id of another proof as well",
            });
        }
        Ok(())
    }
}

/// A message and its signature, of a proof or of a JWS.
pub(crate) struct Signed<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) message: &'a [u8],
    pub(crate) signature: &'a [u8],
    /// The property that holds the signature, for errors.
    pub(crate) holder: &'static str,
}

impl Signed<'_> {
    /// Checks the signature with one key.
    pub(crate) fn verify(&self, key: &Multikey) -> Result<(), ProofError> {
        self.algorithm
            .verify(key, self.message, self.signature, self.holder)
    }

    /// The one of several keys that made the signature; at most `tries` of them are tried.
    pub(crate) fn signer(
        &self,
        candidates: Candidates,
        verification_method: &str,
        tries: &mut usize,
    ) -> Result<MethodKey, ProofError> {
        let Candidates { controller, keys } = candidates;
        let fitting = keys.iter().filter(|key| self.algorithm.takes(key));
        for (tried, key) in fitting.enumerate() {
            if *tries == 0 {
                return Err(ProofError::KeysUntried {
                    verification_method: verification_method.to_owned(),
                    tried,
                });
            }
            *tries -= 1;
            if self.verify(key).is_ok() {
                return Ok(MethodKey {
                    multikey: key.to_string(),
                    controller: Some(controller),
                    source: KeySource::Registry,
                });
            }
        }
        Err(ProofError::InvalidSignature)
    }
}

/// A proof stands on those that it names: when one of them is bad, so is it.
fn break_chains(proofs: &[Value], results: &mut [ProofResult]) {
    // Each round breaks at least one more proof, or is the last.
    for _ in 0..proofs.len() {
        let bad: Vec<String> = results
            .iter()
            .filter(|result| {
                result
                    .result
                    .as_ref()
                    .is_err_and(|error| !error.is_unknown())
            })
            .filter_map(|result| result.id.clone())
            .collect();
        let mut changed = false;
        let standing = proofs
            .iter()
            .zip(results.iter_mut())
            .filter(|(_, result)| result.result.is_ok());
        // A proof that was found good names few others; one that was not may name thousands.
        for (proof, result) in standing {
            let previous = one_or_many(proof.get("previousProof"))
                .iter()
                .filter_map(Value::as_str);
            let broken = previous.into_iter().find(|id| bad.iter().any(|b| b == id));
            if let Some(id) = broken {
                result.result = Err(ProofError::PreviousProofInvalid { id: id.to_owned() });
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
}
