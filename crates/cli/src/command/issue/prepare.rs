//! From a file to a signed credential that is ready to be anchored.

use credlog_credential::{
    Credential, IssuerBinding, Outcome, ResolvedKey, SignOptions, Suite, sign, verify_proofs,
};
use credlog_ledger::ids::{AchievementId, IssuerId};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::source::{self, Source, Terms};
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

impl Signer {
    /// The verification method in new proofs: the issuer's id and the key.
    fn verification_method(&self) -> String {
        format!("{}#{}", self.issuer, keyfile::public(&self.key))
    }

    /// Signs an unsigned credential; checks the proof of a signed one.
    pub(super) fn prepare(&self, source: &Source) -> Result<(Terms, Prepared)> {
        let at = || source.path.display().to_string();
        let bytes = folder::read(&source.path)?;
        let credential = source::parse(&source.path, &bytes)?;
        if source::digest(&credential) != source.digest {
            return Err(Failure::input("the file was changed while it was issued").during(at()));
        }
        let (credential, text) = if credential.proofs().is_empty() {
            self.sign(credential).during(at)?
        } else {
            self.check_signed(&credential).during(at)?;
            let text = String::from_utf8(bytes).during(at)?;
            (credential, text)
        };
        let summary = credential.summary();
        let terms = Terms::of(&credential, self.achievement.as_ref()).during(at)?;
        let prepared = Prepared {
            file: source.file.clone(),
            source: source.digest,
            digest: source::digest(&credential),
            name: summary
                .achievement_name
                .or(summary.name)
                .unwrap_or_default(),
            subject: summary.subject_id.unwrap_or_default(),
            text,
        };
        Ok((terms, prepared))
    }

    fn sign(&self, unsigned: Credential) -> Result<(Credential, String)> {
        let now = OffsetDateTime::now_utc()
            .replace_nanosecond(0)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let options = SignOptions::new(self.suite, self.verification_method(), now);
        let signed = sign(unsigned.into_document(), &self.key, &options)?;
        let mut text = serde_json::to_string_pretty(&signed)?;
        text.push('\n');
        Ok((Credential::from_json(signed)?, text))
    }

    /// A credential that is signed already must carry a good proof by this issuer's key.
    fn check_signed(&self, credential: &Credential) -> Result<()> {
        let key = keyfile::public(&self.key).to_string();
        let own = |method: &str| {
            let fragment = method
                .strip_prefix(self.issuer.as_str())?
                .strip_prefix('#')?;
            (fragment == key).then(|| ResolvedKey {
                controller: self.issuer.to_string(),
                multikey: key.clone(),
            })
        };
        let report = verify_proofs(credential, OffsetDateTime::now_utc(), &own);
        if report.outcome() != Outcome::Valid {
            let reason = report
                .first_error()
                .map_or("it carries none".to_owned(), ToString::to_string);
            return Err(Failure::input(format!(
                "its proof does not verify: {reason}"
            )));
        }
        let by_own_key = report.proofs.iter().any(|proof| {
            proof.result.is_ok() && proof.key.as_ref().is_some_and(|used| used.multikey == key)
        });
        if !by_own_key || report.issuer_binding(self.issuer.as_str()) != IssuerBinding::Bound {
            return Err(Failure::input(format!(
                "it is signed, but not with this issuer's key {key}"
            )));
        }
        Ok(())
    }
}
