//! sled's own files, and making them durable.
//!
//! On Linux sled 0.34.7 flushes its file with `sync_file_range`, which neither writes the
//! file's new extents nor empties the disk's cache, and it does not sync blobs (files for
//! nodes over a quarter of a segment) at all. Both survive the end of the process, not a
//! loss of power; so the store syncs them before it writes the watermark.
//!
//! A commit syncs the blobs that were made since the last one, and must not look at all the
//! others: there is about one for each block ever stored. So the kernel tells which ones
//! are new (inotify); where it does not, their times do.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::inotify;
use rustix::io::Errno;

use crate::folder::sync_dir;

/// The file that sled keeps everything in but blobs.
const FILE: &str = "db";
/// The folder of its blobs.
const BLOBS: &str = "blobs";
/// How far the times of files and the clock may be apart.
const SLACK: Duration = Duration::from_secs(60);
/// Bytes of messages that are taken from the kernel at once; one takes 32 to 64.
const MESSAGES_BYTES: usize = 16 << 10;

/// sled's files, with the means to know which blobs are not durable yet. A blob never
/// changes.
#[derive(Debug)]
pub(crate) struct SledFiles {
    file: File,
    blobs: PathBuf,
    /// Names the blobs that are made; nothing if the kernel has none to give.
    news: Option<OwnedFd>,
    synced: SystemTime,
}

impl SledFiles {
    /// Whether sled has kept anything in a folder; it would begin anew without its file.
    pub(crate) fn exist(sled: &Path) -> io::Result<bool> {
        sled.join(FILE).try_exists()
    }

    /// The files of an open sled, made durable as far as they came after `since`.
    pub(crate) fn open(sled: &Path, since: SystemTime) -> io::Result<Self> {
        let blobs = sled.join(BLOBS);
        let files = Self {
            file: File::open(sled.join(FILE))?,
            news: watch(&blobs),
            blobs,
            synced: since,
        };
        files.file.sync_data()?;
        files.sync_blobs(&files.made_since(since)?)?;
        sync_dir(sled)?;
        Ok(files)
    }

    /// Makes all that sled has flushed durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let now = SystemTime::now();
        let made = match self.told()? {
            Some(made) => made,
            None => self.made_since(self.synced)?,
        };
        self.sync_blobs(&made)?;
        self.file.sync_data()?;
        self.synced = now;
        Ok(())
    }

    fn sync_blobs(&self, names: &BTreeSet<OsString>) -> io::Result<()> {
        for name in names {
            match File::open(self.blobs.join(name)) {
                Ok(blob) => blob.sync_data()?,
                // sled removes blobs that it needs no more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        match names.is_empty() {
            true => Ok(()),
            false => sync_dir(&self.blobs),
        }
    }

    /// The blobs that were made since this was asked before; nothing if that is not known.
    fn told(&self) -> io::Result<Option<BTreeSet<OsString>>> {
        let Some(news) = &self.news else {
            return Ok(None);
        };
        let mut buffer = [MaybeUninit::uninit(); MESSAGES_BYTES];
        let mut messages = inotify::Reader::new(news, &mut buffer);
        let (mut made, mut all) = (BTreeSet::new(), true);
        loop {
            match messages.next() {
                Ok(message) => {
                    let name = message.file_name();
                    made.extend(name.map(|name| OsStr::from_bytes(name.to_bytes()).to_owned()));
                    all &= !message
                        .events()
                        .contains(inotify::ReadFlags::QUEUE_OVERFLOW);
                }
                Err(Errno::WOULDBLOCK) => return Ok(all.then_some(made)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn made_since(&self, since: SystemTime) -> io::Result<BTreeSet<OsString>> {
        let since = since.checked_sub(SLACK).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut made = BTreeSet::new();
        for entry in fs::read_dir(&self.blobs)? {
            let entry = entry?;
            match entry.metadata().and_then(|found| found.modified()) {
                Ok(modified) if modified < since => {}
                Ok(_) => {
                    made.insert(entry.file_name());
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }
}

fn watch(blobs: &Path) -> Option<OwnedFd> {
    let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
    let news = inotify::init(flags).and_then(|news| {
        inotify::add_watch(&news, blobs, inotify::WatchFlags::CREATE)?;
        Ok(news)
    });
    news.inspect_err(|error| {
        tracing::warn!(%error, "inotify is not to be had: each commit lists all of sled's blobs");
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<OsString> {
        names.iter().map(OsString::from).collect()
    }

    #[test]
    fn new_blobs_are_known_once_told_or_listed() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = dir.path().join(BLOBS);
        fs::create_dir(&blobs).unwrap();
        fs::write(dir.path().join(FILE), b"file").unwrap();
        fs::write(blobs.join("1"), b"old").unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(3_600);
        let old = File::options().write(true).open(blobs.join("1")).unwrap();
        old.set_modified(long_ago).unwrap();
        let mut files = SledFiles::open(dir.path(), SystemTime::now()).unwrap();
        assert_eq!(files.told().unwrap(), Some(names(&[])));
        fs::write(blobs.join("2"), b"new").unwrap();
        fs::write(blobs.join("3"), b"new").unwrap();
        fs::remove_file(blobs.join("3")).unwrap();
        assert_eq!(files.told().unwrap(), Some(names(&["2", "3"])));
        assert_eq!(files.told().unwrap(), Some(names(&[])));
        assert_eq!(files.made_since(SystemTime::now()).unwrap(), names(&["2"]));
        assert_eq!(files.made_since(long_ago).unwrap(), names(&["1", "2"]));
        // What the kernel cannot tell (too much at once) is listed.
        for number in 0..20_000 {
            fs::write(blobs.join((100 + number).to_string()), b"").unwrap();
        }
        let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let told = files.told().unwrap();
        assert_eq!(
            told.is_none(),
            queue.trim().parse::<u32>().unwrap() < 20_000
        );
        for number in 0..20_000 {
            fs::remove_file(blobs.join((100 + number).to_string())).unwrap();
        }
        files.sync().unwrap();
        files.news = None;
        assert_eq!(files.told().unwrap(), None);
        files.sync().unwrap();
    }
}
