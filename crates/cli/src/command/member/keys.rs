//! `credlog member keys`: the own keys are replaced.
//!
//! ```text
//! keys/next/{governance,consensus,cosigner,node}.pem   the keys to be
//! keys/next/member.json                                the description to be, handed over
//! keys/retired-<seconds>/                              the keys that were, with member.json
//! ```
//!
//! A running node finds the folder next, makes the keys in it ready, and takes the set of keys that
//! the ledger knows. So it needs no restart; putting the new ones in place is housekeeping. Since
//! it may look at any time, the folder gets its name only when all of it is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use credlog_api::ledger::MemberView;
use credlog_gossip::Address;
use credlog_ledger::key::{ProvenKey, PublicKey, Role};
use credlog_ledger::member::{Member, MemberKeys};
use serde_json::json;

use super::fingerprint::fingerprint;
use crate::connection::NodeArgs;
use crate::folder::{self, Access};
use crate::home::MemberHome;
use crate::keyfile::{self, Passphrase, Protection};
use crate::network;
use crate::outcome::{During, Failure, Result};
use crate::screen::{Ink, Screen};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    New(New),
    Install(Install),
}

/// Make new keys in keys/next/, with the description that the members are to approve
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credlog member keys new --home uni
  credlog member keys new --home uni --only consensus --only cosigner")]
pub(crate) struct New {
    /// The member's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    home: PathBuf,
    /// Replace this key only, and keep the others; may be given several times
    #[arg(long, value_name = "KEY")]
    only: Vec<Which>,
    /// New addresses of the node [default: the present ones]
    #[arg(long, value_name = "MULTIADDR", value_parser = network::reachable)]
    address: Vec<Address>,
    #[command(flatten)]
    protection: Protection,
}

/// Put the keys of keys/next/ in place, once the ledger has them
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credlog member keys install --home uni")]
pub(crate) struct Install {
    /// The member's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    home: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

/// A key of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Governance,
    Consensus,
    Cosigner,
    Node,
}

impl Which {
    fn role(self) -> Role {
        match self {
            Self::Governance => Role::Governance,
            Self::Consensus => Role::Consensus,
            Self::Cosigner => Role::Cosigner,
            Self::Node => Role::Node,
        }
    }
}

impl KeysCommand {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        match self {
            Self::New(new) => new.run(screen, passphrase),
            Self::Install(install) => install.run(screen),
        }
    }
}

impl New {
    fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let home = MemberHome::open(&self.home)?;
        let pin = home.ledger()?;
        let next = home.next_path();
        if next.exists() {
            return Err(Failure::input(format!(
                "{0} is there already; hand over {0}/member.json, or remove the folder if nobody \
                 was given that",
                next.display()
            )));
        }
        let phrase = passphrase.choosing(self.protection)?;
        // Removed again unless it gets its name.
        let unfinished = tempfile::Builder::new()
            .prefix(".next-")
            .tempdir_in(home.keys_path())
            .during(|| home.keys_path().display().to_string())?;
        let folder = unfinished.path();
        folder::make_secret(folder)?;
        let prove = |role: Role, present: &ProvenKey| -> Result<ProvenKey> {
            if self.replaces(role) {
                let phrase = phrase.as_ref().map(|text| text.as_str());
                return keyfile::write_proven(folder, role, &pin.origin, &home.member.id, phrase);
            }
            let name = format!("{}.pem", role.as_str());
            let bytes = zeroize::Zeroizing::new(folder::read(&home.keys_path().join(&name))?);
            folder::write_new(&folder.join(&name), &bytes, Access::Secret)?;
            Ok(present.clone())
        };
        let present = &home.member.keys;
        let keys = MemberKeys {
            governance: prove(Role::Governance, &present.governance)?,
            consensus: prove(Role::Consensus, &present.consensus)?,
            cosigner: prove(Role::Cosigner, &present.cosigner)?,
            node: prove(Role::Node, &present.node)?,
        };
        let member = Member {
            addresses: network::complete(&self.addresses(&home.member)?, &keys.node.key)?,
            keys,
            ..home.member.clone()
        };
        member.check(&pin.origin)?;
        let json = folder::to_json(&member)?;
        folder::write_new(&folder.join("member.json"), &json, Access::Public)?;
        folder::rename(folder, &next)?;
        self.report(screen, &member, &next.join("member.json"))
    }

    fn replaces(&self, role: Role) -> bool {
        self.only.is_empty() || self.only.iter().any(|which| which.role() == role)
    }

    /// Where the node is to be reached; its peer id may be a new one.
    fn addresses(&self, present: &Member) -> Result<Vec<Address>> {
        if !self.address.is_empty() {
            return Ok(self.address.clone());
        }
        let parse = |text: &credlog_ledger::ids::NodeAddress| -> Result<Address> {
            let address: Address = text.as_str().parse()?;
            Ok(address.without_node())
        };
        present.addresses.iter().map(parse).collect()
    }

    fn report(&self, screen: Screen, member: &Member, file: &Path) -> Result<()> {
        let roles = [
            Role::Governance,
            Role::Consensus,
            Role::Cosigner,
            Role::Node,
        ];
        let replaced: Vec<_> = roles
            .into_iter()
            .filter(|role| self.replaces(*role))
            .map(Role::as_str)
            .collect();
        let (fingerprint, home, file_text) =
            (fingerprint(member)?, self.home.display(), file.display());
        let lines = format!(
            "{title}
  hand over    {file_text}
  fingerprint  {fingerprint}

Next steps:
  0. Wait until your running node logs \"the keys in the folder next are ready to replace the
     others\": within about ten seconds.
  1. A member proposes it (you can, if your governance key is not lost), after comparing the
     fingerprint with you by telephone:
       credlog member propose replace-keys {id} {file_text}
  2. More than two thirds of the members approve it: credlog member approve PROPOSAL
  3. It takes effect with the next block; your node goes over to the new keys by itself. Then:
       credlog member keys install --home {home}
Keep the present keys until then.",
            title = screen.ink(
                Ink::Bold,
                &format!("Made new keys for {}: {}.", member.id, replaced.join(", "))
            ),
            id = member.id,
        );
        let answer = json!({
            "member": member,
            "file": file,
            "replaced": replaced,
            "fingerprint": fingerprint,
        });
        screen.answer(&answer, lines)
    }
}

