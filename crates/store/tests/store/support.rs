//! A small ledger for tests: one member, issuers with seeded keys, random blocks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use credlog_ledger::body::{
    Accredit, Body, Issue, Item, NewKey, Profile, Purposes, Reason, Registration, Scope,
    StatusChange,
};
use credlog_ledger::certificate::{CommitCertificate, CommitSignature};
use credlog_ledger::genesis::{GENESIS_VERSION, Genesis};
use credlog_ledger::ids::{
    Digest, IssuerId, LedgerId, ListNumber, MemberId, Origin, Round, StatusIndex, UnixMillis,
};
use credlog_ledger::key::{ProvenKey, Role};
use credlog_ledger::member::{Member, MemberKeys};
use credlog_ledger::parameters::Parameters;
use credlog_ledger::record::{Author, AuthorId, EncodedRecord, Record, countersigned_message};
use credlog_ledger::state::{MemoryState, State, View};
use credlog_ledger::transition::{Executed, Execution, Opening, genesis_state};
use credlog_ledger::vote::{VoteKind, vote_message};
use credlog_store::{Fatal, Store};
use credlog_tlog::MemoryTiles;
use ed25519_dalek::{Signer, SigningKey};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const FOUNDED: UnixMillis = UnixMillis(1_790_000_000_000);

/// One issuer of the test ledger.
struct Issuer {
    id: IssuerId,
    key: SigningKey,
    list: Option<ListNumber>,
    next_index: u32,
    /// Valid ones.
    issued: Vec<Digest>,
}

/// A ledger in memory, the model of what a store must answer.
pub(crate) struct TestLedger {
    pub(crate) genesis: Vec<u8>,
    pub(crate) id: LedgerId,
    pub(crate) state: MemoryState,
    pub(crate) blocks: Vec<Executed>,
    pub(crate) tiles: MemoryTiles,
    member: MemberId,
    governance: SigningKey,
    origin: Origin,
    issuers: BTreeMap<u8, Issuer>,
    time: UnixMillis,
    rng: StdRng,
}

fn key(seed: u8, role: u8) -> SigningKey {
    let mut bytes = [seed; 32];
    bytes[31] = role;
    SigningKey::from_bytes(&bytes)
}

/// Id of a member by its number.
pub(crate) fn member_id(number: u8) -> String {
    format!("university-{}", char::from(b'a' + number))
}

/// Key of a member: 1 governance, 2 consensus, 3 cosigner, 4 node.
pub(crate) fn member_key(number: u8, role: u8) -> SigningKey {
    key(1 + number, role)
}

fn seat(origin: &Origin, number: u8) -> Member {
    let id: MemberId = member_id(number).parse().unwrap();
    let proven = |role, n| ProvenKey::ed25519(origin, role, id.as_str(), &member_key(number, n));
    Member {
        name: format!("University {number}").try_into().unwrap(),
        keys: MemberKeys {
            governance: proven(Role::Governance, 1),
            consensus: proven(Role::Consensus, 2),
            cosigner: proven(Role::Cosigner, 3),
            node: proven(Role::Node, 4),
        },
        addresses: vec![],
        url: None,
        id,
    }
}

