//! One of four nodes lies about everything: it mixes what is true, forges what one member can
//! sign, and still no receipt of it says anything false.

use credlog_ledger::ids::UnixMillis;
use credlog_ledger::status::chunk_of;
use credlog_tlog::Note;
use credlog_verify::receipt::{Proven, Receipt, Wanted};

use crate::support::issuer_id;
use crate::wanted;
use crate::world::{REVOKED, World, cosigner, issued_at};
use crate::{ANY_AGE, NOW};

/// What is proven, beside what the ledger says.
fn assert_true(world: &World, proven: &Proven, receipt: &Receipt) {
    let state = world.ledger.state();
    assert_eq!(proven.ledger, world.ledger.id);
    let height = proven.seal.height;
    let row = state.seal(height).unwrap().unwrap();
    assert_eq!(row.seal, proven.seal);
    match proven.at {
        None => assert_eq!(height, proven.height),
        Some(at) => {
            let newest = state.seal_not_after(at).unwrap().unwrap();
            // Beyond what is attested it says so.
            assert!(
                newest == proven.seal || proven.doubt.is_some(),
                "{receipt:?}"
            );
        }
    }
    for one in &proven.credentials {
        let rows = state.credentials(&one.digest).unwrap();
        let (number, row) = rows
            .iter()
            .find(|(number, _)| *number == one.issuer)
            .unwrap();
        let entry = state.issuer_at(*number, height).unwrap().unwrap();
        assert_eq!(one.entry, entry);
        assert_eq!(
            (one.leaf, one.list, one.index),
            (row.leaf, row.list, row.index)
        );
        let chunk = state
            .chunk_at(row.list, chunk_of(row.index), height)
            .unwrap();
        assert_eq!(one.status, chunk.status(row.index));
        let (issued, time) = {
            let (height, _) = state.block_of(row.leaf).unwrap().unwrap();
            (height, state.seal(height).unwrap().unwrap().seal.time)
        };
        assert_eq!((one.height, one.time), (issued, time));
    }
}

/// Every mixture of the parts of true receipts: of before and after a revocation, of another
/// credential, of the past, of an older checkpoint.
#[test]
fn no_mixture_of_true_receipts_says_anything_false() {
    let world = World::changed();
    let (issued, time) = issued_at(&world, REVOKED);
    let of_a = |number, at: Option<u64>| {
        let mut one = wanted(&[number]);
        one.credentials[0].1 = Some(issuer_id("a"));
        one.at = at.map(UnixMillis);
        one
    };
    // By honest members: none of them cosigns it when it is not the newest any more.
    let old = world.attested_at(issued, time.0 / 1_000 - 1);
    let make = |attested, wanted: &Wanted| {
        credlog_verify::receipt::make(&world, attested, wanted)
            .unwrap()
            .0
    };
    let newest = world.attested();
    let sources = [
        make(&newest, &of_a(REVOKED, None)),
        make(&old, &of_a(REVOKED, None)),
        make(&newest, &of_a(REVOKED, Some(time.0 + 500))),
        make(&newest, &of_a(4, Some(time.0 + 1_500))),
    ];
    let count = sources.len();
    let trust = world.trust();
    let (mut taken, mut tried) = (0, 0);
    for mixture in 0..count.pow(9) {
        let part = |place: u32| &sources[mixture / count.pow(place) % count];
        let receipt = Receipt {
            at: part(0).at,
            checkpoint: part(1).checkpoint.clone(),
            chunks: part(2).chunks.clone(),
            credentials: part(3).credentials.clone(),
            entries: part(4).entries.clone(),
            leaves: part(5).leaves.clone(),
            members: part(6).members.clone(),
            next: part(7).next,
            seal: part(8).seal,
            ..sources[0].clone()
        };
        tried += 1;
        if let Ok(proven) = receipt.check(&trust, &ANY_AGE) {
            assert_true(&world, &proven, &receipt);
            taken += 1;
        }
    }
    assert!(tried > 200_000 && taken >= count, "{taken} of {tried}");
}

/// A fork in which the revocation never happened, decided and cosigned by one of four.
#[test]
fn a_fork_of_one_member_convinces_nobody() {
    let honest = World::small();
    let mut fork = World::new();
    // The same records up to the revocation, then none.
    for block in &honest.ledger.blocks {
        let revokes = block
            .records
            .iter()
            .any(|one| one.record().body.kind() == "revoke");
        if !revokes {
            fork.ledger.now = block.seal.time.0;
            fork.ledger.seal(block.records.clone());
        }
    }
    fork.take_over();
    let lie = fork.make(&wanted(&[REVOKED])).unwrap();
    assert!(
        lie.check(&fork.trust(), &ANY_AGE).is_ok(),
        "with all keys it would do"
    );
    let height = fork.height();
    let checkpoint = fork.checkpoint_at(height);
    let members = fork.members_at(height);
    let honest_lines = honest.cosign(honest.height(), NOW.0 / 1_000);
    for dishonest in 0..4 {
        let own = cosigner(&members.members()[dishonest]).cosign(&checkpoint, NOW.0 / 1_000);
        // Alone, or with what the others signed of the true log.
        let with: Vec<_> = honest_lines
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != dishonest)
            .take(2)
            .map(|(_, line)| line.clone())
            .chain([own.clone()])
            .collect();
        let mut with = with;
        with.sort_by(|a, b| a.name().cmp(b.name()));
        for lines in [vec![own], with, honest_lines[..3].to_vec()] {
            let forged = Receipt {
                checkpoint: Note::new(&checkpoint.body(), lines).unwrap().to_string(),
                ..lie.clone()
            };
            assert!(forged.check(&fork.trust(), &ANY_AGE).is_err());
        }
    }
}
