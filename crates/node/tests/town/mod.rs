//! A member's node on a real store in a temporary folder and a real socket, with an issuer
//! whose keys are known, and raw HTTP for what a well-behaved client would not send.
#![allow(dead_code, unreachable_pub)] // each test binary uses its part

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use credlog_api::{Client, ClientConfig, RecordOutcome, Wait};
use credlog_ledger::body::{
    Accredit, Body, Issue, Item, NewKey, Profile, Purposes, Reason, Registration, Scope,
    StatusChange,
};
use credlog_ledger::genesis::{GENESIS_VERSION, Genesis};
use credlog_ledger::ids::{
    Digest, IssuerId, LedgerId, ListNumber, Origin, StatusIndex, UnixMillis,
};
use credlog_ledger::key::{ProvenKey, Role};
use credlog_ledger::member::{Member, MemberKeys};
use credlog_ledger::parameters::Parameters;
use credlog_ledger::record::{Author, AuthorId, EncodedRecord, Record, countersigned_message};
use credlog_node::{Config, Node};
use ed25519_dalek::{Signer as _, SigningKey};
use pkcs8::EncodePrivateKey;
use rand::RngCore;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The member of the ledger.
pub const MEMBER: &str = "university-a";
/// Records expire after this time.
pub const LIFETIME_MS: u64 = 600_000;

/// The key with this label, the same in every run.
pub fn key(label: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(label.as_bytes()).into())
}

/// The issuer of the sample credentials, with its published test key.
pub fn issuer_key() -> SigningKey {
    key("eval-vc university A")
}

pub fn issuer_id() -> IssuerId {
    let key = credlog_ledger::key::PublicKey::ed25519(issuer_key().verifying_key().as_bytes());
    format!("did:key:{key}").parse().unwrap()
}

pub fn origin() -> Origin {
    "test.example/ledger".parse().unwrap()
}

/// A sample credential.
pub fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../credential/tests/fixtures/samples");
    std::fs::read(folder.join(name)).unwrap()
}

pub fn digest(number: u64) -> Digest {
    Digest(Sha256::digest(number.to_be_bytes()).into())
}

pub fn member(id: &str) -> Member {
    let proven = |role: Role| {
        ProvenKey::ed25519(
            &origin(),
            role,
            id,
            &key(&format!("{id}/{}", role.as_str())),
        )
    };
    Member {
        id: id.parse().unwrap(),
        name: "University A".parse().unwrap(),
        keys: MemberKeys {
            governance: proven(Role::Governance),
            consensus: proven(Role::Consensus),
            cosigner: proven(Role::Cosigner),
            node: proven(Role::Node),
        },
        addresses: Vec::new(),
        url: None,
    }
}

/// Folders of a node: genesis, keys, data.
pub struct Town {
    pub dir: tempfile::TempDir,
    pub config: Config,
    pub ledger: LedgerId,
}

/// A node that runs, and a client of it.
pub struct Running {
    pub node: Node,
    pub address: SocketAddr,
    pub client: Client,
    pub ledger: LedgerId,
}

impl Town {
    pub fn new() -> Self {
        Self::with(&[MEMBER], Parameters::default())
    }

    pub fn with(members: &[&str], parameters: Parameters) -> Self {
        Self::founded(members, parameters, UnixMillis(1_760_000_000_000))
    }

    /// With a member whose node the ledger knows at an address.
    pub fn at(url: &str) -> Self {
        let own = Member {
            url: Some(url.parse().unwrap()),
            ..member(MEMBER)
        };
        let time = UnixMillis(1_760_000_000_000);
        Self::of(vec![own], Parameters::default(), time)
    }

    pub fn founded(members: &[&str], parameters: Parameters, time: UnixMillis) -> Self {
        let members = members.iter().map(|id| member(id)).collect();
        Self::of(members, parameters, time)
    }

