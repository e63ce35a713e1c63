//! From a file to a signed credential that is ready to be anchored.

use std::sync::atomic::{AtomicBool, Ordering};

use credlog_credential::{
    Credential, DataModel, Form, JwsForm, SecretKey, SignOptions, Suite, sign, sign_jws,
};
use credlog_ledger::ids::{AchievementId, IssuerId, ListNumber, StatusIndex};
use credlog_verify::did_document::verification_method;
use credlog_verify::{Position, Terms, entries};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::outlook::{Outlook, Proof};
use super::output::{Image, Output};
use super::source::{self, Source};
use crate::keyfile;
use crate::outcome::{During, Result};

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
    /// The image that will carry it, as the journal names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<String>,
    /// The signed credential, byte for byte as it will be written.
    pub(super) text: String,
}

/// Who signs, how, and what the credentials attest if they do not say so themselves.
pub(super) struct Signer {
    pub(super) issuer: IssuerId,
    pub(super) key: SigningKey,
    pub(super) suite: Suite,
    pub(super) output: Output,
    /// Whether the proof of a row's credential was looked at and is good.
    pub(super) a_row_verified: AtomicBool,
    pub(super) achievement: Option<AchievementId>,
}

fn nowhere() -> Position {
    Position {
        list: ListNumber::default(),
        index: StatusIndex::default(),
    }
}

impl Prepared {
    /// The signed credential.
    fn credential(&self) -> Result<Credential> {
        Ok(match Form::sniff(self.text.as_bytes()) {
            Some(Form::Jws) => Credential::from_jws(&self.text)?,
            _ => Credential::parse(self.text.as_bytes())?,
        })
    }

    /// Whether it came in signed and names its position: it can be issued at no other.
    pub(super) fn is_fixed(&self) -> bool {
        self.names_place && !self.was_signed_here()
    }

    /// Whether it was signed here: what came in had no proof.
    fn was_signed_here(&self) -> bool {
        self.source != self.digest
    }
}

impl Signer {
    /// Signs an unsigned credential, with entries that name its position in status lists, takes
    /// a signed one as it is, at the position that it names, and makes sure that it will be valid.
    pub(super) fn prepare(
        &self,
        source: &Source,
        mut place: Position,
        outlook: &Outlook,
    ) -> Result<(Terms, Prepared)> {
        let at = || source.origin.to_string();
        let content = source.read()?;
        let terms = Terms::of(&content.credential, self.achievement.as_ref()).during(at)?;
        let mut names_place = false;
        let (credential, text) = if !content.credential.is_secured() {
            let mut unsigned = content.credential;
            if let Some(url) = outlook.status_url(&terms) {
                let document = entries::add(unsigned, url.as_str(), place).during(at)?;
                unsigned = Credential::from_json(document).during(at)?;
                names_place = true;
            }
            self.sign(unsigned, self.output.as_jws).during(at)?
        } else {
            if let Some(named) = outlook.position_of(&content.credential).during(at)? {
                (place, names_place) = (named, true);
            }
            content.into_text().during(at)?
        };
        let summary = credential.summary();
        let proof = self.proof_of(source);
        outlook
            .check(&credential, &terms, place, proof)
            .during(at)?;
        if source.is_row() {
            self.a_row_verified.store(true, Ordering::Relaxed);
        }
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
            image: self.output.image.as_ref().map(Image::id),
            text,
        };
        Ok((terms, prepared))
    }

    /// All rows of a table fill in one template: once one of them verified, the others will.
    fn proof_of(&self, source: &Source) -> Proof {
        match source.is_row() && self.a_row_verified.load(Ordering::Relaxed) {
            true => Proof::MadeHere,
            false => Proof::Unseen,
        }
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
        let credential = former.credential().during(at)?;
        let problem = match outlook.check(&credential, terms, former.place, Proof::Unseen) {
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
        let credential = former.credential().during(at)?;
        let as_jws = credential.jws().is_some();
        let mut document = credential.into_document();
        if let Some(object) = document.as_object_mut() {
            object.remove("proof");
        }
        if former.names_place && place != former.place {
            entries::replace(&mut document, former.place, place).during(at)?;
        }
        let (signed, text) = self
            .sign(Credential::from_json(document)?, as_jws)
            .during(at)?;
        outlook
            .check(&signed, terms, place, Proof::Unseen)
            .during(at)?;
        Ok(Prepared {
            digest: source::digest(&signed),
            place,
            text,
            ..former.clone()
        })
    }

    pub(super) fn sign(&self, unsigned: Credential, as_jws: bool) -> Result<(Credential, String)> {
        let key = SecretKey::from(self.key.clone());
        let method = verification_method(&self.issuer, &keyfile::public(&self.key));
        if as_jws {
            let form = match unsigned.model() {
                DataModel::V2_0 => JwsForm::VcJwt,
                _ => JwsForm::Jwt,
            };
            let text = sign_jws(unsigned.into_document(), &key, &method, form)?;
            return Ok((Credential::from_jws(&text)?, text));
        }
        let now = OffsetDateTime::now_utc()
            .replace_nanosecond(0)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let options = SignOptions::new(self.suite, method, now);
        let signed = sign(unsigned.into_document(), &key, &options)?;
        let mut text = serde_json::to_string_pretty(&signed)?;
        text.push('\n');
        Ok((Credential::from_json(signed)?, text))
    }
}
