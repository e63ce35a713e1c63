//! What to issue: found, read and checked for its form before anything is issued.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use credlog_credential::{Credential, Form};
use credlog_ledger::ids::{AchievementId, Digest, IssuerId};
use credlog_verify::Terms;
use csv::StringRecord;

use super::output::Output;
use super::sheet::{RowAt, Sheet};
use crate::folder;
use crate::outcome::{During, Failure, Result};
use crate::parallel;
use crate::screen::count;

/// Problems that are listed one by one; more are counted.
const PROBLEMS_SHOWN_MAX: usize = 20;
/// Problems after which no more rows are looked at.
const PROBLEMS_MAX: usize = 1_000;
/// Rows that are checked at once.
const ROWS_AT_ONCE: usize = 4_096;

/// A credential to issue. Its content is read again when its turn comes.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) origin: Origin,
    /// Name of the file in the output folder.
    pub(super) file: String,
    /// Digest of the content as it came in: how a later run knows it again.
    pub(super) digest: Digest,
}

/// Where a credential comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A file of its own.
    File(PathBuf),
    /// A row of a table.
    Row(Arc<Sheet>, RowAt),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Row(sheet, at) => f.write_str(&sheet.label(at.number)),
        }
    }
}

/// A credential as it came in.
pub(super) struct Content {
    pub(super) credential: Credential,
    /// Byte for byte, if it is a file.
    text: Option<Vec<u8>>,
}

impl Content {
    /// A credential that stays as it is, and its text.
    pub(super) fn into_text(self) -> Result<(Credential, String)> {
        let text = match self.text {
            Some(bytes) => String::from_utf8(bytes)?,
            None => serde_json::to_string(self.credential.document())?,
        };
        Ok((self.credential, text))
    }
}

impl Source {
    /// Whether it is a row of a table.
    pub(super) fn is_row(&self) -> bool {
        matches!(self.origin, Origin::Row(..))
    }

    /// Reads it again; it must not have changed.
    pub(super) fn read(&self) -> Result<Content> {
        let (digest, content) = match &self.origin {
            Origin::File(path) => {
                let bytes = folder::read(path)?;
                let credential = parse(path, &bytes)?;
                let text = Some(bytes);
                (digest(&credential), Content { credential, text })
            }
            Origin::Row(sheet, at) => {
                let (document, digest) = sheet.fill(at.number, &sheet.row(*at)?)?;
                let credential =
                    Credential::from_json(document).during(|| self.origin.to_string())?;
                let text = None;
                (digest, Content { credential, text })
            }
        };
        if digest == self.digest {
            return Ok(content);
        }
        Err(Failure::input("it was changed while it was issued").during(self.origin.to_string()))
    }
}

/// Finds the files: those named, and those that lie in folders named.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(credential_files(path)?);
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// The files of a folder with credentials as JSON or JWS, in the order of their names; hidden files
/// are left out.
pub(crate) fn credential_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).during(|| folder.display().to_string())? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let form = Form::of_file_name(&name);
        if !hidden && matches!(form, Some(Form::Json | Form::Jws)) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::input(format!(
            "{} holds no .json, .jwt or .jws files",
            folder.display()
        )));
    }
    files.sort();
    Ok(files)
}

/// What a credential has to be.
#[derive(Clone, Copy)]
pub(super) struct Needed<'a> {
    pub(super) issuer: &'a IssuerId,
    pub(super) achievement: Option<&'a AchievementId>,
    pub(super) output: &'a Output,
}

/// What may be issued.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Each credential once.
    pub(super) sources: Vec<Source>,
    /// Further ones with the same content: the copy, and the one that is issued.
    pub(super) copies: Vec<(String, String)>,
}

/// Reads every file and checks its form; one bad file and nothing is issued.
pub(super) fn check(paths: &[PathBuf], needed: Needed<'_>) -> Result<Checked> {
    let mut gathering = Gathering::default();
    for path in paths {
        gathering.add(needed.of_file(path));
    }
    gathering.end("file")
}

/// Fills the template in for every row and checks what comes out; one bad row and nothing is
/// issued.
pub(super) fn check_rows(sheet: &Arc<Sheet>, needed: Needed<'_>) -> Result<Checked> {
    let mut gathering = Gathering::default();
    let mut rows = sheet.rows()?;
    loop {
        let window: Vec<_> = rows.by_ref().take(ROWS_AT_ONCE).collect();
        if window.is_empty() || gathering.problems.len() > PROBLEMS_MAX {
            break;
        }
        let found = parallel::map(&window, |row| match row {
            Ok((at, row)) => needed.of_row(sheet, *at, row),
            Err(failure) => Err(Failure::new(failure.exit, failure.message.clone())),
        });
        found.into_iter().for_each(|one| gathering.add(one));
    }
    gathering.end("row")
}

