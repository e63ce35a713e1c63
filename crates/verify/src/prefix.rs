//! Credentials by the beginning of their digest.
//!
//! Whoever asks about one digest tells the node which credential is being checked. Whoever asks
//! for all digests with a prefix tells it that it is one of so many: a prefix that too few share
//! is shortened until [`CROWD_MIN`] digests begin with it, or all there are.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use credlog_ledger::ids::{
    Digest, IssuerId, IssuerNumber, LeafIndex, ListNumber, StatusIndex, UnixMillis,
};
use credlog_ledger::rows::CredentialRow;
use credlog_ledger::state::{State, View, ViewError};
use credlog_ledger::status::{Chunk, Status, chunk_of};
use credlog_ledger::text_schema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::timestamp::Time;
use crate::verdict::LedgerPoint;

/// Fewest digits that may be asked for: with less, an answer is longer than it hides.
pub const PREFIX_DIGITS_MIN: usize = 5;
/// Digits of a whole digest.
pub const PREFIX_DIGITS_MAX: usize = 64;
/// So many digests share a prefix that is answered, unless there are fewer.
pub const CROWD_MIN: usize = 100;
/// Credentials in one answer; of one digest all.
pub const CROWD_PAGE: usize = 4_096;
/// Rows read at a time to count a crowd.
const COUNTED_ROWS: usize = 128;

/// The first digits of a digest, in lower-case hex: 0 to 64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DigestPrefix(String);

text_schema!(
    DigestPrefix,
    "The first digits of a digest.",
    "^[0-9a-f]{0,64}$",
    "d0bee"
);

/// A text that is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the beginning of a digest: at most 64 lower-case hex digits are needed")]
pub struct PrefixError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl FromStr for DigestPrefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() <= PREFIX_DIGITS_MAX && text.bytes().all(is_digit) {
            return Ok(Self(text.to_owned()));
        }
        Err(PrefixError {
            text: text.chars().take(80).collect(),
        })
    }
}

impl TryFrom<String> for DigestPrefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

impl From<DigestPrefix> for String {
    fn from(prefix: DigestPrefix) -> Self {
        prefix.0
    }
}

impl fmt::Display for DigestPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl DigestPrefix {
    /// The first digits of a digest.
    pub fn of(digest: &Digest, digits: usize) -> Self {
        Self(digest.to_string().chars().take(digits).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many digits it has.
    pub fn digits(&self) -> usize {
        self.0.len()
    }

    /// Whether a digest begins with it.
    pub fn covers(&self, digest: &Digest) -> bool {
        let digits = self.0.bytes().map(value);
        digits.enumerate().all(|(place, digit)| {
            let byte = digest.0[place / 2];
            digit == if place % 2 == 0 { byte >> 4 } else { byte & 15 }
        })
    }

    /// Its whole bytes, and the least bytes with which a digest can begin that it covers.
    fn bounds(&self) -> (Vec<u8>, Vec<u8>) {
        let digits: Vec<u8> = self.0.bytes().map(value).collect();
        let (pairs, rest) = digits.as_chunks::<2>();
        let whole: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        let mut least = whole.clone();
        least.extend(rest.iter().map(|high| high << 4));
        (whole, least)
    }

    fn shortened(&self) -> Self {
        let mut digits = self.0.clone();
        digits.pop();
        Self(digits)
    }
}

/// The value of a hex digit.
fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    }
}

/// The credentials whose digests begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Crowd {
    /// The point of the log that answered.
    pub ledger: LedgerPoint,
    /// What all digests of the answer begin with: the prefix asked for, or a shorter one.
    pub prefix: DigestPrefix,
    /// The credentials, in order of digest; one digest stands there once for each issuer.
    pub credentials: Vec<CrowdMember>,
    /// Give this as `after`, with the prefix of this answer, to read on; absent when this is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Digest>,
}

/// A credential of a crowd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrowdMember {
    /// Its digest.
    pub digest: Digest,
    /// Who issued it.
    pub issuer: IssuerId,
    /// Its status now.
    pub status: Status,
    /// Since when it has it: the time of its issue, or of the newest change.
    pub since: Time,
    /// Status list.
    pub list: ListNumber,
    /// Position in it.
    pub index: StatusIndex,
}

/// The credentials whose digests begin with `prefix`, which is shortened until enough do.
///
/// # Errors
/// [`ViewError`] if the state cannot be read.
pub fn crowd(view: &dyn View, prefix: &DigestPrefix) -> Result<Crowd, ViewError> {
    let state = State(view);
    let mut prefix = prefix.clone();
    while prefix.digits() > 0 && !is_shared(state, &prefix)? {
        prefix = prefix.shortened();
    }
    page(state, prefix, None)
}

/// The credentials whose digests begin with `prefix`, as it is, and come after a digest.
///
/// # Errors
/// [`ViewError`] if the state cannot be read.
pub fn crowd_after(
    view: &dyn View,
    prefix: &DigestPrefix,
    after: &Digest,
) -> Result<Crowd, ViewError> {
    page(State(view), prefix.clone(), Some(after))
}

type Found = (Digest, IssuerNumber, CredentialRow);

