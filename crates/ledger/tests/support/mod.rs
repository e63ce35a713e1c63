//! A small deterministic ledger for tests: seeded keys, a clock set by hand, helpers that
//! sign every body, and blocks executed on a state in memory.
#![allow(dead_code, unreachable_pub)] // each test binary uses its part

use credlog_ledger::block::Block;
use credlog_ledger::body::{
    Accredit, Action, Body, Issue, Item, KeyChange, NewKey, Profile, Purposes, Reason,
    Registration, Scope, StatusChange,
};
use credlog_ledger::genesis::{GENESIS_VERSION, Genesis};
use credlog_ledger::ids::{
    AchievementId, Digest, IssuerId, LedgerId, ListNumber, MemberId, Origin, RecordId, Round,
    StatusIndex, UnixMillis,
};
use credlog_ledger::key::{ProvenKey, PublicKey, Role};
use credlog_ledger::member::{Member, MemberKeys};
use credlog_ledger::parameters::Parameters;
use credlog_ledger::record::{Author, AuthorId, EncodedRecord, Record, countersigned_message};
use credlog_ledger::rejection::Rejection;
use credlog_ledger::state::{MemoryState, State};
use credlog_ledger::transition::{
    ApplyError, BlockError, Executed, Execution, Opening, execute, genesis_state,
};
use ed25519_dalek::{Signer as _, SigningKey};

/// A minute, an hour, a day in milliseconds.
pub const MINUTE: u64 = 60_000;
pub const DAY: u64 = 24 * 60 * MINUTE;
/// When every test ledger is founded.
pub const FOUNDED: u64 = 1_760_000_000_000;

pub const RECORD: Purposes = Purposes {
    record: true,
    assertion: false,
};
pub const ASSERTION: Purposes = Purposes {
    record: false,
    assertion: true,
};
pub const BOTH: Purposes = Purposes {
    record: true,
    assertion: true,
};

/// The key with this label, the same in every run.
pub fn key(label: &str) -> SigningKey {
    SigningKey::from_bytes(blake3::hash(label.as_bytes()).as_bytes())
}

pub fn public(key: &SigningKey) -> PublicKey {
    PublicKey::ed25519(key.verifying_key().as_bytes())
}

pub fn digest(number: u64) -> Digest {
    Digest(*blake3::hash(&number.to_be_bytes()).as_bytes())
}

pub fn achievement(name: &str) -> AchievementId {
    format!("urn:achievement:{name}").parse().unwrap()
}

pub fn origin() -> Origin {
    "test.example/credlog".parse().unwrap()
}

pub fn member_id(number: usize) -> MemberId {
    format!("m{number}").parse().unwrap()
}

pub fn issuer_id(name: &str) -> IssuerId {
    format!("did:web:{name}.example").parse().unwrap()
}

/// A member whose four keys have the labels `<id>/<generation>/<role>`.
pub fn member(id: &str, generation: u32) -> Member {
    let proven = |role: Role| {
        let key = key(&format!("{id}/{generation}/{}", role.as_str()));
        ProvenKey::ed25519(&origin(), role, id, &key)
    };
    Member {
        id: id.parse().unwrap(),
        name: format!("Member {id}").parse().unwrap(),
        keys: MemberKeys {
            governance: proven(Role::Governance),
            consensus: proven(Role::Consensus),
            cosigner: proven(Role::Cosigner),
            node: proven(Role::Node),
        },
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".parse().unwrap()],
        url: Some(format!("http://{id}.example").parse().unwrap()),
    }
}

pub fn genesis(members: usize, parameters: Parameters) -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        origin: origin(),
        time: UnixMillis(FOUNDED),
        members: (0..members).map(|n| member(&format!("m{n}"), 0)).collect(),
        parameters,
    }
}

/// Who signs a record.
#[derive(Debug, Clone)]
pub struct Signer {
    pub id: AuthorId,
    pub key: SigningKey,
}

/// Founding member `m<number>` with its first governance key.
pub fn by_member(number: usize) -> Signer {
    Signer {
        id: AuthorId::Member(member_id(number)),
        key: key(&format!("m{number}/0/governance")),
    }
}

/// An issuer with its first record key.
pub fn by_issuer(name: &str) -> Signer {
    by_issuer_key(name, &format!("{name}/record"))
}

/// An issuer with the key of this label.
pub fn by_issuer_key(name: &str, label: &str) -> Signer {
    Signer {
        id: AuthorId::Issuer(issuer_id(name)),
        key: key(label),
    }
}

/// An issuer with its recovery key.
pub fn by_recovery(name: &str) -> Signer {
    by_issuer_key(name, &format!("{name}/recovery"))
}

