//! Checkpoints: the name, size and root of a log in three lines (C2SP tlog-checkpoint).

use crate::hash::{Hash, HashError, TreeSize, decimal};
use crate::key::NAME_BYTES_MAX;
use thiserror::Error;

/// A log at one size. What is signed and voted on is its [`Checkpoint::body`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: TreeSize,
    root: Hash,
}

impl Checkpoint {
    /// A checkpoint of the log with this origin.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`] for a name that cannot stand in the body.
    pub fn new(origin: &str, size: TreeSize, root: Hash) -> Result<Self, CheckpointError> {
        if origin.is_empty() || origin.len() > NAME_BYTES_MAX || origin.contains(char::is_control) {
            return Err(CheckpointError::Origin);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// Reads a body: exactly three lines, each ended by a newline.
    ///
    /// # Errors
    /// [`CheckpointError`] for any other text; extension lines are refused.
    pub fn parse(body: &str) -> Result<Self, CheckpointError> {
        let body = body.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        let count = decimal(size).ok_or(CheckpointError::Size)?;
        let root = Hash::from_base64(root).map_err(CheckpointError::Root)?;
        Self::new(origin, TreeSize(count), root)
    }

    /// The text that is signed: `<origin>\n<size>\n<base64 root>\n`.
    #[must_use]
    pub fn body(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        )
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// The root of the tree of that size.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }
}

/// Why a text is not the body of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not three lines.
    #[error("a checkpoint has exactly three lines, origin, size and root; extensions are refused")]
    Lines,
    /// The origin cannot stand in a line.
    #[error("the origin must have 1 to {NAME_BYTES_MAX} bytes and no control character")]
    Origin,
    /// The size is not a decimal number in its shortest form.
    #[error("the size of a checkpoint must be a decimal number without leading zeros")]
    Size,
    /// The root is not the base64 of 32 bytes.
    #[error("the root of the checkpoint is malformed: {0}")]
    Root(#[source] HashError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::empty_root;

    #[test]
    fn only_the_one_spelling_passes() {
        let checkpoint = Checkpoint::new("example.org/log", TreeSize(10), empty_root()).unwrap();
        let body = checkpoint.body();
        assert_eq!(Checkpoint::parse(&body), Ok(checkpoint));
        let error = |body: &str| Checkpoint::parse(body).unwrap_err();
        assert_eq!(error(body.trim_end()), CheckpointError::Lines);
        assert_eq!(error(&format!("{body}extension\n")), CheckpointError::Lines);
        assert_eq!(error(&format!("{body}\n")), CheckpointError::Lines);
        for size in ["", "+10", "010", "-1", " 10", "18446744073709551616", "1e1"] {
            assert_eq!(
                error(&body.replace("10", size)),
                CheckpointError::Size,
                "{size}"
            );
        }
        assert_eq!(
            error(&body.replace("example.org/log", "")),
            CheckpointError::Origin
        );
        assert_eq!(
            error(&body.replace("example", "ex\u{7f}ample")),
            CheckpointError::Origin
        );
        assert!(matches!(
            error(&body.replace('=', "")),
            CheckpointError::Root(_)
        ));
    }
}
