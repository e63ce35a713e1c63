//! The canonical N-Quads of a proof's options.
//!
//! Nearly every proof has the same five options under contexts that are built in, and then the
//! result is the same five lines with three values filled in; a test compares them with the long
//! way for every such context. Anything else goes the long way.

use serde_json::{Map, Value};

use crate::context::{
    CREDENTIALS_V1, CREDENTIALS_V2, DATA_INTEGRITY_V1, DATA_INTEGRITY_V2, document,
};
use crate::json::one_or_many;
use crate::rdf;
use crate::rdf::budget::Budget;
use crate::suite::ASSERTION_METHOD;
use crate::timestamp;

/// The canonical N-Quads of options under a document's contexts.
pub(super) fn canonical_nquads(
    context: Option<&Value>,
    options: &Map<String, Value>,
    budget: &mut Budget,
) -> Result<String, rdf::RdfError> {
    match template(context, options) {
        Some(nquads) => Ok(nquads),
        None => long_way(context, options, budget),
    }
}

fn long_way(
    context: Option<&Value>,
    options: &Map<String, Value>,
    budget: &mut Budget,
) -> Result<String, rdf::RdfError> {
    let mut document = options.clone();
    document.remove("@context");
    if let Some(context) = context {
        document.insert("@context".into(), context.clone());
    }
    rdf::canonical_nquads(&Value::Object(document), budget)
}

/// The five lines, if the contexts and the options are of the usual kind.
fn template(context: Option<&Value>, options: &Map<String, Value>) -> Option<String> {
    let suite_type = suite_type(context)?;
    let text = |name| options.get(name).and_then(Value::as_str);
    let usual = options.len() == 5
        && text("type")? == "DataIntegrityProof"
        && text("proofPurpose")? == ASSERTION_METHOD;
    let created = text("created").filter(|time| timestamp::parse(time).is_some())?;
    let method = text("verificationMethod").filter(|method| is_plain_method(method))?;
    let suite = text("cryptosuite").filter(|name| is_plain(name, "-"))?;
    usual.then(|| {
        format!(
            "_:c14n0 <http://purl.org/dc/terms/created> \"{created}\"\
             ^^<http://www.w3.org/2001/XMLSchema#dateTime> .\n\
             _:c14n0 <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> \
             <https://w3id.org/security#DataIntegrityProof> .\n\
             _:c14n0 <https://w3id.org/security#cryptosuite> \"{suite}\"{suite_type} .\n\
             _:c14n0 <https://w3id.org/security#proofPurpose> \
             <https://w3id.org/security#assertionMethod> .\n\
             _:c14n0 <https://w3id.org/security#verificationMethod> <{method}> .\n"
        )
    })
}

/// How the contexts type `cryptosuite`; `None` when they are not of the usual kind.
fn suite_type(context: Option<&Value>) -> Option<&'static str> {
    const CRYPTOSUITE_STRING: &str = "^^<https://w3id.org/security#cryptosuiteString>";
    let urls: Option<Vec<&str>> = one_or_many(context).iter().map(Value::as_str).collect();
    let urls = urls.filter(|urls| urls.iter().all(|url| document(url).is_some()))?;
    let (first, rest) = urls.split_first()?;
    // A second credentials context would redefine protected terms: leave that to the long way.
    if rest
        .iter()
        .any(|url| [CREDENTIALS_V1, CREDENTIALS_V2].contains(url))
    {
        return None;
    }
    let integrity = [
        rest.contains(&DATA_INTEGRITY_V1),
        rest.contains(&DATA_INTEGRITY_V2),
    ];
    match (*first, integrity) {
        (CREDENTIALS_V2, [false, false]) | (CREDENTIALS_V1, [false, true]) => {
            Some(CRYPTOSUITE_STRING)
        }
        (CREDENTIALS_V1, [true, false]) => Some(""),
        _ => None,
    }
}

/// A URL that no context rewrites and that N-Quads writes as it stands.
fn is_plain_method(method: &str) -> bool {
    let scheme = ["did:key:", "did:web:", "https://"];
    scheme.iter().any(|scheme| method.starts_with(scheme)) && is_plain(method, ":/#.-_~")
}

fn is_plain(text: &str, punctuation: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c))
}

#[cfg(test)]
mod tests;
