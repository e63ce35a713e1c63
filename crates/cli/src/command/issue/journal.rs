//! The journal of an output folder: nothing is issued twice, nothing forgotten.
//!
//! ```text
//! out/issued.csv                        what the ledger has committed, a row a credential
//! out/<file>.json                       the signed credentials of those rows
//! out/.credlog/lock                     one run at a time
//! out/.credlog/images/                  images that credentials are baked into
//! out/.credlog/unfinished/              files that are being written
//! out/.credlog/pending/<record id>.json records that were signed but are not known to be
//!                                       committed, with their credentials
//! ```
//!
//! A pending record is durable before it is sent, and stays until its credentials stand in
//! `issued.csv`. So after a crash at any point the next run finds every record that the
//! ledger may hold, sends the same bytes again and gets the same answer.
//!
//! A record that has to be made anew keeps its signed credentials, and the ledger refuses a
//! digest that was issued before. Credentials of a key that was replaced, and those that name a
//! position which somebody else took, are signed again and get new digests; so the new record names the one in whose place it stands, which can never
//! be committed. Where a crash left both, the former is forgotten: nothing is issued twice.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use credlog_credential::bake::bake;
use credlog_ledger::body::{Body, Issue};
use credlog_ledger::ids::{Digest, LeafIndex, ListNumber, RecordId, StatusIndex};
use credlog_ledger::record::EncodedRecord;
use credlog_verify::Position;
use fs2::FileExt;
use serde::{Deserialize, Serialize};

use super::output::Image;
use super::prepare::Prepared;
use crate::folder;
use crate::outcome::{During, Failure, Result};
use crate::parallel;

/// One row of `issued.csv`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) file: String,
    pub(crate) digest: Digest,
    pub(crate) list: ListNumber,
    pub(crate) index: StatusIndex,
    pub(crate) record: RecordId,
    pub(crate) leaf: LeafIndex,
    pub(crate) time: String,
    pub(crate) achievement: String,
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) source: Digest,
}

impl Row {
    /// The row of a credential without its place on the ledger.
    pub(super) fn new(credential: &Prepared) -> Self {
        Self {
            file: credential.file.clone(),
            digest: credential.digest,
            list: ListNumber::default(),
            index: StatusIndex::default(),
            record: RecordId::default(),
            leaf: LeafIndex(0),
            time: String::new(),
            achievement: String::new(),
            name: credential.name.clone(),
            subject: credential.subject.clone(),
            source: credential.source,
        }
    }
}

/// A record that was signed, and may or may not be on the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) record: EncodedRecord,
    pub(super) credentials: Vec<Prepared>,
}

/// The form of [`Pending`] in its file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingFile {
    /// Canonical bytes of the record, hexadecimal.
    record: String,
    /// The record in whose place this one stands; it can never be committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaces: Option<RecordId>,
    credentials: Vec<Prepared>,
}

impl Pending {
    /// What the record says.
    pub(super) fn issue(&self) -> Result<&Issue> {
        match &self.record.record().body {
            Body::Issue(issue) => Ok(issue),
            _ => Err(Failure::input("a pending record is not an Issue record")),
        }
    }
}

/// The journal of one output folder, held by one run.
#[derive(Debug)]
pub(super) struct Journal {
    out: PathBuf,
    table: File,
    by_source: HashMap<Digest, Row>,
    _lock: File,
}

impl Journal {
    /// Opens the journal, repairs a torn last row, and keeps other runs away.
    pub(super) fn open(out: &Path) -> Result<Self> {
        folder::make(out)?;
        folder::make_secret(&out.join(".credlog"))?;
        folder::make(&out.join(".credlog/pending"))?;
        let lock = lock(out)?;
        let unfinished = out.join(".credlog/unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).during(|| unfinished.display().to_string())?;
        }
        folder::make(&unfinished)?;
        let path = out.join("issued.csv");
        let mut table = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .during(|| path.display().to_string())?;
        let rows = read_rows(&mut table).during(|| path.display().to_string())?;
        folder::sync_parent(&path)?;
        Ok(Self {
            out: out.to_owned(),
            table,
            by_source: rows.into_iter().map(|row| (row.source, row)).collect(),
            _lock: lock,
        })
    }

    /// Where a credential that came in with this content was issued.
    pub(super) fn issued(&self, source: &Digest) -> Option<&Row> {
        self.by_source.get(source)
    }

    /// Whether a file of this name may be written: it is not there.
    pub(super) fn has_room_for(&self, file: &str) -> bool {
        !self.out.join(file).exists()
    }

