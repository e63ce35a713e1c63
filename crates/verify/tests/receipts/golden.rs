//! The examples of docs/formats.md: made here, kept in `tests/golden/receipts`, for verifiers in
//! other languages too.
//!
//! `CREDLOG_WRITE_GOLDEN=1` writes them anew.

use std::fs;
use std::path::PathBuf;

use credlog_ledger::ids::{Height, UnixMillis};
use credlog_verify::receipt::{Receipt, Trust, Wanted, make};

use crate::support::issuer_id;
use crate::world::{LATE, REVOKED, SUPERSEDED, SUSPENDED, VALID, World, issued_at};
use crate::{check, wanted};

/// The receipts by name, with what they are checked with.
pub(crate) fn all() -> Vec<(&'static str, Receipt)> {
    let small = World::small();
    let changed = World::changed();
    let of_a = |number| {
        let mut one = wanted(&[number]);
        one.credentials[0].1 = Some(issuer_id("a"));
        one
    };
    let (_, issued) = issued_at(&changed, SUSPENDED);
    let past = Wanted {
        at: Some(UnixMillis(issued.0 + 500)),
        ..of_a(SUSPENDED)
    };
    let reached = Wanted {
        at: Some(UnixMillis(changed.attested().as_of().0 - 1)),
        ..of_a(LATE)
    };
    let trusted = Wanted {
        trusted: Some(small.attested().size()),
        ..of_a(LATE)
    };
    let older = Wanted {
        trusted: Some(changed.attested().size()),
        ..of_a(VALID)
    };
    let since = Wanted {
        since: between(&changed),
        ..of_a(LATE)
    };
    let before = changed.attested_at(small.height(), small.ledger.now / 1_000 + 10);
    vec![
        ("valid", small.make(&of_a(VALID)).unwrap()),
        ("suspended", small.make(&of_a(SUSPENDED)).unwrap()),
        ("revoked", small.make(&of_a(REVOKED)).unwrap()),
        ("superseded", small.make(&of_a(SUPERSEDED)).unwrap()),
        ("past", changed.make(&past).unwrap()),
        ("past-newest", changed.make(&reached).unwrap()),
        ("changed-members", changed.make(&of_a(LATE)).unwrap()),
        ("consistency", changed.make(&trusted).unwrap()),
        ("older", make(&changed, &before, &older).unwrap().0),
        ("since", changed.make(&since).unwrap()),
        (
            "many",
            changed.make(&wanted(&[0, 1, 2, 3, 5, 77, LATE])).unwrap(),
        ),
    ]
}

/// The height that changed the members first.
fn between(changed: &World) -> Height {
    changed.ledger.state().member_changes(Height(0), 1).unwrap()[0].0
}

/// What a verifier trusts who has seen a receipt of the height that changed the members first.
pub(crate) fn trust_between() -> Trust {
    let changed = World::changed();
    let attested = changed.attested_at(between(&changed), changed.ledger.now / 1_000);
    let first = make(&changed, &attested, &wanted(&[VALID])).unwrap().0;
    check(&first, &changed.trust()).unwrap().trust.unwrap()
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/receipts"
    ))
}

/// Compares with the file of that name, or writes it.
fn golden(name: &str, bytes: &[u8]) {
    let path = folder().join(name);
    if std::env::var_os("CREDLOG_WRITE_GOLDEN").is_some() {
        fs::create_dir_all(folder()).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(kept == bytes, "{name} has changed: a format is for ever");
}

#[test]
fn receipts_trust_files_and_genesis_are_those_of_the_golden_files() {
    let small = World::small();
    let genesis = serde_json::to_vec_pretty(&small.ledger.genesis).unwrap();
    golden("genesis.json", &genesis);
    let trust = |world: &World, number| {
        let receipt = world.make(&wanted(&[number])).unwrap();
        check(&receipt, &world.trust()).unwrap().trust.unwrap()
    };
    let older = trust(&small, VALID);
    let newer = trust(&World::changed(), LATE);
    golden("before.trust.json", &older.to_bytes().unwrap());
    golden("between.trust.json", &trust_between().to_bytes().unwrap());
    golden("after.trust.json", &newer.to_bytes().unwrap());
    for (name, receipt) in all() {
        golden(
            &format!("{name}.receipt.json"),
            &receipt.to_bytes().unwrap(),
        );
        let trust = match name {
            "consistency" => &older,
            "since" => &trust_between(),
            "older" => &newer,
            _ => &small.trust(),
        };
        check(&receipt, trust).unwrap();
    }
}
