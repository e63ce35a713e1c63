//! Copies of a ledger: what they hold, how they grow, and what they refuse.

use std::fs;
use std::path::Path;
use std::time::Duration;

use credlog_audit::export::{Exported, Identity, export};
use credlog_audit::{AuditError, ExportError, Folder};
use credlog_ledger::ids::LedgerId;
use credlog_tlog::{Checkpoint, Hash, Note, TreeSize};

use crate::audit;
use crate::chronicle::Chronicle;
use crate::published::{Files, Published};
use crate::support::origin;

pub(crate) fn identity(published: &Published) -> Identity {
    Identity::new(origin(), published.ledger)
}

pub(crate) fn copy(
    files: &Files,
    published: &Published,
    folder: &Path,
) -> Result<Exported, ExportError> {
    export(
        files,
        &identity(published),
        folder,
        Duration::ZERO,
        &mut |_| {},
    )
}

/// The ledger as it was after so many blocks.
pub(crate) fn earlier(published: &Published, blocks: usize) -> Published {
    let mut earlier = published.clone();
    earlier.sizes.truncate(blocks);
    earlier.certificates.truncate(blocks);
    earlier.sets.truncate(blocks + 1);
    let leaves = usize::try_from(earlier.sizes[blocks - 1]).unwrap();
    earlier.leaves.truncate(leaves);
    earlier.note = earlier.sign(&earlier.checkpoint(blocks - 1), usize::MAX);
    earlier
}

