//! What a cluster is made of.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use credlog_e2e::Seat;

/// What a cluster is made of.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Seats that are no members at first; their nodes can be started once they are.
    pub candidates: usize,
    /// Observers.
    pub observers: usize,
    /// Appended to the configuration of every node.
    pub toml: String,
    /// The binary of the nodes, instead of the one beside the test.
    pub program: Option<PathBuf>,
    /// Where the nodes' folders are made, instead of the system's folder for such.
    pub dir: Option<PathBuf>,
    /// The words that start the node of a seat, instead of `credlog node run`.
    pub commands: Vec<(usize, Vec<OsString>)>,
}

/// What a node is to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Member,
    Observer,
}

/// Makes a node's folder: genesis file, keys, configuration.
pub(crate) fn write_folder(
    folder: &Path,
    genesis: &[u8],
    seat: &Seat,
    part: Part,
    config: &str,
) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("genesis.json"), genesis)?;
    match part {
        Part::Member => seat.write_keys(&folder.join("keys"))?,
        Part::Observer => {
            std::fs::create_dir_all(folder.join("keys"))?;
            credlog_e2e::write_key(&folder.join("keys/node.pem"), &seat.node)?;
        }
    }
    std::fs::write(folder.join("credlog.toml"), config)?;
    Ok(())
}

/// The configuration: no limits on this test's many connections from one address, everything
/// else as it comes.
pub(crate) fn config(
    seat: &Seat,
    part: Part,
    observers: &[String],
    peers: &[String],
    more: &str,
) -> String {
    let (role, member) = match part {
        Part::Member => ("member", format!("id = \"{}\"\n", seat.id)),
        Part::Observer => ("observer", String::new()),
    };
    format!(
        "[node]\nrole = \"{role}\"\ngenesis = \"genesis.json\"\n\
         [member]\n{member}\
         [network]\nlisten = \"{}\"\nobservers = {observers:?}\npeers = {peers:?}\n\
         [http]\nlisten = \"{}\"\nconnections_per_ip_max = 0\n\
         [rate_limit]\nreads_per_second = 0\nwrites_per_second = 0\nrecords_per_second = 0\n\
         verify_per_second = 0\n{more}\n",
        seat.place.multiaddr(),
        seat.place.http(),
    )
}
