//! What was issued here: which credential stands at which position, and its identifier.
//!
//! The ledger knows digests, and a change of status names the position or the credential's own
//! identifier. A line is written before the record is sent; one whose record never entered the
//! log changes nothing, since the ledger refuses to revoke what it does not know.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use credlog_ledger::ids::Digest;
use credlog_verify::Position;
use serde::{Deserialize, Serialize};

/// Longest line that is read.
const LINE_BYTES_MAX: usize = 8_192;

/// The register cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}, the register of what this node issued, {problem}")]
pub struct RegisterError {
    /// The file.
    path: PathBuf,
    /// What is wrong.
    problem: String,
}

/// What was issued here.
#[derive(Debug)]
pub(super) struct Register {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// Bytes of whole lines in it.
    whole: u64,
    by_position: HashMap<Position, Vec<Digest>>,
    /// BLAKE3 of an identifier; the credentials that were to bear it. An attempt that did not
    /// reach the ledger stands beside the one that did.
    by_id: HashMap<[u8; 32], Vec<Digest>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    position: Position,
    digest: Digest,
    /// BLAKE3 of the identifier in hexadecimal: the register holds nothing about persons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl Register {
    /// Opens the register, or begins it. A last line that was not written to its end is cut.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub(super) fn open(path: &Path) -> Result<Self, RegisterError> {
        let failed = |problem: String| RegisterError {
            path: path.to_owned(),
            problem,
        };
        let unreadable = |error: std::io::Error| failed(format!("cannot be opened: {error}"));
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        let file = options.open(path).map_err(unreadable)?;
        let mut inner = Inner {
            file: file.try_clone().map_err(unreadable)?,
            whole: 0,
            by_position: HashMap::new(),
            by_id: HashMap::new(),
        };
        let mut reader = BufReader::new(file);
        let (mut line, mut number) = (Vec::new(), 0);
        loop {
            line.clear();
            let bytes = reader.read_until(b'\n', &mut line).map_err(unreadable)?;
            if !line.ends_with(b"\n") {
                break;
            }
            number += 1;
            let read: Option<Line> = (bytes <= LINE_BYTES_MAX)
                .then(|| serde_json::from_slice(&line).ok())
                .flatten();
            let read = read.ok_or_else(|| failed(format!("is damaged in line {number}")))?;
            inner
                .take(&read)
                .map_err(|()| failed(format!("is damaged in line {number}")))?;
            inner.whole += bytes as u64;
        }
        inner.file.set_len(inner.whole).map_err(unreadable)?;
        Ok(Self {
            path: path.to_owned(),
            inner: Mutex::new(inner),
        })
    }

    /// Writes down what stands at a position, durably.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub(super) fn note(
        &self,
        position: Position,
        digest: Digest,
        id: Option<&str>,
    ) -> Result<(), RegisterError> {
        let line = Line {
            position,
            digest,
            id: id.map(|id| hex::encode(key(id))),
        };
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let written = inner.file.write_all(&text);
        if let Err(error) = written.and_then(|()| inner.file.sync_data()) {
            // Half a line would be the beginning of the next one.
            let cut = inner.file.set_len(inner.whole);
            let more = cut.err().map(|error| format!(", nor cut: {error}"));
            let problem = format!("cannot be written: {error}{}", more.unwrap_or_default());
            let path = self.path.clone();
            return Err(RegisterError { path, problem });
        }
        inner.whole += text.len() as u64;
        // What was just made of an identifier has the right form.
        let _formed = inner.take(&line);
        Ok(())
    }

    /// The credentials that were to stand at a position, or else that were to bear an
    /// identifier; with both, those of both.
    pub(super) fn find(&self, position: Option<Position>, id: Option<&str>) -> Vec<Digest> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let at = position.map(|at| inner.by_position.get(&at).cloned().unwrap_or_default());
        let called = id.map(|id| inner.by_id.get(&key(id)).cloned().unwrap_or_default());
        match (at, called) {
            (Some(mut at), Some(called)) if !called.is_empty() => {
                at.retain(|digest| called.contains(digest));
                at
            }
            (Some(found), _) | (None, Some(found)) => found,
            (None, None) => Vec::new(),
        }
    }
}

impl Inner {
    fn take(&mut self, line: &Line) -> Result<(), ()> {
        if let Some(id) = &line.id {
            let mut key = [0; 32];
            hex::decode_to_slice(id, &mut key).map_err(|_| ())?;
            self.by_id.entry(key).or_default().push(line.digest);
        }
        let at = self.by_position.entry(line.position).or_default();
        at.push(line.digest);
        Ok(())
    }
}

fn key(id: &str) -> [u8; 32] {
    blake3::hash(id.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str) -> Option<Position> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn it_knows_after_a_crash_what_it_wrote_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issued.ndjson");
        let (first, second) = (Digest([1; 32]), Digest([2; 32]));
        let register = Register::open(&path).unwrap();
        register
            .note(position("0.17").unwrap(), first, Some("urn:a"))
            .unwrap();
        register
            .note(position("0.18").unwrap(), second, None)
            .unwrap();
        drop(register);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"position\":\"0.19\",\"dig").unwrap();
        let register = Register::open(&path).unwrap();
        assert_eq!(register.find(position("0.17"), None), [first]);
        assert_eq!(register.find(None, Some("urn:a")), [first]);
        assert_eq!(register.find(position("0.18"), Some("urn:c")), [second]);
        assert_eq!(register.find(position("0.18"), Some("urn:a")), []);
        assert_eq!(register.find(position("0.19"), None), []);
        assert_eq!(register.find(None, Some("urn:b")), []);
        register
            .note(position("0.19").unwrap(), first, None)
            .unwrap();
        drop(register);
        assert_eq!(
            Register::open(&path).unwrap().find(position("0.19"), None),
            [first]
        );
    }

    #[test]
    fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issued.ndjson");
        std::fs::write(&path, "{}\n").unwrap();
        let error = Register::open(&path).unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}
