//! What a command is about: credential files, folders of them, digests, rows of issued.csv.

use std::path::{Path, PathBuf};

use credlog_credential::json::{Limits, parse_strict};
use credlog_credential::{Credential, Form, Opened, problem};
use credlog_ledger::ids::Digest;
use credlog_verify::receipt::{
    RECEIPT_BYTES_MAX, Receipt, Refusal, STAPLE_MEMBER, StapleError, unstaple,
};

use crate::command::issue::source::credential_files;
use crate::folder;
use crate::outcome::{Failure, Result};

/// Limits of a credential with a receipt.
pub(crate) const STAPLED: Limits = Limits {
    bytes_max: Limits::DEFAULT.bytes_max + RECEIPT_BYTES_MAX,
    ..Limits::DEFAULT
};

/// One credential that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A credential's file.
    File(PathBuf),
    /// Only its digest.
    Digest(Digest),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// Reads words of the command line: a digest is 64 hex digits and no file of that name.
pub(crate) fn named(words: &[PathBuf]) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for word in words {
        if word.is_dir() {
            targets.extend(credential_files(word)?.into_iter().map(Target::File));
        } else if let (false, Some(digest)) = (word.exists(), as_digest(word)) {
            targets.push(Target::Digest(digest));
        } else if word.exists() {
            targets.push(Target::File(word.clone()));
        } else {
            return Err(Failure::input(format!(
                "{} is neither a file nor a folder nor a digest (64 hex digits)",
                word.display()
            )));
        }
    }
    Ok(targets)
}

fn as_digest(word: &Path) -> Option<Digest> {
    word.to_str()?.to_ascii_lowercase().parse().ok()
}

/// A condition on a row: `COLUMN=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    column: String,
    value: String,
}

impl std::str::FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once('=') {
            Some((column, value)) if !column.is_empty() => Ok(Self {
                column: column.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(format!("{text:?} is not COLUMN=VALUE")),
        }
    }
}

/// The digests of the rows of a table that meet every condition.
pub(crate) fn rows(path: &Path, conditions: &[Condition]) -> Result<Vec<Target>> {
    let bytes = folder::read(path)?;
    let at = |message: String| Failure::input(format!("{}: {message}", path.display()));
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let head = reader
        .headers()
        .map_err(|error| at(error.to_string()))?
        .clone();
    let column = |name: &str| {
        head.iter().position(|one| one == name).ok_or_else(|| {
            let known: Vec<_> = head.iter().collect();
            at(format!(
                "there is no column {name:?}; there are {}",
                known.join(", ")
            ))
        })
    };
    let digest = column("digest")?;
    let wanted = conditions
        .iter()
        .map(|one| Ok((column(&one.column)?, one.value.as_str())))
        .collect::<Result<Vec<_>>>()?;
    let mut targets = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| at(error.to_string()))?;
        if wanted
            .iter()
            .all(|(column, value)| row.get(*column) == Some(*value))
        {
            let text = row.get(digest).unwrap_or_default();
            targets.push(Target::Digest(
                text.parse().map_err(|error| at(format!("{error}")))?,
            ));
        }
    }
    if targets.is_empty() {
        return Err(at("no row meets the conditions".to_owned()));
    }
    Ok(targets)
}

/// Reads a credential file.
pub(crate) fn read(path: &Path) -> std::result::Result<Credential, Unreadable> {
    let bytes = folder::read(path).map_err(Unreadable::File)?;
    parse(&bytes).map_err(|error| match error {
        Unreadable::File(failure) => Unreadable::File(failure.during(path.display().to_string())),
        other => other,
    })
}

/// Reads a credential from the content of a file, in any form.
pub(crate) fn parse(bytes: &[u8]) -> std::result::Result<Credential, Unreadable> {
    match open(bytes)? {
        Opened::Credential(credential) => Ok(*credential),
        Opened::Presentation(_) => Err(Unreadable::NoCredential {
            reason: "it is a presentation, which may hold several credentials".to_owned(),
            problem: problem::MALFORMED_VALUE_ERROR.to_owned(),
        }),
    }
}

