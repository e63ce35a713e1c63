//! One field of a ledger is changed: the auditor names the place, and the leaf where there is one.
//!
//! Each change is made in three ways. *Plain*: the file alone is another. *Hashed anew*: tiles,
//! roots and the checkpoint follow from what was changed. *Signed anew*: besides, one dishonest
//! member signs all that its keys can, and so does an issuer that is in league with it.

use std::collections::{BTreeMap, BTreeSet};

use credlog_audit::{Finding, Kind, Report};
use credlog_ledger::body::Body;
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::ids::{Height, LeafIndex, ValueId};
use credlog_ledger::record::{AuthorId, EncodedRecord, Record};
use credlog_ledger::seal::Seal;
use credlog_tlog::{Note, NoteSignature};

use crate::audit;
use crate::chronicle::Chronicle;
use crate::fields::variants;
use crate::published::{Files, Published};
use crate::support::key;

/// Fills a bundle of 256 leaves and part of the next.
const RECORDS: usize = 300;

struct Audited {
    chronicle: Chronicle,
    published: Published,
}

impl Audited {
    fn new() -> Self {
        let chronicle = Chronicle::write(RECORDS);
        let published = Published::of(&chronicle);
        let audited = Self {
            chronicle,
            published,
        };
        assert!(audited.audit(&audited.published.files()).is_clean());
        audited
    }

    fn audit(&self, files: &Files) -> Report {
        audit(files, &self.chronicle.ledger.genesis).unwrap()
    }

    /// The first record of each kind, and of each action, by its leaf.
    fn kinds(&self) -> BTreeMap<String, (usize, Record)> {
        let mut kinds = BTreeMap::new();
        for (at, leaf) in self.published.leaves.iter().enumerate() {
            let [1, bytes @ ..] = leaf.as_slice() else {
                continue;
            };
            let record = EncodedRecord::decode(bytes).unwrap().record().clone();
            let name = match &record.body {
                Body::Propose { action } => {
                    let json = serde_json::to_value(action).unwrap();
                    let action = json.as_object().unwrap().keys().next().unwrap();
                    format!("propose {action}")
                }
                body => body.kind().to_owned(),
            };
            kinds.entry(name).or_insert((at, record));
        }
        kinds
    }
}

fn at_leaf(report: &Report, leaf: usize) -> Vec<&Finding> {
    let leaf = Some(LeafIndex(leaf as u64));
    report
        .findings
        .iter()
        .filter(|one| one.leaf == leaf)
        .collect()
}

/// The leaf is named first of all, as one that was changed; and nothing behind it is blamed.
fn assert_leaf_is_named(audited: &Audited, report: &Report, leaf: usize, what: &str) {
    let first = &report.findings[0];
    let height = Height(audited.published.block_of(leaf) as u64 + 1);
    assert_eq!(
        (first.kind, first.leaf, first.height),
        (Kind::Leaf, Some(LeafIndex(leaf as u64)), Some(height)),
        "{what}: {report:#?}"
    );
    assert!(
        first.message.contains("the certificate"),
        "{what}: {first:?}"
    );
    let others = report.findings.iter().filter(|one| one.leaf != first.leaf);
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&Finding>::new(), "{what}");
}

/// Records that differ in one field and still are records, or at least bytes of one.
fn changed_records(record: &Record) -> Vec<(String, Record, Vec<u8>)> {
    let json = serde_json::to_value(record).unwrap();
    let mut changed = Vec::new();
    for (place, variant) in variants(&json) {
        let Ok(other) = serde_json::from_value::<Record>(variant) else {
            continue;
        };
        let bytes = other.to_bytes().unwrap();
        // One change of each field, or each that there is.
        let is_new = crate::is_long() || changed.iter().all(|(known, _, _)| *known != place);
        if other != *record && is_new {
            changed.push((place, other, [&[1], bytes.as_slice()].concat()));
        }
    }
    changed
}

