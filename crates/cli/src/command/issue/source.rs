//! The files to issue: found, read and checked for their form before anything is issued.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use credlog_credential::Credential;
use credlog_ledger::ids::{AchievementId, Digest, IssuerId};
use credlog_verify::Terms;

use crate::folder;
use crate::outcome::{During, Failure, Result};
use crate::screen::count;

/// Problems that are listed one by one; more are counted.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// A credential to issue. Its content is read again when its turn comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Name of the file in the output folder.
    pub(super) file: String,
    /// Digest of the content as it came in: how a later run knows it again.
    pub(super) digest: Digest,
}

/// Finds the JSON files: those named, and those that lie in folders named.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(json_files(path)?);
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// The JSON files of a folder in the order of their names; hidden files are left out.
pub(crate) fn json_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).during(|| folder.display().to_string())? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        if !hidden && json && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::input(format!(
            "{} holds no .json files",
            folder.display()
        )));
    }
    files.sort();
    Ok(files)
}

/// Reads every file and checks its form; one bad file and nothing is issued.
pub(super) fn check(
    paths: &[PathBuf],
    issuer: &IssuerId,
    achievement: Option<&AchievementId>,
) -> Result<Checked> {
    let mut checked = Checked::default();
    let mut problems = Vec::new();
    let mut by_digest: HashMap<Digest, PathBuf> = HashMap::new();
    let mut by_name: HashMap<String, PathBuf> = HashMap::new();
    for path in paths {
        match check_one(path, issuer, achievement) {
            Err(failure) => problems.push(failure.message),
            Ok(source) => {
                if let Some(first) = by_digest.get(&source.digest) {
                    checked.copies.push((path.clone(), first.clone()));
                    continue;
                }
                if let Some(first) = by_name.insert(source.file.clone(), path.clone()) {
                    problems.push(format!(
                        "{} and {} have the same name, and would be one file in the output folder",
                        first.display(),
                        path.display()
                    ));
                }
                by_digest.insert(source.digest, path.clone());
                checked.sources.push(source);
            }
        }
    }
    if problems.is_empty() {
        return Ok(checked);
    }
    let number = problems.len();
    let mut text = format!(
        "{}; nothing was issued",
        count(number, "file cannot be issued")
    );
    if number > 1 {
        text = format!("{number} files cannot be issued; nothing was issued");
    }
    for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) {
        text.push_str(&format!("\n  {problem}"));
    }
    if number > PROBLEMS_SHOWN_MAX {
        text.push_str(&format!("\n  and {} more", number - PROBLEMS_SHOWN_MAX));
    }
    Err(Failure::input(text))
}

/// Files whose form is right.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Each credential once.
    pub(super) sources: Vec<Source>,
    /// Further files with the same content: the copy, and the file that is issued.
    pub(super) copies: Vec<(PathBuf, PathBuf)>,
}

fn check_one(
    path: &Path,
    issuer: &IssuerId,
    achievement: Option<&AchievementId>,
) -> Result<Source> {
    let credential = read(path)?;
    let at = || path.display().to_string();
    if credential.issuer_id() != issuer.as_str() {
        return Err(Failure::input(format!(
            "{} names the issuer {}, but this is the folder of {issuer}",
            path.display(),
            credential.issuer_id()
        )));
    }
    Terms::of(&credential, achievement).during(at)?;
    let name = path.file_name().and_then(|name| name.to_str());
    let file = name
        .filter(|name| !name.chars().any(char::is_control))
        .ok_or_else(|| {
            Failure::input(format!(
                "{path:?} has a name that is not plain text; rename it"
            ))
        })?;
    Ok(Source {
        path: path.to_owned(),
        file: file.to_owned(),
        digest: digest(&credential),
    })
}

/// Reads a credential, signed or not.
pub(super) fn read(path: &Path) -> Result<Credential> {
    parse(path, &folder::read(path)?)
}

/// Reads a credential from the content of a file.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Credential> {
    if bytes.is_empty() {
        return Err(Failure::input(format!("{} is empty", path.display())));
    }
    Credential::parse(bytes).during(|| path.display().to_string())
}

/// The digest of a credential as the ledger counts it.
pub(super) fn digest(credential: &Credential) -> Digest {
    credlog_verify::digest_of(credential)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn write(folder: &Path, name: &str, value: &Value) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, value.to_string()).unwrap();
        path
    }

    fn credential(subject: &str) -> Value {
        json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiableCredential"],
            "issuer": "did:example:a",
            "validFrom": "2026-01-01T00:00:00Z",
            "credentialSubject": {"id": subject},
        })
    }

    fn issuer() -> IssuerId {
        "did:example:a".parse().unwrap()
    }

    #[test]
    fn copies_are_issued_once_and_equal_names_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = write(folder.path(), "a.json", &credential("did:example:h"));
        let copy = write(folder.path(), "b.json", &credential("did:example:h"));
        let checked = check(&[first.clone(), copy.clone()], &issuer(), None).unwrap();
        assert_eq!(checked.sources.len(), 1);
        assert_eq!(checked.copies, [(copy, first.clone())]);
        let same_name = write(folder.path(), "sub/a.json", &credential("did:example:i"));
        let refused = check(&[first, same_name], &issuer(), None).unwrap_err();
        assert!(
            refused.message.contains("have the same name"),
            "{}",
            refused.message
        );
    }

    #[test]
    fn every_bad_file_is_named_before_anything_is_issued() {
        let folder = tempfile::tempdir().unwrap();
        let good = write(folder.path(), "good.json", &credential("did:example:h"));
        let mut foreign = credential("did:example:h");
        foreign["issuer"] = json!("did:example:x");
        let foreign = write(folder.path(), "foreign.json", &foreign);
        let empty = folder.path().join("empty.json");
        std::fs::write(&empty, "").unwrap();
        let missing = folder.path().join("missing.json");
        let refused = check(&[good, foreign, empty, missing], &issuer(), None).unwrap_err();
        for text in [
            "3 files",
            "did:example:x",
            "empty.json is empty",
            "missing.json",
        ] {
            assert!(
                refused.message.contains(text),
                "{text}: {}",
                refused.message
            );
        }
    }
}
