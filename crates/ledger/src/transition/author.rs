//! Rule R0: who may sign a record.

use crate::body::Body;
use crate::entry::IssuerEntry;
use crate::ids::UnixMillis;
use crate::member::SeatedMember;
use crate::record::{AuthorId, Record};
use crate::rejection::Rejection;

/// The key under which a record's signature has to verify: a member's governance key, or the
/// key of the issuer that the record names, if it signs records and is active at `time`; the
/// recovery key rotates keys and does nothing else.
///
/// `member` or `issuer` is the record's author as the ledger knows it, the issuer as of `time`.
///
/// # Errors
/// [`Rejection::UnknownAuthor`] without the author, [`Rejection::KeyNotActive`].
pub fn signing_key(
    record: &Record,
    member: Option<&SeatedMember>,
    issuer: Option<&IssuerEntry>,
    time: UnixMillis,
) -> Result<[u8; 32], Rejection> {
    let author = &record.author;
    let unknown = || Rejection::UnknownAuthor {
        author: author.id.clone(),
    };
    let key = match &author.id {
        AuthorId::Member(_) => {
            let seat = member.ok_or_else(unknown)?;
            Some(&seat.member.keys.governance.key)
        }
        AuthorId::Issuer(_) => {
            let entry = issuer.ok_or_else(unknown)?;
            if matches!(record.body, Body::RotateKeys(_)) && entry.recovery.id() == author.key {
                Some(&entry.recovery)
            } else {
                let key = entry.key(&author.key);
                let active = key.filter(|key| key.purposes.record && key.active_at(time));
                active.map(|key| &key.key)
            }
        }
    };
    let bytes = key
        .filter(|key| key.id() == author.key)
        .and_then(|key| key.as_ed25519().copied());
    bytes.ok_or_else(|| Rejection::KeyNotActive {
        author: author.id.clone(),
        key: author.key,
    })
}
