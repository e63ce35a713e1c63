//! What lookups of a committed state share, read, decoded and written as JSON once.
//!
//! Head, ledger, members' addresses and issuers' entries are the same for nearly every
//! question, and decoding them costs more than finding a credential. A server keeps one
//! [`Common`] a committed state and makes the [`next`](Common::next) from it: what a record
//! said when it was issued stays so in every later state of the same ledger.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use credlog_ledger::entry::IssuerEntry;
use credlog_ledger::ids::{
    AchievementId, DisplayName, Height, IssuerId, IssuerNumber, LeafIndex, UnixMillis, WebUrl,
};
use credlog_ledger::member::MemberSet;
use credlog_ledger::rows::{Head, IssueRow};
use credlog_ledger::state::{State, View, ViewError};

use crate::facts::{AccreditationFacts, IssuerFacts};
use crate::shared::Shared;
use crate::verdict::LedgerPoint;

/// Bytes of issuers' entries, of names and of Issue records that are kept, roughly; beyond it
/// all of them are read anew. Anybody may ask for many issuers as of many heights.
const ISSUERS_BYTES_MAX: usize = 32 << 20;
const NAMES_BYTES_MAX: usize = 2 << 20;
const ISSUED_BYTES_MAX: usize = 32 << 20;
/// Addresses of nodes that are known, the latest: whoever asks from elsewhere is sent them.
pub(crate) const NODE_URLS_MAX: usize = 256;
/// What a value takes besides what is counted: key, row, allocations.
const VALUE_BYTES: usize = 512;
/// What an issuer's entry takes that was not written as JSON: as many bytes as rule R10 lets
/// an entry have.
const UNWRITTEN_BYTES: usize = 32 << 10;

/// What all lookups of one committed state share.
#[derive(Debug)]
pub struct Common {
    pub(crate) head: Head,
    pub(crate) point: Shared<LedgerPoint>,
    /// Of the members, past ones too.
    pub(crate) node_urls: Shared<Vec<WebUrl>>,
    members: MemberSet,
    issuers: Kept<(IssuerNumber, Height), KnownIssuer>,
    names: Kept<(IssuerNumber, AchievementId), DisplayName>,
    /// Shared with the states before and after.
    issued: Arc<Kept<LeafIndex, Arc<Issued>>>,
}

/// An issuer's entry as of a height, and what is told of it.
#[derive(Debug, Clone)]
struct KnownIssuer {
    entry: Arc<IssuerEntry>,
    /// For every moment, unless a replacement of keys waits for its time.
    facts: Option<Shared<IssuerFacts>>,
}

/// What an Issue record says of each of its credentials.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) row: IssueRow,
    pub(crate) issuer: IssuerId,
    /// As it stood then.
    pub(crate) accreditation: Shared<AccreditationFacts>,
}

impl Common {
    /// Reads it from a state.
    ///
    /// # Errors
    /// [`ViewError`] if the state cannot be read.
    pub fn read(view: &dyn View) -> Result<Self, ViewError> {
        let members = State(view).members()?;
        let node_urls = node_urls(State(view), &members)?;
        let issued = Kept::new(ISSUED_BYTES_MAX, |issued: &Arc<Issued>| {
            2 * issued.accreditation.prepared_bytes()
        });
        Self::with(view, members, node_urls, Arc::new(issued))
    }

    /// That of another state of the same ledger.
    ///
    /// # Errors
    /// [`ViewError`] if the state cannot be read.
    pub fn next(&self, view: &dyn View) -> Result<Self, ViewError> {
        let members = State(view).members()?;
        let node_urls = match members == self.members {
            true => self.node_urls.clone(),
            false => node_urls(State(view), &members)?,
        };
        Self::with(view, members, node_urls, Arc::clone(&self.issued))
    }

    fn with(
        view: &dyn View,
        members: MemberSet,
        node_urls: Shared<Vec<WebUrl>>,
        issued: Arc<Kept<LeafIndex, Arc<Issued>>>,
    ) -> Result<Self, ViewError> {
        let state = State(view);
        let (head, ledger) = (state.head()?, state.ledger()?);
        let point = LedgerPoint {
            origin: ledger.origin,
            id: ledger.id,
            height: head.height,
            size: head.size,
            as_of: head.time.into(),
        };
        Ok(Self {
            head,
            point: Shared::prepared(point),
            node_urls,
            members,
            issuers: Kept::new(ISSUERS_BYTES_MAX, KnownIssuer::bytes),
            names: Kept::new(NAMES_BYTES_MAX, |_| 0),
            issued,
        })
    }

    /// Where the log of its state ends: a state with another head needs another [`Common`].
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// An issuer's entry as of a height, as told at a moment.
    pub(crate) fn issuer_at(
        &self,
        state: State<'_>,
        number: IssuerNumber,
        height: Height,
        moment: UnixMillis,
    ) -> Result<Option<Shared<IssuerFacts>>, ViewError> {
        let known = self.issuers.find((number, height), || {
            let entry = state.issuer_at(number, height)?;
            Ok(entry.map(|entry| KnownIssuer::new(number, entry)))
        })?;
        Ok(known.map(|known| match known.facts {
            Some(facts) => facts,
            None => IssuerFacts::new(number, &known.entry, moment).into(),
        }))
    }

