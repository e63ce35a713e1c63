//! How a command ends: exit codes, and failures with a text for people.

use std::process::ExitCode;

use credlog_api::problem::TYPE_PREFIX;
use serde_json::{Value, json};

/// Exit codes, the same for every command (docs/cli.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; for `verify`: every credential is valid.
    Done = 0,
    /// `verify`: a credential is invalid, revoked, suspended, superseded, not yet valid or
    /// expired. `audit`: there are findings. `ledger export`: a fork.
    Negative = 1,
    /// `verify`: none of those, but a credential is not anchored or cannot be checked. `audit`: no
    /// finding, but it could not be finished.
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
    /// Nobody reads standard output any more: what a shell says of a program that SIGPIPE ended.
    BrokenPipe = 141,
}

impl Exit {
    /// A stable name for programs; more than the number only for people who read JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Negative => "negative",
            Self::Unknown => "unknown",
            Self::Node => "node",
            Self::Refused => "refused",
            Self::Input => "input",
            Self::Partly => "partly",
            Self::Damaged => "damaged",
            Self::Usage => "usage",
            Self::Interrupted => "interrupted",
            Self::BrokenPipe => "broken-pipe",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What happened, to what, and what to do.
    pub(crate) message: String,
    /// `type` of the problem, if the node or the ledger named one (docs/api.md, Problems), or a
    /// W3C problem identifier.
    problem: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            problem: None,
        }
    }

    /// The same failure with the `type` of the problem behind it.
    pub(crate) fn of_problem(mut self, type_uri: impl Into<String>) -> Self {
        self.problem = Some(type_uri.into());
        self
    }

    /// A stable name for programs: the problem's own code, or that of the exit.
    pub(crate) fn code(&self) -> &str {
        let problem = self.problem.as_deref();
        problem
            .and_then(|problem| problem.strip_prefix(TYPE_PREFIX))
            .unwrap_or(self.exit.code())
    }

    /// The failure for programs, as docs/cli.md describes it.
    pub(crate) fn json(&self) -> Value {
        let mut error = json!({
            "exit": self.exit as u8, "code": self.code(), "message": self.message,
        });
        if let Some(problem) = &self.problem {
            error["type"] = json!(problem);
        }
        error
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_a_stable_code_and_the_type_of_the_problem() {
        let failure = Failure::input("no");
        assert_eq!(
            failure.json(),
            json!({"exit": 5, "code": "input", "message": "no"})
        );
        let type_uri = format!("{TYPE_PREFIX}not-accredited");
        let failure = Failure::new(Exit::Refused, "no")
            .of_problem(&type_uri)
            .during("a.json");
        assert_eq!(
            failure.json(),
            json!({
                "exit": 4, "code": "not-accredited", "message": "a.json: no", "type": type_uri,
            })
        );
        let failure = Failure::input("no").of_problem("https://www.w3.org/x#PARSING_ERROR");
        assert_eq!(failure.code(), "input");
    }
}
