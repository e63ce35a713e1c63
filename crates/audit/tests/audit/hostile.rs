//! Sources that are cut off, too long, endless, or of another ledger: a clear answer, no panic, and
//! no more memory than a ledger of that size needs.

use std::sync::atomic::{AtomicU64, Ordering};

use credlog_audit::{AuditError, Kind, Source, SourceError};
use credlog_tlog::{Checkpoint, Hash, Note, TreeSize};

use crate::audit;
use crate::chronicle::Chronicle;
use crate::published::{Files, Published};
use crate::support::{TestLedger, genesis};

const RECORDS: usize = 300;

fn published() -> (Chronicle, Published) {
    let chronicle = Chronicle::write(RECORDS);
    let published = Published::of(&chronicle);
    (chronicle, published)
}

#[test]
fn a_file_that_is_missing_is_no_finding() {
    let (chronicle, published) = published();
    let files = published.files();
    // The founders' list, and each after a change, follow from the log.
    let needed = files
        .0
        .keys()
        .filter(|path| !path.starts_with("/v1/members/"));
    for path in needed {
        let mut files = files.clone();
        files.0.remove(path);
        match audit(&files, &chronicle.ledger.genesis) {
            Err(AuditError::Missing { path: missing }) => assert_eq!(&missing, path),
            Err(error) => panic!("{path}: {error}"),
            Ok(report) => {
                assert_eq!(report.findings, [], "{path}");
                assert!(!report.unchecked.is_empty(), "{path}");
                let told = report.unchecked.join(" ");
                let is_certificates = path.starts_with("/v1/certificates");
                assert!(
                    told.contains(path.as_str()) || is_certificates,
                    "{path}: {told}"
                );
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_off_or_too_long_is_named() {
    let (chronicle, published) = published();
    let files = published.files();
    let whole = audit(&files, &chronicle.ledger.genesis).unwrap();
    for path in files.0.keys().filter(|path| *path != "/checkpoint") {
        let length = files.0[path].len();
        for cut in [0, 1, length / 2, length - 1] {
            let mut files = files.clone();
            files.change(path, |bytes| bytes.truncate(cut));
            let report = audit(&files, &chronicle.ledger.genesis).unwrap();
            assert!(!report.is_clean(), "{path} cut at {cut}");
            assert!(report.leaves <= whole.leaves);
            let named = report
                .findings
                .iter()
                .any(|one| one.file.as_ref() == Some(path));
            assert!(named, "{path} cut at {cut}: {report:#?}");
        }
        for more in [vec![0], vec![0, 0], vec![7; 40]] {
            let mut files = files.clone();
            files.change(path, |bytes| bytes.extend(&more));
            let named = match audit(&files, &chronicle.ledger.genesis) {
                Ok(report) => {
                    let findings = report.findings.iter();
                    let mut files = findings.map(|one| one.file.clone().unwrap_or_default());
                    let told = report.unchecked.join(" ");
                    files.any(|file| file == *path) || told.contains(path.as_str())
                }
                Err(error) => error.to_string().contains(path.as_str()),
            };
            assert!(named, "{path} with {} more", more.len());
        }
    }
}

#[test]
fn a_checkpoint_that_is_none_ends_the_audit_at_once() {
    let (chronicle, published) = published();
    let note = &published.note;
    let bad = [
        String::new(),
        note.replace("test.example/credlog\n", "other.example/log\n"),
        note.lines().take(2).collect::<Vec<_>>().join("\n"),
        note.replacen('\n', "\n0", 1),
        format!("{note}{}", "x".repeat(600_000)),
        note.replacen("350", "9223372036854775808", 1),
    ];
    for text in bad {
        let mut files = published.files();
        files.change("/checkpoint", |bytes| *bytes = text.clone().into_bytes());
        let error = audit(&files, &chronicle.ledger.genesis).unwrap_err();
        let expected = matches!(
            error,
            AuditError::Checkpoint { .. } | AuditError::OtherLog { .. } | AuditError::Source(_)
        );
        assert!(expected, "{error:?}");
    }
    let mut empty = published.files();
    let root = credlog_tlog::empty_root();
    empty.change("/checkpoint", |bytes| *bytes = note_of(&published, 0, root));
    let report = audit(&empty, &chronicle.ledger.genesis).unwrap();
    assert!(!report.is_clean() && report.leaves == 0);
}

/// A note with the signatures of the true one, over another size and root.
fn note_of(published: &Published, size: u64, root: Hash) -> Vec<u8> {
    let old = Note::parse(published.note.as_bytes()).unwrap();
    let other = Checkpoint::new("test.example/credlog", TreeSize(size), root).unwrap();
    let note = Note::new(&other.body(), old.signatures().to_vec()).unwrap();
    note.to_string().into_bytes()
}

/// Gives the same full bundle and tile for ever, and counts what it is asked.
struct Endless {
    files: Files,
    asked: AtomicU64,
}

impl Source for Endless {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let same = if path.starts_with("/tile/entries/") {
            "/tile/entries/000"
        } else if path.starts_with("/tile/") {
            "/tile/0/000"
        } else {
            path
        };
        self.files.read(same, bytes_max)
    }

    fn readers(&self) -> usize {
        4
    }

    fn is_live(&self) -> bool {
        false
    }
}

#[test]
fn a_log_without_an_end_is_read_no_further_than_its_files_go() {
    let (chronicle, published) = published();
    // The greatest size that there can be; the files end after 350 leaves.
    let mut files = published.files();
    files.change("/checkpoint", |bytes| {
        *bytes = note_of(&published, 1 << 62, Hash([7; 32]));
    });
    match audit(&files, &chronicle.ledger.genesis) {
        Err(AuditError::Missing { .. }) => {}
        other => panic!("{other:?}"),
    }
    // Bundles that repeat: each record of them a second time is refused, and findings have an end.
    let size = 256 * 2_000;
    files.change("/checkpoint", |bytes| {
        *bytes = note_of(&published, size, Hash([7; 32]));
    });
    let endless = Endless {
        files,
        asked: AtomicU64::new(0),
    };
    let report = audit(&endless, &chronicle.ledger.genesis).unwrap();
    assert!(report.findings_count > 0 && report.findings.len() <= 256);
    assert!(
        report
            .findings
            .iter()
            .any(|one| one.kind == Kind::Record || one.kind == Kind::Seal)
    );
    assert_eq!(report.leaves, size);
    // A few files for each height and bundle.
    assert!(endless.asked.load(Ordering::Relaxed) < size);
}

#[test]
fn another_genesis_is_told_from_the_first_record() {
    let (_, published) = published();
    // Other founders, the same origin.
    let other = genesis(7, Default::default());
    let report = audit(&published.files(), &other).unwrap();
    let first = &report.findings[0];
    assert_eq!((first.kind, first.code), (Kind::Members, None), "{first:?}");
    let record = report.findings.iter().find(|one| one.kind == Kind::Record);
    assert_eq!(record.unwrap().code, Some("wrong-ledger"));
    // A genesis that founds nothing.
    let mut none = TestLedger::new(1).genesis;
    none.members.clear();
    let error = audit(&published.files(), &none).unwrap_err();
    assert!(matches!(error, AuditError::Genesis { .. }), "{error:?}");
}
