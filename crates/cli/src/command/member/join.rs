//! `credlog member join`: what one hands over to become a member.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::fingerprint::fingerprint;
use crate::home::MemberHome;
use crate::network;
use crate::outcome::{During, Failure, Result};
use crate::screen::{Ink, Screen, shown};

/// Show what to hand over to join a ledger, and what the members do with it
///
/// Nothing is sent. The fingerprint goes another way than the file, say by telephone.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credlog member join --home uni")]
pub(crate) struct Join {
    /// The folder from `credlog init`
    #[arg(long, value_name = "DIR", default_value = ".")]
    home: PathBuf,
}

impl Join {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let home = MemberHome::open(&self.home)?;
        let (member, folder) = (&home.member, home.folder.display());
        if member.addresses.is_empty() {
            return Err(Failure::input(format!(
                "{folder}/member.json has no address, so no member could reach this node; make \
                 the folder anew with `credlog init --address /dns/HOST/tcp/PORT`"
            )));
        }
        network::check(member).during(|| format!("{folder}/member.json"))?;
        let pin = home.pin()?;
        if let Some(pin) = &pin {
            let checked = member.check(&pin.origin);
            checked.during(|| format!("{folder}/member.json, for the log of genesis.json"))?;
        }
        let (fingerprint, peer_id) = (
            fingerprint(member)?,
            network::node_key(&member.keys.node.key)?.to_string(),
        );
        let addresses: Vec<_> = member.addresses.iter().map(ToString::to_string).collect();
        let genesis = match &pin {
            Some(pin) => format!(
                "  1. genesis.json is there; ask a member by telephone for the ledger id:\n       {}",
                pin.ledger
            ),
            None => format!(
                "  1. Get genesis.json from a member and put it into {folder}; compare by telephone \
                 the ledger id that this shows:\n       credlog genesis show {folder}/genesis.json"
            ),
        };
        let lines = format!(
            "{title}
  file         {folder}/member.json: public keys, proofs of possession, addresses
  fingerprint  {fingerprint}
  peer id      {peer_id}
  address      {addresses}

What the members do:
  1. One compares the fingerprint with you by telephone, and proposes you:
       credlog member propose add member.json
     The fingerprint that this shows is the same.
  2. More than two thirds of them approve it: credlog member approve PROPOSAL
  3. To let your node fetch the ledger before that, they add the peer id to network.observers.

What you do:
{genesis}
  2. Let both ports through the firewall: that of each address, and the next one.
  3. Start the node: credlog node run --config {folder}/credlog.toml
     It fetches the ledger, and votes from the height after the one that makes you a member.
     If the founders' addresses are out of date, put a member's into network.peers.",
            title = screen.ink(
                Ink::Bold,
                &format!(
                    "{} ({}) hands over:",
                    shown(member.name.as_str()),
                    member.id
                )
            ),
            addresses = addresses.join("\n               "),
        );
        let answer = json!({
            "member": member,
            "fingerprint": fingerprint,
            "peerId": peer_id,
            "ledger": pin.map(|pin| pin.ledger),
        });
        screen.answer(&answer, lines)
    }
}
