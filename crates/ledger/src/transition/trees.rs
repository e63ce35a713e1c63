//! The state's trees: their nodes as rows, their roots after a block.
//!
//! The status tree has 1,024 leaves a list, and most of them are blank chunks: a list's root is
//! one row, and nodes below it become rows only where a change of status came near.

use std::cell::RefCell;
use std::collections::BTreeMap;

use credlog_tlog::mutable::{self, NodeReader};
use credlog_tlog::{Frontier, Hash, TreeError, TreeSize, leaf_hash};

use crate::ids::{ListNumber, Root};
use crate::rows::Head;
use crate::state::{Key, Table, View, ViewError, keys as row_keys};
use crate::status::{Chunk, LIST_CHUNKS};
use crate::transition::overlay::Overlay;

/// Level of the lists' roots in the status tree: a list has 2^10 chunks.
const LIST_LEVEL: u8 = 10;
const _: () = assert!(1 << LIST_LEVEL == LIST_CHUNKS);

/// A tree whose nodes are rows of a table: the tree of the whole table, or a part of it that
/// is a tree itself.
#[derive(Debug, Clone, Copy)]
struct Tree {
    table: Table,
    /// Level of its leaves in the whole tree.
    level: u8,
    /// Where its leaves begin at that level.
    first: u64,
    /// The list whose chunks are its leaves: what is no row there is blank.
    list: Option<ListNumber>,
}

/// A tree's nodes, for reading.
struct Nodes<'o, 'v> {
    overlay: &'o Overlay<'v>,
    tree: Tree,
    /// Blank nodes that were asked for. They become rows: else each change of a status would
    /// hash a thousand blank chunks again.
    blank: RefCell<BTreeMap<(u8, u64), Hash>>,
}

impl Tree {
    const REGISTRY: Self = Self {
        table: Table::RegistryNode,
        level: 0,
        first: 0,
        list: None,
    };
    /// Its leaves are the roots of the lists.
    const LISTS: Self = Self {
        table: Table::StatusNode,
        level: LIST_LEVEL,
        first: 0,
        list: None,
    };

    /// The tree over the chunks of one list.
    fn of_list(list: ListNumber) -> Self {
        Self {
            table: Table::StatusNode,
            level: 0,
            first: list.0 << LIST_LEVEL,
            list: Some(list),
        }
    }

    fn key(self, level: u8, index: u64) -> Key {
        let index = (self.first >> level) + index;
        row_keys::node(self.table, self.level + level, index)
    }

    /// Writes its changed leaves and all nodes above them; answers its root.
    fn update(
        self,
        overlay: &mut Overlay<'_>,
        before: u64,
        after: u64,
        leaves: &BTreeMap<u64, Hash>,
    ) -> Result<Hash, ViewError> {
        let nodes = Nodes {
            overlay,
            tree: self,
            blank: RefCell::default(),
        };
        let updated = mutable::update(&nodes, TreeSize(before), TreeSize(after), leaves);
        let (root, changed) = updated.map_err(|error| match error {
            TreeError::Reader(error) => error,
            other => ViewError::Damaged(other.to_string()),
        })?;
        let blank = nodes.blank.into_inner();
        for ((level, index), hash) in blank.into_iter().chain(changed) {
            overlay.put(self.key(level, index), hash.0.to_vec());
        }
        Ok(root)
    }
}

impl NodeReader for Nodes<'_, '_> {
    type Error = ViewError;

    fn node(&self, level: u8, index: u64) -> Result<Option<Hash>, ViewError> {
        let row = self.overlay.row(self.tree.key(level, index).as_bytes())?;
        if let (None, Some(list)) = (&row, self.tree.list) {
            let hash = blank_node(list, level, index);
            self.blank.borrow_mut().insert((level, index), hash);
            return Ok(Some(hash));
        }
        row.map(|bytes| {
            <[u8; 32]>::try_from(bytes)
                .map(Hash)
                .map_err(|_| ViewError::Damaged("a tree node is damaged".to_owned()))
        })
        .transpose()
    }
}

/// The hash over blank chunks of a list.
fn blank_node(list: ListNumber, level: u8, index: u64) -> Hash {
    let chunks = (index << level)..((index + 1) << level);
    let mut edge = Frontier::default();
    edge.append_many(chunks.map(|chunk| {
        #[allow(clippy::cast_possible_truncation)] // a list has 1,024 chunks
        leaf_hash(&Chunk::default().leaf(list, chunk as u32))
    }));
    edge.root()
}

/// The root of the status tree after a block.
pub(super) fn status_root(
    overlay: &mut Overlay<'_>,
    before: &Head,
    after: &Head,
) -> Result<Root, ViewError> {
    let opened = before.status_lists..after.status_lists;
    let mut changed: BTreeMap<u64, BTreeMap<u64, Hash>> =
        opened.map(|list| (list, BTreeMap::new())).collect();
    for (key, value) in overlay.written(Table::Chunk) {
        let (list, chunk) = chunk_key(key)?;
        let bytes = <[u8; 32]>::try_from(value)
            .map_err(|_| ViewError::Damaged("a status chunk is damaged".to_owned()))?;
        let leaf = leaf_hash(&Chunk(bytes).leaf(ListNumber(list), chunk));
        let chunks = changed.entry(list).or_default();
        chunks.insert(u64::from(chunk), leaf);
    }
    if changed.is_empty() {
        return Ok(before.status_root);
    }
    let mut roots = BTreeMap::new();
    for (list, chunks) in changed {
        roots.insert(list, list_root(overlay, ListNumber(list), &chunks)?);
    }
    let root = Tree::LISTS.update(overlay, before.status_lists, after.status_lists, &roots)?;
    Ok(root.into())
}

/// The root of a list of which these chunks changed; none of one that is opened.
fn list_root(
    overlay: &mut Overlay<'_>,
    list: ListNumber,
    chunks: &BTreeMap<u64, Hash>,
) -> Result<Hash, ViewError> {
    if chunks.is_empty() {
        return Ok(blank_node(list, LIST_LEVEL, 0));
    }
    let size = u64::from(LIST_CHUNKS);
    Tree::of_list(list).update(overlay, size, size, chunks)
}

/// List and chunk in a key of [`Table::Chunk`].
fn chunk_key(key: &[u8]) -> Result<(u64, u32), ViewError> {
    let damaged = || ViewError::Damaged("a chunk's key is damaged".to_owned());
    let (list, chunk) = key[1..].split_first_chunk::<8>().ok_or_else(damaged)?;
    let chunk = chunk.try_into().map_err(|_| damaged())?;
    Ok((u64::from_be_bytes(*list), u32::from_be_bytes(chunk)))
}

/// The root of the registry tree after a block.
pub(super) fn registry_root(
    overlay: &mut Overlay<'_>,
    before: &Head,
    after: &Head,
) -> Result<Root, ViewError> {
    let mut leaves = BTreeMap::new();
    for (key, entry) in overlay.written(Table::Issuer) {
        let number = key
            .last_chunk::<8>()
            .ok_or_else(|| ViewError::Damaged("a key is damaged".into()))?;
        leaves.insert(u64::from_be_bytes(*number), leaf_hash(entry));
    }
    if leaves.is_empty() {
        return Ok(before.registry_root);
    }
    let (from, to) = (before.registry_size, after.registry_size);
    let root = Tree::REGISTRY.update(overlay, from, to, &leaves)?;
    Ok(root.into())
}
