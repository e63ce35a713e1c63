//! The roots of the state's trees after a block.

use std::collections::BTreeMap;

use credlog_tlog::{Hash, TreeSize, leaf_hash, mutable};

use crate::ids::{Height, ListNumber, Root};
use crate::rows::Head;
use crate::state::trees::{LIST_LEVEL, Nodes, Tree, blank_node, view_error};
use crate::state::{Table, ViewError};
use crate::status::{Chunk, LIST_CHUNKS};
use crate::transition::overlay::Overlay;

/// Writes the changed leaves of a tree and all nodes above them; answers its root.
fn update(
    overlay: &mut Overlay<'_>,
    tree: Tree,
    height: Height,
    sizes: (u64, u64),
    leaves: &BTreeMap<u64, Hash>,
) -> Result<Hash, ViewError> {
    let nodes = Nodes::new(overlay, tree, height);
    let (before, after) = (TreeSize(sizes.0), TreeSize(sizes.1));
    let (root, changed) = mutable::update(&nodes, before, after, leaves).map_err(view_error)?;
    // Blank nodes that were asked for become rows: else each change of a status would hash a
    // thousand blank chunks again.
    let blank = nodes.into_blank();
    for ((level, index), hash) in blank.into_iter().chain(changed) {
        overlay.put(tree.key(level, index, height), hash.0.to_vec());
    }
    Ok(root)
}

/// The root of the status tree after the block of a height.
pub(super) fn status_root(
    overlay: &mut Overlay<'_>,
    height: Height,
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
        roots.insert(list, list_root(overlay, height, ListNumber(list), &chunks)?);
    }
    let sizes = (before.status_lists, after.status_lists);
    let root = update(overlay, Tree::LISTS, height, sizes, &roots)?;
    Ok(root.into())
}

/// The root of a list of which these chunks changed; none of one that is opened.
fn list_root(
    overlay: &mut Overlay<'_>,
    height: Height,
    list: ListNumber,
    chunks: &BTreeMap<u64, Hash>,
) -> Result<Hash, ViewError> {
    if chunks.is_empty() {
        return Ok(blank_node(LIST_LEVEL, list.0));
    }
    let size = u64::from(LIST_CHUNKS);
    update(overlay, Tree::of_list(list), height, (size, size), chunks)
}

/// List and chunk in a key of [`Table::Chunk`].
fn chunk_key(key: &[u8]) -> Result<(u64, u32), ViewError> {
    let damaged = || ViewError::Damaged("a chunk's key is damaged".to_owned());
    let (list, chunk) = key[1..].split_first_chunk::<8>().ok_or_else(damaged)?;
    let chunk = chunk.try_into().map_err(|_| damaged())?;
    Ok((u64::from_be_bytes(*list), u32::from_be_bytes(chunk)))
}

/// The root of the registry tree after the block of a height.
pub(super) fn registry_root(
    overlay: &mut Overlay<'_>,
    height: Height,
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
    let sizes = (before.registry_size, after.registry_size);
    let root = update(overlay, Tree::REGISTRY, height, sizes, &leaves)?;
    Ok(root.into())
}
