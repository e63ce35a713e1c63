//! `credlog ledger`: what a node says of the ledger, and a copy of all that it serves.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use credlog_api::ledger::AttestedView;

use credlog_audit::export::{Exported, Identity, export};
use credlog_audit::{AuditError, ExportError, Web};
use indicatif::{ProgressBar, ProgressStyle};

use crate::connection::NodeArgs;
use crate::moment;
use crate::outcome::{Exit, Failure, Result, chain};
use crate::screen::{Ink, Screen, count, grouped, shown};

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Show origin, ledger id, height, size, root, time and members
    Status(Status),
    Export(Export),
}

/// Copy the ledger into a folder of plain files, or bring a copy up to date
///
/// The files stand under the paths of the node's routes (checkpoint, tile/…, v1/…), for any web
/// server or object store; `credlog audit replay` checks them. Each run adds what is new and checks
/// it. It may run while the node does and readers read, and be stopped at any time.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The folder; made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Wait at most so many seconds for a checkpoint that a quorum of the members has cosigned
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    node: NodeArgs,
}

impl LedgerCommand {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        match self {
            Self::Status(status) => status.run(screen),
            Self::Export(export) => export.run(screen),
        }
    }
}

impl Export {
    fn run(self, screen: Screen) -> Result<()> {
        let config = self.node.client_config()?;
        let web = Web::open(&self.node.node, config)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let identity =
            Identity::of(&web).map_err(|error| Failure::new(Exit::Node, error.to_string()))?;
        let bar = bar(screen);
        let patience = Duration::from_secs(self.wait);
        let done = export(&web, &identity, &self.folder, patience, &mut |progress| {
            bar.set_length(progress.all);
            bar.set_position(progress.done);
        });
        bar.finish_and_clear();
        let done = done.map_err(|error| failure(&error))?;
        if !done.attested {
            screen.note(format!(
                "no quorum of the members has cosigned the newest checkpoint within {} s; receipts \
                 cannot rest on it, run the export again later",
                self.wait
            ));
        }
        screen.answer(&done, lines(&done))
    }
}

/// What of an export is the node's, and what the folder's.
fn failure(error: &ExportError) -> Failure {
    let exit = match error {
        ExportError::Fork { .. } => Exit::Negative,
        ExportError::Audit(AuditError::Source(_) | AuditError::Missing { .. })
        | ExportError::Audit(AuditError::Checkpoint { .. } | AuditError::OtherLog { .. })
        | ExportError::Behind { .. }
        | ExportError::Empty
        | ExportError::Untrue { .. } => Exit::Node,
        _ => Exit::Input,
    };
    Failure::new(exit, chain(error))
}

fn lines(done: &Exported) -> String {
    let before = match done.size_before {
        Some(before) if before == done.size => "nothing new since the last export".to_owned(),
        Some(before) => format!("{} new", grouped(done.size.0 - before.0)),
        None => "a new copy".to_owned(),
    };
    let mut lines = format!(
        "{} holds the ledger {} to height {}: {} leaves ({before}), root {}.\n{} written ({} bytes), \
         {} removed.",
        done.folder.display(),
        done.identity.origin,
        grouped(done.height.0),
        grouped(done.size.0),
        done.root,
        count(usize::try_from(done.files).unwrap_or(usize::MAX), "file"),
        grouped(done.bytes),
        grouped(done.removed),
    );
    if done.uncertified > 0 {
        lines.push_str(&format!(
            "\nThe node has lost the certificates of {} of the new heights: ask another one too.",
            grouped(done.uncertified)
        ));
    }
    lines
}

fn bar(screen: Screen) -> ProgressBar {
    if screen.hides_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let form = "leaves [{bar:32}] {human_pos} of {human_len}  {per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

impl Status {
    fn run(self, screen: Screen) -> Result<()> {
        let view = self.node.connect(screen)?.ledger()?;
        let members: Vec<_> = view
            .members
            .iter()
            .map(|member| format!("{} ({})", shown(member.name.as_str()), member.id))
            .collect();
        let lines = format!(
            "{}\nledger id  {}\nheight     {}\nsize       {} leaves\nroot       {}\n\
             newest     {}\nas of      {}\nattested   {}\nissuers    {}\nlists      {}\nmembers    {}\n\
             node       {} ({}, version {})\npeers      {}{}",
            screen.ink(Ink::Bold, view.origin.as_str()),
            view.ledger_id,
            grouped(view.height.0),
            grouped(view.size),
            view.root,
            moment::shown(view.time.unix_millis()),
            moment::shown(view.as_of.unix_millis()),
            attested(view.attested.as_ref()),
            grouped(view.issuers),
            grouped(view.status_lists),
            members.join(", "),
            self.node.node,
            view.role,
            shown(&view.version),
            view.peers,
            match view.syncing {
                true => "; behind the others, and catching up",
                false => "",
            },
        );
        screen.answer(&view, lines)
    }
}

/// The newest checkpoint that a quorum has cosigned, in words.
fn attested(newest: Option<&AttestedView>) -> String {
    let Some(newest) = newest else {
        return "nothing yet".to_owned();
    };
    format!(
        "height {}, {} s ago, by {} (a quorum is {})",
        grouped(newest.height.0),
        grouped(newest.age_seconds),
        count(newest.cosigners.len(), "member"),
        newest.quorum
    )
}
