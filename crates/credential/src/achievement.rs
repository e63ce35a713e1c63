//! What a credential says that its subjects achieved (Open Badges v3.0, `AchievementSubject`).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::json::one_or_many;

/// The property of a subject, and the same as an IRI.
const PROPERTIES: [&str; 2] = [
    "achievement",
    "https://purl.imsglobal.org/spec/vc/ob/vocab.html#achievement",
];

/// Every achievement of every subject, as it stands in the JSON: nothing is cut or cleaned, so
/// the identifiers can be compared, but must not be shown as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AchievementClaims {
    /// Their identifiers.
    pub ids: BTreeSet<String>,
    /// Whether one has no identifier that can be read.
    pub unnamed: bool,
}

impl AchievementClaims {
    pub(crate) fn of(document: &Value) -> Self {
        let mut claims = Self::default();
        for subject in one_or_many(document.get("credentialSubject")) {
            for achievement in PROPERTIES.iter().filter_map(|name| subject.get(*name)) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(subject: &Value) -> (Vec<String>, bool) {
        let claims = AchievementClaims::of(&json!({ "credentialSubject": subject }));
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
            json!({"achievement": {"id": "urn:intro", "@id": "urn:phd"}}),
            json!([{"achievement": intro}, {"name": "nothing"}, {"achievement": phd}]),
            json!({
                "achievement": intro,
                "https://purl.imsglobal.org/spec/vc/ob/vocab.html#achievement": phd,
            }),
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
}
