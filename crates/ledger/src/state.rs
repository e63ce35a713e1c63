//! The state: rows that are a pure function of the log.
//!
//! A row has a key (a table's byte and big-endian fields) and a value (canonical bytes).
//! Readers come through [`View`]; the transition gathers [`Changes`], which a store
//! commits as one atomic batch.

mod digest;
pub(crate) mod keys;
mod memory;
mod table;
pub(crate) mod trees;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body::Achievement;
use crate::codec;
use crate::entry::IssuerEntry;
use crate::ids::{
    AchievementId, Digest, Height, IssuerId, IssuerNumber, LeafIndex, ListNumber, MemberId,
    RecordId, StatusIndex, TreeSize, UnixMillis,
};
use crate::key::PublicKey;
use crate::member::{MEMBER_SET_BYTES_MAX, MemberSet};
use crate::parameters::Parameters;
use crate::record::Author;
use crate::rows::{
    CredentialRow, Head, IssueRow, KeyUse, LedgerRow, ListRow, MemberRow, ProposalRow, SealRow,
    StatusEvent,
};
use crate::seal::Seal;
use crate::status::{CHUNK_BYTES, Chunk, LIST_CHUNKS};

pub use digest::StateDigest;
pub use memory::MemoryState;
pub(crate) use memory::floor_in;
pub use table::{Key, Table};

/// Limit of one row's value in bytes.
const ROW_BYTES_MAX: usize = MEMBER_SET_BYTES_MAX;
/// Members, past and present, that are read in one step.
const MEMBERS_PAGE: usize = 100;
/// Positions whose use is recorded in one row.
pub const USED_PAGE_POSITIONS: u32 = 8_192;
/// Bytes of such a row.
pub const USED_PAGE_BYTES: usize = USED_PAGE_POSITIONS as usize / 8;

/// The state cannot be read. Fatal for whoever executes blocks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// A row is missing, damaged, or contradicts another.
    #[error("the state cannot be read: {0}")]
    Damaged(String),
    /// The system refused to read (no permission, too many open files): says nothing about
    /// the state.
    #[error("the state cannot be read now: {0}")]
    System(String),
}

/// A row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Read access to the rows of one committed state.
pub trait View {
    /// The value of a row.
    ///
    /// # Errors
    /// [`ViewError`] if the store fails.
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError>;

    /// The row with the greatest key that begins with `prefix` and is not above `key`.
    ///
    /// # Errors
    /// [`ViewError`] if the store fails.
    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, ViewError>;

    /// Rows whose key begins with `prefix`, in ascending order, above `after` if it is
    /// given, at most `limit`.
    ///
    /// # Errors
    /// [`ViewError`] if the store fails.
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, ViewError>;
}

/// The rows that a block writes. No rule ever removes a row.
pub type Changes = BTreeMap<Vec<u8>, Vec<u8>>;

/// Decodes a row's value.
pub(crate) fn decode<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, ViewError> {
    codec::decode_stored(what, bytes, ROW_BYTES_MAX)
        .map_err(|error| ViewError::Damaged(error.to_string()))
}

/// Encodes a row's value.
pub(crate) fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, ViewError> {
    codec::encode(what, value, ROW_BYTES_MAX).map_err(|error| ViewError::Damaged(error.to_string()))
}

/// The number in the last eight bytes of a key.
fn last_u64(key: &[u8]) -> Result<u64, ViewError> {
    key.last_chunk::<8>()
        .map(|bytes| u64::from_be_bytes(*bytes))
        .ok_or_else(|| ViewError::Damaged("a key is too short".to_owned()))
}

/// The number in the last four bytes of a key.
fn last_u32(key: &[u8]) -> Result<u32, ViewError> {
    key.last_chunk::<4>()
        .map(|bytes| u32::from_be_bytes(*bytes))
        .ok_or_else(|| ViewError::Damaged("a key is too short".to_owned()))
}

/// Bytes of an achievement's key up to the end of its place: table, issuer, 48 bits.
const PLACE_END: usize = 1 + 8 + 6;

