//! An accreditation that needs two signatures: the member's and, inside, the recovery key's.
//!
//! The offer file is the record as JSON with empty signatures. The issuer fills in the
//! countersignature; the member signs and submits. Nonce and expiry stay as they were, for
//! the countersignature covers them (rule R4).
//!
//! ```text
//! member/offers/<nonce>.json   a copy of each offer, until it expires
//! ```
//!
//! An offer is in other hands while it is countersigned. The member signs only what it offered:
//! what comes back is compared with the copy.

use std::path::{Path, PathBuf};

use credlog_ledger::body::{Accredit, Body};
use credlog_ledger::ids::{LedgerId, MemberId};
use credlog_ledger::key::PublicKey;
use credlog_ledger::record::{
    Author, AuthorId, EncodedRecord, RECORD_VERSION, Record, countersigned_message,
};
use ed25519_dalek::{Signer, SigningKey};

use crate::home::MemberHome;
use crate::keyfile;
use crate::moment;
use crate::outcome::{During, Failure, Result};
use crate::screen::shown;
use crate::statement::{self, OFFER_EXPIRY_MS, Signatory};
use crate::terms::{end_text, scope_listed};
use crate::{folder, folder::Access};

/// The offer of an accreditation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer(Record);

impl Offer {
    /// A new offer by a member.
    pub(crate) fn new(
        ledger: LedgerId,
        member: &MemberId,
        governance: &PublicKey,
        accredit: Accredit,
    ) -> Result<Self> {
        let record = Record {
            version: RECORD_VERSION,
            ledger,
            author: Author {
                id: AuthorId::Member(member.clone()),
                key: governance.id(),
            },
            nonce: statement::nonce(),
            expires_at: moment::now().plus(OFFER_EXPIRY_MS),
            body: Body::Accredit(accredit),
            signature: [0; 64],
        };
        record.body.check_form()?;
        Ok(Self(record))
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let record: Record = folder::read_json(path, "the offer of an accreditation")?;
        if !matches!(record.body, Body::Accredit(_)) {
            return Err(Failure::input(format!(
                "{} holds no accreditation; `credlog accreditation grant --offer-out` makes one",
                path.display()
            )));
        }
        record
            .body
            .check_form()
            .during(|| path.display().to_string())?;
        if record.expires_at < moment::now() {
            return Err(Failure::input(format!(
                "{} expired at {}; ask the member for a new offer",
                path.display(),
                moment::shown(record.expires_at)
            )));
        }
        Ok(Self(record))
    }

    pub(crate) fn write_new(&self, path: &Path) -> Result<()> {
        folder::write_new(path, &folder::to_json(&self.0)?, Access::Public)
    }

    /// Keeps a copy in the member's folder, and drops those that have expired.
    pub(crate) fn keep(&self, home: &MemberHome) -> Result<()> {
        let offers = home.offers_path();
        folder::make_secret(&offers)?;
        for entry in std::fs::read_dir(&offers).during(|| offers.display().to_string())? {
            let path = entry?.path();
            let copy = folder::read_json::<Record>(&path, "the copy of an offer");
            if copy.is_ok_and(|copy| copy.expires_at < moment::now()) {
                std::fs::remove_file(&path).during(|| path.display().to_string())?;
            }
        }
        folder::replace(&self.copy_path(home), &folder::to_json(&self.0)?)
    }

    /// The copy that was kept of it; nothing if it was made in another folder.
    pub(crate) fn kept(&self, home: &MemberHome) -> Result<Option<Self>> {
        let path = self.copy_path(home);
        path.is_file()
            .then(|| folder::read_json(&path, "the copy of an offer").map(Self))
            .transpose()
    }

    fn copy_path(&self, home: &MemberHome) -> PathBuf {
        let nonce = hex::encode(self.0.nonce);
        home.offers_path().join(format!("{nonce}.json"))
    }