#[test]
fn a_changed_record_is_the_first_leaf_that_is_named() {
    let audited = Audited::new();
    let kinds = audited.kinds();
    assert_eq!(kinds.len(), 14 + 6, "{:?}", kinds.keys());
    for (kind, (leaf, record)) in &kinds {
        let changed = changed_records(record);
        let places: BTreeSet<_> = changed.iter().map(|(place, _, _)| place).collect();
        // Ledger, author, key, nonce, expiry and signature, and what the body says.
        let fields = 6 + usize::from(kind != "openStatusList");
        assert!(places.len() >= fields, "{kind}: {places:?}");
        for (place, other, bytes) in changed {
            let what = format!("{kind} {place}");
            let mut files = audited.published.files();
            files.replace("/tile/entries", *leaf as u64, &bytes);
            let report = audited.audit(&files);
            assert_leaf_is_named(&audited, &report, *leaf, &what);
            assert_rule_is_named(&report, *leaf, &other, &what);

            let rehashed = rehashed(&audited, *leaf, bytes);
            let report = audited.audit(&rehashed.files());
            assert_rule_is_named(&report, *leaf, &other, &what);
            assert_height_is_named(&audited, &report, *leaf, &what);
        }
    }
}

/// A finding says what is wrong with the record itself: no change of one survives its signature.
fn assert_rule_is_named(report: &Report, leaf: usize, record: &Record, what: &str) {
    let found = at_leaf(report, leaf);
    let malformed = record.body.check_form().is_err() || record.version != 1;
    let one = found.iter().find(|one| match malformed {
        true => one.kind == Kind::Malformed,
        false => one.kind == Kind::Record && one.rule.as_deref() == Some("R0"),
    });
    assert!(one.is_some(), "{what}: {report:#?}");
}

/// The height is named whose certificate decides something else, once, and no height before it.
fn assert_height_is_named(audited: &Audited, report: &Report, leaf: usize, what: &str) {
    let height = Height(audited.published.block_of(leaf) as u64 + 1);
    let certificates = report
        .findings
        .iter()
        .filter(|one| one.kind == Kind::Certificate);
    let first = certificates
        .clone()
        .next()
        .unwrap_or_else(|| panic!("{what}: {report:#?}"));
    assert_eq!(first.height, Some(height), "{what}");
    assert!(
        report
            .findings
            .iter()
            .all(|one| one.height.is_none_or(|named| named >= height)),
        "{what}: {report:#?}"
    );
}

/// Another leaf, and every hash that follows from it.
fn rehashed(audited: &Audited, leaf: usize, bytes: Vec<u8>) -> Published {
    let mut published = audited.published.clone();
    published.leaves[leaf] = bytes;
    let newest = published.checkpoint(published.sizes.len() - 1);
    // Nobody cosigned that: the lines are those of the true checkpoint.
    let old = Note::parse(audited.published.note.as_bytes()).unwrap();
    published.note = Note::new(&newest.body(), old.signatures().to_vec())
        .unwrap()
        .to_string();
    published
}

/// The same, where the first member signs certificates and checkpoint by its own keys.
fn resigned(audited: &Audited, leaf: usize, bytes: Vec<u8>) -> Published {
    let mut published = rehashed(audited, leaf, bytes);
    for block in published.block_of(leaf)..published.sizes.len() {
        let value = ValueId::of(&published.checkpoint(block));
        let certificate = published.certify(block, &value, 1);
        published.certificates[block] = certificate.to_bytes().unwrap();
    }
    let newest = published.checkpoint(published.sizes.len() - 1);
    published.note = published.sign(&newest, 1);
    published
}

/// The record signed again by its author, as far as the keys are at hand: those of member `m0`
/// and of the issuers that it accredited.
fn signed_again(record: &Record) -> Option<Vec<u8>> {
    let label = match &record.author.id {
        AuthorId::Member(id) if id.as_str() == "m0" => "m0/0/governance",
        AuthorId::Issuer(id) if id.as_str() == "did:web:a.example" => "a/record",
        _ => return None,
    };
    let signed = Record::sign(
        record.ledger,
        record.author.id.clone(),
        record.nonce,
        record.expires_at,
        record.body.clone(),
        &key(label),
    );
    Some([&[1], signed.ok()?.to_bytes().unwrap().as_slice()].concat())
}