/// What a folder holds, as files of a ledger.
pub(crate) fn held(folder: &Path) -> Files {
    let mut files = Files::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            if ![".lock", "export.json"].contains(&name) {
                files.0.insert(format!("/{name}"), fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn a_copy_holds_exactly_the_files_of_the_ledger() {
    let chronicle = Chronicle::write(1_000);
    let published = Published::of(&chronicle);
    let folder = tempfile::tempdir().unwrap();
    let done = copy(&published.files(), &published, folder.path()).unwrap();
    assert_eq!(held(folder.path()), published.files());
    assert_eq!(done.size.0, published.leaves.len() as u64);
    // And the file that says which ledger it is.
    assert_eq!(done.files, published.files().0.len() as u64 + 1);
    let report = audit(&Folder::new(folder.path()), &chronicle.ledger.genesis);
    assert!(report.unwrap().is_clean());
}

#[test]
fn a_copy_grows_with_the_ledger_from_every_height() {
    let chronicle = Chronicle::write(700);
    let published = Published::of(&chronicle);
    let blocks = published.sizes.len();
    let whole = published.files();
    for step in [1, 7, blocks - 1] {
        let folder = tempfile::tempdir().unwrap();
        let mut before: Option<Published> = None;
        for height in (1..=blocks).step_by(step).chain([blocks, blocks]) {
            let now = earlier(&published, height);
            let done = copy(&now.files(), &published, folder.path()).unwrap();
            let sizes = before.map(|before| before.leaves.len() as u64);
            assert_eq!(done.size_before.map(|size| size.0), sizes);
            let report = audit(&Folder::new(folder.path()), &chronicle.ledger.genesis);
            assert!(report.unwrap().is_clean(), "{height} in steps of {step}");
            before = Some(now);
        }
        // The last copy was made twice: nothing of an older one is left.
        assert_eq!(held(folder.path()), whole, "steps of {step}");
    }
}

#[test]
fn what_an_export_left_that_was_stopped_is_used_or_replaced() {
    let published = Published::of(&Chronicle::write(700));
    let files = published.files();
    for (count, (path, bytes)) in files.0.iter().enumerate() {
        // Up to here it came, and the next file was never written, or is from another log.
        let folder = tempfile::tempdir().unwrap();
        let kept = files.0.iter().take(count);
        let mut kept = Files(
            kept.map(|(path, bytes)| (path.clone(), bytes.clone()))
                .collect(),
        );
        kept.0.remove("/checkpoint");
        if path != "/checkpoint" {
            let mut other = bytes.clone();
            other[0] ^= 1;
            kept.0.insert(path.clone(), other);
            kept.0.insert(format!("{path}.part"), vec![1, 2, 3]);
        }
        kept.write(folder.path());
        let identity = serde_json::to_vec(&identity(&published)).unwrap();
        fs::write(folder.path().join("export.json"), identity).unwrap();
        copy(&files, &published, folder.path()).unwrap();
        assert_eq!(held(folder.path()), files, "stopped before {path}");
    }
}

#[test]
fn a_log_that_does_not_continue_the_copy_overwrites_nothing() {
    let published = Published::of(&Chronicle::write(700));
    let blocks = published.sizes.len();
    let folder = tempfile::tempdir().unwrap();
    let first = earlier(&published, blocks - 1);
    copy(&first.files(), &published, folder.path()).unwrap();
    let before = held(folder.path());

    // The same log with another leaf, from the first and from the last height of the copy.
    for leaf in [0, first.leaves.len() - 1] {
        let mut forked = published.clone();
        forked.leaves[leaf][20] ^= 1;
        forked.note = forked.sign(&forked.checkpoint(blocks - 1), usize::MAX);
        let error = copy(&forked.files(), &published, folder.path()).unwrap_err();
        assert!(matches!(error, ExportError::Fork { .. }), "{error:?}");
        assert_eq!(held(folder.path()), before);
    }
    // The same size, another root.
    let mut forked = first.clone();
    forked.leaves[3][20] ^= 1;
    forked.note = forked.sign(&forked.checkpoint(blocks - 2), usize::MAX);
    let error = copy(&forked.files(), &published, folder.path()).unwrap_err();
    assert!(matches!(error, ExportError::Fork { .. }), "{error:?}");
    // A node that is behind, another ledger, an empty one.
    let behind = earlier(&published, 5);
    let error = copy(&behind.files(), &published, folder.path()).unwrap_err();
    assert!(matches!(error, ExportError::Behind { .. }), "{error:?}");
    let other = Identity::new(origin(), LedgerId([9; 32]));
    let files = published.files();
    let error = export(&files, &other, folder.path(), Duration::ZERO, &mut |_| {});
    assert!(
        matches!(error, Err(ExportError::OtherLedger { .. })),
        "{error:?}"
    );
    let mut empty = published.files();
    empty.change("/checkpoint", |bytes| {
        let root = credlog_tlog::empty_root();
        let none = Checkpoint::new(origin().as_str(), TreeSize(0), root).unwrap();
        let old = Note::parse(bytes).unwrap();
        let note = Note::new(&none.body(), old.signatures().to_vec()).unwrap();
        *bytes = note.to_string().into_bytes();
    });
    let error = copy(&empty, &published, folder.path()).unwrap_err();
    assert_eq!(error, ExportError::Empty);
    assert_eq!(held(folder.path()), before);
}

#[test]
fn nothing_is_published_that_does_not_follow_from_the_checkpoint() {
    let published = Published::of(&Chronicle::write(700));
    let files = published.files();
    for path in files.0.keys() {
        let length = files.0[path].len();
        // The lists of the founders and of the current members are believed for their hash; the
        // founders' follows from genesis alone, which an auditor has.
        if path == "/v1/members/1" {
            continue;
        }
        for at in [0, length / 3, length - 1] {
            let mut changed = files.clone();
            changed.change(path, |bytes| bytes[at] ^= 1);
            let folder = tempfile::tempdir().unwrap();
            let copied = copy(&changed, &published, folder.path());
            match copied {
                // Of a new copy the cosignatures are said to be missing.
                Ok(_) => assert_eq!(path, "/checkpoint", "at {at}"),
                Err(error) => {
                    assert!(!folder.path().join("checkpoint").exists(), "{path} at {at}");
                    let said = matches!(error, ExportError::Untrue { .. } | ExportError::Audit(_));
                    assert!(said, "{path} at {at}: {error:?}");
                }
            }
        }
        let mut missing = files.clone();
        missing.0.remove(path);
        let folder = tempfile::tempdir().unwrap();
        let error = copy(&missing, &published, folder.path()).unwrap_err();
        let missing = matches!(&error, ExportError::Audit(AuditError::Missing { .. }));
        assert!(missing, "{path}: {error:?}");
        assert!(!folder.path().join("checkpoint").exists());
    }
    let mut other = files;
    other.change("/checkpoint", |bytes| {
        let old = Note::parse(bytes).unwrap();
        let size = TreeSize(published.leaves.len() as u64);
        let none = Checkpoint::new(origin().as_str(), size, Hash([7; 32])).unwrap();
        let note = Note::new(&none.body(), old.signatures().to_vec()).unwrap();
        *bytes = note.to_string().into_bytes();
    });
    let folder = tempfile::tempdir().unwrap();
    let error = copy(&other, &published, folder.path()).unwrap_err();
    assert!(matches!(error, ExportError::Untrue { .. }), "{error:?}");
}

#[test]
fn one_export_at_a_time_writes_to_a_folder() {
    use fs2::FileExt as _;
    let published = Published::of(&Chronicle::write(60));
    let folder = tempfile::tempdir().unwrap();
    copy(&published.files(), &published, folder.path()).unwrap();
    let lock = fs::File::open(folder.path().join(".lock")).unwrap();
    lock.lock_exclusive().unwrap();
    let error = copy(&published.files(), &published, folder.path()).unwrap_err();
    assert!(matches!(error, ExportError::Locked { .. }), "{error:?}");
}
