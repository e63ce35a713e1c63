//! The folder of a sole member.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use credlog_ledger::body::Body;
use credlog_ledger::ids::{Digest, IssuerId};
use credlog_ledger::record::Record;

use crate::founding::{Place, Seat, genesis};
use crate::issuer::Issuer;
use crate::process::NodeProcess;

/// A folder with everything a sole member's node needs, and the keys that sign.
pub struct TestLedger {
    folder: tempfile::TempDir,
    seat: Seat,
    issuer: Issuer,
}

impl TestLedger {
    /// Makes the folder. `settings` is appended to the configuration, for tests that need
    /// other limits.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn create(settings: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let seat = Seat::new(1, Place::free()?)?;
        let genesis = genesis(std::slice::from_ref(&seat))?;
        let root = folder.path();
        std::fs::write(
            root.join("genesis.json"),
            serde_json::to_vec_pretty(&genesis)?,
        )?;
        seat.write_keys(&root.join("keys"))?;
        std::fs::write(root.join("credlog.toml"), config(&seat, settings))?;
        Ok(Self {
            issuer: Issuer::of_samples(genesis.ledger_id()?)?,
            seat,
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
        self.seat.place.http()
    }

    /// The issuer that [`accreditation`](Self::accreditation) registers.
    pub fn issuer(&self) -> &IssuerId {
        self.issuer.id()
    }

    /// Starts the node and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start(&self) -> Result<NodeProcess> {
        NodeProcess::start(&self.config(), self.listen())
    }

    /// The member accredits the issuer for everything.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn accreditation(&self) -> Result<Record> {
        self.issuer.accreditation(&self.seat)
    }

    /// The issuer opens a status list.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn list_opening(&self) -> Result<Record> {
        self.issuer.list_opening()
    }

    /// The issuer issues one credential with this digest at this position of list 0.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn issuance(&self, index: u32, digest: Digest) -> Result<Record> {
        self.issuer.issuance(index, digest)
    }

    /// The issuer says something.
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn by_issuer(&self, body: Body) -> Result<Record> {
        self.issuer.sign(body)
    }
}

fn config(seat: &Seat, settings: &str) -> String {
    format!(
        "[node]\ngenesis = \"genesis.json\"\n[member]\nid = \"{}\"\n\
         [network]\nlisten = \"{}\"\n[http]\nlisten = \"{}\"\n{settings}\n",
        seat.id,
        seat.place.multiaddr(),
        seat.place.http()
    )
}
