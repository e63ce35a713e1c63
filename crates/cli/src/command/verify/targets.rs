//! What is to be verified: files, folders, digests, and tables or lines that name them.
//!
//! Tables and lines are read as they are needed, so that a million digests take no room. What is
//! wrong with one of them is told in its place, and the next is read.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use credlog_credential::bake::IMAGE_BYTES_MAX;
use credlog_credential::{Credential, Form};
use credlog_ledger::ids::Digest;
use csv::StringRecord;
use serde_json::Value;

use crate::bounded::{self, Bounded, Room};
use crate::outcome::{During, Failure, Result};

/// Columns or members that are looked for when none is named.
const COLUMNS: [&str; 3] = ["digest", "file", "path"];
/// Longest line, and longest row of a table.
const LINE_BYTES_MAX: usize = Credential::TEXT_BYTES_MAX;
/// Endings of the names of tables.
const TABLES: [&str; 1] = ["csv"];
/// Endings of the names of files with a target a line.
const LINES: [&str; 3] = ["ndjson", "jsonl", "ldjson"];

/// One thing to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A file.
    File {
        /// As it was named.
        name: String,
        path: PathBuf,
    },
    /// A digest alone.
    Digest(Digest),
    /// The content itself.
    Content { name: String, bytes: Vec<u8> },
    /// Nothing that can be verified, and why.
    Unusable { name: String, reason: String },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::File { name, .. } | Self::Content { name, .. } | Self::Unusable { name, .. } => {
                f.write_str(name)
            }
        }
    }
}

/// All targets, in order.
pub(super) struct Targets {
    words: VecDeque<Word>,
    current: Option<Source>,
    column: Option<String>,
    /// How many there are, if that is known before they are read.
    pub(super) number: Option<usize>,
}

/// A word of the command line.
enum Word {
    One(Target),
    Table(PathBuf),
    Lines(PathBuf),
    StandardInput,
}

impl Targets {
    /// Reads the words of the command line: all of them have to be something.
    pub(super) fn named(words: &[PathBuf], column: Option<&str>) -> Result<Self> {
        let mut found = VecDeque::new();
        for word in words {
            if word.as_os_str() == "-" {
                found.push_back(Word::StandardInput);
            } else if word.is_dir() {
                found.extend(files(word)?);
            } else if word.exists() {
                found.push_back(of_file(word));
            } else if let Some(digest) = word.to_str().and_then(as_digest) {
                found.push_back(Word::One(Target::Digest(digest)));
            } else {
                return Err(Failure::input(format!(
                    "{} is neither a file nor a folder nor a digest (64 hex digits)",
                    word.display()
                )));
            }
        }
        let single = |word: &Word| matches!(word, Word::One(_));
        let number = found.iter().all(single).then_some(found.len());
        Ok(Self {
            words: found,
            current: None,
            column: column.map(str::to_owned),
            number,
        })
    }

    /// The next targets, at most so many; none at the end. A table without the column is an
    /// error.
    pub(super) fn window(&mut self, most: usize) -> Result<Vec<Target>> {
        let mut window = Vec::new();
        while window.len() < most {
            if let Some(source) = &mut self.current {
                match source.next() {
                    Some(target) => window.push(target),
                    None => self.current = None,
                }
                continue;
            }
            let column = self.column.as_deref();
            match self.words.pop_front() {
                None => break,
                Some(Word::One(target)) => window.push(target),
                Some(Word::Table(path)) => {
                    self.current = Some(Source::table(open(&path)?, &path, column)?);
                }
                Some(Word::Lines(path)) => {
                    self.current = Some(Source::lines(open(&path)?, &path, column));
                }
                Some(Word::StandardInput) => {
                    self.current = Some(Source::standard_input(column)?);
                }
            }
        }
        Ok(window)
    }
}

fn open(path: &Path) -> Result<Input> {
    let file = File::open(path).during(|| path.display().to_string())?;
    Ok(BufReader::new(Box::new(file)))
}

