//! One function for each key with fields.

use super::{Key, Table};
use crate::ids::{
    AchievementId, Digest, Height, IssuerId, IssuerNumber, KeyId, LeafIndex, ListNumber, MemberId,
    RecordId, StatusIndex, UnixMillis,
};

pub(crate) fn ledger() -> Key {
    Key::of(Table::Ledger)
}
pub(crate) fn head() -> Key {
    Key::of(Table::Head)
}
pub(crate) fn parameters() -> Key {
    Key::of(Table::Parameters)
}
pub(crate) fn members() -> Key {
    Key::of(Table::Members)
}
pub(crate) fn member(id: &MemberId) -> Key {
    Key::of(Table::Member).bytes(id.as_str().as_bytes())
}
pub(crate) fn held_by(id: &MemberId) -> Key {
    Key::of(Table::Held)
        .bytes(id.as_str().as_bytes())
        .bytes(&[0])
}
pub(crate) fn held(id: &MemberId, issuer: IssuerNumber) -> Key {
    held_by(id).u64(issuer.0)
}
pub(crate) fn members_at(height: Height) -> Key {
    Key::of(Table::MembersAt).u64(height.0)
}
pub(crate) fn key(id: &KeyId) -> Key {
    Key::of(Table::Key).bytes(&id.0)
}
pub(crate) fn issuer_number(id: &IssuerId) -> Key {
    Key::of(Table::IssuerNumber).bytes(id.as_str().as_bytes())
}
pub(crate) fn issuer(number: IssuerNumber) -> Key {
    Key::of(Table::Issuer).u64(number.0)
}
pub(crate) fn issuer_at(number: IssuerNumber, height: Height) -> Key {
    Key::of(Table::IssuerAt).u64(number.0).u64(height.0)
}
pub(crate) fn achievement(issuer: IssuerNumber, id: &AchievementId) -> Key {
    let hash = blake3::hash(id.as_str().as_bytes());
    Key::of(Table::Achievement)
        .u64(issuer.0)
        .bytes(hash.as_bytes())
}
pub(crate) fn achievement_count(issuer: IssuerNumber) -> Key {
    Key::of(Table::AchievementCount).u64(issuer.0)
}
pub(crate) fn issuer_list(issuer: IssuerNumber, list: ListNumber) -> Key {
    Key::of(Table::IssuerList).u64(issuer.0).u64(list.0)
}
pub(crate) fn list(list: ListNumber) -> Key {
    Key::of(Table::List).u64(list.0)
}
pub(crate) fn used(list: ListNumber, page: u32) -> Key {
    Key::of(Table::Used).u64(list.0).u32(page)
}
pub(crate) fn chunk(list: ListNumber, chunk: u32) -> Key {
    Key::of(Table::Chunk).u64(list.0).u32(chunk)
}
pub(crate) fn chunk_at(list: ListNumber, chunk: u32, height: Height) -> Key {
    Key::of(Table::ChunkAt).u64(list.0).u32(chunk).u64(height.0)
}
pub(crate) fn status_events(list: ListNumber, index: StatusIndex) -> Key {
    Key::of(Table::StatusEvent).u64(list.0).u32(index.0)
}
pub(crate) fn issue(leaf: LeafIndex) -> Key {
    Key::of(Table::Issue).u64(leaf.0)
}
pub(crate) fn record(id: &RecordId) -> Key {
    Key::of(Table::Record).bytes(&id.0)
}
pub(crate) fn credentials(digest: &Digest) -> Key {
    Key::of(Table::Credential).bytes(&digest.0)
}
pub(crate) fn credential(digest: &Digest, issuer: IssuerNumber) -> Key {
    credentials(digest).u64(issuer.0)
}
pub(crate) fn proposal(id: &RecordId) -> Key {
    Key::of(Table::Proposal).bytes(&id.0)
}
pub(crate) fn approval(id: &RecordId) -> Key {
    Key::of(Table::Approval).bytes(&id.0)
}
pub(crate) fn node(table: Table, level: u8, index: u64) -> Key {
    Key::of(table).bytes(&[level]).u64(index)
}
pub(crate) fn node_at(table: Table, level: u8, index: u64, height: Height) -> Key {
    node(table, level, index).u64(height.0)
}
pub(crate) fn seal(height: Height) -> Key {
    Key::of(Table::Seal).u64(height.0)
}
pub(crate) fn seal_time(time: UnixMillis) -> Key {
    Key::of(Table::SealTime).u64(time.0)
}
pub(crate) fn block_start(leaf: LeafIndex) -> Key {
    Key::of(Table::BlockStart).u64(leaf.0)
}
