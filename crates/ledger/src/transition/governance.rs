//! Rule R9: what members decide together.

use crate::body::{Action, Reason};
use crate::entry::Withdrawal;
use crate::ids::{IssuerNumber, MemberId, RecordId};
use crate::member::{MEMBERS_MAX, Member, MemberSet, SeatedMember};
use crate::record::AuthorId;
use crate::rejection::Rejection;
use crate::rows::{MemberRow, ProposalEnd, ProposalRow};
use crate::state::{ViewError, keys as row_keys};
use crate::transition::accreditation::{EntryCap, ended};
use crate::transition::{ApplyError, Step, check_cap};

/// Issuers of a member that are looked at in one step.
const HELD_PAGE: usize = 1_000;

impl Step<'_, '_> {
    pub(crate) fn propose(&mut self, member: &MemberId, action: &Action) -> Result<(), ApplyError> {
        self.check_action(action)?;
        let mut row = self.member_row(member)?;
        let mut open = Vec::with_capacity(row.open_proposals.len() + 1);
        for id in &row.open_proposals {
            let proposal = self.overlay.state().proposal(id)?;
            if proposal.is_some_and(|proposal| proposal.is_open(self.context.time)) {
                open.push(*id);
            }
        }
        open.push(self.record.id());
        let cap = self.context.parameters.open_proposals_per_member;
        check_cap(
            "open proposals of a member",
            open.len() as u64,
            u64::from(cap),
        )?;
        row.open_proposals = open;
        self.overlay
            .put_value("member", row_keys::member(member), &row)?;
        let proposal = ProposalRow {
            proposer: member.clone(),
            action: action.clone(),
            time: self.context.time,
            approvals: Vec::new(),
            closed: None,
        };
        self.write_proposal(self.record.id(), &proposal)
    }

    pub(crate) fn approve(&mut self, member: &MemberId, id: RecordId) -> Result<(), ApplyError> {
        let mut proposal = self.open_proposal(member, id, id)?;
        if proposal.approvals.iter().any(|(by, _)| by == member) {
            return Err(Rejection::ApprovedAlready {
                member: member.clone(),
                proposal: id,
            }
            .into());
        }
        proposal.approvals.push((member.clone(), self.record.id()));
        self.overlay
            .put_value("approval", row_keys::approval(&self.record.id()), &id)?;
        let members = self.overlay.state().members()?;
        let approving = proposal
            .approvals
            .iter()
            .filter(|(by, _)| members.find(by).is_some())
            .count();
        if approving >= members.quorum() {
            proposal.closed = Some(ProposalEnd::Executed);
            self.carry_out(&proposal.action.clone(), &members)?;
        }
        self.write_proposal(id, &proposal)
    }

    pub(crate) fn retract(
        &mut self,
        member: &MemberId,
        record: RecordId,
    ) -> Result<(), ApplyError> {
        let approved = self.overlay.state().approval(&record)?;
        let id = approved.unwrap_or(record);
        let mut proposal = self.open_proposal(member, id, record)?;
        let unknown = || Rejection::UnknownProposal {
            record,
            member: member.clone(),
        };
        if approved.is_some() {
            let before = proposal.approvals.len();
            proposal
                .approvals
                .retain(|(by, approval)| by != member || *approval != record);
            if proposal.approvals.len() == before {
                return Err(unknown().into());
            }
        } else if proposal.proposer == *member {
            proposal.closed = Some(ProposalEnd::Retracted);
        } else {
            return Err(unknown().into());
        }
        self.write_proposal(id, &proposal)
    }

    fn open_proposal(
        &self,
        member: &MemberId,
        id: RecordId,
        named: RecordId,
    ) -> Result<ProposalRow, ApplyError> {
        let proposal = self.overlay.state().proposal(&id)?;
        let proposal = proposal
            .filter(|proposal| proposal.closed.is_none())
            .ok_or_else(|| Rejection::UnknownProposal {
                record: named,
                member: member.clone(),
            })?;
        if !proposal.is_open(self.context.time) {
            let expired = proposal.expires();
            return Err(Rejection::ProposalExpired {
                proposal: id,
                expired,
            }
            .into());
        }
        Ok(proposal)
    }

