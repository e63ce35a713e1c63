//! What a run did, for people and for programs.

use std::path::Path;

use serde_json::{Value, json};

use super::journal::Row;
use super::run::Tally;
use super::settle::Settlement;
use super::sheet::Sheet;
use super::source::Checked;
use crate::outcome::{Exit, Result};
use crate::screen::{Ink, NOTES_MAX, Screen, count, grouped, shown};

/// Fewer credentials than this are issued in no time worth telling.
const RATE_MIN: usize = 100;

/// What a run did.
pub(super) struct Report<'a> {
    pub(super) screen: Screen,
    pub(super) out: &'a Path,
    pub(super) checked: &'a Checked,
    pub(super) settlement: &'a Settlement<'a>,
    pub(super) tally: &'a Tally,
    /// The table that was issued from.
    pub(super) sheet: Option<&'a Sheet>,
}

impl Report<'_> {
    /// Tells it; answers with how the command ends.
    pub(super) fn tell(&self) -> Result<Exit> {
        self.notes();
        let settlement = self.settlement;
        // With many credentials the answer alone would fill the memory.
        let answer = match self.screen.is_json() {
            true => self.answer(),
            false => Value::Null,
        };
        self.screen.answer(&answer, self.lines())?;
        let by_the_ledger = settlement
            .left_out
            .iter()
            .any(|one| one.exit == Exit::Refused)
            || !settlement.refused.is_empty();
        Ok(
            match (
                settlement.failed(),
                self.issued() + self.tally.issued_before,
            ) {
                (0, _) => Exit::Done,
                (_, 0) if by_the_ledger => Exit::Refused,
                (_, 0) => Exit::Input,
                _ => Exit::Partly,
            },
        )
    }

    fn issued(&self) -> usize {
        self.tally.issued + self.tally.finished_from_before
    }

    fn notes(&self) {
        let (screen, settlement) = (self.screen, self.settlement);
        let replaced = self.tally.replaced.iter();
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
    }

    fn answer(&self) -> Value {
        let settlement = self.settlement;
        let messages: Vec<_> = settlement.left_out.iter().map(|one| &one.message).collect();
        let mut answer = json!({
            "issued": self.issued(),
            "issuedBefore": self.tally.issued_before,
            "seconds": self.tally.took.as_secs_f64(),
            "copies": self.checked.copies.iter().map(|(copy, first)| json!({
                "file": copy, "sameAs": first,
            })).collect::<Vec<_>>(),
            "replaced": self.tally.replaced,
            "notIssued": messages,
            "refused": settlement.refused.iter().map(|one| json!({
                "files": one.files, "code": one.refusal.code, "reason": one.refusal.reason,
            })).collect::<Vec<_>>(),
            "withoutStatus": settlement.outlook.members_without_url(),
            "listsOpened": settlement.positions.opened,
            "out": self.out,
        });
        match self.sheet {
            // issued.csv has them.
            Some(sheet) => answer["unusedColumns"] = json!(sheet.unused_columns()),
            None => answer["credentials"] = json!(self.rows()),
        }
        answer
    }

    fn rows(&self) -> Vec<&Row> {
        let sources = self.checked.sources.iter();
        sources
            .filter_map(|source| self.settlement.journal.issued(&source.digest))
            .collect()
    }

    fn lines(&self) -> String {
        let (screen, tally) = (self.screen, self.tally);
        let (issued, failed) = (self.issued(), self.settlement.failed());
        let head = format!("{} issued.", count(issued, "credential"));
        let mut lines = screen.ink(Ink::Bold, &head);
        let seconds = tally.took.as_secs_f64();
        if tally.issued >= RATE_MIN && seconds > 0.0 {
            let rate = tally.issued as f64 / seconds;
            lines.push_str(&format!(" That took {seconds:.1} s: {rate:.0} a second."));
        }
        if tally.finished_from_before > 0 {
            let from = grouped(tally.finished_from_before as u64);
            lines.push_str(&format!(" {from} of them finish an earlier run."));
        }
        if tally.issued_before > 0 {
            let before = count(tally.issued_before, "credential");
            lines.push_str(&format!("\n{before} had been issued before."));
        }
        let copies = &self.checked.copies;
        for (copy, first) in copies.iter().take(NOTES_MAX) {
            lines.push_str(&format!("\n{copy} is the same as {first}."));
        }
        if copies.len() > NOTES_MAX {
            let more = copies.len() - NOTES_MAX;
            lines.push_str(&format!("\nAnd {more} more that are the same as another."));
        }
        if failed > 0 {
            let text = format!("{} not issued.", count_were(failed, "credential"));
            lines.push_str(&format!("\n{}", screen.ink(Ink::Red, &text)));
        }
        lines.extend(self.without_status(issued));
        let unused = self.sheet.map(Sheet::unused_columns).unwrap_or_default();
        if !unused.is_empty() {
            let unused = shown(&unused.join(", "));
            lines.push_str(&format!("\nThe template does not use: {unused}."));
        }
        if issued + tally.issued_before > 0 {
            let out = self.out.display();
            lines.push_str(&format!("\nSigned files and issued.csv are in {out}."));
        }
        lines
    }

    fn without_status(&self, issued: usize) -> Option<String> {
        let members = self.settlement.outlook.members_without_url();
        let members: Vec<_> = members.iter().map(|id| id.as_str()).collect();
        (issued > 0 && !members.is_empty()).then(|| {
            format!(
                "\nWhat was signed under the accreditation of {} names no status list: the ledger \
                 has no address\nof that member's node (`credlog init --url`, `member propose \
                 replace-keys`), and no --status-url was given.",
                members.join(", ")
            )
        })
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
