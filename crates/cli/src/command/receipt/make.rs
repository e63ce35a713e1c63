//! `credlog receipt make`: a receipt from a copy of the ledger, without any node.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use credlog_audit::{Options, replay_keeping};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{Digest, Height, IssuerId, UnixMillis};
use credlog_verify::receipt::{CheckOptions, MakeError, Trust, Wanted, make};
use credlog_verify::{digest_of, issuer_of};
use serde_json::json;

use crate::connection::NodeArgs;
use crate::folder::{self, Access};
use crate::moment;
use crate::outcome::{During, Exit, Failure, Result, chain};
use crate::screen::{Screen, count};
use crate::target::{self, Target, Unreadable};

/// Make a receipt from the ledger's files, also when no node is left
///
/// The whole ledger is replayed first, as `credlog audit replay` does, from a folder that `credlog
/// ledger export` wrote, a web server with one, or a node; so the receipt rests on nobody's word.
/// Exit code: 0 it was made; 2 a credential is not on the ledger, or the files could not be read;
/// 1 something is wrong with the ledger.
#[derive(Debug, Args)]
pub(crate) struct MakeArgs {
    /// Credentials, folders of them, or digests
    #[arg(required = true, value_name = "FILE|DIR|DIGEST")]
    credentials: Vec<PathBuf>,
    /// A folder that `ledger export` wrote, or a node or web server (https://…)
    #[arg(long, value_name = "DIR|URL")]
    from: String,
    /// The ledger's genesis file
    #[arg(long, value_name = "FILE", default_value = "genesis.json")]
    genesis: PathBuf,
    /// The receipt to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Prove how things stood at this time
    #[arg(long, value_name = "TIME", value_parser = moment::parse_millis)]
    at: Option<UnixMillis>,
    /// Certificates (PEM) of authorities to believe for https:// beside the public ones
    #[arg(long, env = "CREDLOG_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl MakeArgs {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        if self.out.exists() {
            return Err(folder::is_there(&self.out));
        }
        let genesis = Genesis::parse(&folder::read(&self.genesis)?)
            .during(|| self.genesis.display().to_string())?;
        let credentials = self.wanted()?;
        let unfinished = |text: String| Failure::new(Exit::Unknown, text);
        let node = NodeArgs {
            node: self.from.clone(),
            ca: self.ca.clone(),
        };
        let source = credlog_audit::open(&self.from, node.client_config()?)
            .map_err(|error| unfinished(error.to_string()))?;
        let options = Options {
            patience: Duration::from_secs(20),
            ..Options::default()
        };
        let replayed = replay_keeping(&*source, &genesis, &options, &mut |_| {});
        let (report, replayed) = replayed.map_err(|error| unfinished(chain(&error)))?;
        if let Some(finding) = report.findings.first() {
            let text = format!(
                "{} is not clean: {}; `credlog audit replay` tells all",
                self.from, finding.message
            );
            return Err(Failure::new(Exit::Negative, text));
        }
        let incomplete = || {
            let why = report.unchecked.first().cloned().unwrap_or_default();
            unfinished(format!("{} was not read to its end: {why}", self.from))
        };
        let replayed = replayed.ok_or_else(incomplete)?;
        let attested = replayed.attested()?.ok_or_else(|| {
            unfinished(format!(
                "the checkpoint of {} is not cosigned by a quorum of the members; export it again",
                self.from
            ))
        })?;
        let wanted = Wanted {
            credentials,
            at: self.at,
            since: Height(0),
            trusted: None,
        };
        let made = make(&replayed, &attested, &wanted);
        let (receipt, missing) = made.map_err(|error| match error {
            MakeError::NotAnchored { .. } | MakeError::NotReached { .. } => {
                unfinished(error.to_string())
            }
            other => other.into(),
        })?;
        // What is written is good: by the same check that everybody makes.
        let options = CheckOptions {
            now: moment::now(),
            at: self.at,
            age_ms_max: None,
        };
        receipt.check(&Trust::found(genesis)?, &options)?;
        folder::write_new(&self.out, &receipt.to_bytes()?, Access::Public)?;
        let number = receipt.credentials.len();
        let answer = json!({
            "out": self.out, "credentials": number, "notAnchored": missing,
            "asOf": moment::rfc3339(attested.as_of()),
        });
        let line = format!(
            "Wrote a receipt about {} to {}, as of {}.",
            count(number, "credential"),
            self.out.display(),
            moment::shown(attested.as_of())
        );
        screen.answer(&answer, line)?;
        match missing.first() {
            None => Ok(()),
            Some(digest) => Err(unfinished(format!(
                "{} not on the ledger, the first is {digest}",
                match missing.len() {
                    1 => "1 credential is".to_owned(),
                    more => format!("{more} credentials are"),
                }
            ))),
        }
    }

    fn wanted(&self) -> Result<Vec<(Digest, Option<IssuerId>)>> {
        let targets = target::named(&self.credentials)?.into_iter();
        targets
            .map(|target| match target {
                Target::Digest(digest) => Ok((digest, None)),
                Target::File(path) => match target::read(&path) {
                    Ok(credential) => Ok((digest_of(&credential), issuer_of(&credential))),
                    Err(Unreadable::File(failure)) => Err(failure),
                    Err(Unreadable::NoCredential { reason, .. }) => Err(Failure::input(format!(
                        "{} is no credential: {reason}",
                        path.display()
                    ))),
                },
            })
            .collect()
    }
}
