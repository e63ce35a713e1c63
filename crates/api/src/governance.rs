//! What members decide together (rule R9), and what is known against them.

use credlog_ledger::body::Action;
use credlog_ledger::evidence::Equivocation;
use credlog_ledger::ids::{Height, MemberId, RecordId};
use credlog_ledger::member::MemberSet;
use credlog_ledger::rows::ProposalRow;
use credlog_verify::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// GET /v1/proposals: what can be approved now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProposalsView {
    /// As of the block of this height.
    pub height: Height,
    /// How many distinct members have to approve a proposal.
    pub quorum: usize,
    /// The proposals, oldest first.
    pub proposals: Vec<ProposalView>,
}

/// A proposal that can be approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProposalView {
    /// Id of the Propose record; approvals name it.
    pub id: RecordId,
    /// Who proposed it.
    pub proposer: MemberId,
    /// Time of its seal.
    pub time: Time,
    /// It can be approved until then.
    pub expires: Time,
    /// What is proposed, as in the record.
    pub action: Action,
    /// Who approved it, in order.
    pub approvals: Vec<ApprovalView>,
    /// How many members in force still have to approve it.
    pub missing: usize,
}

/// An approval of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalView {
    /// Who approved.
    pub member: MemberId,
    /// Id of the Approve record; a retraction names it.
    pub record_id: RecordId,
    /// Whether it counts: approvals of former members do not.
    pub counts: bool,
}

impl ProposalView {
    /// Describes an open proposal to the `members` in force.
    pub fn new(id: RecordId, row: ProposalRow, members: &MemberSet) -> Self {
        let expires = row.expires().into();
        let approvals: Vec<_> = row
            .approvals
            .into_iter()
            .map(|(member, record_id)| ApprovalView {
                counts: members.find(&member).is_some(),
                member,
                record_id,
            })
            .collect();
        let counting = approvals.iter().filter(|approval| approval.counts).count();
        Self {
            id,
            proposer: row.proposer,
            time: row.time.into(),
            expires,
            action: row.action,
            approvals,
            missing: members.quorum().saturating_sub(counting),
        }
    }
}

/// GET /v1/evidence: members that contradicted themselves, as far as this node saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceView {
    /// Each with two signatures that no honest member makes both.
    pub evidence: Vec<Equivocation>,
}
