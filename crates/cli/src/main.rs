//! The credlog command.
#![forbid(unsafe_code)]

mod bounded;
mod command;
mod connection;
mod folder;
mod home;
mod keyfile;
mod moment;
mod network;
mod offer;
mod outcome;
mod parallel;
mod screen;
mod statement;
mod table;
mod target;
mod terms;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::command::status::Change;
use crate::keyfile::Passphrase;
use crate::outcome::{Exit, Result};
use crate::screen::Screen;

const EXIT_CODES: &str = "\
Exit codes: 0 done; verify: every credential valid. 1 verify: one is invalid, revoked, suspended,
superseded, not yet valid or expired; audit: there are findings; ledger export: the node's log does
not continue the copy. 2 verify: one is not anchored or cannot be checked; audit: it could not be
finished. 3 no answer from the node. 4 refused by the ledger. 5 a file, key or folder is not what is needed.
6 done in part. 7 the store is damaged. 64 wrong command line. 130 interrupted. 141 nobody read
the answer to its end.";

/// A ledger of micro-credentials that institutions run together.
#[derive(Debug, Parser)]
#[command(name = "credlog", version, after_help = EXIT_CODES)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
struct Cli {
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    passphrase: Passphrase,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(command::init::Init),
    /// Found a ledger
    #[command(subcommand)]
    Genesis(command::genesis::GenesisCommand),
    /// Make and show key files
    #[command(subcommand)]
    Keys(command::keys::Keys),
    /// Make and look after issuers
    #[command(subcommand)]
    Issuer(command::issuer::Issuer),
    /// Let issuers award achievements
    #[command(subcommand)]
    Accreditation(command::accreditation::Accreditation),
    /// Define what credentials attest
    #[command(subcommand)]
    Achievement(command::achievement::AchievementCommand),
    Issue(command::issue::IssueArgs),
    /// Revoke credentials, for good
    Revoke(command::status::ChangeStatus),
    /// Suspend credentials, for now
    Suspend(command::status::ChangeStatus),
    /// End the suspension of credentials
    Reinstate(command::status::ChangeStatus),
    Supersede(command::status::Supersede),
    Verify(command::verify::Verify),
    /// Proofs that hold without any node
    #[command(subcommand)]
    Receipt(command::receipt::ReceiptCommand),
    Bake(command::bake::BakeArgs),
    Unbake(command::bake::Unbake),
    /// Ask a node about the ledger
    #[command(subcommand)]
    Ledger(command::ledger::LedgerCommand),
    /// Check a whole ledger
    #[command(subcommand)]
    Audit(command::audit::AuditCommand),
    /// Decide with the other members who is one, and under which rules
    #[command(subcommand)]
    Member(command::member::MemberCommand),
    /// Run a node
    #[command(subcommand)]
    Node(command::node::NodeCommand),
    /// Look after the store of a stopped node
    #[command(subcommand)]
    Store(command::store::StoreCommand),
    Demo(command::demo::Demo),
    Completions(command::completions::Completions),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            // Nobody can be told when the stream is closed.
            let _ = error.print();
            return code.into();
        }
    };
    let screen = Screen::new(cli.json);
    match run(cli, screen) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            screen.failure(&failure);
            failure.exit.into()
        }
    }
}

fn run(cli: Cli, screen: Screen) -> Result<Exit> {
    let passphrase = &cli.passphrase;
    match cli.command {
        Command::Init(init) => init.run(screen, passphrase)?,
        Command::Genesis(genesis) => genesis.run(screen)?,
        Command::Keys(keys) => keys.run(screen, passphrase)?,
        Command::Issuer(issuer) => issuer.run(screen, passphrase)?,
        Command::Accreditation(accreditation) => accreditation.run(screen, passphrase)?,
        Command::Achievement(achievement) => achievement.run(screen, passphrase)?,
        Command::Issue(issue) => return issue.run(screen, passphrase),
        Command::Revoke(args) => return args.run(Change::Revoke, screen, passphrase),
        Command::Suspend(args) => return args.run(Change::Suspend, screen, passphrase),
        Command::Reinstate(args) => return args.run(Change::Reinstate, screen, passphrase),
        Command::Supersede(args) => args.run(screen, passphrase)?,
        Command::Verify(args) => return args.run(screen),
        Command::Receipt(receipt) => return receipt.run(screen),
        Command::Bake(bake) => bake.run(screen)?,
        Command::Unbake(unbake) => unbake.run(screen)?,
        Command::Ledger(ledger) => ledger.run(screen)?,
        Command::Audit(audit) => return audit.run(screen),
        Command::Member(member) => member.run(screen, passphrase)?,
        Command::Node(node) => node.run()?,
        Command::Store(store) => return store.run(screen),
        Command::Demo(demo) => return demo.run(screen),
        Command::Completions(completions) => completions.run::<Cli>(),
    }
    Ok(Exit::Done)
}
