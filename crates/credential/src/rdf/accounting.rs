//! How many statements a document must give, read from its JSON alone.
//!
//! Of a node object, each `type` is one statement and each value of each other member is one
//! statement: a scalar, a value object, or the link to an inner node. `id` names the node and is
//! none; `null` is "absent" in JSON-LD. Contexts only rename, as [`super::inline`] sees to.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::RdfError;
use super::budget::Cost;
use super::inline::Contexts;
use super::vocabulary;

/// Objects of one document at most; each may load type-scoped contexts.
const OBJECTS_MAX: usize = 3_000;

/// Begins the datatypes of texts with a direction (JSON-LD 1.1 section 4.2.4.1).
const I18N: &str = "https://www.w3.org/ns/i18n#";

/// What a document says, counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Statements that the quads must hold, those of JSON literals included.
    pub(super) statements: usize,
    /// Values of `type`.
    pub(super) types: usize,
    /// URLs in `@context`, with the number of their places.
    pub(super) contexts: BTreeMap<String, usize>,
    /// Bytes of identifiers and of names of properties, as often as a statement repeats them.
    pub(super) repeated: usize,
    /// Terms that the document defines, as often as they may be read: where they are listed, and
    /// at each word that brings a context with it.
    pub(super) definitions: usize,
    /// Values that are kept whole as JSON (`@type: @json` in a context).
    pub(super) json_literals: usize,
    /// Texts that JSON-LD keeps only as literals, with their number: `_:b0` as an identifier is a
    /// label that canonicalisation replaces, `@word` is dropped.
    pub(super) literal_only: HashMap<String, usize>,
}

impl Account {
    /// What it costs to read the document with these contexts.
    pub(super) fn cost(&self, bytes: usize, contexts: &BTreeMap<&'static str, Vec<u8>>) -> Cost {
        let length = |url: &str| contexts.get(url).map_or(0, Vec::len);
        let listed = self.contexts.iter().map(|(url, times)| length(url) * times);
        Cost {
            statements: self.statements,
            types: self.types,
            repeated: self.repeated,
            definitions: self.definitions,
            bytes,
            context_bytes: contexts.values().map(Vec::len).sum(),
            listed_bytes: listed.sum(),
        }
    }
}

/// The document as a JSON-LD processor should read it, and its account.
pub(crate) fn account(document: &Value) -> Result<(Value, Account), RdfError> {
    let mut walk = Walk::default();
    let object = document.as_object().ok_or(RdfError::Invalid {
        reason: "the document is no object".into(),
    })?;
    let prepared = walk.node(object, object.get("id"))?;
    walk.account.definitions += walk.contexts.definitions();
    walk.account.contexts = walk.contexts.into_urls();
    Ok((Value::Object(prepared), walk.account))
}

#[derive(Default)]
struct Walk {
    account: Account,
    contexts: Contexts,
    objects: usize,
}

impl Walk {
    /// A node object; `root` is the identifier of the outermost.
    fn node(
        &mut self,
        object: &Map<String, Value>,
        root: Option<&Value>,
    ) -> Result<Map<String, Value>, RdfError> {
        self.objects += 1;
        if self.objects > OBJECTS_MAX {
            let reason = format!("more than {OBJECTS_MAX} objects");
            return Err(RdfError::TooComplex { reason });
        }
        let id_bytes = object.get("id").and_then(Value::as_str).map_or(0, str::len);
        let mut prepared = Map::new();
        if let Some(context) = object.get("@context") {
            let context = self.contexts.flatten(context)?;
            prepared.insert("@context".into(), Value::Array(context));
        }
        for (name, value) in object.iter().filter(|(name, _)| *name != "@context") {
            self.contexts.check_spelling(name, false)?;
            self.account.definitions += self.contexts.brought_by(name);
            let repeated = id_bytes.saturating_add(name.len());
            let repeated = repeated.saturating_mul(values(value));
            self.account.repeated = self.account.repeated.saturating_add(repeated);
            let before = self.account.statements;
            let value = match name.as_str() {
                "id" => self.identifier(value)?,
                "type" => self.types(value)?,
                keyword if keyword.starts_with('@') => {
                    return Err(RdfError::Unsupported {
                        feature: keyword.to_owned(),
                    });
                }
                term if vocabulary::BUILT_IN.is_json_term(term) => self.json(value),
                _ => self.value(value, root)?,
            };
            // `null` and `[]` say nothing, but under a name of the contexts only.
            if self.account.statements == before && !self.contexts.has_term(name) {
                let lost = format!("no context defines {name:?}; the signature would not cover it");
                return Err(RdfError::DataLoss { lost });
            }
            prepared.insert(name.clone(), value);
        }
        Ok(prepared)
    }

