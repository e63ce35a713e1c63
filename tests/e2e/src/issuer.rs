//! The issuer of every test: the records it signs.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use credlog_ledger::body::{
    Accredit, Body, Issue, Item, NewKey, Profile, Purposes, Registration, Scope,
};
use credlog_ledger::ids::{Digest, IssuerId, LedgerId, ListNumber, StatusIndex};
use credlog_ledger::key::{ProvenKey, PublicKey, Role};
use credlog_ledger::record::{Author, AuthorId, Record, countersigned_message};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest as _, Sha256};

use crate::founding::{Seat, expiry, key, origin};

/// Positions of a status list.
const POSITIONS: u32 = 131_072;

/// An issuer with status lists, the first of number 0.
pub struct Issuer {
    ledger: LedgerId,
    id: IssuerId,
    key: SigningKey,
    recovery: SigningKey,
    next_index: AtomicU32,
}

impl Issuer {
    /// The issuer of the sample credentials; its seed is public.
    ///
    /// # Errors
    /// Never: its id is well formed.
    pub fn of_samples(ledger: LedgerId) -> Result<Self> {
        let key = SigningKey::from_bytes(&Sha256::digest("eval-vc university A").into());
        let multikey = credlog_credential::multikey::encode_ed25519(key.verifying_key().as_bytes());
        Ok(Self {
            ledger,
            id: format!("did:key:{multikey}").parse()?,
            key,
            recovery: self::key("recovery", 0),
            next_index: AtomicU32::new(0),
        })
    }

    /// Its id.
    pub fn id(&self) -> &IssuerId {
        &self.id
    }

    /// A member accredits it for everything.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn accreditation(&self, by: &Seat) -> Result<Record> {
        let (origin, owner) = (origin()?, self.id.as_str());
        let first = NewKey {
            proven: ProvenKey::ed25519(&origin, Role::RecordAndAssertion, owner, &self.key),
            purposes: Purposes {
                record: true,
                assertion: true,
            },
        };
        let mut accredit = Accredit {
            issuer: self.id.clone(),
            registration: Some(Registration {
                profile: Profile {
                    name: "Issuer".parse()?,
                    url: None,
                },
                keys: vec![first],
                recovery: ProvenKey::ed25519(&origin, Role::Recovery, owner, &self.recovery),
            }),
            scope: Scope::All,
            until: None,
            countersignature: [0; 64],
        };
        let (nonce, expires_at) = (rand::random(), expiry()?);
        let author = AuthorId::Member(by.id.clone());
        let signer = Author {
            id: author.clone(),
            key: PublicKey::ed25519(by.governance.verifying_key().as_bytes()).id(),
        };
        let body = Body::Accredit(accredit.clone());
        let message = countersigned_message(&self.ledger, &signer, &nonce, expires_at, &body)?;
        accredit.countersignature = self.recovery.sign(&message).to_bytes();
        let body = Body::Accredit(accredit);
        let key = &by.governance;
        Ok(Record::sign(
            self.ledger,
            author,
            nonce,
            expires_at,
            body,
            key,
        )?)
    }

    /// It opens a status list.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn list_opening(&self) -> Result<Record> {
        self.sign(Body::OpenStatusList {})
    }

    /// It issues one credential with this digest at this position of list 0.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn issuance(&self, index: u32, digest: Digest) -> Result<Record> {
        let index = StatusIndex(index);
        self.issuance_of(ListNumber(0), vec![Item { index, digest }])
    }

    /// It issues credentials of random digests at the next free positions, of list 0 and then of
    /// the lists after it, which somebody has to open.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn next_issuance(&self, credentials: u32) -> Result<Record> {
        let first = self.next_index.fetch_add(credentials, Ordering::Relaxed);
        let item = |index| Item {
            index: StatusIndex(index % POSITIONS),
            digest: Digest(rand::random()),
        };
        let list = ListNumber(u64::from(first / POSITIONS));
        self.issuance_of(list, (first..first + credentials).map(item).collect())
    }

    fn issuance_of(&self, list: ListNumber, items: Vec<Item>) -> Result<Record> {
        self.sign(Body::Issue(Issue {
            achievement: None,
            list,
            valid_from: None,
            valid_until: None,
            items,
        }))
    }

    /// It says something.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn sign(&self, body: Body) -> Result<Record> {
        let author = AuthorId::Issuer(self.id.clone());
        let (nonce, expires_at) = (rand::random(), expiry()?);
        Ok(Record::sign(
            self.ledger,
            author,
            nonce,
            expires_at,
            body,
            &self.key,
        )?)
    }
}
