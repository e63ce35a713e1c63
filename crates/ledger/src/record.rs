//! Records: the envelope, its canonical bytes and its signature.

use std::sync::OnceLock;

use credlog_tlog::{Hash, leaf_hash};
use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Body, FormError};
use crate::codec::{self, CodecError};
use crate::ids::{IssuerId, KeyId, LedgerId, MemberId, RecordId, UnixMillis};
use crate::text::{nonce_text, signature_text};

/// Version of the envelope that this crate reads and writes.
pub const RECORD_VERSION: u8 = 1;
/// First byte of a leaf that holds a record.
pub const RECORD_LEAF: u8 = 0x01;
/// Longest leaf in bytes (the u16 length of an entry bundle), its type byte included.
pub const LEAF_BYTES_MAX: usize = 65_535;
/// Longest record in bytes.
pub const RECORD_BYTES_MAX: usize = LEAF_BYTES_MAX - 1;
/// A record may be sealed at most this long before it expires.
pub const EXPIRY_MILLIS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;
/// Domain of record signatures.
const SIGNATURE_DOMAIN: &[u8] = b"credlog/record/v1\n";
/// Domain of the recovery key's countersignature of an accreditation.
const COUNTERSIGNATURE_DOMAIN: &[u8] = b"credlog/accredit/v1\n";

/// Bytes that are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not canonical bytes.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Canonical bytes of a body that no record may have.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A version this crate does not know.
    #[error("the record has version {version}; this program knows version {RECORD_VERSION}")]
    Version {
        /// The version found.
        version: u8,
    },
}

/// Who signed a record, and with which key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Author {
    /// The institution or issuer.
    pub id: AuthorId,
    /// Which of its keys.
    pub key: KeyId,
}

/// A member or an issuer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AuthorId {
    /// A member, with its governance key.
    Member(MemberId),
    /// An issuer, with an active key or its recovery key.
    Issuer(IssuerId),
}

impl std::fmt::Display for AuthorId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Member(id) => write!(f, "member {id}"),
            Self::Issuer(id) => write!(f, "issuer {id}"),
        }
    }
}

/// A record: one signed statement, one leaf of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub version: u8,
    /// The ledger it is meant for.
    pub ledger: LedgerId,
    /// Who signs.
    pub author: Author,
    /// Makes two records with the same content different; random.
    #[serde(with = "nonce_text")]
    #[schema(schema_with = crate::schema::nonce)]
    pub nonce: [u8; 16],
    /// The record may enter the log until this time, and at most 7 days before it.
    pub expires_at: UnixMillis,
    /// What it says.
    pub body: Body,
    /// Ed25519 over `credlog/record/v1\n` and the canonical bytes of the rest (ZIP 215).
    #[serde(with = "signature_text")]
    #[schema(schema_with = crate::schema::signature)]
    pub signature: [u8; 64],
}

impl Record {
    /// Signs a record with a key of the author.
    ///
    /// # Errors
    /// [`RecordError::Form`] or [`RecordError::Codec`] if no ledger would take the body.
    pub fn sign(
        ledger: LedgerId,
        author: AuthorId,
        nonce: [u8; 16],
        expires_at: UnixMillis,
        body: Body,
        key: &SigningKey,
    ) -> Result<Self, RecordError> {
        body.check_form()?;
        let key_id = crate::key::PublicKey::ed25519(key.verifying_key().as_bytes()).id();
        let mut record = Self {
            version: RECORD_VERSION,
            ledger,
            author: Author {
                id: author,
                key: key_id,
            },
            nonce,
            expires_at,
            body,
            signature: [0; 64],
        };
        let bytes = record.to_bytes()?;
        record.signature = key.sign(&signed_message(&bytes)).to_bytes();
        Ok(record)
    }

    /// The canonical bytes.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] beyond [`RECORD_BYTES_MAX`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode("record", self, RECORD_BYTES_MAX)
    }

    /// The record id, from canonical bytes.
    pub fn id_of(bytes: &[u8]) -> RecordId {
        RecordId(*blake3::hash(bytes).as_bytes())
    }
}