impl Install {
    fn run(self, screen: Screen) -> Result<()> {
        let home = MemberHome::open(&self.home)?;
        let Some(next) = home.next()? else {
            return Err(Failure::input(format!(
                "{} has no keys/next/member.json: nothing is to be put in place",
                home.folder.display()
            )));
        };
        let node = self.node.connect(screen)?;
        node.expect_ledger_of(&home)?;
        let members = node.members()?;
        let seat = members.members.iter().find(|one| one.id == next.id);
        let in_force = seat.is_some_and(|seat| {
            let next = next.keys.roles().map(|(_, proven)| &proven.key);
            keys_of(seat) == next
        });
        if !in_force {
            return Err(Failure::input(format!(
                "the ledger does not have the keys of {} yet; nothing was moved (`credlog member \
                 list` shows who still has to approve them)",
                home.next_path().display()
            )));
        }
        let retired = home.keys_path().join(format!("retired-{}", seconds()));
        folder::make_secret(&retired)?;
        install(&home, &retired)?;
        let lines = format!(
            "The keys that the ledger has are in {}.\nThe former ones are in {}: destroy them, the \
             cosigner key above all.",
            home.keys_path().display(),
            retired.display()
        );
        let answer = json!({ "keys": home.keys_path(), "retired": retired });
        screen.answer(&answer, lines)
    }
}

/// The keys that the ledger has of a member, in the order of [`MemberKeys::roles`].
pub(super) fn keys_of(seat: &MemberView) -> [&PublicKey; 4] {
    let keys = &seat.keys;
    [
        &keys.governance,
        &keys.consensus,
        &keys.cosigner,
        &keys.node,
    ]
}

/// Moves the keys, and the description last: run again after an interruption, it goes on.
fn install(home: &MemberHome, retired: &Path) -> Result<()> {
    let (keys, next) = (home.keys_path(), home.next_path());
    let replace = |from: PathBuf, to: PathBuf, name: &str| -> Result<()> {
        if !from.exists() {
            return Ok(());
        }
        let during = || from.display().to_string();
        if to.exists() {
            fs::rename(&to, retired.join(name)).during(|| to.display().to_string())?;
        }
        fs::rename(&from, &to).during(during)
    };
    for role in [
        Role::Governance,
        Role::Consensus,
        Role::Cosigner,
        Role::Node,
    ] {
        let name = format!("{}.pem", role.as_str());
        replace(next.join(&name), keys.join(&name), &name)?;
    }
    let name = "member.json";
    replace(next.join(name), home.folder.join(name), name)?;
    fs::remove_dir(&next).during(|| next.display().to_string())?;
    folder::sync_parent(&keys.join("node.pem"))?;
    folder::sync_parent(&home.folder.join(name))
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