    fn write_proposal(&mut self, id: RecordId, proposal: &ProposalRow) -> Result<(), ApplyError> {
        Ok(self
            .overlay
            .put_value("proposal", row_keys::proposal(&id), proposal)?)
    }

    fn member_row(&self, member: &MemberId) -> Result<MemberRow, ViewError> {
        Ok(self.overlay.state().member_row(member)?.unwrap_or_default())
    }

    /// What can be said of an action when it is proposed; all is checked again when it
    /// takes effect.
    fn check_action(&self, action: &Action) -> Result<(), ApplyError> {
        let state = self.overlay.state();
        let members = state.members()?;
        match action {
            Action::AddMember { member } => {
                self.check_member(member)?;
                if state.member_row(&member.id)?.is_some() {
                    let id = &member.id;
                    return Err(impossible(&format!(
                        "{id} is or was a member; a new member needs a new id"
                    )));
                }
            }
            Action::ReplaceMemberKeys { member } => {
                self.check_member(member)?;
                seated(&members, &member.id)?;
            }
            Action::RemoveMember {
                member,
                transfer_to,
            } => {
                seated(&members, member)?;
                if let Some(to) = transfer_to {
                    check_transfer(&members, member, to)?;
                }
            }
            Action::TransferAccreditations { from, to } => check_transfer(&members, from, to)?,
            Action::WithdrawAccreditation { issuer, .. } => {
                self.issuer_now(issuer)?;
            }
            Action::SetParameter { parameter } => {
                let mut parameters = state.parameters()?;
                let set = parameters.set(*parameter);
                set.map_err(|source| Rejection::ParameterOutOfRange { source })?;
            }
        }
        Ok(())
    }

    fn check_member(&self, member: &Member) -> Result<(), Rejection> {
        let checked = member.check(&self.context.origin);
        checked.map_err(|source| Rejection::BadMember { source })
    }

    fn carry_out(&mut self, action: &Action, members: &MemberSet) -> Result<(), ApplyError> {
        self.check_action(action)?;
        if action.changes_members() {
            if self.context.members_changed {
                return Err(Rejection::MembersChanged {}.into());
            }
            self.overlay.note_members_changed();
        }
        match action {
            Action::AddMember { member } => self.add_member(member, members),
            Action::ReplaceMemberKeys { member } => self.replace_member_keys(member, members),
            Action::RemoveMember {
                member,
                transfer_to,
            } => self.remove_member(member, transfer_to.as_ref(), members),
            Action::TransferAccreditations { from, to } => self.move_all(from, Some(to)),
            Action::WithdrawAccreditation {
                member,
                issuer,
                from,
                reason,
            } => self.withdraw(member, issuer, *from, *reason),
            Action::SetParameter { parameter } => {
                let mut parameters = self.overlay.state().parameters()?;
                let set = parameters.set(*parameter);
                set.map_err(|source| Rejection::ParameterOutOfRange { source })?;
                Ok(self
                    .overlay
                    .put_value("parameters", row_keys::parameters(), &parameters)?)
            }
        }
    }

    fn add_member(&mut self, member: &Member, members: &MemberSet) -> Result<(), ApplyError> {
        check_cap(
            "members",
            members.members().len() as u64 + 1,
            MEMBERS_MAX as u64,
        )?;
        for (_, proven) in member.keys.roles() {
            self.claim_key(&proven.key, &AuthorId::Member(member.id.clone()))?;
        }
        let mut row = self.member_row(&member.id)?;
        let seat = SeatedMember {
            member: member.clone(),
            cosigner_number: row.next_cosigner,
        };
        row.next_cosigner += 1;
        self.overlay
            .put_value("member", row_keys::member(&member.id), &row)?;
        let mut seats = members.members().to_vec();
        seats.push(seat);
        self.write_members(seats)
    }

