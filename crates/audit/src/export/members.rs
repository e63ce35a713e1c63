//! The members of a copy: the sets in force, from the first height that is new.
//!
//! Of a new copy the founders' set is the node's word, as the ledger id is: a reader compares both
//! with a genesis file. A copy that grows holds the set in force at its end, and believes others
//! only as far as that one decided them.

use credlog_api::path;
use credlog_ledger::ids::{Height, Origin, Root};
use credlog_ledger::member::MemberSet;
use credlog_tlog::{Checkpoint, Note};

use super::target::Target;
use crate::attested::is_attested;
use crate::error::{AuditError, ExportError};
use crate::files;
use crate::source::Source;

/// Sets of members.
#[derive(Debug)]
pub(super) struct Sets {
    /// With the height from which on each is in force, ascending; at least one.
    all: Vec<(Height, MemberSet)>,
    /// Whether the copy has the first already.
    has_first: bool,
}

impl Sets {
    /// The founders, as the source names them.
    pub(super) fn founders(source: &dyn Source) -> Result<Self, ExportError> {
        let first = Height(1);
        let set = read(source, first)?;
        Ok(Self {
            all: vec![(first, set)],
            has_first: false,
        })
    }

    /// The set in force after the last height of the copy that is there.
    pub(super) fn kept(target: &Target, height: Height, hash: Root) -> Result<Self, ExportError> {
        let first = height.next();
        let set = target.members(first)?;
        let damaged = |reason: &str| ExportError::Damaged {
            path: path::members_at(first),
            reason: reason.to_owned(),
        };
        let set = set.ok_or_else(|| damaged("no set of members up to this height is there"))?;
        if set.hash() != Ok(hash) {
            return Err(damaged(
                "the last set of members is not the one that its last seal names",
            ));
        }
        Ok(Self {
            all: vec![(first, set)],
            has_first: true,
        })
    }

    /// Reads the sets that are in force from these heights on.
    pub(super) fn follow(
        &mut self,
        source: &dyn Source,
        changes: &[(Height, Root)],
    ) -> Result<(), ExportError> {
        for (height, hash) in changes {
            let set = read(source, *height)?;
            if set.hash() != Ok(*hash) {
                return Err(ExportError::Untrue {
                    path: path::members_at(*height),
                    reason: "it is not the set that the seal names".to_owned(),
                });
            }
            self.all.push((*height, set));
        }
        Ok(())
    }

    /// Those that the copy does not have, with their heights.
    pub(super) fn new_ones(&self) -> impl Iterator<Item = &(Height, MemberSet)> {
        self.all.iter().skip(usize::from(self.has_first))
    }

    /// The hash of the first.
    pub(super) fn first_hash(&self) -> Option<Root> {
        self.all.first().and_then(|(_, set)| set.hash().ok())
    }

    /// The set that decides a height.
    pub(super) fn at(&self, height: Height) -> Option<&MemberSet> {
        let known = self.all.partition_point(|(first, _)| *first <= height);
        self.all.get(known.checked_sub(1)?).map(|(_, set)| set)
    }

    /// Whether another set is in force from this height on.
    pub(super) fn change_at(&self, height: Height) -> bool {
        let found = self.all.binary_search_by_key(&height, |(first, _)| *first);
        found.is_ok_and(|at| at > 0)
    }

    /// Whether a quorum of the newest has cosigned a checkpoint.
    pub(super) fn attest(&self, origin: &Origin, note: &Note, checkpoint: &Checkpoint) -> bool {
        let newest = self.all.last();
        newest.is_some_and(|(_, set)| is_attested(set, origin, checkpoint, note))
    }
}

/// The set that a source names for a height.
fn read(source: &dyn Source, height: Height) -> Result<MemberSet, ExportError> {
    let path = path::members_at(height);
    let Some(bytes) = files::members(source, height)? else {
        return Err(AuditError::Missing { path }.into());
    };
    let set = MemberSet::from_bytes(&bytes);
    set.map_err(|error| ExportError::Untrue {
        path,
        reason: error.to_string(),
    })
}
