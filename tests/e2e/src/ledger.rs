//! The folder of a sole member, and the records it and its issuer sign.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use credlog_ledger::body::{
    Accredit, Body, Issue, Item, NewKey, Profile, Purposes, Registration, Scope,
};
use credlog_ledger::genesis::{GENESIS_VERSION, Genesis};
use credlog_ledger::ids::{
    Digest, IssuerId, LedgerId, ListNumber, MemberId, Origin, StatusIndex, UnixMillis,
};
use credlog_ledger::key::{ProvenKey, Role};
use credlog_ledger::member::{Member, MemberKeys};
use credlog_ledger::parameters::Parameters;
use credlog_ledger::record::{Author, AuthorId, Record, countersigned_message};
use ed25519_dalek::pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest as _, Sha256};

use crate::process::NodeProcess;

const ORIGIN: &str = "e2e.example/log";
/// Records expire this long after they were signed.
const EXPIRY: Duration = Duration::from_secs(600);

/// A folder with everything a sole member's node needs, and the keys that sign.
pub struct TestLedger {
    folder: tempfile::TempDir,
    listen: SocketAddr,
    id: LedgerId,
    origin: Origin,
    member: MemberId,
    governance: SigningKey,
    issuer: IssuerId,
    issuer_key: SigningKey,
    recovery: SigningKey,
}

impl TestLedger {
    /// Makes the folder. `settings` is appended to the configuration, for tests that need
    /// other limits.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn create(settings: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let origin: Origin = ORIGIN.parse()?;
        let member: MemberId = "university-a".parse()?;
        let key = |number: u8| SigningKey::from_bytes(&[number; 32]);
        let [governance, consensus, cosigner, node] = [1, 2, 3, 4].map(key);
        let proven =
            |role, key: &SigningKey| ProvenKey::ed25519(&origin, role, member.as_str(), key);
        let keys = MemberKeys {
            governance: proven(Role::Governance, &governance),
            consensus: proven(Role::Consensus, &consensus),
            cosigner: proven(Role::Cosigner, &cosigner),
            node: proven(Role::Node, &node),
        };
        let genesis = Genesis {
            version: GENESIS_VERSION,
            origin: origin.clone(),
            time: UnixMillis(1_700_000_000_000),
            members: vec![Member {
                id: member.clone(),
                name: "University A".parse()?,
                keys,
                addresses: Vec::new(),
                url: None,
            }],
            parameters: Parameters::default(),
        };
        let root = folder.path();
        std::fs::write(
            root.join("genesis.json"),
            serde_json::to_vec_pretty(&genesis)?,
        )?;
        std::fs::create_dir(root.join("keys"))?;
        for (name, key) in [("governance", &governance), ("node", &node)] {
            write_key(&root.join("keys").join(format!("{name}.pem")), key)?;
        }
        let listen = free_address()?;
        std::fs::write(root.join("credlog.toml"), config(listen, settings))?;
        // The issuer of the samples; its seed is public.
        let issuer_key = SigningKey::from_bytes(&Sha256::digest("eval-vc university A").into());
        let multikey =
            credlog_credential::multikey::encode_ed25519(issuer_key.verifying_key().as_bytes());
        Ok(Self {
            listen,
            id: genesis.ledger_id()?,
            origin,
            member,
            governance,
            issuer: format!("did:key:{multikey}").parse()?,
            issuer_key,
            recovery: key(6),
            folder,
        })
    }

    /// The folder: configuration, genesis, keys and data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("credlog.toml")
    }

    /// Where its node listens.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The issuer that [`accreditation`](Self::accreditation) registers.
    pub fn issuer(&self) -> &IssuerId {
        &self.issuer
    }

    /// Starts the node and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start(&self) -> Result<NodeProcess> {
        NodeProcess::start(&self.config(), self.listen)
    }

    /// The member accredits the issuer for everything.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn accreditation(&self) -> Result<Record> {
        let owner = self.issuer.as_str();
        let purposes = Purposes {
            record: true,
            assertion: true,
        };
        let first = NewKey {
            proven: ProvenKey::ed25519(
                &self.origin,
                Role::RecordAndAssertion,
                owner,
                &self.issuer_key,
            ),
            purposes,
        };
        let mut accredit = Accredit {
            issuer: self.issuer.clone(),
            registration: Some(Registration {
                profile: Profile {
                    name: "Issuer".parse()?,
                    url: None,
                },
                keys: vec![first],
                recovery: ProvenKey::ed25519(&self.origin, Role::Recovery, owner, &self.recovery),
            }),
            scope: Scope::All,
            until: None,
            countersignature: [0; 64],
        };
        let (nonce, expires_at) = (rand::random(), expiry()?);
        let author = AuthorId::Member(self.member.clone());
        let key =
            credlog_ledger::key::PublicKey::ed25519(self.governance.verifying_key().as_bytes());
        let signer = Author {
            id: author.clone(),
            key: key.id(),
        };
        let body = Body::Accredit(accredit.clone());
        let message = countersigned_message(&self.id, &signer, &nonce, expires_at, &body)?;
        accredit.countersignature = self.recovery.sign(&message).to_bytes();
        let body = Body::Accredit(accredit);
        Ok(Record::sign(
            self.id,
            author,
            nonce,
            expires_at,
            body,
            &self.governance,
        )?)
    }

    /// The issuer opens a status list.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn list_opening(&self) -> Result<Record> {
        self.by_issuer(Body::OpenStatusList {})
    }

    /// The issuer issues one credential with this digest at this position of list 0.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn issuance(&self, index: u32, digest: Digest) -> Result<Record> {
        self.by_issuer(Body::Issue(Issue {
            achievement: None,
            list: ListNumber(0),
            valid_from: None,
            valid_until: None,
            items: vec![Item {
                index: StatusIndex(index),
                digest,
            }],
        }))
    }

    /// The issuer says something.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn by_issuer(&self, body: Body) -> Result<Record> {
        let author = AuthorId::Issuer(self.issuer.clone());
        let nonce = rand::random();
        Ok(Record::sign(
            self.id,
            author,
            nonce,
            expiry()?,
            body,
            &self.issuer_key,
        )?)
    }
}

fn expiry() -> Result<UnixMillis> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH)? + EXPIRY;
    Ok(UnixMillis(u64::try_from(at.as_millis())?))
}

/// A loopback address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn write_key(path: &Path, key: &SigningKey) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .context("the key cannot be encoded")?;
    std::fs::write(path, pem.as_bytes())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn config(listen: SocketAddr, settings: &str) -> String {
    format!(
        "[node]\ngenesis = \"genesis.json\"\n[member]\nid = \"university-a\"\n\
         [http]\nlisten = \"{listen}\"\n{settings}\n"
    )
}
