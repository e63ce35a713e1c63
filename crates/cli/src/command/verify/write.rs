//! Where verdicts go: a table for people, CSV for spreadsheets, lines of JSON for programs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use credlog_verify::{CheckName, Outcome};
use indicatif::ProgressBar;

use super::check::Finding;
use super::show::{self, Tally};
use crate::folder;
use crate::outcome::{During, Result};
use crate::screen::Screen;

/// A form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line a credential, for people
    Table,
    /// For spreadsheets
    Csv,
    /// A line of JSON a credential
    Ndjson,
}

impl Format {
    /// The form that a file's name asks for.
    pub(super) fn of_file(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Self::Csv,
            Some("ndjson" | "jsonl") => Self::Ndjson,
            _ => Self::Table,
        }
    }
}

/// The checks of a verdict, each a column.
const CHECKS: [CheckName; 8] = [
    CheckName::Proof,
    CheckName::Issuer,
    CheckName::AccreditationAtIssue,
    CheckName::AccreditationNow,
    CheckName::Anchored,
    CheckName::Status,
    CheckName::StatusList,
    CheckName::Validity,
];

/// Takes findings in order.
pub(super) struct Writer {
    screen: Screen,
    format: Format,
    out: Out,
    bar: ProgressBar,
    tally: Tally,
    is_begun: bool,
}

enum Out {
    Screen,
    File(NewFile),
}

/// A file that is there under its name only when it is whole.
struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<BufWriter<File>>,
}

impl NewFile {
    fn create(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let file = File::create(&temporary).during(|| path.display().to_string())?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
            file: Some(BufWriter::new(file)),
        })
    }

    fn line(&mut self, text: &str) -> Result<()> {
        match &mut self.file {
            Some(file) => writeln!(file, "{text}").during(|| self.path.display().to_string()),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<()> {
        let at = || self.path.display().to_string();
        if let Some(file) = self.file.take() {
            let file = file.into_inner().map_err(|error| error.into_error());
            file.and_then(|file| file.sync_all()).during(at)?;
            folder::name_whole(&self.temporary, &self.path)?;
        }
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // It is there no more if it got its name.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

impl Writer {
    pub(super) fn new(
        screen: Screen,
        format: Format,
        out: Option<&Path>,
        bar: ProgressBar,
        tally: Tally,
    ) -> Result<Self> {
        let out = match out {
            None => Out::Screen,
            Some(path) => Out::File(NewFile::create(path)?),
        };
        Ok(Self {
            screen,
            format,
            out,
            bar,
            tally,
            is_begun: false,
        })
    }

    /// Writes what became of some targets.
    pub(super) fn write(&mut self, findings: &[(String, Finding)]) -> Result<()> {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let text = match self.format {
            Format::Table => self.tally.text(findings, is_first),
            Format::Csv => csv_text(findings, is_first)?,
            Format::Ndjson => json_lines(findings)?,
        };
        for (_, finding) in findings {
            self.tally.count(finding.summary());
        }
        let text = text.trim_end_matches('\n');
        if text.is_empty() {
            return Ok(());
        }
        match &mut self.out {
            Out::File(file) => file.line(text),
            Out::Screen => self.bar.suspend(|| self.screen.out(text)),
        }
    }

    /// Ends the answer with how many there are of each kind.
    pub(super) fn end(mut self, took: Duration) -> Result<()> {
        self.bar.finish_and_clear();
        let summary = self.tally.end(took);
        match &mut self.out {
            Out::File(file) => {
                file.finish()?;
                let path = file.path.display().to_string();
                let mut answer = self.tally.json(took);
                answer["out"] = path.clone().into();
                let lines = format!("{summary}\nThe verdicts are in {path}.");
                self.screen.answer(&answer, lines.trim_start())
            }
            Out::Screen if self.tally.is_one() => Ok(()),
            Out::Screen if self.format == Format::Table => self.screen.line(format!("\n{summary}")),
            Out::Screen => {
                self.screen.note(summary);
                Ok(())
            }
        }
    }
}

fn json_lines(findings: &[(String, Finding)]) -> Result<String> {
    let mut text = String::new();
    for (name, finding) in findings {
        text.push_str(&serde_json::to_string(&finding.json(name))?);
        text.push('\n');
    }
    Ok(text)
}

fn csv_text(findings: &[(String, Finding)], with_head: bool) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if with_head {
        let fixed = [
            "target",
            "summary",
            "reason",
            "achievement",
            "issued_by",
            "digest",
        ];
        let checks = CHECKS.iter().map(|check| check.as_str());
        writer.write_record(fixed.into_iter().chain(checks))?;
    }
    for (name, finding) in show::with_parts(findings) {
        writer.write_record(cells(&name, &finding))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| crate::outcome::Failure::input(error.to_string()))?;
    Ok(String::from_utf8(bytes)?)
}

fn cells(name: &str, finding: &Finding) -> Vec<String> {
    let mut cells = vec![name.to_owned(), finding.summary().as_str().to_owned()];
    match finding {
        Finding::Judged(verdict) => {
            let (title, issuer) = show::names(verdict).unwrap_or_default();
            cells.extend([verdict.headline.clone(), title, issuer]);
            cells.push(verdict.digest.to_string());
            let outcome = |check: &CheckName| {
                let check = verdict.check(*check);
                check.map(|check| word(check.outcome).to_owned())
            };
            cells.extend(
                CHECKS
                    .iter()
                    .map(|check| outcome(check).unwrap_or_default()),
            );
        }
        Finding::Presented(verdict) => {
            let (title, holder) = show::presented(verdict);
            cells.extend([verdict.headline.clone(), title, holder]);
        }
        Finding::NoCredential { reason, .. } => {
            cells.push(format!("this is no credential: {reason}"));
        }
        Finding::Refused(refusal) => cells.push(refusal.to_string()),
        Finding::Unchecked(failure) => cells.push(failure.message.clone()),
    }
    cells.resize(6 + CHECKS.len(), String::new());
    cells.into_iter().map(harmless).collect()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Yes => "yes",
        Outcome::No => "no",
        Outcome::Unknown => "unknown",
    }
}

/// Spreadsheets take what begins with one of these for a formula; whoever wrote a credential chose
/// its names.
fn harmless(cell: String) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{cell}"),
        false => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Failure;

    #[test]
    fn formulas_of_others_are_text_in_a_spreadsheet() {
        let findings = [(
            "=1+1.json".to_owned(),
            Finding::Unchecked(Failure::input("@SUM(A1), \"quoted\"")),
        )];
        let text = csv_text(&findings, true).unwrap();
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(rows.headers().unwrap().len(), 6 + CHECKS.len());
        let row = rows.records().next().unwrap().unwrap();
        let cells: Vec<_> = row.iter().take(3).collect();
        assert_eq!(cells, ["'=1+1.json", "unknown", "'@SUM(A1), \"quoted\""]);
        assert!(!csv_text(&findings, false).unwrap().contains("summary"));
    }
}