    /// The name of an achievement, if the issuer defined it.
    pub(crate) fn achievement_name(
        &self,
        state: State<'_>,
        issuer: IssuerNumber,
        id: &AchievementId,
    ) -> Result<Option<DisplayName>, ViewError> {
        self.names.find((issuer, id.clone()), || {
            Ok(state.achievement(issuer, id)?.map(|defined| defined.name))
        })
    }

    /// What the Issue record of an issuer at a leaf says.
    pub(crate) fn issued(
        &self,
        state: State<'_>,
        number: IssuerNumber,
        leaf: LeafIndex,
    ) -> Result<Arc<Issued>, ViewError> {
        let missing =
            |what: &str| ViewError::Damaged(format!("there is no {what} for leaf {leaf}"));
        let found = self.issued.find(leaf, || {
            let row = state.issue(leaf)?.ok_or_else(|| missing("issue row"))?;
            let entry = state.issuer_at(row.issuer, row.height)?;
            let entry = entry.ok_or_else(|| missing("issuer entry"))?;
            let accreditation = entry
                .accreditations
                .get(usize::from(row.accreditation))
                .ok_or_else(|| missing("accreditation"))?;
            Ok(Some(Arc::new(Issued {
                accreditation: Shared::prepared(AccreditationFacts::new(accreditation)),
                issuer: entry.id,
                row,
            })))
        })?;
        found
            .filter(|issued| issued.row.issuer == number)
            .ok_or_else(|| missing(&format!("issue row of issuer {number}")))
    }
}

/// Addresses of nodes, those of today first: a credential keeps the address that it was given,
/// also after the member moved.
fn node_urls(state: State<'_>, members: &MemberSet) -> Result<Shared<Vec<WebUrl>>, ViewError> {
    let mut urls: Vec<WebUrl> = Vec::new();
    let former = state.member_sets()?;
    for set in std::iter::once(members).chain(former.iter().rev()) {
        for url in set
            .members()
            .iter()
            .filter_map(|seat| seat.member.url.as_ref())
        {
            if urls.len() < NODE_URLS_MAX && !urls.contains(url) {
                urls.push(url.clone());
            }
        }
    }
    Ok(Shared::prepared(urls))
}

impl KnownIssuer {
    fn new(number: IssuerNumber, entry: IssuerEntry) -> Self {
        let moment = UnixMillis::default();
        let always = entry.pending.is_none();
        Self {
            facts: always.then(|| Shared::prepared(IssuerFacts::new(number, &entry, moment))),
            entry: Arc::new(entry),
        }
    }

    /// Entry, facts and their JSON are about as long.
    fn bytes(&self) -> usize {
        let written = |facts: &Shared<IssuerFacts>| 3 * facts.prepared_bytes();
        self.facts.as_ref().map_or(UNWRITTEN_BYTES, written)
    }
}

/// Values that were read, and keys that lead to nothing.
#[derive(Debug)]
struct Kept<K, V> {
    kept: RwLock<Weighed<K, V>>,
    bytes_max: usize,
    /// Bytes of a value beyond [`VALUE_BYTES`].
    weigh: fn(&V) -> usize,
}

#[derive(Debug)]
struct Weighed<K, V> {
    values: HashMap<K, Option<V>>,
    bytes: usize,
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    /// Keeps values of at most so many bytes together.
    fn new(bytes_max: usize, weigh: fn(&V) -> usize) -> Self {
        let kept = RwLock::new(Weighed {
            values: HashMap::new(),
            bytes: 0,
        });
        Self {
            kept,
            bytes_max,
            weigh,
        }
    }

    fn find(
        &self,
        key: K,
        read: impl FnOnce() -> Result<Option<V>, ViewError>,
    ) -> Result<Option<V>, ViewError> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.values.get(&key) {
            return Ok(found.clone());
        }
        drop(kept);
        let found = read()?;
        let bytes = VALUE_BYTES + found.as_ref().map_or(0, self.weigh);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + bytes > self.bytes_max {
            kept.values.clear();
            kept.bytes = 0;
        }
        kept.bytes += bytes;
        kept.values.insert(key, found.clone());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_once_also_when_there_is_none() {
        let kept = Kept::new(NAMES_BYTES_MAX, |_| 0);
        assert_eq!(kept.find(1, || Ok(Some(7))), Ok(Some(7)));
        assert_eq!(kept.find(1, || Ok(None)), Ok(Some(7)));
        assert_eq!(kept.find(2, || Ok(None)), Ok(None));
        assert_eq!(kept.find(2, || Ok(Some(7))), Ok(None));
        let failing = || Err(ViewError::Damaged("disk".to_owned()));
        assert!(kept.find(3, failing).is_err());
        assert_eq!(kept.find(3, || Ok(Some(9))), Ok(Some(9)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let kept = Kept::new(100 * VALUE_BYTES, |bytes| *bytes);
        for key in 0..300 {
            assert_eq!(kept.find(key, || Ok(Some(0))), Ok(Some(0)));
            assert!(kept.kept.read().unwrap().values.len() <= 100);
        }
        for key in 300..600 {
            let found = kept.find(key, || Ok(Some(9 * VALUE_BYTES)));
            assert!(found.unwrap().is_some());
            let values = kept.kept.read().unwrap().values.len();
            assert!(values <= 100 && (key < 400 || values <= 10), "{values}");
        }
    }
}
