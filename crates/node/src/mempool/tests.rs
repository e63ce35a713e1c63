use credlog_ledger::body::{Issue, Item, KeyChange};
use credlog_ledger::ids::{Digest, LedgerId, ListNumber, StatusIndex};
use credlog_ledger::record::Record;
use ed25519_dalek::SigningKey;

use super::*;

fn limits() -> MempoolSection {
    MempoolSection {
        records_max: 10,
        bytes_max: 262_140,
        records_per_author_max: 6,
        verifier_threads: 1,
    }
}

fn record(author: &str, nonce: u8, expires_at: u64, body: Body) -> EncodedRecord {
    let author = AuthorId::Issuer(author.parse().unwrap());
    let key = SigningKey::from_bytes(&[7; 32]);
    let expires_at = UnixMillis(expires_at);
    let signed = Record::sign(
        LedgerId([1; 32]),
        author,
        [nonce; 16],
        expires_at,
        body,
        &key,
    );
    EncodedRecord::new(&signed.unwrap()).unwrap()
}

fn open_list(author: &str, nonce: u8) -> EncodedRecord {
    record(author, nonce, 1_000, Body::OpenStatusList {})
}

fn issue(author: &str, nonce: u8) -> EncodedRecord {
    let item = Item {
        index: StatusIndex(nonce.into()),
        digest: Digest([nonce; 32]),
    };
    let body = Issue {
        achievement: None,
        list: ListNumber(0),
        valid_from: None,
        valid_until: None,
        items: vec![item],
    };
    record(author, nonce, 1_000, Body::Issue(body))
}

fn rotation(author: &str, nonce: u8) -> EncodedRecord {
    let change = KeyChange {
        add: Vec::new(),
        retire: vec![credlog_ledger::ids::KeyId([1; 16])],
        compromised_since: None,
    };
    record(author, nonce, 1_000, Body::RotateKeys(change))
}

fn put(pool: &Mempool, record: &EncodedRecord) -> oneshot::Receiver<Outcome> {
    let (waiter, answer) = Waiter::new(false);
    pool.insert([(record.clone(), Some(waiter))]);
    answer
}

fn ids<R: std::borrow::Borrow<EncodedRecord>>(records: &[R]) -> Vec<RecordId> {
    records.iter().map(|record| record.borrow().id()).collect()
}

const A: &str = "did:example:a";
const B: &str = "did:example:b";

#[test]
fn authors_take_turns() {
    let pool = Mempool::new(&limits());
    let many: Vec<_> = (0..5).map(|nonce| open_list(A, nonce)).collect();
    let one = open_list(B, 9);
    for record in many.iter().chain([&one]) {
        put(&pool, record);
    }
    let taken = pool.take(3, usize::MAX);
    assert_eq!(ids(&taken), ids(&[many[0].clone(), one, many[1].clone()]));
    let taken = pool.take(100, usize::MAX);
    assert_eq!(ids(&taken), ids(&many[2..]));
    assert!(pool.take(100, usize::MAX).is_empty());
    assert_eq!(pool.load().records, 6, "taken records stay until they end");
}

#[test]
fn a_full_pool_refuses_and_takes_again_when_a_record_ended() {
    let pool = Mempool::new(&limits());
    for nonce in 0..6 {
        put(&pool, &open_list(A, nonce));
    }
    let mut seventh = put(&pool, &open_list(A, 6));
    assert_eq!(
        seventh.try_recv(),
        Ok(Outcome::Full),
        "an author has its share"
    );
    for nonce in 0..4 {
        put(&pool, &open_list(B, nonce));
    }
    let mut eleventh = put(&pool, &open_list(B, 4));
    assert_eq!(
        eleventh.try_recv(),
        Ok(Outcome::Full),
        "the pool has its limit"
    );
    pool.finish([(open_list(B, 0).id(), Outcome::Unavailable)]);
    let mut again = put(&pool, &open_list(B, 4));
    assert!(again.try_recv().is_err(), "it waits");
    assert_eq!(pool.load().records, 10);
}