    fn replace_member_keys(
        &mut self,
        member: &Member,
        members: &MemberSet,
    ) -> Result<(), ApplyError> {
        let before = seated(members, &member.id)?;
        let old: Vec<_> = before
            .member
            .keys
            .roles()
            .map(|(_, proven)| &proven.key)
            .into();
        for ((_, proven), old_key) in member.keys.roles().into_iter().zip(&old) {
            if proven.key != **old_key {
                self.claim_key(&proven.key, &AuthorId::Member(member.id.clone()))?;
            }
        }
        let mut seat = SeatedMember {
            member: member.clone(),
            cosigner_number: before.cosigner_number,
        };
        if member.keys.cosigner.key != before.member.keys.cosigner.key {
            let mut row = self.member_row(&member.id)?;
            seat.cosigner_number = row.next_cosigner;
            row.next_cosigner += 1;
            self.overlay
                .put_value("member", row_keys::member(&member.id), &row)?;
        }
        let others = members
            .members()
            .iter()
            .filter(|seat| seat.member.id != member.id);
        let seats = others.cloned().chain([seat]).collect();
        self.write_members(seats)
    }

    fn remove_member(
        &mut self,
        member: &MemberId,
        transfer_to: Option<&MemberId>,
        members: &MemberSet,
    ) -> Result<(), ApplyError> {
        let others = members
            .members()
            .iter()
            .filter(|seat| seat.member.id != *member);
        let seats: Vec<_> = others.cloned().collect();
        if seats.is_empty() {
            return Err(impossible("the last member cannot be removed"));
        }
        self.move_all(member, transfer_to)?;
        self.write_members(seats)
    }

    fn write_members(&mut self, seats: Vec<SeatedMember>) -> Result<(), ApplyError> {
        let members = MemberSet::new(seats);
        let at = row_keys::members_at(self.context.height);
        self.overlay.put_value("members", at, &members)?;
        Ok(self
            .overlay
            .put_value("members", row_keys::members(), &members)?)
    }

    /// All accreditations that hold a place of a member pass to another one, or end (R6).
    /// Those that were withdrawn stay where they are: their number has no bound.
    fn move_all(&mut self, from: &MemberId, to: Option<&MemberId>) -> Result<(), ApplyError> {
        let mut after = None;
        loop {
            let state = self.overlay.state();
            let (held, next) = state.held_by(from, after, HELD_PAGE)?;
            for number in held {
                self.move_one(number, from, to)?;
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn move_one(
        &mut self,
        number: IssuerNumber,
        from: &MemberId,
        to: Option<&MemberId>,
    ) -> Result<(), ApplyError> {
        let time = self.context.time;
        let entry = self.overlay.state().issuer(number)?;
        let entry =
            entry.ok_or_else(|| ViewError::Damaged(format!("issuer {number} has no entry")))?;
        let mut entry = entry.as_of(time);
        if let Some(to) = to
            && entry.accreditations.iter().any(|one| one.member == *to)
        {
            return Err(impossible(&format!(
                "member {to} accredits issuer {} itself; its accreditations cannot be joined",
                entry.id
            )));
        }
        let held = entry
            .accreditations
            .iter_mut()
            .find(|one| one.member == *from);
        let one = held.ok_or_else(|| {
            ViewError::Damaged(format!("issuer {number} has no accreditation by {from}"))
        })?;
        match to {
            Some(to) => one.member = to.clone(),
            None if !ended(one, time) => {
                let reason = Reason::AccreditationLost;
                one.withdrawn = Some(Withdrawal { from: time, reason });
            }
            None => {}
        }
        self.set_place(from, number, false)?;
        if let Some(to) = to {
            self.set_place(to, number, true)?;
        }
        self.write_issuer(number, &entry, EntryCap::None)
    }
}

fn impossible(reason: &str) -> ApplyError {
    Rejection::ActionImpossible {
        reason: reason.to_owned(),
    }
    .into()
}

fn seated<'m>(members: &'m MemberSet, id: &MemberId) -> Result<&'m SeatedMember, ApplyError> {
    members
        .find(id)
        .ok_or_else(|| impossible(&format!("{id} is not a member")))
}

fn check_transfer(members: &MemberSet, from: &MemberId, to: &MemberId) -> Result<(), ApplyError> {
    if from == to {
        return Err(impossible("accreditations pass to another member"));
    }
    seated(members, to).map(|_| ())
}