/// A new key of an issuer with its proof of possession.
pub fn new_key(issuer: &str, label: &str, purposes: Purposes) -> NewKey {
    let owner = issuer_id(issuer);
    let role = purposes.role().unwrap_or(Role::Record);
    NewKey {
        proven: ProvenKey::ed25519(&origin(), role, owner.as_str(), &key(label)),
        purposes,
    }
}

/// Profile, one record key `<name>/record`, recovery key `<name>/recovery`.
pub fn registration(issuer: &str) -> Registration {
    let owner = issuer_id(issuer);
    let recovery = key(&format!("{issuer}/recovery"));
    Registration {
        profile: Profile {
            name: format!("Issuer {issuer}").parse().unwrap(),
            url: None,
        },
        keys: vec![new_key(issuer, &format!("{issuer}/record"), RECORD)],
        recovery: ProvenKey::ed25519(&origin(), Role::Recovery, owner.as_str(), &recovery),
    }
}

/// An accreditation of everything without an end; the countersignature is still missing.
pub fn accreditation(issuer: &str, registration: Option<Registration>) -> Accredit {
    Accredit {
        issuer: issuer_id(issuer),
        registration,
        scope: Scope::All,
        until: None,
        countersignature: [0; 64],
    }
}

pub fn change(add: Vec<NewKey>, retire: &[&str], compromised_since: Option<u64>) -> KeyChange {
    let mut retire: Vec<_> = retire
        .iter()
        .map(|label| public(&key(label)).id())
        .collect();
    retire.sort_unstable();
    KeyChange {
        add,
        retire,
        compromised_since: compromised_since.map(UnixMillis),
    }
}

/// An Issue without an achievement: (index, number of the digest).
pub fn issue(list: u64, items: &[(u32, u64)]) -> Body {
    issue_of(None, list, items)
}

pub fn issue_of(achievement: Option<AchievementId>, list: u64, items: &[(u32, u64)]) -> Body {
    let items = items.iter().map(|&(index, number)| Item {
        index: StatusIndex(index),
        digest: digest(number),
    });
    Body::Issue(Issue {
        achievement,
        list: ListNumber(list),
        valid_from: None,
        valid_until: None,
        items: items.collect(),
    })
}

pub fn status_change(issuer: &str, numbers: &[u64]) -> StatusChange {
    StatusChange {
        issuer: issuer_id(issuer),
        digests: digests(numbers),
        reason: Reason::Unspecified,
    }
}

pub fn digests(numbers: &[u64]) -> Vec<Digest> {
    let mut digests: Vec<_> = numbers.iter().map(|&number| digest(number)).collect();
    digests.sort_unstable();
    digests
}

/// A ledger in memory; `now` is the time of the next seal.
#[derive(Debug, Clone)]
pub struct TestLedger {
    pub genesis: Genesis,
    pub id: LedgerId,
    pub state: MemoryState,
    pub now: u64,
    pub blocks: Vec<Executed>,
    nonce: u128,
}

impl TestLedger {
    pub fn new(members: usize) -> Self {
        Self::with(members, Parameters::default())
    }

    pub fn with(members: usize, parameters: Parameters) -> Self {
        let genesis = genesis(members, parameters);
        Self {
            id: genesis.ledger_id().unwrap(),
            state: genesis_state(&genesis).unwrap(),
            genesis,
            now: FOUNDED + 1_000,
            blocks: Vec::new(),
            nonce: 0,
        }
    }

    /// One member that has accredited issuer `a`, who has opened list 0 and issued
    /// credentials 0 to 3 at the positions of their numbers.
    pub fn small() -> Self {
        Self::small_with(1, Parameters::default())
    }

    pub fn small_with(members: usize, parameters: Parameters) -> Self {
        let mut ledger = Self::with(members, parameters);
        ledger.register(0, "a");
        ledger.seal_one(&by_issuer("a"), Body::OpenStatusList {});
        ledger.seal_one(&by_issuer("a"), issue(0, &[(0, 0), (1, 1), (2, 2), (3, 3)]));
        ledger
    }

