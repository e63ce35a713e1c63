//! Receipts: what a ledger says about credentials, with all that proves it.
//!
//! ```text
//! archive, attested checkpoint --make--> Receipt --bytes--> *.receipt.json
//! bytes, trust --check--> Proven --facts--> Verdict          (offline)
//! ```
//!
//! A [`Receipt`] needs no one's word: from the genesis file (or a [`Trust`] file) follows the
//! member set, from it the checkpoint, from it records and seals, from a seal status and issuer.
//! docs/formats.md specifies each byte and the order of the checks; a refusal names the first
//! that fails.
//!
//! No I/O, no clock: the verifier's time is an argument. Signatures of records are not checked
//! here; what a quorum attested was checked by the members.

mod check;
mod facts;
mod form;
mod make;
mod refusal;
mod staple;
mod statement;
mod text;
mod trust;

use credlog_ledger::ids::{Digest, Height, IssuerNumber, LedgerId, ListNumber, UnixMillis};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use check::{CheckOptions, Claims, Proven};
pub use facts::NotAbout;
pub use make::{Attested, MakeError, Wanted, make, member_changes};
pub use refusal::{Doubt, Refusal, RefusalCode};
pub use staple::{STAPLE_MEMBER, StapleError, staple, unstaple};
pub use statement::{ProvenChange, ProvenCredential};
pub use text::{Base64, HashText, Path};
pub use trust::{Newest, TRUST_BYTES_MAX, Trust, TrustError};

/// Longest receipt in bytes.
pub const RECEIPT_BYTES_MAX: usize = 16 << 20;
/// Most credentials in one receipt.
pub const RECEIPT_CREDENTIALS_MAX: usize = 1_024;
/// Most changes of the member set in one receipt.
pub const RECEIPT_CHANGES_MAX: usize = 10_000;
/// Greatest number in a receipt, 2^53 - 1: beyond it JCS writes two numbers alike.
pub(crate) const NUMBER_MAX: u64 = (1 << 53) - 1;

/// A receipt (docs/formats.md, "Receipt"): anything that has its form; [`Receipt::check`] proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// The time asked about; absent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMillis>,
    /// A signed note: the checkpoint with the cosignatures of exactly a quorum.
    pub checkpoint: String,
    /// Status chunks under the as-of seal, ascending by list and chunk.
    pub chunks: Vec<ChunkProof>,
    /// That the checkpoint and another one are of one log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<ConsistencyProof>,
    /// What is said, ascending by digest and issuer.
    pub credentials: Vec<Statement>,
    /// Registry entries under seals, ascending by seal and issuer.
    pub entries: Vec<EntryProof>,
    /// Leaves under the checkpoint, ascending by index.
    pub leaves: Vec<LeafProof>,
    /// The ledger.
    pub ledger: LedgerId,
    /// The changes of the member set, in order.
    pub members: Vec<ChangeProof>,
    /// Leaf index of the seal after the as-of seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Leaf index of the as-of seal.
    pub seal: u64,
    /// Height from which on the member set is followed; absent for genesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Height>,
    /// The format.
    #[serde(rename = "type")]
    pub format: Format,
}

/// The format of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Format {
    /// The only one.
    #[serde(rename = "credlog/receipt/v1")]
    V1,
}

/// A leaf under the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeafProof {
    /// Its index.
    pub index: u64,
    /// Its bytes, the type byte first.
    pub leaf: Base64,
    /// Inclusion path.
    pub path: Path,
}

/// A registry entry under a seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryProof {
    /// Canonical bytes of the entry.
    pub entry: Base64,
    /// Number of the issuer.
    pub issuer: IssuerNumber,
    /// Inclusion path to the registry root.
    pub path: Path,
    /// Leaf index of the seal.
    pub seal: u64,
}

/// A status chunk under the as-of seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChunkProof {
    /// Its 32 bytes.
    pub bits: HashText,
    /// Number of the chunk in its list.
    pub chunk: u32,
    /// Number of the list.
    pub list: ListNumber,
    /// Inclusion path to the status root.
    pub path: Path,
}

/// A checkpoint of the same log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// Consistency path, from the smaller to the larger log.
    pub path: Path,
    /// Root of the other checkpoint.
    pub root: HashText,
    /// Leaves of the other checkpoint.
    pub size: u64,
}

/// A change of the member set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeProof {
    /// Canonical bytes of the commit certificate.
    pub certificate: Base64,
    /// Canonical bytes of the set in force from the next height on.
    pub members: Base64,
    /// Inclusion path of the seal.
    pub path: Path,
    /// Root of the log after the seal.
    pub root: HashText,
    /// The seal's leaf.
    pub seal: Base64,
    /// Leaves of the log after the seal.
    pub size: u64,
}

/// What a receipt says about one credential: which of its parts speak of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    /// The credential.
    pub digest: Digest,
    /// Leaf index of its Issue record.
    pub issue: u64,
    /// Leaf index of the seal of that record's block.
    pub issue_seal: u64,
    /// Number of its issuer.
    pub issuer: IssuerNumber,
    /// Leaf index of the record that made its status what it is, if it is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u64>,
    /// Leaf index of the seal of that record's block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_seal: Option<u64>,
}

impl Receipt {
    /// Reads the bytes of a receipt: they have its one form, nothing is missing or surplus, as far
    /// as that can be seen without its proofs.
    ///
    /// # Errors
    /// [`RefusalCode::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(form::malformed(format!(
                "it has {} bytes, more than the {RECEIPT_BYTES_MAX} of any receipt",
                bytes.len()
            )));
        }
        let receipt: Self = serde_json::from_slice(bytes)
            .map_err(|error| form::malformed(format!("it is no receipt: {error}")))?;
        if receipt.to_bytes()? != bytes {
            return Err(form::malformed("its bytes are not those of its JCS form"));
        }
        Ok(receipt)
    }

    /// Its bytes: JSON in JCS form (RFC 8785).
    ///
    /// # Errors
    /// [`RefusalCode::Malformed`] never for one that was made or parsed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        serde_json_canonicalizer::to_vec(self).map_err(|error| form::malformed(error.to_string()))
    }

    /// Only what it says about one credential, with the parts that prove that; nothing if it
    /// says nothing about it.
    #[must_use]
    pub fn only(&self, digest: &Digest) -> Option<Self> {
        let kept: Vec<Statement> = self
            .credentials
            .iter()
            .filter(|one| one.digest == *digest)
            .cloned()
            .collect();
        (!kept.is_empty()).then(|| form::narrowed(self, kept))
    }
}
