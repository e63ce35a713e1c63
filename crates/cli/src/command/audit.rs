//! `credlog audit`: a whole ledger checked by somebody who trusts nobody.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use credlog_audit::{Finding, Options, Report, replay};
use credlog_ledger::genesis::Genesis;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::connection::NodeArgs;
use crate::folder;
use crate::moment;
use crate::outcome::{Exit, Failure, Result, chain};
use crate::screen::{Ink, NOTES_MAX, Screen, count, grouped, shown};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    Replay(Replay),
}

/// Compute the whole ledger again, from its genesis file, and compare it with what is published
///
/// Every leaf, tile and root, every seal, every record's signature and rules, every certificate, and
/// the cosignatures of the newest checkpoint. Exit code 0: nothing is wrong. 1: there are findings.
/// 2: none, but it could not be finished.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A node or web server (https://…), or a folder that `ledger export` wrote
    #[arg(long, value_name = "URL|DIR")]
    from: String,
    /// The ledger's genesis file
    #[arg(long, value_name = "FILE", default_value = "genesis.json")]
    genesis: PathBuf,
    /// Threads that check signatures [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Wait at most so many seconds for a node's newest checkpoint to be cosigned by a quorum
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    wait: u64,
    /// Certificates (PEM) of authorities to believe for https:// beside the public ones
    #[arg(long, env = "CREDLOG_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// The report with its verdict.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'r> {
    from: &'r str,
    clean: bool,
    #[serde(flatten)]
    report: &'r Report,
}

impl AuditCommand {
    pub(crate) fn run(self, screen: Screen) -> Result<Exit> {
        let Self::Replay(replay) = self;
        replay.run(screen)
    }
}

impl Replay {
    fn run(self, screen: Screen) -> Result<Exit> {
        let unfinished = |text: String| Failure::new(Exit::Unknown, text);
        let genesis = folder::read(&self.genesis)
            .map_err(|failure| unfinished(failure.message))
            .and_then(|bytes| {
                let parsed = Genesis::parse(&bytes);
                parsed.map_err(|error| {
                    let file = self.genesis.display();
                    unfinished(format!("{file} is no genesis file: {}", chain(&error)))
                })
            })?;
        let node = NodeArgs {
            node: self.from.clone(),
            ca: self.ca.clone(),
        };
        let source = credlog_audit::open(&self.from, node.client_config()?)
            .map_err(|error| unfinished(error.to_string()))?;
        let mut options = Options {
            patience: Duration::from_secs(self.wait),
            ..Options::default()
        };
        if let Some(threads) = self.threads {
            options.threads = threads.get();
        }
        let bar = bar(screen);
        let report = replay(&*source, &genesis, &options, &mut |progress| {
            bar.set_length(progress.size);
            bar.set_position(progress.leaves);
            if progress.findings > 0 {
                let findings = usize::try_from(progress.findings).unwrap_or(usize::MAX);
                bar.set_message(count(findings, "finding"));
            }
        });
        bar.finish_and_clear();
        let report = report.map_err(|error| unfinished(chain(&error)))?;
        let answer = Answer {
            from: &self.from,
            clean: report.is_clean(),
            report: &report,
        };
        screen.answer(&answer, lines(screen, &report))?;
        Ok(match (report.findings_count, report.is_clean()) {
            (1.., _) => Exit::Negative,
            (0, true) => Exit::Done,
            (0, false) => Exit::Unknown,
        })
    }
}

fn lines(screen: Screen, report: &Report) -> String {
    let findings = usize::try_from(report.findings_count).unwrap_or(usize::MAX);
    let verdict = match (findings, report.is_clean()) {
        (0, true) => screen.ink(Ink::Green, "clean"),
        (0, false) => screen.ink(Ink::Yellow, "not checked to its end; no finding so far"),
        (findings, _) => screen.ink(
            Ink::Red,
            &format!("not clean: {}", count(findings, "finding")),
        ),
    };
    let mut text = format!("The ledger {} is {verdict}.", report.origin);
    for finding in report.findings.iter().take(NOTES_MAX) {
        text.push_str(&shown_finding(screen, finding));
    }
    if findings > NOTES_MAX {
        text.push_str(&format!(
            "\n  and {} more; --json lists them",
            findings - NOTES_MAX
        ));
    }
    for gap in &report.unchecked {
        text.push_str(&format!("\n  not checked: {}", shown(gap)));
    }
    text.push_str(&summary(report));
    text
}

fn shown_finding(screen: Screen, finding: &Finding) -> String {
    let mut place = Vec::new();
    place.extend(
        finding
            .height
            .map(|height| format!("height {}", grouped(height.0))),
    );
    place.extend(finding.leaf.map(|leaf| format!("leaf {}", grouped(leaf.0))));
    place.extend(finding.file.as_deref().map(shown));
    let rule = match (&finding.rule, finding.code) {
        (Some(rule), Some(code)) => format!("{rule} {code}: "),
        (Some(rule), None) => format!("{rule}: "),
        (None, _) => String::new(),
    };
    let place = screen.ink(Ink::Bold, &place.join(", "));
    let mut text = format!("\n  {place}: {rule}{}", shown(&finding.message));
    let record = finding.record.map(|id| ("record", id.to_string()));
    let evidence = finding
        .evidence
        .iter()
        .map(|(name, value)| (*name, value.clone()));
    for (name, value) in record.into_iter().chain(evidence) {
        text.push_str(&format!("\n      {name:<10} {}", shown(&value)));
    }
    text
}

/// What was published after the newest checkpoint was read.
fn newer(report: &Report) -> String {
    match report.newer_status_lists {
        0 => String::new(),
        newer => format!(" ({} newer than this log)", grouped(newer)),
    }
}

fn summary(report: &Report) -> String {
    let members = |ids: &[credlog_ledger::ids::MemberId]| {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        ids.join(", ")
    };
    let as_of = report.as_of.map_or_else(
        || "not attested".to_owned(),
        |as_of| format!("attested as of {}", moment::shown(as_of.unix_millis())),
    );
    let seconds = report.took.as_secs_f64();
    let rate = match seconds {
        0.0 => 0.0,
        seconds => report.records as f64 / seconds,
    };
    format!(
        "\n\nledger id    {}\nread         {} of {} leaves, to height {} ({})\nroot         {}\n\
         checked      {}, {}, {}, {}; {}\nnewest       {as_of}; cosigned by {} ({}), a quorum is {}\n\
         state        {} after height {}: {} rows, {}\ntook         {seconds:.1} s, {rate:.0} records/s",
        report.ledger_id,
        grouped(report.leaves),
        grouped(report.size.0),
        grouped(report.height.0),
        moment::shown(report.time.unix_millis()),
        report.root,
        counted(report.records, "record"),
        counted(report.certificates, "certificate"),
        counted(report.tiles, "tile"),
        counted(report.status_lists, "status list") + &newer(report),
        counted(report.member_changes, "change") + " of members",
        count(report.cosigned.len(), "member"),
        members(&report.cosigned),
        report.quorum,
        report.state.digest,
        grouped(report.state.height.0),
        grouped(report.state.rows),
        counted(report.state.credentials, "credential"),
    )
}

fn counted(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

fn bar(screen: Screen) -> ProgressBar {
    if screen.hides_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let form = "leaves [{bar:32}] {human_pos} of {human_len}  {per_sec}  {eta} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
