//! `credlog init`: a member's folder.

use std::path::PathBuf;

use clap::Args;
use credlog_ledger::ids::{DisplayName, MemberId, NodeAddress, Origin, WebUrl};
use credlog_ledger::key::{ProvenKey, Role};
use credlog_ledger::member::{Member, MemberKeys};
use serde_json::json;

use crate::folder::{self, Access};
use crate::keyfile::{self, Passphrase, Protection};
use crate::outcome::Result;
use crate::screen::{Ink, Screen};

/// Make a member's folder: keys, configuration, and what one hands over to found a ledger
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder to make; it must not exist or be empty
    folder: PathBuf,
    /// Id of the member: a-z, 0-9 and '-'
    #[arg(long, value_name = "ID")]
    member: MemberId,
    /// Name of the institution, for people
    #[arg(long)]
    name: DisplayName,
    /// Name of the log, the same for all members, for example example.org/credlog
    #[arg(long)]
    origin: Origin,
    /// Where the node will serve HTTP to the public
    #[arg(long)]
    url: Option<WebUrl>,
    /// Multiaddr at which the other members reach the node; may be given several times
    #[arg(long, value_name = "MULTIADDR")]
    address: Vec<NodeAddress>,
    /// Address and port on which the node serves HTTP
    #[arg(long, default_value = "127.0.0.1:7700", value_name = "ADDRESS:PORT")]
    listen: std::net::SocketAddr,
    /// Multiaddr on which the node listens for other nodes; gossip takes the next port
    #[arg(
        long,
        default_value = "/ip4/127.0.0.1/tcp/7701",
        value_name = "MULTIADDR"
    )]
    network_listen: NodeAddress,
    #[command(flatten)]
    protection: Protection,
}

impl Init {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        folder::make_new(&self.folder)?;
        let phrase = passphrase.choosing(self.protection)?;
        let keys = self.folder.join("keys");
        folder::make_secret(&keys)?;
        let prove = |role: Role| -> Result<ProvenKey> {
            let key = keyfile::generate();
            let path = keys.join(format!("{}.pem", role.as_str()));
            keyfile::write(&path, &key, phrase.as_ref().map(|text| text.as_str()))?;
            Ok(ProvenKey::ed25519(
                &self.origin,
                role,
                self.member.as_str(),
                &key,
            ))
        };
        let member = Member {
            id: self.member.clone(),
            name: self.name.clone(),
            keys: MemberKeys {
                governance: prove(Role::Governance)?,
                consensus: prove(Role::Consensus)?,
                cosigner: prove(Role::Cosigner)?,
                node: prove(Role::Node)?,
            },
            addresses: self.address.clone(),
            url: self.url.clone(),
        };
        member.check(&self.origin)?;
        let json = folder::to_json(&member)?;
        folder::write_new(&self.folder.join("member.json"), &json, Access::Public)?;
        let config = self.configuration();
        folder::write_new(
            &self.folder.join("credlog.toml"),
            config.as_bytes(),
            Access::Public,
        )?;
        self.report(screen, phrase.is_none())
    }

    fn configuration(&self) -> String {
        let Self {
            member,
            name,
            listen,
            ..
        } = self;
        // A JSON string is a TOML string.
        let network_listen = json!(self.network_listen);
        format!(
            r#"# Configuration of the node of {name} ({member}).
# Paths are relative to this file. Settings that are left out have their defaults;
# node-config/ documents every one of them.

[node]
# The store; made on the first start.
data_dir = "data"
# Who founded the ledger, from `credlog genesis create`.
genesis = "genesis.json"

[member]
id = "{member}"
# The node reads node.pem here. An encrypted key is opened with the passphrase in the
# first line of passphrase_file, or in the environment variable CREDLOG_PASSPHRASE.
keys_dir = "keys"
# passphrase_file = "passphrase.txt"

[http]
# Only this machine by default. Behind a reverse proxy, leave it so.
listen = "{listen}"

[network]
# Where other nodes reach this one: consensus here, gossip on the next port. Members find each
# other by the addresses in their member.json (--address), which a firewall has to let through.
listen = {network_listen}
"#
        )
    }

    fn report(&self, screen: Screen, plain: bool) -> Result<()> {
        let folder = self.folder.display();
        let warning = if plain {
            "\nThe keys are not encrypted: whoever reads the files can act as this member.\n"
        } else {
            ""
        };
        let lines = format!(
            "{title}
  credlog.toml   configuration of the node
  member.json    public keys with proofs of possession: hand this over
  keys/          secret keys: keep a backup, show them to nobody
{warning}
Next steps:
  1. Found the ledger with the member.json of every founding member:
       credlog genesis create --origin {origin} --out {folder}/genesis.json {folder}/member.json
  2. Start the node:
       credlog node run --config {folder}/credlog.toml",
            title = screen.ink(
                Ink::Bold,
                &format!("Made {folder} for member {}.", self.member)
            ),
            origin = self.origin,
        );
        let answer = json!({
            "folder": self.folder,
            "member": self.member,
            "origin": self.origin,
            "encrypted": !plain,
        });
        screen.answer(&answer, lines)
    }
}
