//! The tables of the state and how their keys are made.

/// The tables, each the first byte of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Ledger id and origin; one row.
    Ledger = 1,
    /// Where the log ends; one row.
    Head = 2,
    /// Parameters in force; one row.
    Parameters = 3,
    /// Members in force; one row.
    Members = 4,
    /// Member id → what is counted for it.
    Member = 5,
    /// Member sets by height.
    MembersAt = 6,
    /// Key id → who registered it.
    Key = 7,
    /// Issuer id → number.
    IssuerNumber = 8,
    /// Issuer number → current entry.
    Issuer = 9,
    /// Issuer number, height → entry as of that height.
    IssuerAt = 10,
    /// Issuer number, BLAKE3 of the id → achievement.
    Achievement = 11,
    /// Issuer number → number of achievements it defined.
    AchievementCount = 12,
    /// Issuer number, list → nothing: the lists of an issuer.
    IssuerList = 13,
    /// List → issuer and use.
    List = 14,
    /// List, page → which positions are used.
    Used = 15,
    /// List, chunk → status bits, where any is set.
    Chunk = 16,
    /// List, chunk, height → status bits as of that height.
    ChunkAt = 17,
    /// List, index, leaf → a change of status.
    StatusEvent = 18,
    /// Leaf of the record → what is common to the credentials of an Issue.
    Issue = 19,
    /// Record id → leaf. Uniformly distributed keys.
    Record = 20,
    /// Digest, issuer number → where the credential stands. Uniformly distributed keys.
    Credential = 21,
    /// Propose record id → proposal.
    Proposal = 22,
    /// Approve record id → proposal.
    Approval = 23,
    /// Level, index, height → node of the status tree as of that height.
    StatusNode = 24,
    /// Level, index, height → node of the registry tree as of that height.
    RegistryNode = 25,
    /// Height → seal and where it stands.
    Seal = 26,
    /// Seal time → height.
    SealTime = 27,
    /// First leaf of a block → height.
    BlockStart = 28,
    /// Member id, zero byte, issuer number → whether the member's accreditation of the
    /// issuer holds one of its places (rule R10).
    Held = 29,
}

impl Table {
    /// Whether a table's keys are uniformly distributed and many, so that a store keeps
    /// them in pages rather than in rows.
    pub fn is_uniform(tag: u8) -> bool {
        tag == Self::Record as u8 || tag == Self::Credential as u8
    }
}

/// Room for the longest of the keys that every record has: a digest and an issuer's number.
const KEY_BYTES_USUAL: usize = 1 + 32 + 8;

/// Builds keys: the table's byte, then fields in big-endian order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key of a table's only row, or the prefix of all its rows.
    pub fn of(table: Table) -> Self {
        let mut key = Vec::with_capacity(KEY_BYTES_USUAL);
        key.push(table as u8);
        Self(key)
    }

    /// Appends a number.
    #[must_use]
    pub fn u64(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Appends a number.
    #[must_use]
    pub fn u32(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Appends bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
