//! From signed credentials to committed records: what follows from each answer of the ledger.
//!
//! | answer | what follows |
//! |---|---|
//! | committed | the credentials are written down; done |
//! | duplicate, expired | the record is looked up: found, it is as good as committed; else a new record with the same credentials |
//! | index-taken, not-your-list | a new record with other positions |
//! | digest-taken | credentials that are on the ledger are written down; a new record with the rest |
//! | block-full, registry-after-issue, members-changed, mempool-full | the same bytes again |
//! | anything else | refused: kept for the next run if its files are given again |

use std::collections::HashSet;
use std::time::Duration;

use credlog_ledger::body::{Body, Issue, Item};
use credlog_ledger::ids::{Digest, IssuerId, UnixMillis};

use super::journal::{Journal, Pending, Row};
use super::pack::Batch;
use super::positions::Positions;
use super::prepare::Prepared;
use super::source::Terms;
use crate::connection::{Committed, Ledger, Refusal, Sent};
use crate::moment;
use crate::outcome::Result;
use crate::statement::Signatory;

/// Times that a credential is sent in one run before its last refusal is reported.
const ATTEMPTS_MAX: usize = 5;
/// Pause before the same bytes are sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Most records in one request.
pub(super) const RECORDS_PER_REQUEST: usize = 256;

/// Credentials that the ledger refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) files: Vec<String>,
    pub(super) refusal: Refusal,
}

/// Everything that settling needs.
pub(super) struct Settlement<'a> {
    pub(super) ledger: &'a dyn Ledger,
    pub(super) signatory: &'a Signatory,
    pub(super) issuer: &'a IssuerId,
    pub(super) journal: Journal,
    pub(super) positions: Positions<'a>,
    /// What came in with this run; refused records about nothing of it are forgotten.
    pub(super) wanted: HashSet<Digest>,
    pub(super) refused: Vec<Refused>,
}

enum Next {
    Done,
    Again(Pending),
    Refused(Pending, Refusal),
}

