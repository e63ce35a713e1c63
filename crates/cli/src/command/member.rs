//! `credlog member`: what members decide together (rule R9), and how one becomes a member.

mod action;
mod approve;
mod fingerprint;
mod join;
mod keys;
mod list;
mod open;
mod propose;
pub(crate) mod strength;

use clap::Subcommand;

use crate::keyfile::Passphrase;
use crate::outcome::Result;
use crate::screen::Screen;

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    Propose(propose::Propose),
    Approve(approve::Approve),
    Retract(approve::Retract),
    List(list::List),
    Join(join::Join),
    /// Replace the own keys: make new ones, and put them in place once the ledger has them
    #[command(subcommand)]
    Keys(keys::KeysCommand),
}

impl MemberCommand {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        match self {
            Self::Propose(propose) => propose.run(screen, passphrase),
            Self::Approve(approve) => approve.run(screen, passphrase),
            Self::Retract(retract) => retract.run(screen, passphrase),
            Self::List(list) => list.run(screen),
            Self::Join(join) => join.run(screen),
            Self::Keys(keys) => keys.run(screen, passphrase),
        }
    }
}
