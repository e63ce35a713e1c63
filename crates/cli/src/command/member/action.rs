//! What is proposed, in words.

use credlog_api::ledger::MembersView;
use credlog_ledger::body::Action;
use credlog_ledger::member::Member;
use serde_json::{Value, json};

use super::fingerprint::fingerprint;
use super::strength;
use crate::moment;
use crate::outcome::Result;
use crate::screen::shown;

/// An action as one line, such as `add University B (university-b) as a member`.
pub(super) fn in_words(action: &Action) -> Result<String> {
    Ok(match action {
        Action::AddMember { member } => format!("add {} as a member", named(member)),
        Action::RemoveMember {
            member,
            transfer_to: None,
        } => format!("remove {member}; its accreditations end"),
        Action::RemoveMember {
            member,
            transfer_to: Some(to),
        } => format!("remove {member}; its accreditations pass to {to}"),
        Action::ReplaceMemberKeys { member } => {
            format!("replace keys and addresses of {}", named(member))
        }
        Action::TransferAccreditations { from, to } => {
            format!("transfer the accreditations of {from} to {to}")
        }
        Action::WithdrawAccreditation {
            member,
            issuer,
            from,
            reason,
        } => format!(
            "end the accreditation of {issuer} by {member} {} ({reason})",
            match from.0 {
                0 => "at once".to_owned(),
                _ => format!("at {}", moment::shown(*from)),
            }
        ),
        Action::SetParameter { parameter } => {
            let (name, value) = parameter_text(&serde_json::to_value(parameter)?);
            format!("set {name} to {value}")
        }
        // Actions of a later version are still listed.
        #[allow(unreachable_patterns)]
        other => serde_json::to_string(other)?,
    })
}

fn parameter_text(value: &Value) -> (String, String) {
    let first = value.as_object().and_then(|object| object.iter().next());
    first.map_or_else(Default::default, |(name, value)| {
        (name.clone(), value.to_string())
    })
}

fn named(member: &Member) -> String {
    format!("{} ({})", shown(member.name.as_str()), member.id)
}

/// The description that an action brings, if it brings one.
pub(super) fn description(action: &Action) -> Option<&Member> {
    match action {
        Action::AddMember { member } | Action::ReplaceMemberKeys { member } => Some(member),
        _ => None,
    }
}

/// What who agrees has to look at: fingerprint and addresses of a description, indented.
pub(super) fn details(action: &Action) -> Result<Vec<String>> {
    let Some(member) = description(action) else {
        return Ok(Vec::new());
    };
    let mut lines = vec![format!("fingerprint  {}", fingerprint(member)?)];
    let addresses = member.addresses.iter();
    lines.extend(addresses.map(|address| format!("address      {address}")));
    Ok(lines)
}

/// The same for programs.
pub(super) fn to_json(action: &Action) -> Result<Value> {
    let mut value = json!({ "action": action, "text": in_words(action)? });
    if let Some(member) = description(action) {
        value["fingerprint"] = json!(fingerprint(member)?);
    }
    Ok(value)
}

/// What is worse for the ledger once the action is in effect.
pub(super) fn warnings(action: &Action, members: &MembersView) -> Vec<String> {
    let before = members.members.len();
    let after = match action {
        Action::AddMember { .. } => before + 1,
        Action::RemoveMember { .. } => before.saturating_sub(1),
        _ => before,
    };
    let mut warnings: Vec<_> = strength::warning(before, after).into_iter().collect();
    if let Action::AddMember { member } | Action::ReplaceMemberKeys { member } = action
        && member.addresses.is_empty()
        && after > 1
    {
        warnings.push(format!(
            "{} gives no address, so the others cannot reach its node",
            member.id
        ));
    }
    warnings
}
