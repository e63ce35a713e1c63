//! Sealing: the state's roots, the seal, and the log's new root.

use credlog_tlog::{Checkpoint, Frontier, Hash, TreeSize, empty_root, leaf_hash};

use crate::block::{Block, BlockFormatError};
use crate::genesis::{Genesis, GenesisError};
use crate::ids::{Height, LeafIndex, Origin, Root, ValueId};
use crate::record::{AuthorId, EncodedRecord};
use crate::rows::{Head, KeyUse, LedgerRow, MemberRow, SealRow};
use crate::seal::{SEAL_VERSION, Seal};
use crate::state::{self, Changes, ViewError, keys as row_keys};
use crate::transition::overlay::Overlay;
use crate::transition::trees::{registry_root, status_root};
use crate::transition::{BlockError, Execution};

/// A block with all that follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The records taken.
    pub records: Vec<EncodedRecord>,
    /// The seal.
    pub seal: Seal,
    /// The stored form of the block.
    pub block: Vec<u8>,
    /// First leaf of the block.
    pub first_leaf: LeafIndex,
    /// Hashes of its leaves, the seal's last.
    pub leaf_hashes: Vec<Hash>,
    /// Size of the log after the seal.
    pub size: TreeSize,
    /// Root of the log after the seal.
    pub root: Hash,
    /// Origin of the log.
    pub origin: Origin,
    /// Rows to write.
    pub changes: Changes,
}

impl Executed {
    /// The checkpoint after the seal, whose [`Executed::value_id`] consensus decides.
    ///
    /// # Errors
    /// [`ViewError`] never for an origin that genesis accepted.
    pub fn checkpoint(&self) -> Result<Checkpoint, ViewError> {
        Checkpoint::new(self.origin.as_str(), self.size, self.root)
            .map_err(|error| ViewError::Damaged(error.to_string()))
    }

    /// The value that consensus decides.
    ///
    /// # Errors
    /// As [`Executed::checkpoint`].
    pub fn value_id(&self) -> Result<ValueId, ViewError> {
        Ok(ValueId::of(&self.checkpoint()?))
    }
}

impl Execution<'_> {
    /// Closes the block: appends the seal and computes every root.
    ///
    /// # Errors
    /// [`BlockError::Empty`] for round 0 without a record, [`BlockError::Format`] for a
    /// block over its limit, [`BlockError::Fatal`].
    pub fn seal(mut self) -> Result<Executed, BlockError> {
        if self.records.is_empty() && self.context.round.0 == 0 {
            return Err(BlockError::Empty);
        }
        let before = self.head;
        let mut head = self.overlay.state().head()?;
        let context = &self.context;
        head.status_root = status_root(&mut self.overlay, context.height, &before, &head)?;
        head.registry_root = registry_root(&mut self.overlay, context.height, &before, &head)?;
        let seal = Seal {
            version: SEAL_VERSION,
            height: context.height,
            time: context.time,
            round: context.round,
            proposer: context.proposer.clone(),
            record_count: u32::try_from(self.records.len())
                .map_err(|_| ViewError::Damaged("too many records".to_owned()))?,
            status_root: head.status_root,
            status_lists: head.status_lists,
            registry_root: head.registry_root,
            registry_size: head.registry_size,
            members_hash: self
                .overlay
                .state()
                .members()?
                .hash()
                .map_err(|error| ViewError::Damaged(error.to_string()))?,
        };
        let block = Block {
            records: self.records,
            seal,
        };
        let bytes = block.to_bytes()?;
        let seal_leaf = block.seal.leaf().map_err(BlockFormatError::from)?;
        let leaf_hashes = block.records.iter().map(EncodedRecord::leaf_hash);
        let leaf_hashes: Vec<_> = leaf_hashes.chain([leaf_hash(&seal_leaf)]).collect();
        let mut edge = frontier(&before)?;
        edge.append_many(leaf_hashes.iter().copied());
        head.height = context.height;
        head.time = context.time;
        head.size = edge.size().0;
        head.root = edge.root().into();
        head.edge = edge.subtrees().iter().map(|hash| Root(hash.0)).collect();
        write_position(&mut self.overlay, &before, &head, &block.seal)?;
        Ok(Executed {
            records: block.records,
            seal: block.seal,
            block: bytes,
            first_leaf: LeafIndex(before.size),
            leaf_hashes,
            size: edge.size(),
            root: edge.root(),
            origin: self.context.origin,
            changes: self.overlay.into_changes(),
        })
    }
}

