//! The last cosignature: what keeps a cosigner key from telling two stories (rule C1).
//!
//! ```text
//! cosigner/<cosigner key id>/last   (size, root, time) of the newest cosignature
//! ```

use std::path::Path;

use credlog_ledger::ids::{KeyId, Root};
use serde::{Deserialize, Serialize};

use crate::folder::COSIGNER;
use crate::key_file::{KeyFile, KeyFileError, Place};
use crate::slots::Slot;
use crate::store::Store;

const LAST: &str = "last";

/// What a cosignature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosigned {
    /// Leaves of the log.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Root,
    /// When, in Unix seconds.
    pub time: u64,
}

/// A cosignature that must not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignerError {
    /// Of a smaller log than before.
    #[error("no cosignature of size {size} (rule C1): this key has cosigned size {last}")]
    Smaller {
        /// Leaves of the log.
        size: u64,
        /// Leaves of the log that was cosigned last.
        last: u64,
    },
    /// Of another log than before.
    #[error(
        "no cosignature of size {size} with root {root} (rule C1): this key has cosigned that \
         size with root {last}. The log has two histories: stop and inform the members"
    )]
    OtherRoot {
        /// Leaves of the log.
        size: u64,
        /// Root of the log.
        root: Root,
        /// Root that was cosigned for that size.
        last: Root,
    },
    /// At an earlier time than before.
    #[error("no cosignature at second {time} (rule C1): this key has cosigned at second {last}")]
    Earlier {
        /// The time.
        time: u64,
        /// Time of the last cosignature.
        last: u64,
    },
    /// The key's file fails.
    #[error(transparent)]
    File(#[from] KeyFileError),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    cosigned: Option<Cosigned>,
}

impl Slot for Last {
    const NAME: &'static str = "the last cosignature";
    type Order = Option<(u64, u64)>;

    fn order(&self) -> Self::Order {
        self.cosigned.map(|last| (last.size, last.time))
    }
}

/// The file of one cosigner key.
#[derive(Debug)]
pub struct Cosigner {
    file: KeyFile<Last>,
}

fn place(dir: &Path, key: KeyId) -> Place<'_> {
    Place {
        dir,
        family: COSIGNER,
        key,
        name: LAST,
    }
}

/// Makes the file of a cosigner key, unless it is there.
pub(crate) fn make(dir: &Path, key: KeyId) -> Result<(), KeyFileError> {
    place(dir, key).make(&Last { cosigned: None })
}

impl Cosigner {
    /// Opens the file of a cosigner key; `new_key` as for [`Ballot::open`](crate::Ballot::open).
    ///
    /// # Errors
    /// As for [`Ballot::open`](crate::Ballot::open).
    pub fn open(store: &Store, key: KeyId, new_key: bool) -> Result<Self, KeyFileError> {
        let place = place(store.dir(), key);
        if new_key {
            store.may_make_key(&place)?;
            make(store.dir(), key)?;
        }
        Ok(Self {
            file: place.open()?,
        })
    }

    /// The newest cosignature of this key that may have been released.
    pub fn last(&self) -> Option<Cosigned> {
        self.file.newest().cosigned
    }

    /// Notes a cosignature; durable when this returns, and only then may it be released. The
    /// same one again is no other one.
    ///
    /// # Errors
    /// Every [`CosignerError`]: the cosignature must not be released.
    pub fn note(&mut self, next: Cosigned) -> Result<(), CosignerError> {
        if let Some(last) = self.last() {
            if next.size < last.size {
                return Err(CosignerError::Smaller {
                    size: next.size,
                    last: last.size,
                });
            }
            if next.size == last.size && next.root != last.root {
                return Err(CosignerError::OtherRoot {
                    size: next.size,
                    root: next.root,
                    last: last.root,
                });
            }
            if next.time < last.time {
                return Err(CosignerError::Earlier {
                    time: next.time,
                    last: last.time,
                });
            }
        }
        let cosigned = Some(next);
        Ok(self.file.write(Last { cosigned })?)
    }
}
