//! Rule R8: revoking, suspending, reinstating and superseding.

use std::rc::Rc;

use crate::body::{Reason, StatusChange};
use crate::entry::IssuerEntry;
use crate::ids::{Digest, IssuerId, IssuerNumber, RecordId};
use crate::record::AuthorId;
use crate::rejection::Rejection;
use crate::rows::{CredentialRow, StatusChangeKind, StatusEvent};
use crate::state::{ViewError, keys as row_keys};
use crate::status::{Chunk, Status, chunk_of};
use crate::transition::overlay::IssuerNow;
use crate::transition::{ApplyError, Step};

/// Status lists in which a block changes a status: the first change near blank chunks hashes
/// up to a thousand of them.
const LISTS_CHANGED_PER_BLOCK_MAX: usize = 256;

impl Step<'_, '_> {
    pub(crate) fn revoke(&mut self, change: &StatusChange) -> Result<(), ApplyError> {
        let found = self.issuer_of_credentials(&change.issuer)?;
        let (number, entry) = (found.number, &found.entry);
        self.check_no_replacement_pending(entry)?;
        for digest in &change.digests {
            let (row, status) = self.credential_for_change(entry, number, digest)?;
            not_revoked(digest, status)?;
            self.change_status(&row, StatusChangeKind::Revoked, change.reason)?;
        }
        Ok(())
    }

    pub(crate) fn suspend(&mut self, change: &StatusChange) -> Result<(), ApplyError> {
        let found = self.issuer_of_credentials(&change.issuer)?;
        let (number, entry) = (found.number, &found.entry);
        for digest in &change.digests {
            let (row, status) = self.credential_for_change(entry, number, digest)?;
            if status != Status::Valid {
                let needed = "only a valid credential can be suspended";
                return Err(Rejection::WrongStatus {
                    digest: *digest,
                    status,
                    needed,
                }
                .into());
            }
            self.change_status(&row, StatusChangeKind::Suspended, change.reason)?;
        }
        Ok(())
    }

    pub(crate) fn reinstate(
        &mut self,
        issuer: &IssuerId,
        suspension: RecordId,
        digests: &[Digest],
        reason: Reason,
    ) -> Result<(), ApplyError> {
        let found = self.issuer_of_credentials(issuer)?;
        let (number, entry) = (found.number, &found.entry);
        for digest in digests {
            let (row, status) = self.credential_for_change(entry, number, digest)?;
            if status != Status::Suspended {
                let needed = "only a suspended credential can be reinstated";
                return Err(Rejection::WrongStatus {
                    digest: *digest,
                    status,
                    needed,
                }
                .into());
            }
            let event = self
                .overlay
                .state()
                .last_status_event(row.list, row.index)?;
            let event = event.ok_or_else(|| {
                ViewError::Damaged(format!("credential {digest} is suspended by no record"))
            })?;
            if event.record != suspension {
                let suspension = event.record;
                return Err(Rejection::OtherSuspension {
                    digest: *digest,
                    suspension,
                }
                .into());
            }
            self.change_status(&row, StatusChangeKind::Reinstated, reason)?;
        }
        Ok(())
    }

    /// Neither credential may be revoked, and the old one is afterwards: so no chain of
    /// supersessions ever closes to a cycle.
    pub(crate) fn supersede(
        &mut self,
        issuer: &IssuerId,
        old: Digest,
        new: Digest,
        reason: Reason,
    ) -> Result<(), ApplyError> {
        let found = self.issuer_of_credentials(issuer)?;
        let (number, entry) = (found.number, &found.entry);
        self.check_no_replacement_pending(entry)?;
        let (_, status) = self.credential_for_change(entry, number, &new)?;
        not_revoked(&new, status)?;
        let (row, status) = self.credential_for_change(entry, number, &old)?;
        not_revoked(&old, status)?;
        self.change_status(&row, StatusChangeKind::Superseded { by: new }, reason)
    }

    fn issuer_of_credentials(&self, issuer: &IssuerId) -> Result<Rc<IssuerNow>, ApplyError> {
        let author = &self.record.record().author.id;
        if let AuthorId::Issuer(id) = author
            && id != issuer
        {
            let kind = self.record.record().body.kind();
            return Err(Rejection::WrongAuthor {
                kind,
                author: author.clone(),
            }
            .into());
        }
        self.issuer_now(issuer)
    }

    /// The credential, if the author is its issuer or its accrediting member.
    fn credential_for_change(
        &self,
        entry: &IssuerEntry,
        number: IssuerNumber,
        digest: &Digest,
    ) -> Result<(CredentialRow, Status), ApplyError> {
        let state = self.overlay.state();
        let Some(row) = state.credential(digest, number)? else {
            let issuer = entry.id.clone();
            return Err(Rejection::UnknownCredential {
                digest: *digest,
                issuer,
            }
            .into());
        };
        let author = &self.record.record().author.id;
        if let AuthorId::Member(member) = author {
            let issue = state.issue(row.leaf)?.ok_or_else(|| {
                ViewError::Damaged(format!("there is no issue row of leaf {}", row.leaf.0))
            })?;
            let covering = entry.accreditations.get(usize::from(issue.accreditation));
            if covering.is_none_or(|one| one.member != *member) {
                let author = author.clone();
                return Err(Rejection::NotYours {
                    author,
                    digest: *digest,
                }
                .into());
            }
        }
        let chunk = state.chunk(row.list, chunk_of(row.index))?;
        Ok((row, chunk.status(row.index)))
    }

    fn change_status(
        &mut self,
        row: &CredentialRow,
        change: StatusChangeKind,
        reason: Reason,
    ) -> Result<(), ApplyError> {
        if self.overlay.note_list_changed(row.list) > LISTS_CHANGED_PER_BLOCK_MAX {
            return Err(Rejection::BlockFull {}.into());
        }
        let number = chunk_of(row.index);
        let mut chunk: Chunk = self.overlay.state().chunk(row.list, number)?;
        match change {
            StatusChangeKind::Revoked | StatusChangeKind::Superseded { .. } => {
                chunk.revoke(row.index);
            }
            StatusChangeKind::Suspended => chunk.set_suspended(row.index, true),
            StatusChangeKind::Reinstated => chunk.set_suspended(row.index, false),
        }
        let event = StatusEvent {
            change,
            record: self.record.id(),
            leaf: self.leaf,
            time: self.context.time,
            by: self.record.record().author.id.clone(),
            reason,
        };
        let key = row_keys::status_events(row.list, row.index).u64(self.leaf.0);
        self.overlay.put_value("status event", key, &event)?;
        let at = row_keys::chunk_at(row.list, number, self.context.height);
        self.overlay.put(at, chunk.0.to_vec());
        self.overlay
            .put(row_keys::chunk(row.list, number), chunk.0.to_vec());
        Ok(())
    }
}

fn not_revoked(digest: &Digest, status: Status) -> Result<(), Rejection> {
    if status == Status::Revoked {
        let needed = "a revocation is final";
        return Err(Rejection::WrongStatus {
            digest: *digest,
            status,
            needed,
        });
    }
    Ok(())
}