/// The last key of an achievement at a place.
fn last_at(prefix: &Key, place: u64) -> Key {
    let place = place.min((1 << 48) - 1).to_be_bytes();
    prefix.clone().bytes(&place[2..]).bytes(&[0xff; 26])
}

/// The place of an achievement's key.
fn place_of(key: &[u8]) -> Result<u64, ViewError> {
    let bytes = key.get(..PLACE_END).unwrap_or_default();
    last_u64(bytes).map(|number| number & ((1 << 48) - 1))
}

/// Questions to a state, answered from its rows.
#[derive(Clone, Copy)]
pub struct State<'v>(pub &'v dyn View);

impl State<'_> {
    fn value<T: DeserializeOwned>(
        &self,
        what: &'static str,
        key: &Key,
    ) -> Result<Option<T>, ViewError> {
        self.0
            .row(key.as_bytes())?
            .map(|bytes| decode(what, &bytes))
            .transpose()
    }

    fn required<T: DeserializeOwned>(&self, what: &'static str, key: &Key) -> Result<T, ViewError> {
        self.value(what, key)?
            .ok_or_else(|| ViewError::Damaged(format!("there is no {what} row")))
    }

    /// Ledger id and origin.
    ///
    /// # Errors
    /// [`ViewError`], as of every method here.
    pub fn ledger(&self) -> Result<LedgerRow, ViewError> {
        self.required("ledger", &keys::ledger())
    }

    /// Where the log ends.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn head(&self) -> Result<Head, ViewError> {
        self.required("head", &keys::head())
    }

    /// Parameters in force.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn parameters(&self) -> Result<Parameters, ViewError> {
        self.required("parameters", &keys::parameters())
    }

    /// Members in force for the next height.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn members(&self) -> Result<MemberSet, ViewError> {
        self.required("members", &keys::members())
    }

    /// Members in force after the block of this height.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn members_at(&self, height: Height) -> Result<Option<MemberSet>, ViewError> {
        let prefix = Key::of(Table::MembersAt);
        let row = self
            .0
            .floor(prefix.as_bytes(), keys::members_at(height).as_bytes())?;
        row.map(|(_, value)| decode("members", &value)).transpose()
    }

    /// Every set of members that was in force, the oldest first.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn member_sets(&self) -> Result<Vec<MemberSet>, ViewError> {
        let founders = self.members_at(Height(0))?;
        let later = self.member_changes(Height(0), usize::MAX)?;
        let later = later.into_iter().map(|(_, set)| set);
        Ok(founders.into_iter().chain(later).collect())
    }

    /// The heights above `after` whose blocks changed the set of members, ascending, with the
    /// set in force from the next height on; at most `limit`.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn member_changes(
        &self,
        after: Height,
        limit: usize,
    ) -> Result<Vec<(Height, MemberSet)>, ViewError> {
        let prefix = Key::of(Table::MembersAt);
        let after = keys::members_at(after);
        let rows = self
            .0
            .scan(prefix.as_bytes(), Some(after.as_bytes()), limit)?;
        rows.iter()
            .map(|(key, value)| Ok((Height(last_u64(key)?), decode("members", value)?)))
            .collect()
    }

    /// What is counted for a member, past or present.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn member_row(&self, id: &MemberId) -> Result<Option<MemberRow>, ViewError> {
        self.value("member", &keys::member(id))
    }

    /// Whether a member's accreditation of an issuer holds one of its places (rule R10).
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn holds_place(&self, id: &MemberId, issuer: IssuerNumber) -> Result<bool, ViewError> {
        Ok(self
            .value("held place", &keys::held(id, issuer))?
            .unwrap_or(false))
    }

    /// Issuers whose accreditations hold a place of the member, above `after`, from at
    /// most `limit` issuers that it ever accredited; and where to go on.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn held_by(
        &self,
        id: &MemberId,
        after: Option<IssuerNumber>,
        limit: usize,
    ) -> Result<(Vec<IssuerNumber>, Option<IssuerNumber>), ViewError> {
        let after = after.map(|number| keys::held(id, number));
        let rows = self.0.scan(
            keys::held_by(id).as_bytes(),
            after.as_ref().map(Key::as_bytes),
            limit,
        )?;
        let mut held = Vec::with_capacity(rows.len());
        let mut last = None;
        for (key, value) in &rows {
            let number = IssuerNumber(last_u64(key)?);
            if decode("held place", value)? {
                held.push(number);
            }
            last = Some(number);
        }
        Ok((held, last.filter(|_| rows.len() == limit)))
    }

    /// Who registered a key.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn key_use(&self, key: &PublicKey) -> Result<Option<KeyUse>, ViewError> {
        self.value("key", &keys::key(&key.id()))
    }

    /// The Ed25519 key that an author claims to sign with, if the ledger knows it as one
    /// of the author's: enough to check the signature, not yet that the key is active.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn author_key(&self, author: &Author) -> Result<Option<[u8; 32]>, ViewError> {
        let found: Option<KeyUse> = self.value("key", &keys::key(&author.key))?;
        Ok(found
            .filter(|found| found.owner == author.id)
            .and_then(|found| found.key.as_ed25519().copied()))
    }

    /// An issuer's number.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn issuer_number(&self, id: &IssuerId) -> Result<Option<IssuerNumber>, ViewError> {
        self.value("issuer number", &keys::issuer_number(id))
    }

    /// An issuer's entry as it was last written; ask it with
    /// [`as_of`](IssuerEntry::as_of).
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn issuer(&self, number: IssuerNumber) -> Result<Option<IssuerEntry>, ViewError> {
        self.value("issuer entry", &keys::issuer(number))
    }

    /// Length of an issuer's entry as it was last written, in bytes.
    ///
    /// # Errors
    /// [`ViewError`].
    pub(crate) fn issuer_bytes(&self, number: IssuerNumber) -> Result<Option<usize>, ViewError> {
        let row = self.0.row(keys::issuer(number).as_bytes())?;
        Ok(row.map(|row| row.len()))
    }

    /// An issuer's entry after the block of this height.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn issuer_at(
        &self,
        number: IssuerNumber,
        height: Height,
    ) -> Result<Option<IssuerEntry>, ViewError> {
        let prefix = Key::of(Table::IssuerAt).u64(number.0);
        let row = self.0.floor(
            prefix.as_bytes(),
            keys::issuer_at(number, height).as_bytes(),
        )?;
        row.map(|(_, value)| decode("issuer entry", &value))
            .transpose()
    }

    /// Number and entry of an issuer.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn find_issuer(
        &self,
        id: &IssuerId,
    ) -> Result<Option<(IssuerNumber, IssuerEntry)>, ViewError> {
        let Some(number) = self.issuer_number(id)? else {
            return Ok(None);
        };
        let entry = self.issuer(number)?.ok_or_else(|| {
            ViewError::Damaged(format!(
                "issuer {id} has number {number} but no registry entry"
            ))
        })?;
        Ok(Some((number, entry)))
    }

    /// Entries of issuers in order of number, from `first` on.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn issuers(
        &self,
        first: IssuerNumber,
        limit: usize,
    ) -> Result<Vec<(IssuerNumber, IssuerEntry)>, ViewError> {
        let mut found = Vec::new();
        for number in (first.0..=u64::MAX).take(limit).map(IssuerNumber) {
            match self.issuer(number)? {
                Some(entry) => found.push((number, entry)),
                None => break,
            }
        }
        Ok(found)
    }

    /// An achievement that an issuer defined.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn achievement(
        &self,
        issuer: IssuerNumber,
        id: &AchievementId,
    ) -> Result<Option<Achievement>, ViewError> {
        self.value("achievement", &keys::achievement(issuer, id))
    }

    /// Achievements of an issuer, at most about `limit` of them, in the order of BLAKE3 of
    /// their ids: those after the place `after`; and the place to go on from, if there may
    /// be more. A place is the number in the first 48 bits of the hash, exact in every
    /// JSON reader; ids that share it come together, however many that makes.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn achievements(
        &self,
        issuer: IssuerNumber,
        after: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Achievement>, Option<u64>), ViewError> {
        let prefix = Key::of(Table::Achievement).u64(issuer.0);
        let after = after.map(|place| last_at(&prefix, place));
        let after = after.as_ref().map(Key::as_bytes);
        let mut rows = self.0.scan(prefix.as_bytes(), after, limit)?;
        let full = rows.len() == limit;
        let next = rows.last().filter(|_| full).map(|(key, _)| place_of(key));
        let next = next.transpose()?;
        if let (Some(place), Some((last, _))) = (next, rows.last()) {
            let same = &last_at(&prefix, place).into_bytes()[..PLACE_END];
            rows.extend(self.0.scan(same, Some(last), usize::MAX)?);
        }
        let found: Result<_, _> = rows
            .iter()
            .map(|(_, value)| decode("achievement", value))
            .collect();
        Ok((found?, next))
    }

    /// How many achievements an issuer defined.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn achievement_count(&self, issuer: IssuerNumber) -> Result<u32, ViewError> {
        Ok(self
            .value("count", &keys::achievement_count(issuer))?
            .unwrap_or(0))
    }

    /// A status list.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn list(&self, list: ListNumber) -> Result<Option<ListRow>, ViewError> {
        self.value("status list", &keys::list(list))
    }

    /// Numbers of an issuer's status lists, ascending.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn lists_of(&self, issuer: IssuerNumber) -> Result<Vec<ListNumber>, ViewError> {
        let prefix = Key::of(Table::IssuerList).u64(issuer.0);
        let rows = self.0.scan(prefix.as_bytes(), None, usize::MAX)?;
        rows.iter()
            .map(|(key, _)| last_u64(key).map(ListNumber))
            .collect()
    }

    /// The newest status list of an issuer.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn newest_list_of(&self, issuer: IssuerNumber) -> Result<Option<ListNumber>, ViewError> {
        let prefix = Key::of(Table::IssuerList).u64(issuer.0);
        let last = prefix.clone().u64(u64::MAX);
        let row = self.0.floor(prefix.as_bytes(), last.as_bytes())?;
        row.map(|(key, _)| last_u64(&key).map(ListNumber))
            .transpose()
    }

    /// Which positions of a list are used: a bit a position, least significant first,
    /// [`USED_PAGE_BYTES`] for page `page` (8,192 positions).
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn used_page(&self, list: ListNumber, page: u32) -> Result<Vec<u8>, ViewError> {
        let row = self.0.row(keys::used(list, page).as_bytes())?;
        match row {
            None => Ok(vec![0; USED_PAGE_BYTES]),
            Some(bytes) if bytes.len() == USED_PAGE_BYTES => Ok(bytes),
            Some(_) => Err(ViewError::Damaged(format!(
                "page {page} of list {list} is damaged"
            ))),
        }
    }

    /// Status bits of a chunk.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn chunk(&self, list: ListNumber, chunk: u32) -> Result<Chunk, ViewError> {
        decode_chunk(self.0.row(keys::chunk(list, chunk).as_bytes())?)
    }

    /// Status bits of a chunk after the block of this height.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn chunk_at(
        &self,
        list: ListNumber,
        chunk: u32,
        height: Height,
    ) -> Result<Chunk, ViewError> {
        let prefix = Key::of(Table::ChunkAt).u64(list.0).u32(chunk);
        let key = keys::chunk_at(list, chunk, height);
        let row = self.0.floor(prefix.as_bytes(), key.as_bytes())?;
        decode_chunk(row.map(|(_, value)| value))
    }

    /// The chunks of a list in which a bit was ever set, with their numbers, ascending.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn chunks(&self, list: ListNumber) -> Result<Vec<(u32, Chunk)>, ViewError> {
        let prefix = Key::of(Table::Chunk).u64(list.0);
        let rows = self.0.scan(prefix.as_bytes(), None, LIST_CHUNKS as usize)?;
        rows.into_iter()
            .map(|(key, value)| Ok((last_u32(&key)?, decode_chunk(Some(value))?)))
            .collect()
    }

    /// The newest changes of a position's status by records not behind the leaf `last`,
    /// oldest first, at most `limit`; reads no others.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn newest_status_events(
        &self,
        list: ListNumber,
        index: StatusIndex,
        last: LeafIndex,
        limit: usize,
    ) -> Result<Vec<StatusEvent>, ViewError> {
        let prefix = keys::status_events(list, index);
        let mut events: Vec<StatusEvent> = Vec::new();
        let mut last = Some(last.0);
        while let Some(leaf) = last.filter(|_| events.len() < limit) {
            let key = prefix.clone().u64(leaf);
            let Some((key, value)) = self.0.floor(prefix.as_bytes(), key.as_bytes())? else {
                break;
            };
            events.push(decode("status event", &value)?);
            last = last_u64(&key)?.checked_sub(1);
        }
        events.reverse();
        Ok(events)
    }

    /// The newest change of a position's status.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn last_status_event(
        &self,
        list: ListNumber,
        index: StatusIndex,
    ) -> Result<Option<StatusEvent>, ViewError> {
        let prefix = keys::status_events(list, index);
        let last = prefix.clone().u64(u64::MAX);
        let row = self.0.floor(prefix.as_bytes(), last.as_bytes())?;
        row.map(|(_, value)| decode("status event", &value))
            .transpose()
    }

    /// What is common to the credentials of the Issue record at a leaf.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn issue(&self, leaf: LeafIndex) -> Result<Option<IssueRow>, ViewError> {
        self.value("issue", &keys::issue(leaf))
    }

    /// The leaf at which a record stands.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn record(&self, id: &RecordId) -> Result<Option<LeafIndex>, ViewError> {
        self.value("record", &keys::record(id))
    }

    /// A credential of one issuer.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn credential(
        &self,
        digest: &Digest,
        issuer: IssuerNumber,
    ) -> Result<Option<CredentialRow>, ViewError> {
        self.value("credential", &keys::credential(digest, issuer))
    }

    /// Every credential with this digest, in order of issuer number (rule R7).
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn credentials(
        &self,
        digest: &Digest,
    ) -> Result<Vec<(IssuerNumber, CredentialRow)>, ViewError> {
        let rows = self
            .0
            .scan(keys::credentials(digest).as_bytes(), None, usize::MAX)?;
        rows.iter()
            .map(|(key, value)| Ok((IssuerNumber(last_u64(key)?), decode("credential", value)?)))
            .collect()
    }

    /// Credentials whose digest begins with `prefix`, in order of digest and issuer number,
    /// at most `limit`: those with a key above `above`, which begins with `prefix` and is the
    /// beginning of a digest, a digest, or a digest and the number of an issuer.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn credentials_above(
        &self,
        prefix: &[u8],
        above: &[u8],
        limit: usize,
    ) -> Result<Vec<(Digest, IssuerNumber, CredentialRow)>, ViewError> {
        let table = Key::of(Table::Credential);
        let (prefix, above) = (table.clone().bytes(prefix), table.bytes(above));
        let rows = self
            .0
            .scan(prefix.as_bytes(), Some(above.as_bytes()), limit)?;
        rows.iter()
            .map(|(key, value)| {
                let digest = key.get(1..).and_then(<[u8]>::first_chunk);
                let digest =
                    digest.ok_or_else(|| ViewError::Damaged("a key is too short".to_owned()))?;
                let issuer = IssuerNumber(last_u64(key)?);
                Ok((Digest(*digest), issuer, decode("credential", value)?))
            })
            .collect()
    }

    /// A proposal.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn proposal(&self, id: &RecordId) -> Result<Option<ProposalRow>, ViewError> {
        self.value("proposal", &keys::proposal(id))
    }

    /// The proposals that can be approved at `time`, oldest first, whoever made them: also
    /// one whose proposer is no member any more.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn open_proposals(
        &self,
        time: UnixMillis,
    ) -> Result<Vec<(RecordId, ProposalRow)>, ViewError> {
        let mut open = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let prefix = Key::of(Table::Member);
            let rows = self
                .0
                .scan(prefix.as_bytes(), after.as_deref(), MEMBERS_PAGE)?;
            for (_, value) in &rows {
                let member: MemberRow = decode("member", value)?;
                for id in member.open_proposals {
                    if let Some(row) = self.proposal(&id)?.filter(|row| row.is_open(time)) {
                        open.push((id, row));
                    }
                }
            }
            match rows.into_iter().last() {
                Some((key, _)) => after = Some(key),
                None => break,
            }
        }
        open.sort_by_key(|(id, row)| (row.time, *id));
        Ok(open)
    }

    /// The proposal that an Approve record approved.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn approval(&self, id: &RecordId) -> Result<Option<RecordId>, ViewError> {
        self.value("approval", &keys::approval(id))
    }

    /// The seal of a height and where it stands.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn seal(&self, height: Height) -> Result<Option<SealRow>, ViewError> {
        self.value("seal", &keys::seal(height))
    }

    /// The height of the block after which the log has `size` leaves.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn height_of_size(&self, size: TreeSize) -> Result<Option<Height>, ViewError> {
        let Some(last) = size.0.checked_sub(1).map(LeafIndex) else {
            return Ok(None);
        };
        let Some((height, _)) = self.block_of(last)? else {
            return Ok(None);
        };
        let row = self.seal(height)?;
        Ok(row.filter(|row| row.size == size.0).map(|_| height))
    }

    /// The newest seal not later than `time`.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn seal_not_after(&self, time: UnixMillis) -> Result<Option<Seal>, ViewError> {
        let prefix = Key::of(Table::SealTime);
        let row = self
            .0
            .floor(prefix.as_bytes(), keys::seal_time(time).as_bytes())?;
        let Some((_, value)) = row else {
            return Ok(None);
        };
        let height: Height = decode("seal time", &value)?;
        Ok(self.seal(height)?.map(|row| row.seal))
    }

    /// Height and first leaf of the block that holds a leaf.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn block_of(&self, leaf: LeafIndex) -> Result<Option<(Height, LeafIndex)>, ViewError> {
        let prefix = Key::of(Table::BlockStart);
        let row = self
            .0
            .floor(prefix.as_bytes(), keys::block_start(leaf).as_bytes())?;
        row.map(|(key, value)| Ok((decode("block start", &value)?, LeafIndex(last_u64(&key)?))))
            .transpose()
    }
}

