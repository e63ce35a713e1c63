//! `credlog issue`: credentials are signed and anchored; nothing twice, nothing forgotten.

mod entries;
pub(crate) mod journal;
mod outlook;
mod output;
mod pack;
mod positions;
mod prepare;
mod report;
mod resume;
mod run;
mod settle;
mod sheet;
pub(crate) mod source;
mod template;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use clap::Args;
use credlog_credential::Suite;
use credlog_ledger::ids::{AchievementId, IssuerId, WebUrl};
use indicatif::{ProgressBar, ProgressStyle};

use self::entries::StatusUrls;
use self::journal::Journal;
use self::outlook::Outlook;
use self::output::{Image, Output};
use self::positions::Positions;
use self::prepare::Signer;
use self::report::Report;
use self::run::Tally;
use self::settle::Settlement;
use self::sheet::{Sheet, Wanted};
use self::source::Needed;
use crate::connection::{Node, NodeArgs};
use crate::home::IssuerHome;
use crate::keyfile::{self, Passphrase};
use crate::outcome::{Exit, Failure, Result};
use crate::screen::Screen;

/// Issue credentials: sign those that are unsigned, anchor all of them
///
/// Credentials that this issuer's key signed already are anchored as they are. What would not
/// be valid once it is issued is left out. The signed files and issued.csv go to the output
/// folder. After a crash or Ctrl-C run the same command again: nothing is issued twice, nothing
/// is forgotten.
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    /// Credentials (JSON files), or folders of them
    #[arg(
        required_unless_present = "csv",
        conflicts_with = "csv",
        value_name = "FILE|DIR"
    )]
    paths: Vec<PathBuf>,
    /// A table of people, one row a credential; the first row names the columns
    #[arg(long, value_name = "FILE", requires = "template")]
    csv: Option<PathBuf>,
    /// The credential of a row: unsigned, with {{column}} in strings where the row's values go,
    /// {{column?}} where a value may be empty, and {{issuer}}, {{now}}, {{row}}, {{uuid}}
    #[arg(long, value_name = "FILE", requires = "csv")]
    template: Option<PathBuf>,
    /// The column that names the output files [default: the number of the row]
    #[arg(long, value_name = "COLUMN", requires = "csv")]
    name_column: Option<String>,
    /// What stands between the values of a row
    #[arg(
        long,
        value_name = "CHARACTER",
        default_value_t = ',',
        requires = "csv"
    )]
    delimiter: char,
    /// Folder for the signed files and issued.csv; one folder may serve many runs
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The issuer's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    issuer_home: PathBuf,
    /// What credentials attest that name no achievement themselves; of use only to an issuer that
    /// is accredited for all achievements
    #[arg(long, value_name = "ID")]
    achievement: Option<AchievementId>,
    /// How unsigned credentials are signed: eddsa-rdfc-2022 or eddsa-jcs-2022
    #[arg(long, default_value = "eddsa-rdfc-2022", value_parser = Suite::of_ed25519)]
    suite: Suite,
    /// Sign unsigned credentials as compact JWS (EdDSA) instead
    #[arg(long, conflicts_with = "suite")]
    jws: bool,
    /// Put each credential into a copy of this PNG or SVG image
    #[arg(long, value_name = "IMAGE")]
    bake: Option<PathBuf>,
    /// Address under which credentials name the ledger's status lists [default: that of the
    /// accrediting member's node, as it stands on the ledger]
    #[arg(long, value_name = "URL", conflicts_with = "no_status")]
    status_url: Option<WebUrl>,
    /// Sign credentials without status entries: only who asks a ledger's node sees a revocation
    #[arg(long)]
    no_status: bool,
    #[command(flatten)]
    node: NodeArgs,
}

impl IssueArgs {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<Exit> {
        let home = IssuerHome::open(&self.issuer_home)?;
        let start = Instant::now();
        let bar = progress(screen);
        let output = Output {
            as_jws: self.jws,
            image: self.bake.as_deref().map(Image::read).transpose()?,
        };
        let needed = Needed {
            issuer: home.id(),
            achievement: self.achievement.as_ref(),
            output: &output,
        };
        let sheet = self.sheet(home.id())?;
        bar.set_message("reading");
        let checked = match &sheet {
            Some(sheet) => source::check_rows(sheet, needed)?,
            None => source::check(&source::find(&self.paths)?, needed)?,
        };
        let journal = Journal::open(&self.out)?;
        if let Some(image) = &output.image {
            journal.keep_image(image)?;
        }
        let mut node = self.node.connect(screen)?;
        let signatory = node.issuer_signatory(&home, passphrase)?;
        let key = keyfile::public(&signatory.key);
        let urls = self.status_urls(&node)?;
        let outlook = Outlook::ask(&node, home.id(), key.id(), urls)?;
        if !outlook.key_is_active() {
            return Err(Failure::input(format!(
                "{} holds the key {key}, which the ledger does not take from {} (any more); put \
                 its present key there (`credlog issuer show` lists the keys), or finish a \
                 rotation with `credlog issuer rotate-keys`",
                home.record_key_path().display(),
                home.id()
            )));
        }
        node.on_interrupt("run the same command again to go on where it stopped");
        let signer = Signer {
            issuer: home.id().clone(),
            key: signatory.key.clone(),
            suite: self.suite,
            output: output.clone(),
            a_row_verified: AtomicBool::new(false),
            achievement: self.achievement.clone(),
        };
        node.write_above(&bar);
        let mut settlement = Settlement {
            ledger: &node,
            signatory: &signatory,
            issuer: home.id(),
            journal,
            positions: Positions::new(&node, &signatory, home.id()),
            wanted: checked.sources.iter().map(|source| source.digest).collect(),
            refused: Vec::new(),
            signer: &signer,
            outlook,
            left_out: Vec::new(),
        };
        let mut tally = Tally::default();
        let result = run::issue_all(&self.out, &checked, &mut settlement, &mut tally, &bar);
        bar.finish_and_clear();
        result.map_err(|failure| self.explain(failure))?;
        tally.took = start.elapsed();
        let report = Report {
            screen,
            out: &self.out,
            checked: &checked,
            settlement: &settlement,
            tally: &tally,
            sheet: sheet.as_deref(),
        };
        report.tell()
    }

    fn sheet(&self, issuer: &IssuerId) -> Result<Option<Arc<Sheet>>> {
        let (Some(table), Some(template)) = (&self.csv, &self.template) else {
            return Ok(None);
        };
        let wanted = Wanted {
            table,
            template,
            delimiter: self.delimiter,
            name_column: self.name_column.as_deref(),
        };
        Ok(Some(Arc::new(Sheet::open(&wanted, issuer)?)))
    }

    fn status_urls(&self, node: &Node) -> Result<StatusUrls> {
        Ok(match &self.status_url {
            _ if self.no_status => StatusUrls::Off,
            Some(url) => StatusUrls::One(url.clone()),
            None => {
                let members = node.members()?.members.into_iter();
                StatusUrls::OfMembers(members.filter_map(|one| Some((one.id, one.url?))).collect())
            }
        })
    }

    /// A run that stopped half-way says how to go on.
    fn explain(&self, mut failure: Failure) -> Failure {
        if failure.exit == Exit::Node {
            failure.message.push_str(&format!(
                "\n  what was sent is kept in {}; run the same command again to go on",
                self.out.display()
            ));
        }
        failure
    }
}

fn progress(screen: Screen) -> ProgressBar {
    if screen.hides_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let form = "{msg:26} [{bar:32}] {percent:>3} %  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
