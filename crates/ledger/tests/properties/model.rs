//! The rules once more, naively: plain maps, times settled eagerly at every block, no
//! trees, no rows. Written from the design, apart from the transition.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::DAY;

/// A statement in a small universe: members, issuers, keys, credentials are small numbers.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Accredit {
        member: u8,
        issuer: u8,
        scope: u8,
        until: Option<u64>,
    },
    Amend {
        member: u8,
        issuer: u8,
        scope: u8,
        until: Option<u64>,
    },
    Withdraw {
        member: u8,
        issuer: u8,
        from: u64,
    },
    Replace {
        member: u8,
        issuer: u8,
        keys: Keys,
    },
    Rotate {
        issuer: u8,
        signer: Option<u8>,
        keys: Keys,
    },
    Define {
        issuer: u8,
        signer: u8,
        achievement: u8,
    },
    Open {
        issuer: u8,
        signer: u8,
    },
    Issue {
        issuer: u8,
        signer: u8,
        achievement: Option<u8>,
        list: u8,
        items: Vec<(u32, u64)>,
    },
    Status {
        by: By,
        issuer: u8,
        what: What,
    },
    Propose {
        member: u8,
        action: Act,
    },
    Approve {
        member: u8,
        proposal: usize,
    },
    Retract {
        member: u8,
        record: usize,
    },
}

/// Keys that come and go; the first two sign records, the others credentials.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) add: BTreeSet<u8>,
    pub(crate) retire: BTreeSet<u8>,
    pub(crate) compromised: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    Member(u8),
    Key(u8),
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Revoke(BTreeSet<u64>),
    Suspend(BTreeSet<u64>),
    Reinstate(usize, BTreeSet<u64>),
    Supersede(u64, u64),
}

