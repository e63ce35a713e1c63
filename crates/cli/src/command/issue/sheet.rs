//! A table of people and a template: each row is one credential to issue.
//!
//! The table is read twice, a row at a time: once to check every row before anything is issued,
//! and each row again when its turn comes. Only where rows lie is kept.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use credlog_ledger::ids::{Digest, IssuerId};
use csv::StringRecord;
use serde_json::Value;

use super::template::{BuiltIn, EmptyColumn, Template, Values};
use crate::bounded::Bounded;
use crate::folder;
use crate::moment;
use crate::outcome::{During, Failure, Result};
use crate::screen::shown;

/// Most rows of a table.
const ROWS_MAX: u32 = 1_000_000;
/// Most columns of a table.
const COLUMNS_MAX: usize = 256;
/// Longest value, in bytes.
const VALUE_BYTES_MAX: usize = 16 << 10;
/// Longest row, in bytes.
const ROW_BYTES_MAX: u64 = 256 << 10;
/// Longest file name that a row may give, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// What `{{now}}` is when a row is told from others: the time of a run does not make another
/// credential of it.
const NO_TIME: &str = "1970-01-01T00:00:00Z";
/// BLAKE3 `derive_key` context of `{{uuid}}`.
const UUID_CONTEXT: &str = "credlog issue row uuid v1";

/// A table with the template that its rows fill in.
#[derive(Debug)]
pub(super) struct Sheet {
    path: PathBuf,
    file: File,
    delimiter: u8,
    columns: Vec<String>,
    template: Template,
    /// Of issuer and template: what `{{uuid}}` is made from besides the row.
    seed: [u8; 32],
    issuer: IssuerId,
    now: String,
    name_column: Option<usize>,
}

/// Where a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowAt {
    /// Counted from 1, the head not among them.
    pub(super) number: u32,
    offset: u64,
    bytes: u32,
}

/// What to make of a table.
#[derive(Debug, Clone)]
pub(super) struct Wanted<'a> {
    pub(super) table: &'a Path,
    pub(super) template: &'a Path,
    pub(super) delimiter: char,
    pub(super) name_column: Option<&'a str>,
}

struct Filling<'s> {
    sheet: &'s Sheet,
    row: &'s StringRecord,
    number: u32,
    now: &'s str,
}

impl Values for Filling<'_> {
    fn column(&self, at: usize) -> &str {
        self.row.get(at).unwrap_or_default()
    }

    fn built_in(&self, which: BuiltIn) -> String {
        match which {
            BuiltIn::Issuer => self.sheet.issuer.to_string(),
            BuiltIn::Now => self.now.to_owned(),
            BuiltIn::Row => self.number.to_string(),
            BuiltIn::Uuid => self.sheet.uuid(self.row),
        }
    }
}

impl Sheet {
    /// Opens a table and reads its head and the template.
    pub(super) fn open(wanted: &Wanted<'_>, issuer: &IssuerId) -> Result<Self> {
        let path = wanted.table;
        let at = || path.display().to_string();
        let file = File::open(path).during(at)?;
        if !file.metadata().during(at)?.is_file() {
            return Err(Failure::input(format!(
                "{} is no ordinary file; a table is read twice",
                path.display()
            )));
        }
        let delimiter = u8::try_from(wanted.delimiter)
            .ok()
            .filter(u8::is_ascii)
            .ok_or_else(|| Failure::usage("--delimiter has to be one ASCII character"))?;
        let columns = columns(&file, delimiter).during(at)?;
        let text = folder::read(wanted.template)?;
        let of_template = || wanted.template.display().to_string();
        let template = Template::parse(&text, &columns).during(of_template)?;
        let name_column = match wanted.name_column {
            None => None,
            Some(name) => {
                let found = columns.iter().position(|column| column == name);
                Some(found.ok_or_else(|| {
                    Failure::input(format!(
                        "{}: there is no column {name:?} to name files by; there are {}",
                        path.display(),
                        columns.join(", ")
                    ))
                })?)
            }
        };
        let mut seed = blake3::Hasher::new_derive_key(UUID_CONTEXT);
        seed.update(issuer.as_str().as_bytes());
        seed.update(&[0]);
        seed.update(blake3::hash(&text).as_bytes());
        Ok(Self {
            path: path.to_owned(),
            file,
            delimiter,
            columns,
            template,
            seed: *seed.finalize().as_bytes(),
            issuer: issuer.clone(),
            now: seconds(&moment::rfc3339(moment::now())),
            name_column,
        })
    }

