//! R1 to R3: times, blocks and seals.

use credlog_ledger::block::{BLOCK_BYTES_MAX, Block, BlockFormatError, record_cost};
use credlog_ledger::body::{Action, Body, Item};
use credlog_ledger::ids::{Height, Round, StatusIndex, UnixMillis};
use credlog_ledger::parameters::{Parameter, Parameters};
use credlog_ledger::rejection::Rule::{self, R1, R2, R3, R10};
use credlog_ledger::seal::{SEAL_BYTES_MAX, Seal};
use credlog_ledger::transition::{BlockError, Execution, execute};

use crate::support::{TestLedger, by_issuer, by_member, issue, issue_of, member_id};
use crate::{Attempt, Case, run};

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: R2,
        code: "block-full",
        make: too_many_records,
    },
    Case {
        rule: R2,
        code: "block-full",
        make: too_many_bytes,
    },
    Case {
        rule: R2,
        code: "block-full",
        make: too_many_lists,
    },
    Case {
        rule: R2,
        code: "registry-after-issue",
        make: accredit_after_issue,
    },
    Case {
        rule: R2,
        code: "registry-after-issue",
        make: governance_after_issue,
    },
];

/// Rules that the tests of this file show for whole blocks.
pub(crate) const RULES: &[Rule] = &[R1, R2, R3, R10];

#[test]
fn r2_records_of_a_block() {
    run(CASES);
}

fn too_many_records() -> (TestLedger, Attempt) {
    let parameters = Parameters {
        records_per_block: 2,
        ..Parameters::default()
    };
    let mut ledger = TestLedger::small_with(1, parameters);
    let mut record = |n| ledger.sign(&by_issuer("a"), issue(0, &[(n, u64::from(n))]));
    let before = vec![record(10), record(11)];
    let last = record(12);
    (ledger, Attempt::after(before, &last))
}

/// An Issue of `count` credentials, the first at `first`.
fn big(first: u32, count: u32) -> Body {
    let items: Vec<_> = (first..first + count).map(|n| (n, u64::from(n))).collect();
    issue(0, &items)
}

fn too_many_bytes() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let mut room = BLOCK_BYTES_MAX - SEAL_BYTES_MAX - 3;
    let mut before = Vec::new();
    let mut first = 100;
    while let record = ledger.sign(&by_issuer("a"), big(first, 1024))
        && record_cost(&record) <= room
    {
        room -= record_cost(&record);
        before.push(record);
        first += 1024;
    }
    // Two records that differ by one credential: the larger one is a byte or more too long.
    let item = std::mem::size_of::<Item>();
    let small = ledger.sign(&by_issuer("a"), big(first, 1));
    let fitting = u32::try_from((room - record_cost(&small)) / item).unwrap() + 1;
    let good = ledger.sign(&by_issuer("a"), big(first, fitting));
    let bad = ledger.sign(&by_issuer("a"), big(first, fitting + 1));
    let attempt = Attempt {
        before,
        bad,
        before_good: None,
        good,
    };
    (ledger, attempt)
}

fn too_many_lists() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::new(1);
    let names: Vec<_> = (0..65).map(|n| format!("i{n}")).collect();
    let accredits = names
        .iter()
        .map(|name| ledger.accredit(0, name, true))
        .collect();
    ledger.seal(accredits);
    let mut open = |name: &String| ledger.sign(&by_issuer(name), Body::OpenStatusList {});
    let before = names[..64].iter().map(&mut open).collect();
    let last = open(&names[64]);
    (ledger, Attempt::after(before, &last))
}

fn accredit_after_issue() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let before = vec![ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]))];
    let record = ledger.accredit(0, "b", true);
    (ledger, Attempt::after(before, &record))
}

fn governance_after_issue() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let action = Action::WithdrawAccreditation {
        member: member_id(0),
        issuer: crate::support::issuer_id("a"),
        from: UnixMillis(ledger.now + 60_000),
        reason: credlog_ledger::body::Reason::Other,
    };
    let proposal = ledger.seal_one(&by_member(0), Body::Propose { action });
    let before = vec![ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]))];
    let record = ledger.sign(&by_member(0), Body::Approve { proposal });
    (ledger, Attempt::after(before, &record))
}

