//! Copies that grow from a source that lies, or that has lost what the copy has.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use credlog_audit::export::export;
use credlog_audit::{ExportError, Source, SourceError};
use credlog_ledger::ids::Height;
use credlog_ledger::member::MemberSet;
use credlog_ledger::seal::Seal;

use crate::audit;
use crate::chronicle::Chronicle;
use crate::copy::{copy, earlier, held, identity};
use crate::published::{Files, Published};

/// A ledger and a folder with a copy of all but its last block.
fn grown() -> (Chronicle, Published, tempfile::TempDir) {
    let chronicle = Chronicle::write(700);
    let published = Published::of(&chronicle);
    let folder = tempfile::tempdir().unwrap();
    let first = earlier(&published, published.sizes.len() - 1);
    copy(&first.files(), &published, folder.path()).unwrap();
    (chronicle, published, folder)
}

fn assert_untrue(files: &Files, published: &Published, folder: &Path, words: &str) {
    let before = held(folder);
    let error = copy(files, published, folder).unwrap_err();
    assert!(matches!(error, ExportError::Untrue { .. }), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
    // What is complete beside the old checkpoint does no harm; that one stands as it did.
    let after = held(folder);
    assert_eq!(after.0["/checkpoint"], before.0["/checkpoint"]);
    for (path, bytes) in &before.0 {
        assert_eq!(after.0.get(path), Some(bytes), "{path}");
    }
}

/// The ledger with one more block, of a seal alone, that puts these members in force.
fn prolonged(published: &Published, members: MemberSet) -> Published {
    let mut longer = published.clone();
    let mut seal = Seal::from_leaf(published.leaves.last().unwrap()).unwrap();
    seal.height = seal.height.next();
    seal.members_hash = members.hash().unwrap();
    longer.leaves.push(seal.leaf().unwrap());
    longer.sizes.push(longer.leaves.len() as u64);
    longer.sets.push(members);
    let last = longer.sizes.len() - 1;
    longer.note = longer.sign(&longer.checkpoint(last), usize::MAX);
    longer.certificates.push(Vec::new());
    longer
}

#[test]
fn a_copy_follows_no_members_that_those_before_have_not_decided() {
    let (_, published, folder) = grown();
    copy(&published.files(), &published, folder.path()).unwrap();
    let founders = published.sets[0].clone();
    assert_ne!(founders.hash(), published.sets.last().unwrap().hash());
    let mut longer = prolonged(&published, founders);
    assert_untrue(
        &longer.files(),
        &published,
        folder.path(),
        "the members change",
    );
    // A certificate by fewer than a quorum; by a quorum it is what they decided.
    let last = longer.sizes.len() - 1;
    let value = credlog_ledger::ids::ValueId::of(&longer.checkpoint(last));
    for (signers, words) in [(1, Some("certificate")), (usize::MAX, None)] {
        let certificate = longer.certify(last, &value, signers);
        longer.certificates[last] = certificate.to_bytes().unwrap();
        match words {
            Some(words) => assert_untrue(&longer.files(), &published, folder.path(), words),
            None => {
                let done = copy(&longer.files(), &published, folder.path()).unwrap();
                assert!(done.attested && done.uncertified == 0);
            }
        }
    }
}

#[test]
fn a_copy_grows_to_no_checkpoint_that_nothing_shows_to_be_decided() {
    let (_, published, folder) = grown();
    let last = published.sizes.len() - 1;
    let mut lied = published.clone();
    lied.note = published.sign(&published.checkpoint(last), 1);
    lied.certificates[last].clear();
    assert_untrue(
        &lied.files(),
        &published,
        folder.path(),
        "neither has a quorum",
    );
    // With the certificate of its height it is decided, though not attested yet.
    lied.certificates[last].clone_from(&published.certificates[last]);
    let done = copy(&lied.files(), &published, folder.path()).unwrap();
    assert!(!done.attested);
    // Cosignatures come later, and stay.
    let done = copy(&published.files(), &published, folder.path()).unwrap();
    assert!(done.attested && done.size_before == Some(done.size));
    let done = copy(&lied.files(), &published, folder.path()).unwrap();
    assert!(!done.attested);
    assert_eq!(held(folder.path()), published.files());
}

#[test]
fn certificates_of_a_copy_stay_when_the_source_has_lost_them() {
    let (chronicle, published, folder) = grown();
    let mut lossy = published.clone();
    let kept = published.certificates.len() - 1;
    for certificate in &mut lossy.certificates[..kept] {
        certificate.clear();
    }
    // Nothing new, and the last block.
    let first = earlier(&lossy, kept);
    for files in [first.files(), lossy.files()] {
        let done = copy(&files, &published, folder.path()).unwrap();
        assert_eq!(done.uncertified, 0);
        let copied = credlog_audit::Folder::new(folder.path());
        let report = audit(&copied, &chronicle.ledger.genesis).unwrap();
        assert!(report.is_clean(), "{:?}", report.unchecked);
    }
}

#[test]
fn a_log_that_does_not_end_with_a_seal_is_not_copied() {
    let (_, published, folder) = grown();
    let last = published.sizes.len() - 1;
    let mut open = published.clone();
    open.leaves.pop();
    open.sizes[last] -= 1;
    open.note = open.sign(&open.checkpoint(last), usize::MAX);
    let words = "does not end with a seal";
    assert_untrue(&open.files(), &published, folder.path(), words);
}

#[test]
fn a_shorter_log_is_behind_or_another() {
    let (_, published, folder) = grown();
    let mut shorter = earlier(&published, 7);
    let error = copy(&shorter.files(), &published, folder.path()).unwrap_err();
    assert!(matches!(error, ExportError::Behind { .. }), "{error:?}");
    shorter.leaves[3][20] ^= 1;
    shorter.note = shorter.sign(&shorter.checkpoint(6), usize::MAX);
    let error = copy(&shorter.files(), &published, folder.path()).unwrap_err();
    assert!(matches!(error, ExportError::Fork { .. }), "{error:?}");
}

/// Counts what it is asked, and has whatever it is asked of status lists.
struct Generous {
    files: Files,
    asked: AtomicU64,
}

impl Source for Generous {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match path.starts_with("/v1/status-lists/") {
            true => Ok(Some(vec![7])),
            false => self.files.read(path, bytes_max),
        }
    }

    fn readers(&self) -> usize {
        2
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// A log of one seal with the greatest numbers that it can say.
#[test]
fn numbers_without_bounds_end_no_program_and_are_not_followed() {
    let (chronicle, published, _) = grown();
    for (height, lists) in [(u64::MAX, 0), (1, u64::MAX), (u64::MAX, u64::MAX)] {
        let mut one = earlier(&published, 1);
        let mut seal = Seal::from_leaf(one.leaves.last().unwrap()).unwrap();
        seal.height = Height(height);
        seal.status_lists = lists;
        one.leaves = vec![seal.leaf().unwrap()];
        one.sizes = vec![1];
        one.note = one.sign(&one.checkpoint(0), usize::MAX);
        let source = Generous {
            files: one.files(),
            asked: AtomicU64::new(0),
        };
        let folder = tempfile::tempdir().unwrap();
        let (identity, patience) = (identity(&published), Duration::ZERO);
        let error = export(&source, &identity, folder.path(), patience, &mut |_| {});
        let is_untrue = matches!(error, Err(ExportError::Untrue { .. }));
        assert!(is_untrue, "{error:?}");
        let report = audit(&source, &chronicle.ledger.genesis).unwrap();
        assert!(report.findings_count > 0);
        assert!(source.asked.load(Ordering::Relaxed) < 100);
    }
}

#[test]
fn a_wait_without_an_end_is_no_error() {
    let (_, published, folder) = grown();
    let (files, identity) = (published.files(), identity(&published));
    export(&files, &identity, folder.path(), Duration::MAX, &mut |_| {}).unwrap();
}
