//! Which credentials share an Issue record: those with the same achievement, validity and status
//! list; those whose position cannot be changed stay among themselves.

use std::collections::BTreeMap;

use credlog_ledger::ids::ListNumber;

use super::prepare::Prepared;
use credlog_verify::Terms;

/// Credentials that one Issue record anchors; 256 keep a record small (design: "tools pack
/// 256").
pub(super) const CREDENTIALS_PER_RECORD: usize = 256;

/// The credentials of one record, their positions all of one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) terms: Terms,
    pub(super) credentials: Vec<Prepared>,
}

/// Groups credentials by their terms and splits the groups.
pub(super) fn pack(prepared: Vec<(Terms, Prepared)>) -> Vec<Batch> {
    let mut groups: BTreeMap<(Terms, ListNumber, bool), Vec<Prepared>> = BTreeMap::new();
    for (terms, credential) in prepared {
        let group = (terms, credential.place.list, credential.is_fixed());
        groups.entry(group).or_default().push(credential);
    }
    let mut batches = Vec::new();
    for ((terms, _, _), credentials) in groups {
        for chunk in credentials.chunks(CREDENTIALS_PER_RECORD) {
            batches.push(Batch {
                terms: terms.clone(),
                credentials: chunk.to_vec(),
            });
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use credlog_ledger::ids::{Digest, StatusIndex, UnixMillis};
    use credlog_verify::Position;

    fn credential(number: u16, until: Option<u64>) -> (Terms, Prepared) {
        let mut digest = [0; 32];
        digest[..2].copy_from_slice(&number.to_be_bytes());
        let terms = Terms {
            achievement: None,
            valid_from: None,
            valid_until: until.map(UnixMillis),
        };
        let prepared = Prepared {
            file: format!("{number}.json"),
            source: Digest(digest),
            digest: Digest(digest),
            name: String::new(),
            subject: String::new(),
            place: Position {
                list: ListNumber(0),
                index: StatusIndex(number.into()),
            },
            names_place: false,
            image: None,
            text: String::new(),
        };
        (terms, prepared)
    }

    #[test]
    fn records_are_full_and_never_mix_terms() {
        let mut all: Vec<_> = (0..600).map(|n| credential(n, None)).collect();
        all.extend((600..610).map(|n| credential(n, Some(7))));
        let batches = pack(all);
        let sizes: Vec<_> = batches.iter().map(|b| b.credentials.len()).collect();
        assert_eq!(sizes, [256, 256, 88, 10]);
        assert_eq!(batches[3].terms.valid_until, Some(UnixMillis(7)));
        let mut two_lists: Vec<_> = (0..2).map(|n| credential(n, None)).collect();
        two_lists[1].1.place.list = ListNumber(1);
        assert_eq!(pack(two_lists).len(), 2);
        assert!(pack(Vec::new()).is_empty());
    }
}
