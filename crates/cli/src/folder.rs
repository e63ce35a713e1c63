//! Files of this program: written whole or not at all, never over something else.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::outcome::{During, Failure, Result};

/// Longest file that is read whole, in bytes; far above any that this program writes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone whom the umask lets.
    Public,
    /// The owner alone (mode 0600).
    Secret,
}

/// Reads a file of at most 64 MiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let during = || path.display().to_string();
    let file = File::open(path).during(during)?;
    if file.metadata().during(during)?.is_dir() {
        return Err(Failure::input(format!(
            "{} is a folder; a file is needed",
            path.display()
        )));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .during(during)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::input(format!(
            "{} is longer than {FILE_BYTES_MAX} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

/// Reads a JSON file of this program.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let bytes = read(path)?;
    if bytes.is_empty() {
        return Err(Failure::input(format!(
            "{} is empty; {what} is needed",
            path.display()
        )));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::input(format!("{} is not {what}: {error}", path.display())))
}

/// Writes a new file, whole or not at all, and makes it durable; a file that is there is left
/// alone.
pub(crate) fn write_new(path: &Path, bytes: &[u8], access: Access) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    set_mode(&mut options, access);
    let write = || {
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        name_new(&temporary, path)
    };
    let written = write();
    // It is there no more if it was renamed.
    let _ = fs::remove_file(&temporary);
    written.map_err(|error| unnamed(path, error))?;
    sync_parent(path)
}

/// Gives a file that is whole and durable its name, unless the name is taken.
pub(crate) fn name_whole(temporary: &Path, path: &Path) -> Result<()> {
    name_new(temporary, path).map_err(|error| unnamed(path, error))?;
    sync_parent(path)
}

fn unnamed(path: &Path, error: std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::AlreadyExists => is_there(path),
        _ => Failure::from(error).during(path.display().to_string()),
    }
}

/// The failure for a file that would have to be overwritten.
pub(crate) fn is_there(path: &Path) -> Failure {
    Failure::input(format!(
        "{} is there already and is not overwritten; move it away or choose another place",
        path.display()
    ))
}

/// Gives a whole file its name, unless the name is taken. A link cannot overwrite; file systems
/// without links (FAT) leave a moment between looking and renaming.
fn name_new(temporary: &Path, path: &Path) -> std::io::Result<()> {
    match fs::hard_link(temporary, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => match path.try_exists() {
            Ok(false) => fs::rename(temporary, path),
            Ok(true) => Err(ErrorKind::AlreadyExists.into()),
            Err(error) => Err(error),
        },
        result => result,
    }
}

/// Writes a file in place of the one that may be there: whole or not at all, and durable.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    replace_through(&path.with_file_name(format!(".{name}.tmp")), path, bytes)?;
    sync_parent(path)
}

/// The same with a place of its own for the unfinished file, on the same file system. The
/// content is durable, the name only after [`sync_parent`].
pub(crate) fn replace_through(temporary: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(temporary, path)
    };
    write().during(|| path.display().to_string())
}

/// A value as the JSON of a file.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Makes the entries of a file's folder durable.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    let parent = parent(path);
    File::open(&parent)
        .and_then(|folder| folder.sync_all())
        .during(|| parent.display().to_string())
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes a folder (and those above it) unless it is there.
pub(crate) fn make(path: &Path) -> Result<()> {
    fs::create_dir_all(path).during(|| path.display().to_string())
}

/// Makes a folder that must not be there, or must be empty.
pub(crate) fn make_new(path: &Path) -> Result<()> {
    make(path)?;
    let mut entries = fs::read_dir(path).during(|| path.display().to_string())?;
    if entries.next().is_some() {
        return Err(Failure::input(format!(
            "{} is not empty; name a new folder",
            path.display()
        )));
    }
    Ok(())
}

/// Makes a folder that only its owner may enter.
pub(crate) fn make_secret(path: &Path) -> Result<()> {
    make(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .during(|| path.display().to_string())?;
    }
    Ok(())
}

/// Makes the folders above a file that are not there; only their owner may enter them.
pub(crate) fn make_parents_secret(path: &Path) -> Result<()> {
    let parent = parent(path);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder
        .create(&parent)
        .during(|| parent.display().to_string())
}

/// Gives a whole folder its name, durably; its files are durable already.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).during(|| format!("{} to {}", from.display(), to.display()))?;
    sync_parent(to)
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, access: Access) {
    use std::os::unix::fs::OpenOptionsExt;
    if access == Access::Secret {
        options.mode(0o600);
    }
}

#[cfg(not(unix))]
fn set_mode(_: &mut OpenOptions, _: Access) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_by_write_new_and_all_of_it_by_replace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_new(&path, b"one", Access::Secret).unwrap();
        let refused = write_new(&path, b"two", Access::Public).unwrap_err();
        assert!(
            refused.message.contains("there already"),
            "{}",
            refused.message
        );
        assert_eq!(read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        replace(&path, b"three").unwrap();
        assert_eq!(read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn secret_files_have_mode_0600() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write_new(&path, b"secret", Access::Secret).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_folders_that_are_made_are_closed_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let there = folder.path().join("there");
        fs::create_dir(&there).unwrap();
        fs::set_permissions(&there, fs::Permissions::from_mode(0o755)).unwrap();
        make_parents_secret(&there.join("a/b/key.pem")).unwrap();
        assert_eq!(mode(&there), 0o755);
        assert_eq!(mode(&there.join("a")), 0o700);
        assert_eq!(mode(&there.join("a/b")), 0o700);
        make_parents_secret(Path::new("key.pem")).unwrap();
    }

    #[test]
    fn folders_and_empty_files_have_their_own_message() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            read(folder.path())
                .unwrap_err()
                .message
                .contains("is a folder")
        );
        let empty = folder.path().join("empty.json");
        fs::write(&empty, b"").unwrap();
        let refused = read_json::<serde_json::Value>(&empty, "a genesis file").unwrap_err();
        assert!(
            refused
                .message
                .contains("is empty; a genesis file is needed")
        );
    }
}
