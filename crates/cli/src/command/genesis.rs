//! `credlog genesis`: the file that founds a ledger.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use credlog_ledger::genesis::{GENESIS_VERSION, Genesis};
use credlog_ledger::ids::Origin;
use credlog_ledger::member::Member;
use credlog_ledger::parameters::Parameters;
use serde_json::json;

use crate::command::member::strength;
use crate::folder::{self, Access};
use crate::moment;
use crate::network;
use crate::outcome::{During, Failure, Result};
use crate::screen::{Ink, Screen, count};

#[derive(Debug, Subcommand)]
pub(crate) enum GenesisCommand {
    /// Write the genesis file from the founding members' member.json files
    Create(Create),
    /// Check a genesis file and show what it says
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the log, the same as in `credlog init`
    #[arg(long)]
    origin: Origin,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Parameters other than the defaults, as JSON (for example {"recordsPerBlock": 1000})
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// The member.json of every founding member
    #[arg(required = true, value_name = "MEMBER.JSON")]
    members: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The genesis file
    file: PathBuf,
}

impl GenesisCommand {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        match self {
            Self::Create(create) => create.run(screen),
            Self::Show(show) => {
                let genesis = Genesis::parse(&folder::read(&show.file)?)
                    .during(|| show.file.display().to_string())?;
                report(
                    screen,
                    &genesis,
                    &format!("{} is well formed.", show.file.display()),
                )
            }
        }
    }
}

impl Create {
    fn run(self, screen: Screen) -> Result<()> {
        let read = |path: &PathBuf| -> Result<Member> {
            let member: Member = folder::read_json(path, "a member's description (member.json)")?;
            member.check(&self.origin).during(|| {
                format!(
                    "{} (is --origin the one given to `credlog init`?)",
                    path.display()
                )
            })?;
            network::check(&member).during(|| path.display().to_string())?;
            Ok(member)
        };
        let parameters = match &self.parameters {
            Some(path) => folder::read_json(path, "a list of parameters")?,
            None => Parameters::default(),
        };
        let genesis = Genesis {
            version: GENESIS_VERSION,
            origin: self.origin.clone(),
            time: moment::now(),
            members: self.members.iter().map(read).collect::<Result<_>>()?,
            parameters,
        };
        genesis.check()?;
        let unreachable = |member: &&Member| member.addresses.is_empty();
        if let (true, Some(member)) = (
            genesis.members.len() > 1,
            genesis.members.iter().find(unreachable),
        ) {
            return Err(Failure::input(format!(
                "member {} has no address in its member.json, so the others could not reach its \
                 node; it makes its folder anew with `credlog init --address`",
                member.id
            )));
        }
        folder::write_new(&self.out, &folder::to_json(&genesis)?, Access::Public)?;
        let title = format!(
            "Wrote {}. Every member puts it beside its credlog.toml, byte for byte the same.",
            self.out.display()
        );
        if let Some(warning) = strength::founded(genesis.members.len()) {
            screen.note(format!("Attention: {warning}."));
        }
        report(screen, &genesis, &title)
    }
}

fn report(screen: Screen, genesis: &Genesis, title: &str) -> Result<()> {
    let ledger = genesis.ledger_id()?;
    let mut lines = format!(
        "{title}\nledger id  {}\norigin     {}\nfounded    {}\n{}:",
        screen.ink(Ink::Bold, &ledger.to_string()),
        genesis.origin,
        moment::shown(genesis.time),
        count(genesis.members.len(), "member"),
    );
    for member in &genesis.members {
        lines.push_str(&format!("\n  {}  {}", member.id, member.name));
        for address in &member.addresses {
            lines.push_str(&format!("\n      {address}"));
        }
    }
    let members: Vec<_> = genesis
        .members
        .iter()
        .map(|m| json!({"id": m.id, "name": m.name, "addresses": m.addresses}))
        .collect();
    let answer = json!({
        "ledger": ledger,
        "origin": genesis.origin,
        "time": moment::rfc3339(genesis.time),
        "members": members,
        "tolerates": strength::tolerated(members.len()),
    });
    screen.answer(&answer, lines)
}
