//! The folder that an export writes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use credlog_api::client::CERTIFICATE_BUNDLE_BYTES_MAX;
use credlog_api::path;
use credlog_ledger::ids::Height;
use credlog_ledger::member::{MEMBER_SET_BYTES_MAX, MemberSet};
use credlog_ledger::seal::Seal;
use credlog_tlog::{
    Checkpoint, NOTE_BYTES_MAX, TILE_WIDTH, TileLevel, TreeSize, decode_bundle, tile_width,
};
use fs2::FileExt as _;

use super::{IDENTITY, IDENTITY_BYTES_MAX, Identity};
use crate::error::{AuditError, ExportError};
use crate::files;
use crate::source::{Folder, Source as _, read_file};

/// Locked while an export writes.
const LOCK: &str = ".lock";
/// What a file is called until it is whole.
const PART: &str = ".part";
/// Most levels of folders of a copy: a tile of a log of 2^63 leaves lies nine deep.
const DEPTH_MAX: usize = 12;

/// The folder of an export, locked.
pub(super) struct Target {
    root: PathBuf,
    _lock: File,
    files: AtomicU64,
    bytes: AtomicU64,
    removed: AtomicU64,
}

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> ExportError + use<> {
    let path = path.to_owned();
    move |error| ExportError::File {
        path,
        doing,
        reason: error.to_string(),
    }
}

impl Target {
    /// Makes the folder if it is not there, and takes it for this export.
    pub(super) fn open(folder: &Path, identity: &Identity) -> Result<Self, ExportError> {
        let unknown = contents(folder)?;
        if let Some(found) = unknown {
            let folder = folder.to_owned();
            return Err(ExportError::NotAnExport { folder, found });
        }
        fs::create_dir_all(folder).map_err(failed(folder, "made"))?;
        let lock = folder.join(LOCK);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(failed(&lock, "opened"))?;
        if file.try_lock_exclusive().is_err() {
            let folder = folder.to_owned();
            return Err(ExportError::Locked { folder });
        }
        let target = Self {
            root: folder.to_owned(),
            _lock: file,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            removed: AtomicU64::new(0),
        };
        target.compare(identity)?;
        Ok(target)
    }

    /// Compares the ledger of the copy that is there.
    fn compare(&self, identity: &Identity) -> Result<(), ExportError> {
        let Some(bytes) = self.read(IDENTITY, IDENTITY_BYTES_MAX)? else {
            return Ok(());
        };
        let kept: Identity =
            serde_json::from_slice(&bytes).map_err(|error| ExportError::Damaged {
                path: IDENTITY.to_owned(),
                reason: error.to_string(),
            })?;
        if kept != *identity {
            return Err(ExportError::OtherLedger {
                folder: self.root.clone(),
                kept: kept.ledger_id.to_string(),
                kept_origin: kept.origin.to_string(),
                served: identity.ledger_id.to_string(),
                origin: identity.origin.to_string(),
            });
        }
        Ok(())
    }

