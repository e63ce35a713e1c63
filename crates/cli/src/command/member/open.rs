//! Proposals and approvals by the beginning of their ids.

use credlog_api::governance::{ProposalView, ProposalsView};
use credlog_ledger::ids::{MemberId, RecordId};

use crate::outcome::{Failure, Result};

/// Digits of an id that are shown to people.
const SHOWN: usize = 12;
/// The least digits by which something is named.
const PREFIX_MIN: usize = 4;

/// The beginning of a record id, as people type it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix(String);

impl std::str::FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex || !(PREFIX_MIN..=64).contains(&text.len()) {
            return Err(format!(
                "{text:?} is not the id of a record, nor its beginning: {PREFIX_MIN} to 64 \
                 hexadecimal digits are needed; `credlog member list` shows the proposals"
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl Prefix {
    fn fits(&self, id: &RecordId) -> bool {
        id.to_string().starts_with(&self.0)
    }
}

/// The beginning of an id, for people.
pub(super) fn short(id: &RecordId) -> String {
    id.to_string().chars().take(SHOWN).collect()
}

/// The only open proposal that a prefix names.
pub(super) fn proposal<'v>(view: &'v ProposalsView, prefix: &Prefix) -> Result<&'v ProposalView> {
    let named: Vec<_> = view
        .proposals
        .iter()
        .filter(|proposal| prefix.fits(&proposal.id))
        .collect();
    only(&named, prefix, "open proposal")
}

/// What a member can take back: its proposal, or its approval, named by its own id or by that
/// of the proposal that it approves.
pub(super) fn own(view: &ProposalsView, member: &MemberId, prefix: &Prefix) -> Result<Own> {
    let mut proposals = Vec::new();
    let mut approvals = Vec::new();
    for proposal in &view.proposals {
        let named = prefix.fits(&proposal.id);
        if named && proposal.proposer == *member {
            proposals.push(Own::Proposal(proposal.id));
        }
        for approval in &proposal.approvals {
            if approval.member == *member && (named || prefix.fits(&approval.record_id)) {
                approvals.push(Own::Approval {
                    record: approval.record_id,
                    of: proposal.id,
                });
            }
        }
    }
    // Who names its own proposal means that, not its approval of it.
    let named = match proposals.is_empty() {
        true => approvals,
        false => proposals,
    };
    let what = format!("open proposal or approval by {member}");
    only(&named, prefix, &what)
}

/// Something that its author can take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// A proposal.
    Proposal(RecordId),
    /// An approval.
    Approval {
        /// The Approve record.
        record: RecordId,
        /// The proposal.
        of: RecordId,
    },
}

fn only<T: Copy>(named: &[T], prefix: &Prefix, what: &str) -> Result<T> {
    match named {
        [one] => Ok(*one),
        [] => Err(Failure::input(format!(
            "there is no {what} whose id begins with {}; `credlog member list` shows what is open",
            prefix.0
        ))),
        many => Err(Failure::input(format!(
            "{} ids begin with {}; write more digits",
            many.len(),
            prefix.0
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credlog_api::governance::ApprovalView;
    use credlog_ledger::body::Action;
    use credlog_ledger::ids::UnixMillis;
    use credlog_ledger::parameters::Parameter;

    fn view() -> ProposalsView {
        let proposal = |byte: u8, by: &str, approvals: &[(&str, u8)]| ProposalView {
            id: RecordId([byte; 32]),
            proposer: by.parse().unwrap(),
            time: UnixMillis(0).into(),
            expires: UnixMillis(1).into(),
            action: Action::SetParameter {
                parameter: Parameter::RecordsPerBlock(1),
            },
            approvals: approvals
                .iter()
                .map(|(member, byte)| ApprovalView {
                    member: member.parse().unwrap(),
                    record_id: RecordId([*byte; 32]),
                    counts: true,
                })
                .collect(),
            missing: 1,
        };
        ProposalsView {
            height: credlog_ledger::ids::Height(1),
            quorum: 3,
            proposals: vec![
                proposal(0xab, "a", &[("a", 0xa1), ("b", 0xb1)]),
                proposal(0xac, "b", &[]),
            ],
        }
    }

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_names_one_or_is_refused() {
        let view = view();
        let found = proposal(&view, &prefix("ABAB")).unwrap();
        assert_eq!(found.id, RecordId([0xab; 32]));
        assert!(proposal(&view, &prefix("a1a1")).is_err());
        for bad in ["", "aba", "xyzw", &"a".repeat(65)] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
        let mut twins = view.clone();
        twins.proposals.push(view.proposals[0].clone());
        let refused = proposal(&twins, &prefix("abab")).unwrap_err();
        assert!(refused.message.contains("2 ids begin"));
    }

    #[test]
    fn everybody_takes_back_what_is_his() {
        let view = view();
        let own = |member: &str, text| own(&view, &member.parse().unwrap(), &prefix(text));
        let proposal = Own::Proposal(RecordId([0xab; 32]));
        assert_eq!(own("a", "abab").unwrap(), proposal);
        let approval = |byte: u8| Own::Approval {
            record: RecordId([byte; 32]),
            of: RecordId([0xab; 32]),
        };
        assert_eq!(own("a", "a1a1").unwrap(), approval(0xa1));
        assert_eq!(own("b", "abab").unwrap(), approval(0xb1));
        for (member, text) in [("b", "a1a1"), ("a", "acac"), ("c", "abab")] {
            assert!(own(member, text).is_err(), "{member} {text}");
        }
    }
}