    /// What a countersigned offer says otherwise than the offer that was made, in words.
    pub(crate) fn differences(&self, made: &Self) -> Result<Vec<String>> {
        let (now, then) = (self.accredit()?, made.accredit()?);
        let mut found = Vec::new();
        if now.scope != then.scope {
            found.push(format!(
                "the scope is {}, you offered {}",
                scope_listed(&now.scope),
                scope_listed(&then.scope)
            ));
        }
        if now.until != then.until {
            found.push(format!(
                "it ends {}, you offered {}",
                end_text(now.until),
                end_text(then.until)
            ));
        }
        if now.issuer != then.issuer {
            let text = format!("the issuer is {}, you offered {}", now.issuer, then.issuer);
            found.push(text);
        }
        if now.registration != then.registration {
            found.push("it registers another name or other keys".to_owned());
        }
        let mut same = self.0.clone();
        same.body.clone_from(&made.0.body);
        same.signature = made.0.signature;
        if same != made.0 {
            found.push("its author, ledger or expiry are others".to_owned());
        }
        Ok(found)
    }

    /// The terms, one a line.
    pub(crate) fn terms(&self) -> Result<String> {
        let accredit = self.accredit()?;
        let mut lines = vec![format!("issuer  {}", accredit.issuer)];
        if let Some(registration) = &accredit.registration {
            lines.push(format!(
                "name    {}",
                shown(registration.profile.name.as_str())
            ));
            let keys = registration.keys.iter();
            lines.extend(keys.map(|key| format!("key     {}", key.proven.key)));
            lines.push(format!("recovery key  {}", registration.recovery.key));
        }
        lines.push(format!("for     {}", scope_listed(&accredit.scope)));
        lines.push(format!("ends    {}", end_text(accredit.until)));
        Ok(lines.join("\n"))
    }

    pub(crate) fn record(&self) -> &Record {
        &self.0
    }

    pub(crate) fn accredit(&self) -> Result<&Accredit> {
        match &self.0.body {
            Body::Accredit(accredit) => Ok(accredit),
            _ => Err(Failure::input("the offer holds no accreditation")),
        }
    }

    fn statement(&self) -> Result<Vec<u8>> {
        let Record {
            ledger,
            author,
            nonce,
            expires_at,
            body,
            ..
        } = &self.0;
        Ok(countersigned_message(
            ledger,
            author,
            nonce,
            *expires_at,
            body,
        )?)
    }

    /// The issuer agrees. For a first accreditation the key must be the one it registers.
    pub(crate) fn countersign(&mut self, recovery: &SigningKey) -> Result<()> {
        if let Some(registration) = &self.accredit()?.registration
            && registration.recovery.key != keyfile::public(recovery)
        {
            return Err(Failure::input(
                "this is not the recovery key that the offer registers; use the one that \
                 `credlog issuer new` made",
            ));
        }
        let signature = recovery.sign(&self.statement()?).to_bytes();
        if let Body::Accredit(accredit) = &mut self.0.body {
            accredit.countersignature = signature;
        }
        Ok(())
    }

    /// Whether the issuer has agreed; only the ledger can say whether with the right key.
    pub(crate) fn is_countersigned(&self) -> bool {
        self.accredit()
            .is_ok_and(|accredit| accredit.countersignature != [0; 64])
    }

    /// The member signs.
    pub(crate) fn sign(self, signatory: &Signatory) -> Result<EncodedRecord> {
        let key = keyfile::public(&signatory.key).id();
        let (found, expected) = (&self.0.author, &signatory.author);
        if found.id != *expected || found.key != key {
            return Err(Failure::input(format!(
                "the offer was made by {} with key {}; it must be submitted by the same",
                found.id, found.key
            )));
        }
        if self.0.ledger != signatory.ledger {
            return Err(Failure::input(format!(
                "the offer is for ledger {}, but this is ledger {}",
                self.0.ledger, signatory.ledger
            )));
        }
        signatory.sign_with(self.0.nonce, self.0.expires_at, self.0.body)
    }
}