/// A ledger of four members and a valid next block of three records.
fn with_block() -> (TestLedger, Block) {
    let mut ledger = TestLedger::small_with(4, Parameters::default());
    let records = vec![
        ledger.accredit(1, "b", true),
        ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)])),
        ledger.sign(&by_issuer("a"), issue_of(None, 0, &[(10, 10)])),
    ];
    let executed = ledger.build(records).unwrap();
    let block = Block::from_bytes(&executed.block).unwrap();
    assert!(execute(&ledger.state, block.clone()).is_ok());
    (ledger, block)
}

/// The block with a change to its seal; the untouched block passes (see [`with_block`]).
fn altered(change: fn(&mut Seal)) -> BlockError {
    let (ledger, mut block) = with_block();
    change(&mut block.seal);
    execute(&ledger.state, block).unwrap_err()
}

#[test]
fn r1_a_seal_is_later_than_the_seal_before() {
    let mut ledger = TestLedger::small();
    let record = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    let previous = ledger.state().head().unwrap().time;
    ledger.now = previous.0 + 1;
    let executed = ledger.build(vec![record]).unwrap();
    let mut block = Block::from_bytes(&executed.block).unwrap();
    assert!(execute(&ledger.state, block.clone()).is_ok());
    for time in [previous, UnixMillis(previous.0 - 1), UnixMillis(0)] {
        block.seal.time = time;
        let error = execute(&ledger.state, block.clone()).unwrap_err();
        assert_eq!(error, BlockError::Time { time, previous });
    }
}

#[test]
fn r1_a_seal_is_later_than_genesis() {
    let mut ledger = TestLedger::new(1);
    let record = ledger.accredit(0, "a", true);
    ledger.now = crate::support::FOUNDED;
    let opened = Execution::open(&ledger.state, ledger.opening());
    assert!(matches!(opened.err(), Some(BlockError::Time { .. })));
    ledger.now += 1;
    assert!(ledger.build(vec![record]).is_ok());
}

#[test]
fn r2_an_empty_block_needs_a_round_above_zero() {
    let ledger = TestLedger::small_with(4, Parameters::default());
    let empty = Execution::open(&ledger.state, ledger.opening()).unwrap();
    assert_eq!(empty.seal().unwrap_err(), BlockError::Empty);
    let empty = Execution::open(&ledger.state, ledger.opening_in(Round(1))).unwrap();
    let sealed = empty.seal().unwrap();
    assert_eq!(sealed.seal.record_count, 0);
    let again = ledger.execute(&sealed.block).unwrap();
    assert_eq!(again, sealed);
}

#[test]
fn r2_a_block_has_at_most_a_mebibyte() {
    let bytes = vec![0; BLOCK_BYTES_MAX + 1];
    assert!(matches!(
        Block::from_bytes(&bytes),
        Err(BlockFormatError::TooLong { .. })
    ));
    let bytes = vec![0; BLOCK_BYTES_MAX];
    assert!(!matches!(
        Block::from_bytes(&bytes),
        Err(BlockFormatError::TooLong { .. })
    ));
}

#[test]
fn r3_a_height_follows_the_height_before() {
    for (change, found) in [
        ((|seal| seal.height = Height(0)) as fn(&mut Seal), Height(0)),
        (|seal| seal.height = Height(seal.height.0 + 1), Height(5)),
        (|seal| seal.height = Height(u64::MAX), Height(u64::MAX)),
    ] {
        let expected = Height(4);
        assert_eq!(altered(change), BlockError::Height { found, expected });
    }
}