#[test]
fn a_record_that_one_member_and_its_issuer_sign_anew_is_named_by_its_height() {
    let audited = Audited::new();
    let (mut signed, mut accepted) = (0, 0);
    for (kind, (leaf, record)) in &audited.kinds() {
        for (place, other, _) in changed_records(record) {
            let what = format!("{kind} {place}");
            let Some(bytes) = signed_again(&other) else {
                continue;
            };
            if bytes == audited.published.leaves[*leaf] {
                continue;
            }
            signed += 1;
            let report = audited.audit(&resigned(&audited, *leaf, bytes).files());
            assert_height_is_named(&audited, &report, *leaf, &what);
            let height = Height(audited.published.block_of(*leaf) as u64 + 1);
            let quorum = report
                .findings
                .iter()
                .find(|one| one.kind == Kind::Certificate);
            assert!(
                quorum
                    .unwrap()
                    .message
                    .contains("a quorum of its members is"),
                "{what}"
            );
            // Either no rule is broken at its height, or the record is named by that rule, or the
            // seal, which gives what the record was.
            let rules: Vec<_> = report
                .findings
                .iter()
                .filter(|one| one.height == Some(height) && one.leaf.is_some())
                .collect();
            accepted += usize::from(rules.is_empty());
            for one in rules {
                assert!(one.rule.is_some(), "{what}: {one:?}");
            }
            let cosigned = report
                .findings
                .iter()
                .find(|one| one.kind == Kind::Cosignatures);
            assert!(
                cosigned.unwrap().message.contains("cosigned by 1 members"),
                "{what}"
            );
        }
    }
    assert!(signed > 40 && accepted > 8, "{signed} {accepted}");
}

#[test]
fn a_changed_seal_is_named_with_its_rule() {
    let audited = Audited::new();
    let block = audited
        .published
        .block_of(audited.published.leaves.len() / 2);
    for block in [0, block, audited.published.sizes.len() - 1] {
        let leaf = audited.published.seal_of(block);
        let seal = Seal::from_leaf(&audited.published.leaves[leaf]).unwrap();
        let mut places = BTreeSet::new();
        for (place, variant) in variants(&serde_json::to_value(&seal).unwrap()) {
            let Ok(other) = serde_json::from_value::<Seal>(variant) else {
                continue;
            };
            let what = format!("seal {block} {place}");
            let bytes = other.leaf().unwrap();
            let mut files = audited.published.files();
            files.replace("/tile/entries", leaf as u64, &bytes);
            let report = audited.audit(&files);
            assert_leaf_is_named(&audited, &report, leaf, &what);

            for published in [
                rehashed(&audited, leaf, bytes.clone()),
                resigned(&audited, leaf, bytes),
            ] {
                let report = audited.audit(&published.files());
                assert_height_is_named(&audited, &report, leaf, &what);
                // A seal's time alone may be another one without breaking a rule.
                if place != "/time" {
                    let one = at_leaf(&report, leaf);
                    let one = one.iter().find(|one| one.kind == Kind::Seal);
                    assert!(
                        one.is_some_and(|one| one.rule.is_some()),
                        "{what}: {report:#?}"
                    );
                }
            }
            places.insert(place);
        }
        assert_eq!(places.len(), 11, "{places:?}");
    }
}

#[test]
fn a_changed_hash_of_a_tile_is_named_and_the_leaves_are_not() {
    let audited = Audited::new();
    let files = audited.published.files();
    let tiles = files.0.keys().filter(|path| {
        path.strip_prefix("/tile/")
            .is_some_and(|rest| !rest.starts_with("entries"))
    });
    let mut count = 0;
    for path in tiles {
        let hashes = files.0[path].len() / 32;
        for at in [0, hashes / 2, hashes - 1] {
            let mut files = files.clone();
            files.change(path, |bytes| bytes[32 * at + 5] ^= 1);
            let report = audited.audit(&files);
            assert_eq!(report.findings_count, 1, "{path}: {report:#?}");
            let finding = &report.findings[0];
            assert_eq!(finding.kind, Kind::Tile, "{path}");
            if let Some(name) = path.strip_prefix("/tile/0/") {
                let tile: u64 = name[..3].parse().unwrap();
                let leaf = LeafIndex(tile * 256 + at as u64);
                assert_eq!(finding.leaf, Some(leaf), "{path}");
            } else {
                assert_eq!(finding.file.as_ref(), Some(path));
            }
            count += 1;
        }
    }
    assert!(count >= 9, "{count}");
}

