//! A member's description in a few digits, to be compared by telephone.

use credlog_ledger::codec;
use credlog_ledger::member::{MEMBER_SET_BYTES_MAX, Member};

use crate::outcome::Result;

/// Bytes of the hash that are shown: who wants another description with the same ones has to
/// try 2^128 of them.
const BYTES: usize = 16;

/// The first bytes of BLAKE3 over the canonical bytes of the description, in groups of four
/// hexadecimal digits.
pub(super) fn fingerprint(member: &Member) -> Result<String> {
    let bytes = codec::encode("member", member, MEMBER_SET_BYTES_MAX)?;
    let digits = hex::encode(&blake3::hash(&bytes).as_bytes()[..BYTES]);
    let groups: Vec<_> = digits
        .as_bytes()
        .chunks(4)
        .map(String::from_utf8_lossy)
        .collect();
    Ok(groups.join(" "))
}