    pub fn state(&self) -> State<'_> {
        State(&self.state)
    }

    pub fn next_nonce(&mut self) -> [u8; 16] {
        self.nonce += 1;
        self.nonce.to_be_bytes()
    }

    pub fn expires(&self) -> UnixMillis {
        UnixMillis(self.now + 10 * MINUTE)
    }

    pub fn sign(&mut self, signer: &Signer, body: Body) -> EncodedRecord {
        let expires = self.expires();
        self.sign_until(signer, body, expires)
    }

    pub fn sign_until(
        &mut self,
        signer: &Signer,
        body: Body,
        expires: UnixMillis,
    ) -> EncodedRecord {
        let nonce = self.next_nonce();
        let id = signer.id.clone();
        let record = Record::sign(self.id, id, nonce, expires, body, &signer.key).unwrap();
        EncodedRecord::new(&record).unwrap()
    }

    /// Accredit with the countersignature of the recovery key `<name>/recovery`.
    pub fn sign_accredit(
        &mut self,
        signer: &Signer,
        recovery: &SigningKey,
        accredit: Accredit,
    ) -> EncodedRecord {
        let (nonce, expires) = (self.next_nonce(), self.expires());
        let author = Author {
            id: signer.id.clone(),
            key: public(&signer.key).id(),
        };
        let body = Body::Accredit(accredit.clone());
        let message = countersigned_message(&self.id, &author, &nonce, expires, &body).unwrap();
        let body = Body::Accredit(Accredit {
            countersignature: recovery.sign(&message).to_bytes(),
            ..accredit
        });
        let record = Record::sign(self.id, author.id, nonce, expires, body, &signer.key).unwrap();
        EncodedRecord::new(&record).unwrap()
    }

    /// Member `m<number>` registers and accredits an issuer for everything.
    pub fn register(&mut self, number: usize, issuer: &str) -> Executed {
        let record = self.accredit(number, issuer, true);
        self.seal(vec![record])
    }

    pub fn accredit(&mut self, number: usize, issuer: &str, first: bool) -> EncodedRecord {
        let registration = first.then(|| registration(issuer));
        self.accredit_as(number, issuer, accreditation(issuer, registration))
    }

    pub fn accredit_as(&mut self, number: usize, issuer: &str, body: Accredit) -> EncodedRecord {
        let recovery = key(&format!("{issuer}/recovery"));
        self.sign_accredit(&by_member(number), &recovery, body)
    }

    /// What a proposer of round 0 opens the next block with.
    pub fn opening(&self) -> Opening {
        self.opening_in(Round(0))
    }

    pub fn opening_in(&self, round: Round) -> Opening {
        let height = self.state().head().unwrap().height.next();
        let members = self.state().members().unwrap();
        Opening {
            time: UnixMillis(self.now),
            round,
            proposer: members.proposer(height, round).member.id.clone(),
        }
    }

    /// Builds a block without committing it.
    pub fn build(&self, records: Vec<EncodedRecord>) -> Result<Executed, (usize, Rejection)> {
        let mut execution = Execution::open(&self.state, self.opening()).unwrap();
        for (at, record) in records.into_iter().enumerate() {
            match execution.apply(record) {
                Ok(_) => {}
                Err(ApplyError::Rejected(rejection)) => return Err((at, rejection)),
                Err(ApplyError::Fatal(error)) => panic!("{error}"),
            }
        }
        Ok(execution.seal().unwrap())
    }

    /// Executes a foreign block without committing it.
    pub fn execute(&self, block: &[u8]) -> Result<Executed, BlockError> {
        execute(&self.state, Block::from_bytes(block)?)
    }

    /// Builds a block, checks that a validator gets the same, and commits it; the next
    /// seal comes a second later.
    pub fn seal(&mut self, records: Vec<EncodedRecord>) -> Executed {
        let executed = match self.build(records) {
            Ok(executed) => executed,
            Err((at, rejection)) => panic!("record {at} is refused: {rejection}"),
        };
        let again = self.execute(&executed.block).unwrap();
        assert_eq!(again.changes, executed.changes);
        assert_eq!((again.root, again.size), (executed.root, executed.size));
        self.commit(&executed);
        executed
    }

    pub fn commit(&mut self, executed: &Executed) {
        self.state.apply(&executed.changes);
        self.blocks.push(executed.clone());
        self.now += 1_000;
    }

    pub fn seal_one(&mut self, signer: &Signer, body: Body) -> RecordId {
        let record = self.sign(signer, body);
        let id = record.id();
        self.seal(vec![record]);
        id
    }

    /// Why the next block would not take this record.
    pub fn refusal(&self, record: &EncodedRecord) -> Rejection {
        match self.build(vec![record.clone()]) {
            Ok(_) => panic!("the record is not refused: {:?}", record.record().body),
            Err((_, rejection)) => rejection,
        }
    }

    /// Member 0 proposes; members 0 to `approvals` - 1 approve, each in its own block.
    pub fn govern(&mut self, action: Action, approvals: usize) -> RecordId {
        let proposal = self.seal_one(&by_member(0), Body::Propose { action });
        for number in 0..approvals {
            self.seal_one(&by_member(number), Body::Approve { proposal });
        }
        proposal
    }
}
