//! `credlog accreditation amend` and `withdraw`.

use clap::Args;
use credlog_api::Time;
use credlog_ledger::body::{Body, Reason};
use credlog_ledger::ids::{IssuerId, MemberId, UnixMillis};
use credlog_verify::facts::AccreditationFacts;
use serde_json::json;

use crate::command::reason;
use crate::connection::{Ledger, MemberArgs, Node};
use crate::home::MemberHome;
use crate::keyfile::Passphrase;
use crate::moment;
use crate::outcome::{Failure, Result};
use crate::screen::Screen;
use crate::terms::{end_text, scope, scope_listed};

/// Change scope and end of an accreditation, as the member that granted it
#[derive(Debug, Args)]
pub(crate) struct Amend {
    /// Id of the issuer
    #[arg(long, value_name = "ID")]
    issuer: IssuerId,
    /// The new scope: `all`, or the ids of achievements
    #[arg(long, required = true, num_args = 1.., value_name = "all|ACHIEVEMENT")]
    scope: Vec<String>,
    /// The new end, or `never` [default: the present end stays]
    #[arg(long, value_name = "TIME|never", value_parser = end)]
    until: Option<End>,
    #[command(flatten)]
    member: MemberArgs,
}

/// When an accreditation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End(Option<UnixMillis>);

fn end(text: &str) -> std::result::Result<End, String> {
    match text {
        "never" => Ok(End(None)),
        time => moment::parse_millis(time).map(|time| End(Some(time))),
    }
}

/// End an accreditation, as the member that granted it
///
/// Credentials that were issued before stay valid; new ones are refused.
#[derive(Debug, Args)]
pub(crate) struct Withdraw {
    /// Id of the issuer
    #[arg(long, value_name = "ID")]
    issuer: IssuerId,
    /// From when; a time that has passed means at once [default: at once]
    #[arg(long, value_name = "TIME", value_parser = moment::parse_millis)]
    from: Option<UnixMillis>,
    /// Why
    #[arg(long, value_parser = reason, default_value = "unspecified")]
    reason: Reason,
    #[command(flatten)]
    member: MemberArgs,
}

impl Amend {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let home = MemberHome::open(&self.member.home)?;
        let scope = scope(&self.scope)?;
        let node = self.member.node.connect(screen)?;
        let signatory = node.member(&home, passphrase)?;
        let before = self.present(&node, &home.member.id)?;
        let end_before = before.until.map(|time| time.unix_millis());
        let until = self.until.map_or(end_before, |end| end.0);
        let record = signatory.sign(Body::AmendAccreditation {
            issuer: self.issuer.clone(),
            scope: scope.clone(),
            until,
        })?;
        let committed = node.commit(&record)?;
        let lines = format!(
            "The accreditation of {} by {}, since {}:\n  for   {}\n  ends  {}",
            self.issuer,
            home.member.id,
            moment::shown(committed.time),
            change(&scope_listed(&before.scope), &scope_listed(&scope)),
            change(&end_text(end_before), &end_text(until)),
        );
        let answer = json!({
            "issuer": self.issuer,
            "scope": scope,
            "until": until.map(moment::rfc3339),
            "before": {"scope": before.scope, "until": before.until},
            "time": moment::rfc3339(committed.time),
            "record": record.id(),
        });
        screen.answer(&answer, lines)
    }

    /// The accreditation as it is: the one in force, or else the last.
    fn present(&self, node: &Node, member: &MemberId) -> Result<AccreditationFacts> {
        let issuer = node.issuer(&self.issuer)?.ok_or_else(|| {
            Failure::input(format!("the ledger does not know issuer {}", self.issuer))
        })?;
        let now = Time::from(moment::now()).max(issuer.as_of);
        let own = |one: &AccreditationFacts| one.member == *member;
        let mut all: Vec<_> = issuer
            .issuer
            .accreditations
            .into_iter()
            .filter(own)
            .collect();
        let in_force = all.iter().rposition(|one| one.in_force_at(now));
        match in_force.or_else(|| all.len().checked_sub(1)) {
            Some(at) => Ok(all.swap_remove(at)),
            None => Err(Failure::input(format!(
                "{member} does not accredit {}; `credlog accreditation grant` does that",
                self.issuer
            ))),
        }
    }
}

/// `before → after`, or that it stays.
fn change(before: &str, after: &str) -> String {
    if before == after {
        return format!("{after} (as before)");
    }
    format!("{before} → {after}")
}

/// The ledger reads a time before the seal as the seal's (rule R6).
const AT_ONCE: UnixMillis = UnixMillis(0);

impl Withdraw {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let home = MemberHome::open(&self.member.home)?;
        let node = self.member.node.connect(screen)?;
        if node.issuer(&self.issuer)?.is_none() {
            return Err(Failure::input(format!(
                "the ledger does not know {}",
                self.issuer
            )));
        }
        let signatory = node.member(&home, passphrase)?;
        let from = self.from.unwrap_or(AT_ONCE);
        let record = signatory.sign(Body::WithdrawAccreditation {
            issuer: self.issuer.clone(),
            from,
            reason: self.reason,
        })?;
        let committed = node.commit(&record)?;
        let from = from.max(committed.time);
        let lines = format!(
            "The accreditation of {} by {} ends at {} ({}).",
            self.issuer,
            home.member.id,
            moment::shown(from),
            self.reason
        );
        let answer = json!({
            "issuer": self.issuer,
            "from": moment::rfc3339(from),
            "reason": self.reason,
            "time": moment::rfc3339(committed.time),
            "record": record.id(),
        });
        screen.answer(&answer, lines)
    }
}
