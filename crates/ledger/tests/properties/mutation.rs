//! A block that was changed in any one place is another block or none.

use credlog_ledger::body::{Body, Scope};
use credlog_ledger::ids::UnixMillis;
use proptest::prelude::*;

use crate::support::{
    RECORD, TestLedger, accreditation, achievement, by_issuer, by_member, change, issue, issuer_id,
    new_key, registration, status_change,
};

/// A ledger and a block of records of many kinds on top of it.
fn ledger_and_block() -> (TestLedger, Vec<u8>, credlog_tlog::Hash) {
    let mut ledger = TestLedger::small_with(3, Default::default());
    let mut scoped = accreditation("b", Some(registration("b")));
    scoped.scope = Scope::Achievements(vec![achievement("x")]);
    scoped.until = Some(UnixMillis(ledger.now + 5_000));
    let rotation = change(vec![new_key("a", "a/2", RECORD)], &[], None);
    let records = vec![
        ledger.accredit_as(1, "b", scoped),
        ledger.sign(&by_issuer("a"), Body::RotateKeys(rotation)),
        ledger.sign(&by_issuer("b"), Body::OpenStatusList {}),
        ledger.sign(&by_issuer("a"), issue(0, &[(7, 7), (8, 8)])),
        ledger.sign(&by_member(0), Body::Suspend(status_change("a", &[0, 7]))),
        ledger.sign(&by_issuer("a"), Body::Revoke(status_change("a", &[1]))),
    ];
    assert!(
        ledger
            .state()
            .find_issuer(&issuer_id("a"))
            .unwrap()
            .is_some()
    );
    let executed = ledger.build(records).unwrap();
    (ledger, executed.block, executed.root)
}

#[test]
fn every_changed_bit_of_a_block_is_noticed() {
    let (ledger, block, root) = ledger_and_block();
    assert_eq!(ledger.execute(&block).unwrap().root, root);
    for at in 0..block.len() {
        let mut changed = block.clone();
        changed[at] ^= 1 << (at % 8);
        let result = ledger.execute(&changed);
        assert!(result.is_err(), "byte {at} of {}", block.len());
    }
}

proptest! {
    #![proptest_config(crate::cases(64))]

    #[test]
    fn cut_moved_and_doubled_bytes_are_noticed(
        at in any::<prop::sample::Index>(), len in 1..80usize, kind in 0..3u8, byte in any::<u8>(),
    ) {
        let (ledger, block, root) = ledger_and_block();
        let at = at.index(block.len());
        let end = (at + len).min(block.len());
        let mut changed = block.clone();
        match kind {
            0 => drop(changed.drain(at..end)),
            1 => drop(changed.splice(at..at, block[at..end].iter().copied())),
            _ => changed[at..end].fill(byte),
        }
        if changed != block {
            let other = ledger.execute(&changed).map(|executed| executed.root);
            prop_assert!(other.is_err() && other != Ok(root));
        }
    }
}