#[test]
fn bytes_are_bounded() {
    let one = open_list(A, 0);
    let size = one.bytes().len();
    let mut limits = limits();
    limits.bytes_max = (8 * size) as u64;
    let pool = Mempool::new(&limits);
    put(&pool, &one);
    put(&pool, &open_list(A, 1));
    let mut third = put(&pool, &open_list(A, 2));
    assert_eq!(
        third.try_recv(),
        Ok(Outcome::Full),
        "an author has a quarter"
    );
    assert_eq!(pool.load().bytes, 2 * size);
    pool.finish([(one.id(), Outcome::Unavailable)]);
    assert!(put(&pool, &open_list(A, 2)).try_recv().is_err(), "it waits");
    let one = open_list(A, 1);
    let cost = record_cost(&one);
    assert_eq!(
        pool.take(100, 2 * cost - 1).len(),
        1,
        "a block's room is kept to"
    );
}

#[test]
fn a_record_sent_again_gets_the_same_answer() {
    let pool = Mempool::new(&limits());
    let record = open_list(A, 0);
    let mut first = put(&pool, &record);
    let mut second = put(&pool, &record);
    let taken = pool.take(1, usize::MAX);
    let mut third = put(&pool, &record);
    assert_eq!(pool.load().records, 1);
    let (waiter, mut pending) = Waiter::new(true);
    assert!(pool.join(&record.id(), waiter).is_none());
    assert_eq!(pending.try_recv(), Ok(Outcome::Pending));
    let place = Place {
        leaf: LeafIndex(3),
        height: Height(2),
        time: UnixMillis(7),
    };
    pool.finish([(taken[0].id(), Outcome::Committed(place))]);
    for answer in [&mut first, &mut second, &mut third] {
        assert_eq!(answer.try_recv(), Ok(Outcome::Committed(place)));
    }
    assert_eq!(
        pool.load(),
        Load {
            records: 0,
            bytes: 0
        }
    );
    let (waiter, _answer) = Waiter::new(false);
    assert!(pool.join(&record.id(), waiter).is_some(), "it is forgotten");
}

#[test]
fn what_a_block_left_out_comes_first_in_the_next() {
    let pool = Mempool::new(&limits());
    let records: Vec<_> = (0..4).map(|nonce| open_list(A, nonce)).collect();
    for record in &records {
        put(&pool, record);
    }
    let taken = pool.take(3, usize::MAX);
    pool.put_back(taken[1..].to_vec());
    assert_eq!(ids(&pool.take(10, usize::MAX)), ids(&records[1..]));
}

#[test]
fn registry_changes_stand_first_but_overtake_no_issue_of_their_author() {
    let pool = Mempool::new(&limits());
    let (issue_a, rotate_a, issue_b) = (issue(A, 0), rotation(A, 1), issue(B, 2));
    for record in [&issue_b, &issue_a, &rotate_a] {
        put(&pool, record);
    }
    let taken = pool.take(10, usize::MAX);
    assert_eq!(ids(&taken), ids(&[issue_b, issue_a.clone()]));
    assert_eq!(
        ids(&pool.take(10, usize::MAX)),
        ids(std::slice::from_ref(&rotate_a))
    );
    let pool = Mempool::new(&limits());
    let issue_b = issue(B, 2);
    for record in [&issue_b, &rotate_a, &issue_a] {
        put(&pool, record);
    }
    let taken = pool.take(10, usize::MAX);
    assert_eq!(ids(&taken), ids(&[rotate_a, issue_b, issue_a]));
}

