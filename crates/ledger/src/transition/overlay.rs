//! The overlay: what a block writes, and within it what the current record writes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use serde::Serialize;

use crate::entry::IssuerEntry;
use crate::ids::{IssuerId, IssuerNumber, ListNumber, UnixMillis};
use crate::state::{self, Changes, Key, Row, State, Table, View, ViewError};

/// Decoded issuers kept at a time; an entry takes a few kilobytes, at most as many as rule
/// R10 allows.
const ISSUERS_KEPT_MAX: usize = 64;

/// An issuer with its entry as of the seal.
#[derive(Debug)]
pub(crate) struct IssuerNow {
    pub(crate) number: IssuerNumber,
    pub(crate) entry: IssuerEntry,
}

/// Writes over a view, in two layers: the record's, kept or discarded as a whole, and
/// the block's.
pub(crate) struct Overlay<'v> {
    view: &'v dyn View,
    block: Changes,
    record: Changes,
    members_changed: bool,
    /// Status lists in which the block, and the current record besides, change a status.
    lists: BTreeSet<ListNumber>,
    record_lists: BTreeSet<ListNumber>,
    issuers: RefCell<Issuers>,
}

/// Issuers that records of the block asked for, decoded once.
#[derive(Default)]
struct Issuers {
    found: HashMap<IssuerId, Rc<IssuerNow>>,
    /// The current record writes an issuer: until it is kept or discarded, nothing here holds.
    written: bool,
}

impl<'v> Overlay<'v> {
    pub(crate) fn new(view: &'v dyn View) -> Self {
        Self {
            view,
            block: Changes::new(),
            record: Changes::new(),
            members_changed: false,
            lists: BTreeSet::new(),
            record_lists: BTreeSet::new(),
            issuers: RefCell::default(),
        }
    }

    /// Questions to the state with all writes so far.
    pub(crate) fn state(&self) -> State<'_> {
        State(self)
    }

    /// A registered issuer as of the seal's `time`, the same for the whole block.
    pub(crate) fn issuer_now(
        &self,
        id: &IssuerId,
        time: UnixMillis,
    ) -> Result<Option<Rc<IssuerNow>>, ViewError> {
        if let Some(known) = self.issuers.borrow().found.get(id) {
            return Ok(Some(Rc::clone(known)));
        }
        let Some((number, entry)) = self.state().find_issuer(id)? else {
            return Ok(None);
        };
        let entry = entry.as_of(time);
        let found = Rc::new(IssuerNow { number, entry });
        let mut issuers = self.issuers.borrow_mut();
        if !issuers.written {
            if issuers.found.len() >= ISSUERS_KEPT_MAX {
                issuers.found.clear();
            }
            issuers.found.insert(id.clone(), Rc::clone(&found));
        }
        Ok(Some(found))
    }

    pub(crate) fn put(&mut self, key: Key, value: Vec<u8>) {
        let key = key.into_bytes();
        let registry = [Table::Issuer as u8, Table::IssuerNumber as u8];
        if key.first().is_some_and(|table| registry.contains(table)) {
            *self.issuers.get_mut() = Issuers {
                written: true,
                ..Issuers::default()
            };
        }
        self.record.insert(key, value);
    }

    pub(crate) fn put_value<T: Serialize>(
        &mut self,
        what: &'static str,
        key: Key,
        value: &T,
    ) -> Result<(), ViewError> {
        self.put(key, state::encode(what, value)?);
        Ok(())
    }

    /// Notes that the current record changes the set of members.
    pub(crate) fn note_members_changed(&mut self) {
        self.members_changed = true;
    }

    pub(crate) fn take_members_changed(&mut self) -> bool {
        std::mem::take(&mut self.members_changed)
    }

    /// Notes that the current record changes a status in a list; answers in how many lists
    /// the block does so with it.
    pub(crate) fn note_list_changed(&mut self, list: ListNumber) -> usize {
        if !self.lists.contains(&list) {
            self.record_lists.insert(list);
        }
        self.lists.len() + self.record_lists.len()
    }

    /// Whether the current record writes an issuer's entry.
    pub(crate) fn writes_registry(&self) -> bool {
        let table = Table::Issuer as u8;
        self.record
            .range(vec![table]..vec![table + 1])
            .next()
            .is_some()
    }

    /// The current record's writes become the block's.
    pub(crate) fn keep(&mut self) {
        // Not `append`: that rebuilds the block's whole map for each record.
        self.block.extend(std::mem::take(&mut self.record));
        self.lists.append(&mut self.record_lists);
        self.issuers.get_mut().written = false;
    }

    /// The current record's writes are forgotten.
    pub(crate) fn discard(&mut self) {
        self.record.clear();
        self.record_lists.clear();
        self.members_changed = false;
        self.issuers.get_mut().written = false;
    }

    /// The block's writes to one table, in ascending order of key.
    pub(crate) fn written(&self, table: Table) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.block
            .range(vec![table as u8]..vec![table as u8 + 1])
            .map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// All writes of the block.
    pub(crate) fn into_changes(mut self) -> Changes {
        self.keep();
        self.block
    }

    /// The layers from the top, so that the first hit counts.
    fn written_row(&self, key: &[u8]) -> Option<&Vec<u8>> {
        self.record.get(key).or_else(|| self.block.get(key))
    }
}