/// Reads a credential or presentation from the content of a file, in any form; a receipt that is
/// stapled to it is left aside.
pub(crate) fn open(bytes: &[u8]) -> std::result::Result<Opened, Unreadable> {
    match split(bytes) {
        Some((alone, _)) => open_alone(&alone),
        None => open_alone(bytes),
    }
}

/// The receipt that is stapled to the content of a file.
pub(crate) fn stapled(bytes: &[u8]) -> Option<std::result::Result<Receipt, Refusal>> {
    split(bytes).map(|(_, receipt)| receipt)
}

/// A credential and the receipt that is stapled to it.
fn split(bytes: &[u8]) -> Option<(Vec<u8>, std::result::Result<Receipt, Refusal>)> {
    let member = STAPLE_MEMBER.as_bytes();
    if !bytes.windows(member.len()).any(|window| window == member) {
        return None;
    }
    let mut document = parse_strict(bytes, STAPLED).ok()?;
    let receipt = match unstaple(&mut document) {
        Ok(receipt) => Ok(receipt?),
        Err(StapleError::Receipt(refusal)) => Err(refusal),
        Err(_) => return None,
    };
    Some((serde_json::to_vec(&document).ok()?, receipt))
}

fn open_alone(bytes: &[u8]) -> std::result::Result<Opened, Unreadable> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Unreadable::NoCredential {
            reason: "the file is empty".to_owned(),
            problem: problem::PARSING_ERROR.to_owned(),
        });
    }
    // An array is JSON, and why it is no credential is told better by whoever reads JSON.
    let is_array = bytes.trim_ascii_start().starts_with(b"[");
    let form = is_array.then_some(Form::Json);
    credlog_credential::open(bytes, form).map_err(|error| {
        if error.is_too_large() {
            // It may be a credential, and nobody looked at it.
            let failure = Failure::input(error.to_string());
            return Unreadable::File(failure.of_problem(error.problem_type()));
        }
        Unreadable::NoCredential {
            reason: error.to_string(),
            problem: error.problem_type().to_owned(),
        }
    })
}

/// Why a file gave no credential.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It cannot be read, or is larger than any credential that is looked at.
    File(Failure),
    /// Its content is no credential.
    NoCredential {
        reason: String,
        /// W3C problem identifier.
        problem: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_all_conditions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issued.csv");
        let digests: Vec<_> = (1..=3).map(|n| Digest([n; 32]).to_string()).collect();
        let text = format!(
            "file,digest,name\na.json,{},\"Statistics, I\"\nb.json,{},Law\nc.json,{},Law\n",
            digests[0], digests[1], digests[2]
        );
        std::fs::write(&path, text).unwrap();
        let of = |conditions: &[&str]| {
            let conditions: Vec<_> = conditions.iter().map(|c| c.parse().unwrap()).collect();
            rows(&path, &conditions)
                .map(|targets| targets.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]).unwrap(), digests);
        assert_eq!(of(&["name=Law"]).unwrap(), digests[1..]);
        assert_eq!(of(&["name=Law", "file=c.json"]).unwrap(), digests[2..]);
        assert_eq!(of(&["name=Statistics, I"]).unwrap(), digests[..1]);
        assert!(
            of(&["name=Physics"])
                .unwrap_err()
                .message
                .contains("no row")
        );
        assert!(
            of(&["nmae=Law"])
                .unwrap_err()
                .message
                .contains("there is no column")
        );
        assert!("name".parse::<Condition>().is_err());
    }

    #[test]
    fn words_are_files_folders_or_digests() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.json");
        std::fs::write(&file, "{}").unwrap();
        let digest = Digest([0xab; 32]);
        let upper = PathBuf::from(digest.to_string().to_uppercase());
        let targets = named(&[folder.path().to_owned(), file.clone(), upper]).unwrap();
        let expected = [
            Target::File(file.clone()),
            Target::File(file),
            Target::Digest(digest),
        ];
        assert_eq!(targets, expected);
        assert!(named(&[folder.path().join("b.json")]).is_err());
    }
}
