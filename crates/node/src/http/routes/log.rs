//! GET /checkpoint and GET /tile/…: the log as C2SP tlog-tiles publishes it.

use std::sync::{Mutex, PoisonError};

use axum::extract::State as Extract;
use bytes::Bytes;
use credlog_ledger::rows::Head;
use credlog_tlog::{Checkpoint, Hash, Note, NoteSignature, NoteSigner, TileLevel, TilePath};
use http::{StatusCode, Uri};

use crate::cosigning::Cosigning;
use crate::http::answer::{
    Answer, Refusal, bytes_with, cached, internal, invalid_parameter, not_found,
};
use crate::http::query::no_parameters;
use crate::http::{Context, Shared};

/// A checkpoint is replaced with the next block.
const CHECKPOINT_CACHE: &str = "public, max-age=1";
/// A tile never changes.
const TILE_CACHE: &str = "public, max-age=31536000, immutable";

/// Signs the checkpoint of the newest block, once for each, and adds the cosignatures of the
/// members and of outside witnesses.
pub(crate) struct SignedCheckpoint {
    signer: NoteSigner,
    newest: Mutex<Option<Newest>>,
}

/// A note as it was served last.
struct Newest {
    size: u64,
    /// Of the cosignatures that it carries.
    version: u64,
    note: Bytes,
}

impl SignedCheckpoint {
    pub(crate) fn new(signer: NoteSigner) -> Self {
        Self {
            signer,
            newest: Mutex::new(None),
        }
    }

    fn of(&self, head: &Head, cosigning: &Cosigning) -> Result<Bytes, Refusal> {
        let version = cosigning.version();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(newest) = &*newest
            && (newest.size, newest.version) == (head.size, version)
        {
            return Ok(newest.note.clone());
        }
        let (version, mut cosignatures) = cosigning.newest(head.size);
        cosignatures.extend(cosigning.witnessed(head.size));
        let note = self.sign(head, cosignatures).map_err(|error| {
            tracing::error!(%error, "the checkpoint cannot be signed");
            internal()
        })?;
        *newest = Some(Newest {
            size: head.size,
            version,
            note: note.clone(),
        });
        Ok(note)
    }

    fn sign(
        &self,
        head: &Head,
        cosignatures: Vec<NoteSignature>,
    ) -> Result<Bytes, Box<dyn std::error::Error>> {
        let origin = self.signer.verifier_key().name();
        let checkpoint = Checkpoint::new(origin, head.tree_size(), Hash(head.root.0))?;
        let text = checkpoint.body();
        let own = self.signer.sign(&text)?;
        let note = Note::new(&text, [own].into_iter().chain(cosignatures).collect())?;
        Ok(note.to_string().into())
    }
}

pub(crate) async fn checkpoint(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let (store, cosigning) = (&context.store, &context.cosigning);
    let note = context.checkpoint.of(store.snapshot().head(), cosigning)?;
    let response = bytes_with(StatusCode::OK, "text/plain; charset=utf-8", note);
    Ok(cached(response, CHECKPOINT_CACHE))
}

pub(crate) async fn tile(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    // The path as it was sent: no second spelling by percent-encoding.
    let path: TilePath = uri
        .path()
        .trim_start_matches('/')
        .parse()
        .map_err(|error| invalid_parameter(format!("{} is not a tile: {error}", uri.path())))?;
    match path.level() {
        TileLevel::Hash(_) => read(&context, path),
        TileLevel::Entries => context.blocking(move |context| read(context, path)).await,
    }
}

fn read(context: &Context, path: TilePath) -> Answer {
    let snapshot = context.store.snapshot();
    let (index, width) = (path.index(), path.width());
    let found = match path.level() {
        TileLevel::Hash(level) => snapshot.tile(level, index, width)?,
        TileLevel::Entries => snapshot.entries(index, width)?,
    };
    let Some(bytes) = found else {
        let size = snapshot.head().size;
        return Err(not_found(format!("a log of {size} leaves has no {path}")));
    };
    let response = bytes_with(StatusCode::OK, "application/octet-stream", bytes);
    Ok(cached(response, TILE_CACHE))
}
