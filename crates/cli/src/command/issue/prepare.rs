//! From a file to a signed credential that is ready to be anchored.

use credlog_credential::{Credential, SecretKey, SignOptions, Suite, sign};
use credlog_ledger::ids::{AchievementId, IssuerId, ListNumber, StatusIndex};
use credlog_verify::{Position, Terms, entries};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::outlook::Outlook;
use super::source::{self, Source};
use crate::folder;
use crate::keyfile;
use crate::outcome::{During, Failure, Result};

/// A signed credential and what the journal keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// Name of the file in the output folder.
    pub(super) file: String,
    /// Digest of the content as it came in.
    pub(super) source: credlog_ledger::ids::Digest,
    /// Digest of the signed credential.
    pub(super) digest: credlog_ledger::ids::Digest,
    /// Its name or its achievement's, for people.
    pub(super) name: String,
    /// Whom it is about.
    pub(super) subject: String,
    /// Its position in the issuer's status lists; in the journal, the record tells it.
    #[serde(skip, default = "nowhere")]
    pub(super) place: Position,
    /// Whether its status entries name that position: then another position means another
    /// credential.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) names_place: bool,
    /// The signed credential, byte for byte as it will be written.
    pub(super) text: String,
}

/// Who signs, how, and what the credentials attest if they do not say so themselves.
pub(super) struct Signer {
    pub(super) issuer: IssuerId,
    pub(super) key: SigningKey,
    pub(super) suite: Suite,
    pub(super) achievement: Option<AchievementId>,
}

fn nowhere() -> Position {
    Position {
        list: ListNumber::default(),
        index: StatusIndex::default(),
    }
}

impl Prepared {
    /// Whether it was signed here: what came in had no proof.
    fn was_signed_here(&self) -> bool {
        self.source != self.digest
    }
}

impl Signer {
    /// The verification method in new proofs. An issuer whose id is a did:key keeps the id of
    /// its first key; a did:key method can only name the key itself, and the ledger tells that
    /// the key is the issuer's.
    fn verification_method(&self) -> String {
        let key = keyfile::public(&self.key);
        if self.issuer.as_str().starts_with("did:key:") {
            format!("did:key:{key}#{key}")
        } else {
            format!("{}#{key}", self.issuer)
        }
    }

    /// Signs an unsigned credential, with entries that name its position in status lists, takes
    /// a signed one as it is, and makes sure that it will be valid.
    pub(super) fn prepare(
        &self,
        source: &Source,
        place: Position,
        outlook: &Outlook,
    ) -> Result<(Terms, Prepared)> {
        let at = || source.path.display().to_string();
        let bytes = folder::read(&source.path)?;
        let credential = source::parse(&source.path, &bytes)?;
        if source::digest(&credential) != source.digest {
            return Err(Failure::input("the file was changed while it was issued").during(at()));
        }
        let terms = Terms::of(&credential, self.achievement.as_ref()).during(at)?;
        let mut names_place = false;
        let (credential, text) = if !credential.is_secured() {
            let unsigned = match outlook.status_url(&terms) {
                Some(url) => {
                    names_place = true;
                    Credential::from_json(entries::add(credential, url.as_str(), place).during(at)?)
                        .during(at)?
                }
                None => credential,
            };
            self.sign(unsigned).during(at)?
        } else {
            let text = String::from_utf8(bytes).during(at)?;
            (credential, text)
        };
        let summary = credential.summary();
        outlook.check(&credential, &terms, place).during(at)?;
        let prepared = Prepared {
            file: source.file.clone(),
            source: source.digest,
            digest: source::digest(&credential),
            name: summary
                .achievement_name
                .or(summary.name)
                .unwrap_or_default(),
            subject: summary.subject_id.unwrap_or_default(),
            place,
            names_place,
            text,
        };
        Ok((terms, prepared))
    }

    /// Signs anew a credential whose proof is no longer good for a new issue; only one that
    /// was signed here. Its former digest must not be on the ledger.
    pub(super) fn prepare_again(
        &self,
        former: &Prepared,
        terms: &Terms,
        outlook: &Outlook,
    ) -> Result<Prepared> {
        let at = || former.file.clone();
        let credential = Credential::parse(former.text.as_bytes()).during(at)?;
        let problem = match outlook.check(&credential, terms, former.place) {
            Ok(()) => return Ok(former.clone()),
            Err(problem) => problem.during(at()),
        };
        if !former.was_signed_here() {
            return Err(problem);
        }
        self.sign_again(former, former.place, terms, outlook)
    }

    /// The same credential at another position, signed anew if it names its position. Its former
    /// digest can never come to the ledger.
    pub(super) fn move_to(
        &self,
        former: &Prepared,
        place: Position,
        terms: &Terms,
        outlook: &Outlook,
    ) -> Result<Prepared> {
        if former.names_place {
            return self.sign_again(former, place, terms, outlook);
        }
        Ok(Prepared {
            place,
            ..former.clone()
        })
    }

    fn sign_again(
        &self,
        former: &Prepared,
        place: Position,
        terms: &Terms,
        outlook: &Outlook,
    ) -> Result<Prepared> {
        let at = || former.file.clone();
        let mut document = Credential::parse(former.text.as_bytes())
            .during(at)?
            .into_document();
        if let Some(object) = document.as_object_mut() {
            object.remove("proof");
        }
        if former.names_place && place != former.place {
            entries::replace(&mut document, former.place, place).during(at)?;
        }
        let (signed, text) = self.sign(Credential::from_json(document)?).during(at)?;
        outlook.check(&signed, terms, place).during(at)?;
        Ok(Prepared {
            digest: source::digest(&signed),
            place,
            text,
            ..former.clone()
        })
    }

    pub(super) fn sign(&self, unsigned: Credential) -> Result<(Credential, String)> {
        let now = OffsetDateTime::now_utc()
            .replace_nanosecond(0)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let options = SignOptions::new(self.suite, self.verification_method(), now);
        let key = SecretKey::from(self.key.clone());
        let signed = sign(unsigned.into_document(), &key, &options)?;
        let mut text = serde_json::to_string_pretty(&signed)?;
        text.push('\n');
        Ok((Credential::from_json(signed)?, text))
    }
}