impl Settlement<'_> {
    /// Makes records for batches and keeps them in the journal.
    pub(super) fn begin(&mut self, batches: Vec<Batch>) -> Result<Vec<Pending>> {
        let one = |batch: Batch| self.make(&batch.terms, batch.credentials);
        batches.into_iter().map(one).collect()
    }

    /// Sends records until each is committed or refused; tells of credentials settled.
    pub(super) fn settle(
        &mut self,
        pending: Vec<Pending>,
        settled: &mut dyn FnMut(usize),
    ) -> Result<()> {
        let mut open = pending;
        let mut attempt = 1;
        while !open.is_empty() {
            let mut again = Vec::new();
            let round = std::mem::take(&mut open);
            for group in round.chunks(RECORDS_PER_REQUEST) {
                let records: Vec<_> = group.iter().map(|one| &one.record).collect();
                let answers = self.ledger.submit(&records)?;
                for (pending, sent) in group.iter().zip(answers) {
                    let count = pending.credentials.len();
                    match self.follow(pending.clone(), sent, attempt)? {
                        Next::Done => settled(count),
                        Next::Again(pending) => {
                            settled(count - pending.credentials.len());
                            again.push(pending);
                        }
                        Next::Refused(pending, refusal) => {
                            settled(count);
                            self.refuse(&pending, refusal)?;
                        }
                    }
                }
            }
            open = again;
            attempt += 1;
        }
        Ok(())
    }

    fn follow(&mut self, pending: Pending, sent: Sent, attempt: usize) -> Result<Next> {
        let refusal = match sent {
            Sent::Committed(committed) => return self.finish(&pending, committed),
            Sent::Refused(refusal) => refusal,
        };
        if attempt >= ATTEMPTS_MAX {
            return Ok(Next::Refused(pending, refusal));
        }
        match refusal.code.as_str() {
            "duplicate" | "expired" => match self.ledger.find_record(&pending.record.id())? {
                Some(committed) => self.finish(&pending, committed),
                None => self.remake(pending),
            },
            "index-taken" | "not-your-list" => {
                self.positions.refresh()?;
                self.remake(pending)
            }
            "digest-taken" => self.adopt(pending, refusal),
            "block-full" | "registry-after-issue" | "members-changed" | "mempool-full" => {
                std::thread::sleep(RETRY_PAUSE);
                Ok(Next::Again(pending))
            }
            _ => Ok(Next::Refused(pending, refusal)),
        }
    }

    fn finish(&mut self, pending: &Pending, committed: Committed) -> Result<Next> {
        let issue = pending.issue()?;
        let achievement = issue.achievement.as_ref();
        let mut rows = Vec::new();
        for credential in &pending.credentials {
            let item = issue
                .items
                .iter()
                .find(|item| item.digest == credential.digest);
            rows.extend(item.map(|item| Row {
                list: issue.list,
                index: item.index,
                record: pending.record.id(),
                leaf: committed.leaf,
                time: moment::rfc3339(committed.time),
                achievement: achievement.map(ToString::to_string).unwrap_or_default(),
                ..Row::new(credential)
            }));
        }
        self.journal.finish(pending, &rows)?;
        Ok(Next::Done)
    }

    /// Some of the credentials are on the ledger already, from a record that is not known
    /// here: those are written down as they stand there, and the rest is sent anew.
    fn adopt(&mut self, pending: Pending, refusal: Refusal) -> Result<Next> {
        let mut rows = Vec::new();
        let mut rest = Vec::new();
        for credential in &pending.credentials {
            let facts = self.ledger.facts(&credential.digest, Some(self.issuer))?;
            match facts.matches.iter().find(|one| one.issuer == *self.issuer) {
                None => rest.push(credential.clone()),
                Some(found) => {
                    let issued = &found.issuance;
                    let time: UnixMillis = issued.time.unix_millis();
                    rows.push(Row {
                        list: issued.list,
                        index: issued.index,
                        record: issued.record_id,
                        leaf: issued.leaf_index,
                        time: moment::rfc3339(time),
                        achievement: issued
                            .achievement
                            .as_ref()
                            .map(ToString::to_string)
                            .unwrap_or_default(),
                        ..Row::new(credential)
                    });
                }
            }
        }
        if rows.is_empty() {
            return Ok(Next::Refused(pending, refusal));
        }
        if rest.is_empty() {
            self.journal.finish(&pending, &rows)?;
            return Ok(Next::Done);
        }
        let next = self.make(&terms(pending.issue()?), rest)?;
        self.journal.finish(&pending, &rows)?;
        Ok(Next::Again(next))
    }

    /// A new record for the same signed credentials; the old one can never be committed, or
    /// if it is after all, the ledger refuses this one because of its digests.
    fn remake(&mut self, pending: Pending) -> Result<Next> {
        let old = pending.record.id();
        let next = self.make(&terms(pending.issue()?), pending.credentials)?;
        self.journal.drop_pending(&old)?;
        Ok(Next::Again(next))
    }

    fn make(&mut self, terms: &Terms, credentials: Vec<Prepared>) -> Result<Pending> {
        let (list, indexes) = self.positions.take(credentials.len())?;
        let items = indexes
            .into_iter()
            .zip(&credentials)
            .map(|(index, credential)| Item {
                index,
                digest: credential.digest,
            });
        let body = Body::Issue(Issue {
            achievement: terms.achievement.clone(),
            list,
            valid_from: terms.valid_from,
            valid_until: terms.valid_until,
            items: items.collect(),
        });
        let pending = Pending {
            record: self.signatory.sign(body)?,
            credentials,
        };
        self.journal.begin(&pending)?;
        Ok(pending)
    }

    /// A refused record stays pending while its files are wanted: it may have been refused
    /// for a reason that passes, and its bytes may be in other hands.
    fn refuse(&mut self, pending: &Pending, refusal: Refusal) -> Result<()> {
        if !pending
            .credentials
            .iter()
            .any(|one| self.wanted.contains(&one.source))
        {
            self.journal.drop_pending(&pending.record.id())?;
        }
        let files = pending
            .credentials
            .iter()
            .map(|one| one.file.clone())
            .collect();
        self.refused.push(Refused { files, refusal });
        Ok(())
    }
}

