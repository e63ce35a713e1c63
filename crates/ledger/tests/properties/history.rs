//! Random histories: the ledger and the naive model decide alike and end in the same
//! state; replaying the blocks gives the same; the roots are those of all leaves.

use std::collections::{BTreeMap, BTreeSet};

use credlog_ledger::body::{Action, Body, KeyChange, NewKey, Reason, Scope, StatusChange};
use credlog_ledger::ids::{IssuerNumber, ListNumber, RecordId, Round, StatusIndex, UnixMillis};
use credlog_ledger::key::PublicKey;
use credlog_ledger::parameters::{Parameter, Parameters};
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::status::{CHUNK_BYTES, Chunk, LIST_CHUNKS, Status};
use credlog_ledger::transition::{ApplyError, Executed, Execution};
use credlog_tlog::{Hash, leaf_hash, node_hash};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;

use crate::model::{Act, By, Keys, Model, Op, What};
use crate::support::{
    ASSERTION, DAY, FOUNDED, RECORD, Signer, TestLedger, accreditation, achievement, by_issuer_key,
    by_member, change, digest, digests, issue_of, issuer_id, key, member, member_id, new_key,
    public, registration,
};

const FOUNDERS: u8 = 3;
const ISSUERS: u8 = 3;
const KEYS: u8 = 6;
/// Credentials have the numbers below this.
const CREDENTIALS: u64 = 8;
const ISSUERS_PER_MEMBER: u32 = 2;

fn set<T: Strategy<Value = u64>>(value: T, max: usize) -> impl Strategy<Value = BTreeSet<u64>> {
    proptest::collection::btree_set(value, 1..=max)
}

fn small_set() -> impl Strategy<Value = BTreeSet<u8>> {
    proptest::collection::btree_set(0..KEYS, 0..=2)
}

/// A time before, at or after a seal: added to the seal's time, less two seconds.
fn moment() -> impl Strategy<Value = u64> {
    select(vec![1_999, 2_000, 2_001, 60_000, 3 * DAY, 20 * DAY])
}

fn keys() -> impl Strategy<Value = Keys> {
    (
        small_set(),
        small_set(),
        proptest::option::weighted(0.3, moment()),
    )
        .prop_filter("changes something", |(add, retire, _)| {
            !add.is_empty() || !retire.is_empty()
        })
        .prop_map(|(add, retire, compromised)| Keys {
            compromised: compromised.filter(|_| !retire.is_empty()),
            add,
            retire,
        })
}

fn action() -> impl Strategy<Value = Act> {
    let members = 0..FOUNDERS + 2;
    prop_oneof![
        members.clone().prop_map(Act::Add),
        (members.clone(), proptest::option::of(members.clone()))
            .prop_map(|(member, to)| Act::Remove(member, to)),
        (members.clone(), members.clone()).prop_map(|(from, to)| Act::Transfer(from, to)),
        (members, 0..ISSUERS, moment()).prop_map(|(member, issuer, from)| Act::Withdraw {
            member,
            issuer,
            from
        }),
        (0..4u32).prop_map(Act::IssuersPerMember),
    ]
}