impl TestLedger {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with_origin(seed, "ledger.example/test")
    }

    pub(crate) fn with_origin(seed: u64, origin: &str) -> Self {
        Self::of(seed, origin, 1)
    }

    /// A ledger of up to 26 members.
    pub(crate) fn of_members(seed: u64, members: u8) -> Self {
        Self::of(seed, "ledger.example/test", members)
    }

    fn of(seed: u64, origin: &str, members: u8) -> Self {
        let origin: Origin = origin.parse().unwrap();
        let genesis = Genesis {
            version: GENESIS_VERSION,
            origin: origin.clone(),
            time: FOUNDED,
            members: (0..members).map(|number| seat(&origin, number)).collect(),
            parameters: Parameters::default(),
        };
        Self {
            id: genesis.ledger_id().unwrap(),
            state: genesis_state(&genesis).unwrap(),
            genesis: serde_json::to_vec_pretty(&genesis).unwrap(),
            blocks: Vec::new(),
            tiles: MemoryTiles::default(),
            member: member_id(0).parse().unwrap(),
            governance: member_key(0, 1),
            origin,
            issuers: BTreeMap::new(),
            time: FOUNDED,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    pub(crate) fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    /// Makes and executes the next block: accreditations, lists, issues, revocations.
    pub(crate) fn next_block(&mut self) -> Executed {
        let records = self.random_records();
        let executed = self.execute(records);
        self.keep(&executed);
        executed
    }

    /// The precommits of some members for a block.
    pub(crate) fn certificate_by(&self, executed: &Executed, by: &[u8]) -> CommitCertificate {
        certificate(self.id, executed, by)
    }

    fn execute(&self, records: Vec<EncodedRecord>) -> Executed {
        let opening = Opening {
            time: self.time,
            round: Round(0),
            proposer: self.proposer(),
        };
        let mut execution = Execution::open(&self.state, opening).unwrap();
        for record in records {
            execution.apply(record).unwrap();
        }
        execution.seal().unwrap()
    }

    fn proposer(&self) -> MemberId {
        let next = State(&self.state).head().unwrap().height.next();
        let members = State(&self.state).members().unwrap();
        members.proposer(next, Round(0)).member.id.clone()
    }

    fn keep(&mut self, executed: &Executed) {
        self.state.apply(&executed.changes);
        self.blocks.push(executed.clone());
        let mut log = credlog_tlog::TileAppender::new();
        if let Some(last) = self.blocks.iter().rev().nth(1) {
            log = credlog_tlog::TileAppender::open(&self.tiles, last.size).unwrap();
        }
        log.append_many(executed.leaf_hashes.iter().copied());
        self.tiles.extend(log.take_changed());
    }

    fn random_records(&mut self) -> Vec<EncodedRecord> {
        self.time = UnixMillis(self.time.0 + self.rng.gen_range(1_000..5_000));
        let mut records = Vec::new();
        if self.issuers.len() < 3 && (self.issuers.is_empty() || self.rng.gen_bool(0.3)) {
            let number = u8::try_from(self.issuers.len()).unwrap();
            records.push(self.accredit(number));
            return records;
        }
        for number in 0..u8::try_from(self.issuers.len()).unwrap() {
            if self.issuers[&number].list.is_none() {
                records.push(self.open_list(number));
                return records;
            }
            if self.rng.gen_bool(0.5) && !self.issuers[&number].issued.is_empty() {
                records.push(self.revoke(number));
            }
            let count = self.rng.gen_range(1..60);
            records.push(self.issue(number, count));
        }
        records
    }

    fn sign(&mut self, author: AuthorId, key: &SigningKey, body: Body) -> EncodedRecord {
        let (nonce, expires) = (self.rng.r#gen(), self.time.plus(600_000));
        let record = Record::sign(self.id, author, nonce, expires, body, key).unwrap();
        EncodedRecord::new(&record).unwrap()
    }

    fn accredit(&mut self, number: u8) -> EncodedRecord {
        self.time = self.time.plus(1_000);
        let id: IssuerId = format!("did:web:issuer-{number}.example").parse().unwrap();
        let signing = key(100 + number, 1);
        let recovery = key(100 + number, 2);
        let purposes = Purposes {
            record: true,
            assertion: true,
        };
        let proven =
            |role, key: &SigningKey| ProvenKey::ed25519(&self.origin, role, id.as_str(), key);
        let mut body = Body::Accredit(Accredit {
            issuer: id.clone(),
            registration: Some(Registration {
                profile: Profile {
                    name: format!("Issuer {number}").try_into().unwrap(),
                    url: None,
                },
                keys: vec![NewKey {
                    proven: proven(purposes.role().unwrap(), &signing),
                    purposes,
                }],
                recovery: proven(Role::Recovery, &recovery),
            }),
            scope: Scope::All,
            until: None,
            countersignature: [0; 64],
        });
        let author = AuthorId::Member(self.member.clone());
        let governance = self.governance.clone();
        let (nonce, expires) = (self.rng.r#gen(), self.time.plus(600_000));
        let named = Author {
            id: author.clone(),
            key: credlog_ledger::key::PublicKey::ed25519(governance.verifying_key().as_bytes())
                .id(),
        };
        let message = countersigned_message(&self.id, &named, &nonce, expires, &body).unwrap();
        if let Body::Accredit(accredit) = &mut body {
            accredit.countersignature = recovery.sign(&message).to_bytes();
        }
        let issuer = Issuer {
            id,
            key: signing,
            list: None,
            next_index: 0,
            issued: Vec::new(),
        };
        self.issuers.insert(number, issuer);
        let record = Record::sign(self.id, author, nonce, expires, body, &governance).unwrap();
        EncodedRecord::new(&record).unwrap()
    }

    fn by_issuer(&mut self, number: u8, body: Body) -> EncodedRecord {
        let issuer = &self.issuers[&number];
        let (id, key) = (issuer.id.clone(), issuer.key.clone());
        self.sign(AuthorId::Issuer(id), &key, body)
    }

    fn open_list(&mut self, number: u8) -> EncodedRecord {
        self.time = self.time.plus(1_000);
        let next = State(&self.state).head().unwrap().status_lists;
        self.issuers.get_mut(&number).unwrap().list = Some(ListNumber(next));
        self.by_issuer(number, Body::OpenStatusList {})
    }

    fn issue(&mut self, number: u8, count: u32) -> EncodedRecord {
        self.time = self.time.plus(1_000);
        let digests: Vec<Digest> = (0..count).map(|_| Digest(self.rng.r#gen())).collect();
        let issuer = self.issuers.get_mut(&number).unwrap();
        let items = digests.iter().zip(issuer.next_index..);
        let items = items.map(|(digest, index)| Item {
            index: StatusIndex(index),
            digest: *digest,
        });
        let body = Body::Issue(Issue {
            achievement: None,
            list: issuer.list.unwrap(),
            valid_from: None,
            valid_until: None,
            items: items.collect(),
        });
        issuer.next_index += count;
        issuer.issued.extend(&digests);
        self.by_issuer(number, body)
    }

    fn revoke(&mut self, number: u8) -> EncodedRecord {
        let issuer = self.issuers.get_mut(&number).unwrap();
        let at = self.rng.gen_range(0..issuer.issued.len());
        let body = Body::Revoke(StatusChange {
            issuer: issuer.id.clone(),
            digests: vec![issuer.issued.swap_remove(at)],
            reason: Reason::IssuedInError,
        });
        self.by_issuer(number, body)
    }

    /// All rows of the state, as the model has them.
    pub(crate) fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.state.scan(&[], None, usize::MAX).unwrap()
    }
}

/// The precommits of some members for a block.
pub(crate) fn certificate(ledger: LedgerId, executed: &Executed, by: &[u8]) -> CommitCertificate {
    let (height, value) = (executed.seal.height, executed.value_id().unwrap());
    let round = Round(0);
    let message = vote_message(&ledger, VoteKind::Precommit, height, round, Some(&value));
    let signatures = by.iter().map(|number| CommitSignature {
        member: member_id(*number).parse().unwrap(),
        signature: member_key(*number, 2).sign(&message).to_bytes(),
    });
    CommitCertificate::new(height, round, value, signatures.collect()).unwrap()
}

/// Commits a block with the certificate that all members give it.
pub(crate) fn commit(store: &Store, executed: &Executed) -> Result<(), Fatal> {
    let members = u8::try_from(store.genesis().members.len()).unwrap();
    let by: Vec<u8> = (0..members).collect();
    let certificate = certificate(store.ledger_id(), executed, &by);
    store.commit(executed, Some(&certificate))
}

/// Copies a folder.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = entry
            .map(|entry| (entry.path(), to.join(entry.file_name())))
            .unwrap();
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The watermark in a folder: the line with the greatest height among the slots of its
/// file, of which one may be half written.
pub(crate) fn watermark(dir: &Path) -> serde_json::Value {
    let bytes = fs::read(dir.join("watermark")).unwrap();
    let slots = bytes.chunks(4_096).filter_map(|slot| {
        let end = slot.iter().position(|byte| *byte == b'\n')?;
        serde_json::from_slice(&slot[..end]).ok()
    });
    let height = |slot: &serde_json::Value| slot["height"].as_u64();
    slots.max_by_key(height).unwrap()
}
