//! What a person wants to read about a credential.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::credential::Credential;
use crate::json::one_or_many;
use crate::text::is_deceptive;

/// Longest text that a summary shows, in characters; the rest is cut off.
const CHARS_MAX: usize = 300;

/// A credential for display. Every field is the credential's own claim; nothing is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The credential's name.
    pub name: Option<String>,
    /// The issuer's identifier, a URL.
    pub issuer_id: String,
    /// The issuer's name.
    pub issuer_name: Option<String>,
    /// The identifier of the (first) Open Badges achievement, a URL.
    pub achievement_id: Option<String>,
    /// The name of the (first) Open Badges achievement.
    pub achievement_name: Option<String>,
    /// The identifier of the (first) subject, a URL.
    pub subject_id: Option<String>,
    /// Start of the validity period.
    #[serde(with = "time::serde::rfc3339::option")]
    pub valid_from: Option<OffsetDateTime>,
    /// End of the validity period.
    #[serde(with = "time::serde::rfc3339::option")]
    pub valid_until: Option<OffsetDateTime>,
    /// All of `type`.
    pub types: Vec<String>,
}

impl Summary {
    pub(crate) fn of(credential: &Credential) -> Self {
        let document = credential.document();
        let subject = one_or_many(document.get("credentialSubject")).first();
        let achievement =
            subject.and_then(|subject| one_or_many(subject.get("achievement")).first());
        Self {
            name: text(document.get("name")),
            issuer_id: credential.issuer_id().to_owned(),
            issuer_name: text(document.get("issuer").and_then(|issuer| issuer.get("name"))),
            achievement_id: text(achievement.and_then(|a| a.get("id"))),
            achievement_name: text(achievement.and_then(|a| a.get("name"))),
            subject_id: text(subject.and_then(|subject| subject.get("id"))),
            valid_from: credential.valid_from(),
            valid_until: credential.valid_until(),
            types: credential.types().to_vec(),
        }
    }
}

/// A text for display: a string, or the first of several language values
/// (VC Data Model v2.0 section "Language and Base Direction").
fn text(value: Option<&Value>) -> Option<String> {
    let first = one_or_many(value).first()?;
    let text = first
        .as_str()
        .or_else(|| first.get("@value").and_then(Value::as_str))?;
    Some(
        text.chars()
            .filter(|c| !is_deceptive(*c))
            .take(CHARS_MAX)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_may_carry_languages_and_never_deceptive_characters() {
        assert_eq!(text(Some(&json!("A\u{1b}[31m"))).as_deref(), Some("A[31m"));
        let reversed = json!("\u{202e}A ytisrevinU\u{200b}");
        assert_eq!(text(Some(&reversed)).as_deref(), Some("A ytisrevinU"));
        let named = json!([{"@value": "Statistik", "@language": "de"}, {"@value": "Statistics"}]);
        assert_eq!(text(Some(&named)).as_deref(), Some("Statistik"));
        assert_eq!(text(Some(&json!(7))), None);
        assert_eq!(text(None), None);
        let long = json!("x".repeat(1_000));
        assert_eq!(text(Some(&long)).unwrap().len(), CHARS_MAX);
    }
}
