//! `credlog init`: the folder of a member or an observer.

mod configuration;
mod observer;

use std::path::PathBuf;

use clap::Args;
use credlog_gossip::Address;
use credlog_ledger::ids::{DisplayName, MemberId, Origin, WebUrl};
use credlog_ledger::key::Role;
use credlog_ledger::member::{Member, MemberKeys};
use serde_json::json;

use crate::folder::{self, Access};
use crate::keyfile::{self, Passphrase, Protection};
use crate::network;
use crate::outcome::{Failure, Result};
use crate::screen::{Ink, Screen};
use configuration::Configuration;

const EXAMPLES: &str = "\
Examples:
  credlog init uni --member university-a --name \"University A\" --origin ledger.example/2026 \\
      --address /dns/node.university-a.example/tcp/7701
  credlog init copy --observer --genesis genesis.json";

/// Make the folder of a member or an observer: keys, configuration, and what one hands over
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// The folder to make; it must not exist or be empty
    folder: PathBuf,
    #[command(flatten)]
    member: MemberArgs,
    #[command(flatten)]
    observer: observer::ObserverArgs,
    /// Address and port on which the node serves HTTP
    #[arg(long, default_value = "127.0.0.1:7700", value_name = "ADDRESS:PORT")]
    listen: std::net::SocketAddr,
    /// Multiaddr on which the node listens for other nodes; gossip takes the next port
    /// [default: the port of --address on every interface, or /ip4/127.0.0.1/tcp/7701]
    #[arg(long, value_name = "MULTIADDR", value_parser = network::listening)]
    network_listen: Option<Address>,
    #[command(flatten)]
    protection: Protection,
}

#[derive(Debug, Args)]
struct MemberArgs {
    /// Id of the member: a-z, 0-9 and '-'
    #[arg(
        long = "member",
        value_name = "ID",
        required_unless_present = "observer"
    )]
    id: Option<MemberId>,
    /// Name of the institution, for people
    #[arg(long, required_unless_present = "observer")]
    name: Option<DisplayName>,
    /// Name of the log, the same for all members, for example example.org/credlog
    #[arg(long, required_unless_present = "observer")]
    origin: Option<Origin>,
    /// Where the node will serve HTTP to the public
    #[arg(long)]
    url: Option<WebUrl>,
    /// Multiaddr at which the other members reach the node; may be given several times. Its
    /// peer id is added
    #[arg(long, value_name = "MULTIADDR", value_parser = network::reachable)]
    address: Vec<Address>,
}

impl Init {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        if self.observer.observer {
            return self.make_observer(screen, passphrase);
        }
        let args = &self.member;
        let (Some(id), Some(name), Some(origin)) = (&args.id, &args.name, &args.origin) else {
            return Err(Failure::usage("--member, --name and --origin are needed"));
        };
        folder::make_new(&self.folder)?;
        let phrase = passphrase.choosing(self.protection)?;
        let keys = self.folder.join("keys");
        folder::make_secret(&keys)?;
        let prove = |role: Role| {
            let phrase = phrase.as_ref().map(|text| text.as_str());
            keyfile::write_proven(&keys, role, origin, id, phrase)
        };
        let keys = MemberKeys {
            governance: prove(Role::Governance)?,
            consensus: prove(Role::Consensus)?,
            cosigner: prove(Role::Cosigner)?,
            node: prove(Role::Node)?,
        };
        let member = Member {
            id: id.clone(),
            name: name.clone(),
            addresses: network::complete(&args.address, &keys.node.key)?,
            keys,
            url: args.url.clone(),
        };
        member.check(origin)?;
        let json = folder::to_json(&member)?;
        folder::write_new(&self.folder.join("member.json"), &json, Access::Public)?;
        let configuration = Configuration {
            member: Some(&member),
            http_listen: self.listen,
            network_listen: self.network_listen(),
            peers: &[],
        };
        configuration.write(&self.folder)?;
        self.report(screen, &member, origin, phrase.is_none())
    }

    fn network_listen(&self) -> String {
        match &self.network_listen {
            Some(address) => address.to_string(),
            None => network::listen_for(&self.member.address),
        }
    }

    fn report(&self, screen: Screen, member: &Member, origin: &Origin, plain: bool) -> Result<()> {
        let folder = self.folder.display();
        let warning = if plain {
            "\nThe keys are not encrypted: whoever reads the files can act as this member.\n"
        } else {
            ""
        };
        let unreachable = if member.addresses.is_empty() {
            "\nNo --address was given: good for a ledger of one member; others could not reach it.\n"
        } else {
            ""
        };
        // A member that others can reach is to found the ledger with others.
        let (collect, others) = match member.addresses.is_empty() {
            true => ("Write the genesis file", ""),
            false => (
                "One of you collects every member.json, and sends the genesis file to all",
                " OTHER/member.json …",
            ),
        };
        let peer_id = network::node_key(&member.keys.node.key)?.to_string();
        let lines = format!(
            "{title}
  credlog.toml   configuration of the node
  member.json    public keys with proofs of possession, addresses: hand this over
  keys/          secret keys: keep a backup, show them to nobody
  peer id        {peer_id}
{warning}{unreachable}
To found a ledger:
  1. {collect}:
       credlog genesis create --origin {origin} --out {folder}/genesis.json \\
           {folder}/member.json{others}
  2. Start the node:
       credlog node run --config {folder}/credlog.toml
To join a ledger that is there:
       credlog member join --home {folder}",
            title = screen.ink(
                Ink::Bold,
                &format!("Made {folder} for member {}.", member.id)
            ),
        );
        let answer = json!({
            "folder": self.folder,
            "member": member.id,
            "origin": origin,
            "peerId": peer_id,
            "addresses": member.addresses,
            "encrypted": !plain,
        });
        screen.answer(&answer, lines)
    }
}