/// A record with its canonical bytes and id; the only way in is the decoder.
#[derive(Debug, Clone)]
pub struct EncodedRecord {
    /// On the heap: records are passed on many times, and are large.
    record: Box<Record>,
    /// The type byte and the canonical bytes.
    leaf: Vec<u8>,
    id: RecordId,
    verified_by: Option<[u8; 32]>,
    /// Made when it is asked for, which is when the record goes into a tree.
    leaf_hash: OnceLock<Hash>,
}

impl PartialEq for EncodedRecord {
    fn eq(&self, other: &Self) -> bool {
        // All else follows from the bytes.
        (&self.leaf, self.verified_by) == (&other.leaf, other.verified_by)
    }
}

impl Eq for EncodedRecord {}

impl EncodedRecord {
    /// Reads canonical bytes. The signature is not checked here.
    ///
    /// # Errors
    /// Every [`RecordError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if let Some(&version) = bytes.first()
            && version != RECORD_VERSION
        {
            return Err(RecordError::Version { version });
        }
        let record: Record = codec::decode("record", bytes, RECORD_BYTES_MAX)?;
        record.body.check_form()?;
        let id = Record::id_of(bytes);
        let mut leaf = Vec::with_capacity(1 + bytes.len());
        leaf.push(RECORD_LEAF);
        leaf.extend_from_slice(bytes);
        Ok(Self {
            record: Box::new(record),
            leaf,
            id,
            verified_by: None,
            leaf_hash: OnceLock::new(),
        })
    }

    /// Encodes a record that was made here.
    ///
    /// # Errors
    /// Every [`RecordError`].
    pub fn new(record: &Record) -> Result<Self, RecordError> {
        Self::decode(&record.to_bytes()?)
    }

    /// What the bytes say.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.leaf[1..]
    }

    /// BLAKE3 of the canonical bytes.
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// The leaf: type byte and canonical bytes.
    pub fn leaf(&self) -> Vec<u8> {
        self.leaf.clone()
    }

    /// The leaf, without a copy.
    pub fn leaf_bytes(&self) -> &[u8] {
        &self.leaf
    }

    /// The leaf's hash in the log.
    pub fn leaf_hash(&self) -> Hash {
        *self.leaf_hash.get_or_init(|| leaf_hash(&self.leaf))
    }

    /// What the signature signs.
    pub fn message(&self) -> Vec<u8> {
        signed_message(self.bytes())
    }

    /// The Ed25519 key under which the signature is known to verify, if any.
    pub fn verified_by(&self) -> Option<[u8; 32]> {
        self.verified_by
    }

    pub(crate) fn set_verified_by(&mut self, key: [u8; 32]) {
        self.verified_by = Some(key);
    }
}

/// Domain and canonical bytes without the signature, which is the last 64 bytes.
fn signed_message(bytes: &[u8]) -> Vec<u8> {
    [SIGNATURE_DOMAIN, &bytes[..bytes.len() - 64]].concat()
}

/// What the recovery key countersigns in an accreditation: ledger, author, nonce,
/// expiry and the body with an empty countersignature (rule R4).
///
/// # Errors
/// [`CodecError::TooLong`] beyond the limit of a record.
pub fn countersigned_message(
    ledger: &LedgerId,
    author: &Author,
    nonce: &[u8; 16],
    expires_at: UnixMillis,
    body: &Body,
) -> Result<Vec<u8>, CodecError> {
    let mut body = body.clone();
    if let Body::Accredit(accredit) = &mut body {
        accredit.countersignature = [0; 64];
    }
    let statement = (ledger, author, nonce, expires_at, &body);
    let bytes = codec::encode("accreditation", &statement, RECORD_BYTES_MAX)?;
    Ok([COUNTERSIGNATURE_DOMAIN, &bytes].concat())
}
