//! What a verifier believes: the genesis file, and the trust file that it keeps.

use std::path::{Path, PathBuf};

use clap::Args;
use credlog_ledger::genesis::Genesis;
use credlog_verify::receipt::Trust;

use crate::folder::{self, Access};
use crate::outcome::{During, Failure, Result};

/// Where trust begins.
#[derive(Debug, Args)]
pub(crate) struct Anchor {
    /// The genesis file of the ledger, from somebody you trust
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// A file that remembers the newest members and checkpoint seen, and refuses what does not
    /// continue them; made with --genesis if it is not there
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
}

impl Anchor {
    /// Whether nothing was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.genesis.is_none() && self.trust.is_none()
    }

    /// Reads what is trusted.
    pub(crate) fn read(&self) -> Result<Trust> {
        let genesis = self.genesis.as_deref().map(read_genesis).transpose()?;
        let trust = match &self.trust {
            Some(path) if path.exists() => {
                let bytes = folder::read(path)?;
                Some(Trust::parse(&bytes).during(|| path.display().to_string())?)
            }
            _ => None,
        };
        match (trust, genesis) {
            (Some(trust), Some(genesis)) => {
                trust.check_genesis(&genesis)?;
                Ok(trust)
            }
            (Some(trust), None) => Ok(trust),
            (None, Some(genesis)) => Ok(Trust::found(genesis)?),
            (None, None) => Err(match &self.trust {
                Some(path) => Failure::input(format!(
                    "{} is not there; give --genesis too, and it is made",
                    path.display()
                )),
                None => Failure::usage(
                    "a receipt is checked against what you trust: give --genesis FILE or --trust \
                     FILE",
                ),
            }),
        }
    }

    /// Keeps what is trusted now.
    pub(crate) fn keep(&self, trust: &Trust) -> Result<()> {
        let Some(path) = &self.trust else {
            return Ok(());
        };
        let bytes = trust.to_bytes()?;
        match path.exists() {
            true => folder::replace(path, &bytes),
            false => folder::write_new(path, &bytes, Access::Public),
        }
    }
}

fn read_genesis(path: &Path) -> Result<Genesis> {
    Genesis::parse(&folder::read(path)?).during(|| path.display().to_string())
}
