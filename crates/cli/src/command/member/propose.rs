//! `credlog member propose`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use credlog_api::ledger::{MemberView, MembersView};
use credlog_ledger::body::{Action, Body, Reason};
use credlog_ledger::ids::{IssuerId, MemberId, Origin, UnixMillis};
use credlog_ledger::member::Member;
use credlog_ledger::parameters::{Parameter, Parameters};
use serde_json::json;

use super::keys::keys_of;
use super::list::ids;
use super::open::short;
use super::{action, strength};
use crate::command::reason;
use crate::connection::{LIST_FIRST, MemberArgs};
use crate::folder;
use crate::home::MemberHome;
use crate::keyfile::Passphrase;
use crate::moment;
use crate::network;
use crate::outcome::{During, Failure, Result};
use crate::screen::Screen;

const EXAMPLES: &str = "\
Examples:
  credlog member propose add b/member.json --home uni
  credlog member propose remove university-b --transfer-to university-c --home uni
  credlog member propose replace-keys university-b b/member.json --home uni
  credlog member propose set-parameter recordsPerBlock 5000 --home uni
A proposal is open for 30 days. Its proposer approves it like everybody else.";

/// Propose a change to the members; more than two thirds of them have to approve it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Propose {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A new member joins
    Add(Add),
    /// A member leaves; its accreditations end, or pass to another member
    Remove(Remove),
    /// Keys and addresses of a member change
    ReplaceKeys(ReplaceKeys),
    /// All accreditations of a member pass to another
    TransferAccreditations(Transfer),
    /// An accreditation of any member ends
    WithdrawAccreditation(Withdraw),
    /// A cap of the ledger changes
    SetParameter(SetParameter),
}

#[derive(Debug, Args)]
struct Common {
    /// Go on also where the ledger will tolerate fewer faults
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    member: MemberArgs,
}