/// The files of a folder that may hold credentials, in the order of their names; folders in it and
/// hidden files are left out.
fn files(folder: &Path) -> Result<Vec<Word>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).during(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') && Form::of_file_name(&name).is_some() && path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Failure::input(format!(
            "{} holds no .json, .jwt, .jws, .png or .svg files",
            folder.display()
        )));
    }
    paths.sort();
    Ok(paths.iter().map(|path| of_file(path)).collect())
}

fn of_file(path: &Path) -> Word {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let among = |known: &[&str]| {
        ending.is_some_and(|ending| known.iter().any(|one| ending.eq_ignore_ascii_case(one)))
    };
    if among(&TABLES) {
        Word::Table(path.to_owned())
    } else if among(&LINES) {
        Word::Lines(path.to_owned())
    } else {
        Word::One(Target::File {
            name: path.display().to_string(),
            path: path.to_owned(),
        })
    }
}

fn as_digest(text: &str) -> Option<Digest> {
    text.to_ascii_lowercase().parse().ok()
}

type Input = BufReader<Box<dyn Read>>;

/// A table, lines, or one content.
struct Source {
    name: String,
    /// What paths are relative to.
    base: PathBuf,
    kind: Kind,
}

enum Kind {
    Table {
        reader: Box<csv::Reader<Bounded<Input>>>,
        room: Room,
        column: usize,
    },
    Lines {
        input: Input,
        column: Option<String>,
        number: u64,
    },
    Once(Option<Target>),
    Ended,
}

impl Source {
    fn table(input: Input, path: &Path, column: Option<&str>) -> Result<Self> {
        let name = path.display().to_string();
        let (bounded, room) = Bounded::new(input, LINE_BYTES_MAX as u64);
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(bounded);
        let head = reader.headers().during(|| name.clone())?;
        let find = |wanted: &str| head.iter().position(|one| one.trim() == wanted);
        let found = match column {
            Some(column) => find(column),
            None => COLUMNS.into_iter().find_map(find),
        };
        let column = found.ok_or_else(|| {
            let wanted = column.map_or_else(|| COLUMNS.join(", "), |column| format!("{column:?}"));
            let known: Vec<_> = head.iter().collect();
            Failure::input(format!(
                "{name}: there is no column {wanted}; there are {}: name one with --column",
                known.join(", ")
            ))
        })?;
        Ok(Self {
            name,
            base: base(path),
            kind: Kind::Table {
                reader: Box::new(reader),
                room,
                column,
            },
        })
    }

    fn lines(input: Input, path: &Path, column: Option<&str>) -> Self {
        Self {
            name: path.display().to_string(),
            base: base(path),
            kind: Kind::Lines {
                input,
                column: column.map(str::to_owned),
                number: 0,
            },
        }
    }

    /// Standard input: an image or a credential, a table, or lines.
    fn standard_input(column: Option<&str>) -> Result<Self> {
        let name = "standard input";
        let mut input = BufReader::new(std::io::stdin());
        let begin = input.fill_buf().during(|| name.to_owned())?;
        if matches!(Form::sniff(begin), Some(Form::Png | Form::Svg)) {
            return Self::whole(name, Vec::new(), input);
        }
        let first = bounded::line(&mut input, LINE_BYTES_MAX)
            .during(|| name.to_owned())?
            .and_then(std::result::Result::ok)
            .unwrap_or_default();
        let trimmed = first.trim_ascii();
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(trimmed).is_ok();
        if trimmed.starts_with(b"{") && !is_json {
            return Self::whole(name, [first.as_slice(), b"\n"].concat(), input);
        }
        let again = Cursor::new([first.as_slice(), b"\n"].concat()).chain(input);
        let again: Input = BufReader::new(Box::new(again));
        let path = Path::new(name);
        let text = String::from_utf8_lossy(trimmed).into_owned();
        let names: Vec<_> = text
            .split(',')
            .map(|one| one.trim_matches('"').trim())
            .collect();
        let is_head = match column {
            Some(column) => names.contains(&column),
            None => COLUMNS.iter().any(|one| names.contains(one)),
        };
        match is_head && !is_json {
            true => Self::table(again, path, column),
            false => Ok(Self::lines(again, path, column)),
        }
    }

