//! Settling with a ledger that answers from a script.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use credlog_api::Facts;
use credlog_api::issuer::{IssuerView, StatusListView, USED_POSITIONS_BYTES};
use credlog_credential::{Credential, Suite};
use credlog_ledger::ids::{Height, LeafIndex, LedgerId, ListNumber, StatusIndex};
use credlog_ledger::record::{AuthorId, EncodedRecord};
use credlog_verify::Position;
use ed25519_dalek::SigningKey;
use indicatif::ProgressBar;
use serde_json::json;

use super::super::entries::StatusUrls;
use super::super::output::Output;
use super::super::run::{self, Tally};
use super::super::source::{self, Checked, Origin, Source};
use super::*;
use crate::keyfile;
use crate::outcome::Exit;
use credlog_verify::entries;

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
    /// Positions in use.
    used: RefCell<HashSet<StatusIndex>>,
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
        let mut bits = vec![0; USED_POSITIONS_BYTES];
        for index in self.used.borrow().iter() {
            bits[index.0 as usize / 8] |= 1 << (index.0 % 8);
        }
        let used_positions = credlog_api::issuer::UsedPositions::try_from(bits).unwrap();
        Ok(serde_json::from_value(json!({
            "list": list, "issuer": ISSUER, "capacity": 131_072, "used": 0,
            "usedPositions": used_positions, "asOf": "2026-01-01T00:00:00Z",
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
        output: Output::default(),
        a_row_verified: AtomicBool::new(false),
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
    let (signed, text) = signer(key).sign(unsigned(number), false).unwrap();
    let digest = source::digest(&signed);
    Prepared {
        file: format!("{number}.json"),
        source: if signed_here { source(number) } else { digest },
        digest,
        name: String::new(),
        subject: String::new(),
        place: place(number),
        names_place: false,
        image: None,
        text,
    }
}

fn place(number: u8) -> Position {
    Position {
        list: ListNumber(9),
        index: StatusIndex(1_000 + u32::from(number)),
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
        outlook: Outlook::ask(ledger, &issuer, key_id, StatusUrls::Off).unwrap(),
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

/// A credential that names its position.
fn naming(number: u8, key: &SigningKey) -> Prepared {
    let url = "https://node.example";
    let document = entries::add(unsigned(number), url, place(number)).unwrap();
    let unsigned = Credential::from_json(document).unwrap();
    let (signed, text) = signer(key).sign(unsigned, false).unwrap();
    Prepared {
        digest: source::digest(&signed),
        names_place: true,
        text,
        ..credential(number, key, true)
    }
}

/// Settles two credentials that name their positions.
fn settle_naming(
    ledger: &Scripted,
    prepare: impl FnOnce(&Scripted, &Pending),
    look: impl FnOnce(&Settlement<'_>, &Path),
) {
    let key = keyfile::generate();
    ledger.keys.borrow_mut().push((key.clone(), true));
    with_settlement(ledger, &key, |settlement, folder| {
        let credentials = (1..=2).map(|one| naming(one, &key)).collect();
        let terms = TERMS;
        let batch = vec![Batch { terms, credentials }];
        let pending = settlement.begin(batch).unwrap();
        prepare(ledger, &pending[0]);
        settlement.settle(pending, &mut |_| {}).unwrap();
        assert!(settlement.left_out.is_empty() && settlement.refused.is_empty());
        look(settlement, folder);
    });
}

fn places(record: &EncodedRecord) -> Vec<Position> {
    let Body::Issue(issue) = &record.record().body else {
        return Vec::new();
    };
    let list = issue.list;
    let items = issue.items.iter();
    items
        .map(|item| Position {
            list,
            index: item.index,
        })
        .collect()
}

#[test]
fn a_named_position_that_another_has_is_drawn_and_signed_again() {
    let ledger = script([refused("index-taken"), Sent::Committed(COMMITTED)]);
    let taken = |ledger: &Scripted, _: &Pending| {
        ledger.used.borrow_mut().insert(place(2).index);
    };
    settle_naming(&ledger, taken, |settlement, folder| {
        let sent = ledger.sent.borrow();
        assert_eq!(sent.len(), 2);
        assert!(!places(&sent[1]).contains(&place(1)) && !places(&sent[1]).contains(&place(2)));
        for number in 1..=2 {
            let row = settlement.journal.issued(&source(number)).unwrap();
            let text = std::fs::read(folder.join(format!("{number}.json"))).unwrap();
            let credential = Credential::parse(&text).unwrap();
            let place = Position {
                list: row.list,
                index: row.index,
            };
            assert_eq!(credlog_verify::positions_named(&credential), [place]);
            assert_eq!(source::digest(&credential), row.digest);
            assert!(digests(&sent[1]).contains(&row.digest));
        }
        assert!(settlement.journal.pending().unwrap().is_empty());
    });
}

/// The same credentials under other digests would be issued twice.
#[test]
fn named_positions_stay_as_long_as_the_former_record_may_be_committed() {
    for code in ["index-taken", "not-your-list", "expired"] {
        let ledger = script([refused(code), Sent::Committed(COMMITTED)]);
        settle_naming(
            &ledger,
            |_, _| {},
            |_, _| {
                let sent = ledger.sent.borrow();
                assert_eq!(sent.len(), 2, "{code}");
                assert_eq!(digests(&sent[0]), digests(&sent[1]), "{code}");
                assert_eq!(places(&sent[0]), places(&sent[1]), "{code}");
                assert_eq!(sent[0].id() == sent[1].id(), code != "expired");
            },
        );
    }
    // A former record was committed after all: its positions are in use by the same credentials.
    let ledger = script([refused("index-taken")]);
    let issued = |ledger: &Scripted, pending: &Pending| {
        for one in &pending.credentials {
            ledger.issued.borrow_mut().insert(one.digest);
            ledger.used.borrow_mut().insert(one.place.index);
        }
    };
    settle_naming(&ledger, issued, |settlement, _| {
        assert_eq!(ledger.sent.borrow().len(), 1);
        assert!(settlement.journal.issued(&source(1)).is_some());
    });
}

/// A pending record with the given expiry, in its place in the journal.
fn expiring(settlement: &Settlement<'_>, key: &SigningKey, expires_at: UnixMillis) -> Pending {
    let credentials: Vec<_> = (1..=2).map(|one| credential(one, key, true)).collect();
    pending_record(settlement, credentials, expires_at)
}

fn pending_record(
    settlement: &Settlement<'_>,
    credentials: Vec<Prepared>,
    expires_at: UnixMillis,
) -> Pending {
    let items = credentials.iter().map(|one| Item {
        index: one.place.index,
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
    settlement.journal.begin(&pending, None).unwrap();
    pending
}

fn given(number: u8, content: u8) -> Source {
    Source {
        origin: Origin::File(format!("inbox/{number}.json").into()),
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
        let forgotten: Vec<_> = forgotten.iter().map(|one| &one.file).collect();
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

/// The only signed copy of what the ledger could still commit was deleted.
#[test]
fn a_refused_record_that_nobody_wants_is_kept_until_it_is_dead() {
    for codes in [vec!["not-accredited"], vec!["mempool-full"; ATTEMPTS_MAX]] {
        for (expires_at, kept) in [(moment::now().plus(60_000), 1), (UnixMillis(1_000), 0)] {
            let ledger = script(codes.iter().map(|code| refused(code)));
            let key = keyfile::generate();
            ledger.keys.borrow_mut().push((key.clone(), true));
            with_settlement(&ledger, &key, |settlement, _| {
                settlement.wanted.clear();
                let pending = expiring(settlement, &key, expires_at);
                settlement.settle(vec![pending], &mut |_| {}).unwrap();
                assert_eq!(settlement.refused.len(), 1);
                let left = settlement.journal.pending().unwrap().len();
                assert_eq!(left, kept, "{codes:?}, {expires_at:?}");
            });
        }
    }
}

/// It was reported by the run and by the earlier one that it finished: counted twice.
#[test]
fn what_is_left_out_of_an_earlier_run_is_reported_once() {
    let ledger = script([Sent::Committed(COMMITTED)]);
    let (old, new) = (keyfile::generate(), keyfile::generate());
    let keys = [(old.clone(), false), (new.clone(), true)];
    ledger.keys.borrow_mut().extend(keys);
    with_settlement(&ledger, &new, |settlement, folder| {
        // The first was signed here and is corrected; the second came in signed with a key that
        // was replaced since.
        let credentials = vec![credential(1, &old, true), credential(2, &old, false)];
        let inbox = folder.join("inbox");
        std::fs::create_dir(&inbox).unwrap();
        let corrected = serde_json::to_string(&unsigned(11).into_document()).unwrap();
        std::fs::write(inbox.join("1.json"), corrected).unwrap();
        std::fs::write(inbox.join("2.json"), &credentials[1].text).unwrap();
        let sources = [(1, source(11)), (2, credentials[1].source)];
        let checked = Checked {
            sources: sources
                .map(|(number, digest)| Source {
                    origin: Origin::File(inbox.join(format!("{number}.json"))),
                    file: format!("{number}.json"),
                    digest,
                })
                .to_vec(),
            copies: Vec::new(),
        };
        pending_record(settlement, credentials, UnixMillis(1_000));
        let mut tally = Tally::default();
        let bar = ProgressBar::hidden();
        run::issue_all(folder, &checked, settlement, &mut tally, &bar).unwrap();
        assert_eq!(tally.replaced, ["1.json"]);
        assert_eq!((tally.issued, tally.finished_from_before), (1, 0));
        let [left_out] = settlement.left_out.as_slice() else {
            panic!("{:?}", settlement.left_out);
        };
        assert!(left_out.message.starts_with("2.json"), "{left_out:?}");
        assert!(settlement.journal.pending().unwrap().is_empty());
    });
}
