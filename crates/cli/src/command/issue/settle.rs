//! From signed credentials to committed records: what follows from each answer of the ledger.
//!
//! | answer | what follows |
//! |---|---|
//! | committed | the credentials are written down; done |
//! | duplicate, expired, key-not-active | the record is looked up: found, it is as good as committed; else a new record with the same credentials |
//! | index-taken, not-your-list | a new record with other positions |
//! | digest-taken | credentials that are on the ledger are written down; a new record with the rest |
//! | block-full, registry-after-issue, members-changed, mempool-full | the same bytes again |
//! | anything else | refused: kept for the next run if its files are given again |
//!
//! A new record anchors the same signed credentials as long as they would be valid. One that
//! was signed here with a key that was replaced meanwhile is signed again, unless the ledger
//! has it; one that came in signed is left out.

use std::collections::HashSet;
use std::time::Duration;

use credlog_ledger::body::{Body, Issue, Item};
use credlog_ledger::ids::{Digest, IssuerId, RecordId, UnixMillis};

use super::journal::{Journal, Pending, Row};
use super::outlook::Outlook;
use super::pack::Batch;
use super::positions::Positions;
use super::prepare::{Prepared, Signer};
use super::source::Terms;
use crate::connection::{Committed, Ledger, Refusal, Sent};
use crate::keyfile;
use crate::moment;
use crate::outcome::{Failure, Result};
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
    /// Signs again what has to be.
    pub(super) signer: &'a Signer,
    /// What would become of a credential issued now.
    pub(super) outlook: Outlook,
    /// What cannot be issued any more, and why.
    pub(super) left_out: Vec<Failure>,
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

    /// Credentials that were refused or left out.
    pub(super) fn failed(&self) -> usize {
        let refused: usize = self.refused.iter().map(|one| one.files.len()).sum();
        refused + self.left_out.len()
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
            "duplicate" | "expired" => self.find_or_remake(&pending),
            "key-not-active" => {
                // The key was replaced since the issuer was asked about.
                let key = keyfile::public(&self.signer.key).id();
                self.outlook = Outlook::ask(self.ledger, self.issuer, key)?;
                self.find_or_remake(&pending)
            }
            "index-taken" | "not-your-list" => {
                self.positions.refresh()?;
                self.remake(&pending)
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

    fn find_or_remake(&mut self, pending: &Pending) -> Result<Next> {
        match self.ledger.find_record(&pending.record.id())? {
            Some(committed) => self.finish(pending, committed),
            None => self.remake(pending),
        }
    }

    /// A new record for the same signed credentials; the old one can never be committed, or
    /// if it is after all, the ledger refuses this one because of its digests.
    fn remake(&mut self, pending: &Pending) -> Result<Next> {
        let terms = terms(pending.issue()?);
        let credentials = pending.credentials.clone();
        let next = self.replace(&pending.record.id(), &terms, credentials)?;
        Ok(next.map_or(Next::Done, Next::Again))
    }

    /// A new record in place of one that can never be committed; none if nothing is left to
    /// issue.
    pub(super) fn replace(
        &mut self,
        old: &RecordId,
        terms: &Terms,
        credentials: Vec<Prepared>,
    ) -> Result<Option<Pending>> {
        let mut good = Vec::new();
        for credential in credentials {
            match self.signer.prepare_again(&credential, terms, &self.outlook) {
                Ok(same) if same == credential => good.push(credential),
                // What the ledger has is neither signed again nor left out.
                _ if self.is_issued(&credential.digest)? => good.push(credential),
                Ok(again) => good.push(again),
                Err(failure) => self.left_out.push(failure),
            }
        }
        let next = match good.is_empty() {
            true => None,
            false => Some(self.make(terms, good)?),
        };
        self.journal.drop_pending(old)?;
        Ok(next)
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

/// What an Issue record says of its credentials.
pub(super) fn terms(issue: &Issue) -> Terms {
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
    use credlog_credential::{Credential, Suite};
    use credlog_ledger::ids::{Height, LeafIndex, LedgerId, ListNumber};
    use credlog_ledger::record::{AuthorId, EncodedRecord};
    use ed25519_dalek::SigningKey;
    use serde_json::json;

    use super::super::source::{self, Source};
    use super::*;
    use crate::outcome::Exit;

    const ISSUER: &str = "did:example:a";
    const COMMITTED: Committed = Committed {
        leaf: LeafIndex(7),
        height: Height(3),
        time: UnixMillis(1_000),
    };

    /// Answers from a script, and keeps what was sent. Knows the issuer with its keys: `true`
    /// for one that is active.
    #[derive(Default)]
    struct Scripted {
        keys: RefCell<Vec<(SigningKey, bool)>>,
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
            let keys = self.keys.borrow();
            let keys: Vec<_> = keys
                .iter()
                .map(|(key, active)| {
                    let key = keyfile::public(key);
                    let since = "2025-01-01T00:00:00Z";
                    let purposes = json!({"record": true, "assertion": true});
                    if *active {
                        json!({"id": key.id(), "key": key, "purposes": purposes, "since": since})
                    } else {
                        json!({
                            "id": key.id(), "key": key, "purposes": purposes, "since": since,
                            "retired": "2026-01-01T00:00:00Z",
                        })
                    }
                })
                .collect();
            let accreditation = json!({
                "member": "board", "scope": "all", "since": "2025-01-01T00:00:00Z",
                "grantedBy": "ef".repeat(32),
            });
            let issuance = json!({
                "issuer": ISSUER, "history": [], "issuance": {
                    "recordId": "ab".repeat(32), "leafIndex": 5, "height": 2,
                    "time": "2026-01-01T00:00:00Z", "list": 4, "index": 44,
                    "key": "cd".repeat(16), "accreditation": accreditation,
                },
            });
            Ok(serde_json::from_value(json!({
                "ledger": {
                    "origin": "test.example", "id": "01".repeat(32), "height": 3, "size": 9,
                    "asOf": "2026-01-01T00:00:00Z",
                },
                "digest": digest, "issuer": ISSUER, "moment": "2026-01-01T00:00:00Z",
                "issuers": [{
                    "id": ISSUER, "number": 0, "name": "A", "keys": keys,
                    "recovery": keyfile::public(&keyfile::generate()),
                    "accreditations": [accreditation],
                }],
                "positions": [], "matchCount": u8::from(issued),
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

    fn signer(key: &SigningKey) -> Signer {
        Signer {
            issuer: ISSUER.parse().unwrap(),
            key: key.clone(),
            suite: Suite::EDDSA_JCS_2022,
            achievement: None,
        }
    }

    fn unsigned(number: u8) -> Credential {
        let document = json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiableCredential"],
            "issuer": ISSUER,
            "credentialSubject": {"id": format!("https://students.example/{number}")},
        });
        Credential::from_json(document).unwrap()
    }

    fn source(number: u8) -> Digest {
        source::digest(&unsigned(number))
    }

    /// A credential that was signed here; or that came in signed.
    fn credential(number: u8, key: &SigningKey, signed_here: bool) -> Prepared {
        let (signed, text) = signer(key).sign(unsigned(number)).unwrap();
        let digest = source::digest(&signed);
        Prepared {
            file: format!("{number}.json"),
            source: if signed_here { source(number) } else { digest },
            digest,
            name: String::new(),
            subject: String::new(),
            text,
        }
    }

    const TERMS: Terms = Terms {
        achievement: None,
        valid_from: None,
        valid_until: None,
    };

    /// Everything for settling, with the key that signs now.
    fn with_settlement(
        ledger: &Scripted,
        key: &SigningKey,
        look: impl FnOnce(&mut Settlement<'_>, &Path),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let issuer: IssuerId = ISSUER.parse().unwrap();
        let signatory = Signatory {
            ledger: LedgerId([1; 32]),
            author: AuthorId::Issuer(issuer.clone()),
            key: key.clone(),
        };
        let key_id = keyfile::public(key).id();
        let mut settlement = Settlement {
            ledger,
            signatory: &signatory,
            issuer: &issuer,
            journal: Journal::open(folder.path()).unwrap(),
            positions: Positions::new(ledger, &signatory, &issuer),
            wanted: (1..=3).map(source).collect(),
            refused: Vec::new(),
            signer: &signer(key),
            outlook: Outlook::ask(ledger, &issuer, key_id).unwrap(),
            left_out: Vec::new(),
        };
        look(&mut settlement, folder.path());
    }

    /// Settles credentials 1 to 3 with a script, and looks at the outcome.
    fn settle(
        ledger: &Scripted,
        prepare: impl FnOnce(&Scripted, &Pending),
        look: impl FnOnce(&Settlement<'_>, &Path, &Result<()>),
    ) {
        let key = keyfile::generate();
        ledger.keys.borrow_mut().push((key.clone(), true));
        with_settlement(ledger, &key, |settlement, folder| {
            let credentials: Vec<_> = (1..=3).map(|one| credential(one, &key, true)).collect();
            let terms = TERMS;
            let pending = settlement
                .begin(vec![Batch { terms, credentials }])
                .unwrap();
            prepare(ledger, &pending[0]);
            let result = settlement.settle(pending, &mut |_| {});
            look(settlement, folder, &result);
        });
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
                    let row = settlement.journal.issued(&source(2)).unwrap();
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
                assert!(settlement.journal.issued(&source(1)).is_some());
                assert!(folder.join("1.json").exists());
            });
        }
    }

    #[test]
    fn credentials_on_the_ledger_are_adopted_and_the_rest_is_sent() {
        let ledger = script([refused("digest-taken"), Sent::Committed(COMMITTED)]);
        let issued = |ledger: &Scripted, pending: &Pending| {
            let digest = pending.credentials[1].digest;
            ledger.issued.borrow_mut().insert(digest);
        };
        settle(&ledger, issued, |settlement, _, result| {
            assert!(result.is_ok());
            let adopted = settlement.journal.issued(&source(2)).unwrap();
            assert_eq!((adopted.list.0, adopted.index.0), (4, 44));
            let sent = ledger.sent.borrow();
            let (all, rest) = (digests(&sent[0]), digests(&sent[1]));
            assert_eq!((all.len(), rest.len()), (3, 2));
            assert!(!rest.contains(&adopted.digest));
            assert!(settlement.journal.issued(&source(3)).is_some());
        });
    }

    /// A record that expired after the key was replaced was made anew with the new key around
    /// credentials of the old one: issued, and invalid for ever.
    #[test]
    fn credentials_of_a_replaced_key_are_signed_again_and_foreign_ones_left_out() {
        for code in ["expired", "key-not-active"] {
            let ledger = script([refused(code), Sent::Committed(COMMITTED)]);
            let (old, new) = (keyfile::generate(), keyfile::generate());
            let keys = [(old.clone(), false), (new.clone(), true)];
            ledger.keys.borrow_mut().extend(keys);
            with_settlement(&ledger, &new, |settlement, folder| {
                let credentials = vec![
                    credential(1, &old, true),
                    credential(2, &old, false),
                    credential(3, &old, true),
                ];
                // The ledger has the third, from a record that is not known here.
                let [ours, foreign, issued] = [0, 1, 2].map(|at: usize| credentials[at].digest);
                ledger.issued.borrow_mut().insert(issued);
                let terms = TERMS;
                let batch = vec![Batch { terms, credentials }];
                let pending = settlement.begin(batch).unwrap();
                settlement.settle(pending, &mut |_| {}).unwrap();
                let sent = ledger.sent.borrow();
                let again = digests(&sent[1]);
                assert_eq!(again.len(), 2, "{code}");
                assert!(again.contains(&issued));
                assert!(!again.contains(&ours) && !again.contains(&foreign));
                let text = std::fs::read_to_string(folder.join("1.json")).unwrap();
                assert!(text.contains(&keyfile::public(&new).to_string()), "{text}");
                let [left_out] = settlement.left_out.as_slice() else {
                    panic!("{:?}", settlement.left_out);
                };
                assert!(left_out.message.starts_with("2.json"), "{left_out:?}");
                assert!(settlement.journal.pending().unwrap().is_empty());
            });
        }
    }

    /// A pending record with the given expiry, in its place in the journal.
    fn expiring(settlement: &Settlement<'_>, key: &SigningKey, expires_at: UnixMillis) -> Pending {
        let credentials: Vec<_> = (1..=2).map(|one| credential(one, key, true)).collect();
        let items = credentials.iter().zip(0..).map(|(one, at)| Item {
            index: credlog_ledger::ids::StatusIndex(at),
            digest: one.digest,
        });
        let body = Body::Issue(Issue {
            achievement: None,
            list: ListNumber(9),
            valid_from: None,
            valid_until: None,
            items: items.collect(),
        });
        let signatory = settlement.signatory;
        let record = signatory.sign_with([7; 16], expires_at, body).unwrap();
        let pending = Pending {
            record,
            credentials,
        };
        settlement.journal.begin(&pending).unwrap();
        pending
    }

    fn given(number: u8, content: u8) -> Source {
        Source {
            path: format!("inbox/{number}.json").into(),
            file: format!("{number}.json"),
            digest: source(content),
        }
    }

    /// Both the former and the present content of a file were issued.
    #[test]
    fn what_was_signed_from_a_file_that_changed_is_forgotten_once_it_cannot_be_issued() {
        let ledger = script([]);
        let key = keyfile::generate();
        ledger.keys.borrow_mut().push((key.clone(), true));
        // File 1 has other content now, file 2 the same.
        let given = [given(1, 11), given(2, 2)];
        with_settlement(&ledger, &key, |settlement, _| {
            let alive = expiring(settlement, &key, moment::now().plus(60_000));
            let refused = settlement
                .drop_changed(vec![alive], &given)
                .unwrap_err()
                .message;
            assert!(refused.starts_with("1.json was changed"), "{refused}");
            assert_eq!(settlement.journal.pending().unwrap().len(), 1);
        });
        with_settlement(&ledger, &key, |settlement, _| {
            let dead = expiring(settlement, &key, UnixMillis(1_000));
            let kept = dead.credentials[1].clone();
            let (rest, forgotten) = settlement.drop_changed(vec![dead], &given).unwrap();
            assert_eq!(forgotten, ["1.json"]);
            assert_eq!(rest[0].credentials, [kept]);
            assert_eq!(settlement.journal.pending().unwrap(), rest);
        });
        with_settlement(&ledger, &key, |settlement, _| {
            let issued = expiring(settlement, &key, UnixMillis(1_000));
            let digest = issued.credentials[0].digest;
            ledger.issued.borrow_mut().insert(digest);
            let (rest, forgotten) = settlement
                .drop_changed(vec![issued.clone()], &given)
                .unwrap();
            assert_eq!((rest, forgotten), (vec![issued], Vec::new()));
        });
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
