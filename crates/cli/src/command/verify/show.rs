//! Verdicts for people: every check of a few credentials, a table of many.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use credlog_api::Verdict;
use credlog_ledger::ids::AchievementId;
use credlog_verify::{
    Check, CheckName, CredentialSummary, Outcome, PresentationVerdict, Registered, Summary,
};
use serde_json::{Map, Value, json};

use super::check::Finding;
use crate::screen::{Ink, Screen, count, grouped, shown, wrap};
use crate::table::Table;

/// Up to this many credentials every check is shown.
const DETAILED_MAX: usize = 4;
/// Fewer targets than this are verified in no time worth telling.
const RATE_MIN: u64 = 100;
/// Columns of a line of text.
const WIDTH: usize = 96;

/// How findings are shown, and how many there were of each kind.
pub(super) struct Tally {
    screen: Screen,
    detailed: bool,
    is_one: bool,
    counts: BTreeMap<Summary, u64>,
}

impl Tally {
    /// For so many targets, if it is known how many there are.
    pub(super) fn new(screen: Screen, targets: Option<usize>, details: bool) -> Self {
        Self {
            screen,
            detailed: details || targets.is_some_and(|number| number <= DETAILED_MAX),
            is_one: targets == Some(1),
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn count(&mut self, summary: Summary) {
        *self.counts.entry(summary).or_default() += 1;
    }

    pub(super) fn is_one(&self) -> bool {
        self.is_one
    }

    /// Findings for people; the first ones come with a head.
    pub(super) fn text(&self, findings: &[(String, Finding)], is_first: bool) -> String {
        if self.detailed {
            let shown: Vec<_> = findings
                .iter()
                .map(|(name, finding)| detailed(self.screen, name, finding))
                .collect();
            let gap = if is_first { "" } else { "\n" };
            return format!("{gap}{}", shown.join("\n\n"));
        }
        let mut table = Table::new(&["verdict", "credential", "achievement", "issuer"]);
        for (name, finding) in with_parts(findings) {
            let (title, issuer) = match &*finding {
                Finding::Judged(verdict) => names(verdict).unwrap_or_default(),
                Finding::Presented(verdict) => presented(verdict),
                Finding::NoCredential { .. } => ("not a credential".to_owned(), String::new()),
                Finding::Refused(_) => ("not a good receipt".to_owned(), String::new()),
                // Nothing else says why.
                Finding::Unchecked(failure) => (failure.message.clone(), String::new()),
            };
            table.row([
                words(finding.summary()).to_owned(),
                shown(&name),
                shown(&title),
                shown(&issuer),
            ]);
        }
        let text = table.text("");
        match text.split_once('\n') {
            Some((_, rows)) if !is_first => rows.to_owned(),
            _ => text,
        }
    }

    /// How many there were of each kind, and how fast that went.
    pub(super) fn end(&self, took: Duration) -> String {
        let counts = self.counts.iter().rev().map(|(summary, count)| {
            let text = format!("{} {}", grouped(*count), words(*summary));
            self.screen.ink(ink(*summary), &text)
        });
        let mut text = counts.collect::<Vec<_>>().join(", ");
        let number: u64 = self.counts.values().sum();
        let seconds = took.as_secs_f64();
        if number >= RATE_MIN && seconds > 0.0 {
            let rate = number as f64 / seconds;
            text.push_str(&format!(" in {seconds:.1} s ({rate:.0} a second)"));
        }
        text
    }

    /// The same for programs.
    pub(super) fn json(&self, took: Duration) -> Value {
        let counts = self.counts.iter();
        let counts: Map<_, _> = counts
            .map(|(summary, count)| (summary.as_str().to_owned(), json!(count)))
            .collect();
        json!({"summaries": counts, "seconds": took.as_secs_f64()})
    }
}

/// A finding with every check.
pub(crate) fn detailed(screen: Screen, name: &str, finding: &Finding) -> String {
    let summary = finding.summary();
    let word = match finding {
        Finding::Refused(_) => "refused",
        _ => words(summary),
    };
    let head = screen.ink(ink(summary), &word.to_uppercase());
    let mut lines = vec![format!("{head}  {}", shown(name))];
    match finding {
        Finding::NoCredential { reason, problem } => {
            lines.push(wrap(
                &format!("This is no credential: {}.", shown(reason)),
                WIDTH,
                2,
            ));
            lines.push(format!("  {}", screen.ink(Ink::Dim, problem)));
        }
        Finding::Refused(refusal) => {
            let text = format!("Refused ({}): {}.", refusal.code, refusal.reason);
            lines.push(wrap(&shown(&text), WIDTH, 2));
        }
        Finding::Unchecked(failure) => lines.push(wrap(
            &format!("It could not be checked: {}.", shown(&failure.message)),
            WIDTH,
            2,
        )),
        Finding::Judged(verdict) => lines.extend(judged(screen, verdict)),
        Finding::Presented(verdict) => {
            lines.push(wrap(&shown(&verdict.headline), WIDTH, 2));
            lines.extend(verdict.checks.iter().map(|check| check_line(screen, check)));
            let parts = finding.parts(name);
            lines.extend(
                parts
                    .iter()
                    .map(|(name, part)| detailed(screen, name, part)),
            );
        }
    }
    lines.join("\n")
}

/// Findings, with those of the credentials inside of a presentation after it.
pub(super) fn with_parts(findings: &[(String, Finding)]) -> Vec<(String, Cow<'_, Finding>)> {
    let mut all = Vec::new();
    for (name, finding) in findings {
        all.push((name.clone(), Cow::Borrowed(finding)));
        let parts = finding.parts(name).into_iter();
        all.extend(parts.map(|(name, part)| (name, Cow::Owned(part))));
    }
    all
}

/// What a presentation is called in a table: what it holds, and who shows it.
pub(super) fn presented(verdict: &PresentationVerdict) -> (String, String) {
    let title = format!(
        "presentation of {}",
        count(verdict.credentials.len(), "credential")
    );
    (title, verdict.holder.clone().unwrap_or_default())
}

fn judged(screen: Screen, verdict: &Verdict) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some((title, issuer)) = names(verdict) {
        let text = format!("{}, by {}", shown(&title), shown(&issuer));
        lines.push(format!("  {}", screen.ink(Ink::Bold, &text)));
    }
    lines.push(wrap(&shown(&verdict.headline), WIDTH, 2));
    lines.extend(verdict.checks.iter().map(|check| check_line(screen, check)));
    if !verdict.links.is_empty() {
        lines.push("    the proof, link by link".to_owned());
    }
    for link in &verdict.links {
        let name = format!("{:24}", link.name.spoken());
        let shows = wrap(&shown(&link.shows), WIDTH, 30);
        lines.push(format!("    · {name}{}", shows.trim_start()));
    }
    let point = &verdict.ledger;
    let asked = verdict
        .at
        .map(|at| format!("as of {}; ", at.spoken()))
        .unwrap_or_default();
    let text = format!(
        "  {asked}ledger {} at height {}, {}; digest {}",
        point.origin,
        grouped(point.height.0),
        point.as_of.spoken(),
        verdict.digest
    );
    lines.push(screen.ink(Ink::Dim, &text));
    lines
}

fn check_line(screen: Screen, check: &Check) -> String {
    let (mark, color) = match check.outcome {
        Outcome::Yes => ("✓", Ink::Green),
        Outcome::No if check.amounts_to == Summary::Valid => ("–", Ink::Yellow),
        Outcome::No => ("✗", Ink::Red),
        Outcome::Unknown => ("?", Ink::Yellow),
    };
    let name = format!("{:24}", label(check.name));
    let reason = wrap(&shown(&check.reason), WIDTH, 30);
    format!(
        "    {} {name}{}",
        screen.ink(color, mark),
        reason.trim_start()
    )
}

fn label(name: CheckName) -> &'static str {
    match name {
        CheckName::Proof => "proof",
        CheckName::Issuer => "issuer",
        CheckName::AccreditationAtIssue => "accredited when issued",
        CheckName::AccreditationNow => "accredited now",
        CheckName::Anchored => "anchored",
        CheckName::Status => "status",
        CheckName::StatusList => "status list",
        CheckName::Validity => "validity",
        CheckName::Holder => "holder",
        CheckName::MemberSetCurrency => "members in force",
        other => other.as_str(),
    }
}