#[test]
fn r3_the_proposer_is_the_one_whose_turn_it_is() {
    let error = altered(|seal| seal.proposer = member_id(1));
    let (found, expected) = (member_id(1), member_id(0));
    assert_eq!(error, BlockError::Proposer { found, expected });
    let error = altered(|seal| seal.round = Round(1));
    let (found, expected) = (member_id(0), member_id(1));
    assert_eq!(error, BlockError::Proposer { found, expected });
    // Four rounds later it is the same member's turn: another valid seal, not this one.
    let (ledger, mut block) = with_block();
    block.seal.round = Round(4);
    let other = execute(&ledger.state, block.clone()).unwrap();
    assert_eq!(other.seal, block.seal);
    block.seal.proposer = "nobody".parse().unwrap();
    assert!(matches!(
        execute(&ledger.state, block),
        Err(BlockError::Proposer { .. })
    ));
}

#[test]
fn r3_every_field_of_a_seal_is_what_the_execution_gives() {
    type Change = fn(&mut Seal);
    let changes: [(&str, Change); 7] = [
        ("version", |seal| seal.version = 2),
        ("record_count", |seal| seal.record_count += 1),
        ("status_root", |seal| seal.status_root.0[0] ^= 1),
        ("status_lists", |seal| seal.status_lists += 1),
        ("registry_root", |seal| seal.registry_root.0[31] ^= 1),
        ("registry_size", |seal| seal.registry_size -= 1),
        ("members_hash", |seal| seal.members_hash.0[5] ^= 0x80),
    ];
    for (field, change) in changes {
        assert_eq!(altered(change), BlockError::Seal { field });
    }
}

#[test]
fn r3_the_seal_counts_its_records() {
    let (_, mut block) = with_block();
    block.seal.record_count = 2;
    let bytes = block.to_bytes().unwrap();
    let (claimed, found) = (2, 3);
    assert_eq!(
        Block::from_bytes(&bytes),
        Err(BlockFormatError::Count { claimed, found })
    );
}

#[test]
fn leaves_stand_in_their_form() {
    let (_, block) = with_block();
    let bytes = block.to_bytes().unwrap();
    assert_eq!(Block::from_bytes(&bytes), Ok(block.clone()));
    let first = 2 + block.records[0].leaf().len();
    let cut = Block::from_bytes(&bytes[..bytes.len() - 1]);
    assert_eq!(cut, Err(BlockFormatError::Truncated { leaf: 3 }));
    assert!(matches!(
        Block::from_bytes(&bytes[..first]),
        Err(BlockFormatError::Seal(_))
    ));
    assert_eq!(
        Block::from_bytes(&[]),
        Err(BlockFormatError::Truncated { leaf: 0 })
    );
    let mut seal_in_the_middle = bytes.clone();
    seal_in_the_middle[2] = 0x02;
    let leaf = Block::from_bytes(&seal_in_the_middle);
    assert!(matches!(leaf, Err(BlockFormatError::Leaf { leaf: 0, .. })));
    let mut other_version = bytes.clone();
    other_version[3] = 2;
    let record = Block::from_bytes(&other_version);
    assert!(matches!(
        record,
        Err(BlockFormatError::Record { leaf: 0, .. })
    ));
}

#[test]
fn r10_seals_keep_their_interval() {
    let parameters = Parameters {
        min_block_interval_ms: 1_000,
        ..Parameters::default()
    };
    let mut ledger = TestLedger::small_with(1, parameters);
    let record = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    ledger.now -= 1;
    let opened = Execution::open(&ledger.state, ledger.opening());
    let earliest = UnixMillis(ledger.now + 1);
    let time = UnixMillis(ledger.now);
    assert_eq!(opened.err(), Some(BlockError::Interval { time, earliest }));
    ledger.now += 1;
    assert!(ledger.build(vec![record]).is_ok());
}

