//! The sample credentials that a foreign library signed, and University A's test key.

use std::fs;
use std::path::Path;

use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::folder;
use crate::outcome::{Failure, Result};

/// A sample file.
pub(super) struct Sample {
    /// Its file name.
    pub(super) name: &'static str,
    /// Its content.
    pub(super) bytes: &'static [u8],
}

macro_rules! sample {
    ($name:literal) => {
        Sample {
            name: $name,
            bytes: include_bytes!(concat!(
                "../../../../credential/tests/fixtures/samples/",
                $name
            )),
        }
    };
}

/// Signed by University A and good; to be anchored.
pub(super) const GOOD: [Sample; 4] = [
    sample!("01-valid-ob3-eddsa-rdfc-2022.json"),
    sample!("02-valid-vc2-eddsa-jcs-2022.json"),
    sample!("03-valid-ob3-eddsa-jcs-2022.json"),
    sample!("17-jcs-unknown-context.json"),
];

/// The one that is revoked in the story.
pub(super) const REVOKED: &str = "03-valid-ob3-eddsa-jcs-2022.json";

/// A credential that must be refused.
pub(super) struct Bad {
    pub(super) sample: Sample,
    /// What is wrong with it, in plain words.
    pub(super) story: &'static str,
    /// The summary that the verdict must have.
    pub(super) summary: &'static str,
    /// Words that its reasons must hold.
    pub(super) reason: &'static str,
}

/// Forged, tampered with, or out of date.
pub(super) const BAD: [Bad; 7] = [
    Bad {
        sample: sample!("04-tampered-ob3-rdfc.json"),
        story: "somebody changed the name of the achievement after it was signed",
        summary: "invalid",
        reason: "signature",
    },
    Bad {
        sample: sample!("05-tampered-vc2-jcs.json"),
        story: "somebody changed the name of the university after it was signed",
        summary: "invalid",
        reason: "signature",
    },
    Bad {
        sample: sample!("13-undefined-term-added-rdfc.json"),
        story: "somebody added a claim that no context defines; many verifiers do not see it",
        summary: "invalid",
        reason: "context",
    },
    Bad {
        sample: sample!("08-wrong-key-other-controller.json"),
        story: "an impostor signed it with a key of its own, in University A's name",
        summary: "invalid",
        reason: "issuer",
    },
    Bad {
        sample: sample!("09-wrong-key-claims-A.json"),
        story: "an impostor signed it and names University A's key",
        summary: "invalid",
        reason: "signature",
    },
    Bad {
        sample: sample!("06-expired.json"),
        story: "its validity is over",
        summary: "expired",
        reason: "2025",
    },
    Bad {
        sample: sample!("07-future-validFrom.json"),
        story: "its validity has not begun",
        summary: "not_yet_valid",
        reason: "2040",
    },
];

/// Status lists of another system that some samples name.
pub(super) const LISTS: [Sample; 2] = [
    sample!("status-list-revocation.json"),
    sample!("status-list-suspension.json"),
];

/// University A's key. Its seed is public: a test key, for demos and tests only.
pub(super) fn university_a_key() -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(b"eval-vc university A").into())
}

/// How many unsigned badges a series has.
pub(super) const BADGES: usize = 3;

/// Badges that University A's registrar issues at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Series {
    /// In the story, with all members there.
    First,
    /// In the story, while a member is away.
    Second,
    /// To try out after the story.
    ToTry,
}

/// Unsigned badges of University A, as its registrar's office would write them.
pub(super) fn unsigned_badges(series: Series) -> Result<Vec<(String, Value)>> {
    let mut template: Value = serde_json::from_slice(GOOD[2].bytes)?;
    let object = template
        .as_object_mut()
        .ok_or_else(|| Failure::input("the sample is no JSON object"))?;
    object.remove("proof");
    object.remove("credentialStatus");
    let (letter, prefix, name) = match series {
        Series::First => ('b', "", None),
        Series::Second => ('c', "late-", None),
        Series::ToTry => ('d', "new-", Some("Research Methods, 3 ECTS")),
    };
    if let Some(name) = name {
        template["name"] = name.into();
    }
    let badge = |number: usize| {
        let mut badge = template.clone();
        badge["id"] = json!(format!(
            "urn:uuid:7b0d6c1e-5b5e-4c58-9a3b-0f6f2a4d9{letter}{number:02}"
        ));
        badge["credentialSubject"]["id"] =
            json!(format!("https://university-a.example/students/{number}"));
        (format!("{prefix}student-{number}.json"), badge)
    };
    Ok((1..=BADGES).map(badge).collect())
}

/// Writes unsigned badges into a new folder.
pub(super) fn write_badges(folder: &Path, series: Series) -> Result<()> {
    folder::make(folder)?;
    for (name, badge) in unsigned_badges(series)? {
        fs::write(folder.join(name), folder::to_json(&badge)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_university_a_of_the_samples() {
        let did = format!("did:key:{}", crate::keyfile::public(&university_a_key()));
        for sample in &GOOD {
            let credential = credlog_credential::Credential::parse(sample.bytes).unwrap();
            assert_eq!(credential.issuer_id(), did, "{}", sample.name);
        }
        let badges = unsigned_badges(Series::First).unwrap();
        assert_eq!(badges.len(), BADGES);
    }
}