/// Whether [`CROWD_MIN`] digests begin with a prefix.
fn is_shared(state: State<'_>, prefix: &DigestPrefix) -> Result<bool, ViewError> {
    let (whole, mut above) = prefix.bounds();
    let (mut count, mut last) = (0, None);
    loop {
        let rows = state.credentials_above(&whole, &above, COUNTED_ROWS)?;
        for (digest, ..) in rows.iter().take_while(|(digest, ..)| prefix.covers(digest)) {
            count += usize::from(last != Some(*digest));
            last = Some(*digest);
        }
        match rows.last() {
            Some((digest, issuer, _)) if rows.len() == COUNTED_ROWS && prefix.covers(digest) => {
                above = [&digest.0[..], &issuer.0.to_be_bytes()].concat();
            }
            _ => return Ok(count >= CROWD_MIN),
        }
        if count >= CROWD_MIN {
            return Ok(true);
        }
    }
}

fn page(
    state: State<'_>,
    prefix: DigestPrefix,
    after: Option<&Digest>,
) -> Result<Crowd, ViewError> {
    let (whole, least) = prefix.bounds();
    let behind = after.map(|digest| [&digest.0[..], &[0xff; 8]].concat());
    let above = behind.map_or(least.clone(), |behind| behind.max(least));
    let mut rows = state.credentials_above(&whole, &above, CROWD_PAGE)?;
    let full = rows.len() == CROWD_PAGE;
    if let Some((digest, issuer, _)) = rows.last().copied().filter(|_| full) {
        // The rest of the last digest, so that a page ends with a whole one.
        let others = state.credentials(&digest)?.into_iter();
        let others = others.filter(|(number, _)| *number > issuer);
        rows.extend(others.map(|(number, row)| (digest, number, row)));
    }
    let covered = rows.iter().take_while(|(digest, ..)| prefix.covers(digest));
    let covered = covered.count();
    let next = rows.last().filter(|_| full && covered == rows.len());
    let next = next.map(|(digest, ..)| *digest);
    rows.truncate(covered);
    let mut reader = Reader::new(state);
    Ok(Crowd {
        ledger: point(state)?,
        prefix,
        credentials: rows
            .iter()
            .map(|found| reader.member(found))
            .collect::<Result<_, _>>()?,
        next,
    })
}

fn point(state: State<'_>) -> Result<LedgerPoint, ViewError> {
    let (head, ledger) = (state.head()?, state.ledger()?);
    Ok(LedgerPoint {
        origin: ledger.origin,
        id: ledger.id,
        height: head.height,
        size: head.size,
        as_of: head.time.into(),
    })
}

/// Reads once what several credentials of a crowd share.
struct Reader<'v> {
    state: State<'v>,
    issuers: HashMap<IssuerNumber, IssuerId>,
    chunks: HashMap<(ListNumber, u32), Chunk>,
    issued: HashMap<LeafIndex, UnixMillis>,
}

impl<'v> Reader<'v> {
    fn new(state: State<'v>) -> Self {
        Self {
            state,
            issuers: HashMap::new(),
            chunks: HashMap::new(),
            issued: HashMap::new(),
        }
    }

    fn member(&mut self, (digest, number, row): &Found) -> Result<CrowdMember, ViewError> {
        let CredentialRow { leaf, list, index } = *row;
        let status = self.chunk(list, chunk_of(index))?.status(index);
        let since = match self.state.last_status_event(list, index)? {
            Some(event) => event.time,
            None => self.issued(leaf)?,
        };
        Ok(CrowdMember {
            digest: *digest,
            issuer: self.issuer(*number)?,
            status,
            since: since.into(),
            list,
            index,
        })
    }

    fn issuer(&mut self, number: IssuerNumber) -> Result<IssuerId, ViewError> {
        if let Some(id) = self.issuers.get(&number) {
            return Ok(id.clone());
        }
        let entry = self.state.issuer(number)?;
        let entry = entry.ok_or_else(|| missing(&format!("issuer {}", number.0)))?;
        self.issuers.insert(number, entry.id.clone());
        Ok(entry.id)
    }

    fn chunk(&mut self, list: ListNumber, number: u32) -> Result<Chunk, ViewError> {
        if let Some(chunk) = self.chunks.get(&(list, number)) {
            return Ok(*chunk);
        }
        let chunk = self.state.chunk(list, number)?;
        self.chunks.insert((list, number), chunk);
        Ok(chunk)
    }

    fn issued(&mut self, leaf: LeafIndex) -> Result<UnixMillis, ViewError> {
        if let Some(time) = self.issued.get(&leaf) {
            return Ok(*time);
        }
        let row = self.state.issue(leaf)?;
        let row = row.ok_or_else(|| missing(&format!("the Issue record at leaf {}", leaf.0)))?;
        self.issued.insert(leaf, row.time);
        Ok(row.time)
    }
}

fn missing(what: &str) -> ViewError {
    ViewError::Damaged(format!("{what} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_lower_case_hex() {
        for good in ["", "0", "abcdef", &"9".repeat(64)] {
            assert_eq!(good.parse::<DigestPrefix>().unwrap().to_string(), good);
        }
        for bad in ["A", "g", "0x1", " 1", &"9".repeat(65)] {
            assert!(bad.parse::<DigestPrefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prefix_covers_what_begins_with_it() {
        let digest = Digest([0xa5; 32]);
        for digits in 0..=64 {
            let prefix = DigestPrefix::of(&digest, digits);
            assert!(prefix.covers(&digest));
            assert!(digest.to_string().starts_with(prefix.as_str()));
        }
        for other in ["a4", "b", "a5a6", "5"] {
            assert!(!other.parse::<DigestPrefix>().unwrap().covers(&digest));
        }
        let (whole, least) = "a5a".parse::<DigestPrefix>().unwrap().bounds();
        assert_eq!((whole, least), (vec![0xa5], vec![0xa5, 0xa0]));
    }
}
