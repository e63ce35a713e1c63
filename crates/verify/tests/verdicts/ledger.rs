//! A ledger in memory with one member, and University A of the samples as its issuer.

use credlog_credential::{Credential, SignOptions, Suite, sign};
use credlog_ledger::block::Block;
use credlog_ledger::body::{
    Accredit, Action, Body, Issue, Item, KeyChange, NewKey, Profile, Purposes, Reason,
    Registration, Scope, StatusChange,
};
use credlog_ledger::genesis::{GENESIS_VERSION, Genesis};
use credlog_ledger::ids::{
    Digest, IssuerId, LedgerId, ListNumber, MemberId, Origin, RecordId, Round, StatusIndex,
    UnixMillis,
};
use credlog_ledger::key::{ProvenKey, PublicKey, Role};
use credlog_ledger::member::{Member, MemberKeys};
use credlog_ledger::parameters::Parameters;
use credlog_ledger::record::{Author, AuthorId, EncodedRecord, Record, countersigned_message};
use credlog_ledger::state::{MemoryState, State};
use credlog_ledger::transition::{Execution, Opening, execute, genesis_state};
use credlog_verify::{
    Check, CheckName, Common, DigestOnly, Facts, HandedOver, Outcome, Question, Subject, Time,
    Verdict, gather, gather_with, issuer_of, judge, positions_named, verify,
};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;

pub(crate) const BOTH: Purposes = Purposes {
    record: true,
    assertion: true,
};
pub(crate) const RECORD: Purposes = Purposes {
    record: true,
    assertion: false,
};
pub(crate) const NODE_URL: &str = "https://node.example";

pub(crate) fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// Keys of the samples: SHA-256("eval-vc <name>").
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(format!("eval-vc {name}")).into())
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey::ed25519(key.verifying_key().as_bytes())
}

/// The did:key of a key.
pub(crate) fn did(name: &str) -> IssuerId {
    format!("did:key:{}", public(&key(name))).parse().unwrap()
}