    fn whole(name: &str, begin: Vec<u8>, rest: impl Read) -> Result<Self> {
        let mut bytes = begin;
        rest.take(IMAGE_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .during(|| name.to_owned())?;
        let name = name.to_owned();
        Ok(Self {
            name: name.clone(),
            base: PathBuf::new(),
            kind: Kind::Once(Some(Target::Content { name, bytes })),
        })
    }

    fn next(&mut self) -> Option<Target> {
        match &mut self.kind {
            Kind::Table { .. } => self.next_row(),
            Kind::Lines { .. } => self.next_line(),
            Kind::Once(target) => target.take(),
            Kind::Ended => None,
        }
    }

    fn next_row(&mut self) -> Option<Target> {
        let Kind::Table {
            reader,
            room,
            column,
        } = &mut self.kind
        else {
            return None;
        };
        room.make();
        let mut row = StringRecord::new();
        let line = reader.position().line();
        match reader.read_record(&mut row) {
            Ok(false) => None,
            Ok(true) => {
                let value = row.get(*column).unwrap_or_default().trim().to_owned();
                Some(self.of_text(&value, line))
            }
            Err(error) => {
                if error.is_io_error() {
                    self.kind = Kind::Ended;
                }
                Some(self.unusable(line, &error))
            }
        }
    }

    fn next_line(&mut self) -> Option<Target> {
        loop {
            let Kind::Lines { input, number, .. } = &mut self.kind else {
                return None;
            };
            *number += 1;
            let number = *number;
            let line = match bounded::line(input, LINE_BYTES_MAX) {
                Ok(None) => return None,
                Ok(Some(Ok(line))) => line,
                Ok(Some(Err(length))) => {
                    let reason = format!("it has {length} bytes; {LINE_BYTES_MAX} are the most");
                    return Some(self.unusable(number, &reason));
                }
                Err(error) => {
                    self.kind = Kind::Ended;
                    return Some(self.unusable(number, &error));
                }
            };
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Some(self.of_line(line, number));
            }
        }
    }

    /// A line is a credential, an object or string that names one, or plain text that does.
    fn of_line(&self, line: &[u8], number: u64) -> Target {
        let Ok(text) = std::str::from_utf8(line) else {
            return self.unusable(number, &"it is not UTF-8");
        };
        if !text.starts_with(['{', '"']) {
            return self.of_text(text, number);
        }
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => return self.unusable(number, &format!("it is not JSON: {error}")),
        };
        if value.get("@context").is_some() {
            return self.content(line, number);
        }
        let wanted = match &self.kind {
            Kind::Lines {
                column: Some(column),
                ..
            } => vec![column.as_str()],
            _ => COLUMNS.to_vec(),
        };
        let named = match &value {
            Value::String(text) => Some(text.as_str()),
            _ => wanted.iter().find_map(|name| value.get(name)?.as_str()),
        };
        match named {
            Some(text) => self.of_text(text.trim(), number),
            None => {
                let wanted = wanted.join(", ");
                self.unusable(number, &format!("it names nothing under {wanted}"))
            }
        }
    }

    /// A digest, a compact JWS, or the path of a file.
    fn of_text(&self, text: &str, number: u64) -> Target {
        if let Some(digest) = as_digest(text) {
            return Target::Digest(digest);
        }
        if text.is_empty() {
            return self.unusable(number, &"it names nothing");
        }
        if text.starts_with("eyJ") && Form::sniff(text.as_bytes()) == Some(Form::Jws) {
            return self.content(text.as_bytes(), number);
        }
        Target::File {
            name: text.to_owned(),
            path: self.base.join(text),
        }
    }

    fn content(&self, bytes: &[u8], number: u64) -> Target {
        Target::Content {
            name: self.label(number),
            bytes: bytes.to_vec(),
        }
    }

    fn unusable(&self, number: u64, reason: &dyn fmt::Display) -> Target {
        Target::Unusable {
            name: self.label(number),
            reason: reason.to_string(),
        }
    }

    fn label(&self, number: u64) -> String {
        format!("{}, line {number}", self.name)
    }
}

