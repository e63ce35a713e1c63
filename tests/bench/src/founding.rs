//! A ledger of one member, with keys that every run makes again.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use credlog_ledger::genesis::{GENESIS_VERSION, Genesis};
use credlog_ledger::ids::{LedgerId, MemberId, Origin, UnixMillis};
use credlog_ledger::key::{ProvenKey, Role};
use credlog_ledger::member::{Member, MemberKeys};
use credlog_ledger::parameters::Parameters;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use pkcs8::LineEnding;

/// A founded ledger: its genesis file, keys and the node's configuration in one folder.
pub(crate) struct Founding {
    pub(crate) ledger: LedgerId,
    pub(crate) origin: Origin,
    pub(crate) member: MemberId,
    pub(crate) governance: SigningKey,
    /// The store's cache in MiB, if not the node's default.
    pub(crate) cache_mib: Option<u64>,
    /// Folder of it all.
    pub(crate) folder: PathBuf,
}

/// The key of a name: no secret, the same in every run.
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_bytes(&blake3::derive_key("credlog bench key", name.as_bytes()))
}

/// Now.
pub(crate) fn now() -> anyhow::Result<UnixMillis> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(UnixMillis(u64::try_from(now.as_millis())?))
}

impl Founding {
    /// Founds a ledger in a new folder.
    pub(crate) fn found(folder: &Path, cache_mib: Option<u64>) -> anyhow::Result<Self> {
        let origin: Origin = "bench.example/log".parse()?;
        let member: MemberId = "university-a".parse()?;
        let proven = |role: Role| {
            let key = key(role.as_str());
            ProvenKey::ed25519(&origin, role, member.as_str(), &key)
        };
        let genesis = Genesis {
            version: GENESIS_VERSION,
            origin: origin.clone(),
            time: now()?,
            members: vec![Member {
                id: member.clone(),
                name: "University A".parse()?,
                keys: MemberKeys {
                    governance: proven(Role::Governance),
                    consensus: proven(Role::Consensus),
                    cosigner: proven(Role::Cosigner),
                    node: proven(Role::Node),
                },
                addresses: Vec::new(),
                url: None,
            }],
            parameters: Parameters::default(),
        };
        genesis.check()?;
        let founding = Self {
            ledger: genesis.ledger_id()?,
            origin,
            member,
            governance: key(Role::Governance.as_str()),
            cache_mib,
            folder: folder.to_owned(),
        };
        founding.write(&genesis)?;
        Ok(founding)
    }

    fn write(&self, genesis: &Genesis) -> anyhow::Result<()> {
        let keys = self.folder.join("keys");
        fs::create_dir_all(&keys)?;
        fs::write(
            self.folder.join("genesis.json"),
            serde_json::to_vec_pretty(genesis)?,
        )?;
        let pem = key(Role::Node.as_str())
            .to_pkcs8_pem(LineEnding::LF)
            .context("the node key as PEM")?;
        let path = keys.join("node.pem");
        fs::write(&path, pem.as_bytes())?;
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, owner_only)?;
        Ok(())
    }

    /// Writes the node's configuration: rate limits off, the store's scrub off, everything
    /// else as it comes.
    pub(crate) fn configure(&self, listen: SocketAddr) -> anyhow::Result<PathBuf> {
        let path = self.folder.join("node.toml");
        let cache = match self.cache_mib {
            Some(mib) => format!("cache_bytes = {}\n", mib << 20),
            None => String::new(),
        };
        let text = format!(
            "[node]\ngenesis = \"genesis.json\"\n\
             [member]\nid = \"{}\"\n\
             [http]\nlisten = \"{listen}\"\nconnections_per_ip_max = 0\n\
             [rate_limit]\nreads_per_second = 0\nwrites_per_second = 0\n\
             records_per_second = 0\nverify_per_second = 0\n\
             [store]\nscrub_interval_seconds = 0\n{cache}\
             [log]\nlevel = \"warn\"\n",
            self.member
        );
        fs::write(&path, text)?;
        Ok(path)
    }
}