impl View for Overlay<'_> {
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        match self.written_row(key) {
            Some(value) => Ok(Some(value.clone())),
            None => self.view.row(key),
        }
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, ViewError> {
        let written = [&self.record, &self.block]
            .into_iter()
            .filter_map(|layer| state::floor_in(layer, prefix, key))
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(key, value)| (key.clone(), value.clone()));
        let below = self.view.floor(prefix, key)?;
        Ok(match (written, below) {
            (Some(written), Some(below)) if below.0 > written.0 => Some(below),
            (Some(written), _) => Some(written),
            (None, below) => below,
        })
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, ViewError> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> =
            self.view.scan(prefix, after, limit)?.into_iter().collect();
        for layer in [&self.block, &self.record] {
            let inside = layer
                .range(prefix.to_vec()..)
                .take_while(|(key, _)| key.starts_with(prefix))
                .filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after));
            for (key, value) in inside {
                rows.insert(key.clone(), value.clone());
            }
        }
        Ok(rows.into_iter().take(limit).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::body::Profile;
    use crate::key::PublicKey;
    use crate::state::MemoryState;

    /// Keys that often share prefixes, with bytes at both ends of their range.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0), Just(1), Just(2), Just(0xfe), Just(0xff)];
        vec(byte, 0..4)
    }

    fn rows() -> impl Strategy<Value = Changes> {
        btree_map(key(), vec(any::<u8>(), 0..2), 0..20)
    }

    fn entry(named: &str) -> IssuerEntry {
        IssuerEntry {
            id: "did:web:issuer.example".parse().unwrap(),
            profile: Profile {
                name: named.parse().unwrap(),
                url: None,
            },
            keys: Vec::new(),
            recovery: PublicKey::ed25519(&[7; 32]),
            accreditations: Vec::new(),
            pending: None,
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Move {
        Ask,
        Write(u8),
        Keep,
        Discard,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            2 => Just(Move::Ask),
            2 => (0..9u8).prop_map(Move::Write),
            1 => Just(Move::Keep),
            1 => Just(Move::Discard),
        ];
        vec(one, 0..30)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// The oracle is the question to the rows, which keeps nothing.
        #[test]
        fn an_issuer_is_known_as_its_rows_say_whatever_was_kept_or_discarded(moves in moves()) {
            let (number, time) = (IssuerNumber(3), UnixMillis(9));
            let memory = MemoryState::default();
            let mut overlay = Overlay::new(&memory);
            let id = entry("?").id;
            for one in moves {
                match one {
                    Move::Ask => {}
                    Move::Write(named) => {
                        let key = state::keys::issuer_number(&id);
                        overlay.put_value("number", key, &number).unwrap();
                        let key = state::keys::issuer(number);
                        let entry = entry(&format!("Named {named}"));
                        overlay.put_value("entry", key, &entry).unwrap();
                        // Asked or not within the same record.
                        if named > 4 {
                            continue;
                        }
                    }
                    Move::Keep => overlay.keep(),
                    Move::Discard => overlay.discard(),
                }
                let known = overlay.issuer_now(&id, time).unwrap();
                let known = known.map(|known| (known.number, known.entry.clone()));
                let expected = overlay.state().find_issuer(&id).unwrap();
                let expected = expected.map(|(number, entry)| (number, entry.as_of(time)));
                prop_assert_eq!(known, expected);
            }
        }

        /// The oracle is the trait's text, over all rows.
        #[test]
        fn memory_and_overlay_answer_floor_as_the_trait_says(
            base in rows(), block in rows(), record in rows(), prefix in key(), key in key(),
        ) {
            let mut memory = MemoryState::default();
            memory.apply(&base);
            let mut overlay = Overlay::new(&memory);
            (overlay.block, overlay.record) = (block.clone(), record.clone());
            let floor = |rows: &Changes| {
                let inside = rows.iter().filter(|(found, _)| found.starts_with(&prefix));
                let found = inside.filter(|(found, _)| **found <= key).max();
                found.map(|(key, value)| (key.clone(), value.clone()))
            };
            prop_assert_eq!(memory.floor(&prefix, &key), Ok(floor(&base)));
            let all = base.clone().into_iter().chain(block).chain(record).collect();
            prop_assert_eq!(overlay.floor(&prefix, &key), Ok(floor(&all)));
        }
    }
}
