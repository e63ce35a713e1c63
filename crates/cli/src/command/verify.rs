//! `credlog verify`: are credentials genuine, anchored and in force?
//!
//! Proofs are checked here; the node is asked about the digest, the issuer and the positions in
//! status lists that the credential names.

pub(crate) mod check;
mod save;
pub(crate) mod show;
mod targets;
mod write;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use clap::Args;
use credlog_api::Time;
use credlog_credential::Form;
use credlog_credential::did::{DidDocument, Documents};
use credlog_credential::json::{Limits, parse_strict};
use credlog_verify::{HandedOver, Summary};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use self::check::{Checker, Finding};
use self::save::Saving;
use self::show::Tally;
use self::targets::Targets;
use self::write::{Format, Writer};
use crate::command::receipt::Anchor;
use crate::connection::NodeArgs;
use crate::folder;
use crate::moment;
use crate::outcome::{During, Exit, Failure, Result};
use crate::parallel;
use crate::screen::{Screen, count, grouped};

/// Targets that are verified between two outputs.
const WINDOW: usize = 512;
/// Fewer targets than this are verified in no time worth drawing.
const BAR_MIN: usize = 50;

/// Verify credentials: proof, issuer, accreditation, anchoring, status and validity
///
/// Proofs are checked on this machine. The node is asked about the credential's digest, its
/// issuer and, if its status entries look like a ledger's, their positions; the credential
/// itself stays here. With --json each credential is one line of JSON. Exit code: 0 all valid;
/// 1 one is invalid, revoked, suspended, superseded, not yet valid or expired; 2 one is not
/// anchored or cannot be checked; 3 the node failed, and what it did not answer is told.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Credentials and presentations (JSON, compact JWS, PNG or SVG with one inside), folders of them, digests, tables
    /// (.csv) or lines (.ndjson) of digests or paths; - is standard input
    #[arg(required = true, value_name = "FILE|DIR|DIGEST|-")]
    targets: Vec<PathBuf>,
    /// Column of a table, or member of a line's object, that holds a digest or a path; paths are
    /// relative to the table [default: digest, file or path]
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Form of the answer [default: by the name of --out, else a table]
    #[arg(long, value_name = "FORM")]
    format: Option<Format>,
    /// Write the verdicts to this file; it must not exist
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Verify as of this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Time>,
    /// A status list credential, for credentials whose status is kept elsewhere; may be given
    /// several times
    #[arg(long, value_name = "FILE")]
    status_list: Vec<PathBuf>,
    /// The DID document of an issuer or holder that the ledger does not know; may be given several
    /// times
    #[arg(long, value_name = "FILE")]
    did_document: Vec<PathBuf>,
    /// What the holder of a presentation was asked to sign
    #[arg(long, value_name = "TEXT")]
    challenge: Option<String>,
    /// For whom a presentation has to be meant
    #[arg(long, value_name = "TEXT")]
    domain: Option<String>,
    /// Write a receipt to this file, about all credentials that are on the ledger: a proof of
    /// what it says that needs no node (`credlog receipt verify`); it must not exist
    #[arg(long, value_name = "FILE")]
    save_receipt: Option<PathBuf>,
    #[command(flatten)]
    anchor: Anchor,
    /// Send whole credentials to the node and let it judge
    #[arg(long)]
    send_credential: bool,
    /// Show every check, however many credentials there are
    #[arg(long)]
    details: bool,
    #[command(flatten)]
    node: NodeArgs,
}

fn time(text: &str) -> std::result::Result<Time, String> {
    moment::parse_millis(text).map(Time::from)
}

impl Verify {
    pub(crate) fn run(self, screen: Screen) -> Result<Exit> {
        let format = self.format(screen)?;
        let mut targets = Targets::named(&self.targets, self.column.as_deref())?;
        for out in self.out.iter().chain(&self.save_receipt) {
            if out.exists() {
                return Err(folder::is_there(out));
            }
        }
        let node = self.node.connect_patiently(screen)?;
        let did_documents = read_all(&self.did_document)?;
        let checker = Checker {
            node: &node,
            at: self.at,
            handed: HandedOver {
                status_lists: self.lists()?,
                documents: self.documents(&did_documents)?,
                challenge: self.challenge.clone(),
                domain: self.domain.clone(),
                ..HandedOver::default()
            },
            did_documents,
            send_credential: self.send_credential,
            trust: match self.anchor.is_empty() {
                true => None,
                false => Some(self.anchor.read()?),
            },
            node_is_gone: AtomicBool::new(false),
        };
        let bar = progress(screen, targets.number);
        let shown = match self.out {
            None => screen,
            Some(_) => screen.without_color(),
        };
        let tally = Tally::new(shown, targets.number, self.details);
        let mut writer = Writer::new(screen, format, self.out.as_deref(), bar.clone(), tally)?;
        let start = Instant::now();
        let mut run = Run::default();
        let mut saving = self.save_receipt.as_deref().map(Saving::new);
        while run.unanswered.is_none() {
            let window = targets.window(WINDOW)?;
            if window.is_empty() {
                break;
            }
            let found = parallel::map_asking(&window, |target| {
                let findings = checker.check(target);
                bar.inc(1);
                findings
            });
            let found: Vec<_> = found.into_iter().flatten().collect();
            run.take(&found);
            if let Some(saving) = &mut saving {
                saving.take(&found)?;
            }
            writer.write(&found)?;
        }
        // Verdicts that were reached count, whatever happened afterwards.
        writer.end(start.elapsed())?;
        if let Some(saving) = saving {
            saving.save(screen, &node, self.at)?;
        }
        run.end(targets.number)
    }

