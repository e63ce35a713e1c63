//! `credlog accreditation`: a member lets an issuer award achievements.

mod change;
mod grant;
mod list;

use clap::Subcommand;

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
