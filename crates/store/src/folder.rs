//! The store's folder: its files, its lock, and putting damaged data aside.
//!
//! ```text
//! genesis.json           the genesis file; also carries the lock
//! sled/                  everything else
//! watermark              what is durable (see the watermark module)
//! quarantine-<seconds>/  damaged sled/ and watermark, put aside at that Unix time
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fs2::FileExt;

use crate::fault::OpenError;

pub(crate) const GENESIS: &str = "genesis.json";
pub(crate) const SLED: &str = "sled";
pub(crate) const WATERMARK: &str = "watermark";
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

/// Takes the folder for this process; the lock lasts as long as the file is open.
pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
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
    match FileExt::try_lock_exclusive(&file) {
        Ok(()) => Ok(file),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Err(OpenError::InUse {
            dir: dir.to_owned(),
        }),
        Err(error) => Err(io_error("locking", &path)(error)),
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
    sync_dir(dir).map_err(io_error("syncing", dir))?;
    Ok(aside)
}

/// The newest quarantine in a folder.
pub(crate) fn newest_quarantine(dir: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?;
    let quarantines = entries.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let seconds: u64 = name.strip_prefix(QUARANTINE)?.parse().ok()?;
        Some((seconds, dir.join(name)))
    });
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