    fn format(&self, screen: Screen) -> Result<Format> {
        let asked = match (&self.format, &self.out) {
            (Some(format), _) => Some(*format),
            (None, Some(out)) => Some(Format::of_file(out)),
            (None, None) => None,
        };
        match (asked, screen.is_json() && self.out.is_none()) {
            (None | Some(Format::Ndjson), true) => Ok(Format::Ndjson),
            (Some(_), true) => Err(Failure::usage(
                "--json is lines of JSON; leave one of --json and --format out",
            )),
            (asked, false) => Ok(asked.unwrap_or(Format::Table)),
        }
    }

    /// Status lists as JSON, or as a compact JWS in a string.
    fn lists(&self) -> Result<Vec<Value>> {
        let mut lists = Vec::new();
        for path in &self.status_list {
            let bytes = folder::read(path)?;
            lists.push(match Form::sniff(&bytes) {
                Some(Form::Jws) => String::from_utf8_lossy(&bytes).trim().into(),
                _ => parse_strict(&bytes, Limits::DEFAULT).during(|| path.display().to_string())?,
            });
        }
        Ok(lists)
    }

    fn documents(&self, read: &[Value]) -> Result<Documents> {
        let mut documents = Documents::default();
        for (document, path) in read.iter().zip(&self.did_document) {
            let at = || path.display().to_string();
            let document = DidDocument::from_json(document).during(at)?;
            documents.insert(document).during(at)?;
        }
        Ok(documents)
    }
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Value>> {
    let read = |path: &PathBuf| {
        parse_strict(&folder::read(path)?, Limits::DEFAULT).during(|| path.display().to_string())
    };
    paths.iter().map(read).collect()
}

/// What the exit code depends on.
#[derive(Default)]
struct Run {
    exit: Option<Exit>,
    judged: usize,
    not_answered: usize,
    unanswered: Option<Failure>,
}

impl Run {
    fn take(&mut self, found: &[(String, Finding)]) {
        for (_, finding) in found {
            self.exit = Some(worse(self.exit.unwrap_or(Exit::Done), finding.summary()));
            match finding.node_failure() {
                None => self.judged += 1,
                Some(failure) => {
                    self.not_answered += 1;
                    self.unanswered.get_or_insert_with(|| failure.clone());
                }
            }
        }
    }

    fn end(self, number: Option<usize>) -> Result<Exit> {
        let Some(failure) = self.unanswered else {
            return self
                .exit
                .ok_or_else(|| Failure::input("there is nothing to verify"));
        };
        match number {
            Some(1) => Err(failure),
            Some(all) => Err(failure.during(format!(
                "{} of {} could not be checked",
                grouped(all.saturating_sub(self.judged) as u64),
                count(all, "credential")
            ))),
            None => Err(failure.during(format!(
                "{} and all after {} could not be checked",
                count(self.not_answered, "credential"),
                if self.not_answered == 1 { "it" } else { "them" }
            ))),
        }
    }
}

fn progress(screen: Screen, number: Option<usize>) -> ProgressBar {
    if screen.hides_progress() || number.is_some_and(|number| number < BAR_MIN) {
        return ProgressBar::hidden();
    }
    let (bar, form) = match number {
        Some(number) => (
            ProgressBar::new(number as u64),
            "verifying [{bar:32}] {human_pos} of {human_len}, {per_sec}, {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "verifying {spinner} {human_pos}, {per_sec}",
        ),
    };
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The exit code for all credentials so far.
pub(crate) fn worse(exit: Exit, summary: Summary) -> Exit {
    let own = match summary.exit_code() {
        0 => return exit,
        1 => Exit::Negative,
        _ => Exit::Unknown,
    };
    match exit {
        Exit::Negative => Exit::Negative,
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_credential_decides_the_exit_code() {
        let of = |summaries: &[Summary]| summaries.iter().fold(Exit::Done, |e, s| worse(e, *s));
        assert_eq!(of(&[Summary::Valid, Summary::Valid]), Exit::Done);
        assert_eq!(of(&[Summary::Unknown, Summary::Valid]), Exit::Unknown);
        assert_eq!(
            of(&[Summary::Unknown, Summary::Revoked, Summary::NotAnchored]),
            Exit::Negative
        );
        assert_eq!(of(&[Summary::Expired, Summary::Valid]), Exit::Negative);
    }
}