#[derive(Default)]
struct Gathering {
    checked: Checked,
    problems: Vec<String>,
    by_digest: HashMap<Digest, usize>,
    by_name: HashMap<String, usize>,
}

impl Gathering {
    fn add(&mut self, found: Result<Source>) {
        let source = match found {
            Ok(source) => source,
            Err(failure) => return self.problems.push(failure.message),
        };
        let sources = &mut self.checked.sources;
        if let Some(first) = self.by_digest.get(&source.digest) {
            let first = sources[*first].origin.to_string();
            let copy = (source.origin.to_string(), first);
            return self.checked.copies.push(copy);
        }
        if let Some(first) = self.by_name.insert(source.file.clone(), sources.len()) {
            self.problems.push(format!(
                "{} and {} would be one file in the output folder, {}",
                sources[first].origin, source.origin, source.file
            ));
        }
        self.by_digest.insert(source.digest, sources.len());
        sources.push(source);
    }

    fn end(self, noun: &str) -> Result<Checked> {
        if self.problems.is_empty() && self.checked.sources.is_empty() {
            return Err(Failure::input(format!("there is no {noun} to issue")));
        }
        if self.problems.is_empty() {
            return Ok(self.checked);
        }
        let number = self.problems.len();
        let mut text = format!(
            "{} cannot be issued; nothing was issued",
            count(number, noun)
        );
        for problem in self.problems.iter().take(PROBLEMS_SHOWN_MAX) {
            text.push_str(&format!("\n  {problem}"));
        }
        if number > PROBLEMS_SHOWN_MAX {
            text.push_str(&format!("\n  and {} more", number - PROBLEMS_SHOWN_MAX));
        }
        Err(Failure::input(text))
    }
}

impl Needed<'_> {
    fn of_file(self, path: &Path) -> Result<Source> {
        let credential = read(path)?;
        self.check(&credential)
            .during(|| path.display().to_string())?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name
            .filter(|name| !name.chars().any(char::is_control))
            .ok_or_else(|| {
                Failure::input(format!(
                    "{path:?} has a name that is not plain text; rename it"
                ))
            })?;
        Ok(Source {
            origin: Origin::File(path.to_owned()),
            file: self.output.file_for(name, &credential),
            digest: digest(&credential),
        })
    }

    fn of_row(self, sheet: &Arc<Sheet>, at: RowAt, row: &StringRecord) -> Result<Source> {
        let (document, digest) = sheet.fill(at.number, row)?;
        let during = || sheet.label(at.number);
        // Through its text: what is issued has to be read again by others.
        let credential = Credential::parse(document.to_string().as_bytes()).during(during)?;
        self.check(&credential).during(during)?;
        let stem = sheet.file_stem(at.number, row)?;
        Ok(Source {
            origin: Origin::Row(Arc::clone(sheet), at),
            file: self.output.file(&stem),
            digest,
        })
    }

    fn check(self, credential: &Credential) -> Result<()> {
        let issuer = self.issuer;
        if credential.issuer_id() != issuer.as_str() {
            return Err(Failure::input(format!(
                "it names the issuer {}, but this is the folder of {issuer}",
                credential.issuer_id()
            )));
        }
        Terms::of(credential, self.achievement)?;
        Ok(())
    }
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
    let at = || path.display().to_string();
    match Form::sniff(bytes) {
        Some(Form::Jws) => Credential::from_jws(&String::from_utf8_lossy(bytes)).during(at),
        Some(Form::Png | Form::Svg) => Err(Failure::input(format!(
            "{} is an image; take its credential out with `credlog unbake`",
            path.display()
        ))),
        _ => Credential::parse(bytes).during(at),
    }
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

    const OUTPUT: Output = Output {
        as_jws: false,
        image: None,
    };

    fn needed(issuer: &IssuerId) -> Needed<'_> {
        Needed {
            issuer,
            achievement: None,
            output: &OUTPUT,
        }
    }

    #[test]
    fn copies_are_issued_once_and_equal_names_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = write(folder.path(), "a.json", &credential("did:example:h"));
        let copy = write(folder.path(), "b.json", &credential("did:example:h"));
        let checked = check(&[first.clone(), copy.clone()], needed(&issuer())).unwrap();
        assert_eq!(checked.sources.len(), 1);
        let named = |path: &Path| path.display().to_string();
        assert_eq!(checked.copies, [(named(&copy), named(&first))]);
        let same_name = write(folder.path(), "sub/a.json", &credential("did:example:i"));
        let refused = check(&[first, same_name], needed(&issuer())).unwrap_err();
        assert!(
            refused.message.contains("would be one file"),
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
        let refused = check(&[good, foreign, empty, missing], needed(&issuer())).unwrap_err();
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