    fn of(members: Vec<Member>, parameters: Parameters, time: UnixMillis) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let genesis = Genesis {
            version: GENESIS_VERSION,
            origin: origin(),
            time,
            members,
            parameters,
        };
        let bytes = serde_json::to_vec(&genesis).unwrap();
        std::fs::write(dir.path().join("genesis.json"), bytes).unwrap();
        std::fs::create_dir(dir.path().join("keys")).unwrap();
        for role in ["node", "consensus", "cosigner"] {
            let key = key(&format!("{MEMBER}/{role}"));
            let pem = key.to_pkcs8_pem(pkcs8::LineEnding::LF).unwrap();
            let path = dir.path().join(format!("keys/{role}.pem"));
            std::fs::write(&path, pem.as_bytes()).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let text = format!(
            "[node]\ngenesis = \"genesis.json\"\n[member]\nid = \"{MEMBER}\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n\
             [network]\nlisten = \"/ip4/127.0.0.1/tcp/0\"\n\
             [rate_limit]\nreads_per_second = 0\nwrites_per_second = 0\n\
             records_per_second = 0\nverify_per_second = 0\n"
        );
        let config = Config::parse(&text, dir.path()).unwrap();
        let ledger = genesis.ledger_id().unwrap();
        Self {
            dir,
            config,
            ledger,
        }
    }

    /// What somebody trusts who has the genesis file alone.
    pub fn trust(&self) -> credlog_verify::receipt::Trust {
        let bytes = std::fs::read(self.dir.path().join("genesis.json")).unwrap();
        credlog_verify::receipt::Trust::found(Genesis::parse(&bytes).unwrap()).unwrap()
    }

    pub async fn start(&self) -> Running {
        let node = Node::start(self.config.clone()).await.unwrap();
        let address = node.http_addr();
        let config = ClientConfig {
            retries_max: 0,
            ..ClientConfig::default()
        };
        let client = Client::with_config(&format!("http://{address}"), config).unwrap();
        Running {
            node,
            address,
            client,
            ledger: self.ledger,
        }
    }
}

impl Running {
    pub fn by_member(&self, body: Body) -> Record {
        let author = AuthorId::Member(MEMBER.parse().unwrap());
        self.sign(author, body, &key(&format!("{MEMBER}/governance")))
    }

    pub fn by_issuer(&self, body: Body) -> Record {
        self.sign(AuthorId::Issuer(issuer_id()), body, &issuer_key())
    }

    pub fn sign(&self, author: AuthorId, body: Body, key: &SigningKey) -> Record {
        sign(self.ledger, author, body, key)
    }

    /// Submits a record that must be committed.
    pub async fn commit(&self, record: &Record) -> RecordOutcome {
        let bytes = record.to_bytes().unwrap();
        let outcomes = self.client.submit(&bytes, Wait::Committed).await.unwrap();
        let [outcome] = outcomes.results.try_into().unwrap();
        assert!(
            matches!(outcome, RecordOutcome::Committed { .. }),
            "{outcome:?}"
        );
        outcome
    }

    /// Submits a record and waits until the block is there, whoever attests it.
    pub async fn commit_unattested(&self, record: &Record) {
        let bytes = record.to_bytes().unwrap();
        let height = self.client.ledger().await.unwrap().height;
        self.client.submit(&bytes, Wait::None).await.unwrap();
        let decided = async {
            while self.client.ledger().await.unwrap().height == height {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let decided = tokio::time::timeout(Duration::from_secs(20), decided);
        decided.await.unwrap();
    }

    /// Accredits the issuer and opens its first status list.
    pub async fn accredit(&self) {
        self.commit(&accreditation(self.ledger)).await;
        self.commit(&self.by_issuer(Body::OpenStatusList {})).await;
    }

    /// An Issue of credentials (position, digest) in list 0.
    pub fn issue(&self, items: &[(u32, Digest)]) -> Record {
        self.by_issuer(issue(items))
    }

    pub fn revoke(&self, digests: &[Digest]) -> Record {
        self.by_issuer(Body::Revoke(StatusChange {
            issuer: issuer_id(),
            digests: digests.to_vec(),
            reason: Reason::IssuedInError,
        }))
    }

    /// Sends bytes on a connection of their own and reads until the node closes it.
    pub async fn raw(&self, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        tokio::time::timeout(Duration::from_secs(20), read)
            .await
            .unwrap()
            .unwrap();
        Reply::parse(&bytes)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], b"").await
    }

    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        self.raw(&[request.as_bytes(), body].concat()).await
    }
}

