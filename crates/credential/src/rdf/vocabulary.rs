//! The words of the built-in contexts, and the rule that a document uses them.
//!
//! `@context` is not part of the quads, and one property has many spellings: its term, its full
//! IRI, a compact IRI, a term that another context maps to it. Somebody could respell
//! `validUntil` without breaking the signature, and whoever reads the JSON would find no end of
//! validity. So for every IRI that a built-in context has a term for, the term is the only
//! spelling (VC Data Model v2.0 section "Syntaxes": credentials are in compact form).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::context;

/// Terms and IRIs of all built-in contexts, at any depth.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    /// Each IRI with the terms that stand for it somewhere.
    terms_by_iri: BTreeMap<String, BTreeSet<String>>,
    /// Every defined term, prefixes such as `sec` included.
    terms: BTreeSet<String>,
    /// Terms whose values are kept whole as JSON.
    json_terms: BTreeSet<String>,
    /// Terms that share an IRI with another term.
    shared: BTreeSet<String>,
}

/// The vocabulary of [`context::BUILT_IN`].
pub(super) static BUILT_IN: LazyLock<Vocabulary> = LazyLock::new(|| {
    let mut vocabulary = Vocabulary::default();
    for context in context::BUILT_IN {
        let document: Value = serde_json::from_slice(context.document).unwrap_or_default();
        if let Some(definitions) = document["@context"].as_object() {
            vocabulary.collect(definitions, &BTreeMap::new());
        }
    }
    let shared = vocabulary
        .terms_by_iri
        .values()
        .filter(|terms| terms.len() > 1);
    vocabulary.shared = shared.flatten().cloned().collect();
    vocabulary
});

impl Vocabulary {
    fn collect(&mut self, definitions: &Map<String, Value>, outer: &BTreeMap<&str, &str>) {
        let mut prefixes = outer.clone();
        for (term, definition) in definitions {
            if let Some(iri) = definition.as_str() {
                prefixes.insert(term, iri);
            }
        }
        for (term, definition) in definitions
            .iter()
            .filter(|(term, _)| !term.starts_with('@'))
        {
            self.terms.insert(term.clone());
            let iri = definition
                .as_str()
                .or_else(|| definition.get("@id")?.as_str());
            if let Some(iri) = iri.filter(|iri| !iri.starts_with('@')) {
                let iri = match iri.split_once(':') {
                    Some((prefix, suffix)) if prefixes.contains_key(prefix) => {
                        format!("{}{suffix}", prefixes[prefix])
                    }
                    _ => iri.to_owned(),
                };
                self.terms_by_iri
                    .entry(iri)
                    .or_default()
                    .insert(term.clone());
            }
            if definition.get("@type").and_then(Value::as_str) == Some("@json") {
                self.json_terms.insert(term.clone());
            }
            if let Some(scoped) = definition.get("@context").and_then(Value::as_object) {
                self.collect(scoped, &prefixes);
            }
        }
    }

    pub(super) fn has_term(&self, term: &str) -> bool {
        self.terms.contains(term)
    }

    pub(super) fn has_iri(&self, iri: &str) -> bool {
        self.terms_by_iri.contains_key(iri)
    }

    /// Whether some IRI here is the text and more behind it.
    pub(super) fn has_iri_beginning_with(&self, text: &str) -> bool {
        let mut from = self.terms_by_iri.range(text.to_owned()..);
        from.next().is_some_and(|(iri, _)| iri.starts_with(text))
    }

    pub(super) fn is_json_term(&self, term: &str) -> bool {
        self.json_terms.contains(term)
    }

    /// Whether a name is the one spelling of what it means, as a property or as a type.
    ///
    /// Where a class and a property share an IRI, the capital tells them apart.
    pub(super) fn is_spelled_right(&self, name: &str, is_type: bool) -> bool {
        if self.shared.contains(name) {
            return name.starts_with(|c: char| c.is_ascii_uppercase()) == is_type;
        }
        match name.split_once(':') {
            None => true,
            Some((_, suffix)) if suffix.starts_with("//") => !self.has_iri(name),
            Some((prefix, _)) => !self.terms.contains(prefix) && !self.has_iri(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_but_the_term_is_wrong() {
        for name in [
            "https://www.w3.org/2018/credentials#validUntil",
            "cred:expirationDate",
            "sec:proof",
            "xsd:dateTime",
            "Achievement",
        ] {
            assert!(!BUILT_IN.is_spelled_right(name, false), "{name}");
        }
        for name in [
            "validUntil",
            "achievement",
            "https://a.example/x",
            "urn:x:y",
            "anything",
        ] {
            assert!(BUILT_IN.is_spelled_right(name, false), "{name}");
        }
        let class = "https://www.w3.org/2018/credentials#VerifiableCredential";
        assert!(!BUILT_IN.is_spelled_right(class, true));
        assert!(!BUILT_IN.is_spelled_right("achievement", true));
        assert!(BUILT_IN.is_spelled_right("Achievement", true));
    }

    #[test]
    fn prefixes_are_expanded() {
        assert!(BUILT_IN.has_iri("https://www.w3.org/2018/credentials#issuanceDate"));
        assert!(!BUILT_IN.has_iri("cred:issuanceDate"));
        assert!(BUILT_IN.has_iri_beginning_with("https://www.w3.org/2018/credentials#valid"));
        assert!(!BUILT_IN.has_iri_beginning_with("https://a.example/"));
        assert!(BUILT_IN.is_json_term("jsonSchema"));
    }

    /// If two properties or two types shared an IRI, the capital could not tell them apart.
    #[test]
    fn shared_iris_are_pairs_of_a_class_and_a_property() {
        for (iri, terms) in BUILT_IN
            .terms_by_iri
            .iter()
            .filter(|(_, terms)| terms.len() > 1)
        {
            let classes = terms
                .iter()
                .filter(|t| t.starts_with(|c: char| c.is_uppercase()));
            assert_eq!((terms.len(), classes.count()), (2, 1), "{iri}: {terms:?}");
        }
    }
}