    fn identifier(&mut self, value: &Value) -> Result<Value, RdfError> {
        match value {
            Value::String(id) => {
                self.contexts.check_prefix(id)?;
                self.note_text(id);
                Ok(value.clone())
            }
            _ => Err(RdfError::Invalid {
                reason: "an id is one string".into(),
            }),
        }
    }

    fn types(&mut self, value: &Value) -> Result<Value, RdfError> {
        for name in crate::json::one_or_many(Some(value)) {
            let name = name.as_str();
            let name = name.ok_or(RdfError::Invalid {
                reason: "a type is a string".into(),
            })?;
            self.contexts.check_spelling(name, true)?;
            self.account.definitions += self.contexts.brought_by(name);
            self.account.statements += 1;
            self.account.types += 1;
            self.note_text(name);
        }
        Ok(value.clone())
    }

    /// A JSON literal; each item of an array is one.
    fn json(&mut self, value: &Value) -> Value {
        // JSON-LD 1.1 API section 5.1.2 step 7: a term of type @json takes its value whole.
        self.account.statements += 1;
        self.account.json_literals += 1;
        value.clone()
    }

    fn value(&mut self, value: &Value, root: Option<&Value>) -> Result<Value, RdfError> {
        match value {
            Value::Null => Ok(Value::Null),
            Value::Bool(_) | Value::Number(_) => {
                self.account.statements += 1;
                Ok(value.clone())
            }
            Value::String(text) => {
                self.contexts.check_prefix(text)?;
                self.account.statements += 1;
                self.note_text(text);
                Ok(value.clone())
            }
            Value::Array(items) => {
                let items: Result<Vec<_>, _> =
                    items.iter().map(|item| self.value(item, root)).collect();
                Ok(Value::Array(items?))
            }
            Value::Object(object) if object.contains_key("@value") => self.value_object(object),
            Value::Object(object) => {
                self.account.statements += 1;
                Ok(Value::Object(self.inner_node(object, root)?))
            }
        }
    }

    /// A node below the outermost. In RDF it could carry properties of the outermost by having
    /// its identifier; whoever reads the JSON would not find them where they belong.
    fn inner_node(
        &mut self,
        object: &Map<String, Value>,
        root: Option<&Value>,
    ) -> Result<Map<String, Value>, RdfError> {
        if object.len() > 1 && root.is_some() && object.get("id") == root {
            let feature = "an inner object with the document's own id".to_owned();
            return Err(RdfError::Unsupported { feature });
        }
        self.node(object, root)
    }

    /// `{"@value": …, "@type": …, "@language": …, "@direction": …}`: one literal.
    fn value_object(&mut self, object: &Map<String, Value>) -> Result<Value, RdfError> {
        let known = ["@value", "@type", "@language", "@direction"];
        if let Some(name) = object.keys().find(|name| !known.contains(&name.as_str())) {
            let lost = format!("{name:?} beside @value has no form in RDF");
            return Err(RdfError::DataLoss { lost });
        }
        if object["@value"].is_array() || object["@value"].is_object() {
            return Err(RdfError::Unsupported {
                feature: "a JSON literal written in place".into(),
            });
        }
        if !object["@value"].is_null() {
            self.account.statements += 1;
        }
        let datatype = object.get("@type").and_then(Value::as_str);
        match object.get("@direction") {
            Some(direction) => directed(object, direction),
            None if datatype.is_some_and(|iri| iri.starts_with(I18N)) => {
                let feature =
                    "the datatype of a text with a direction, instead of @direction".into();
                Err(RdfError::Unsupported { feature })
            }
            None => Ok(Value::Object(object.clone())),
        }
    }

    fn note_text(&mut self, text: &str) {
        let keyword_form = text
            .strip_prefix('@')
            .is_some_and(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic()));
        if keyword_form || text.starts_with("_:") {
            *self
                .account
                .literal_only
                .entry(text.to_owned())
                .or_default() += 1;
        }
    }
}

/// How many values a member has.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(values).sum(),
        _ => 1,
    }
}

/// A text in a language with its direction, as the typed literal that it is in RDF: cryptosuites
/// canonicalise with `rdfDirection` `i18n-datatype` (JSON-LD 1.1 API section 8.2.2), and the
/// parser in use has no such option.
fn directed(object: &Map<String, Value>, direction: &Value) -> Result<Value, RdfError> {
    let language = match object.get("@language") {
        None => Some(String::new()),
        Some(language) => language.as_str().map(str::to_ascii_lowercase),
    };
    let is_tag = |tag: &str| tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match (&object["@value"], language, direction.as_str()) {
        (Value::String(text), Some(language), Some(direction @ ("ltr" | "rtl")))
            if is_tag(&language) && !object.contains_key("@type") =>
        {
            Ok(json!({"@value": text, "@type": format!("{I18N}{language}_{direction}")}))
        }
        _ => Err(RdfError::Invalid {
            reason: "@direction is ltr or rtl, beside a text and perhaps its language".into(),
        }),
    }
}