fn what() -> impl Strategy<Value = What> {
    let credentials = || set(0..CREDENTIALS, 2);
    prop_oneof![
        credentials().prop_map(What::Revoke),
        credentials().prop_map(What::Suspend),
        (0..100usize, credentials()).prop_map(|(record, all)| What::Reinstate(record, all)),
        (0..CREDENTIALS, 1..CREDENTIALS)
            .prop_map(|(old, step)| What::Supersede(old, (old + step) % CREDENTIALS)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let member = || 0..FOUNDERS + 1;
    let issuer = || 0..ISSUERS;
    let signer = || select(vec![0u8, 0, 0, 0, 1, 1, 2]);
    let until = || proptest::option::weighted(0.4, moment());
    let scope = || select(vec![0u8, 0, 1, 2]);
    let items = proptest::collection::vec((0..24u32, 0..CREDENTIALS), 1..=2);
    let by = prop_oneof![member().prop_map(By::Member), signer().prop_map(By::Key)];
    let pick = || 0..100usize;
    prop_oneof![
        4 => (member(), issuer(), scope(), until()).prop_map(|(member, issuer, scope, until)| {
            Op::Accredit { member, issuer, scope, until }
        }),
        2 => (member(), issuer(), scope(), until()).prop_map(|(member, issuer, scope, until)| {
            Op::Amend { member, issuer, scope, until }
        }),
        2 => (member(), issuer(), moment()).prop_map(|(member, issuer, from)| {
            Op::Withdraw { member, issuer, from }
        }),
        2 => (member(), issuer(), keys()).prop_map(|(member, issuer, keys)| {
            Op::Replace { member, issuer, keys }
        }),
        3 => (issuer(), proptest::option::of(signer()), keys()).prop_map(
            |(issuer, signer, keys)| Op::Rotate { issuer, signer, keys }
        ),
        1 => (issuer(), signer(), 1..3u8).prop_map(|(issuer, signer, achievement)| {
            Op::Define { issuer, signer, achievement }
        }),
        3 => (issuer(), signer()).prop_map(|(issuer, signer)| Op::Open { issuer, signer }),
        8 => (issuer(), signer(), proptest::option::of(1..3u8), 0..3u8, items).prop_map(
            |(issuer, signer, achievement, list, items)| {
                Op::Issue { issuer, signer, achievement, list, items }
            }
        ),
        8 => (by, issuer(), what()).prop_map(|(by, issuer, what)| Op::Status { by, issuer, what }),
        3 => (member(), action()).prop_map(|(member, action)| Op::Propose { member, action }),
        7 => (member(), pick()).prop_map(|(member, proposal)| Op::Approve { member, proposal }),
        1 => (member(), pick()).prop_map(|(member, record)| Op::Retract { member, record }),
    ]
}

/// Blocks: how long after the one before, and their statements.
fn history() -> impl Strategy<Value = Vec<(u64, Vec<Op>)>> {
    let wait = select(vec![1, 1_000, 1_000, 60_000, DAY, 8 * DAY]);
    let ops = proptest::collection::vec(op(), 1..8);
    proptest::collection::vec((wait, ops), 4..14)
}

/// Every history begins alike: issuers 0 and 1 have issued half of the credentials.
fn prologue() -> Vec<Op> {
    let mut ops = Vec::new();
    for issuer in [0, 1] {
        ops.push(Op::Accredit {
            member: issuer,
            issuer,
            scope: 0,
            until: None,
        });
        ops.push(Op::Open { issuer, signer: 0 });
    }
    for issuer in [0, 1] {
        ops.push(Op::Issue {
            issuer,
            signer: 0,
            achievement: None,
            list: issuer,
            items: (0..4).map(|n| (n * 5, u64::from(n))).collect(),
        });
    }
    ops
}

/// The run of one history.
struct Run {
    ledger: TestLedger,
    model: Model,
    /// Ids of all records tried, by their number.
    ids: Vec<RecordId>,
    proposals: Vec<usize>,
    approvals: Vec<usize>,
    suspensions: Vec<usize>,
}

impl Run {
    fn new() -> Self {
        let parameters = Parameters {
            issuers_per_member: ISSUERS_PER_MEMBER,
            ..Parameters::default()
        };
        let mut run = Self {
            ledger: TestLedger::with(usize::from(FOUNDERS), parameters),
            model: Model::new(FOUNDERS, FOUNDED, ISSUERS_PER_MEMBER),
            ids: Vec::new(),
            proposals: Vec::new(),
            approvals: Vec::new(),
            suspensions: Vec::new(),
        };
        let prologue = prologue();
        let taken = run.block(1_000, &prologue).unwrap();
        assert_eq!(taken as usize, prologue.len());
        run
    }

    fn block(&mut self, wait: u64, ops: &[Op]) -> Result<u32, TestCaseError> {
        let head = self.ledger.state().head().unwrap();
        self.ledger.now = head.time.0 + wait;
        self.model.begin(self.ledger.now);
        let state = self.ledger.state.clone();
        let mut execution = Execution::open(&state, self.ledger.opening()).unwrap();
        let mut taken = 0;
        for op in ops {
            let op = self.resolve(op);
            let record = self.record(&op);
            let number = self.ids.len();
            self.ids.push(record.id());
            let expected = self.model.apply(number, &op);
            let result = execution.apply(record);
            match (&result, &expected) {
                (Ok(_), Ok(())) => taken += 1,
                (Err(ApplyError::Rejected(_)), Err(_)) => {}
                _ => prop_assert!(false, "{op:?}: ledger {result:?}, model {expected:?}"),
            }
            if result.is_ok() {
                self.note(number, &op);
            }
        }
        let executed = if taken == 0 {
            let opening = self.ledger.opening_in(Round(1));
            Execution::open(&state, opening).unwrap().seal().unwrap()
        } else {
            execution.seal().unwrap()
        };
        prop_assert_eq!(&self.ledger.execute(&executed.block).unwrap(), &executed);
        self.ledger.commit(&executed);
        Ok(taken)
    }

    fn note(&mut self, number: usize, op: &Op) {
        match op {
            Op::Propose { .. } => self.proposals.push(number),
            Op::Approve { .. } => self.approvals.push(number),
            Op::Status {
                what: What::Suspend(_),
                ..
            } => self.suspensions.push(number),
            _ => {}
        }
    }

    /// Picks become numbers of records, times become absolute.
    fn resolve(&self, op: &Op) -> Op {
        let now = self.ledger.now;
        let pick = |from: &[usize], at: usize| match from.len() {
            0 => usize::MAX,
            // Mostly the newest ones: they are still open.
            len => from[len - 1 - at % len.min(3)],
        };
        let after = |moment: &mut u64| *moment = now + *moment - 2_000;
        let mut op = op.clone();
        match &mut op {
            Op::Accredit { until, .. } | Op::Amend { until, .. } => {
                until.iter_mut().for_each(after);
            }
            Op::Withdraw { from, .. } => after(from),
            Op::Replace { keys, .. } | Op::Rotate { keys, .. } => {
                keys.compromised.iter_mut().for_each(after);
            }
            Op::Propose {
                action: Act::Withdraw { from, .. },
                ..
            } => after(from),
            Op::Status {
                issuer,
                what: What::Reinstate(record, all),
                ..
            } => {
                let exactly = *record % 2 == 0;
                *record = pick(&self.suspensions, *record);
                let known = self.model.issuers.get(issuer).into_iter();
                let suspended: BTreeSet<u64> = known
                    .flat_map(|issuer| &issuer.credentials)
                    .filter(|(_, credential)| credential.suspended == Some(*record))
                    .map(|(number, _)| *number)
                    .collect();
                if exactly && !suspended.is_empty() {
                    *all = suspended;
                }
            }
            Op::Approve { proposal, .. } => *proposal = pick(&self.proposals, *proposal),
            Op::Retract { record, .. } => {
                let both = [self.proposals.as_slice(), self.approvals.as_slice()];
                *record = pick(both[*record % 2], *record / 2);
            }
            Op::Issue { items, .. } => {
                items.sort_unstable();
                items.dedup_by_key(|(index, _)| *index);
                let mut seen = BTreeSet::new();
                items.retain(|(_, number)| seen.insert(*number));
            }
            _ => {}
        }
        op
    }

    fn id(&self, number: usize) -> RecordId {
        self.ids
            .get(number)
            .copied()
            .unwrap_or(RecordId([0xee; 32]))
    }

    fn record(&mut self, op: &Op) -> EncodedRecord {
        if let Op::Accredit {
            member,
            issuer,
            scope,
            until,
        } = op
        {
            let name = issuer_name(*issuer);
            let known = self
                .ledger
                .state()
                .issuer_number(&issuer_id(&name))
                .unwrap();
            let known = known.is_some() || self.model.issuers.contains_key(issuer);
            let mut body = accreditation(&name, (!known).then(|| registration(&name)));
            body.scope = scope_of(*scope);
            body.until = until.map(UnixMillis);
            let recovery = key(&format!("{name}/recovery"));
            return self
                .ledger
                .sign_accredit(&by_member(usize::from(*member)), &recovery, body);
        }
        let (signer, body) = self.body(op);
        self.ledger.sign(&signer, body)
    }

    fn body(&self, op: &Op) -> (Signer, Body) {
        let member = |number: &u8| by_member(usize::from(*number));
        match op {
            Op::Accredit { .. } => unreachable!("signed by two"),
            Op::Amend {
                member: by,
                issuer,
                scope,
                until,
            } => {
                let body = Body::AmendAccreditation {
                    issuer: issuer_of(*issuer),
                    scope: scope_of(*scope),
                    until: until.map(UnixMillis),
                };
                (member(by), body)
            }
            Op::Withdraw {
                member: by,
                issuer,
                from,
            } => {
                let body = Body::WithdrawAccreditation {
                    issuer: issuer_of(*issuer),
                    from: UnixMillis(*from),
                    reason: Reason::Other,
                };
                (member(by), body)
            }
            Op::Replace {
                member: by,
                issuer,
                keys,
            } => {
                let body = Body::ReplaceIssuerKeys {
                    issuer: issuer_of(*issuer),
                    change: key_change(*issuer, keys),
                };
                (member(by), body)
            }
            Op::Rotate {
                issuer,
                signer,
                keys,
            } => (
                by_key(*issuer, *signer),
                Body::RotateKeys(key_change(*issuer, keys)),
            ),
            Op::Define {
                issuer,
                signer,
                achievement: number,
            } => {
                let body = credlog_ledger::body::Achievement {
                    id: achievement(&number.to_string()),
                    definition: digest(1),
                    name: "name".parse().unwrap(),
                    alignments: vec![],
                    prerequisites: vec![],
                };
                (
                    by_key(*issuer, Some(*signer)),
                    Body::DefineAchievement(body),
                )
            }
            Op::Open { issuer, signer } => {
                (by_key(*issuer, Some(*signer)), Body::OpenStatusList {})
            }
            Op::Issue {
                issuer,
                signer,
                achievement: number,
                list,
                items,
            } => {
                let number = number.map(|number| achievement(&number.to_string()));
                let body = issue_of(number, u64::from(*list), items);
                (by_key(*issuer, Some(*signer)), body)
            }
            Op::Status { by, issuer, what } => {
                let signer = match by {
                    By::Member(number) => member(number),
                    By::Key(signer) => by_key(*issuer, Some(*signer)),
                };
                (signer, self.status(*issuer, what))
            }
            Op::Propose { member: by, action } => {
                let action = self.action(action);
                (member(by), Body::Propose { action })
            }
            Op::Approve {
                member: by,
                proposal,
            } => {
                let proposal = self.id(*proposal);
                (member(by), Body::Approve { proposal })
            }
            Op::Retract { member: by, record } => {
                let record = self.id(*record);
                (member(by), Body::Retract { record })
            }
        }
    }

    fn status(&self, issuer: u8, what: &What) -> Body {
        let issuer = issuer_of(issuer);
        let reason = Reason::Other;
        let numbers = |all: &BTreeSet<u64>| digests(&all.iter().copied().collect::<Vec<_>>());
        match what {
            What::Revoke(all) => Body::Revoke(StatusChange {
                issuer,
                digests: numbers(all),
                reason,
            }),
            What::Suspend(all) => Body::Suspend(StatusChange {
                issuer,
                digests: numbers(all),
                reason,
            }),
            What::Reinstate(record, all) => Body::Reinstate {
                issuer,
                suspension: self.id(*record),
                digests: numbers(all),
                reason,
            },
            What::Supersede(old, new) => Body::Supersede {
                issuer,
                old: digest(*old),
                new: digest(*new),
                reason,
            },
        }
    }

    fn action(&self, action: &Act) -> Action {
        let id = |number: u8| member_id(usize::from(number));
        match *action {
            Act::Add(number) => Action::AddMember {
                member: member(&format!("m{number}"), 0),
            },
            Act::Remove(number, to) => Action::RemoveMember {
                member: id(number),
                transfer_to: to.map(id),
            },
            Act::Transfer(from, to) => Action::TransferAccreditations {
                from: id(from),
                to: id(to),
            },
            Act::Withdraw {
                member,
                issuer,
                from,
            } => Action::WithdrawAccreditation {
                member: id(member),
                issuer: issuer_of(issuer),
                from: UnixMillis(from),
                reason: Reason::Other,
            },
            Act::IssuersPerMember(value) => Action::SetParameter {
                parameter: Parameter::IssuersPerMember(value),
            },
        }
    }

    /// Everything visible is what the model says.
    fn compare(&self) -> Result<(), TestCaseError> {
        let (state, model) = (self.ledger.state(), &self.model);
        let members = state.members().unwrap();
        let found: Vec<_> = members
            .members()
            .iter()
            .map(|seat| seat.member.id.clone())
            .collect();
        let expected: Vec<_> = model
            .members
            .iter()
            .map(|number| member_id(usize::from(*number)))
            .collect();
        prop_assert_eq!(found, expected);
        for number in 0..FOUNDERS + 2 {
            let row = state.member_row(&member_id(usize::from(number))).unwrap();
            let places = row.map_or(0, |row| row.accreditations as usize);
            prop_assert_eq!(places, model.places(number));
        }
        for number in 0..ISSUERS {
            self.compare_issuer(number)?;
        }
        Ok(())
    }

    fn compare_issuer(&self, number: u8) -> Result<(), TestCaseError> {
        let now = UnixMillis(self.model.now);
        let state = self.ledger.state();
        let found = state.find_issuer(&issuer_of(number)).unwrap();
        let Some(expected) = self.model.issuers.get(&number) else {
            prop_assert!(found.is_none());
            return Ok(());
        };
        let (at, entry) = found.unwrap();
        let entry = entry.as_of(now);
        let pending = entry.pending.as_ref().map(|pending| pending.effective.0);
        prop_assert_eq!(
            pending,
            expected.pending.as_ref().map(|(effective, _)| *effective)
        );
        let known = expected.keys.iter().filter(|(_, key)| key.since <= now.0);
        prop_assert_eq!(entry.keys.len(), known.clone().count());
        for (label, key) in known {
            let found = entry.key(&public_key(number, *label).id()).unwrap();
            prop_assert_eq!(found.since.0, key.since);
            let retired = key.retired.filter(|retired| *retired <= now.0);
            prop_assert_eq!(found.retired.map(|time| time.0), retired);
            prop_assert_eq!(found.compromised_since.map(|time| time.0), key.compromised);
        }
        prop_assert_eq!(entry.accreditations.len(), expected.accreditations.len());
        for (member, one) in &expected.accreditations {
            let member = member_id(usize::from(*member));
            let found = entry
                .accreditations
                .iter()
                .find(|one| one.member == member)
                .unwrap();
            prop_assert_eq!(&found.scope, &scope_of(one.scope));
            prop_assert_eq!(found.since.0, one.since);
            prop_assert_eq!(found.until.map(|time| time.0), one.until);
            prop_assert_eq!(found.withdrawn.map(|end| end.from.0), one.withdrawn);
        }
        self.compare_credentials(number, at)
    }

    fn compare_credentials(&self, number: u8, at: IssuerNumber) -> Result<(), TestCaseError> {
        let state = self.ledger.state();
        let expected = &self.model.issuers[&number];
        let lists = state.lists_of(at).unwrap();
        let list = expected.list.map(|list| ListNumber(u64::from(list)));
        prop_assert_eq!(lists, list.into_iter().collect::<Vec<_>>());
        let count = state.achievement_count(at).unwrap() as usize;
        prop_assert_eq!(count, expected.achievements.len());
        if let Some(list) = list {
            let row = state.list(list).unwrap().unwrap();
            prop_assert_eq!(row.used as usize, expected.used.len());
        }
        for credential in 0..CREDENTIALS {
            let row = state.credential(&digest(credential), at).unwrap();
            let Some(known) = expected.credentials.get(&credential) else {
                prop_assert!(row.is_none());
                continue;
            };
            let row = row.unwrap();
            prop_assert_eq!(
                (Some(row.list), row.index),
                (list, StatusIndex(known.index))
            );
            let chunk = state.chunk(row.list, known.index / 128).unwrap();
            let status = match (known.revoked, known.suspended) {
                (true, _) => Status::Revoked,
                (false, Some(_)) => Status::Suspended,
                (false, None) => Status::Valid,
            };
            prop_assert_eq!(chunk.status(row.index), status);
            if let (Some(record), false) = (known.suspended, known.revoked) {
                let event = state
                    .last_status_event(row.list, row.index)
                    .unwrap()
                    .unwrap();
                prop_assert_eq!(event.record, self.id(record));
            }
        }
        Ok(())
    }

    /// The roots of the newest seal, from all leaves, without any stored node.
    fn compare_roots(&self) -> Result<(), TestCaseError> {
        let state = self.ledger.state();
        let head = state.head().unwrap();
        let entries = (0..head.registry_size).map(|number| {
            let key = [&[9u8][..], &number.to_be_bytes()].concat();
            let row = self
                .ledger
                .state
                .rows()
                .find(|(found, _)| **found == key)
                .unwrap();
            leaf_hash(row.1)
        });
        prop_assert_eq!(
            naive_root(&entries.collect::<Vec<_>>()).0,
            head.registry_root.0
        );
        let mut chunks = Vec::new();
        for list in 0..head.status_lists {
            for number in 0..LIST_CHUNKS {
                let bits = self.naive_chunk(list, number);
                let mut leaf = list.to_be_bytes().to_vec();
                leaf.extend_from_slice(&number.to_be_bytes());
                leaf.extend_from_slice(&bits);
                chunks.push(leaf_hash(&leaf));
            }
        }
        prop_assert_eq!(naive_root(&chunks).0, head.status_root.0);
        Ok(())
    }

    /// The bits of a chunk by the words of docs/formats.md.
    fn naive_chunk(&self, list: u64, number: u32) -> [u8; CHUNK_BYTES] {
        let mut bits = Chunk::default().0;
        for issuer in self.model.issuers.values() {
            if issuer.list.map(u64::from) != Some(list) {
                continue;
            }
            for credential in issuer.credentials.values() {
                if credential.index / 128 == number {
                    let position = credential.index as usize % 128;
                    let revoked = u8::from(credential.revoked);
                    let suspended = u8::from(credential.suspended.is_some());
                    bits[position / 4] |= (revoked | suspended << 1) << (2 * (position % 4));
                }
            }
        }
        bits
    }

    /// Every block executed again from genesis.
    fn replay(&self) -> Result<(), TestCaseError> {
        let mut again = TestLedger::new(1);
        again.genesis = self.ledger.genesis.clone();
        again.state = credlog_ledger::transition::genesis_state(&again.genesis).unwrap();
        let mut leaves = Vec::new();
        for original in &self.ledger.blocks {
            let executed: Executed = again.execute(&original.block).unwrap();
            prop_assert_eq!(&executed, original);
            leaves.extend(executed.leaf_hashes.iter().copied());
            prop_assert_eq!(naive_root(&leaves), executed.root);
            again.state.apply(&executed.changes);
        }
        prop_assert_eq!(again.state, self.ledger.state.clone());
        Ok(())
    }
}

/// RFC 6962 section 2.1, as it is written.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => credlog_tlog::empty_root(),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

fn issuer_name(number: u8) -> String {
    format!("i{number}")
}

fn issuer_of(number: u8) -> credlog_ledger::ids::IssuerId {
    issuer_id(&issuer_name(number))
}

/// Key 0 is the one of the registration.
fn label(issuer: u8, number: u8) -> String {
    match number {
        0 => format!("i{issuer}/record"),
        _ => format!("i{issuer}/key{number}"),
    }
}

fn public_key(issuer: u8, number: u8) -> PublicKey {
    public(&key(&label(issuer, number)))
}

fn by_key(issuer: u8, signer: Option<u8>) -> Signer {
    let label = signer.map_or_else(|| format!("i{issuer}/recovery"), |key| label(issuer, key));
    by_issuer_key(&issuer_name(issuer), &label)
}

fn key_change(issuer: u8, keys: &Keys) -> KeyChange {
    let add: Vec<NewKey> = keys
        .add
        .iter()
        .map(|&number| {
            let purposes = if number < 2 { RECORD } else { ASSERTION };
            new_key(&issuer_name(issuer), &label(issuer, number), purposes)
        })
        .collect();
    let retire: Vec<String> = keys
        .retire
        .iter()
        .map(|&number| label(issuer, number))
        .collect();
    let retire: Vec<&str> = retire.iter().map(String::as_str).collect();
    change(add, &retire, keys.compromised)
}

fn scope_of(scope: u8) -> Scope {
    match scope {
        0 => Scope::All,
        _ => Scope::Achievements(vec![achievement(&scope.to_string())]),
    }
}

proptest! {
    #![proptest_config(crate::cases(48))]

    #[test]
    fn the_ledger_and_a_naive_model_agree(history in history()) {
        let mut run = Run::new();
        for (wait, ops) in &history {
            run.block(*wait, ops)?;
            run.compare()?;
        }
        run.compare_roots()?;
        run.replay()?;
    }
}

/// The histories above are worth something: records of every kind are taken and refused.
#[test]
fn random_histories_reach_every_kind_of_record() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tried = 0;
    for _ in 0..150 {
        let history = history().new_tree(&mut runner).unwrap().current();
        let mut run = Run::new();
        for (wait, ops) in &history {
            run.block(*wait, ops).unwrap();
        }
        for executed in &run.ledger.blocks[1..] {
            for record in &executed.records {
                *taken.entry(record.record().body.kind()).or_default() += 1;
            }
        }
        tried += run.ids.len();
    }
    assert_eq!(taken.len(), 15, "{taken:?}");
    let all: usize = taken.values().sum();
    assert!(all > tried / 10 && all < tried / 10 * 9, "{all} of {tried}");
}
