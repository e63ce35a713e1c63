//! Records made here: signed, with a random nonce and an expiry.

use credlog_ledger::body::Body;
use credlog_ledger::ids::{LedgerId, UnixMillis};
use credlog_ledger::record::{AuthorId, EncodedRecord, Record};
use ed25519_dalek::SigningKey;
use rand::RngCore;
use rand::rngs::OsRng;

use crate::moment;
use crate::outcome::Result;

/// A record made here expires after 10 minutes (design: "tools default to 10 minutes").
pub(crate) const EXPIRY_MS: u64 = 10 * 60 * 1000;
/// An offer that travels to the issuer and back expires after 6 days: the ledger allows 7,
/// and clocks differ.
pub(crate) const OFFER_EXPIRY_MS: u64 = 6 * 24 * 60 * 60 * 1000;

/// A random nonce.
pub(crate) fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    OsRng.fill_bytes(&mut nonce);
    nonce
}

/// When a record made now expires.
pub(crate) fn expiry() -> UnixMillis {
    moment::now().plus(EXPIRY_MS)
}

/// Who signs records, for which ledger.
pub(crate) struct Signatory {
    pub(crate) ledger: LedgerId,
    pub(crate) author: AuthorId,
    pub(crate) key: SigningKey,
}

impl Signatory {
    /// Signs a record that expires in 10 minutes.
    pub(crate) fn sign(&self, body: Body) -> Result<EncodedRecord> {
        self.sign_with(nonce(), expiry(), body)
    }

    /// Signs a record whose nonce and expiry were fixed before.
    pub(crate) fn sign_with(
        &self,
        nonce: [u8; 16],
        expires_at: UnixMillis,
        body: Body,
    ) -> Result<EncodedRecord> {
        let author = self.author.clone();
        let record = Record::sign(self.ledger, author, nonce, expires_at, body, &self.key)?;
        Ok(EncodedRecord::new(&record)?)
    }
}