    /// Columns that the template does not use.
    pub(super) fn unused_columns(&self) -> Vec<&str> {
        let unused = |at: &usize| !self.template.uses(*at) && self.name_column != Some(*at);
        let all = 0..self.columns.len();
        all.filter(unused)
            .map(|at| self.columns[at].as_str())
            .collect()
    }

    /// Every row, in order; a row that cannot be read says which one it is.
    pub(super) fn rows(&self) -> Result<impl Iterator<Item = Result<(RowAt, StringRecord)>>> {
        let (bounded, room) = Bounded::new(File::open(&self.path)?, ROW_BYTES_MAX);
        let mut reader = self.reader(bounded, true);
        let mut ended = false;
        let mut number = 0;
        // The head is read with the first row, if nobody asks for it before.
        reader.headers()?;
        let rows = std::iter::from_fn(move || {
            if ended {
                return None;
            }
            room.make();
            let offset = reader.position().byte();
            let mut row = StringRecord::new();
            let read = reader.read_record(&mut row);
            match read {
                Ok(false) => None,
                Ok(true) => {
                    number += 1;
                    let bytes = reader.position().byte().saturating_sub(offset);
                    let result = self.bounded(number, offset, bytes, row);
                    ended = result.is_err() && number > ROWS_MAX;
                    Some(result)
                }
                Err(error) => {
                    number += 1;
                    // What comes after it may be read as something else than it is.
                    ended = true;
                    Some(Err(self.failure(number, error)))
                }
            }
        });
        Ok(rows)
    }

    fn bounded(
        &self,
        number: u32,
        offset: u64,
        bytes: u64,
        row: StringRecord,
    ) -> Result<(RowAt, StringRecord)> {
        if number > ROWS_MAX {
            return Err(Failure::input(format!(
                "{} has more than {ROWS_MAX} rows; split it",
                self.path.display()
            )));
        }
        let too_long = |what: String, max: u64| {
            Failure::input(format!("{what} is longer than {max} bytes")).during(self.label(number))
        };
        if let Some(at) = row.iter().position(|value| value.len() > VALUE_BYTES_MAX) {
            let column = shown(&self.columns[at]);
            return Err(too_long(format!("column {column}"), VALUE_BYTES_MAX as u64));
        }
        match u32::try_from(bytes) {
            Ok(length) if bytes <= ROW_BYTES_MAX => Ok((
                RowAt {
                    number,
                    offset,
                    bytes: length,
                },
                row,
            )),
            _ => Err(too_long("it".to_owned(), ROW_BYTES_MAX)),
        }
    }

    fn reader<R: std::io::Read>(&self, from: R, has_head: bool) -> csv::Reader<R> {
        csv::ReaderBuilder::new()
            .delimiter(self.delimiter)
            .has_headers(has_head)
            .from_reader(from)
    }