fn terms(issue: &Issue) -> Terms {
    Terms {
        achievement: issue.achievement.clone(),
        valid_from: issue.valid_from,
        valid_until: issue.valid_until,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::path::Path;

    use credlog_api::Facts;
    use credlog_api::issuer::{IssuerView, StatusListView, USED_POSITIONS_BYTES};
    use credlog_ledger::ids::{Height, LeafIndex, LedgerId, ListNumber, RecordId};
    use credlog_ledger::record::{AuthorId, EncodedRecord};
    use serde_json::json;

    use super::*;
    use crate::keyfile;
    use crate::outcome::{Exit, Failure};

    const ISSUER: &str = "did:example:a";
    const COMMITTED: Committed = Committed {
        leaf: LeafIndex(7),
        height: Height(3),
        time: UnixMillis(1_000),
    };

    /// Answers from a script, and keeps what was sent.
    #[derive(Default)]
    struct Scripted {
        answers: RefCell<VecDeque<Sent>>,
        sent: RefCell<Vec<EncodedRecord>>,
        in_log: RefCell<HashSet<RecordId>>,
        issued: RefCell<HashSet<Digest>>,
    }

    impl Ledger for Scripted {
        fn submit(&self, records: &[&EncodedRecord]) -> Result<Vec<Sent>> {
            let mut answers = self.answers.borrow_mut();
            let gone = || Failure::new(Exit::Node, "the script has ended");
            let answer = |record: &&EncodedRecord| {
                self.sent.borrow_mut().push((*record).clone());
                answers.pop_front().ok_or_else(gone)
            };
            records.iter().map(answer).collect()
        }

        fn find_record(&self, id: &RecordId) -> Result<Option<Committed>> {
            Ok(self.in_log.borrow().contains(id).then_some(COMMITTED))
        }

        fn facts(&self, digest: &Digest, _: Option<&IssuerId>) -> Result<Facts> {
            let issued = self.issued.borrow().contains(digest);
            let issuance = json!({
                "issuer": ISSUER, "history": [], "issuance": {
                    "recordId": "ab".repeat(32), "leafIndex": 5, "height": 2,
                    "time": "2026-01-01T00:00:00Z", "list": 4, "index": 44,
                    "key": "cd".repeat(16), "accreditation": {
                        "member": "board", "scope": "all", "since": "2026-01-01T00:00:00Z",
                        "grantedBy": "ef".repeat(32),
                    },
                },
            });
            Ok(serde_json::from_value(json!({
                "ledger": {
                    "origin": "test.example", "id": "01".repeat(32), "height": 3, "size": 9,
                    "asOf": "2026-01-01T00:00:00Z",
                },
                "digest": digest, "issuer": ISSUER, "moment": "2026-01-01T00:00:00Z",
                "issuers": [], "positions": [], "matchCount": u8::from(issued),
                "matches": if issued { vec![issuance] } else { Vec::new() },
            }))?)
        }

        fn issuer(&self, id: &IssuerId) -> Result<Option<IssuerView>> {
            Ok(serde_json::from_value(json!({
                "id": id, "number": 0, "name": "A", "keys": [], "accreditations": [],
                "recovery": keyfile::public(&keyfile::generate()),
                "achievementCount": 0, "lists": [9], "asOf": "2026-01-01T00:00:00Z",
            }))?)
        }

        fn status_list(&self, list: ListNumber) -> Result<StatusListView> {
            let length = (USED_POSITIONS_BYTES * 8).div_ceil(6);
            Ok(serde_json::from_value(json!({
                "list": list, "issuer": ISSUER, "capacity": 131_072, "used": 0,
                "usedPositions": "A".repeat(length), "asOf": "2026-01-01T00:00:00Z",
            }))?)
        }
    }

    fn refused(code: &str) -> Sent {
        Sent::Refused(Refusal {
            code: code.to_owned(),
            reason: "scripted".to_owned(),
        })
    }

    fn credential(number: u8) -> Prepared {
        Prepared {
            file: format!("{number}.json"),
            source: Digest([number; 32]),
            digest: Digest([number + 100; 32]),
            name: String::new(),
            subject: String::new(),
            text: "{}".to_owned(),
        }
    }

    /// Settles credentials 1 to 3 with a script, and looks at the outcome.
    fn settle(
        ledger: &Scripted,
        prepare: impl FnOnce(&Scripted, &Pending),
        look: impl FnOnce(&Settlement<'_>, &Path, &Result<()>),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let issuer: IssuerId = ISSUER.parse().unwrap();
        let signatory = Signatory {
            ledger: LedgerId([1; 32]),
            author: AuthorId::Issuer(issuer.clone()),
            key: keyfile::generate(),
        };
        let credentials: Vec<_> = (1..=3).map(credential).collect();
        let mut settlement = Settlement {
            ledger,
            signatory: &signatory,
            issuer: &issuer,
            journal: Journal::open(folder.path()).unwrap(),
            positions: Positions::new(ledger, &signatory, &issuer),
            wanted: credentials.iter().map(|one| one.source).collect(),
            refused: Vec::new(),
        };
        let terms = Terms {
            achievement: None,
            valid_from: None,
            valid_until: None,
        };
        let pending = settlement
            .begin(vec![Batch { terms, credentials }])
            .unwrap();
        prepare(ledger, &pending[0]);
        let result = settlement.settle(pending, &mut |_| {});
        look(&settlement, folder.path(), &result);
    }

    fn script(answers: impl IntoIterator<Item = Sent>) -> Scripted {
        let ledger = Scripted::default();
        ledger.answers.borrow_mut().extend(answers);
        ledger
    }

    fn digests(record: &EncodedRecord) -> Vec<Digest> {
        let Body::Issue(issue) = &record.record().body else {
            return Vec::new();
        };
        let mut digests: Vec<_> = issue.items.iter().map(|item| item.digest).collect();
        digests.sort_unstable();
        digests
    }

    #[test]
    fn other_positions_and_a_new_expiry_keep_the_signed_credentials() {
        for code in ["index-taken", "not-your-list", "expired"] {
            let ledger = script([refused(code), Sent::Committed(COMMITTED)]);
            settle(
                &ledger,
                |_, _| {},
                |settlement, _, result| {
                    assert!(result.is_ok() && settlement.refused.is_empty(), "{code}");
                    let sent = ledger.sent.borrow();
                    assert_eq!(sent.len(), 2);
                    assert_ne!(sent[0].id(), sent[1].id());
                    assert_eq!(
                        digests(&sent[0]),
                        digests(&sent[1]),
                        "no digest is ever new"
                    );
                    let row = settlement.journal.issued(&Digest([2; 32])).unwrap();
                    assert_eq!(row.record, sent[1].id());
                    assert!(settlement.journal.pending().unwrap().is_empty());
                },
            );
        }
    }

    #[test]
    fn a_record_that_is_in_the_log_already_is_not_made_again() {
        for code in ["duplicate", "expired"] {
            let ledger = script([refused(code)]);
            let known = |ledger: &Scripted, pending: &Pending| {
                ledger.in_log.borrow_mut().insert(pending.record.id());
            };
            settle(&ledger, known, |settlement, folder, result| {
                assert!(result.is_ok(), "{code}");
                assert_eq!(ledger.sent.borrow().len(), 1);
                assert!(settlement.journal.issued(&Digest([1; 32])).is_some());
                assert!(folder.join("1.json").exists());
            });
        }
    }

    #[test]
    fn credentials_on_the_ledger_are_adopted_and_the_rest_is_sent() {
        let ledger = script([refused("digest-taken"), Sent::Committed(COMMITTED)]);
        ledger.issued.borrow_mut().insert(Digest([102; 32]));
        settle(
            &ledger,
            |_, _| {},
            |settlement, _, result| {
                assert!(result.is_ok());
                let adopted = settlement.journal.issued(&Digest([2; 32])).unwrap();
                assert_eq!((adopted.list.0, adopted.index.0), (4, 44));
                let sent = ledger.sent.borrow();
                assert_eq!(digests(&sent[1]), [Digest([101; 32]), Digest([103; 32])]);
                assert!(settlement.journal.issued(&Digest([3; 32])).is_some());
            },
        );
    }

    #[test]
    fn a_refusal_is_reported_and_the_record_kept_for_the_next_run() {
        let ledger = script([refused("not-accredited")]);
        settle(
            &ledger,
            |_, _| {},
            |settlement, folder, result| {
                assert!(result.is_ok());
                assert_eq!(settlement.refused[0].files, ["1.json", "2.json", "3.json"]);
                assert_eq!(settlement.journal.pending().unwrap().len(), 1);
                assert!(!folder.join("1.json").exists());
            },
        );
    }

    #[test]
    fn nothing_is_sent_for_ever_and_a_silent_node_leaves_the_record_pending() {
        let ledger = script((0..20).map(|_| refused("index-taken")));
        settle(
            &ledger,
            |_, _| {},
            |settlement, _, result| {
                assert!(result.is_ok());
                assert_eq!(ledger.sent.borrow().len(), ATTEMPTS_MAX);
                assert_eq!(settlement.refused.len(), 1);
            },
        );
        settle(
            &script([]),
            |_, _| {},
            |settlement, _, result| {
                assert_eq!(result.as_ref().unwrap_err().exit, Exit::Node);
                assert_eq!(settlement.journal.pending().unwrap().len(), 1);
            },
        );
    }
}