#[derive(Debug, Args)]
struct Add {
    /// The new member's member.json; compare its fingerprint with what the member tells you
    #[arg(value_name = "MEMBER.JSON")]
    file: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Remove {
    /// Id of the member
    #[arg(value_name = "ID")]
    id: MemberId,
    /// Who takes over its accreditations [default: nobody, they end]
    #[arg(long, value_name = "ID")]
    transfer_to: Option<MemberId>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct ReplaceKeys {
    /// Id of the member
    #[arg(value_name = "ID")]
    id: MemberId,
    /// Its new description: keys/next/member.json, from `credlog member keys new`
    #[arg(value_name = "MEMBER.JSON")]
    file: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Transfer {
    /// From whom
    #[arg(long, value_name = "ID")]
    from: MemberId,
    /// To whom
    #[arg(long, value_name = "ID")]
    to: MemberId,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Withdraw {
    /// Whose accreditation
    #[arg(long, value_name = "ID")]
    by: MemberId,
    /// Id of the issuer
    #[arg(long, value_name = "ID")]
    issuer: IssuerId,
    /// From when [default: when it takes effect]
    #[arg(long, value_name = "TIME", value_parser = moment::parse_millis)]
    from: Option<UnixMillis>,
    /// Why
    #[arg(long, value_parser = reason, default_value = "unspecified")]
    reason: Reason,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct SetParameter {
    /// Name of the parameter, as `credlog ledger status --json` shows it
    name: String,
    /// Its new value
    value: u32,
    #[command(flatten)]
    common: Common,
}

impl What {
    fn common(&self) -> &Common {
        match self {
            Self::Add(add) => &add.common,
            Self::Remove(remove) => &remove.common,
            Self::ReplaceKeys(replace) => &replace.common,
            Self::TransferAccreditations(transfer) => &transfer.common,
            Self::WithdrawAccreditation(withdraw) => &withdraw.common,
            Self::SetParameter(set) => &set.common,
        }
    }

    /// The action, checked against what the members are now.
    fn action(&self, origin: &Origin, members: &MembersView) -> Result<Action> {
        Ok(match self {
            Self::Add(add) => Action::AddMember {
                member: described(&add.file, origin)?,
            },
            Self::Remove(remove) => {
                seated(members, &remove.id)?;
                if let Some(to) = &remove.transfer_to {
                    seated(members, to)?;
                }
                Action::RemoveMember {
                    member: remove.id.clone(),
                    transfer_to: remove.transfer_to.clone(),
                }
            }
            Self::ReplaceKeys(replace) => Action::ReplaceMemberKeys {
                member: replace.description(origin, members)?,
            },
            Self::TransferAccreditations(transfer) => {
                seated(members, &transfer.to)?;
                Action::TransferAccreditations {
                    from: transfer.from.clone(),
                    to: transfer.to.clone(),
                }
            }
            Self::WithdrawAccreditation(withdraw) => Action::WithdrawAccreditation {
                member: withdraw.by.clone(),
                issuer: withdraw.issuer.clone(),
                // The ledger reads a time before the seal as the seal's (rule R6).
                from: withdraw.from.unwrap_or(UnixMillis(0)),
                reason: withdraw.reason,
            },
            Self::SetParameter(set) => Action::SetParameter {
                parameter: set.parameter()?,
            },
        })
    }
}

impl ReplaceKeys {
    fn description(&self, origin: &Origin, members: &MembersView) -> Result<Member> {
        let member = described(&self.file, origin)?;
        if member.id != self.id {
            return Err(Failure::input(format!(
                "{} describes member {}, not {}",
                self.file.display(),
                member.id,
                self.id
            )));
        }
        let now = seated(members, &self.id)?;
        let keys = member.keys.roles().map(|(_, proven)| &proven.key);
        let same_keys = keys == keys_of(now);
        if same_keys && member.addresses == now.addresses && member.url == now.url {
            return Err(Failure::input(format!(
                "{} says what the ledger has already; `credlog member keys new` makes new keys",
                self.file.display()
            )));
        }
        Ok(member)
    }
}

impl SetParameter {
    fn parameter(&self) -> Result<Parameter> {
        let written = json!({ self.name.clone(): self.value });
        let parameter: Parameter = serde_json::from_value(written).map_err(|_| {
            let known = serde_json::to_value(Parameters::default());
            let known = known.ok().and_then(|known| known.as_object().cloned());
            let known: Vec<_> = known.unwrap_or_default().keys().cloned().collect();
            Failure::usage(format!(
                "{:?} is no parameter; there are {}",
                self.name,
                known.join(", ")
            ))
        })?;
        Parameters::default().set(parameter)?;
        Ok(parameter)
    }
}

fn described(path: &Path, origin: &Origin) -> Result<Member> {
    let member: Member = folder::read_json(path, "a member's description (member.json)")?;
    member
        .check(origin)
        .during(|| format!("{} (was it made with --origin {origin}?)", path.display()))?;
    network::check(&member).during(|| path.display().to_string())?;
    Ok(member)
}

fn seated<'v>(members: &'v MembersView, id: &MemberId) -> Result<&'v MemberView> {
    let found = members.members.iter().find(|one| one.id == *id);
    found.ok_or_else(|| Failure::input(format!("{id} is no member; there are {}", ids(members))))
}

impl Propose {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let common = self.what.common();
        let home = MemberHome::open(&common.member.home)?;
        let node = common.member.node.connect(screen)?;
        let (ledger, members) = (node.ledger()?, node.members()?);
        let action = self.what.action(&ledger.origin, &members)?;
        let warnings = action::warnings(&action, &members);
        let signatory = node.member(&home, passphrase)?;
        strength::agreed(screen, &warnings, common.yes)?;
        let mut answer = action::to_json(&action)?;
        let (text, details) = (action::in_words(&action)?, action::details(&action)?);
        let record = signatory.sign(Body::Propose { action })?;
        node.on_interrupt(LIST_FIRST);
        let committed = node.commit(&record)?;

        let id = record.id();
        let mut lines = vec![format!("Proposed: {text}.")];
        lines.extend(details.iter().map(|line| format!("  {line}")));
        lines.push(format!(
            "{} of {} members have to approve it within 30 days, the proposer like the others:\n  \
             credlog member approve {}",
            members.quorum,
            members.members.len(),
            short(&id)
        ));
        answer["proposal"] = json!(id);
        answer["time"] = json!(moment::rfc3339(committed.time));
        answer["quorum"] = json!(members.quorum);
        answer["warnings"] = json!(warnings);
        screen.answer(&answer, lines.join("\n"))
    }
}
