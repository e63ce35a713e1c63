//! Decoding and encoding are each other's inverse: records, blocks, seals, rows, JSON.

use credlog_ledger::block::Block;
use credlog_ledger::entry::IssuerEntry;
use credlog_ledger::ids::{Height, Root, Round, UnixMillis};
use credlog_ledger::record::{EncodedRecord, Record};
use credlog_ledger::seal::Seal;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::record;
use crate::support::TestLedger;

fn seal() -> impl Strategy<Value = Seal> {
    let numbers = any::<(u64, u64, u32, u64, u64)>();
    let roots = any::<([u8; 32], [u8; 32], [u8; 32])>();
    (numbers, roots, "[a-z0-9][a-z0-9-]{0,39}").prop_map(
        |((height, time, round, lists, size), (status, registry, members), proposer)| Seal {
            version: 1,
            height: Height(height),
            time: UnixMillis(time),
            round: Round(round),
            proposer: proposer.parse().unwrap(),
            record_count: 0,
            status_root: Root(status),
            status_lists: lists,
            registry_root: Root(registry),
            registry_size: size,
            members_hash: Root(members),
        },
    )
}

proptest! {
    #![proptest_config(crate::cases(400))]

    #[test]
    fn records(record in record()) {
        let bytes = record.to_bytes().unwrap();
        let decoded = EncodedRecord::decode(&bytes).unwrap();
        prop_assert_eq!(decoded.record(), &record);
        prop_assert_eq!(decoded.record().to_bytes().unwrap(), decoded.bytes());
        prop_assert_eq!(decoded.id().0, *blake3::hash(&bytes).as_bytes());
        let leaf = decoded.leaf();
        prop_assert_eq!(leaf.split_first(), Some((&1, bytes.as_slice())));
        let json = serde_json::to_string(&record).unwrap();
        prop_assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }

    #[test]
    fn seals_and_blocks(mut seal in seal(), records in vec(record(), 0..6)) {
        seal.record_count = u32::try_from(records.len()).unwrap();
        let leaf = seal.leaf().unwrap();
        prop_assert_eq!(Seal::from_leaf(&leaf), Ok(seal.clone()));
        let records = records.iter().map(|one| EncodedRecord::new(one).unwrap()).collect();
        let block = Block { records, seal };
        let bytes = block.to_bytes().unwrap();
        prop_assert_eq!(Block::from_bytes(&bytes), Ok(block));
    }

    /// Two records never share their bytes, nor what they sign.
    #[test]
    fn different_records_differ(one in record(), mut two in record()) {
        prop_assert_eq!(one == two, one.to_bytes() == two.to_bytes());
        two.signature = one.signature;
        let encoded = EncodedRecord::new(&two).unwrap();
        prop_assert_eq!(one == two, EncodedRecord::new(&one).unwrap().message() == encoded.message());
    }
}

/// Every row of a state in which every table is used has one form.
#[test]
fn rows() {
    let mut ledger = TestLedger::small_with(2, Default::default());
    let list = ledger
        .state()
        .list(credlog_ledger::ids::ListNumber(0))
        .unwrap()
        .unwrap();
    assert_eq!(list.used, 4);
    ledger.register(1, "b");
    let entries = ledger
        .state()
        .issuers(credlog_ledger::ids::IssuerNumber(0), 10)
        .unwrap();
    assert_eq!(entries.len(), 2);
    for (number, entry) in entries {
        let bytes = credlog_ledger::codec::encode("entry", &entry, 1 << 16).unwrap();
        let again: IssuerEntry = credlog_ledger::codec::decode("entry", &bytes, 1 << 16).unwrap();
        assert_eq!(again, entry);
        let key = [&[9u8][..], &number.0.to_be_bytes()].concat();
        let row = ledger
            .state
            .rows()
            .find(|(found, _)| **found == key)
            .unwrap();
        assert_eq!(row.1, &bytes);
    }
}
