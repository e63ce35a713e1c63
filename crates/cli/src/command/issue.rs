//! `credlog issue`: credentials are signed and anchored; nothing twice, nothing forgotten.

mod entries;
pub(crate) mod journal;
mod outlook;
mod pack;
mod positions;
mod prepare;
mod resume;
mod settle;
pub(crate) mod source;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use credlog_credential::Suite;
use credlog_ledger::ids::{AchievementId, WebUrl};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use self::entries::StatusUrls;
use self::journal::{Journal, Pending};
use self::outlook::Outlook;
use self::positions::Positions;
use self::prepare::Signer;
use self::settle::Settlement;
use self::source::{Checked, Source};
use crate::connection::{Node, NodeArgs};
use crate::home::IssuerHome;
use crate::keyfile::{self, Passphrase};
use crate::outcome::{Exit, Failure, Result};
use crate::parallel;
use crate::screen::{Ink, NOTES_MAX, Screen, count, grouped};

/// Credentials that are signed before they are sent.
const WINDOW: usize = 1_024;

/// Issue credentials: sign those that are unsigned, anchor all of them
///
/// Credentials that this issuer's key signed already are anchored as they are. What would not
/// be valid once it is issued is left out. The signed files and issued.csv go to the output
/// folder. After a crash or Ctrl-C run the same command again: nothing is issued twice, nothing
/// is forgotten.
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    /// Credentials (JSON files), or folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
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
    #[arg(long, default_value = "eddsa-rdfc-2022", value_parser = suite)]
    suite: Suite,
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

fn suite(name: &str) -> std::result::Result<Suite, String> {
    Suite::named(name).ok_or_else(|| {
        let known: Vec<_> = Suite::ALL.iter().map(|suite| suite.name()).collect();
        format!("{name:?} is not known; known are {}", known.join(", "))
    })
}

/// What a run did.
#[derive(Debug, Default)]
struct Tally {
    issued_before: usize,
    finished_from_before: usize,
    issued: usize,
    /// Files whose former content was signed by an earlier run and will never be issued.
    replaced: Vec<String>,
}

impl IssueArgs {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<Exit> {
        let home = IssuerHome::open(&self.issuer_home)?;
        let paths = source::find(&self.paths)?;
        let checked = source::check(&paths, home.id(), self.achievement.as_ref())?;
        let journal = Journal::open(&self.out)?;
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
            achievement: self.achievement.clone(),
        };
        let bar = progress(screen);
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
        let result = self.issue_all(&checked, &mut settlement, &mut tally, &bar);
        bar.finish_and_clear();
        result.map_err(|failure| self.explain(failure))?;
        self.report(screen, &checked, &settlement, &tally)
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

    fn issue_all(
        &self,
        checked: &Checked,
        settlement: &mut Settlement<'_>,
        tally: &mut Tally,
        bar: &ProgressBar,
    ) -> Result<()> {
        // Records of an earlier run come first: the ledger may hold them.
        let pending = settlement.journal.pending()?;
        for one in &pending {
            self.check_ours(one, settlement)?;
        }
        // What is left out on the way is reported there, and not taken up again.
        let mut left_sources: HashSet<_> = pending
            .iter()
            .flat_map(|one| &one.credentials)
            .map(|one| one.source)
            .collect();
        let (pending, forgotten) = settlement.drop_changed(pending, &checked.sources)?;
        for one in forgotten {
            left_sources.remove(&one.source);
            tally.replaced.push(one.file);
        }
        let left: usize = pending.iter().map(|one| one.credentials.len()).sum();
        bar.set_message("finishing an earlier run");
        let before = settlement.failed();
        settlement.settle(pending, &mut |_| {})?;
        tally.finished_from_before = left - (settlement.failed() - before);
        let todo = self.todo(checked, settlement, &left_sources)?;
        let done = checked
            .sources
            .iter()
            .filter(|one| settlement.journal.issued(&one.digest).is_some());
        tally.issued_before = done
            .filter(|one| !left_sources.contains(&one.digest))
            .count();
        // A credential counts once when it is signed and once when it is anchored.
        bar.set_length(2 * todo.len() as u64);
        for window in todo.chunks(WINDOW) {
            bar.set_message("signing");
            let mut prepared = Vec::new();
            let places = settlement.positions.take(window.len())?;
            let placed: Vec<_> = window.iter().copied().zip(places).collect();
            let (signer, outlook) = (settlement.signer, &settlement.outlook);
            let results = parallel::map(&placed, |(source, place)| {
                let result = signer.prepare(source, *place, outlook);
                bar.inc(1);
                result
            });
            for result in results {
                match result {
                    Ok(one) => prepared.push(one),
                    Err(failure) => {
                        bar.inc(1);
                        settlement.left_out.push(failure);
                    }
                }
            }
            bar.set_message("anchoring");
            let number = prepared.len();
            let before = settlement.failed();
            let pending = settlement.begin(pack::pack(prepared))?;
            settlement.settle(pending, &mut |count| bar.inc(count as u64))?;
            tally.issued += number - (settlement.failed() - before);
        }
        Ok(())
    }

    /// An unfinished run can only be finished by the same issuer on the same ledger.
    fn check_ours(&self, pending: &Pending, settlement: &Settlement<'_>) -> Result<()> {
        let record = pending.record.record();
        let signatory = settlement.signatory;
        if record.author.id == signatory.author && record.ledger == signatory.ledger {
            return Ok(());
        }
        Err(Failure::input(format!(
            "{} holds an unfinished run by {} on ledger {}; finish that one first, or choose \
             another --out",
            self.out.display(),
            record.author.id,
            record.ledger
        )))
    }