pub fn issue(items: &[(u32, Digest)]) -> Body {
    let item = |&(index, digest): &(u32, Digest)| Item {
        index: StatusIndex(index),
        digest,
    };
    Body::Issue(Issue {
        achievement: None,
        list: ListNumber(0),
        valid_from: None,
        valid_until: None,
        items: items.iter().map(item).collect(),
    })
}

pub fn now() -> UnixMillis {
    credlog_node::production::now()
}

pub fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    rand::thread_rng().fill_bytes(&mut nonce);
    nonce
}

pub fn sign(ledger: LedgerId, author: AuthorId, body: Body, key: &SigningKey) -> Record {
    Record::sign(ledger, author, nonce(), now().plus(LIFETIME_MS), body, key).unwrap()
}

/// A key for the issuer of the samples, for records and credentials.
pub fn new_key(key: &SigningKey) -> NewKey {
    new_key_of(&issuer_id(), key)
}

/// The same for another issuer.
pub fn new_key_of(issuer: &IssuerId, key: &SigningKey) -> NewKey {
    let purposes = Purposes {
        record: true,
        assertion: true,
    };
    let role = purposes.role().unwrap();
    NewKey {
        proven: ProvenKey::ed25519(&origin(), role, issuer.as_str(), key),
        purposes,
    }
}

/// The member accredits the issuer of the samples for everything.
pub fn accreditation(ledger: LedgerId) -> Record {
    accreditation_of(ledger, &issuer_id())
}

/// The same for an issuer with another id and the same keys.
pub fn accreditation_of(ledger: LedgerId, issuer: &IssuerId) -> Record {
    let owner = issuer.as_str();
    let recovery = key("issuer/recovery");
    let mut accredit = Accredit {
        issuer: issuer.clone(),
        registration: Some(Registration {
            profile: Profile {
                name: "University A".parse().unwrap(),
                url: None,
            },
            keys: vec![new_key_of(issuer, &issuer_key())],
            recovery: ProvenKey::ed25519(&origin(), Role::Recovery, owner, &recovery),
        }),
        scope: Scope::All,
        until: None,
        countersignature: [0; 64],
    };
    let (nonce, expires_at) = (nonce(), now().plus(LIFETIME_MS));
    let governance = key(&format!("{MEMBER}/governance"));
    let author = Author {
        id: AuthorId::Member(MEMBER.parse().unwrap()),
        key: credlog_ledger::key::PublicKey::ed25519(governance.verifying_key().as_bytes()).id(),
    };
    let body = Body::Accredit(accredit.clone());
    let message = countersigned_message(&ledger, &author, &nonce, expires_at, &body).unwrap();
    accredit.countersignature = recovery.sign(&message).to_bytes();
    let body = Body::Accredit(accredit);
    Record::sign(ledger, author.id, nonce, expires_at, body, &governance).unwrap()
}

pub fn encoded(record: &Record) -> EncodedRecord {
    EncodedRecord::new(record).unwrap()
}

/// An HTTP response, as text.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else {
            assert!(
                bytes.is_empty(),
                "half an answer: {}",
                String::from_utf8_lossy(bytes)
            );
            return Self {
                status: 0,
                headers: Vec::new(),
                body: Vec::new(),
            };
        };
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks that this is a problem with this status, and answers its code.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem: credlog_api::Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, status);
        assert!(!problem.detail.is_empty());
        problem.code().unwrap().to_owned()
    }
}
