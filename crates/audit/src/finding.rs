//! What is wrong with a ledger, and where.

use std::collections::BTreeMap;
use std::fmt::Display;

use credlog_ledger::ids::{Height, LeafIndex, RecordId};
use credlog_ledger::rejection::{Rejection, Rule};
use serde::Serialize;

/// Most findings that a report holds one by one.
pub const FINDINGS_MAX: usize = 256;

/// The kinds of findings; docs/audit.md says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A leaf that is not the one whose hash is published.
    Leaf,
    /// A leaf that is no record and no seal.
    Malformed,
    /// A record whose signature does not verify, or that a rule refuses.
    Record,
    /// A block that a rule refuses, or a seal that says other than its block gives.
    Seal,
    /// A tile of hashes that are not those of the log.
    Tile,
    /// A file that no ledger publishes: cut off, too long, of another form.
    File,
    /// The members in force did not decide what is served as this height.
    Certificate,
    /// A list of members that is not the one in force.
    Members,
    /// The newest checkpoint is not that of the log, or not signed as it says.
    Checkpoint,
    /// No quorum cosigned the newest checkpoint, or a cosignature is bad.
    Cosignatures,
    /// A published status list that is not the ledger's.
    StatusList,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// The rule that is broken, R0 to R10 (docs/formats.md), where one is.
    pub rule: Option<String>,
    /// The code of the refusal, where a rule refuses a record (docs/formats.md).
    pub code: Option<&'static str>,
    /// Height of the block.
    pub height: Option<Height>,
    /// The leaf, from 0.
    pub leaf: Option<LeafIndex>,
    /// Id of the record, where it is one.
    pub record: Option<RecordId>,
    /// The file that says it, by its path.
    pub file: Option<String>,
    /// What is wrong, for people.
    pub message: String,
    /// The values that show it.
    pub evidence: BTreeMap<&'static str, String>,
}

impl Finding {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            rule: None,
            code: None,
            height: None,
            leaf: None,
            record: None,
            file: None,
            message: message.into(),
            evidence: BTreeMap::new(),
        }
    }

    pub(crate) fn rule(mut self, rule: Rule) -> Self {
        self.rule = Some(rule.to_string());
        self
    }

    pub(crate) fn refused(mut self, rejection: &Rejection) -> Self {
        self.code = Some(rejection.code());
        self.rule(rejection.rule())
    }

    pub(crate) fn height(mut self, height: Height) -> Self {
        self.height = Some(height);
        self
    }

    pub(crate) fn leaf(mut self, leaf: LeafIndex) -> Self {
        self.leaf = Some(leaf);
        self
    }

    pub(crate) fn record(mut self, record: RecordId) -> Self {
        self.record = Some(record);
        self
    }

    pub(crate) fn file(mut self, path: impl Into<String>) -> Self {
        self.file = Some(path.into());
        self
    }

    #[allow(clippy::needless_pass_by_value)] // numbers and hashes, written down at once
    pub(crate) fn shows(mut self, name: &'static str, value: impl Display) -> Self {
        self.evidence.insert(name, value.to_string());
        self
    }

    /// Where it stands in the log: findings are listed in this order. That a leaf was changed is
    /// said before what is wrong with it.
    pub(crate) fn place(&self) -> (u64, u64, Kind) {
        // What is about a whole height stands behind its leaves; what is about no height, last.
        let height = self.height.map_or(u64::MAX, |height| height.0);
        let leaf = self.leaf.map_or(u64::MAX, |leaf| leaf.0);
        (height, leaf, self.kind)
    }
}

/// Findings as they come, the first [`FINDINGS_MAX`] of them kept.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    count: u64,
}

impl Findings {
    pub(crate) fn add(&mut self, finding: Finding) {
        self.count += 1;
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(finding);
        }
    }

    pub(crate) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// How many there are so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Those that were kept, in the order of the log, and how many there were.
    pub(crate) fn done(mut self) -> (Vec<Finding>, u64) {
        self.kept.sort_by_key(Finding::place);
        (self.kept, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_listed_in_the_order_of_the_log_and_counted() {
        let mut findings = Findings::default();
        findings.add(Finding::new(Kind::Checkpoint, "last"));
        findings.add(Finding::new(Kind::Certificate, "third").height(Height(1)));
        let leaf = |leaf| Finding::new(Kind::Record, "leaf").leaf(LeafIndex(leaf));
        findings.add(leaf(3).height(Height(1)));
        findings.add(leaf(1).height(Height(1)));
        for _ in 0..FINDINGS_MAX {
            findings.add(leaf(9).height(Height(2)));
        }
        let (kept, count) = findings.done();
        assert_eq!((kept.len(), count), (FINDINGS_MAX, FINDINGS_MAX as u64 + 4));
        let leaves: Vec<_> = kept[..3].iter().map(|one| one.leaf).collect();
        assert_eq!(leaves, [Some(LeafIndex(1)), Some(LeafIndex(3)), None]);
        assert_eq!(kept[FINDINGS_MAX - 1].message, "last");
    }
}
