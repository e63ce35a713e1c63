//! An accreditation that needs two signatures: the member's and, inside, the recovery key's.
//!
//! The offer file is the record as JSON with empty signatures. The issuer fills in the
//! countersignature; the member signs and submits. Nonce and expiry stay as they were, for
//! the countersignature covers them (rule R4).

use std::path::Path;

use credlog_ledger::body::{Accredit, Body};
use credlog_ledger::ids::{LedgerId, MemberId};
use credlog_ledger::key::PublicKey;
use credlog_ledger::record::{
    Author, AuthorId, EncodedRecord, RECORD_VERSION, Record, countersigned_message,
};
use ed25519_dalek::{Signer, SigningKey};

use crate::keyfile;
use crate::moment;
use crate::outcome::{During, Failure, Result};
use crate::statement::{self, OFFER_EXPIRY_MS, Signatory};
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
