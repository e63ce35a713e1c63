//! What an Issue record says about a credential besides its digest.

use credlog_credential::Credential;
use credlog_ledger::ids::{AchievementId, UnixMillis};
use time::OffsetDateTime;

use crate::timestamp::Time;

/// Longest part of an achievement's identifier that an error shows, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// What an Issue record says about a credential besides its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms {
    /// What it attests.
    pub achievement: Option<AchievementId>,
    /// Beginning of validity.
    pub valid_from: Option<UnixMillis>,
    /// End of validity.
    pub valid_until: Option<UnixMillis>,
}

/// A credential that no Issue record can describe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// A bound of validity that the ledger cannot state.
    #[error("the credential's validity lies before 1970 or after 9999, which no record can state")]
    OutOfTime,
    /// No moment lies in between.
    #[error("the credential's validity ends in the millisecond in which it begins")]
    NoValidity,
    /// It attests something else than was said.
    #[error("the credential is for achievement {own}, not {given}")]
    OtherAchievement {
        /// What it names itself, cut to 200 characters.
        own: String,
        /// What was said.
        given: AchievementId,
    },
    /// An achievement whose identifier no record can hold.
    #[error("the credential's achievement {own} cannot be named on a ledger: {reason}")]
    Achievement {
        /// What it names itself, cut to 200 characters.
        own: String,
        /// What is wrong.
        reason: String,
    },
}

impl Terms {
    /// Reads achievement and validity from a credential. `achievement` is for credentials that
    /// name none.
    ///
    /// # Errors
    /// [`TermsError`].
    pub fn of(
        credential: &Credential,
        achievement: Option<&AchievementId>,
    ) -> Result<Self, TermsError> {
        let time = |time: Option<OffsetDateTime>| {
            time.map(|time| Time::try_from(time).map(Time::unix_millis))
                .transpose()
                .map_err(|_| TermsError::OutOfTime)
        };
        let terms = Self {
            achievement: recorded_achievement(credential, achievement)?,
            valid_from: time(credential.valid_from())?,
            valid_until: time(credential.valid_until())?,
        };
        match (terms.valid_from, terms.valid_until) {
            (Some(from), Some(until)) if from >= until => Err(TermsError::NoValidity),
            _ => Ok(terms),
        }
    }
}

/// The achievement that the record names: of several in the credential the one given, or else
/// the first by its identifier. Whether all of them may be awarded is judged afterwards.
fn recorded_achievement(
    credential: &Credential,
    given: Option<&AchievementId>,
) -> Result<Option<AchievementId>, TermsError> {
    let own = credential.achievements().ids;
    let Some(first) = own.first() else {
        return Ok(given.cloned());
    };
    let shown = || first.chars().take(SHOWN_CHARS_MAX).collect();
    if let Some(given) = given {
        if own.contains(given.as_str()) {
            return Ok(Some(given.clone()));
        }
        return Err(TermsError::OtherAchievement {
            own: shown(),
            given: given.clone(),
        });
    }
    let mut readable = own.iter().filter_map(|id| id.parse().ok());
    if let Some(id) = readable.next() {
        return Ok(Some(id));
    }
    match first.parse() {
        Ok(id) => Ok(Some(id)),
        Err(reason) => {
            let reason: &dyn std::fmt::Display = &reason;
            Err(TermsError::Achievement {
                own: shown(),
                reason: reason.to_string(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn credential(subject: &str) -> Value {
        json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiableCredential"],
            "issuer": "did:example:a",
            "validFrom": "2026-01-01T00:00:00Z",
            "credentialSubject": {"id": subject},
        })
    }

    #[test]
    fn terms_come_from_the_credential() {
        let given: AchievementId = "urn:example:other".parse().unwrap();
        let mut badge = credential("did:example:h");
        badge["validUntil"] = json!("2027-01-01T00:00:00Z");
        badge["credentialSubject"]["achievement"] = json!({"id": "urn:example:statistics"});
        let badge = Credential::from_json(badge).unwrap();
        let terms = Terms::of(&badge, None).unwrap();
        assert_eq!(
            terms.achievement,
            Some("urn:example:statistics".parse().unwrap())
        );
        assert_eq!(terms.valid_until, Some(UnixMillis(1_798_761_600_000)));
        assert!(Terms::of(&badge, Some(&given)).is_err());
        let mut two = credential("did:example:h");
        two["credentialSubject"]["achievement"] =
            json!([{"id": "urn:example:statistics"}, {"id": "urn:example:other"}]);
        let two = Credential::from_json(two).unwrap();
        for given in [None, Some(&given)] {
            let terms = Terms::of(&two, given).unwrap();
            assert_eq!(
                terms.achievement,
                Some("urn:example:other".parse().unwrap())
            );
        }
        let plain = Credential::from_json(credential("did:example:h")).unwrap();
        assert_eq!(
            Terms::of(&plain, Some(&given)).unwrap().achievement,
            Some(given)
        );
    }
}
