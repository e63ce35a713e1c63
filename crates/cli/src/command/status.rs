//! `credlog revoke`, `suspend`, `reinstate` and `supersede`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use credlog_ledger::body::{Body, Reason, StatusChange};
use credlog_ledger::ids::{Digest, IssuerId, RecordId};
use credlog_ledger::rows::StatusChangeKind;
use credlog_verify::facts::Match;
use serde_json::json;

use crate::command::reason;
use crate::connection::{Ledger, Node, NodeArgs, Sent};
use crate::home::{IssuerHome, MemberHome};
use crate::keyfile::Passphrase;
use crate::moment;
use crate::outcome::{Exit, Failure, Result};
use crate::parallel;
use crate::screen::{Ink, NOTES_MAX, Screen, count};
use crate::statement::Signatory;
use crate::target::{self, Condition, Target, Unreadable};

/// Credentials in one record.
const DIGESTS_PER_RECORD: usize = 256;

/// What happens to the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// For good.
    Revoke,
    /// For now.
    Suspend,
    /// A suspension ends.
    Reinstate,
}

impl Change {
    fn done(self) -> &'static str {
        match self {
            Self::Revoke => "revoked",
            Self::Suspend => "suspended",
            Self::Reinstate => "reinstated",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Suspend => "suspend",
            Self::Reinstate => "reinstate",
        }
    }
}

/// Who acts.
#[derive(Debug, Args)]
#[group(id = "actor", required = true, multiple = false)]
struct Actor {
    /// Act as the issuer with this folder
    #[arg(long, value_name = "DIR")]
    issuer_home: Option<PathBuf>,
    /// Act as the accrediting member with this folder
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

impl Actor {
    fn signatory(
        &self,
        node: &Node,
        passphrase: &Passphrase,
    ) -> Result<(Signatory, Option<IssuerId>)> {
        match (&self.issuer_home, &self.home) {
            (Some(folder), _) => {
                let home = IssuerHome::open(folder)?;
                Ok((
                    node.issuer_signatory(&home, passphrase)?,
                    Some(home.id().clone()),
                ))
            }
            (None, Some(folder)) => {
                Ok((node.member(&MemberHome::open(folder)?, passphrase)?, None))
            }
            (None, None) => Err(Failure::usage("--issuer-home or --home is missing")),
        }
    }
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["targets", "csv"]))]
pub(crate) struct ChangeStatus {
    /// Credentials (JSON files), folders of them, or digests
    #[arg(value_name = "FILE|DIR|DIGEST")]
    targets: Vec<PathBuf>,
    /// Credentials of this table, such as issued.csv
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Only rows with this value; may be given several times
    #[arg(long = "where", value_name = "COLUMN=VALUE", requires = "csv")]
    conditions: Vec<Condition>,
    /// Why: unspecified, issued-in-error, superseded, holder-request, misconduct,
    /// key-compromise, accreditation-lost or other
    #[arg(long, value_parser = reason, default_value = "unspecified", hide_default_value = true)]
    reason: Reason,
    /// The issuer of the credentials, if a digest alone does not tell
    #[arg(long, value_name = "ID")]
    issuer: Option<IssuerId>,
    #[command(flatten)]
    actor: Actor,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    node: NodeArgs,
}

/// Replace a credential by another one of the same issuer
#[derive(Debug, Args)]
pub(crate) struct Supersede {
    /// The credential that ends: a file or a digest
    old: PathBuf,
    /// The credential that takes its place, issued before: a file or a digest
    #[arg(long = "by", value_name = "FILE|DIGEST")]
    new: PathBuf,
    /// Why
    #[arg(long, value_parser = reason, default_value = "superseded")]
    reason: Reason,
    /// The issuer of the credentials, if a digest alone does not tell
    #[arg(long, value_name = "ID")]
    issuer: Option<IssuerId>,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    node: NodeArgs,
}

/// A credential as the ledger knows it.
struct Known {
    target: Target,
    digest: Digest,
    found: Match,
}

/// What was found out about the credentials before anything is sent.
#[derive(Default)]
struct Plan {
    /// Digests by the issuer and, for reinstating, the suspension.
    groups: BTreeMap<(IssuerId, Option<RecordId>), Vec<Digest>>,
    already: Vec<String>,
    problems: Vec<String>,
}

impl ChangeStatus {
    pub(crate) fn run(
        self,
        change: Change,
        screen: Screen,
        passphrase: &Passphrase,
    ) -> Result<Exit> {
        let mut targets = target::named(&self.targets)?;
        if let Some(csv) = &self.csv {
            targets.extend(target::rows(csv, &self.conditions)?);
        }
        let node = self.node.connect(screen)?;
        let (signatory, own) = self.actor.signatory(&node, passphrase)?;
        let issuer = self.issuer.as_ref().or(own.as_ref());
        let plan = self.plan(change, &node, &targets, issuer)?;
        if !plan.problems.is_empty() {
            return Err(self.impossible(change, screen, &plan));
        }
        let number = plan.groups.values().map(Vec::len).sum();
        self.confirm(change, number)?;
        let results = self.send(change, &node, &signatory, &plan)?;
        report(screen, change, self.reason, &plan, &results)
    }

