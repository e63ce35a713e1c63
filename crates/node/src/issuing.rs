//! Issuing in the name of one issuer, for programs that hold its token.
//!
//! A credential gets a position in the issuer's status list, the entries that name it, and a
//! proof; then its Issue record goes the way of every record, and the answer is given when the
//! ledger has it. What became of a position is written down before the record is sent, so that
//! a status can be changed by what the credential says of itself.

mod positions;
mod register;

use std::path::Path;
use std::time::SystemTime;

use credlog_credential::{Credential, SecretKey, SignError, SignOptions, Suite, sign};
use credlog_ledger::body::{Body, Issue, Item, Reason, StatusChange};
use credlog_ledger::ids::{Digest, IssuerId, LedgerId, RecordId};
use credlog_ledger::key::PublicKey;
use credlog_ledger::record::{AuthorId, EncodedRecord, Record};
use credlog_ledger::state::{State, ViewError};
use credlog_store::Store;
use credlog_verify::did_document::verification_method;
use credlog_verify::entries::{self, EntriesError};
use credlog_verify::{Position, Terms, TermsError, digest_of};
use ed25519_dalek::SigningKey;
use rand::RngCore;
use rand::rngs::OsRng;
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

use crate::config::IssuerSection;
use crate::keys::{KeyFileError, check_mode, load_secret, read};
use crate::production::now;
use positions::Positions;
pub(crate) use positions::Reserved;
use register::Register;
pub(crate) use register::RegisterError;

/// A record made here expires after 10 minutes.
const EXPIRY_MS: u64 = 10 * 60 * 1_000;
/// Fewest characters of a bearer token.
const TOKEN_CHARS_MIN: usize = 32;
/// The contexts that a credential of VC 1.1 needs for its proof and its identifier of the suite.
const DATA_INTEGRITY: &str = "https://w3id.org/security/data-integrity/v2";