#[derive(Debug, Clone)]
pub(crate) enum Act {
    Add(u8),
    Remove(u8, Option<u8>),
    Transfer(u8, u8),
    Withdraw { member: u8, issuer: u8, from: u64 },
    IssuersPerMember(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelKey {
    pub(crate) since: u64,
    pub(crate) retired: Option<u64>,
    pub(crate) compromised: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelAccreditation {
    pub(crate) scope: u8,
    pub(crate) since: u64,
    pub(crate) until: Option<u64>,
    pub(crate) withdrawn: Option<u64>,
    pub(crate) holds_place: bool,
    /// Grants keep their number when they pass to another member.
    pub(crate) grant: usize,
}

impl ModelAccreditation {
    fn ended(&self, now: u64) -> bool {
        self.until.is_some_and(|until| until <= now)
            || self.withdrawn.is_some_and(|from| from <= now)
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ModelIssuer {
    pub(crate) keys: BTreeMap<u8, ModelKey>,
    pub(crate) pending: Option<(u64, Keys)>,
    /// By member, and by grant for those that had another member before.
    pub(crate) accreditations: BTreeMap<u8, ModelAccreditation>,
    pub(crate) achievements: BTreeSet<u8>,
    pub(crate) list: Option<u8>,
    pub(crate) used: BTreeSet<u32>,
    pub(crate) credentials: BTreeMap<u64, ModelCredential>,
}

impl ModelIssuer {
    fn accredited(&self, now: u64) -> bool {
        self.accreditations.values().any(|one| !one.ended(now))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelCredential {
    pub(crate) index: u32,
    pub(crate) revoked: bool,
    pub(crate) suspended: Option<usize>,
    grant: usize,
}

#[derive(Debug, Clone)]
struct ModelProposal {
    by: u8,
    action: Act,
    time: u64,
    approvals: BTreeMap<u8, usize>,
    closed: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) now: u64,
    pub(crate) members: BTreeSet<u8>,
    former: BTreeSet<u8>,
    pub(crate) issuers: BTreeMap<u8, ModelIssuer>,
    registered: BTreeSet<(u8, u8)>,
    lists: u8,
    proposals: BTreeMap<usize, ModelProposal>,
    /// Approve record → proposal.
    approvals: BTreeMap<usize, usize>,
    pub(crate) issuers_per_member: u32,
    /// A parameter holds from the next block on.
    next_cap: Option<u32>,
    grants: usize,
    issue_seen: bool,
    registry_written: bool,
    members_changed: bool,
}

/// A refusal; the model does not say which rule.
type Verdict = Result<(), &'static str>;

fn need(holds: bool, why: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(why) }
}

impl Model {
    pub(crate) fn new(members: u8, founded: u64, issuers_per_member: u32) -> Self {
        Self {
            now: founded,
            members: (0..members).collect(),
            issuers_per_member,
            ..Self::default()
        }
    }

    /// A block begins: what was announced for a time up to now happens.
    pub(crate) fn begin(&mut self, now: u64) {
        self.now = now;
        (self.issue_seen, self.members_changed) = (false, false);
        for issuer in self.issuers.values_mut() {
            // Its intervals stand in the keys already; a compromise becomes known now.
            if let Some((_, keys)) = issuer.pending.take_if(|(at, _)| *at <= now)
                && let Some(since) = keys.compromised
            {
                for key in &keys.retire {
                    let known = &mut issuer.keys.get_mut(key).unwrap().compromised;
                    *known = Some(known.map_or(since, |known| known.min(since)));
                }
            }
        }
        if let Some(value) = self.next_cap.take() {
            self.issuers_per_member = value;
        }
    }

    pub(crate) fn places(&self, member: u8) -> usize {
        let all = self.issuers.values();
        all.filter(|issuer| {
            issuer
                .accreditations
                .get(&member)
                .is_some_and(|one| one.holds_place)
        })
        .count()
    }

    /// Whether the record with this number is taken; a refused one changes nothing.
    pub(crate) fn apply(&mut self, record: usize, op: &Op) -> Verdict {
        let before = self.clone();
        self.registry_written = false;
        let mut verdict = self.try_apply(record, op);
        if verdict.is_ok() && self.issue_seen && self.registry_written {
            verdict = Err("registry after issue");
        }
        if verdict.is_err() {
            *self = before;
        } else if matches!(op, Op::Issue { .. }) {
            self.issue_seen = true;
        }
        verdict
    }

    fn try_apply(&mut self, record: usize, op: &Op) -> Verdict {
        match op {
            Op::Accredit {
                member,
                issuer,
                scope,
                until,
            } => {
                self.member(*member)?;
                self.accredit(*member, *issuer, *scope, *until)
            }
            Op::Amend {
                member,
                issuer,
                scope,
                until,
            } => {
                self.member(*member)?;
                let now = self.now;
                need(until.is_none_or(|until| until > now), "until")?;
                let one = self.accreditation(*member, *issuer)?;
                need(!one.ended(now), "ended")?;
                (one.scope, one.until) = (*scope, *until);
                self.registry_written = true;
                Ok(())
            }
            Op::Withdraw {
                member,
                issuer,
                from,
            } => {
                self.member(*member)?;
                self.withdraw(*member, *issuer, *from)
            }
            Op::Replace {
                member,
                issuer,
                keys,
            } => {
                self.member(*member)?;
                self.replace(*member, *issuer, keys)
            }
            Op::Rotate {
                issuer,
                signer,
                keys,
            } => self.rotate(*issuer, *signer, keys),
            Op::Define {
                issuer,
                signer,
                achievement,
            } => {
                let now = self.now;
                let issuer = self.signed(*issuer, *signer)?;
                need(issuer.accredited(now), "not accredited")?;
                need(issuer.achievements.insert(*achievement), "taken")
            }
            Op::Open { issuer, signer } => {
                let (list, now) = (self.lists, self.now);
                let issuer = self.signed(*issuer, *signer)?;
                need(issuer.accredited(now), "not accredited")?;
                need(issuer.list.is_none(), "not half used")?;
                issuer.list = Some(list);
                self.lists += 1;
                Ok(())
            }
            Op::Issue {
                issuer,
                signer,
                achievement,
                list,
                items,
            } => self.issue(*issuer, *signer, *achievement, *list, items),
            Op::Status { by, issuer, what } => self.status(record, *by, *issuer, what),
            Op::Propose { member, action } => {
                self.member(*member)?;
                self.possible(action)?;
                let proposal = ModelProposal {
                    by: *member,
                    action: action.clone(),
                    time: self.now,
                    approvals: BTreeMap::new(),
                    closed: false,
                };
                let open = self.proposals.values().filter(|one| {
                    one.by == *member && !one.closed && self.now <= one.time + 30 * DAY
                });
                need(open.count() < 16, "open proposals")?;
                self.proposals.insert(record, proposal);
                Ok(())
            }
            Op::Approve { member, proposal } => {
                self.member(*member)?;
                self.approve(record, *member, *proposal)
            }
            Op::Retract { member, record } => {
                self.member(*member)?;
                self.retract(*member, *record)
            }
        }
    }

    fn member(&self, member: u8) -> Verdict {
        need(self.members.contains(&member), "no member")
    }

    /// The issuer, if the key is one of its active record keys.
    fn signed(&mut self, issuer: u8, signer: u8) -> Result<&mut ModelIssuer, &'static str> {
        let now = self.now;
        let issuer = self.issuers.get_mut(&issuer).ok_or("unknown issuer")?;
        need(signer < 2 && active(&issuer.keys, signer, now), "key")?;
        Ok(issuer)
    }

    fn accreditation(
        &mut self,
        member: u8,
        issuer: u8,
    ) -> Result<&mut ModelAccreditation, &'static str> {
        let issuer = self.issuers.get_mut(&issuer).ok_or("unknown issuer")?;
        issuer
            .accreditations
            .get_mut(&member)
            .ok_or("no accreditation")
    }

    fn take_place(&self, member: u8) -> Verdict {
        need(
            self.places(member) < self.issuers_per_member as usize,
            "places",
        )
    }

    fn accredit(&mut self, member: u8, issuer: u8, scope: u8, until: Option<u64>) -> Verdict {
        let now = self.now;
        need(until.is_none_or(|until| until > now), "until")?;
        if !self.issuers.contains_key(&issuer) {
            // The test registers an issuer with its first key when it is new.
            let mut new = ModelIssuer::default();
            new.keys.insert(0, fresh(now));
            self.registered.insert((issuer, 0));
            self.issuers.insert(issuer, new);
        }
        let known = self.issuers[&issuer].accreditations.get(&member);
        need(known.is_none_or(|one| one.ended(now)), "accredited already")?;
        if !known.is_some_and(|one| one.holds_place) {
            self.take_place(member)?;
        }
        let grant = match known {
            Some(one) => one.grant,
            None => {
                self.grants += 1;
                self.grants
            }
        };
        let granted = ModelAccreditation {
            scope,
            since: now,
            until,
            withdrawn: None,
            holds_place: true,
            grant,
        };
        let issuer = self.issuers.get_mut(&issuer).unwrap();
        issuer.accreditations.insert(member, granted);
        self.registry_written = true;
        Ok(())
    }

    fn withdraw(&mut self, member: u8, issuer: u8, from: u64) -> Verdict {
        let now = self.now;
        let from = from.max(now);
        let one = self.accreditation(member, issuer)?;
        need(one.holds_place, "no place")?;
        if one.ended(now) {
            one.holds_place = false;
            return Ok(());
        }
        need(one.withdrawn.is_none_or(|known| from < known), "later")?;
        one.withdrawn = Some(from);
        one.holds_place = from != now;
        self.registry_written = true;
        Ok(())
    }

    fn rotate(&mut self, number: u8, signer: Option<u8>, keys: &Keys) -> Verdict {
        let now = self.now;
        let issuer = self.issuers.get(&number).ok_or("unknown issuer")?;
        if let Some(signer) = signer {
            need(signer < 2 && active(&issuer.keys, signer, now), "key")?;
            need(keys.retire.iter().all(|key| *key == signer), "recovery")?;
            need(keys.compromised.is_none(), "recovery")?;
            need(issuer.pending.is_none() || keys.add.is_empty(), "pending")?;
        }
        self.check_keys(number, keys)?;
        let issuer = self.issuers.get_mut(&number).unwrap();
        if signer.is_none() {
            // What a cancelled replacement would have done is undone.
            issuer.pending = None;
            issuer.keys.retain(|_, key| key.since <= now);
            for key in issuer.keys.values_mut() {
                if key.retired.is_some_and(|retired| retired > now) {
                    key.retired = None;
                }
            }
        }
        self.carry_out(number, keys, now)
    }

    fn replace(&mut self, member: u8, number: u8, keys: &Keys) -> Verdict {
        let now = self.now;
        let issuer = self.issuers.get(&number).ok_or("unknown issuer")?;
        let one = issuer.accreditations.get(&member).ok_or("not accreditor")?;
        need(!one.ended(now), "ended")?;
        need(issuer.pending.is_none(), "pending")?;
        self.check_keys(number, keys)?;
        let effective = now + 7 * DAY;
        self.issuers.get_mut(&number).unwrap().pending = Some((effective, keys.clone()));
        self.carry_out(number, keys, effective)
    }

    fn check_keys(&mut self, number: u8, keys: &Keys) -> Verdict {
        let now = self.now;
        need(keys.compromised.is_none_or(|since| since <= now), "future")?;
        let issuer = &self.issuers[&number];
        for key in &keys.retire {
            let known = issuer.keys.get(key).filter(|known| known.since <= now);
            let known = known.ok_or("not there")?;
            let there = known.retired.is_none_or(|retired| retired > now);
            need(there || keys.compromised.is_some(), "not there")?;
        }
        for key in &keys.add {
            need(self.registered.insert((number, *key)), "registered")?;
        }
        Ok(())
    }

    /// Keys come and go at `at`, now or in seven days; intervals say the rest.
    fn carry_out(&mut self, number: u8, keys: &Keys, at: u64) -> Verdict {
        let now = self.now;
        let issuer = self.issuers.get_mut(&number).unwrap();
        for key in &keys.retire {
            let known = issuer.keys.get_mut(key).unwrap();
            known.retired = Some(known.retired.map_or(at, |retired| retired.min(at)));
            if let Some(since) = keys.compromised
                && at == now
            {
                known.compromised = Some(known.compromised.map_or(since, |c| c.min(since)));
            }
        }
        for key in &keys.add {
            issuer.keys.insert(*key, fresh(at));
        }
        let pending = issuer.pending.as_ref().map(|(effective, _)| *effective);
        for moment in [Some(now), pending].into_iter().flatten() {
            let count = (0..2)
                .filter(|key| active(&issuer.keys, *key, moment))
                .count();
            need(count > 0, "no record key")?;
            let all = issuer
                .keys
                .keys()
                .filter(|key| active(&issuer.keys, **key, moment));
            need(keys.add.is_empty() || all.count() <= 16, "too many keys")?;
        }
        self.registry_written = true;
        Ok(())
    }

    fn issue(
        &mut self,
        number: u8,
        signer: u8,
        achievement: Option<u8>,
        list: u8,
        items: &[(u32, u64)],
    ) -> Verdict {
        let now = self.now;
        let issuer = self.signed(number, signer)?;
        // The first in the entry covers: entries keep the order of the grants.
        let mut covering: Vec<_> = issuer
            .accreditations
            .values()
            .filter(|one| !one.ended(now) && covers(one.scope, achievement))
            .collect();
        covering.sort_by_key(|one| one.grant);
        let grant = covering.first().ok_or("not accredited")?.grant;
        need(issuer.list == Some(list), "not your list")?;
        for (index, number) in items {
            need(issuer.used.insert(*index), "index")?;
            let credential = ModelCredential {
                index: *index,
                revoked: false,
                suspended: None,
                grant,
            };
            need(
                issuer.credentials.insert(*number, credential).is_none(),
                "digest",
            )?;
        }
        Ok(())
    }

    fn status(&mut self, record: usize, by: By, number: u8, what: &What) -> Verdict {
        if let By::Member(member) = by {
            self.member(member)?;
        }
        let issuer = match by {
            By::Member(_) => self.issuers.get_mut(&number).ok_or("unknown issuer")?,
            By::Key(key) => {
                let issuer = self.signed(number, key)?;
                let grave = matches!(what, What::Revoke(_) | What::Supersede(..));
                need(issuer.pending.is_none() || !grave, "pending")?;
                issuer
            }
        };
        let grant = match by {
            By::Member(member) => Some(issuer.accreditations.get(&member).map(|one| one.grant)),
            By::Key(_) => None,
        };
        let touched: Vec<u64> = match what {
            What::Revoke(all) | What::Suspend(all) | What::Reinstate(_, all) => {
                all.iter().copied().collect()
            }
            What::Supersede(old, new) => vec![*old, *new],
        };
        for credential in &touched {
            let known = issuer
                .credentials
                .get(credential)
                .ok_or("unknown credential")?;
            need(
                grant.is_none_or(|grant| grant == Some(known.grant)),
                "not yours",
            )?;
            need(!known.revoked, "revoked")?;
        }
        for credential in touched {
            let known = issuer.credentials.get_mut(&credential).unwrap();
            match what {
                What::Revoke(_) => known.revoked = true,
                What::Supersede(old, _) if *old == credential => known.revoked = true,
                What::Supersede(..) => {}
                What::Suspend(_) => {
                    need(known.suspended.replace(record).is_none(), "suspended")?;
                }
                What::Reinstate(suspension, _) => {
                    need(
                        known.suspended.take() == Some(*suspension),
                        "other suspension",
                    )?;
                }
            }
        }
        Ok(())
    }

    fn possible(&self, action: &Act) -> Verdict {
        match action {
            Act::Add(member) => {
                let known = self.members.contains(member) || self.former.contains(member);
                need(!known, "known member")
            }
            Act::Remove(member, None) => self.member(*member),
            Act::Remove(from, Some(to)) => {
                self.member(*from)?;
                self.member(*to)?;
                need(from != to, "itself")
            }
            Act::Transfer(from, to) => {
                self.member(*to)?;
                need(from != to, "itself")
            }
            Act::Withdraw { issuer, .. } => {
                need(self.issuers.contains_key(issuer), "unknown issuer")
            }
            Act::IssuersPerMember(value) => need((1..=1_024).contains(value), "range"),
        }
    }

    fn open(&mut self, proposal: usize) -> Result<&mut ModelProposal, &'static str> {
        let now = self.now;
        let found = self
            .proposals
            .get_mut(&proposal)
            .ok_or("unknown proposal")?;
        need(!found.closed && now <= found.time + 30 * DAY, "closed")?;
        Ok(found)
    }

    fn approve(&mut self, record: usize, member: u8, id: usize) -> Verdict {
        let members = self.members.clone();
        let proposal = self.open(id)?;
        need(proposal.approvals.insert(member, record).is_none(), "twice")?;
        let approving = proposal
            .approvals
            .keys()
            .filter(|by| members.contains(by))
            .count();
        let action = proposal.action.clone();
        let passes = 3 * approving > 2 * members.len();
        proposal.closed = passes;
        self.approvals.insert(record, id);
        if passes { self.act(&action) } else { Ok(()) }
    }

    fn act(&mut self, action: &Act) -> Verdict {
        self.possible(action)?;
        if matches!(action, Act::Add(_) | Act::Remove(..)) {
            need(!self.members_changed, "members changed")?;
            self.members_changed = true;
        }
        match *action {
            Act::Add(member) => {
                self.members.insert(member);
                Ok(())
            }
            Act::Remove(member, to) => {
                need(self.members.len() > 1, "last member")?;
                self.pass_on(member, to)?;
                self.members.remove(&member);
                self.former.insert(member);
                Ok(())
            }
            Act::Transfer(from, to) => self.pass_on(from, Some(to)),
            Act::Withdraw {
                member,
                issuer,
                from,
            } => self.withdraw(member, issuer, from),
            Act::IssuersPerMember(value) => {
                self.next_cap = Some(value);
                Ok(())
            }
        }
    }

    fn pass_on(&mut self, from: u8, to: Option<u8>) -> Verdict {
        let now = self.now;
        for number in self.issuers.keys().copied().collect::<Vec<_>>() {
            let issuer = self.issuers.get_mut(&number).unwrap();
            let held = issuer
                .accreditations
                .get(&from)
                .is_some_and(|one| one.holds_place);
            if !held {
                continue;
            }
            self.registry_written = true;
            let mut one = issuer.accreditations.remove(&from).unwrap();
            match to {
                Some(to) => {
                    need(!issuer.accreditations.contains_key(&to), "joined")?;
                    self.take_place(to)?;
                    let issuer = self.issuers.get_mut(&number).unwrap();
                    issuer.accreditations.insert(to, one);
                }
                None => {
                    if !one.ended(now) {
                        one.withdrawn = Some(now);
                    }
                    one.holds_place = false;
                    issuer.accreditations.insert(from, one);
                }
            }
        }
        Ok(())
    }

    fn retract(&mut self, member: u8, record: usize) -> Verdict {
        let approved = self.approvals.get(&record).copied();
        let proposal = self.open(approved.unwrap_or(record))?;
        if approved.is_some() {
            need(
                proposal.approvals.get(&member) == Some(&record),
                "not yours",
            )?;
            proposal.approvals.remove(&member);
        } else {
            need(proposal.by == member, "not yours")?;
            proposal.closed = true;
        }
        Ok(())
    }
}

fn fresh(since: u64) -> ModelKey {
    ModelKey {
        since,
        retired: None,
        compromised: None,
    }
}

fn active(keys: &BTreeMap<u8, ModelKey>, key: u8, at: u64) -> bool {
    keys.get(&key)
        .is_some_and(|key| key.since <= at && key.retired.is_none_or(|retired| at < retired))
}

/// Scope 0 is everything, scope n is achievement n alone.
fn covers(scope: u8, achievement: Option<u8>) -> bool {
    scope == 0 || achievement == Some(scope)
}