/// The checkpoint that a block leads to if its leaves follow a head, whether the rules allow
/// the block or not: what its proposer claims can be compared with this before any rule is.
///
/// # Errors
/// [`BlockError::Format`] for a block over its limit; [`BlockError::Fatal`] if the state
/// cannot be read.
pub fn claimed_checkpoint(view: &dyn state::View, block: &Block) -> Result<Checkpoint, BlockError> {
    let state = state::State(view);
    let mut edge = frontier(&state.head()?)?;
    let seal = block.seal.leaf().map_err(BlockFormatError::from)?;
    edge.append_many(block.records.iter().map(EncodedRecord::leaf_hash));
    edge.append(leaf_hash(&seal));
    let origin = state.ledger()?.origin;
    Checkpoint::new(origin.as_str(), edge.size(), edge.root())
        .map_err(|error| ViewError::Damaged(error.to_string()).into())
}

fn frontier(head: &Head) -> Result<Frontier, ViewError> {
    let edge = head.edge.iter().map(|root| Hash(root.0)).collect();
    Frontier::from_parts(head.tree_size(), edge)
        .map_err(|error| ViewError::Damaged(error.to_string()))
}

/// Rows that say where the block stands.
fn write_position(
    overlay: &mut Overlay<'_>,
    before: &Head,
    head: &Head,
    seal: &Seal,
) -> Result<(), ViewError> {
    let row = SealRow {
        seal: seal.clone(),
        first_leaf: before.size,
        size: head.size,
        root: head.root,
    };
    let first = LeafIndex(before.size);
    overlay.put_value("seal", row_keys::seal(head.height), &row)?;
    overlay.put_value("seal time", row_keys::seal_time(head.time), &head.height)?;
    overlay.put_value("block start", row_keys::block_start(first), &head.height)?;
    overlay.put_value("head", row_keys::head(), head)
}

/// Compares the seal that an execution gives with the one that was claimed.
pub(crate) fn compare(computed: &Seal, claimed: &Seal) -> Result<(), BlockError> {
    let fields = [
        ("version", computed.version == claimed.version),
        ("height", computed.height == claimed.height),
        (
            "record_count",
            computed.record_count == claimed.record_count,
        ),
        ("status_root", computed.status_root == claimed.status_root),
        (
            "status_lists",
            computed.status_lists == claimed.status_lists,
        ),
        (
            "registry_root",
            computed.registry_root == claimed.registry_root,
        ),
        (
            "registry_size",
            computed.registry_size == claimed.registry_size,
        ),
        (
            "members_hash",
            computed.members_hash == claimed.members_hash,
        ),
    ];
    match fields.into_iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(BlockError::Seal { field }),
        None => Ok(()),
    }
}

/// The rows of a ledger before its first block.
///
/// # Errors
/// [`GenesisError`] if the file cannot found a ledger.
pub fn genesis_changes(genesis: &Genesis) -> Result<Changes, GenesisError> {
    genesis.check()?;
    let internal = |error: ViewError| GenesisError::Json(error.to_string());
    let empty = Root::from(empty_root());
    let head = Head {
        height: Height(0),
        time: genesis.time,
        size: 0,
        root: empty,
        edge: Vec::new(),
        status_root: empty,
        status_lists: 0,
        registry_root: empty,
        registry_size: 0,
    };
    let ledger = LedgerRow {
        id: genesis.ledger_id()?,
        origin: genesis.origin.clone(),
    };
    let members = genesis.member_set();
    let mut rows = Changes::new();
    let mut put = |key: state::Key, value: Result<Vec<u8>, ViewError>| {
        rows.insert(key.into_bytes(), value.map_err(internal)?);
        Ok::<(), GenesisError>(())
    };
    put(row_keys::ledger(), state::encode("ledger", &ledger))?;
    put(row_keys::head(), state::encode("head", &head))?;
    put(
        row_keys::parameters(),
        state::encode("parameters", &genesis.parameters),
    )?;
    put(row_keys::members(), state::encode("members", &members))?;
    put(
        row_keys::members_at(Height(0)),
        state::encode("members", &members),
    )?;
    for member in &genesis.members {
        let row = MemberRow {
            next_cosigner: 1,
            ..MemberRow::default()
        };
        put(row_keys::member(&member.id), state::encode("member", &row))?;
        for (_, proven) in member.keys.roles() {
            let owner = AuthorId::Member(member.id.clone());
            let key_use = KeyUse {
                key: proven.key.clone(),
                owner,
            };
            put(
                row_keys::key(&proven.key.id()),
                state::encode("key", &key_use),
            )?;
        }
    }
    Ok(rows)
}

/// The state that a genesis file founds, in memory.
///
/// # Errors
/// [`GenesisError`] if the file cannot found a ledger.
pub fn genesis_state(genesis: &Genesis) -> Result<state::MemoryState, GenesisError> {
    let mut memory = state::MemoryState::default();
    memory.apply(&genesis_changes(genesis)?);
    Ok(memory)
}