/// A sample by the digits at the beginning of its name.
pub(crate) fn sample(name: &str) -> Value {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../credential/tests/fixtures/samples"
    );
    let path = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(name)
        })
        .unwrap_or_else(|| panic!("there is no sample {name}"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Both status lists of the samples.
pub(crate) fn sample_lists() -> Vec<Value> {
    vec![sample("status-list-rev"), sample("status-list-sus")]
}

pub(crate) fn credential(document: Value) -> Credential {
    Credential::from_json(document).unwrap()
}

pub(crate) fn digest_of(credential: &Credential) -> Digest {
    Digest(*credential.digest().as_bytes())
}

/// A small credential of University A without status lists; `id` makes it another one.
pub(crate) fn made(id: u32) -> Credential {
    made_by(&did("university A"), "university A", id, &json!({}))
}

/// A small credential that names `issuer` and is signed by the key of `signer`.
pub(crate) fn made_by(issuer: &IssuerId, signer: &str, id: u32, more: &Value) -> Credential {
    let method = format!("{0}#{1}", did(signer), public(&key(signer)));
    made_with(issuer, signer, &method, id, more)
}

/// The same with a verification method of choice.
pub(crate) fn made_with(
    issuer: &IssuerId,
    signer: &str,
    method: &str,
    id: u32,
    more: &Value,
) -> Credential {
    let mut document = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": format!("urn:credential:{id}"),
        "type": ["VerifiableCredential"],
        "issuer": issuer,
        "credentialSubject": {"id": "did:example:holder"},
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    let created = time("2026-11-21T10:00:00Z").try_into().unwrap();
    let options = SignOptions::new(Suite::EDDSA_JCS_2022, method, created);
    credential(sign(document, &key(signer).into(), &options).unwrap())
}

/// The ledger.
pub(crate) struct Ledger {
    pub(crate) state: MemoryState,
    id: LedgerId,
    nonce: u64,
    /// Of the state that was last asked.
    common: RefCell<Option<Common>>,
}

impl Ledger {
    /// Founded on 1 November 2026, with member `consortium-a` and nobody else.
    pub(crate) fn empty() -> Self {
        let genesis = Genesis {
            version: GENESIS_VERSION,
            origin: origin(),
            time: time("2026-11-01T00:00:00Z").into(),
            members: vec![consortium_a(NODE_URL)],
            parameters: Parameters::default(),
        };
        Self {
            state: genesis_state(&genesis).unwrap(),
            id: genesis.ledger_id().unwrap(),
            nonce: 0,
            common: RefCell::default(),
        }
    }

    /// University A accredited for everything on 2 November, with status list 0.
    pub(crate) fn with_university() -> Self {
        let mut ledger = Self::empty();
        ledger.accredit("2026-11-02T00:00:00Z", &did("university A"), "university A");
        ledger
    }

    /// Registers an issuer with one key for both purposes and opens its status list.
    pub(crate) fn accredit(&mut self, at: &str, issuer: &IssuerId, key_name: &str) {
        self.accredit_for(at, issuer, key_name, Scope::All);
    }

    /// The same for a scope.
    pub(crate) fn accredit_for(
        &mut self,
        at: &str,
        issuer: &IssuerId,
        key_name: &str,
        scope: Scope,
    ) {
        let recovery = key(&format!("{key_name} recovery"));
        let registration = Registration {
            profile: Profile {
                name: title(key_name).parse().unwrap(),
                url: None,
            },
            keys: vec![new_key(issuer, key_name, BOTH)],
            recovery: ProvenKey::ed25519(&origin(), Role::Recovery, issuer.as_str(), &recovery),
        };
        let body = Body::Accredit(Accredit {
            issuer: issuer.clone(),
            registration: Some(registration),
            scope,
            until: None,
            countersignature: [0; 64],
        });
        let record = self.countersigned(at, body, &recovery);
        let list = (AuthorId::Issuer(issuer.clone()), Body::OpenStatusList {});
        let open = self.signed(at, list.0, &key(key_name), list.1);
        self.commit(at, &[record, open]);
    }

    fn countersigned(&mut self, at: &str, mut body: Body, recovery: &SigningKey) -> Record {
        let author = AuthorId::Member(member());
        let governance = key("governance");
        let (nonce, expires_at) = (self.next_nonce(), expiry(at));
        let signer = Author {
            id: author.clone(),
            key: public(&governance).id(),
        };
        let message = countersigned_message(&self.id, &signer, &nonce, expires_at, &body).unwrap();
        if let Body::Accredit(accredit) = &mut body {
            accredit.countersignature = recovery.sign(&message).to_bytes();
        }
        Record::sign(self.id, author, nonce, expires_at, body, &governance).unwrap()
    }

    fn next_nonce(&mut self) -> [u8; 16] {
        self.nonce += 1;
        u128::from(self.nonce).to_be_bytes()
    }

    pub(crate) fn signed(
        &mut self,
        at: &str,
        author: AuthorId,
        key: &SigningKey,
        body: Body,
    ) -> Record {
        let nonce = self.next_nonce();
        Record::sign(self.id, author, nonce, expiry(at), body, key).unwrap()
    }

    /// One block with these records, sealed at this time; checked as a foreign block as well.
    pub(crate) fn commit(&mut self, at: &str, records: &[Record]) -> Vec<RecordId> {
        let opening = Opening {
            time: time(at).into(),
            round: Round(0),
            proposer: member(),
        };
        let mut execution = Execution::open(&self.state, opening).unwrap();
        let mut ids = Vec::new();
        for record in records {
            let encoded = EncodedRecord::new(record).unwrap();
            ids.push(encoded.id());
            execution.apply(encoded).unwrap();
        }
        let block = Block::from_bytes(&execution.seal().unwrap().block).unwrap();
        let executed = execute(&self.state, block).unwrap();
        self.state.apply(&executed.changes);
        ids
    }

    /// A record of University A in a block of its own.
    pub(crate) fn university(&mut self, at: &str, body: Body) -> RecordId {
        self.by_issuer(at, &did("university A"), "university A", body)
    }

    pub(crate) fn by_issuer(
        &mut self,
        at: &str,
        issuer: &IssuerId,
        key_name: &str,
        body: Body,
    ) -> RecordId {
        let author = AuthorId::Issuer(issuer.clone());
        let record = self.signed(at, author, &key(key_name), body);
        self.commit(at, &[record])[0]
    }

    /// A record of the member in a block of its own.
    pub(crate) fn member(&mut self, at: &str, body: Body) -> RecordId {
        let author = AuthorId::Member(member());
        let record = self.signed(at, author, &key("governance"), body);
        self.commit(at, &[record])[0]
    }

    /// University A issues a digest at the next free position of list 0.
    pub(crate) fn issue(&mut self, at: &str, digest: Digest) -> RecordId {
        self.university(at, self.issue_body(0, digest))
    }

    /// An Issue record for the next free position of a list.
    pub(crate) fn issue_body(&self, list: u64, digest: Digest) -> Body {
        let used = State(&self.state)
            .list(ListNumber(list))
            .unwrap()
            .unwrap()
            .used;
        Body::Issue(Issue {
            achievement: None,
            list: ListNumber(list),
            valid_from: None,
            valid_until: None,
            items: vec![Item {
                index: StatusIndex(used),
                digest,
            }],
        })
    }

    pub(crate) fn revoke(&mut self, at: &str, digest: Digest) -> RecordId {
        self.university(at, Body::Revoke(change(digest, Reason::IssuedInError)))
    }

    pub(crate) fn suspend(&mut self, at: &str, digest: Digest) -> RecordId {
        self.university(at, Body::Suspend(change(digest, Reason::Misconduct)))
    }

    pub(crate) fn reinstate(&mut self, at: &str, digest: Digest, suspension: RecordId) {
        self.university(
            at,
            Body::Reinstate {
                issuer: did("university A"),
                suspension,
                digests: vec![digest],
                reason: Reason::Unspecified,
            },
        );
    }

    pub(crate) fn supersede(&mut self, at: &str, old: Digest, new: Digest) {
        self.university(
            at,
            Body::Supersede {
                issuer: did("university A"),
                old,
                new,
                reason: Reason::Superseded,
            },
        );
    }

    /// Retires the key of University A by its recovery key, for a new one.
    pub(crate) fn rotate(&mut self, at: &str, new: NewKey, compromised_since: Option<&str>) {
        let body = Body::RotateKeys(KeyChange {
            add: vec![new],
            retire: vec![public(&key("university A")).id()],
            compromised_since: compromised_since.map(|since| time(since).into()),
        });
        self.by_issuer(at, &did("university A"), "university A recovery", body);
    }

    /// The member's node moves.
    pub(crate) fn move_to(&mut self, proposed: &str, approved: &str, url: &str) {
        let member = consortium_a(url);
        let action = Action::ReplaceMemberKeys { member };
        let proposal = self.member(proposed, Body::Propose { action });
        self.member(approved, Body::Approve { proposal });
    }

    /// The facts, which are the same with what was kept from earlier states.
    fn gather(&self, question: &Question) -> Facts {
        let before = self.common.take();
        let common = match before {
            Some(before) => before.next(&self.state).unwrap(),
            None => Common::read(&self.state).unwrap(),
        };
        let facts = gather(&self.state, question).unwrap();
        for _ in 0..2 {
            let again = gather_with(&self.state, &common, question);
            assert_eq!(again.as_ref(), Ok(&facts));
        }
        self.common.replace(Some(common));
        facts
    }

    pub(crate) fn facts(&self, credential: &Credential, at: Option<&str>, now: &str) -> Facts {
        let question = Question {
            digest: digest_of(credential),
            issuer: issuer_of(credential),
            at: at.map(|at| time(at).into()),
            positions: positions_named(credential),
            now: time(now).into(),
        };
        over_the_wire(&self.gather(&question))
    }

    /// The verdict on 1 December 2026.
    pub(crate) fn verdict(&self, credential: &Credential) -> Verdict {
        self.verdict_with(credential, &[], None)
    }

    /// The verdict on a date.
    pub(crate) fn verdict_at(&self, credential: &Credential, at: &str) -> Verdict {
        self.verdict_with(credential, &[], Some(at))
    }

    pub(crate) fn verdict_with(
        &self,
        credential: &Credential,
        lists: &[Value],
        at: Option<&str>,
    ) -> Verdict {
        let facts = self.facts(credential, at, NOW);
        let handed = HandedOver {
            status_lists: lists.to_vec(),
            ..HandedOver::default()
        };
        let verdict = verify(credential, &handed, &facts, time(NOW).into()).unwrap();
        check_consistent(&verdict);
        verdict
    }

    /// The verdict on a digest alone.
    pub(crate) fn digest_verdict(
        &self,
        digest: Digest,
        issuer: Option<IssuerId>,
        how: DigestOnly,
    ) -> Verdict {
        let question = Question {
            digest,
            issuer,
            at: None,
            positions: Vec::new(),
            now: time(NOW).into(),
        };
        let facts = over_the_wire(&self.gather(&question));
        let verdict = judge(&Subject::Digest(how), &facts, time(NOW).into()).unwrap();
        check_consistent(&verdict);
        verdict
    }
}

/// When tests ask for "now".
pub(crate) const NOW: &str = "2026-12-01T00:00:00Z";

pub(crate) fn outcome(verdict: &Verdict, name: CheckName) -> Outcome {
    check(verdict, name).outcome
}

pub(crate) fn check(verdict: &Verdict, name: CheckName) -> &Check {
    verdict
        .check(name)
        .unwrap_or_else(|| panic!("no check {name}: {verdict:#?}"))
}

/// What must be true of every verdict.
pub(crate) fn check_consistent(verdict: &Verdict) {
    let least = verdict.checks.iter().map(|check| check.amounts_to).min();
    assert_eq!(Some(verdict.summary), least);
    let names: Vec<_> = verdict.checks.iter().map(|check| check.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    for check in &verdict.checks {
        assert!(check.reason.ends_with('.'), "{}", check.reason);
        assert!(
            check.reason.starts_with(char::is_uppercase),
            "{}",
            check.reason
        );
    }
    assert!(verdict.headline.ends_with('.'), "{}", verdict.headline);
    let json = serde_json::to_string(verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), *verdict);
}

/// Facts as a verifier at home gets them.
fn over_the_wire(facts: &Facts) -> Facts {
    let json = serde_json::to_string(facts).unwrap();
    let read: Facts = serde_json::from_str(&json).unwrap();
    assert_eq!(read, *facts);
    // Parts that were written beforehand read as the others.
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
    read
}

pub(crate) fn new_key(issuer: &IssuerId, name: &str, purposes: Purposes) -> NewKey {
    NewKey {
        proven: ProvenKey::ed25519(
            &origin(),
            purposes.role().unwrap(),
            issuer.as_str(),
            &key(name),
        ),
        purposes,
    }
}

pub(crate) fn change(digest: Digest, reason: Reason) -> StatusChange {
    StatusChange {
        issuer: did("university A"),
        digests: vec![digest],
        reason,
    }
}

/// The member, with its node at an address.
fn consortium_a(url: &str) -> Member {
    let proven = |role: Role| {
        let key = key(role.as_str());
        ProvenKey::ed25519(&origin(), role, member().as_str(), &key)
    };
    Member {
        id: member(),
        name: "Consortium A".parse().unwrap(),
        keys: MemberKeys {
            governance: proven(Role::Governance),
            consensus: proven(Role::Consensus),
            cosigner: proven(Role::Cosigner),
            node: proven(Role::Node),
        },
        addresses: Vec::new(),
        url: Some(url.parse().unwrap()),
    }
}

pub(crate) fn member() -> MemberId {
    "consortium-a".parse().unwrap()
}

fn origin() -> Origin {
    "test.example/credlog".parse().unwrap()
}

fn expiry(at: &str) -> UnixMillis {
    time(at).unix_millis().plus(600_000)
}

fn title(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}