    /// Every pending record, in the order of their ids. Records in whose place another one
    /// stands are forgotten first.
    pub(super) fn pending(&self) -> Result<Vec<Pending>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(self.out.join(".credlog/pending"))? {
            paths.push(entry?.path());
        }
        paths.sort();
        let mut all = Vec::new();
        let mut replaced = HashSet::new();
        for path in &paths {
            let (pending, replaces) = read_pending(path)?;
            all.push(pending);
            replaced.extend(replaces);
        }
        let (former, pending): (Vec<_>, _) = all
            .into_iter()
            .partition(|one| replaced.contains(&one.record.id()));
        for one in former {
            self.drop_pending(&one.record.id())?;
        }
        Ok(pending)
    }

    /// Keeps a record before it is sent. The record in whose place it stands can never be
    /// committed, and may be dropped after this.
    pub(super) fn begin(&self, pending: &Pending, replaces: Option<RecordId>) -> Result<()> {
        let file = PendingFile {
            record: hex::encode(pending.record.bytes()),
            replaces,
            credentials: pending.credentials.clone(),
        };
        let id = pending.record.id();
        let path = self.pending_path(&id);
        let json = serde_json::to_vec(&file)?;
        folder::replace_through(&self.unfinished(&id), &path, &json)?;
        folder::sync_parent(&path)
    }

    /// Writes the signed credentials and their rows; then the record is no longer pending.
    pub(super) fn finish(&mut self, pending: &Pending, rows: &[Row]) -> Result<()> {
        self.keep(pending, rows)?;
        self.drop_pending(&pending.record.id())
    }

    /// Writes the signed credentials and their rows; the record stays pending.
    pub(super) fn keep(&mut self, pending: &Pending, rows: &[Row]) -> Result<()> {
        let issued = |one: &&Prepared| rows.iter().any(|row| row.source == one.source);
        let credentials: Vec<_> = pending.credentials.iter().filter(issued).collect();
        let images = self.images(&credentials)?;
        let written = parallel::map_writing(&credentials, |one| self.write(one, &images));
        written.into_iter().collect::<Result<()>>()?;
        folder::sync_parent(&self.out.join("issued.csv"))?;
        self.append(rows)
    }

    /// Keeps an image that credentials are baked into, for as long as the folder is there.
    pub(super) fn keep_image(&self, image: &Image) -> Result<()> {
        let path = self.image_path(&image.id());
        if path.exists() {
            return Ok(());
        }
        folder::make(&self.out.join(".credlog/images"))?;
        folder::replace(&path, &image.bytes)
    }

    fn image_path(&self, id: &str) -> PathBuf {
        self.out.join(".credlog/images").join(id)
    }

    /// The images of credentials, by what the journal calls them.
    fn images(&self, credentials: &[&Prepared]) -> Result<HashMap<String, Vec<u8>>> {
        let mut images = HashMap::new();
        for id in credentials.iter().filter_map(|one| one.image.as_ref()) {
            if !images.contains_key(id) {
                images.insert(id.clone(), folder::read(&self.image_path(id))?);
            }
        }
        Ok(images)
    }

    /// Writes a signed credential; another file of that name stays as it is.
    fn write(&self, credential: &Prepared, images: &HashMap<String, Vec<u8>>) -> Result<()> {
        let path = self.out.join(&credential.file);
        let image = credential.image.as_ref().and_then(|id| images.get(id));
        let baked = image
            .map(|image| bake(image, &credential.text))
            .transpose()
            .during(|| credential.file.clone())?;
        let bytes = baked.as_deref().unwrap_or(credential.text.as_bytes());
        if !path.exists() {
            return folder::replace_through(&self.unfinished(&credential.source), &path, bytes);
        }
        // A crash between the files and their rows: they are written already.
        if path.is_file() && folder::read(&path)? == bytes {
            return Ok(());
        }
        Err(Failure::input(format!(
            "{} is there with other content and is not overwritten; the credential that was \
             issued under this name is kept in {}: move the file away and run the same command \
             again",
            path.display(),
            self.out.join(".credlog/pending").display()
        )))
    }

    /// Forgets a record that the ledger does not have and never will.
    pub(super) fn drop_pending(&self, id: &RecordId) -> Result<()> {
        let path = self.pending_path(id);
        fs::remove_file(&path).during(|| path.display().to_string())?;
        folder::sync_parent(&path)
    }

    fn unfinished(&self, name: &impl ToString) -> PathBuf {
        self.out.join(".credlog/unfinished").join(name.to_string())
    }

    fn append(&mut self, rows: &[Row]) -> Result<()> {
        let empty = self.table.metadata()?.len() == 0;
        let mut writer = csv::WriterBuilder::new()
            .has_headers(empty)
            .from_writer(Vec::new());
        for row in rows {
            if self.by_source.insert(row.source, row.clone()).is_none() {
                writer.serialize(row)?;
            }
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| Failure::input(error.to_string()))?;
        self.table.write_all(&bytes)?;
        self.table.sync_all()?;
        Ok(())
    }

    fn pending_path(&self, id: &RecordId) -> PathBuf {
        self.out.join(format!(".credlog/pending/{id}.json"))
    }
}

