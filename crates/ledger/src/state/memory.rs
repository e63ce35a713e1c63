//! A state in memory, and the questions to an ordered map that overlays share with it.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Changes, Row, View, ViewError};

/// [`View::floor`] in a map of rows.
pub(crate) fn floor_in<'r>(
    rows: &'r BTreeMap<Vec<u8>, Vec<u8>>,
    prefix: &[u8],
    key: &[u8],
) -> Option<(&'r Vec<u8>, &'r Vec<u8>)> {
    if key < prefix {
        return None;
    }
    // A key above every key with the prefix asks for the last of them.
    let end = match key.starts_with(prefix) {
        true => Bound::Included(key.to_vec()),
        false => after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded),
    };
    rows.range((Bound::Included(prefix.to_vec()), end))
        .next_back()
}

/// The key after all keys that begin with `prefix`, if there is one.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

/// A state in memory: for tests, auditors and rebuilding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryState(BTreeMap<Vec<u8>, Vec<u8>>);

impl MemoryState {
    /// Writes what a block changed.
    pub fn apply(&mut self, changes: &Changes) {
        self.0.extend(
            changes
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
    }

    /// Writes what a block changed, without a copy.
    pub fn take(&mut self, changes: Changes) {
        self.0.extend(changes);
    }

    /// The value of a row, without a copy.
    pub fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// All rows, in ascending order of key.
    pub fn rows(&self) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.0.iter()
    }
}

impl View for MemoryState {
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.0.get(key).cloned())
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, ViewError> {
        Ok(floor_in(&self.0, prefix, key).map(|(key, value)| (key.clone(), value.clone())))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, ViewError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_vec()),
            _ => Bound::Included(prefix.to_vec()),
        };
        Ok(self
            .0
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }
}
