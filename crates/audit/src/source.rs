//! Where the files of a ledger come from: a node or web server, or a folder.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use credlog_api::{Client, ClientConfig, ClientError};
use tokio::runtime::Runtime;

/// A connection that breaks is tried again so often.
const ATTEMPTS: u32 = 4;
/// Pause before it is tried again, times the number of the attempt.
const PAUSE: Duration = Duration::from_millis(250);
/// Names in a folder that are looked at.
const NAMES_MAX: usize = 1_024;
/// Requests under way at a time: answers of a node take milliseconds, and a core is idle meanwhile.
const REQUESTS: usize = 8;
/// How often a node that asks for patience (429, 503) gets it; each pause is at most 10 s.
const PATIENCE: u32 = 120;

/// A file could not be read; whether it is there is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The node or web server did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file system did not.
    #[error("{path} cannot be read: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is longer than any file of its kind.
    #[error("{path} is longer than {bytes_max} bytes, the most that it can have; it was not read")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        bytes_max: usize,
    },
    /// No address and no folder.
    #[error("{text} is neither a folder nor an address such as https://node.example")]
    Neither {
        /// What was given.
        text: String,
    },
    /// The client cannot be set up.
    #[error("requests cannot be made on this machine: {reason}")]
    Setup {
        /// What the system says.
        reason: String,
    },
}

/// The files of a ledger, under the paths of the routes of a node (docs/formats.md, "Reading a
/// ledger").
pub trait Source: Sync {
    /// The bytes under a path, which begins with a slash; nothing where there is nothing.
    ///
    /// # Errors
    /// [`SourceError`] if the file cannot be read, or has more than `bytes_max` bytes.
    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, SourceError>;

    /// The names in a folder, where the source can tell; else none.
    ///
    /// # Errors
    /// [`SourceError`] if the folder cannot be read.
    fn names(&self, _folder: &str) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }

    /// How many reads at a time are sensible.
    fn readers(&self) -> usize;

    /// Whether what is there grows while it is read.
    fn is_live(&self) -> bool;
}

/// Opens an address (`http://…`, `https://…`) or a folder.
///
/// # Errors
/// [`SourceError::Neither`], and as for [`Web::open`].
pub fn open(place: &str, config: ClientConfig) -> Result<Box<dyn Source>, SourceError> {
    if place.starts_with("http://") || place.starts_with("https://") {
        return Ok(Box::new(Web::open(place, config)?));
    }
    let folder = Path::new(place);
    if !folder.is_dir() {
        let text = place.to_owned();
        return Err(SourceError::Neither { text });
    }
    Ok(Box::new(Folder::new(folder)))
}

/// A folder, as [`export`](crate::export) writes it.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at `root`.
    pub fn new(root: &Path) -> Self {
        let root = root.to_owned();
        Self { root }
    }
}

impl Source for Folder {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let path = self.root.join(path.trim_start_matches('/'));
        read_file(&path, bytes_max)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, SourceError> {
        let folder = self.root.join(folder.trim_start_matches('/'));
        let failed = |error: std::io::Error| SourceError::File {
            path: folder.clone(),
            reason: error.to_string(),
        };
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)?.take(NAMES_MAX) {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        Ok(names)
    }

    fn readers(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// The bytes of a file; nothing where there is none.
pub(crate) fn read_file(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, SourceError> {
    let failed = |error: std::io::Error| SourceError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let missing = |error: &std::io::Error| {
        use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
        matches!(error.kind(), NotFound | NotADirectory | IsADirectory)
    };
    // Before it is opened: to open a pipe is to wait for whoever writes into it.
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if missing(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if missing(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    let most = bytes_max as u64 + 1;
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        let path = path.to_owned();
        return Err(SourceError::TooLong { path, bytes_max });
    }
    Ok(Some(bytes))
}

/// A node, or a web server with a copy of its files.
pub struct Web {
    client: Client,
    runtime: Runtime,
}

impl Web {
    /// The node or server at a base URL.
    ///
    /// # Errors
    /// [`SourceError::Client`] for what is no address, [`SourceError::Setup`].
    pub fn open(url: &str, config: ClientConfig) -> Result<Self, SourceError> {
        let config = ClientConfig {
            retries_max: config.retries_max.max(PATIENCE),
            ..config
        };
        let client = Client::with_config(url, config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| SourceError::Setup {
            reason: error.to_string(),
        })?;
        Ok(Self { client, runtime })
    }

    /// The client, for what only a node answers.
    pub(crate) fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> Result<T, SourceError> {
        Ok(self.runtime.block_on(question(&self.client))?)
    }
}

impl Source for Web {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let mut attempt = 1;
        loop {
            let answer = self.runtime.block_on(self.client.file(path, bytes_max));
            match answer {
                Err(
                    ClientError::Unreachable { .. }
                    | ClientError::Timeout { .. }
                    | ClientError::Broken { .. },
                ) if attempt < ATTEMPTS => std::thread::sleep(PAUSE * attempt),
                answer => return Ok(answer?),
            }
            attempt += 1;
        }
    }

    fn readers(&self) -> usize {
        REQUESTS
    }

    fn is_live(&self) -> bool {
        true
    }
}
