//! How a command ends: exit codes, and failures with a text for people.

use std::process::ExitCode;

/// Exit codes, the same for every command (docs/cli.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; for `verify`: every credential is valid.
    Done = 0,
    /// `verify`: a credential is invalid, revoked, suspended, superseded, not yet valid or
    /// expired.
    Negative = 1,
    /// `verify`: none of those, but a credential is not anchored or cannot be checked.
    Unknown = 2,
    /// The node cannot be reached or gave no usable answer.
    Node = 3,
    /// The ledger refused all that was asked.
    Refused = 4,
    /// A file, key, passphrase or folder is not what is needed.
    Input = 5,
    /// Part was done and part was not.
    Partly = 6,
    /// The store is damaged.
    Damaged = 7,
    /// The command line is wrong.
    Usage = 64,
    /// Interrupted by Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What happened, to what, and what to do.
    pub(crate) message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::Input, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The same failure with what was being done in front.
    pub(crate) fn during(mut self, what: impl AsRef<str>) -> Self {
        self.message = format!("{}: {}", what.as_ref(), self.message);
        self
    }
}

/// An error and its causes, as one line. A cause that its error repeats is left out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::input(chain(&error))
    }
}

/// Names what was being done when an error happened.
pub(crate) trait During<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Failure>> During<T> for std::result::Result<T, E> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().during(what()))
    }
}
