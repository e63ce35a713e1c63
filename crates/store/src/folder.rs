//! The store's folder: its files, its lock, and putting damaged data aside.
//!
//! ```text
//! genesis.json           the genesis file; also carries the lock
//! sled/                  blocks, tiles, state, testimony
//! watermark              what is durable (see the watermark module)
//! undecided              blocks executed and not decided (see the undecided module)
//! votes/<key>/           what keeps a consensus key from voting twice (see ballot)
//! cosigner/<key>/        what keeps a cosigner key from telling two stories (see cosigner)
//! resync                 only while the store is filled anew after a loss (see resync)
//! observer.wal           the engine's log while it runs without a vote
//! quarantine-<seconds>/  damaged sled/ and watermark, put aside at that Unix time
//! ```

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fs2::FileExt;

use crate::fault::OpenError;

pub(crate) const GENESIS: &str = "genesis.json";
pub(crate) const SLED: &str = "sled";
pub(crate) const WATERMARK: &str = "watermark";
pub(crate) const UNDECIDED: &str = "undecided";
pub(crate) const VOTES: &str = "votes";
pub(crate) const COSIGNER: &str = "cosigner";
pub(crate) const RESYNC: &str = "resync";
pub(crate) const OBSERVER_WAL: &str = "observer.wal";
const QUARANTINE: &str = "quarantine-";

/// Writes a file so that after a crash it is there with the old content or the new.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Makes renames and new files in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

pub(crate) fn io_error(
    doing: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |error| OpenError::Io {
        doing,
        path,
        reason: error.to_string(),
    }
}

/// Makes a folder and those above it, durably.
pub(crate) fn make_durably(dir: &Path) -> io::Result<()> {
    let missing: Vec<_> = dir.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(dir)?;
    for made in missing.into_iter().rev() {
        match made.parent() {
            Some(above) if above != Path::new("") => sync_dir(above)?,
            Some(_) => sync_dir(Path::new("."))?,
            None => {}
        }
    }
    Ok(())
}

/// Removes what a crash in the midst of making a store left behind: without a genesis file,
/// which comes last, nothing in the folder was ever used. Answers whether nothing else is
/// there; if something is, nothing is removed. Files of keys stay in any case: whoever
/// removed the genesis file by hand must not make a key forget what it has signed.
pub(crate) fn clear_unfinished(dir: &Path) -> io::Result<bool> {
    let entries = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name()));
    let names = entries.collect::<io::Result<Vec<_>>>()?;
    let made_first = [SLED, WATERMARK, "watermark.new", "genesis.new", UNDECIDED];
    let of_keys = [VOTES, COSIGNER];
    let is_one_of = |name: &OsString, known: &[&str]| known.iter().any(|own| name == own);
    if names
        .iter()
        .any(|name| !is_one_of(name, &made_first) && !is_one_of(name, &of_keys))
    {
        return Ok(false);
    }
    for name in names.iter().filter(|name| is_one_of(name, &made_first)) {
        let path = dir.join(name);
        match fs::symlink_metadata(&path)?.is_dir() {
            true => fs::remove_dir_all(&path)?,
            false => fs::remove_file(&path)?,
        }
    }
    Ok(true)
}

/// A folder that this process has taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock(File);

impl Drop for FolderLock {
    /// Closing the file is not enough: a program that this process is just starting may hold a
    /// copy of its descriptor for a moment, and with it the lock.
    fn drop(&mut self) {
        if let Err(error) = FileExt::unlock(&self.0) {
            tracing::warn!(%error, "the store's folder could not be let go of");
        }
    }
}

/// Takes a folder that is no store yet.
pub(crate) fn lock_unfinished(dir: &Path) -> Result<FolderLock, OpenError> {
    let file = File::open(dir).map_err(io_error("opening", dir))?;
    try_lock(dir, dir, file)
}

/// Takes the folder for this process.
pub(crate) fn lock(dir: &Path) -> Result<FolderLock, OpenError> {
    let path = dir.join(GENESIS);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::NotAStore {
                dir: dir.to_owned(),
            });
        }
        Err(error) => return Err(io_error("opening", &path)(error)),
    };
    try_lock(dir, &path, file)
}

fn try_lock(dir: &Path, path: &Path, file: File) -> Result<FolderLock, OpenError> {
    match FileExt::try_lock_exclusive(&file) {
        Ok(()) => Ok(FolderLock(file)),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Err(OpenError::InUse {
            dir: dir.to_owned(),
        }),
        Err(error) => Err(io_error("locking", path)(error)),
    }
}

/// Moves sled's folder and the watermark aside.
pub(crate) fn quarantine(dir: &Path) -> Result<PathBuf, OpenError> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let aside = (seconds..)
        .map(|seconds| dir.join(format!("{QUARANTINE}{seconds}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| dir.join(QUARANTINE));
    fs::create_dir(&aside).map_err(io_error("making", &aside))?;
    for name in [SLED, WATERMARK] {
        let (from, to) = (dir.join(name), aside.join(name));
        match fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("moving aside", &from)(error)),
        }
    }
    sync_dir(&aside).map_err(io_error("syncing", &aside))?;
    sync_dir(dir).map_err(io_error("syncing", dir))?;
    Ok(aside)
}

/// The newest quarantine in a folder that holds `name`: a crash in the midst of putting
/// data aside leaves sled's folder in one and the watermark for the next.
pub(crate) fn newest_quarantine_with(dir: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?;
    let quarantines = entries.filter_map(|entry| {
        let aside = entry.ok()?.file_name().into_string().ok()?;
        let seconds: u64 = aside.strip_prefix(QUARANTINE)?.parse().ok()?;
        Some((seconds, dir.join(aside)))
    });
    let quarantines = quarantines.filter(|(_, path)| path.join(name).exists());
    quarantines.max().map(|(_, path)| path)
}

/// Copies a folder of files and folders.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