/// What is awarded and by whom: as the ledger calls them, for whoever wrote the credential chose
/// the names in it. Those are for what the ledger has no name for. A digest alone has the
/// ledger's names or none.
pub(super) fn names(verdict: &Verdict) -> Option<(String, String)> {
    let registered = &verdict.registered;
    let issuer = registered.issuer_name.as_ref().map(ToString::to_string);
    let Some(credential) = &verdict.credential else {
        return Some((awarded(registered)?, issuer?));
    };
    let claimed = || {
        credential
            .issuer_name
            .as_ref()
            .unwrap_or(&credential.issuer)
    };
    let recorded = registered.achievement.as_ref().map(AchievementId::as_str);
    let title = match (recorded, credential.achievement.as_deref()) {
        (None, _) | (_, None) => title(credential),
        (Some(recorded), Some(own)) if recorded == own => match &registered.achievement_name {
            Some(name) => name.to_string(),
            None => format!("{} ({own})", title(credential)),
        },
        (Some(_), Some(own)) => format!("{} ({own})", title(credential)),
    };
    Some((title, issuer.unwrap_or_else(|| claimed().clone())))
}

/// The achievement of the Issue record.
fn awarded(registered: &Registered) -> Option<String> {
    let name = registered.achievement_name.as_ref();
    name.map(ToString::to_string)
        .or_else(|| registered.achievement.as_ref().map(ToString::to_string))
}

fn title(credential: &CredentialSummary) -> String {
    let name = credential
        .achievement_name
        .as_ref()
        .or(credential.name.as_ref());
    let kind = credential
        .types
        .iter()
        .find(|one| *one != "VerifiableCredential");
    name.or(kind)
        .cloned()
        .unwrap_or_else(|| "A credential without a name".to_owned())
}

fn words(summary: Summary) -> &'static str {
    match summary {
        Summary::NotYetValid => "not yet valid",
        Summary::NotAnchored => "not anchored",
        other => other.as_str(),
    }
}

fn ink(summary: Summary) -> Ink {
    match summary {
        Summary::Valid => Ink::Green,
        Summary::NotAnchored | Summary::Unknown => Ink::Yellow,
        _ => Ink::Red,
    }
}