    /// All or nothing: says what stands in the way.
    fn impossible(&self, change: Change, screen: Screen, plan: &Plan) -> Failure {
        let verb = change.verb();
        let problems = plan.problems.iter();
        screen.notes(problems.map(|problem| format!("cannot {verb}: {problem}")));
        let answer = json!({
            "changed": 0, "refused": 0, "reason": self.reason, "already": plan.already,
            "notChanged": plan.problems, "records": [],
        });
        if screen.is_json()
            && let Err(failure) = screen.answer(&answer, "")
        {
            return failure;
        }
        let number = count(plan.problems.len(), "credential");
        Failure::new(
            Exit::Refused,
            format!("nothing was sent: {number} cannot be {}", change.done()),
        )
    }

    /// Asks the ledger about every credential.
    fn plan(
        &self,
        change: Change,
        node: &Node,
        targets: &[Target],
        issuer: Option<&IssuerId>,
    ) -> Result<Plan> {
        let mut plan = Plan::default();
        for known in parallel::map(targets, |target| look_up(node, target, issuer)) {
            match known? {
                Err(problem) => plan.problems.push(problem),
                Ok(known) => plan.add(change, &known),
            }
        }
        for digests in plan.groups.values_mut() {
            digests.sort_unstable();
            digests.dedup();
        }
        Ok(plan)
    }

    /// Asks before many credentials change, when somebody is there to ask.
    fn confirm(&self, change: Change, number: usize) -> Result<()> {
        if self.yes || number < 2 || !std::io::stdin().is_terminal() {
            return Ok(());
        }
        let finality = if change == Change::Revoke {
            " This is final."
        } else {
            ""
        };
        let question = format!(
            "{} will be {}.{finality} Go on? [y/N] ",
            count(number, "credential"),
            change.done()
        );
        std::io::stderr().write_all(question.as_bytes())?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::new(Exit::Interrupted, "nothing was changed")),
        }
    }

    fn send(
        &self,
        change: Change,
        node: &Node,
        signatory: &Signatory,
        plan: &Plan,
    ) -> Result<Vec<(RecordId, Vec<Digest>, Sent)>> {
        let mut records = Vec::new();
        for ((issuer, suspension), digests) in &plan.groups {
            for digests in digests.chunks(DIGESTS_PER_RECORD) {
                let body = self.body(change, issuer, *suspension, digests)?;
                records.push((signatory.sign(body)?, digests.to_vec()));
            }
        }
        let mut results = Vec::new();
        for group in records.chunks(DIGESTS_PER_RECORD) {
            let encoded: Vec<_> = group.iter().map(|(record, _)| record).collect();
            for ((record, digests), sent) in group.iter().zip(node.submit(&encoded)?) {
                results.push((record.id(), digests.clone(), sent));
            }
        }
        Ok(results)
    }

    fn body(
        &self,
        change: Change,
        issuer: &IssuerId,
        suspension: Option<RecordId>,
        digests: &[Digest],
    ) -> Result<Body> {
        let status = StatusChange {
            issuer: issuer.clone(),
            digests: digests.to_vec(),
            reason: self.reason,
        };
        match (change, suspension) {
            (Change::Revoke, _) => Ok(Body::Revoke(status)),
            (Change::Suspend, _) => Ok(Body::Suspend(status)),
            (Change::Reinstate, Some(suspension)) => Ok(Body::Reinstate {
                issuer: status.issuer,
                suspension,
                digests: status.digests,
                reason: status.reason,
            }),
            (Change::Reinstate, None) => Err(Failure::input("the suspension is not known")),
        }
    }
}

impl Plan {
    fn add(&mut self, change: Change, known: &Known) {
        let last = known.found.history.last();
        let state = last.map(|event| event.change);
        let name = known.target.to_string();
        let key = |suspension| (known.found.issuer.clone(), suspension);
        match (change, state) {
            (
                Change::Revoke,
                Some(StatusChangeKind::Revoked | StatusChangeKind::Superseded { .. }),
            ) => {
                self.already.push(format!("{name} is revoked already"));
            }
            (Change::Suspend, Some(StatusChangeKind::Suspended)) => {
                self.already.push(format!("{name} is suspended already"));
            }
            (Change::Reinstate, None | Some(StatusChangeKind::Reinstated)) => {
                self.already.push(format!("{name} is not suspended"));
            }
            (_, Some(StatusChangeKind::Revoked | StatusChangeKind::Superseded { .. })) => {
                self.problems
                    .push(format!("{name} is revoked, which is final"));
            }
            (Change::Reinstate, Some(StatusChangeKind::Suspended)) => {
                let suspension = last.map(|event| event.record_id);
                self.groups
                    .entry(key(suspension))
                    .or_default()
                    .push(known.digest);
            }
            (Change::Revoke | Change::Suspend, _) => {
                self.groups.entry(key(None)).or_default().push(known.digest);
            }
        }
    }
}

