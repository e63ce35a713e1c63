//! `credlog issuer`: an issuer's folder, its keys, and what the ledger knows of issuers.

mod countersign;
mod did_web;
mod new;
mod rotate;
mod show;

use clap::Subcommand;

use crate::keyfile::Passphrase;
use crate::outcome::Result;
use crate::screen::Screen;

#[derive(Debug, Subcommand)]
pub(crate) enum Issuer {
    New(new::New),
    Countersign(countersign::Countersign),
    RotateKeys(rotate::RotateKeys),
    List(show::List),
    Show(show::Show),
}

impl Issuer {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        match self {
            Self::New(new) => new.run(screen, passphrase),
            Self::Countersign(countersign) => countersign.run(screen, passphrase),
            Self::RotateKeys(rotate) => rotate.run(screen, passphrase),
            Self::List(list) => list.run(screen),
            Self::Show(show) => show.run(screen),
        }
    }
}