/// Why a node cannot issue as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuingError {
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The token cannot be used.
    #[error("{path} holds no token of at least {TOKEN_CHARS_MIN} characters in its first line")]
    Token {
        /// The file.
        path: std::path::PathBuf,
    },
    /// What was issued before cannot be read.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// Why a credential is not issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Unissuable {
    /// It cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Its status entries cannot be written.
    #[error("{0}")]
    Entries(#[from] EntriesError),
    /// No record can describe it.
    #[error("{0}")]
    Terms(#[from] TermsError),
    /// Whom it names is not whom the node issues for.
    #[error("this node does not issue in the name of {0}")]
    Issuer(String),
    /// What it stands on is something else.
    #[error("{0}")]
    Related(String),
    /// The record cannot be made.
    #[error("the Issue record cannot be made: {0}")]
    Record(String),
    /// What is issued cannot be written down.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// A signed credential and the record that anchors it.
pub(crate) struct Prepared {
    pub(crate) credential: Value,
    pub(crate) record: EncodedRecord,
    /// Holds the position until the record has ended.
    pub(crate) reserved: Reserved,
}

/// Issues in the name of one issuer.
pub(crate) struct Issuing {
    issuer: IssuerId,
    ledger: LedgerId,
    key: SigningKey,
    suite: Suite,
    token: blake3::Hash,
    loopback_without_token: bool,
    positions: Positions,
    register: Register,
}

impl Issuing {
    /// Opens key, token and the register of what was issued, in `folder`.
    ///
    /// # Errors
    /// [`IssuingError`].
    pub(crate) fn open(
        section: &IssuerSection,
        ledger: LedgerId,
        folder: &Path,
    ) -> Result<Self, IssuingError> {
        let passphrase = section.passphrase_file.as_deref();
        Ok(Self {
            issuer: section.id.clone(),
            ledger,
            key: load_secret(&section.key, passphrase)?,
            suite: section.suite,
            token: token(&section.token_file)?,
            loopback_without_token: section.loopback_without_token,
            positions: Positions::default(),
            register: Register::open(&folder.join("issued.ndjson"))?,
        })
    }

    /// In whose name it issues.
    pub(crate) fn issuer(&self) -> &IssuerId {
        &self.issuer
    }

    /// Whether a token is the right one; the comparison takes the same time for all.
    pub(crate) fn is_token(&self, token: &str) -> bool {
        blake3::hash(token.as_bytes()) == self.token
    }

    /// Whether a request from this machine needs no token.
    pub(crate) fn trusts_loopback(&self) -> bool {
        self.loopback_without_token
    }

    /// A free position, for one credential; `None` when a list has to be opened first.
    ///
    /// # Errors
    /// [`ViewError`].
    pub(crate) fn position(&self, store: &Store) -> Result<Option<Reserved>, ViewError> {
        let snapshot = store.snapshot();
        self.positions.take(&State(&snapshot), &self.issuer)
    }

    /// The record that opens the issuer's next status list.
    ///
    /// # Errors
    /// [`Unissuable::Record`].
    pub(crate) fn open_list(&self) -> Result<EncodedRecord, Unissuable> {
        self.record(Body::OpenStatusList {})
    }

    /// Signs a credential for a position, and makes its record.
    ///
    /// # Errors
    /// [`Unissuable`].
    pub(crate) fn prepare(
        &self,
        credential: Credential,
        suite: Option<Suite>,
        address: &str,
        reserved: Reserved,
        known_as: Option<&str>,
    ) -> Result<Prepared, Unissuable> {
        if credential.issuer_id() != self.issuer.as_str() {
            return Err(Unissuable::Issuer(credential.issuer_id().to_owned()));
        }
        let position = reserved.position();
        let related = credential.check_related();
        if let Some(error) = related.err().filter(|error| !error.is_unknown()) {
            return Err(Unissuable::Related(error.to_string()));
        }
        let unsigned = entries::add(credential, address, position)?;
        let suite = suite.unwrap_or(self.suite);
        let created = OffsetDateTime::from(SystemTime::now());
        let created = created.replace_nanosecond(0).unwrap_or(created);
        let public = PublicKey::ed25519(self.key.verifying_key().as_bytes());
        let method = verification_method(&self.issuer, &public);
        let options = SignOptions::new(suite, method, created);
        let key = SecretKey::Ed25519(self.key.clone());
        let signed = Credential::from_json(sign(unsigned, &key, &options)?)
            .map_err(|error| Unissuable::Sign(error.into()))?;
        let terms = Terms::of(&signed, None)?;
        let digest = digest_of(&signed);
        let record = self.record(Body::Issue(Issue {
            achievement: terms.achievement,
            list: position.list,
            valid_from: terms.valid_from,
            valid_until: terms.valid_until,
            items: vec![Item {
                index: position.index,
                digest,
            }],
        }))?;
        let name = known_as.or(signed.id());
        self.register.note(position, digest, name)?;
        Ok(Prepared {
            credential: signed.into_document(),
            record,
            reserved,
        })
    }

    /// The credentials that were made here for a position, or with an identifier; those of them
    /// that are not on the ledger were never issued.
    pub(crate) fn issued(&self, position: Option<Position>, id: Option<&str>) -> Vec<Digest> {
        self.register.find(position, id)
    }

    /// The record that changes a credential's status.
    ///
    /// # Errors
    /// [`Unissuable::Record`].
    pub(crate) fn change(
        &self,
        digest: Digest,
        change: Change,
    ) -> Result<EncodedRecord, Unissuable> {
        let issuer = self.issuer.clone();
        let reason = Reason::Unspecified;
        let all = StatusChange {
            issuer: issuer.clone(),
            digests: vec![digest],
            reason,
        };
        self.record(match change {
            Change::Revoke => Body::Revoke(all),
            Change::Suspend => Body::Suspend(all),
            Change::Reinstate { suspension } => Body::Reinstate {
                issuer,
                suspension,
                digests: vec![digest],
                reason,
            },
        })
    }

    fn record(&self, body: Body) -> Result<EncodedRecord, Unissuable> {
        let failed = |error: &dyn std::fmt::Display| Unissuable::Record(error.to_string());
        let mut nonce = [0; 16];
        OsRng
            .try_fill_bytes(&mut nonce)
            .map_err(|error| failed(&error))?;
        let author = AuthorId::Issuer(self.issuer.clone());
        let expires = now().plus(EXPIRY_MS);
        let record = Record::sign(self.ledger, author, nonce, expires, body, &self.key)
            .map_err(|error| failed(&error))?;
        EncodedRecord::new(&record).map_err(|error| failed(&error))
    }
}

/// A change of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// For good.
    Revoke,
    /// For now.
    Suspend,
    /// The end of a suspension.
    Reinstate {
        /// Id of the Suspend record.
        suspension: RecordId,
    },
}

/// Makes an unsigned document this issuer's: its id stands where the document names another,
/// and VC 1.1 gets the date and the context that its proof needs.
pub(crate) fn make_own(document: &mut Value, issuer: &IssuerId) {
    let Some(object) = document.as_object_mut() else {
        return;
    };
    let is_url = |id: &Value| id.as_str().is_some_and(|id| Url::parse(id).is_ok());
    match object.get_mut("issuer") {
        Some(Value::Object(profile)) if profile.get("id").is_some_and(is_url) => {
            profile.insert("id".into(), issuer.as_str().into());
        }
        Some(id) if is_url(id) => *id = issuer.as_str().into(),
        // What is no issuer is told by whoever reads the form.
        _ => {}
    }
    let contexts = match object.get("@context") {
        Some(Value::Array(contexts)) => contexts.clone(),
        Some(one @ Value::String(_)) => vec![one.clone()],
        _ => return,
    };
    let names = |url: &str| contexts.iter().any(|one| one == url);
    if contexts.first() != Some(&json!(credlog_credential::context::CREDENTIALS_V1)) {
        return;
    }
    if !names(DATA_INTEGRITY) && !names(credlog_credential::context::DATA_INTEGRITY_V1) {
        let all = contexts.into_iter().chain([json!(DATA_INTEGRITY)]);
        object.insert("@context".into(), all.collect());
    }
    if !object.contains_key("issuanceDate") {
        let now = credlog_api::Time::from(now()).to_string();
        object.insert("issuanceDate".into(), now.into());
    }
}

fn token(path: &Path) -> Result<blake3::Hash, IssuingError> {
    check_mode(path)?;
    let text = read(path)?;
    let token = text.lines().next().unwrap_or_default().trim();
    match token.chars().count() >= TOKEN_CHARS_MIN {
        true => Ok(blake3::hash(token.as_bytes())),
        false => Err(IssuingError::Token {
            path: path.to_owned(),
        }),
    }
}
