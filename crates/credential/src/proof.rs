//! Data Integrity proofs: sets and chains (W3C Verifiable Credential Data Integrity v1.0,
//! sections 4.4 and 4.5).

pub(crate) mod error;
mod fields;
pub(crate) mod method;
pub(crate) mod report;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use self::error::ProofError;
pub(crate) use self::fields::Fields;
use self::method::{KeyResolver, resolve};
use self::report::{ProofReport, ProofResult};
use crate::credential::{Credential, one_or_many};
use crate::suite::Suite;

/// The purpose of a credential's proof.
pub const ASSERTION_METHOD: &str = "assertionMethod";

/// Proofs of one document that are checked at most.
pub const PROOFS_MAX: usize = 16;

/// Checks every proof of a credential, as of a time (which only a proof's `expires` looks at).
///
/// A good proof says that its key signed everything in the credential, nothing about the issuer:
/// see [`ProofReport::issuer_binding`].
#[must_use]
pub fn verify_proofs(
    credential: &Credential,
    at: OffsetDateTime,
    keys: &dyn KeyResolver,
) -> ProofReport {
    verify_document(credential.document(), ASSERTION_METHOD, at, keys)
}

/// Checks every proof of any secured JSON document, for instance a presentation.
///
/// A document that is no object, or has no `proof`, gives an empty report, which is not valid.
#[must_use]
pub fn verify_document(
    document: &Value,
    purpose: &str,
    at: OffsetDateTime,
    keys: &dyn KeyResolver,
) -> ProofReport {
    let mut unsecured = document.as_object().cloned().unwrap_or_default();
    let proofs = unsecured.remove("proof");
    let proofs = one_or_many(proofs.as_ref());
    let mut verifier = Verifier {
        unsecured,
        proofs,
        purpose,
        at,
        keys,
        hashed: Vec::new(),
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

/// A hashed document, so that the proofs of a set share the work.
struct Hashed {
    suite: &'static str,
    document: Map<String, Value>,
    hash: Result<[u8; 32], ProofError>,
}

struct Verifier<'a> {
    unsecured: Map<String, Value>,
    proofs: &'a [Value],
    purpose: &'a str,
    at: OffsetDateTime,
    keys: &'a dyn KeyResolver,
    hashed: Vec<Hashed>,
}

impl Verifier<'_> {
    fn verify(&mut self, proof: &Value) -> ProofResult {
        let mut result = fields::claims(proof);
        result.result = self.check(proof, &mut result);
        result
    }

    fn check(&mut self, proof: &Value, result: &mut ProofResult) -> Result<(), ProofError> {
        if self.proofs.len() > PROOFS_MAX {
            let proofs = self.proofs.len();
            return Err(ProofError::TooManyProofs {
                proofs,
                proofs_max: PROOFS_MAX,
            });
        }
        let fields = Fields::read(proof)?;
        let suite =
            Suite::named(fields.cryptosuite).ok_or_else(|| ProofError::UnsupportedSuite {
                cryptosuite: fields.cryptosuite.to_owned(),
            })?;
        if fields.purpose != self.purpose {
            return Err(ProofError::WrongPurpose {
                purpose: fields.purpose.to_owned(),
                expected: self.purpose.to_owned(),
            });
        }
        if let Some(expires) = fields.expires.filter(|expires| *expires < self.at) {
            return Err(ProofError::Expired { expires });
        }
        self.check_ids_are_unique(&fields)?;
        let (method_key, key) = resolve(fields.verification_method, self.keys)?;
        result.key = Some(method_key);
        let mut document = signed_document(&self.unsecured, self.proofs, &fields.previous)?;
        let options = fields.options();
        suite.match_contexts(&mut document, &options)?;
        let options_hash = suite.options_hash(&document, &options)?;
        let document_hash = self.document_hash(suite, document)?;
        suite.verify(
            &key,
            &[options_hash, document_hash].concat(),
            &fields.signature,
        )
    }

    fn document_hash(
        &mut self,
        suite: Suite,
        document: Map<String, Value>,
    ) -> Result<[u8; 32], ProofError> {
        let same = |hashed: &&Hashed| hashed.suite == suite.name() && hashed.document == document;
        if let Some(hashed) = self.hashed.iter().find(same) {
            return hashed.hash.clone();
        }
        let hash = suite.document_hash(&document);
        self.hashed.push(Hashed {
            suite: suite.name(),
            document,
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
        for (proof, result) in proofs.iter().zip(results.iter_mut()) {
            let previous = one_or_many(proof.get("previousProof"))
                .iter()
                .filter_map(Value::as_str);
            let broken = previous.into_iter().find(|id| bad.iter().any(|b| b == id));
            if let (Ok(()), Some(id)) = (&result.result, broken) {
                result.result = Err(ProofError::PreviousProofInvalid { id: id.to_owned() });
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
}
