//! The seats of members-to-be, with keys that every run makes again, and the genesis file
//! that they found a ledger with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use credlog_ledger::body::Body;
use credlog_ledger::genesis::{GENESIS_VERSION, Genesis};
use credlog_ledger::ids::{LedgerId, MemberId, Origin, UnixMillis};
use credlog_ledger::key::{ProvenKey, Role};
use credlog_ledger::member::{Member, MemberKeys};
use credlog_ledger::parameters::Parameters;
use credlog_ledger::record::{AuthorId, Record};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding};
use rand::Rng;
use sha2::{Digest as _, Sha256};

/// Name of the log of every test.
const ORIGIN: &str = "e2e.example/log";
/// Records expire this long after they were signed.
const EXPIRY: Duration = Duration::from_secs(600);
/// Ports are taken from here: below those that the kernel gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
/// Ports tried before giving up.
const PORT_TRIES: usize = 1_000;

/// Where a node listens: three ports in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Address of the machine or network namespace.
    pub host: IpAddr,
    /// Port of the consensus swarm; the gossip swarm has the next one.
    pub port: u16,
}

impl Place {
    /// A place on loopback that was free a moment ago.
    ///
    /// # Errors
    /// If no ports are free.
    pub fn free() -> Result<Self> {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for _ in 0..PORT_TRIES {
            let port = rand::thread_rng().gen_range(PORTS);
            let free = |port| TcpListener::bind((host, port)).is_ok();
            if (port..port + 3).all(free) {
                return Ok(Self { host, port });
            }
        }
        bail!("no three free ports in a row")
    }

    /// Where HTTP is served.
    pub fn http(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port + 2)
    }

    /// The multiaddr of the consensus swarm.
    pub fn multiaddr(&self) -> String {
        let family = if self.host.is_ipv4() { "ip4" } else { "ip6" };
        format!("/{family}/{}/tcp/{}", self.host, self.port)
    }
}

/// A member, or who may become one.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Its id.
    pub id: MemberId,
    /// Signs its records.
    pub governance: SigningKey,
    /// Signs its votes.
    pub consensus: SigningKey,
    /// Cosigns checkpoints.
    pub cosigner: SigningKey,
    /// Its identity in the network.
    pub node: SigningKey,
    /// Where its node listens.
    pub place: Place,
}

impl Seat {
    /// Seat `number` of every test.
    ///
    /// # Errors
    /// Never for numbers that a test uses.
    pub fn new(number: usize, place: Place) -> Result<Self> {
        Ok(Self {
            id: format!("university-{number:02}").parse()?,
            governance: key("governance", number),
            consensus: key("consensus", number),
            cosigner: key("cosigner", number),
            node: key("node", number),
            place,
        })
    }

    /// The same seat with new consensus, cosigner and node keys.
    #[must_use]
    pub fn with_new_keys(&self, generation: usize) -> Self {
        let fresh = |role: &str| key(&format!("{role} of {}", self.id), 1_000 + generation);
        Self {
            consensus: fresh("consensus"),
            cosigner: fresh("cosigner"),
            node: fresh("node"),
            ..self.clone()
        }
    }

    /// Its description with proofs of possession.
    ///
    /// # Errors
    /// Never for the ids of these tests.
    pub fn member(&self) -> Result<Member> {
        let origin = origin()?;
        let proven = |role, key| ProvenKey::ed25519(&origin, role, self.id.as_str(), key);
        Ok(Member {
            id: self.id.clone(),
            name: format!("University {}", self.id).parse()?,
            keys: MemberKeys {
                governance: proven(Role::Governance, &self.governance),
                consensus: proven(Role::Consensus, &self.consensus),
                cosigner: proven(Role::Cosigner, &self.cosigner),
                node: proven(Role::Node, &self.node),
            },
            addresses: vec![self.place.multiaddr().parse()?],
            url: Some(format!("http://{}", self.place.http()).parse()?),
        })
    }

    /// The libp2p peer id of its node key (libp2p "Peer Ids and Keys": the identity multihash
    /// of the key's protobuf, in base58).
    pub fn peer_id(&self) -> String {
        let mut bytes = vec![0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
        bytes.extend_from_slice(self.node.verifying_key().as_bytes());
        bs58::encode(bytes).into_string()
    }

    /// A record of this member.
    ///
    /// # Errors
    /// If the body is too long.
    pub fn sign(&self, ledger: LedgerId, body: Body) -> Result<Record> {
        let author = AuthorId::Member(self.id.clone());
        let (nonce, expires_at) = (rand::random(), expiry()?);
        let key = &self.governance;
        Ok(Record::sign(ledger, author, nonce, expires_at, body, key)?)
    }

    /// Writes its keys into a folder, over those that are there.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write_keys(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        for (name, key) in [
            ("governance", &self.governance),
            ("consensus", &self.consensus),
            ("cosigner", &self.cosigner),
            ("node", &self.node),
        ] {
            write_key(&folder.join(format!("{name}.pem")), key)?;
        }
        Ok(())
    }
}

/// Name of the log of every test.
pub(crate) fn origin() -> Result<Origin> {
    Ok(ORIGIN.parse()?)
}

/// The genesis file of these members.
///
/// # Errors
/// If they cannot found a ledger.
pub fn genesis(seats: &[Seat]) -> Result<Genesis> {
    let members: Result<Vec<Member>> = seats.iter().map(Seat::member).collect();
    let genesis = Genesis {
        version: GENESIS_VERSION,
        origin: origin()?,
        time: UnixMillis(1_700_000_000_000),
        members: members?,
        parameters: Parameters::default(),
    };
    genesis.check()?;
    Ok(genesis)
}

/// When a record signed now expires.
pub(crate) fn expiry() -> Result<UnixMillis> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH)? + EXPIRY;
    Ok(UnixMillis(u64::try_from(at.as_millis())?))
}

/// The key of a role and number: no secret, the same in every run.
pub(crate) fn key(role: &str, number: usize) -> SigningKey {
    let seed = Sha256::digest(format!("credlog e2e key: {role} {number}"));
    SigningKey::from_bytes(&seed.into())
}

/// Writes a private key as the node reads it.
///
/// # Errors
/// If the file cannot be written.
pub fn write_key(path: &Path, key: &SigningKey) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .context("the key cannot be encoded")?;
    std::fs::write(path, pem.as_bytes())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}
