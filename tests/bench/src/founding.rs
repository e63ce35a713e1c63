//! Ledgers to measure, with keys that every run makes again.

use std::fs;
use std::path::{Path, PathBuf};

use credlog_cluster::Cluster;
use credlog_e2e::{Place, Seat};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{LedgerId, MemberId, Origin, UnixMillis};
use ed25519_dalek::SigningKey;

/// A founded ledger of one member: its genesis file, keys and the node's configuration in one
/// folder. Of a ledger of several, the member that accredits.
pub(crate) struct Founding {
    pub(crate) ledger: LedgerId,
    pub(crate) origin: Origin,
    pub(crate) member: MemberId,
    pub(crate) governance: SigningKey,
    /// Where the node listens.
    pub(crate) place: Place,
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
        let seat = Seat::new(1, Place::free()?)?;
        let genesis = credlog_e2e::genesis(std::slice::from_ref(&seat))?;
        seat.write_keys(&folder.join("keys"))?;
        fs::write(
            folder.join("genesis.json"),
            serde_json::to_vec_pretty(&genesis)?,
        )?;
        Self::new(&genesis, seat, folder, cache_mib)
    }

    /// The ledger of a cluster: its first member accredits.
    pub(crate) fn of_cluster(cluster: &Cluster) -> anyhow::Result<Self> {
        let seat = cluster.seat(0).clone();
        Self::new(cluster.genesis(), seat, cluster.folder(0), None)
    }

    pub(crate) fn new(
        genesis: &Genesis,
        seat: Seat,
        folder: &Path,
        cache_mib: Option<u64>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            ledger: genesis.ledger_id()?,
            origin: genesis.origin.clone(),
            member: seat.id,
            governance: seat.governance,
            place: seat.place,
            cache_mib,
            folder: folder.to_owned(),
        })
    }

    /// Writes the node's configuration: rate limits off, the store's scrub off, everything
    /// else as it comes.
    pub(crate) fn configure(&self) -> anyhow::Result<PathBuf> {
        let path = self.folder.join("node.toml");
        let cache = match self.cache_mib {
            Some(mib) => format!("cache_bytes = {}\n", mib << 20),
            None => String::new(),
        };
        let text = format!(
            "[node]\ngenesis = \"genesis.json\"\n\
             [member]\nid = \"{}\"\n\
             [network]\nlisten = \"{}\"\n\
             [http]\nlisten = \"{}\"\nconnections_per_ip_max = 0\n\
             [rate_limit]\nreads_per_second = 0\nwrites_per_second = 0\n\
             records_per_second = 0\nverify_per_second = 0\n\
             [store]\nscrub_interval_seconds = 0\n{cache}\
             [log]\nlevel = \"warn\"\n",
            self.member,
            self.place.multiaddr(),
            self.place.http()
        );
        fs::write(&path, text)?;
        Ok(path)
    }
}
