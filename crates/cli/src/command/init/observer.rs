//! `credlog init --observer`.

use std::path::PathBuf;

use clap::Args;
use credlog_gossip::Address;
use credlog_ledger::genesis::Genesis;
use serde_json::json;

use super::Init;
use super::configuration::Configuration;
use crate::folder::{self, Access};
use crate::keyfile::{self, Passphrase};
use crate::network;
use crate::outcome::{During, Failure, Result};
use crate::screen::{Ink, Screen};

#[derive(Debug, Args)]
pub(super) struct ObserverArgs {
    /// Make the folder of an observer: a node with a full copy and no vote
    #[arg(
        long,
        requires = "genesis",
        conflicts_with_all = ["id", "name", "origin", "url", "address"],
        help_heading = "Observer"
    )]
    pub(super) observer: bool,
    /// The genesis file of the ledger; a copy goes into the folder
    #[arg(
        long,
        value_name = "FILE",
        requires = "observer",
        help_heading = "Observer"
    )]
    pub(super) genesis: Option<PathBuf>,
    /// Multiaddr with /p2p/ of a node that lets the observer in, where the founders' addresses
    /// are out of date; may be given several times
    #[arg(
        long,
        value_name = "MULTIADDR",
        requires = "observer",
        value_parser = network::peer,
        help_heading = "Observer"
    )]
    pub(super) peer: Vec<Address>,
}

impl Init {
    pub(super) fn make_observer(&self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let Some(genesis_path) = &self.observer.genesis else {
            return Err(Failure::usage("--genesis is needed"));
        };
        let bytes = folder::read(genesis_path)?;
        let genesis = Genesis::parse(&bytes).during(|| genesis_path.display().to_string())?;
        folder::make_new(&self.folder)?;
        let phrase = passphrase.choosing(self.protection)?;
        let keys = self.folder.join("keys");
        folder::make_secret(&keys)?;
        let key = keyfile::generate();
        let phrase_text = phrase.as_ref().map(|text| text.as_str());
        keyfile::write(&keys.join("node.pem"), &key, phrase_text)?;
        folder::write_new(&self.folder.join("genesis.json"), &bytes, Access::Public)?;
        let configuration = Configuration {
            member: None,
            http_listen: self.listen,
            network_listen: self.network_listen(),
            peers: &self.observer.peer,
        };
        configuration.write(&self.folder)?;

        let peer_id = network::node_key(&keyfile::public(&key))?.to_string();
        let (folder, ledger) = (self.folder.display(), genesis.ledger_id()?);
        let lines = format!(
            "{title}
  ledger id      {ledger}
  credlog.toml   configuration of the node
  keys/node.pem  its identity in the network: keep a backup
  peer id        {peer_id}

Next steps:
  1. Ask every member to let it in; in the credlog.toml of its node, which it starts again:
       [network]
       observers = [\"{peer_id}\"]
  2. Start the node:
       credlog node run --config {folder}/credlog.toml",
            title = screen.ink(Ink::Bold, &format!("Made {folder} for an observer.")),
        );
        let answer = json!({
            "folder": self.folder,
            "origin": genesis.origin,
            "ledger": ledger,
            "peerId": peer_id,
            "encrypted": phrase.is_some(),
        });
        screen.answer(&answer, lines)
    }
}
