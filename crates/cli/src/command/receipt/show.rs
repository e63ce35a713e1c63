//! `credlog receipt show`: what a receipt says, in plain words.

use std::path::PathBuf;

use clap::Args;
use credlog_ledger::ids::UnixMillis;
use credlog_ledger::status::Status;
use credlog_verify::receipt::{Claims, ProvenCredential, Receipt};
use serde_json::{Value, json};

use crate::folder;
use crate::moment;
use crate::outcome::{During, Exit, Failure, Result};
use crate::screen::{Ink, Screen, count, grouped, shown};
use crate::target;

/// Explain a receipt in plain words
///
/// Its proofs are followed up to its checkpoint; who attests that, `credlog receipt verify` checks
/// with the genesis file.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A receipt (.receipt.json), or a credential with one stapled to it
    file: PathBuf,
}

impl ShowArgs {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let bytes = folder::read(&self.file)?;
        let at = || self.file.display().to_string();
        let receipt = match target::stapled(&bytes) {
            Some(receipt) => receipt,
            None => Receipt::parse(bytes.strip_suffix(b"\n").unwrap_or(&bytes)),
        };
        let refused = |error: credlog_verify::receipt::Refusal| {
            Failure::new(Exit::Negative, error.to_string())
        };
        let receipt = receipt.map_err(refused).during(at)?;
        let claims = receipt.claims().map_err(refused).during(at)?;
        screen.answer(&json(&receipt, &claims), text(screen, &receipt, &claims))
    }
}

fn spoken(time: UnixMillis) -> String {
    moment::shown(time)
}

fn text(screen: Screen, receipt: &Receipt, claims: &Claims) -> String {
    let mut lines = vec![screen.ink(
        Ink::Bold,
        &format!(
            "A receipt of the ledger {} about {}",
            shown(&claims.origin),
            count(claims.credentials.len(), "credential")
        ),
    )];
    let height = grouped(claims.seal.height.0);
    lines.push(match receipt.at {
        Some(at) => format!(
            "It says how things stood on {}: after block {height}, sealed on {}.",
            spoken(at),
            spoken(claims.seal.time)
        ),
        None => format!(
            "It says how things stood after block {height}, sealed on {}, the newest of the log \
             of {} leaves.",
            spoken(claims.seal.time),
            grouped(claims.size.0)
        ),
    });
    for one in &claims.credentials {
        lines.push(String::new());
        lines.extend(about(one));
    }
    lines.push(String::new());
    lines.push("Whoever checks it relies on these cosigners of the log:".to_owned());
    lines.extend(claims.signers.iter().map(|(name, second)| {
        let when = second.map(|second| spoken(UnixMillis(second.saturating_mul(1_000))));
        format!("  {}  {}", shown(name), when.unwrap_or_default())
    }));
    lines.push(match receipt.members.len() {
        0 => "The set of members never changed up to there.".to_owned(),
        changes => format!(
            "It shows {} of the set of members, each decided by those before.",
            count(changes, "change")
        ),
    });
    lines.push(screen.ink(
        Ink::Dim,
        "Who they are was not checked here: `credlog receipt verify` does that.",
    ));
    lines.join("\n")
}

fn about(one: &ProvenCredential) -> Vec<String> {
    let issuer = &one.entry;
    let mut lines = vec![
        format!("credential  {}", one.digest),
        format!(
            "issued      on {}, by {} ({}), accredited by member {}",
            spoken(one.time),
            shown(issuer.profile.name.as_str()),
            issuer.id,
            one.accreditation.member
        ),
    ];
    if let Some(achievement) = &one.achievement {
        lines.push(format!("for         {achievement}"));
    }
    if let Some(until) = one.valid_until {
        lines.push(format!("valid       until {}", spoken(until)));
    }
    let place = format!("position {} of status list {}", one.index, one.list);
    lines.push(match (&one.change, one.status) {
        (None, _) | (_, Status::Valid) => {
            format!("status      neither revoked nor suspended ({place})")
        }
        (Some(change), status) => format!(
            "status      {} since {}, by {} (reason: {}; {place})",
            match status {
                Status::Suspended => "suspended",
                _ => "revoked",
            },
            spoken(change.time),
            change.by,
            change.reason
        ),
    });
    lines
}

fn json(receipt: &Receipt, claims: &Claims) -> Value {
    let credentials = claims.credentials.iter().map(|one| {
        json!({
            "digest": one.digest,
            "issuer": one.entry.id,
            "issuerName": one.entry.profile.name,
            "accreditedBy": one.accreditation.member,
            "issued": moment::rfc3339(one.time),
            "recordId": one.record,
            "achievement": one.achievement,
            "status": one.status,
            "since": one.change.as_ref().map(|change| moment::rfc3339(change.time)),
            "by": one.change.as_ref().map(|change| &change.by),
            "reason": one.change.as_ref().map(|change| change.reason),
        })
    });
    let signers = claims.signers.iter().map(|(name, second)| {
        let time = second.map(|second| moment::rfc3339(UnixMillis(second.saturating_mul(1_000))));
        json!({"name": name, "time": time})
    });
    json!({
        "ledger": receipt.ledger,
        "origin": claims.origin,
        "size": claims.size,
        "height": claims.seal.height,
        "sealed": moment::rfc3339(claims.seal.time),
        "at": receipt.at.map(moment::rfc3339),
        "credentials": credentials.collect::<Vec<_>>(),
        "cosigners": signers.collect::<Vec<_>>(),
        "memberChanges": receipt.members.len(),
        "checked": false,
    })
}
