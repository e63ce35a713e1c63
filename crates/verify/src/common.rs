//! What all lookups of one committed state share, read and decoded once.
//!
//! Head, ledger, members' addresses and issuers' entries are the same for nearly every
//! question, and decoding them costs more than finding a credential. A server keeps one
//! [`Common`] a committed state and drops it with the next block.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use credlog_ledger::entry::IssuerEntry;
use credlog_ledger::ids::{AchievementId, DisplayName, Height, IssuerNumber, WebUrl};
use credlog_ledger::rows::{Head, LedgerRow};
use credlog_ledger::state::{State, View, ViewError};

/// Entries and names kept of each kind; beyond it all of them are read anew.
const KEPT_MAX: usize = 4_096;

/// What all lookups of one committed state share.
#[derive(Debug)]
pub struct Common {
    pub(crate) head: Head,
    pub(crate) ledger: LedgerRow,
    pub(crate) node_urls: Vec<WebUrl>,
    entries: Kept<(IssuerNumber, Height), IssuerEntry>,
    names: Kept<(IssuerNumber, AchievementId), DisplayName>,
}

impl Common {
    /// Reads it from a state.
    ///
    /// # Errors
    /// [`ViewError`] if the state cannot be read.
    pub fn read(view: &dyn View) -> Result<Self, ViewError> {
        let state = State(view);
        let members = state.members()?;
        let urls = members.members().iter().map(|seat| &seat.member.url);
        Ok(Self {
            head: state.head()?,
            ledger: state.ledger()?,
            node_urls: urls.flatten().cloned().collect(),
            entries: Kept::default(),
            names: Kept::default(),
        })
    }

    /// Where the log of its state ends: a state with another head needs another [`Common`].
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// An issuer's entry as of a height.
    pub(crate) fn issuer_at(
        &self,
        state: State<'_>,
        number: IssuerNumber,
        height: Height,
    ) -> Result<Option<Arc<IssuerEntry>>, ViewError> {
        self.entries
            .find((number, height), || state.issuer_at(number, height))
    }

    /// The name of an achievement, if the issuer defined it.
    pub(crate) fn achievement_name(
        &self,
        state: State<'_>,
        issuer: IssuerNumber,
        id: &AchievementId,
    ) -> Result<Option<Arc<DisplayName>>, ViewError> {
        self.names.find((issuer, id.clone()), || {
            Ok(state.achievement(issuer, id)?.map(|defined| defined.name))
        })
    }
}

/// Values that were read, and keys that lead to nothing.
#[derive(Debug)]
struct Kept<K, V>(RwLock<HashMap<K, Option<Arc<V>>>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Eq + Hash, V> Kept<K, V> {
    fn find(
        &self,
        key: K,
        read: impl FnOnce() -> Result<Option<V>, ViewError>,
    ) -> Result<Option<Arc<V>>, ViewError> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.get(&key) {
            return Ok(found.clone());
        }
        drop(kept);
        let found = read()?.map(Arc::new);
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, found.clone());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_once_also_when_there_is_none() {
        let kept = Kept::<u8, u8>::default();
        assert_eq!(kept.find(1, || Ok(Some(7))), Ok(Some(Arc::new(7))));
        assert_eq!(kept.find(1, || Ok(None)), Ok(Some(Arc::new(7))));
        assert_eq!(kept.find(2, || Ok(None)), Ok(None));
        assert_eq!(kept.find(2, || Ok(Some(7))), Ok(None));
        let failing = || Err(ViewError("disk".to_owned()));
        assert!(kept.find(3, failing).is_err());
        assert_eq!(kept.find(3, || Ok(Some(9))), Ok(Some(Arc::new(9))));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let kept = Kept::<usize, usize>::default();
        for key in 0..3 * KEPT_MAX {
            assert_eq!(kept.find(key, || Ok(Some(key))), Ok(Some(Arc::new(key))));
            assert!(kept.0.read().unwrap().len() <= KEPT_MAX);
        }
    }
}