fn base(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(words: &[&Path], column: Option<&str>) -> Vec<Target> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut targets = Targets::named(&words, column).unwrap();
        let mut all = Vec::new();
        loop {
            let window = targets.window(2).unwrap();
            if window.is_empty() {
                return all;
            }
            all.extend(window);
        }
    }

    fn file(path: &Path, name: &str) -> Target {
        Target::File {
            name: name.to_owned(),
            path: path.to_owned(),
        }
    }

    #[test]
    fn words_are_files_folders_or_digests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, "{}").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        std::fs::write(folder.path().join(".b.json"), "{}").unwrap();
        let digest = Digest([0xab; 32]);
        let upper = PathBuf::from(digest.to_string().to_uppercase());
        let named = file(&path, path.to_str().unwrap());
        let found = all(&[folder.path(), &path, &upper], None);
        assert_eq!(found, [named.clone(), named, Target::Digest(digest)]);
        assert!(Targets::named(&[folder.path().join("b.json")], None).is_err());
    }

    #[test]
    fn a_table_names_digests_or_paths_and_bad_rows_stop_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("people.csv");
        let digest = Digest([7; 32]);
        let mut text =
            format!("name,path,digest\nAda,sub/a.json,{digest}\nB\nC,c.png,\n").into_bytes();
        text.extend_from_slice(b"\xff,\xff,\xff\n");
        text.extend_from_slice(format!("E,e.json,{digest}").as_bytes());
        std::fs::write(&table, &text).unwrap();
        let label = |line| format!("{}, line {line}", table.display());
        let unusable = |line, reason: &str| Target::Unusable {
            name: label(line),
            reason: reason.to_owned(),
        };
        let found = all(&[&table], None);
        assert_eq!(found[0], Target::Digest(digest));
        assert_eq!(found[1], unusable(3, "it names nothing"));
        assert_eq!(found[2], unusable(4, "it names nothing"));
        assert!(matches!(&found[3], Target::Unusable { .. }));
        assert_eq!(found[4], Target::Digest(digest));
        let found = all(&[&table], Some("path"));
        assert_eq!(
            found[0],
            file(&folder.path().join("sub/a.json"), "sub/a.json")
        );
        assert_eq!(found[2], file(&folder.path().join("c.png"), "c.png"));
        let mut targets = Targets::named(std::slice::from_ref(&table), Some("age")).unwrap();
        let refused = targets.window(1).unwrap_err().message;
        assert!(
            refused.contains("no column \"age\"; there are name"),
            "{refused}"
        );
    }

    #[test]
    fn a_line_is_a_credential_or_names_one() {
        let folder = tempfile::tempdir().unwrap();
        let lines = folder.path().join("all.ndjson");
        let digest = Digest([7; 32]);
        let credential = r#"{"@context": [], "type": "x"}"#;
        let text = format!(
            "{{\"digest\": \"{digest}\"}}\n\n\"{digest}\"\n{digest}\n{{\"file\": \"a.json\"}}\r\n\
             {credential}\n{{\"x\": 1}}\n{{\n"
        );
        std::fs::write(&lines, text).unwrap();
        let found = all(&[&lines], None);
        assert_eq!(found[..3], [1, 2, 3].map(|_| Target::Digest(digest)));
        assert_eq!(found[3], file(&folder.path().join("a.json"), "a.json"));
        let content = Target::Content {
            name: format!("{}, line 6", lines.display()),
            bytes: credential.into(),
        };
        assert_eq!(found[4], content);
        assert!(
            found[5..]
                .iter()
                .all(|one| matches!(one, Target::Unusable { .. }))
        );
        assert_eq!(found.len(), 7);
    }
}
