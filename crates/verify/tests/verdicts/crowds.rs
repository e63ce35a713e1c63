//! Crowds: credentials by the beginning of their digest, against a filter of all digests.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use credlog_ledger::body::{Body, Issue, Item};
use credlog_ledger::ids::{Digest, ListNumber, StatusIndex};
use credlog_ledger::record::AuthorId;
use credlog_ledger::state::MemoryState;
use credlog_ledger::status::Status;
use credlog_verify::prefix::{CROWD_MIN, CROWD_PAGE, DigestPrefix, crowd, crowd_after};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::ledger::{Ledger, did, key, time};

const COUNT: u32 = 1_000;
/// Digests of which so many digits are the same, among the others.
const ALIKE: u32 = 150;

/// Random digests, and some that an issuer made begin alike.
fn digests() -> Vec<Digest> {
    (0..COUNT)
        .map(|number| {
            let mut digest: [u8; 32] = Sha256::digest(number.to_be_bytes()).into();
            if number < ALIKE {
                digest[..4].copy_from_slice(&[0x12, 0x34, 0x56, 0x78]);
            }
            Digest(digest)
        })
        .collect()
}

fn issue(first: u32, digests: &[Digest]) -> Body {
    Body::Issue(Issue {
        achievement: None,
        list: ListNumber(0),
        valid_from: None,
        valid_until: None,
        items: (first..)
            .map(StatusIndex)
            .zip(digests)
            .map(|(index, digest)| Item {
                index,
                digest: *digest,
            })
            .collect(),
    })
}

/// Issues all of them in one block, at positions in their order.
fn issue_all(ledger: &mut Ledger, digests: &[Digest]) {
    let at = "2026-11-20T10:00:00Z";
    let issuer = AuthorId::Issuer(did("university A"));
    let records: Vec<_> = (0..)
        .step_by(500)
        .zip(digests.chunks(500))
        .map(|(first, part)| {
            ledger.signed(at, issuer.clone(), &key("university A"), issue(first, part))
        })
        .collect();
    ledger.commit(at, &records);
}

/// A ledger with them all: the first revoked, the second suspended, the third reinstated.
fn state() -> &'static MemoryState {
    static STATE: OnceLock<MemoryState> = OnceLock::new();
    STATE.get_or_init(|| {
        let digests = digests();
        let mut ledger = Ledger::with_university();
        issue_all(&mut ledger, &digests);
        ledger.revoke("2026-11-21T10:00:00Z", digests[0]);
        ledger.suspend("2026-11-21T11:00:00Z", digests[1]);
        let suspension = ledger.suspend("2026-11-21T12:00:00Z", digests[2]);
        ledger.reinstate("2026-11-21T13:00:00Z", digests[2], suspension);
        ledger.state
    })
}

fn naive<'d>(digests: &'d [Digest], prefix: &str) -> BTreeSet<&'d Digest> {
    let begins = |digest: &&Digest| digest.to_string().starts_with(prefix);
    digests.iter().filter(begins).collect()
}

/// The longest beginning of a text that enough digests share, or none of it.
fn widened<'p>(digests: &[Digest], prefix: &'p str) -> &'p str {
    let enough = |len: &usize| naive(digests, &prefix[..*len]).len() >= CROWD_MIN;
    let longest = (0..=prefix.len()).rev().find(enough);
    &prefix[..longest.unwrap_or(0)]
}

fn check(prefix: &str) {
    let digests = digests();
    let crowd = crowd(state(), &prefix.parse().unwrap()).unwrap();
    assert_eq!(crowd.prefix.as_str(), widened(&digests, prefix));
    let found: Vec<_> = crowd.credentials.iter().map(|one| &one.digest).collect();
    let expected: Vec<_> = naive(&digests, crowd.prefix.as_str()).into_iter().collect();
    assert_eq!(found, expected);
    assert_eq!(crowd.next, None);
    for one in &crowd.credentials {
        assert_eq!(one.digest, digests[one.index.0 as usize]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_crowd_is_what_a_filter_of_all_digests_finds(prefix in "[0-9a-f]{0,64}") {
        check(&prefix);
    }

    #[test]
    fn so_is_the_crowd_of_a_digest_that_is_there(number in 0..COUNT, digits in 0..=64_usize) {
        check(DigestPrefix::of(&digests()[number as usize], digits).as_str());
    }
}

#[test]
fn a_prefix_that_enough_share_stays_as_it_is() {
    for prefix in ["1234567", "12345678", "1", ""] {
        check(prefix);
        let found = crowd(state(), &prefix.parse().unwrap()).unwrap();
        assert_eq!(found.prefix.as_str(), prefix);
    }
    let longer = crowd(state(), &"123456789".parse().unwrap()).unwrap();
    assert_eq!(longer.prefix.as_str(), "12345678");
    assert_eq!(longer.credentials.len(), ALIKE as usize);
}

#[test]
fn statuses_and_their_times_are_those_of_now() {
    let digests = digests();
    let all = crowd(state(), &"12345".parse().unwrap())
        .unwrap()
        .credentials;
    for (number, status, since) in [
        (0, Status::Revoked, "2026-11-21T10:00:00Z"),
        (1, Status::Suspended, "2026-11-21T11:00:00Z"),
        (2, Status::Valid, "2026-11-21T13:00:00Z"),
        (3, Status::Valid, "2026-11-20T10:00:00Z"),
    ] {
        let one = all
            .iter()
            .find(|one| one.digest == digests[number])
            .unwrap();
        assert_eq!((one.status, one.since), (status, time(since)), "{number}");
    }
}

#[test]
fn a_long_crowd_comes_in_pages() {
    const MANY: u32 = 5_000;
    let mut ledger = Ledger::with_university();
    let digests: Vec<_> = (0..MANY)
        .map(|number| Digest(Sha256::digest(number.to_be_bytes()).into()))
        .collect();
    issue_all(&mut ledger, &digests);
    let everything: DigestPrefix = "".parse().unwrap();
    let first = crowd(&ledger.state, &everything).unwrap();
    assert_eq!(first.credentials.len(), CROWD_PAGE);
    let next = first.next.unwrap();
    assert_eq!(next, first.credentials.last().unwrap().digest);
    let second = crowd_after(&ledger.state, &everything, &next).unwrap();
    assert_eq!(second.next, None);
    let both = first.credentials.iter().chain(&second.credentials);
    let both: Vec<_> = both.map(|one| &one.digest).collect();
    assert_eq!(both, naive(&digests, "").into_iter().collect::<Vec<_>>());
    // Not widened: with `after` the prefix stands.
    let narrow: DigestPrefix = DigestPrefix::of(&digests[0], 6);
    let none = crowd_after(&ledger.state, &narrow, &digests[0]).unwrap();
    assert_eq!((none.credentials, none.prefix), (Vec::new(), narrow));
}
