//! `credlog accreditation amend` and `withdraw`.

use clap::Args;
use credlog_ledger::body::{Body, Reason};
use credlog_ledger::ids::{IssuerId, UnixMillis};
use serde_json::json;

use super::{MemberArgs, scope, scope_text};
use crate::command::reason;
use crate::connection::Ledger;
use crate::home::MemberHome;
use crate::keyfile::Passphrase;
use crate::moment;
use crate::outcome::{Failure, Result};
use crate::screen::Screen;

/// Change scope and end of an accreditation, as the member that granted it
#[derive(Debug, Args)]
pub(crate) struct Amend {
    /// Id of the issuer
    #[arg(long, value_name = "ID")]
    issuer: IssuerId,
    /// The new scope: `all`, or the ids of achievements
    #[arg(long, required = true, num_args = 1.., value_name = "all|ACHIEVEMENT")]
    scope: Vec<String>,
    /// The new end; without it the accreditation has none
    #[arg(long, value_name = "TIME", value_parser = moment::parse_millis)]
    until: Option<UnixMillis>,
    #[command(flatten)]
    member: MemberArgs,
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
        let node = self.member.node.connect()?;
        let record = node
            .member(&home, passphrase)?
            .sign(Body::AmendAccreditation {
                issuer: self.issuer.clone(),
                scope: scope.clone(),
                until: self.until,
            })?;
        let committed = node.commit(&record)?;
        let lines = format!(
            "The accreditation of {} is now for {}{}, since {}.",
            self.issuer,
            scope_text(&scope),
            self.until
                .map(|time| format!(" until {}", moment::shown(time)))
                .unwrap_or_default(),
            moment::shown(committed.time),
        );
        let answer = json!({
            "issuer": self.issuer,
            "scope": scope,
            "until": self.until.map(moment::rfc3339),
            "time": moment::rfc3339(committed.time),
            "record": record.id(),
        });
        screen.answer(&answer, lines)
    }
}

/// The ledger reads a time before the seal as the seal's (rule R6).
const AT_ONCE: UnixMillis = UnixMillis(0);

impl Withdraw {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let home = MemberHome::open(&self.member.home)?;
        let node = self.member.node.connect()?;
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
