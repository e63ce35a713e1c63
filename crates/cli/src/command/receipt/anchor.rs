//! What a verifier believes: the genesis file, and the trust file that it keeps.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use credlog_ledger::genesis::Genesis;
use credlog_verify::receipt::Trust;
use fs2::FileExt;

use crate::folder::{self, Access};
use crate::outcome::{During, Failure, Result};

/// How often and how long another run that writes a trust file is waited for.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Where trust begins.
#[derive(Debug, Args)]
pub(crate) struct Anchor {
    /// The genesis file of the ledger, from somebody you trust
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// A file that remembers the newest members and checkpoint seen, and refuses what does not
    /// continue them; `credlog receipt verify` makes it with --genesis, and advances it
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

    /// Keeps what is trusted now in the place of what was read. Answers false, and leaves the
    /// file, if another run has changed it since: what that one proved may be newer, and nothing
    /// shows here that the two are of one history.
    pub(crate) fn keep(&self, before: &Trust, now: &Trust) -> Result<bool> {
        let Some(path) = &self.trust else {
            return Ok(true);
        };
        let bytes = now.to_bytes()?;
        if !path.exists() {
            return folder::write_new(path, &bytes, Access::Public).map(|()| true);
        }
        let _lock = lock(path)?;
        let kept = Trust::parse(&folder::read(path)?).during(|| path.display().to_string())?;
        if kept != *before {
            return Ok(false);
        }
        folder::replace(path, &bytes).map(|()| true)
    }
}

/// Keeps other runs from replacing a trust file for a moment. Whoever waits has the file that was
/// replaced meanwhile, and finds another under its name.
fn lock(path: &Path) -> Result<File> {
    let file = File::options().read(true).write(true).open(path);
    let file = file.during(|| path.display().to_string())?;
    for _ in 0..LOCK_TRIES {
        match FileExt::try_lock_exclusive(&file) {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(Failure::from(error).during(path.display().to_string())),
        }
    }
    Err(Failure::input(format!(
        "another program has locked {}; it was not written",
        path.display()
    )))
}

fn read_genesis(path: &Path) -> Result<Genesis> {
    Genesis::parse(&folder::read(path)?).during(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(name: &str) -> Vec<u8> {
        let folder = "../verify/tests/golden/receipts";
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        std::fs::read(folder.join(name)).unwrap()
    }

    #[test]
    fn a_trust_file_that_another_run_wrote_stays() {
        let folder = tempfile::tempdir().unwrap();
        let anchor = Anchor {
            genesis: None,
            trust: Some(folder.path().join("trust.json")),
        };
        let [founded, before, after] = ["genesis.json", "before.trust.json", "after.trust.json"]
            .map(|name| match name {
                "genesis.json" => Trust::found(Genesis::parse(&golden(name)).unwrap()).unwrap(),
                name => Trust::parse(&golden(name)).unwrap(),
            });
        // Two runs begin with the genesis file alone; the second is quicker.
        assert!(anchor.keep(&founded, &after).unwrap());
        assert!(!anchor.keep(&founded, &before).unwrap());
        assert_eq!(anchor.read().unwrap(), after);
        // What has read the file may write it.
        assert!(anchor.keep(&after, &before).unwrap());
        assert_eq!(anchor.read().unwrap(), before);
    }
}
