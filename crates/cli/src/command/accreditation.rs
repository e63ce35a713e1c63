//! `credlog accreditation`: a member lets an issuer award achievements.

mod change;
mod grant;
mod list;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::connection::NodeArgs;
use crate::keyfile::Passphrase;
use crate::outcome::Result;
use crate::screen::Screen;

#[derive(Debug, Subcommand)]
pub(crate) enum Accreditation {
    Grant(grant::Grant),
    Submit(grant::Submit),
    Amend(change::Amend),
    Withdraw(change::Withdraw),
    List(list::List),
}

// A doc comment here would take the place of each command's own.
#[derive(Debug, Args)]
struct MemberArgs {
    /// The member's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    home: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

impl Accreditation {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        match self {
            Self::Grant(grant) => grant.run(screen, passphrase),
            Self::Submit(submit) => submit.run(screen, passphrase),
            Self::Amend(amend) => amend.run(screen, passphrase),
            Self::Withdraw(withdraw) => withdraw.run(screen, passphrase),
            Self::List(list) => list.run(screen),
        }
    }
}
