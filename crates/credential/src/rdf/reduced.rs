//! The built-in contexts, cut down to the words that a document uses.
//!
//! Nearly all of the work on a credential is reading contexts, and a credential uses few of their
//! terms. A term that stands nowhere in the document, neither as a name or value nor as the prefix
//! of one, and that no definition is built on, changes no statement: it is left out. A test
//! compares the statements with those of whole contexts.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::context::{self, BUILT_IN};

/// The built-in contexts as read, by URL.
static CONTEXTS: LazyLock<BTreeMap<&'static str, Map<String, Value>>> = LazyLock::new(|| {
    let read = |context: &context::Context| {
        let mut document: Value = serde_json::from_slice(context.document).unwrap_or_default();
        match document["@context"].take() {
            Value::Object(definitions) => Some((context.url, definitions)),
            _ => None,
        }
    };
    BUILT_IN.iter().filter_map(read).collect()
});

/// What definitions of the built-in contexts are built on: the prefixes of their IRIs.
static FOUNDATIONS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let mut words = HashSet::new();
    CONTEXTS
        .values()
        .for_each(|definitions| foundations(definitions, &mut words));
    words
});

fn foundations<'a>(definitions: &'a Map<String, Value>, words: &mut HashSet<&'a str>) {
    for definition in definitions.values() {
        let parts = ["@id", "@type", "@reverse"].map(|part| definition.get(part));
        let texts = parts.into_iter().flatten().chain([definition]);
        texts
            .filter_map(Value::as_str)
            .for_each(|text| add(text, words));
        if let Some(Value::Object(scoped)) = definition.get("@context") {
            foundations(scoped, words);
        }
    }
}

/// Pairs of contexts that say different things below one term, as versions of one context do. A
/// protected term must not be redefined: who lists both gets them whole, so that this is seen.
static RIVALS: LazyLock<BTreeSet<(&'static str, &'static str)>> = LazyLock::new(|| {
    let rivals = |one: &Map<String, Value>, other: &Map<String, Value>| {
        let differs = |(term, value): (&String, &Value)| {
            value.get("@context").is_some() && other.get(term).is_some_and(|said| said != value)
        };
        one.iter().any(differs)
    };
    let pairs = CONTEXTS.iter().flat_map(|(url, one)| {
        let others = CONTEXTS.iter().filter(move |(_, other)| rivals(one, other));
        others.map(move |(other, _)| (*url, *other))
    });
    pairs.collect()
});

/// The built-in contexts that a document lists, by URL, with what counts for it.
pub(super) fn contexts(document: &Value) -> BTreeMap<&'static str, Vec<u8>> {
    let mut words = HashSet::new();
    collect(document, &mut words);
    let words = Words(words);
    let listed = || {
        BUILT_IN
            .iter()
            .filter(|context| words.0.contains(context.url))
    };
    let is_rival =
        |one: &context::Context| listed().any(|other| RIVALS.contains(&(one.url, other.url)));
    if listed().any(is_rival) {
        let whole = listed().map(|context| (context.url, context.document.to_vec()));
        return whole.collect();
    }
    let reduced = listed().filter_map(|context| {
        let definitions = words.definitions(CONTEXTS.get(context.url)?);
        let document = Map::from_iter([("@context".to_owned(), definitions.into())]);
        Some((context.url, serde_json::to_vec(&document).ok()?))
    });
    reduced.collect()
}

/// What stands in a document.
struct Words<'a>(HashSet<&'a str>);

impl Words<'_> {
    fn definitions(&self, definitions: &Map<String, Value>) -> Map<String, Value> {
        let kept = definitions.iter().filter(|(term, _)| self.keeps(term));
        let reduced = kept.map(|(term, definition)| {
            let mut definition = definition.clone();
            if let Some(Value::Object(scoped)) = definition.get_mut("@context") {
                *scoped = self.definitions(scoped);
            }
            (term.clone(), definition)
        });
        reduced.collect()
    }

    fn keeps(&self, term: &str) -> bool {
        term.starts_with('@')
            || matches!(term, "id" | "type")
            || self.0.contains(term)
            || FOUNDATIONS.contains(term)
    }
}

/// Every text in a value, names included.
fn collect<'a>(value: &'a Value, words: &mut HashSet<&'a str>) {
    match value {
        Value::String(text) => add(text, words),
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Value::Object(members) => {
            for (name, value) in members {
                add(name, words);
                collect(value, words);
            }
        }
        _ => {}
    }
}

/// A text, and what stands before its first colon.
fn add<'a>(text: &'a str, words: &mut HashSet<&'a str>) {
    words.insert(text);
    if let Some((prefix, _)) = text.split_once(':') {
        words.insert(prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(contexts: &[&str]) -> usize {
        let document = serde_json::json!({"@context": contexts, "name": "x"});
        let contexts = super::contexts(&document);
        contexts.values().map(Vec::len).sum()
    }

    #[test]
    fn what_credentials_list_together_is_cut_down() {
        let ob = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json";
        let ob_old = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json";
        let clr = "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json";
        for contexts in [
            &[context::CREDENTIALS_V2, ob][..],
            &[context::CREDENTIALS_V2, ob_old],
            &[context::CREDENTIALS_V2, clr, ob],
            &[context::CREDENTIALS_V2, context::DATA_INTEGRITY_V2],
            &[context::CREDENTIALS_V1, context::DATA_INTEGRITY_V2, ob_old],
        ] {
            let bytes = bytes(contexts);
            assert!(bytes < 4_000, "{contexts:?}: {bytes}");
        }
    }

    #[test]
    fn contexts_that_contradict_each_other_are_read_whole() {
        for contexts in [
            [context::CREDENTIALS_V1, context::CREDENTIALS_V2],
            [context::CREDENTIALS_V2, context::DATA_INTEGRITY_V1],
        ] {
            let whole = contexts.map(|url| context::document(url).map_or(0, <[u8]>::len));
            assert_eq!(bytes(&contexts), whole.iter().sum::<usize>());
        }
    }
}