#[test]
fn r10_a_parameter_holds_from_the_next_block_on() {
    let mut ledger = TestLedger::small();
    let parameter = Parameter::RecordsPerBlock(2);
    let action = Action::SetParameter { parameter };
    let proposal = ledger.seal_one(&by_member(0), Body::Propose { action });
    let mut records = vec![ledger.sign(&by_member(0), Body::Approve { proposal })];
    for n in 10..13 {
        records.push(ledger.sign(&by_issuer("a"), issue(0, &[(n, u64::from(n))])));
    }
    ledger.seal(records.clone());
    assert_eq!(ledger.state().parameters().unwrap().records_per_block, 2);
    let more = (20..23).map(|n| ledger.sign(&by_issuer("a"), issue(0, &[(n, u64::from(n))])));
    let more: Vec<_> = more.collect();
    let (at, rejection) = ledger.build(more).unwrap_err();
    assert_eq!((at, rejection.code()), (2, "block-full"));
    assert!(rejection.may_pass_later());
}

#[test]
fn the_positions_of_a_list_end_where_the_format_says() {
    let last = credlog_ledger::body::POSITIONS - 1;
    let mut ledger = TestLedger::small();
    ledger.seal_one(&by_issuer("a"), issue(0, &[(last, 99)]));
    let row = ledger
        .state()
        .credentials(&crate::support::digest(99))
        .unwrap();
    assert_eq!(row[0].1.index, StatusIndex(last));
}

/// A list once came with 2,047 rows for its blank tree: a record of two hundred bytes made every
/// validator write more than a block of issuances does.
#[test]
fn a_blank_list_is_one_row_of_the_status_tree() {
    let mut ledger = TestLedger::small();
    ledger.register(0, "b");
    let open = ledger.sign(&by_issuer("b"), Body::OpenStatusList {});
    let opened = ledger.seal(vec![open]);
    assert!(opened.changes.len() < 16, "{}", opened.changes.len());
    // Where a status changes, the path and what stands beside it become rows; then only paths.
    let issue = crate::support::issue(1, &[(0, 100), (1, 101), (131_071, 102)]);
    ledger.seal_one(&by_issuer("b"), issue);
    let revoke = |ledger: &mut TestLedger, number| {
        let record = ledger.sign(&by_issuer("b"), revocation("b", &[number]));
        ledger.seal(vec![record]).changes.len()
    };
    let rows = [100, 101, 102].map(|number| revoke(&mut ledger, number));
    assert!(
        rows.iter().all(|rows| *rows < 40) && rows[1] < rows[0],
        "{rows:?}"
    );
}

fn revocation(issuer: &str, numbers: &[u64]) -> Body {
    Body::Revoke(crate::support::status_change(issuer, numbers))
}

/// Each list whose statuses change costs a thousand hashes, and a record names one issuer's.
#[test]
fn r2_statuses_change_in_at_most_256_lists_a_block() {
    let mut ledger = TestLedger::small();
    let names: Vec<_> = (0..256).map(|n| format!("i{n}")).collect();
    for names in names.chunks(64) {
        let mut records: Vec<_> = names
            .iter()
            .map(|name| ledger.accredit(0, name, true))
            .collect();
        for name in names {
            records.push(ledger.sign(&by_issuer(name), Body::OpenStatusList {}));
        }
        ledger.seal(records);
    }
    let mut issues = Vec::new();
    for (list, name) in (1..).zip(&names) {
        let body = issue(list, &[(0, list + 1_000), (1, list + 2_000)]);
        issues.push(ledger.sign(&by_issuer(name), body));
    }
    ledger.seal(issues);
    let mut revocations = vec![ledger.sign(&by_issuer("a"), revocation("a", &[0]))];
    for (list, name) in (1..256).zip(&names) {
        let body = revocation(name, &[list + 1_000]);
        revocations.push(ledger.sign(&by_issuer(name), body));
    }
    let same_list = ledger.sign(&by_issuer("i0"), revocation("i0", &[2_001]));
    revocations.push(same_list);
    let one_more = ledger.sign(&by_issuer("i255"), revocation("i255", &[1_256]));
    let all = [revocations.clone(), vec![one_more.clone()]].concat();
    let (at, rejection) = ledger.build(all).unwrap_err();
    assert_eq!((at, rejection.code()), (257, "block-full"));
    ledger.seal(revocations);
    ledger.seal(vec![one_more]);
}
