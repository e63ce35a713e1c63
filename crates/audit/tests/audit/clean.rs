//! A ledger that is as it should be.

use std::collections::BTreeSet;

use credlog_audit::Folder;
use credlog_ledger::block::Block;
use credlog_ledger::ids::UnixMillis;
use credlog_ledger::state::StateDigest;
use credlog_ledger::transition::{execute, genesis_state};

use crate::audit;
use crate::chronicle::Chronicle;
use crate::published::{COSIGNED, Published};

fn records() -> usize {
    if crate::is_long() { 100_000 } else { 10_000 }
}

/// The digest of the state, one block after the other, each signature for itself, on another kind
/// of state than the auditor's.
fn digest_by_blocks(chronicle: &Chronicle) -> StateDigest {
    let mut state = genesis_state(&chronicle.ledger.genesis).unwrap();
    for block in &chronicle.ledger.blocks {
        let block = Block::from_bytes(&block.block).unwrap();
        state.apply(&execute(&state, block).unwrap().changes);
    }
    let mut digest = StateDigest::default();
    state.rows().for_each(|(key, value)| digest.add(key, value));
    digest
}

#[test]
fn a_long_ledger_with_every_kind_of_record_has_no_finding() {
    let chronicle = Chronicle::write(records());
    assert_eq!(chronicle.records(), records());
    let blocks = &chronicle.ledger.blocks;
    let all = blocks.iter().flat_map(|block| &block.records);
    let kinds: BTreeSet<_> = all.map(|record| record.record().body.kind()).collect();
    assert_eq!(kinds.len(), 15, "{kinds:?}");

    let published = Published::of(&chronicle);
    let folder = tempfile::tempdir().unwrap();
    published.files().write(folder.path());
    let genesis = &chronicle.ledger.genesis;
    let report = audit(&Folder::new(folder.path()), genesis).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.unchecked, [""; 0]);
    assert!(report.is_clean());
    let last = blocks.last().unwrap();
    assert_eq!(
        (report.size, report.leaves, report.height, report.records),
        (last.size, last.size.0, last.seal.height, records() as u64)
    );
    assert_eq!(report.root, last.root.to_string());
    assert_eq!(report.certificates, last.seal.height.0);
    assert_eq!(report.member_changes, 3);
    assert_eq!((report.cosigned.len(), report.quorum), (4, 3));
    // The third newest of four cosignatures, one second apart.
    let as_of = report.as_of.map(|as_of| as_of.unix_millis());
    assert_eq!(as_of, Some(UnixMillis((COSIGNED + 1) * 1_000)));
    assert_eq!(report.served_by.unwrap().as_str(), "m0");
    assert_eq!(report.state.height, last.seal.height);
    assert_eq!(report.state.digest, digest_by_blocks(&chronicle));

    // The same from memory, on one thread: the numbers do not depend on how it is read.
    let options = credlog_audit::Options {
        threads: 1,
        ..credlog_audit::Options::default()
    };
    let mut told = Vec::new();
    let again = credlog_audit::replay(&published.files(), genesis, &options, &mut |progress| {
        told.push(progress.leaves);
    });
    assert_eq!(again.unwrap().state, report.state);
    assert!(
        told.is_sorted() && told.last() == Some(&report.leaves),
        "{told:?}"
    );
}