    fn failure(&self, number: u32, error: csv::Error) -> Failure {
        let at = self.label(number);
        match error.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => Failure::input(format!("{len} values for {expected_len} columns")).during(at),
            csv::ErrorKind::Utf8 { .. } => Failure::input("it is not UTF-8").during(at),
            _ => Failure::from(error).during(at),
        }
    }

    /// How a row is named to people.
    pub(super) fn label(&self, number: u32) -> String {
        format!("{}, row {number}", self.path.display())
    }

    /// The unsigned credential of a row and how a later run knows it again.
    pub(super) fn fill(&self, number: u32, row: &StringRecord) -> Result<(Value, Digest)> {
        let empty = |EmptyColumn(at)| {
            let column = shown(&self.columns[at]);
            Failure::input(format!(
                "column {column} is empty; where it may be, write {{{{{column}?}}}} in the template"
            ))
            .during(self.label(number))
        };
        let filled = |now| {
            self.template
                .fill(&Filling {
                    sheet: self,
                    row,
                    number,
                    now,
                })
                .map_err(empty)
        };
        let document = filled(&self.now)?;
        let digest = if self.template.uses_now() {
            credlog_credential::digest(&filled(NO_TIME)?)
        } else {
            credlog_credential::digest(&document)
        };
        Ok((document, Digest(digest.to_bytes())))
    }

    /// Name of a row's file in the output folder, without what tells its form.
    pub(super) fn file_stem(&self, number: u32, row: &StringRecord) -> Result<String> {
        let Some(at) = self.name_column else {
            return Ok(number.to_string());
        };
        let name = row.get(at).unwrap_or_default().trim();
        let plain = |c: char| !c.is_control() && !"/\\".contains(c);
        let fits = !name.is_empty()
            && name.len() <= NAME_BYTES_MAX
            && !name.starts_with('.')
            && name.chars().all(plain);
        match fits {
            true => Ok(name.to_owned()),
            false => Err(Failure::input(format!(
                "column {}: {:?} cannot be the name of a file (1 to {NAME_BYTES_MAX} bytes without \
                 slashes, not beginning with a dot)",
                shown(&self.columns[at]),
                shown(name)
            ))
            .during(self.label(number))),
        }
    }

    /// Reads a row again.
    pub(super) fn row(&self, at: RowAt) -> Result<StringRecord> {
        let during = || self.label(at.number);
        let mut bytes = vec![0; at.bytes as usize];
        self.file
            .read_exact_at(&mut bytes, at.offset)
            .during(during)?;
        let mut row = StringRecord::new();
        let mut reader = self.reader(bytes.as_slice(), false);
        match reader.read_record(&mut row) {
            Ok(true) if row.len() == self.columns.len() => Ok(row),
            _ => Err(Failure::input("the table was changed while it was issued").during(during())),
        }
    }

    /// UUID version 8 (RFC 9562 section 5.8) from issuer, template and the row's content.
    fn uuid(&self, row: &StringRecord) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        for value in row {
            hasher.update(&(value.len() as u64).to_be_bytes());
            hasher.update(value.as_bytes());
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        bytes[6] = 0x80 | bytes[6] & 0x0f;
        bytes[8] = 0x80 | bytes[8] & 0x3f;
        let hex = hex::encode(bytes);
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        parts.join("-")
    }
}

/// A time without its fraction of a second.
fn seconds(rfc3339: &str) -> String {
    let whole = rfc3339.split('.').next().unwrap_or(rfc3339);
    format!("{}Z", whole.trim_end_matches('Z'))
}

