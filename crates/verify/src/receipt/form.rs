//! The form of a receipt: nothing twice, nothing missing, nothing surplus.

use std::collections::BTreeSet;

use credlog_ledger::ids::{IssuerNumber, Origin};
use credlog_ledger::status::LIST_CHUNKS;
use credlog_tlog::{Checkpoint, Note};

use super::{
    NUMBER_MAX, RECEIPT_CHANGES_MAX, RECEIPT_CREDENTIALS_MAX, Receipt, Refusal, RefusalCode,
    Statement,
};

pub(crate) fn malformed(reason: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalCode::Malformed, reason)
}

impl Receipt {
    /// Checks all that its form says (check 1 of docs/formats.md), and reads its checkpoint.
    pub(super) fn check_form(&self) -> Result<(Note, Checkpoint), Refusal> {
        self.check_counts()?;
        self.check_numbers()?;
        let (note, checkpoint) = self.read_checkpoint()?;
        let last = checkpoint
            .size()
            .0
            .checked_sub(1)
            .ok_or_else(|| malformed("its checkpoint is that of an empty log"))?;
        let indexes: Vec<u64> = self.leaves.iter().map(|leaf| leaf.index).collect();
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|entry| (entry.seal, entry.issuer))
            .collect();
        let chunks = self.chunks.iter().map(|chunk| (chunk.list, chunk.chunk));
        let credentials = self.credentials.iter().map(|one| (one.digest, one.issuer));
        ascending("leaves", &indexes)?;
        ascending("entries", &entries)?;
        ascending("chunks", &chunks.collect::<Vec<_>>())?;
        ascending("credentials", &credentials.collect::<Vec<_>>())?;
        if !self.named_leaves(last).into_iter().eq(indexes) {
            return Err(malformed("its leaves are not those that it names"));
        }
        if !self.named_entries().into_iter().eq(entries) {
            return Err(malformed(
                "its registry entries are not those that it names",
            ));
        }
        Ok((note, checkpoint))
    }

    fn check_counts(&self) -> Result<(), Refusal> {
        let credentials = self.credentials.len();
        if credentials == 0 || credentials > RECEIPT_CREDENTIALS_MAX {
            return Err(malformed(format!(
                "it is about {credentials} credentials; 1 to {RECEIPT_CREDENTIALS_MAX} are allowed"
            )));
        }
        let changes = self.members.len();
        if changes > RECEIPT_CHANGES_MAX {
            return Err(malformed(format!(
                "it has {changes} changes of the member set; at most {RECEIPT_CHANGES_MAX} are \
                 allowed"
            )));
        }
        if self.since.is_some_and(|since| since.0 == 0) {
            return Err(malformed("`since` is 0, which is not written"));
        }
        let paired = |one: &Statement| one.status.is_some() == one.status_seal.is_some();
        if !self.credentials.iter().all(paired) {
            return Err(malformed("`status` and `statusSeal` do not come together"));
        }
        if self.chunks.iter().any(|chunk| chunk.chunk >= LIST_CHUNKS) {
            return Err(malformed(format!("a list has {LIST_CHUNKS} chunks")));
        }
        Ok(())
    }

    /// Every number has one form in JSON.
    fn check_numbers(&self) -> Result<(), Refusal> {
        let own = [
            Some(self.seal),
            self.next,
            self.at.map(|at| at.0),
            self.since.map(|since| since.0),
            self.consistency.as_ref().map(|other| other.size),
        ];
        let credentials = self.credentials.iter().flat_map(|one| {
            [
                Some(one.issue),
                Some(one.issue_seal),
                Some(one.issuer.0),
                one.status,
                one.status_seal,
            ]
        });
        let parts = self.leaves.iter().map(|leaf| leaf.index);
        let parts = parts.chain(self.entries.iter().flat_map(|one| [one.seal, one.issuer.0]));
        let parts = parts.chain(self.chunks.iter().map(|chunk| chunk.list.0));
        let parts = parts.chain(self.members.iter().map(|change| change.size));
        let mut all = own.into_iter().chain(credentials).flatten().chain(parts);
        match all.find(|number| *number > NUMBER_MAX) {
            Some(number) => Err(malformed(format!("{number} is beyond 2^53 - 1"))),
            None => Ok(()),
        }
    }

    fn read_checkpoint(&self) -> Result<(Note, Checkpoint), Refusal> {
        let note = Note::parse(self.checkpoint.as_bytes())
            .map_err(|error| malformed(format!("its checkpoint is no signed note: {error}")))?;
        let checkpoint = Checkpoint::parse(note.text())
            .map_err(|error| malformed(format!("its checkpoint is none: {error}")))?;
        if note.to_string() != self.checkpoint || checkpoint.body() != note.text() {
            return Err(malformed(
                "its checkpoint is written in another than its one form",
            ));
        }
        if let Err(error) = checkpoint.origin().parse::<Origin>() {
            return Err(malformed(format!("no ledger has such an origin: {error}")));
        }
        let names: Vec<&str> = note.signatures().iter().map(|line| line.name()).collect();
        ascending("the checkpoint's signers", &names)?;
        Ok((note, checkpoint))
    }

    /// The leaves that it speaks of.
    fn named_leaves(&self, last: u64) -> BTreeSet<u64> {
        let credentials = self.credentials.iter().flat_map(|one| {
            [
                Some(one.issue),
                Some(one.issue_seal),
                one.status,
                one.status_seal,
            ]
        });
        let own = [Some(last), Some(self.seal), self.next];
        own.into_iter().chain(credentials).flatten().collect()
    }

    /// The entries that it speaks of.
    fn named_entries(&self) -> BTreeSet<(u64, IssuerNumber)> {
        let credentials = self.credentials.iter();
        credentials
            .flat_map(|one| [(one.issue_seal, one.issuer), (self.seal, one.issuer)])
            .collect()
    }
}

fn ascending<T: Ord>(what: &str, items: &[T]) -> Result<(), Refusal> {
    match items.windows(2).all(|pair| pair[0] < pair[1]) {
        true => Ok(()),
        false => Err(malformed(format!(
            "{what} are not in strictly ascending order"
        ))),
    }
}

/// The receipt about some of its credentials alone. Chunks that only others need go with them:
/// those are found by what the Issue records say.
pub(super) fn narrowed(receipt: &Receipt, credentials: Vec<Statement>) -> Receipt {
    let mut narrowed = Receipt {
        credentials,
        ..receipt.clone()
    };
    let last = narrowed.leaves.last().map_or(0, |leaf| leaf.index);
    let (leaves, entries) = (narrowed.named_leaves(last), narrowed.named_entries());
    narrowed.leaves.retain(|leaf| leaves.contains(&leaf.index));
    narrowed
        .entries
        .retain(|entry| entries.contains(&(entry.seal, entry.issuer)));
    let chunks: BTreeSet<_> = narrowed
        .credentials
        .iter()
        .filter_map(|one| super::statement::chunk_named(&narrowed, one))
        .collect();
    narrowed
        .chunks
        .retain(|chunk| chunks.contains(&(chunk.list, chunk.chunk)));
    narrowed
}