fn decode_chunk(row: Option<Vec<u8>>) -> Result<Chunk, ViewError> {
    let Some(bytes) = row else {
        return Ok(Chunk::default());
    };
    <[u8; CHUNK_BYTES]>::try_from(bytes)
        .map(Chunk)
        .map_err(|_| ViewError::Damaged("a status chunk is damaged".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Reason;
    use crate::rows::StatusChangeKind;

    #[test]
    fn the_newest_status_events_are_those_of_one_position_up_to_a_leaf() {
        let (list, index) = (ListNumber(1), StatusIndex(7));
        let mut changes = Changes::new();
        for (list, index, leaf) in [(1, 6, 90), (1, 8, 5), (0, 7, 5), (2, 7, 5)]
            .into_iter()
            .chain([0, 10, 20, 30, 255, 256, 70_000].map(|leaf| (1, 7, leaf)))
        {
            let event = StatusEvent {
                change: StatusChangeKind::Suspended,
                leaf: LeafIndex(leaf),
                record: RecordId([1; 32]),
                time: UnixMillis(leaf),
                by: crate::record::AuthorId::Member("a".parse().unwrap()),
                reason: Reason::Unspecified,
            };
            let key = keys::status_events(ListNumber(list), StatusIndex(index)).u64(leaf);
            changes.insert(key.into_bytes(), encode("status event", &event).unwrap());
        }
        let mut state = MemoryState::default();
        state.apply(&changes);
        let newest = |last, limit| {
            let events = State(&state).newest_status_events(list, index, LeafIndex(last), limit);
            let leaves = events.unwrap().into_iter().map(|event| event.leaf.0);
            leaves.collect::<Vec<_>>()
        };
        assert_eq!(newest(u64::MAX, 3), [255, 256, 70_000]);
        assert_eq!(newest(255, 2), [30, 255]);
        assert_eq!(newest(254, 2), [20, 30]);
        assert_eq!(newest(u64::MAX, 100), [0, 10, 20, 30, 255, 256, 70_000]);
        assert_eq!(newest(9, 100), [0]);
        assert_eq!(newest(u64::MAX, 0), [0_u64; 0]);
    }
}
