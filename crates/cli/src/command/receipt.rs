//! `credlog receipt`: proofs that hold without any node.

mod anchor;
mod make;
mod show;
mod staple;
mod verify;

pub(crate) use anchor::Anchor;

use clap::Subcommand;

use crate::outcome::{Exit, Result};
use crate::screen::Screen;

#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    Verify(verify::VerifyArgs),
    Show(show::ShowArgs),
    Make(make::MakeArgs),
    Staple(staple::StapleArgs),
    Unstaple(staple::UnstapleArgs),
}

impl ReceiptCommand {
    pub(crate) fn run(self, screen: Screen) -> Result<Exit> {
        match self {
            Self::Verify(verify) => return verify.run(screen),
            Self::Show(show) => show.run(screen)?,
            Self::Make(make) => make.run(screen)?,
            Self::Staple(staple) => staple.run(screen)?,
            Self::Unstaple(unstaple) => unstaple.run(screen)?,
        }
        Ok(Exit::Done)
    }
}
