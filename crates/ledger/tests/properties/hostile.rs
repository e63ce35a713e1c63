//! Hostile bytes: no decoder panics, and what decodes is canonical.

use credlog_ledger::block::{BLOCK_BYTES_MAX, Block, split_leaves};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::key::PublicKey;
use credlog_ledger::record::{EncodedRecord, RECORD_BYTES_MAX, RecordError};
use credlog_ledger::seal::Seal;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::record;
use crate::support::{genesis, key, public};

fn every_decoder(bytes: &[u8]) {
    let _ = EncodedRecord::decode(bytes);
    let _ = Block::from_bytes(bytes);
    let _ = Seal::from_leaf(bytes);
    let _ = Genesis::parse(bytes);
    let _ = split_leaves(bytes);
    if let Ok(key) = PublicKey::from_multicodec(bytes) {
        let _ = key.check();
        assert!(!key.verifies(b"message", bytes));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = text.parse::<PublicKey>();
    }
}

proptest! {
    #![proptest_config(crate::cases(400))]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..600)) {
        every_decoder(&bytes);
        let mut record = vec![1];
        record.extend_from_slice(&bytes);
        every_decoder(&record);
        let mut seal = vec![2];
        seal.extend_from_slice(&bytes);
        every_decoder(&seal);
    }

    /// What decodes after a change is still canonical.
    #[test]
    fn changed_records(
        record in record(), at in any::<prop::sample::Index>(), to in vec(any::<u8>(), 1..9),
    ) {
        let mut bytes = record.to_bytes().unwrap();
        let at = at.index(bytes.len());
        let end = (at + to.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&to[..end - at]);
        every_decoder(&bytes);
        if let Ok(decoded) = EncodedRecord::decode(&bytes) {
            prop_assert_eq!(decoded.record().to_bytes().unwrap(), bytes);
            prop_assert_eq!(decoded.record().body.check_form(), Ok(()));
        }
    }
}

#[test]
fn oversized_input_is_refused_before_it_is_read() {
    let huge = vec![1; RECORD_BYTES_MAX + 1];
    assert!(matches!(
        EncodedRecord::decode(&huge),
        Err(RecordError::Codec(
            credlog_ledger::codec::CodecError::TooLong { .. }
        ))
    ));
    let zeros = vec![0; BLOCK_BYTES_MAX];
    assert!(Block::from_bytes(&zeros).is_err());
    let nested = "[".repeat(1 << 20);
    assert!(Genesis::parse(nested.as_bytes()).is_err());
    let text = format!("z{}", "2".repeat(100_000));
    assert!(text.parse::<PublicKey>().is_err());
}

mod genesis_files {
    use super::*;
    use credlog_ledger::genesis::GenesisError;
    use credlog_ledger::parameters::Parameters;

    fn file() -> String {
        serde_json::to_string(&genesis(2, Parameters::default())).unwrap()
    }

    fn refused(text: &str) -> GenesisError {
        Genesis::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn white_space_and_order_do_not_matter() {
        let genesis = genesis(2, Parameters::default());
        let value: serde_json::Value = serde_json::from_str(&file()).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        assert_ne!(pretty, file());
        let parsed = Genesis::parse(pretty.as_bytes()).unwrap();
        assert_eq!(parsed.ledger_id(), genesis.ledger_id());
        // The id is BLAKE3 over the JCS bytes of the file itself.
        let jcs = serde_json_canonicalizer::to_vec(&value).unwrap();
        assert_eq!(
            parsed.ledger_id().unwrap().0,
            *blake3::hash(&jcs).as_bytes()
        );
    }

    #[test]
    fn names_stand_once_at_every_depth() {
        let file = file();
        for name in [
            "version",
            "origin",
            "id",
            "governance",
            "key",
            "recordsPerBlock",
        ] {
            let start = file.find(&format!("\"{name}\":")).unwrap();
            let value = &file[start..];
            let end = match name {
                "governance" => value.find('}').unwrap() + 1,
                _ => value.find([',', '}']).unwrap(),
            };
            let doubled = format!("{}{},{}", &file[..start], &value[..end], value);
            let error = refused(&doubled).to_string();
            assert!(error.contains("duplicate field"), "{name}: {error}");
        }
    }

    #[test]
    fn unknown_names_are_refused_at_every_depth() {
        let file = file();
        for (at, _) in file.match_indices('{') {
            let added = format!("{}\"extra\":1,{}", &file[..=at], &file[at + 1..]);
            let error = refused(&added).to_string();
            assert!(error.contains("unknown field"), "{at}: {error}");
        }
    }

    #[test]
    fn nothing_is_left_out() {
        let value: serde_json::Value = serde_json::from_str(&file()).unwrap();
        let mut without = value.clone();
        without["parameters"]
            .as_object_mut()
            .unwrap()
            .remove("recordsPerBlock");
        assert_eq!(refused(&without.to_string()), GenesisError::NotComplete);
        let mut without = value.clone();
        without["members"][0].as_object_mut().unwrap().remove("url");
        assert_eq!(refused(&without.to_string()), GenesisError::NotComplete);
        let mut without = value;
        without.as_object_mut().unwrap().remove("parameters");
        assert!(matches!(
            refused(&without.to_string()),
            GenesisError::Json(_)
        ));
    }

    #[test]
    fn each_defect_has_its_error() {
        let good = genesis(2, Parameters::default());
        let parse =
            |genesis: &Genesis| Genesis::parse(&serde_json::to_vec(genesis).unwrap()).map(|_| ());
        assert_eq!(parse(&good), Ok(()));
        let spoil = |change: fn(&mut Genesis)| {
            let mut genesis = good.clone();
            change(&mut genesis);
            parse(&genesis).unwrap_err()
        };
        assert_eq!(spoil(|one| one.version = 2), GenesisError::Version(2));
        assert_eq!(spoil(|one| one.members.clear()), GenesisError::Members(0));
        let late = spoil(|one| one.time.0 = 1 << 53);
        assert!(matches!(late, GenesisError::Time(_)));
        let twice = spoil(|one| one.members[1].id = one.members[0].id.clone());
        assert!(
            matches!(twice, GenesisError::Member(_)),
            "another owner: no possession"
        );
        let twice = spoil(|one| one.members[1] = one.members[0].clone());
        assert!(matches!(twice, GenesisError::TwiceMember(_)));
        let range = spoil(|one| one.parameters.records_per_block = 0);
        assert!(matches!(range, GenesisError::Parameter(_)));
        let origin = spoil(|one| one.origin = "other.example".parse().unwrap());
        assert!(matches!(origin, GenesisError::Member(_)));
    }
}

#[test]
fn decoded_member_sets_are_in_order_and_not_empty() {
    use credlog_ledger::codec::{decode, encode};
    use credlog_ledger::member::{MemberSet, SeatedMember};
    let set = genesis(2, Default::default()).member_set();
    let bytes = encode("set", &set, 1 << 20).unwrap();
    assert_eq!(decode::<MemberSet>("set", &bytes, 1 << 20), Ok(set.clone()));
    let mut seats: Vec<SeatedMember> = set.into();
    seats.reverse();
    for wrong in [
        seats.clone(),
        vec![],
        vec![seats[0].clone(), seats[0].clone()],
    ] {
        let bytes = encode("set", &wrong, 1 << 20).unwrap();
        assert!(decode::<MemberSet>("set", &bytes, 1 << 20).is_err());
    }
    assert!(public(&key("a")).check().is_ok());
}