#[test]
fn a_changed_certificate_is_named_by_its_height() {
    let audited = Audited::new();
    let mut places = BTreeSet::new();
    let blocks = audited.published.certificates.len();
    for block in [0, blocks / 2, blocks - 1] {
        let bytes = &audited.published.certificates[block];
        let certificate = CommitCertificate::from_bytes(bytes).unwrap();
        let json = serde_json::to_value(&certificate).unwrap();
        for (place, variant) in variants(&json) {
            let Ok(other) = serde_json::from_value::<CommitCertificate>(variant) else {
                continue;
            };
            // Three of four are a quorum: one less is another certificate, and a good one.
            if place.ends_with("signatures shorter") || other == certificate {
                continue;
            }
            let what = format!("certificate {block} {place}");
            let Ok(bytes) = other.to_bytes() else {
                continue;
            };
            let mut files = audited.published.files();
            files.replace("/v1/certificates/bundle", block as u64, &bytes);
            let report = audited.audit(&files);
            let named: BTreeSet<_> = report.findings.iter().map(|one| one.height).collect();
            assert_eq!(
                named,
                BTreeSet::from([Some(Height(block as u64 + 1))]),
                "{what}"
            );
            let kinds = report
                .findings
                .iter()
                .all(|one| one.kind == Kind::Certificate);
            assert!(kinds, "{what}: {report:#?}");
            places.insert(place);
        }
        // Of another height, decided by too few, and no certificate at all.
        let other = &audited.published.certificates[(block + 1) % blocks];
        let few = audited.published.certify(block, &certificate.value, 2);
        for bytes in [other.clone(), few.to_bytes().unwrap(), vec![7; 60]] {
            let mut files = audited.published.files();
            files.replace("/v1/certificates/bundle", block as u64, &bytes);
            let report = audited.audit(&files);
            assert_eq!(report.findings_count, 1, "{report:#?}");
            assert_eq!(report.findings[0].height, Some(Height(block as u64 + 1)));
        }
        // One that is lost says nothing against anybody, but the audit is not whole.
        let mut files = audited.published.files();
        files.replace("/v1/certificates/bundle", block as u64, &[]);
        let report = audited.audit(&files);
        assert_eq!((report.findings_count, report.is_clean()), (0, false));
        assert!(report.unchecked[0].contains(&format!("the first is {}", block + 1)));
    }
    // Height, round, value, each signature, and members that sort where they stood.
    assert!(places.len() >= 3 + 5, "{places:?}");
}

#[test]
fn a_changed_cosignature_is_found() {
    let audited = Audited::new();
    let note = Note::parse(audited.published.note.as_bytes()).unwrap();
    let lines = note.signatures();
    let text: Vec<&str> = audited.published.note.lines().collect();
    assert_eq!(lines.len(), 5);
    // The node's line, then one for each of four members, the last of which makes no quorum.
    for (at, line) in lines.iter().enumerate() {
        for byte in 0..line.bytes().len() {
            let mut files = audited.published.files();
            files.change("/checkpoint", |bytes| {
                let mut lines: Vec<String> = text.iter().map(|line| (*line).to_owned()).collect();
                let own = &mut lines[4 + at];
                let (name, payload) = own.rsplit_once(' ').unwrap();
                let mut payload = decode(payload);
                payload[4 + byte] ^= 1;
                *own = format!("{name} {}", encode(&payload));
                *bytes = (lines.join("\n") + "\n").into_bytes();
            });
            let report = audited.audit(&files);
            assert_eq!(
                report.findings_count, 1,
                "line {at} byte {byte}: {report:#?}"
            );
            let kind = match at {
                0 => Kind::Checkpoint,
                _ => Kind::Cosignatures,
            };
            assert_eq!(report.findings[0].kind, kind);
            assert_eq!(report.findings[0].file.as_deref(), Some("/checkpoint"));
        }
    }
    // A member twice, a stranger, or too few, are no quorum.
    let quorum: Vec<NoteSignature> = lines[..4].to_vec();
    let report = audited.audit(&with_lines(&audited, &note, quorum.clone()));
    assert!(report.is_clean());
    let twice = vec![
        lines[0].clone(),
        lines[1].clone(),
        lines[2].clone(),
        lines[2].clone(),
    ];
    for few in [lines[..3].to_vec(), twice, lines[..1].to_vec()] {
        let report = audited.audit(&with_lines(&audited, &note, few));
        assert_eq!(report.findings_count, 1, "{report:#?}");
        assert_eq!(report.findings[0].kind, Kind::Cosignatures);
        assert_eq!(report.as_of, None);
    }
}