    /// What is neither issued nor under way, and whose file may be written.
    fn todo<'s>(
        &self,
        checked: &'s Checked,
        settlement: &Settlement<'_>,
        left: &HashSet<credlog_ledger::ids::Digest>,
    ) -> Result<Vec<&'s Source>> {
        let mut todo = Vec::new();
        for source in &checked.sources {
            if settlement.journal.issued(&source.digest).is_some() || left.contains(&source.digest)
            {
                continue;
            }
            if !settlement.journal.has_room_for(&source.file) {
                return Err(Failure::input(format!(
                    "{} is there already and was not issued from {}; choose another --out, or \
                     move the file away",
                    self.out.join(&source.file).display(),
                    source.path.display()
                )));
            }
            todo.push(source);
        }
        Ok(todo)
    }

    fn report(
        &self,
        screen: Screen,
        checked: &Checked,
        settlement: &Settlement<'_>,
        tally: &Tally,
    ) -> Result<Exit> {
        let issued = tally.issued + tally.finished_from_before;
        let replaced = tally.replaced.iter();
        screen.notes(replaced.map(|file| {
            format!(
                "{file} was signed by an earlier run with other content, which was never issued \
                 and is forgotten"
            )
        }));
        let left_out = settlement.left_out.iter();
        screen.notes(left_out.map(|failure| format!("not issued: {}", failure.message)));
        screen.notes(settlement.refused.iter().map(|one| {
            let (files, refusal) = (listed(&one.files), &one.refusal);
            format!(
                "refused by the ledger: {files} ({}): {}",
                refusal.code, refusal.reason
            )
        }));
        let rows: Vec<_> = checked
            .sources
            .iter()
            .filter_map(|source| settlement.journal.issued(&source.digest))
            .collect();
        let without_status = settlement.outlook.members_without_url();
        let messages: Vec<_> = settlement.left_out.iter().map(|one| &one.message).collect();
        let answer = json!({
            "issued": issued,
            "issuedBefore": tally.issued_before,
            "copies": checked.copies.iter().map(|(copy, first)| json!({
                "file": copy, "sameAs": first,
            })).collect::<Vec<_>>(),
            "replaced": tally.replaced,
            "notIssued": messages,
            "refused": settlement.refused.iter().map(|one| json!({
                "files": one.files, "code": one.refusal.code, "reason": one.refusal.reason,
            })).collect::<Vec<_>>(),
            "withoutStatus": without_status,
            "listsOpened": settlement.positions.opened,
            "out": self.out,
            "credentials": rows,
        });
        let failed = settlement.failed();
        let mut lines = self.lines(screen, checked, tally, issued, failed);
        if issued > 0 && !without_status.is_empty() {
            let members: Vec<_> = without_status.iter().map(|id| id.as_str()).collect();
            lines.push_str(&format!(
                "\nWhat was signed under the accreditation of {} names no status list, for the \
                 ledger has no address of that member's node (`credlog init --url`, `member \
                 propose replace-keys`; or give --status-url).",
                members.join(", ")
            ));
        }
        screen.answer(&answer, lines)?;
        let by_the_ledger = settlement
            .left_out
            .iter()
            .any(|one| one.exit == Exit::Refused)
            || !settlement.refused.is_empty();
        Ok(match (failed, issued + tally.issued_before) {
            (0, _) => Exit::Done,
            (_, 0) if by_the_ledger => Exit::Refused,
            (_, 0) => Exit::Input,
            _ => Exit::Partly,
        })
    }

    fn lines(
        &self,
        screen: Screen,
        checked: &Checked,
        tally: &Tally,
        issued: usize,
        failed: usize,
    ) -> String {
        let mut lines = screen.ink(
            Ink::Bold,
            &format!("{} issued.", count(issued, "credential")),
        );
        if tally.finished_from_before > 0 {
            let from = grouped(tally.finished_from_before as u64);
            lines.push_str(&format!(" {from} of them finish an earlier run."));
        }
        if tally.issued_before > 0 {
            let before = count(tally.issued_before, "credential");
            lines.push_str(&format!("\n{before} had been issued before."));
        }
        for (copy, first) in checked.copies.iter().take(NOTES_MAX) {
            lines.push_str(&format!(
                "\n{} is the same as {}.",
                copy.display(),
                first.display()
            ));
        }
        if checked.copies.len() > NOTES_MAX {
            let more = checked.copies.len() - NOTES_MAX;
            lines.push_str(&format!("\nAnd {more} more that are the same as another."));
        }
        if failed > 0 {
            let text = format!("{} not issued.", count_were(failed, "credential"));
            lines.push_str(&format!("\n{}", screen.ink(Ink::Red, &text)));
        }
        if issued + tally.issued_before > 0 {
            let out = self.out.display();
            lines.push_str(&format!("\nSigned files and issued.csv are in {out}."));
        }
        lines
    }
}

fn count_were(number: usize, noun: &str) -> String {
    let verb = if number == 1 { "was" } else { "were" };
    format!("{} {verb}", count(number, noun))
}

fn listed(files: &[String]) -> String {
    match files {
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => String::new(),
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