    /// Says of which ledger the copy is, before the first file of it.
    pub(super) fn identify(&self, identity: &Identity) -> Result<(), ExportError> {
        if self.read(IDENTITY, IDENTITY_BYTES_MAX)?.is_some() {
            return Ok(());
        }
        let text = serde_json::to_string(identity).map_err(|error| ExportError::File {
            path: self.path(IDENTITY),
            doing: "written",
            reason: error.to_string(),
        })?;
        self.publish(IDENTITY, (text + "\n").as_bytes())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A file of the copy; nothing where there is none.
    pub(super) fn read(
        &self,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, ExportError> {
        Ok(read_file(&self.path(path), bytes_max).map_err(AuditError::from)?)
    }

    /// The checkpoint of the copy that is there.
    pub(super) fn checkpoint(&self) -> Result<Option<Checkpoint>, ExportError> {
        let Some(bytes) = self.read(path::CHECKPOINT, NOTE_BYTES_MAX)? else {
            return Ok(None);
        };
        let parsed = files::parse_checkpoint(&bytes);
        let (_, checkpoint) = parsed.map_err(|error| ExportError::Damaged {
            path: path::CHECKPOINT.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Some(checkpoint))
    }

    /// The seal with which the copy that is there ends.
    pub(super) fn last_seal(&self, size: TreeSize) -> Result<Seal, ExportError> {
        let seal = files::last_seal(&Folder::new(&self.root), size)?;
        seal.ok_or_else(|| ExportError::Damaged {
            path: "/tile/entries".to_owned(),
            reason: "its last leaf is no seal".to_owned(),
        })
    }

    /// The files of the copy that is there.
    pub(super) fn as_source(&self) -> Folder {
        Folder::new(&self.root)
    }

    /// The certificates that the copy has of a bundle, up to a height.
    pub(super) fn certificates(
        &self,
        index: u64,
        height: Height,
    ) -> Result<Vec<Vec<u8>>, ExportError> {
        let width = tile_width(TileLevel::Entries, index, TreeSize(height.0));
        if width == 0 {
            return Ok(Vec::new());
        }
        let path = path::certificate_bundle(index, width);
        let path = path.map_err(|error| crate::piece::path_error(&error))?;
        let damaged = |reason: &str| ExportError::Damaged {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        let bytes = self.read(&path, CERTIFICATE_BUNDLE_BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| damaged("it is not there"))?;
        let entries = decode_bundle(&bytes).map_err(|error| damaged(&error.to_string()))?;
        match entries.len() == usize::from(width) {
            true => Ok(entries.into_iter().map(<[u8]>::to_vec).collect()),
            false => Err(damaged("it has another number of certificates")),
        }
    }

    /// The newest set of members that is in force for a height.
    pub(super) fn members(&self, height: Height) -> Result<Option<MemberSet>, ExportError> {
        let folder = path::members_at(height);
        let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
        let names = Folder::new(&self.root).names(folder);
        let heights = names.map_err(AuditError::from)?;
        let heights = heights.iter().filter_map(|name| name.parse().ok());
        let Some(newest) = heights.filter(|first| *first <= height.0).max() else {
            return Ok(None);
        };
        let path = path::members_at(Height(newest));
        let bytes = self.read(&path, MEMBER_SET_BYTES_MAX)?;
        let set = bytes.map(|bytes| MemberSet::from_bytes(&bytes));
        set.transpose().map_err(|error| ExportError::Damaged {
            path,
            reason: error.to_string(),
        })
    }

    /// Puts a file in its place, whole. It is durable when the checkpoint is.
    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), ExportError> {
        self.put(path, bytes, false)
    }

    /// Puts a file in its place when all others are durable, and makes it durable.
    pub(super) fn publish(&self, path: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let root = File::open(&self.root).map_err(failed(&self.root, "opened"))?;
        rustix::fs::syncfs(&root)
            .map_err(std::io::Error::from)
            .map_err(failed(&self.root, "made durable"))?;
        self.put(path, bytes, true)?;
        root.sync_all().map_err(failed(&self.root, "made durable"))
    }

    fn put(&self, path: &str, bytes: &[u8], durable: bool) -> Result<(), ExportError> {
        let path = self.path(path);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(failed(folder, "made"))?;
        let mut part = path.clone().into_os_string();
        part.push(PART);
        let part = PathBuf::from(part);
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&part)?;
            file.write_all(bytes)?;
            if durable {
                file.sync_all()?;
            }
            fs::rename(&part, &path)
        };
        write().map_err(failed(&path, "written"))?;
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Files and bytes written, and files removed.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.files), read(&self.bytes), read(&self.removed))
    }

    /// Removes partial tiles and bundles that belong to none of these sizes and heights, and what
    /// an export that was stopped left behind.
    pub(super) fn clean(
        &self,
        sizes: &[Option<TreeSize>],
        heights: &[Option<Height>],
    ) -> Result<(), ExportError> {
        let mut keep = BTreeSet::new();
        for size in sizes.iter().flatten() {
            let levels = (0..8).map(TileLevel::Hash).chain([TileLevel::Entries]);
            for level in levels {
                let shift = match level {
                    TileLevel::Hash(level) => 8 * u32::from(level),
                    TileLevel::Entries => 0,
                };
                let index = (size.0 >> shift) / u64::from(TILE_WIDTH);
                let width = tile_width(level, index, *size);
                if let Ok(partial) = super::tile_path(level, index, width) {
                    keep.insert(self.path(&path::tile(&partial)));
                }
            }
        }
        for height in heights.iter().flatten() {
            let index = height.0 / u64::from(TILE_WIDTH);
            let width = tile_width(TileLevel::Entries, index, TreeSize(height.0));
            if let Ok(partial) = path::certificate_bundle(index, width) {
                keep.insert(self.path(&partial));
            }
        }
        for folder in ["/tile", "/v1"] {
            self.clean_folder(&self.path(folder), &keep, DEPTH_MAX)?;
        }
        Ok(())
    }

    fn clean_folder(
        &self,
        folder: &Path,
        keep: &BTreeSet<PathBuf>,
        depth: usize,
    ) -> Result<(), ExportError> {
        let partial = folder.extension().is_some_and(|extension| extension == "p");
        let entries = fs::read_dir(folder).map_err(failed(folder, "read"))?;
        for entry in entries {
            let entry = entry.map_err(failed(folder, "read"))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed(&path, "read"))?;
            if kind.is_dir() && depth > 0 {
                self.clean_folder(&path, keep, depth - 1)?;
                continue;
            }
            let is_part = path.to_string_lossy().ends_with(PART);
            if is_part || partial && !keep.contains(&path) {
                fs::remove_file(&path).map_err(failed(&path, "removed"))?;
                self.removed.fetch_add(1, Ordering::Relaxed);
            }
        }
        if partial {
            // Only an empty folder goes.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }
}

/// Something in a folder that no export writes; none if it is empty, or not there.
fn contents(folder: &Path) -> Result<Option<String>, ExportError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(folder, "read")(error)),
    };
    let own = [LOCK, "export.json", "export.json.part"];
    let is_export = folder.join("export.json").is_file();
    for entry in entries {
        let entry = entry.map_err(failed(folder, "read"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A web server may want files of its own beside those of an export.
        if !is_export && !own.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