/// Finds a credential on the ledger; the inner error is a problem of this credential.
fn look_up(
    node: &Node,
    target: &Target,
    issuer: Option<&IssuerId>,
) -> Result<std::result::Result<Known, String>> {
    let (digest, named) = match target {
        Target::Digest(digest) => (*digest, None),
        Target::File(path) => match target::read(path) {
            Ok(credential) => {
                let issuer = credlog_verify::issuer_of(&credential);
                (credlog_verify::digest_of(&credential), issuer)
            }
            Err(Unreadable::File(failure)) => return Err(failure),
            Err(Unreadable::NoCredential { reason, .. }) => {
                return Ok(Err(format!("{target} is no credential: {reason}")));
            }
        },
    };
    let issuer = issuer.cloned().or(named);
    let facts = node.facts(&digest, issuer.as_ref())?;
    let mut found = facts.matches.into_iter().filter(|one| match &issuer {
        Some(issuer) => one.issuer == *issuer,
        None => true,
    });
    Ok(match (found.next(), found.next()) {
        (Some(found), None) => Ok(Known {
            target: target.clone(),
            digest,
            found,
        }),
        (Some(_), Some(_)) => Err(format!(
            "{target} was issued by several issuers; give --issuer"
        )),
        (None, _) => Err(format!(
            "{target} was not issued on this ledger{}",
            issuer.map(|id| format!(" by {id}")).unwrap_or_default()
        )),
    })
}

fn report(
    screen: Screen,
    change: Change,
    reason: Reason,
    plan: &Plan,
    results: &[(RecordId, Vec<Digest>, Sent)],
) -> Result<Exit> {
    let mut done = 0;
    let mut since = None;
    let mut refused = 0;
    let mut answers = Vec::new();
    for (record, digests, sent) in results {
        match sent {
            Sent::Committed(committed) => {
                done += digests.len();
                since = Some(committed.time);
                answers.push(json!({
                    "record": record, "digests": digests, "leaf": committed.leaf,
                    "time": moment::rfc3339(committed.time),
                }));
            }
            Sent::Refused(refusal) => {
                refused += digests.len();
                screen.note(format!(
                    "refused by the ledger: {} ({})",
                    refusal.reason, refusal.code
                ));
                answers.push(json!({
                    "record": record, "digests": digests,
                    "refused": {"code": refusal.code, "reason": refusal.reason},
                }));
            }
        }
    }
    let mut lines = Vec::new();
    if let Some(time) = since {
        lines.push(format!(
            "{} {} ({reason}), since {}.",
            count(done, "credential"),
            screen.ink(Ink::Bold, change.done()),
            moment::shown(time)
        ));
    }
    lines.extend(
        plan.already
            .iter()
            .take(NOTES_MAX)
            .map(|one| format!("{one}.")),
    );
    if plan.already.len() > NOTES_MAX {
        lines.push(format!("And {} more.", plan.already.len() - NOTES_MAX));
    }
    let answer = json!({
        "changed": done, "refused": refused, "reason": reason,
        "already": plan.already, "notChanged": [], "records": answers,
    });
    screen.answer(&answer, lines.join("\n"))?;
    Ok(match (refused, done) {
        (0, _) => Exit::Done,
        (_, 0) => Exit::Refused,
        _ => Exit::Partly,
    })
}

impl Supersede {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let targets = target::named(&[self.old.clone(), self.new.clone()])?;
        let [old, new] = targets.as_slice() else {
            return Err(Failure::usage("name two credentials, not folders"));
        };
        let node = self.node.connect(screen)?;
        let (signatory, own) = self.actor.signatory(&node, passphrase)?;
        let issuer = self.issuer.as_ref().or(own.as_ref());
        let find = |target| -> Result<Known> {
            look_up(&node, target, issuer)?.map_err(|text| Failure::new(Exit::Refused, text))
        };
        let (old, new) = (find(old)?, find(new)?);
        if old.found.issuer != new.found.issuer {
            return Err(Failure::input(format!(
                "the credentials are of different issuers, {} and {}",
                old.found.issuer, new.found.issuer
            )));
        }
        let record = signatory.sign(Body::Supersede {
            issuer: old.found.issuer,
            old: old.digest,
            new: new.digest,
            reason: self.reason,
        })?;
        let committed = node.commit(&record)?;
        let lines = format!(
            "{} is {} by {}, since {}.",
            old.target,
            screen.ink(Ink::Bold, "superseded"),
            new.target,
            moment::shown(committed.time)
        );
        let answer = json!({
            "old": old.digest, "new": new.digest, "reason": self.reason,
            "record": record.id(), "time": moment::rfc3339(committed.time),
        });
        screen.answer(&answer, lines)
    }
}
