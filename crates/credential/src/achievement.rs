//! What a credential says that its subjects achieved (Open Badges v3.0, `AchievementSubject`).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::context;
use crate::json::one_or_many;

/// The property of a subject.
const PROPERTY: &str = "achievement";
/// The same as an IRI.
const PROPERTY_IRI: &str = "https://purl.imsglobal.org/spec/vc/ob/vocab.html#achievement";
/// Keywords of JSON-LD that only say what a text is (JSON-LD 1.1 section 9.5, value objects), so
/// that nothing can hide behind them.
const VALUE_KEYWORDS: [&str; 3] = ["@value", "@language", "@direction"];

/// Every achievement of every subject, as it stands in the JSON: nothing is cut or cleaned, so
/// the identifiers can be compared, but must not be shown as they are.
///
/// They are read by plain names, as the built-in contexts define them. A credential that brings
/// contexts of its own, JSON-LD keywords or names that are IRIs may attest more than plain names
/// show (with a JCS suite no processor of JSON-LD looks at it), and counts as [`unnamed`].
///
/// [`unnamed`]: AchievementClaims::unnamed
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AchievementClaims {
    /// Their identifiers.
    pub ids: BTreeSet<String>,
    /// Whether it attests, or may attest, something without an identifier that can be read.
    pub unnamed: bool,
}

impl AchievementClaims {
    pub(crate) fn of(document: &Value) -> Self {
        let mut claims = Self {
            unnamed: !has_plain_names(document),
            ..Self::default()
        };
        for subject in one_or_many(document.get("credentialSubject")) {
            let named = [PROPERTY, PROPERTY_IRI];
            for achievement in named.iter().filter_map(|name| subject.get(*name)) {
                claims.add(achievement);
            }
        }
        claims
    }

    fn add(&mut self, achievement: &Value) {
        match achievement {
            // JSON-LD takes nested arrays for one, and null for nothing.
            Value::Array(achievements) => achievements.iter().for_each(|one| self.add(one)),
            Value::Null => {}
            Value::String(id) => drop(self.ids.insert(id.clone())),
            Value::Object(members) => {
                let ids = ["id", "@id"].into_iter().filter_map(|id| members.get(id));
                let ids: Vec<Option<&str>> = ids.map(Value::as_str).collect();
                self.unnamed |= ids.is_empty() || ids.contains(&None);
                let read = ids.into_iter().flatten().map(str::to_owned);
                self.ids.extend(read);
            }
            Value::Bool(_) | Value::Number(_) => self.unnamed = true,
        }
    }
}

/// Whether every name means what the built-in contexts say, and achievements stand only where
/// they are looked for. Proofs are left out: they attest nothing.
fn has_plain_names(document: &Value) -> bool {
    let contexts = one_or_many(document.get("@context"));
    let built_in = |url: &Value| {
        url.as_str()
            .is_some_and(|url| context::document(url).is_some())
    };
    let Some(members) = document.as_object() else {
        return false;
    };
    contexts.iter().all(built_in)
        && members.iter().all(|(name, value)| match name.as_str() {
            "@context" | "proof" => true,
            "credentialSubject" => one_or_many(Some(value)).iter().all(is_plain_subject),
            name => is_plain(name, value),
        })
}

fn is_plain_subject(subject: &Value) -> bool {
    subject.as_object().is_some_and(|members| {
        members
            .iter()
            .all(|(name, value)| is_plain_name(name) && all_within(value))
    })
}

/// Whether a member, and all within it, has a plain name and is no achievement.
fn is_plain(name: &str, value: &Value) -> bool {
    name != PROPERTY && is_plain_name(name) && all_within(value)
}

fn all_within(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(all_within),
        Value::Object(members) => members.iter().all(|(name, value)| is_plain(name, value)),
        _ => true,
    }
}