fn with_lines(audited: &Audited, note: &Note, lines: Vec<NoteSignature>) -> Files {
    let mut files = audited.published.files();
    let note = Note::new(note.text(), lines).unwrap().to_string();
    files.change("/checkpoint", |bytes| *bytes = note.into_bytes());
    files
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn a_changed_list_of_members_is_named() {
    let audited = Audited::new();
    let files = audited.published.files();
    let lists = files
        .0
        .keys()
        .filter(|path| path.starts_with("/v1/members/"));
    let lists: Vec<_> = lists.cloned().collect();
    assert_eq!(lists.len(), 4);
    for path in lists {
        for at in [30, 200] {
            let mut files = files.clone();
            files.change(&path, |bytes| bytes[at] ^= 1);
            let report = audited.audit(&files);
            assert_eq!(report.findings_count, 1, "{path}: {report:#?}");
            let finding = &report.findings[0];
            assert_eq!(
                (finding.kind, finding.file.as_ref()),
                (Kind::Members, Some(&path))
            );
        }
    }
}

#[test]
fn a_removed_member_that_signs_a_later_height_is_found() {
    let audited = Audited::new();
    let last = audited.published.certificates.len() - 1;
    let mut published = audited.published.clone();
    // The set of the founders, in which m3 still was.
    published.sets[last] = published.sets[0].clone();
    let value = ValueId::of(&published.checkpoint(last));
    published.certificates[last] = published.certify(last, &value, 4).to_bytes().unwrap();
    published.sets = audited.published.sets.clone();
    let report = audited.audit(&published.files());
    assert_eq!(report.findings_count, 1, "{report:#?}");
    let finding = &report.findings[0];
    assert_eq!(
        (finding.kind, finding.height),
        (Kind::Certificate, Some(Height(last as u64 + 1)))
    );
}

/// The assertions of this file fail for a ledger in which nothing is wrong.
#[test]
fn these_tests_can_fail() {
    let audited = Audited::new();
    let report = audited.audit(&audited.published.files());
    let fails = |assertion: &dyn Fn()| {
        let assertion = std::panic::AssertUnwindSafe(assertion);
        assert!(std::panic::catch_unwind(assertion).is_err());
    };
    let leaf = audited.kinds()["issue"].0;
    fails(&|| assert_leaf_is_named(&audited, &report, leaf, "nothing"));
    fails(&|| assert_height_is_named(&audited, &report, leaf, "nothing"));
    let record = &audited.kinds()["issue"].1;
    fails(&|| assert_rule_is_named(&report, leaf, record, "nothing"));
    // And where another leaf is wrong than the one that is asked about.
    let (other, record) = &audited.kinds()["revoke"];
    let (_, _, bytes) = changed_records(record).pop().unwrap();
    let mut files = audited.published.files();
    files.replace("/tile/entries", *other as u64, &bytes);
    let report = audited.audit(&files);
    fails(&|| assert_leaf_is_named(&audited, &report, leaf, "another"));
    assert_leaf_is_named(&audited, &report, *other, "this");
}