fn lock(out: &Path) -> Result<File> {
    let path = out.join(".credlog/lock");
    let file = File::create(&path).during(|| path.display().to_string())?;
    match FileExt::try_lock_exclusive(&file) {
        Ok(()) => Ok(file),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Failure::input(format!(
            "another `credlog issue` is working on {}; wait until it ends",
            out.display()
        ))),
        Err(error) => Err(Failure::from(error).during(path.display().to_string())),
    }
}

/// Reads all rows. A last row without its line end was cut off by a crash; it is taken out,
/// for its record is still pending.
fn read_rows(table: &mut File) -> Result<Vec<Row>> {
    let mut bytes = Vec::new();
    table.rewind()?;
    table.read_to_end(&mut bytes)?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if whole < bytes.len() {
        table.set_len(whole as u64)?;
        table.sync_all()?;
        bytes.truncate(whole);
    }
    rows(&bytes)
}

/// The rows of an `issued.csv`.
pub(crate) fn rows(bytes: &[u8]) -> Result<Vec<Row>> {
    let mut reader = csv::Reader::from_reader(bytes);
    Ok(reader
        .deserialize()
        .collect::<std::result::Result<_, _>>()?)
}

/// A pending record, and the one in whose place it stands.
fn read_pending(path: &Path) -> Result<(Pending, Option<RecordId>)> {
    let damaged = |why: &str| {
        Failure::input(format!(
            "{} is damaged ({why}); restore it from a backup: its record may be on the ledger",
            path.display()
        ))
    };
    let file: PendingFile =
        serde_json::from_slice(&folder::read(path)?).map_err(|e| damaged(&e.to_string()))?;
    let bytes = hex::decode(&file.record).map_err(|e| damaged(&e.to_string()))?;
    let record = EncodedRecord::decode(&bytes).map_err(|e| damaged(&e.to_string()))?;
    let mut pending = Pending {
        record,
        credentials: file.credentials,
    };
    let issue = pending.issue().map_err(|e| damaged(&e.message))?;
    let issue = issue.clone();
    if issue.items.len() != pending.credentials.len() {
        return Err(damaged("its record is about other credentials"));
    }
    for credential in &mut pending.credentials {
        let mut items = issue.items.iter();
        let Some(item) = items.find(|item| item.digest == credential.digest) else {
            return Err(damaged("its record is about other credentials"));
        };
        credential.place = Position {
            list: issue.list,
            index: item.index,
        };
    }
    Ok((pending, file.replaces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyfile;
    use crate::statement::Signatory;
    use credlog_ledger::body::Item;
    use credlog_ledger::ids::LedgerId;
    use credlog_ledger::record::AuthorId;

    fn prepared(number: u8) -> Prepared {
        Prepared {
            place: Position {
                list: ListNumber(0),
                index: StatusIndex(number.into()),
            },
            names_place: number % 2 == 1,
            image: None,
            file: format!("{number}.json"),
            source: Digest([number; 32]),
            digest: Digest([number + 100; 32]),
            name: "A \"quoted\", name".into(),
            subject: String::new(),
            text: format!("{{\"number\": {number}}}\n"),
        }
    }

    fn pending(numbers: &[u8]) -> Pending {
        let credentials: Vec<_> = numbers.iter().map(|n| prepared(*n)).collect();
        let items = credentials.iter().map(|one| Item {
            index: one.place.index,
            digest: one.digest,
        });
        let signatory = Signatory {
            ledger: LedgerId([1; 32]),
            author: AuthorId::Issuer("did:example:a".parse().unwrap()),
            key: keyfile::generate(),
        };
        let body = Body::Issue(Issue {
            achievement: None,
            list: ListNumber(0),
            valid_from: None,
            valid_until: None,
            items: items.collect(),
        });
        Pending {
            record: signatory.sign(body).unwrap(),
            credentials,
        }
    }

    fn row(pending: &Pending, at: usize) -> Row {
        let credential = &pending.credentials[at];
        Row {
            file: credential.file.clone(),
            digest: credential.digest,
            list: ListNumber(0),
            index: StatusIndex(u32::try_from(at).unwrap()),
            record: pending.record.id(),
            leaf: LeafIndex(7),
            time: "2026-11-21T10:00:00.000Z".into(),
            achievement: String::new(),
            name: credential.name.clone(),
            subject: String::new(),
            source: credential.source,
        }
    }

    #[test]
    fn what_was_pending_is_found_again_until_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let one = pending(&[1, 2]);
        {
            let journal = Journal::open(folder.path()).unwrap();
            journal.begin(&one, None).unwrap();
        }
        {
            let mut journal = Journal::open(folder.path()).unwrap();
            assert_eq!(journal.pending().unwrap(), std::slice::from_ref(&one));
            assert!(journal.has_room_for("1.json"));
            journal.finish(&one, &[row(&one, 0), row(&one, 1)]).unwrap();
            assert!(journal.pending().unwrap().is_empty());
        }
        let journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.issued(&Digest([2; 32])), Some(&row(&one, 1)));
        assert!(!journal.has_room_for("1.json"));
        let text = fs::read_to_string(folder.path().join("1.json")).unwrap();
        assert_eq!(text, "{\"number\": 1}\n");
    }

    /// A crash between the two steps of a replacement left both records, and if the credential
    /// had been signed again, both were committed.
    #[test]
    fn a_record_in_whose_place_another_stands_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let [first, second, third, other] = [[1], [1], [1], [2]].map(|one| pending(&one));
        journal.begin(&first, None).unwrap();
        journal.begin(&other, None).unwrap();
        journal.begin(&second, Some(first.record.id())).unwrap();
        journal.begin(&third, Some(second.record.id())).unwrap();
        for _ in 0..2 {
            let left = journal.pending().unwrap();
            assert_eq!(left.len(), 2);
            assert!(left.contains(&third) && left.contains(&other));
            assert!(!journal.pending_path(&first.record.id()).exists());
        }
    }

    /// Two versions of one file were issued, and the second took the place of the first.
    #[test]
    fn a_file_of_other_content_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let one = pending(&[1, 2]);
        let mut journal = Journal::open(folder.path()).unwrap();
        journal.begin(&one, None).unwrap();
        fs::write(folder.path().join("2.json"), "mine").unwrap();
        let rows = [row(&one, 0), row(&one, 1)];
        let refused = journal.finish(&one, &rows).unwrap_err();
        assert!(
            refused.message.contains("move the file away"),
            "{refused:?}"
        );
        assert_eq!(fs::read(folder.path().join("2.json")).unwrap(), b"mine");
        assert_eq!(journal.pending().unwrap(), std::slice::from_ref(&one));
        assert_eq!(journal.issued(&Digest([1; 32])), None);
        fs::remove_file(folder.path().join("2.json")).unwrap();
        journal.finish(&one, &rows).unwrap();
        assert!(journal.issued(&Digest([2; 32])).is_some());
    }

    #[test]
    fn a_torn_row_is_taken_out_and_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("issued.csv");
        let one = pending(&[1, 2]);
        let rows = [row(&one, 0), row(&one, 1)];
        let mut journal = Journal::open(folder.path()).unwrap();
        journal.begin(&one, None).unwrap();
        journal.finish(&one, &rows).unwrap();
        drop(journal);
        let whole = fs::read(&table).unwrap();
        // The crash came while rows were written: the record was still pending.
        for cut in (0..whole.len()).rev().step_by(17) {
            fs::write(&table, &whole[..cut]).unwrap();
            let mut journal = Journal::open(folder.path()).unwrap();
            journal.begin(&one, None).unwrap();
            journal.finish(&one, &rows).unwrap();
            drop(journal);
            assert_eq!(fs::read(&table).unwrap(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn two_runs_on_one_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = Journal::open(folder.path()).unwrap();
        let second = Journal::open(folder.path()).unwrap_err();
        assert!(
            second.message.contains("another `credlog issue`"),
            "{}",
            second.message
        );
        drop(first);
        assert!(Journal::open(folder.path()).is_ok());
    }

    #[test]
    fn a_damaged_pending_file_stops_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let one = pending(&[1]);
        journal.begin(&one, None).unwrap();
        let path = journal.pending_path(&one.record.id());
        fs::write(&path, b"{}").unwrap();
        assert!(
            journal
                .pending()
                .unwrap_err()
                .message
                .contains("is damaged")
        );
    }
}