/// Neither a keyword nor an IRI, compact or whole.
fn is_plain_name(name: &str) -> bool {
    VALUE_KEYWORDS.contains(&name) || !(name.starts_with('@') || name.contains(':'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(subject: &Value) -> (Vec<String>, bool) {
        read(&json!({ "credentialSubject": subject }))
    }

    fn read(document: &Value) -> (Vec<String>, bool) {
        let claims = AchievementClaims::of(document);
        (claims.ids.into_iter().collect(), claims.unnamed)
    }

    #[test]
    fn every_achievement_of_every_subject_is_found() {
        let intro = json!({"id": "urn:intro"});
        let phd = json!({"id": "urn:phd"});
        let both = (vec!["urn:intro".to_owned(), "urn:phd".to_owned()], false);
        for subject in [
            json!({"achievement": [intro, phd]}),
            json!({"achievement": [intro, [[phd]]]}),
            json!({"achievement": [intro, "urn:phd", null]}),
            json!([{"achievement": intro}, {"name": "nothing"}, {"achievement": phd}]),
        ] {
            assert_eq!(claims(&subject), both, "{subject}");
        }
        let both = (both.0, true);
        for subject in [
            json!({"achievement": {"id": "urn:intro", "@id": "urn:phd"}}),
            json!({"achievement": intro, PROPERTY_IRI: phd}),
        ] {
            assert_eq!(claims(&subject), both, "{subject}");
        }
    }

    #[test]
    fn identifiers_are_neither_cut_nor_cleaned() {
        let long = format!("urn:{}", "x".repeat(1_000));
        for id in ["urn:\u{1b}intro", " urn:intro", &long] {
            let (ids, unnamed) = claims(&json!({"achievement": {"id": id}}));
            assert_eq!(
                (ids.as_slice(), unnamed),
                ([id.to_owned()].as_slice(), false)
            );
        }
    }

    #[test]
    fn what_has_no_identifier_is_told() {
        for achievement in [
            json!({"name": "PhD"}),
            json!({"id": 7}),
            json!(7),
            json!({"id": []}),
        ] {
            assert_eq!(
                claims(&json!({ "achievement": achievement })),
                (Vec::new(), true)
            );
        }
        assert_eq!(claims(&json!({"degree": "PhD"})), (Vec::new(), false));
    }

    /// With a JCS suite nothing but plain names was read, so an own context, `@graph` or an IRI
    /// hid a doctorate from the check of the scope.
    #[test]
    fn what_plain_names_do_not_show_is_not_taken_for_nothing() {
        let plain = json!({
            "@context": [context::CREDENTIALS_V2],
            "name": {"@value": "Intro", "@language": "en"},
            "credentialSubject": {"achievement": {"id": "urn:intro", "name": "Intro"}},
            "proof": {"@context": [], "sec:x": 1},
        });
        let intro = vec!["urn:intro".to_owned()];
        assert_eq!(read(&plain), (intro.clone(), false));
        let phd = json!({"id": "urn:phd"});
        for (pointer, value) in [
            ("/@context/1", json!({"award": PROPERTY_IRI})),
            ("/@context/1", json!("https://example.org/contexts/award")),
            (
                "/@graph",
                json!([{"credentialSubject": {"achievement": phd}}]),
            ),
            (
                "/https:~1~1www.w3.org~12018~1credentials#credentialSubject",
                json!({"achievement": phd}),
            ),
            ("/credentialSubject/ob:achievement", phd.clone()),
            ("/credentialSubject/@reverse", json!({"a": phd})),
            (
                "/credentialSubject/achievement/@context",
                json!({"award": PROPERTY_IRI}),
            ),
            (
                "/evidence",
                json!([{"id": "did:example:holder", "achievement": phd}]),
            ),
            ("/evidence", json!([[{"@included": [phd]}]])),
        ] {
            let mut document = plain.clone();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let name = name.replace("~1", "/");
            match document.pointer_mut(parent).unwrap() {
                Value::Array(items) => items.push(value),
                parent => parent[name] = value,
            }
            assert_eq!(read(&document), (intro.clone(), true), "{pointer}");
        }
    }
}
