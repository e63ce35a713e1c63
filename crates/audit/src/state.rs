//! The state of a replay, in memory.
//!
//! Two tables grow with every credential and have keys without an order that anybody asks for
//! (ids of records, digests): they stand in hash maps, and are searched through only where a
//! range is asked for, which no rule does. All others stand in an ordered map.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use credlog_ledger::state::{Changes, MemoryState, Row, StateDigest, Table, View, ViewError};

/// Bytes of the hash that a key of such a table has behind the table's byte.
const HASH_BYTES: usize = 32;

/// The rows of a replayed state, with their digest.
#[derive(Debug, Default)]
pub struct AuditState {
    ordered: MemoryState,
    rows: u64,
    records: HashMap<[u8; HASH_BYTES], Short>,
    credentials: HashMap<[u8; HASH_BYTES], Owners>,
    digest: StateDigest,
}

/// A short value, without an allocation of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Short {
    Inline { length: u8, bytes: [u8; 22] },
    Long(Box<[u8]>),
}

impl Short {
    fn new(value: &[u8]) -> Self {
        let mut bytes = [0; 22];
        match (bytes.get_mut(..value.len()), u8::try_from(value.len())) {
            (Some(room), Ok(length)) => {
                room.copy_from_slice(value);
                Self::Inline { length, bytes }
            }
            _ => Self::Long(value.into()),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Self::Long(value) => value,
        }
    }
}

/// The rows of one digest: nearly always one, of the issuer that issued the credential.
#[derive(Debug, Clone)]
enum Owners {
    One([u8; 8], Short),
    Many(BTreeMap<[u8; 8], Short>),
}

impl Owners {
    fn get(&self, issuer: &[u8; 8]) -> Option<&Short> {
        match self {
            Self::One(owner, value) => (owner == issuer).then_some(value),
            Self::Many(values) => values.get(issuer),
        }
    }

    /// Answers what was there before.
    fn insert(&mut self, issuer: [u8; 8], value: Short) -> Option<Short> {
        match self {
            Self::One(owner, old) if *owner == issuer => Some(std::mem::replace(old, value)),
            Self::One(owner, old) => {
                let values = [(*owner, old.clone()), (issuer, value)];
                *self = Self::Many(values.into_iter().collect());
                None
            }
            Self::Many(values) => values.insert(issuer, value),
        }
    }

    fn iter(&self) -> Box<dyn Iterator<Item = (&[u8; 8], &Short)> + '_> {
        match self {
            Self::One(owner, value) => Box::new(std::iter::once((owner, value))),
            Self::Many(values) => Box::new(values.iter()),
        }
    }
}

/// Which map a key belongs to.
enum Place {
    Record([u8; HASH_BYTES]),
    Credential([u8; HASH_BYTES], [u8; 8]),
    Ordered,
}

fn place(key: &[u8]) -> Place {
    let Some((table, rest)) = key.split_first() else {
        return Place::Ordered;
    };
    let Some((hash, rest)) = rest.split_first_chunk::<HASH_BYTES>() else {
        return Place::Ordered;
    };
    if *table == Table::Record as u8 && rest.is_empty() {
        return Place::Record(*hash);
    }
    match <[u8; 8]>::try_from(rest) {
        Ok(issuer) if *table == Table::Credential as u8 => Place::Credential(*hash, issuer),
        _ => Place::Ordered,
    }
}

impl AuditState {
    /// Writes what a block changed.
    pub fn apply(&mut self, changes: Changes) {
        let mut ordered = Changes::new();
        for (key, value) in changes {
            self.digest.add(&key, &value);
            let old = match place(&key) {
                Place::Record(hash) => self.records.insert(hash, Short::new(&value)),
                Place::Credential(hash, issuer) => match self.credentials.entry(hash) {
                    Entry::Occupied(owners) => owners.into_mut().insert(issuer, Short::new(&value)),
                    Entry::Vacant(free) => {
                        free.insert(Owners::One(issuer, Short::new(&value)));
                        None
                    }
                },
                Place::Ordered => {
                    match self.ordered.value(&key) {
                        Some(old) => self.digest.remove(&key, old),
                        None => self.rows += 1,
                    }
                    ordered.insert(key, value);
                    continue;
                }
            };
            match old {
                Some(old) => self.digest.remove(&key, old.as_slice()),
                None => self.rows += 1,
            }
        }
        self.ordered.take(ordered);
    }

