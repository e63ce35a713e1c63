//! The transparency log: RFC 6962 trees over tiles, signed notes, checkpoints and cosignatures.
//!
//! What a log publishes about itself is a checkpoint: its name, its size and the root of its tree,
//! signed by a node of the log and cosigned by those who saw it grow:
//!
//! ```text
//! ledger.example/2026
//! 70000
//! ULMS9cvHFnWfViDXOnzBFBVwc0n0Gwzgt897eAfsMdo=
//!
//! — ledger.example/2026 UiSYWaOShtNkEe9puopMnlgMPdQqiEn4OOLajwilfyhvp/yvv1dFl/W4IxMMVHh4hGsDuxRm/4Xvd1XfiAkZBmkNxAo=
//! — ledger.example/2026/university-a/1 +s46swAAAABqsTuA56KXQyyyMq3yB6zEejFEaMjUvtiwMPsiKuyslPJSGMh+KAdAGu/rYH0LTMpimf8D3ui57UK74EEgILzkgCrLAg==
//! ```
//!
//! The first signature is of type 0x01, over the three lines. The second is a cosignature/v1, of
//! type 0x04: it holds the time at which the cosigner saw this checkpoint as the newest.
//!
//! ```
//! use credlog_tlog::{Checkpoint, Note, TreeSize, VerifierKey};
//!
//! # let bytes = include_str!("../tests/golden/notes.txt").lines().last().unwrap();
//! # let bytes = hex::decode(bytes.strip_prefix("note ").unwrap()).unwrap();
//! let cosigner: VerifierKey = "ledger.example/2026/university-a/1+face3ab3\
//!     +BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU".parse()?;
//! let note = Note::parse(&bytes)?;
//! let signed = note.verify(&[cosigner])?;
//! assert_eq!(signed[0].time, Some(1_790_000_000));
//! let checkpoint = Checkpoint::parse(note.text())?;
//! assert_eq!(checkpoint.size(), TreeSize(70_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate provides
//! - trees: [`leaf_hash`], [`node_hash`], [`empty_root`]; growth by [`Frontier`] (root only) and
//!   [`TileAppender`] (root and tiles to write); [`root_at`], [`inclusion_proof`] and
//!   [`consistency_proof`] over any [`TileReader`]; trees that change in place in [`mutable`];
//! - verification with nothing but arguments: [`verify_inclusion`], [`verify_consistency`];
//! - the coding of tiles, bundles of entries and their paths: [`Tile`], [`TilePath`],
//!   [`encode_bundle`], [`decode_bundle`];
//! - notes: [`Note`], [`VerifierKey`], [`NoteSigner`], [`CosignatureSigner`], [`Checkpoint`];
//! - files and messages around them: an inclusion proof to keep ([`TlogProof`]), what a witness is
//!   asked ([`AddCheckpoint`]), whom to trust ([`Policy`]).
//!
//! It refuses, by design: input and output of any kind, clocks and randomness, extension lines in
//! checkpoints, any second spelling of a path, key, number or hash, keys of other types than 0x01
//! and 0x04, and the ledger's rules (who may sign, how many must, what an entry means).
//!
//! Sources: RFC 6962 section 2.1; C2SP tlog-tiles, signed-note, tlog-checkpoint, tlog-cosignature,
//! tlog-proof, tlog-witness and tlog-policy. Ed25519 signatures are verified by the strict rule of `ed25519-dalek`.
#![forbid(unsafe_code)]

mod add_checkpoint;
mod append;
mod bundle;
mod checkpoint;
mod hash;
mod key;
pub mod mutable;
mod note;
mod policy;
mod proof;
mod reader;
mod shape;
mod signer;
mod tile;
mod tlog_proof;

pub use add_checkpoint::{ADD_CHECKPOINT_BYTES_MAX, AddCheckpoint, AddCheckpointError};
pub use append::{Frontier, FrontierError, TileAppender};
pub use bundle::{
    BundleError, ENTRY_BYTES_MAX, decode_bundle, decode_bundle_of, encode_bundle, push_entry,
};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use hash::{
    HASH_BYTES, Hash, HashError, LeafIndex, TREE_SIZE_MAX, TreeSize, empty_root, leaf_hash,
    node_hash,
};
pub use key::{KeyError, KeyId, NAME_BYTES_MAX, SignatureKind, VerifierKey, check_name, key_id};
pub use note::{
    NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, Note, NoteError, NoteSignature, VerifiedSignature,
};
pub use policy::{
    POLICY_BYTES_MAX, POLICY_LINES_MAX, Policy, PolicyError, PolicyGroup, PolicyLog, PolicyWitness,
};
pub use proof::{
    HashLinesError, PROOF_HASHES_MAX, ProofError, verify_consistency, verify_inclusion,
};
pub use reader::{
    MemoryTiles, TileMissing, TileReader, consistency_proof, inclusion_proof, root_at,
};
pub use shape::TreeError;
pub use signer::{CosignatureSigner, NoteSigner};
pub use tile::{
    TILE_LEVEL_MAX, TILE_WIDTH, Tile, TileError, TileLevel, TilePath, TilePathError, tile_width,
    tiles_of_tree,
};
pub use tlog_proof::{TLOG_PROOF_BYTES_MAX, TLOG_PROOF_EXTRA_BYTES_MAX, TlogProof, TlogProofError};
