//! `credlog store`: the store of a stopped node.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use credlog_node::Config;
use credlog_store::{CheckReport, OpenError, Progress, RebuildOptions, RebuildReport, StoreError};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::outcome::{Exit, Failure, Result, chain};
use crate::screen::{Ink, Screen, count, grouped};

/// Findings that are listed one by one.
const SHOWN_MAX: usize = 20;

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    Check(Check),
    Rebuild(Rebuild),
}

/// Check everything that a stopped node has stored
///
/// Executes every block again from genesis, with every signature and rule, and compares every
/// row and tile with the outcome. Nothing is changed. Exit code 7 if something is damaged.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    place: Place,
}

/// Build the store of a stopped node anew from its blocks
///
/// The old data moves to quarantine inside of the store's folder.
#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    #[command(flatten)]
    place: Place,
    /// Go on although committed blocks are lost
    #[arg(long)]
    accept_loss: bool,
}

/// Where the store lies.
#[derive(Debug, Args)]
struct Place {
    /// The store's folder, for example a copy of a node's data folder
    #[arg(value_name = "DIR", conflicts_with = "config")]
    folder: Option<PathBuf>,
    /// The node's configuration, which names the folder [default: credlog.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    fn folder(&self) -> Result<PathBuf> {
        match &self.folder {
            Some(folder) => Ok(folder.clone()),
            None => {
                let config = self.config.as_deref().unwrap_or(Path::new("credlog.toml"));
                Ok(Config::load(config)?.node.data_dir)
            }
        }
    }
}

impl StoreCommand {
    pub(crate) fn run(self, screen: Screen) -> Result<Exit> {
        match self {
            Self::Check(check) => check.run(screen),
            Self::Rebuild(rebuild) => rebuild.run(screen),
        }
    }
}

impl Check {
    fn run(self, screen: Screen) -> Result<Exit> {
        let folder = self.place.folder()?;
        let bar = bar(screen);
        let report = credlog_store::check(&folder, &mut |progress| show(&bar, progress));
        bar.finish_and_clear();
        let report = report.map_err(|error| failure(&error))?;
        let answer = json!({
            "folder": folder,
            "whole": report.is_whole(),
            "height": report.height,
            "size": report.size,
            "stateDigest": report.state,
            "rows": report.rows,
            "tiles": report.tiles,
            "certificates": report.certificates,
            "certificatesMissing": report.certificates_missing,
            "cosignatures": report.cosignatures,
            "findings": report.findings.iter().map(|one| json!({
                "place": one.place, "what": one.what,
            })).collect::<Vec<_>>(),
            "findingsCount": report.findings_count,
        });
        screen.answer(&answer, check_lines(screen, &folder, &report))?;
        Ok(if report.is_whole() {
            Exit::Done
        } else {
            Exit::Damaged
        })
    }
}

fn check_lines(screen: Screen, folder: &Path, report: &CheckReport) -> String {
    let mut read = format!(
        "{} leaves in {} blocks, {} rows and {} tiles were read and computed again; {} \
         certificates and {} cosignatures verify.",
        grouped(report.size),
        grouped(report.height.0),
        grouped(report.rows),
        grouped(report.tiles),
        grouped(report.certificates),
        grouped(report.cosignatures)
    );
    read.push_str(&format!("\nThe digest of the state is {}.", report.state));
    if report.certificates_missing > 0 {
        let missing = grouped(report.certificates_missing);
        read.push_str(&format!("\n{missing} certificates are not known here."));
    }
    if report.is_whole() {
        let whole = screen.ink(Ink::Green, "whole");
        return format!("The store in {} is {whole}.\n{read}", folder.display());
    }
    let number = usize::try_from(report.findings_count).unwrap_or(usize::MAX);
    let damaged = screen.ink(Ink::Red, "damaged");
    let findings = count(number, "finding");
    let mut lines = format!(
        "The store in {} is {damaged}: {findings}.",
        folder.display()
    );
    for finding in report.findings.iter().take(SHOWN_MAX) {
        lines.push_str(&format!("\n  {}: {}", finding.place, finding.what));
    }
    if number > SHOWN_MAX {
        lines.push_str(&format!("\n  and {} more", number - SHOWN_MAX));
    }
    lines.push_str(&format!(
        "\n{read}\n`credlog store rebuild` makes a new one from the blocks."
    ));
    lines
}

impl Rebuild {
    fn run(self, screen: Screen) -> Result<Exit> {
        let folder = self.place.folder()?;
        let options = RebuildOptions {
            accept_loss: self.accept_loss,
            ..RebuildOptions::default()
        };
        let bar = bar(screen);
        let report =
            credlog_store::rebuild(&folder, &options, &mut |progress| show(&bar, progress));
        bar.finish_and_clear();
        let report = report.map_err(|error| failure(&error))?;
        if let Some(lost) = &report.lost {
            screen.note(format!("committed blocks are lost: {lost}"));
        }
        let answer = json!({
            "folder": folder,
            "height": report.position.height,
            "size": report.position.size,
            "root": report.position.root,
            "committedHeight": report.committed,
            "lost": report.lost,
            "certificatesMissing": report.certificates_missing,
            "cosignaturesLost": report.cosignatures_lost,
            "evidenceLost": report.evidence_lost,
            "stateDiffered": report.state_differed,
            "source": report.source,
            "quarantine": report.old,
        });
        screen.answer(&answer, rebuild_lines(&folder, &report))?;
        Ok(Exit::Done)
    }
}

fn rebuild_lines(folder: &Path, report: &RebuildReport) -> String {
    let mut lines = format!(
        "The store in {} is new: height {}, {} leaves, root {}.",
        folder.display(),
        grouped(report.position.height.0),
        grouped(report.position.size),
        report.position.root
    );
    if report.state_differed {
        lines.push_str("\nRows of the old state were damaged; they are right now.");
    }
    for (count, what) in [
        (report.certificates_missing, "certificates"),
        (report.cosignatures_lost, "sets of cosignatures"),
        (report.evidence_lost, "pieces of evidence"),
    ] {
        if count > 0 {
            lines.push_str(&format!(
                "\n{} {what} are not known any more.",
                grouped(count)
            ));
        }
    }
    if let Some(old) = &report.old {
        lines.push_str(&format!("\nThe old data is in {}.", old.display()));
    }
    lines
}

/// What cannot be opened is no damage that was found, unless blocks are lost.
fn failure(error: &StoreError) -> Failure {
    let exit = match error {
        StoreError::Open(OpenError::Damaged { .. }) | StoreError::LogLost { .. } => Exit::Damaged,
        _ => Exit::Input,
    };
    Failure::new(exit, chain(error))
}

fn bar(screen: Screen) -> ProgressBar {
    if screen.hides_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{msg:10} [{bar:32}] {pos} of {len}  {eta} left")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn show(bar: &ProgressBar, progress: Progress) {
    let (what, done, all) = match progress {
        Progress::Blocks { done, last } => ("blocks", done.0, last.0),
        Progress::Rows { done } => ("rows", done, done),
        Progress::Tiles { done, all } => ("tiles", done, all),
        _ => return,
    };
    bar.set_message(what);
    bar.set_length(all);
    bar.set_position(done);
}