#[test]
fn expired_records_leave_with_their_reason() {
    let pool = Mempool::new(&limits());
    let mut early = put(&pool, &record(A, 0, 500, Body::OpenStatusList {}));
    let mut late = put(&pool, &record(A, 1, 501, Body::OpenStatusList {}));
    assert_eq!(pool.prune(UnixMillis(501)), 1);
    match early.try_recv() {
        Ok(Outcome::Refused(rejection)) => assert_eq!(rejection.code(), "expired"),
        other => panic!("{other:?}"),
    }
    assert!(late.try_recv().is_err());
    assert_eq!(pool.take(10, usize::MAX).len(), 1);
    assert!(pool.take(10, usize::MAX).is_empty());
}

#[test]
fn a_closed_pool_takes_nothing_in_and_is_worked_off() {
    let pool = Mempool::new(&limits());
    let mut waiting = put(&pool, &open_list(A, 0));
    pool.close();
    assert_eq!(
        put(&pool, &open_list(A, 1)).try_recv(),
        Ok(Outcome::Unavailable)
    );
    assert_eq!(pool.queued(), 1);
    assert!(!pool.is_drained());
    pool.abandon();
    assert_eq!(waiting.try_recv(), Ok(Outcome::Unavailable));
    assert!(pool.is_drained());
    assert_eq!(pool.queued(), 0);
}

/// Each join once looked at everyone who waited: thousands of copies took seconds, and the
/// mempool was locked for so long.
#[test]
fn waiters_who_went_away_are_dropped_now_and_then() {
    let pool = Mempool::new(&limits());
    let record = open_list(A, 0);
    let mut first = put(&pool, &record);
    for _ in 0..1_000 {
        drop(put(&pool, &record));
    }
    let waiters = pool.lock().known[&record.id()].waiters.len();
    assert!(waiters <= WAITERS_SWEEP, "{waiters}");
    pool.finish([(record.id(), Outcome::Full)]);
    assert_eq!(first.try_recv(), Ok(Outcome::Full));
}

#[test]
fn authors_whose_records_expired_leave_nothing_behind() {
    let pool = Mempool::new(&limits());
    put(&pool, &record(A, 0, 500, Body::OpenStatusList {}));
    put(&pool, &record(B, 1, 501, Body::OpenStatusList {}));
    pool.prune(UnixMillis(501));
    let inner = pool.lock();
    assert_eq!((inner.queues.len(), inner.turns.len()), (1, 1));
}

/// Another member's block holds records that wait here, some of them in a block of this node's
/// own that was not decided.
#[test]
fn records_that_another_block_took_leave_the_queue() {
    let pool = Mempool::new(&limits());
    let records: Vec<_> = (0..5).map(|nonce| open_list(A, nonce)).collect();
    let mut answers: Vec<_> = records.iter().map(|record| put(&pool, record)).collect();
    let taken = pool.take(1, usize::MAX);
    let decided = [0, 1, 3].map(|at: usize| (records[at].id(), at));
    let waiting = pool.forget(decided);
    let whose: Vec<_> = waiting.iter().map(|(_, at)| *at).collect();
    assert_eq!(whose, [0, 1, 3]);
    assert!(waiting.iter().all(|(waiters, _)| waiters.len() == 1));
    pool.put_back(taken);
    assert_eq!(pool.queued(), 2);
    assert_eq!(
        ids(&pool.take(10, usize::MAX)),
        ids(&[records[2].clone(), records[4].clone()])
    );
    assert!(answers[0].try_recv().is_err(), "whoever forgets it answers");
}

#[test]
fn what_is_here_can_be_told_and_found() {
    let pool = Mempool::new(&limits());
    let records: Vec<_> = (0..3).map(|nonce| open_list(A, nonce)).collect();
    for record in &records {
        put(&pool, record);
    }
    pool.take(1, usize::MAX);
    assert_eq!(pool.ids(10).len(), 3, "also what a block holds");
    assert_eq!(pool.ids(2).len(), 2);
    let asked = [records[1].id(), issue(B, 7).id()];
    assert_eq!(ids(&pool.find(&asked)), ids(&records[1..2]));
    assert!(pool.contains(&asked[0]) && !pool.contains(&asked[1]));
}
