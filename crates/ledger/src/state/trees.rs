//! The state's trees as of a height: their nodes are rows, kept by height, so that a leaf can be
//! shown under the root of every seal.
//!
//! The status tree has 1,024 leaves a list, and most of them are blank chunks: a list's root is
//! one row, and nodes below it become rows only where a change of status came near.

use std::cell::RefCell;
use std::collections::BTreeMap;

use credlog_tlog::mutable::{self, NodeReader};
use credlog_tlog::{Frontier, Hash, LeafIndex, TreeError, TreeSize, leaf_hash};

use crate::ids::{Height, IssuerNumber, ListNumber};
use crate::seal::Seal;
use crate::state::{Key, State, Table, View, ViewError, keys};
use crate::status::{Chunk, LIST_CHUNKS};

/// Level of the lists' roots in the status tree: a list has 2^10 chunks.
pub(crate) const LIST_LEVEL: u8 = 10;
const _: () = assert!(1 << LIST_LEVEL == LIST_CHUNKS);

/// A tree whose nodes are rows of a table: the tree of the whole table, or a part of it that
/// is a tree itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tree {
    table: Table,
    /// Level of its leaves in the whole tree.
    level: u8,
    /// Where its leaves begin at that level.
    first: u64,
}

impl Tree {
    pub(crate) const REGISTRY: Self = Self {
        table: Table::RegistryNode,
        level: 0,
        first: 0,
    };
    /// The whole status tree.
    pub(crate) const STATUS: Self = Self {
        table: Table::StatusNode,
        level: 0,
        first: 0,
    };
    /// Its leaves are the roots of the lists.
    pub(crate) const LISTS: Self = Self {
        table: Table::StatusNode,
        level: LIST_LEVEL,
        first: 0,
    };

    /// The tree over the chunks of one list.
    pub(crate) fn of_list(list: ListNumber) -> Self {
        Self {
            table: Table::StatusNode,
            level: 0,
            first: list.0 << LIST_LEVEL,
        }
    }

    /// Level and index of a node in the whole tree.
    fn place(self, level: u8, index: u64) -> (u8, u64) {
        (self.level + level, (self.first >> level) + index)
    }

    /// The row of a node as of a height.
    pub(crate) fn key(self, level: u8, index: u64, height: Height) -> Key {
        let (level, index) = self.place(level, index);
        keys::node_at(self.table, level, index, height)
    }
}

/// A tree's nodes as of a height.
pub(crate) struct Nodes<'v> {
    view: &'v dyn View,
    tree: Tree,
    height: Height,
    /// Blank nodes that were asked for.
    blank: RefCell<BTreeMap<(u8, u64), Hash>>,
}

impl<'v> Nodes<'v> {
    pub(crate) fn new(view: &'v dyn View, tree: Tree, height: Height) -> Self {
        Self {
            view,
            tree,
            height,
            blank: RefCell::default(),
        }
    }

    /// The nodes that were asked for and are no rows.
    pub(crate) fn into_blank(self) -> BTreeMap<(u8, u64), Hash> {
        self.blank.into_inner()
    }
}

impl NodeReader for Nodes<'_> {
    type Error = ViewError;

    fn node(&self, level: u8, index: u64) -> Result<Option<Hash>, ViewError> {
        let (whole_level, whole_index) = self.tree.place(level, index);
        let prefix = keys::node(self.tree.table, whole_level, whole_index);
        let key = self.tree.key(level, index, self.height);
        let row = self.view.floor(prefix.as_bytes(), key.as_bytes())?;
        let is_chunks = self.tree.table == Table::StatusNode && whole_level < LIST_LEVEL;
        match row {
            Some((_, bytes)) => <[u8; 32]>::try_from(bytes)
                .map(|bytes| Some(Hash(bytes)))
                .map_err(|_| ViewError::Damaged("a tree node is damaged".to_owned())),
            None if is_chunks => {
                let hash = blank_node(whole_level, whole_index);
                self.blank.borrow_mut().insert((level, index), hash);
                Ok(Some(hash))
            }
            None => Ok(None),
        }
    }
}

/// The hash over blank chunks, at a level and index of the status tree within one list.
pub(crate) fn blank_node(level: u8, index: u64) -> Hash {
    let chunks = (index << level)..((index + 1) << level);
    let mut edge = Frontier::default();
    edge.append_many(chunks.map(|place| {
        let list = ListNumber(place >> LIST_LEVEL);
        #[allow(clippy::cast_possible_truncation)] // less than the chunks of a list
        let chunk = (place % u64::from(LIST_CHUNKS)) as u32;
        leaf_hash(&Chunk::default().leaf(list, chunk))
    }));
    edge.root()
}

impl State<'_> {
    /// The inclusion path of a chunk of a status list under the status root of a seal of this
    /// ledger.
    ///
    /// # Errors
    /// [`ViewError`], also if the list was opened after the seal.
    pub fn status_path(
        &self,
        seal: &Seal,
        list: ListNumber,
        chunk: u32,
    ) -> Result<Vec<Hash>, ViewError> {
        let leaf = LeafIndex((list.0 << LIST_LEVEL) + u64::from(chunk));
        let size = TreeSize(seal.status_lists << LIST_LEVEL);
        self.path(Tree::STATUS, leaf, size, seal.height)
    }

    /// The inclusion path of an issuer's entry under the registry root of a seal of this ledger.
    ///
    /// # Errors
    /// [`ViewError`], also if the issuer was registered after the seal.
    pub fn registry_path(&self, seal: &Seal, issuer: IssuerNumber) -> Result<Vec<Hash>, ViewError> {
        let size = TreeSize(seal.registry_size);
        self.path(Tree::REGISTRY, LeafIndex(issuer.0), size, seal.height)
    }

    fn path(
        &self,
        tree: Tree,
        leaf: LeafIndex,
        size: TreeSize,
        height: Height,
    ) -> Result<Vec<Hash>, ViewError> {
        let nodes = Nodes::new(self.0, tree, height);
        mutable::inclusion_proof(&nodes, leaf, size).map_err(view_error)
    }
}

/// What a tree of rows fails with.
pub(crate) fn view_error(error: TreeError<ViewError>) -> ViewError {
    match error {
        TreeError::Reader(error) => error,
        other => ViewError::Damaged(other.to_string()),
    }
}