    /// The digest of all rows, as a node computes it.
    pub fn digest(&self) -> StateDigest {
        self.digest
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many digests credentials have.
    pub fn credentials(&self) -> u64 {
        self.credentials.len() as u64
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match place(key) {
            Place::Record(hash) => self.records.get(&hash).map(|one| one.as_slice().to_vec()),
            Place::Credential(hash, issuer) => {
                let value = self.credentials.get(&hash)?.get(&issuer)?;
                Some(value.as_slice().to_vec())
            }
            Place::Ordered => self.ordered.value(key).map(<[u8]>::to_vec),
        }
    }

    /// All rows of the hash maps whose key begins with `prefix`, in order of key.
    fn hashed(&self, prefix: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let tables = [Table::Record as u8, Table::Credential as u8];
        let Some((table, rest)) = prefix.split_first() else {
            let each = tables.iter().map(|table| self.hashed(&[*table]));
            return each.flatten().collect();
        };
        if !tables.contains(table) {
            return BTreeMap::new();
        }
        let credential = |hash: &[u8; HASH_BYTES], owners: &Owners| -> Vec<Row> {
            let row = |(issuer, value): (&[u8; 8], &Short)| {
                let key = [&[*table], &hash[..], &issuer[..]].concat();
                (key, value.as_slice().to_vec())
            };
            owners.iter().map(row).collect()
        };
        let begins = |(key, _): &Row| key.starts_with(prefix);
        if *table == Table::Record as u8 {
            let rows = self.records.iter().map(|(hash, value)| {
                let key = [&[*table], &hash[..]].concat();
                (key, value.as_slice().to_vec())
            });
            return rows.filter(begins).collect();
        }
        if let Some(hash) = rest.first_chunk::<HASH_BYTES>() {
            let found = self.credentials.get(hash);
            let rows = found.map(|owners| credential(hash, owners));
            return rows.into_iter().flatten().filter(begins).collect();
        }
        let rows = self.credentials.iter();
        rows.flat_map(|(hash, owners)| credential(hash, owners))
            .filter(begins)
            .collect()
    }
}

impl View for AuditState {
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.get(key))
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, ViewError> {
        let ordered = self.ordered.floor(prefix, key)?;
        let hashed = self.hashed(prefix);
        let hashed = hashed.range(..=key.to_vec()).next_back();
        let hashed = hashed.map(|(key, value)| (key.clone(), value.clone()));
        Ok(ordered.into_iter().chain(hashed).max())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, ViewError> {
        let mut rows = self.ordered.scan(prefix, after, limit)?;
        let hashed = self.hashed(prefix).into_iter();
        rows.extend(hashed.filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after)));
        rows.sort_unstable();
        rows.truncate(limit);
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    /// Keys of both kinds of tables that often begin alike, and short ones.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let table = prop_oneof![Just(2_u8), Just(20), Just(21), Just(22)];
        let hash = (0..2_u8, 0..2_u8).prop_map(|(first, last)| {
            let mut hash = [7; HASH_BYTES];
            (hash[0], hash[31]) = (first, last);
            hash
        });
        let rest = prop_oneof![
            Just(vec![]),
            (0..3_u8).prop_map(|n| vec![0, 0, 0, 0, 0, 0, 0, n])
        ];
        let cut = prop_oneof![3 => Just(64_usize), 1 => 0..40_usize];
        (table, hash, rest, cut).prop_map(|(table, hash, rest, cut)| {
            let mut key = [&[table], &hash[..], &rest[..]].concat();
            key.truncate(cut);
            key
        })
    }

    fn rows() -> impl Strategy<Value = Changes> {
        btree_map(key(), vec(any::<u8>(), 0..40), 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// The oracle is the ordered map of all rows, and a digest of them alone.
        #[test]
        fn it_answers_as_an_ordered_map_does(
            first in rows(), second in rows(), prefix in key(), asked in key(), limit in 0..5_usize,
        ) {
            let (mut state, mut oracle) = (AuditState::default(), MemoryState::default());
            for changes in [first, second] {
                oracle.apply(&changes);
                state.apply(changes);
            }
            prop_assert_eq!(state.row(&asked), oracle.row(&asked));
            prop_assert_eq!(state.floor(&prefix, &asked), oracle.floor(&prefix, &asked));
            for after in [None, Some(asked.as_slice())] {
                let found = state.scan(&prefix, after, limit);
                prop_assert_eq!(found, oracle.scan(&prefix, after, limit));
            }
            let mut digest = StateDigest::default();
            oracle.rows().for_each(|(key, value)| digest.add(key, value));
            prop_assert_eq!(state.digest(), digest);
            prop_assert_eq!(state.rows(), oracle.rows().count() as u64);
        }
    }
}