/// The head of a table.
fn columns(file: &File, delimiter: u8) -> Result<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(file.try_clone()?.take(ROW_BYTES_MAX));
    let head = reader.headers()?.clone();
    let columns: Vec<String> = head.iter().map(|name| name.trim().to_owned()).collect();
    if columns.is_empty() {
        return Err(Failure::input(
            "the table is empty; its first row names the columns",
        ));
    }
    if columns.len() > COLUMNS_MAX {
        return Err(Failure::input(format!(
            "the table has {} columns; {COLUMNS_MAX} are the most",
            columns.len()
        )));
    }
    for (at, name) in columns.iter().enumerate() {
        if name.is_empty() {
            return Err(Failure::input(format!("column {} has no name", at + 1)));
        }
        if columns[..at].contains(name) {
            return Err(Failure::input(format!(
                "there are two columns {:?}",
                shown(name)
            )));
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEMPLATE: &str = r#"{"id": "urn:uuid:{{uuid}}", "name": "{{name}}", "n": "{{row}}"}"#;

    fn sheet_of(folder: &Path, table: &str, template: &str) -> Result<Sheet> {
        let (path, template_path) = (folder.join("people.csv"), folder.join("badge.json"));
        std::fs::write(&path, table).unwrap();
        std::fs::write(&template_path, template).unwrap();
        let wanted = Wanted {
            table: &path,
            template: &template_path,
            delimiter: ',',
            name_column: Some("name"),
        };
        Sheet::open(&wanted, &"did:example:a".parse().unwrap())
    }

    #[test]
    fn rows_are_found_again_where_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let table = "\u{feff}name,note\r\nAda,\"two\nlines, \"\"quoted\"\"\"\r\n\nÉmile,\r\nMax,x";
        let sheet = sheet_of(folder.path(), table, TEMPLATE).unwrap();
        let rows: Vec<_> = sheet.rows().unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 3);
        for (number, (at, row)) in (1..).zip(&rows) {
            assert_eq!(at.number, number);
            assert_eq!(sheet.row(*at).unwrap(), *row);
        }
        assert_eq!(&rows[0].1[1], "two\nlines, \"quoted\"");
        assert_eq!(sheet.file_stem(2, &rows[1].1).unwrap(), "Émile");
        assert_eq!(sheet.unused_columns(), ["note"]);
        let (filled, _) = sheet.fill(3, &rows[2].1).unwrap();
        assert_eq!(
            (&filled["name"], &filled["n"]),
            (&json!("Max"), &json!("3"))
        );
        std::fs::write(folder.path().join("people.csv"), "name,note\nAda").unwrap();
        assert!(sheet.row(rows[2].0).is_err());
    }

    #[test]
    fn a_uuid_is_the_same_in_every_run_and_for_no_other_row() {
        let folder = tempfile::tempdir().unwrap();
        let uuids = |table: &str, template: &str| {
            let sheet = sheet_of(folder.path(), table, template).unwrap();
            let rows = sheet.rows().unwrap().map(Result::unwrap);
            rows.map(|(at, row)| sheet.fill(at.number, &row).unwrap().0["id"].clone())
                .collect::<Vec<_>>()
        };
        let first = uuids("name,b\nab,c\na,bc\n", TEMPLATE);
        assert_ne!(first[0], first[1]);
        let moved = uuids("name,b\nx,y\nab,c\n", TEMPLATE);
        assert_eq!(moved[1], first[0]);
        let other = TEMPLATE.replace("\"n\"", "\"m\"");
        assert_ne!(uuids("name,b\nab,c\n", &other)[0], first[0]);
        let text = first[0].as_str().unwrap();
        let uuid = text.strip_prefix("urn:uuid:").unwrap();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "8"));
        assert!("89ab".contains(&uuid[19..20]));
    }

    #[test]
    fn the_time_of_a_run_does_not_make_another_credential() {
        let folder = tempfile::tempdir().unwrap();
        let template = r#"{"name": "{{name}}", "validFrom": "{{now}}"}"#;
        let mut sheet = sheet_of(folder.path(), "name\nAda\n", template).unwrap();
        let (_, row) = sheet.rows().unwrap().next().unwrap().unwrap();
        let (first, digest) = sheet.fill(1, &row).unwrap();
        sheet.now = "2030-01-01T00:00:00Z".to_owned();
        let (later, same) = sheet.fill(1, &row).unwrap();
        assert_ne!(first, later);
        assert_eq!(digest, same);
    }

    #[test]
    fn bad_tables_and_rows_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let open = |table: &str| sheet_of(folder.path(), table, TEMPLATE);
        for (table, text) in [
            ("", "empty"),
            ("name,name\n", "two columns"),
            ("name,\n", "column 2 has no name"),
            ("other\n", "no column \"name\""),
        ] {
            let message = open(table).unwrap_err().message;
            assert!(message.contains(text), "{table:?}: {message}");
        }
        let problem = |table: &str| {
            let sheet = open(table).unwrap();
            let checked = sheet.rows().unwrap().try_for_each(|row| {
                let (at, row) = row?;
                sheet.fill(at.number, &row)?;
                sheet.file_stem(at.number, &row).map(drop)
            });
            checked.unwrap_err().message
        };
        let long = format!("name\nAda\n{}\n", "x".repeat(VALUE_BYTES_MAX + 1));
        let unclosed = format!("name\n\"{}", "x\n".repeat(1 << 20));
        for (table, text) in [
            ("name\nAda\nB,C\n", "row 2: 2 values for 1 columns"),
            ("name,b\nAda,\n ,x\n", "row 2: column name is empty"),
            ("name\n../x\n", "row 1: column name"),
            (&long, "row 2: column name is longer"),
            (&unclosed, "is a quotation mark not closed"),
        ] {
            let message = problem(table);
            assert!(message.contains(text), "{message}");
        }
    }
}
