//! Signed status lists beside a ledger: true ones, whoever signed them, and false ones.

use credlog_api::{Time, path};
use credlog_audit::{AuditError, Kind, Report};
use credlog_credential::status::{Bitstring, StatusListDraft};
use credlog_credential::{SignOptions, Suite, multikey, sign};
use credlog_ledger::ids::{ListNumber, UnixMillis};
use credlog_verify::published::{Purpose, status_bits};
use time::OffsetDateTime;

use crate::audit;
use crate::chronicle::Chronicle;
use crate::published::{Files, Published};
use crate::support::key;

const PURPOSES: [Purpose; 2] = [Purpose::Revocation, Purpose::Suspension];
/// The chronicle's lists.
const LISTS: u64 = 2;
/// Position of a revoked credential in list 0, by the chronicle.
const REVOKED: u64 = 0;

struct Ledger {
    chronicle: Chronicle,
    files: Files,
}

fn ledger() -> Ledger {
    let chronicle = Chronicle::write(60);
    let files = Published::of(&chronicle).files();
    Ledger { chronicle, files }
}

impl Ledger {
    fn newest(&self) -> UnixMillis {
        self.chronicle.ledger.blocks.last().unwrap().seal.time
    }

    fn bits(&self, list: ListNumber, purpose: Purpose) -> Bitstring {
        let state = self.chronicle.ledger.state();
        status_bits(state.0, list, purpose, None).unwrap().unwrap()
    }

    /// Puts a list in its place, by a key that nobody has registered, as an observer would.
    fn publish(&mut self, list: ListNumber, purpose: Purpose, bits: &Bitstring, from: UnixMillis) {
        let signer = key("an observer");
        let multikey = multikey::encode_ed25519(signer.verifying_key().as_bytes());
        let issuer = format!("did:key:{multikey}");
        let id = format!(
            "https://a.example{}",
            path::signed_status_list(list, purpose)
        );
        let date = OffsetDateTime::try_from(Time::from(from)).unwrap();
        let draft = StatusListDraft {
            id: &id,
            issuer: &issuer,
            purpose: purpose.as_str(),
            valid_from: date,
            valid_until: None,
            ttl_ms: None,
            bitstring: bits,
        };
        let method = format!("{issuer}#{multikey}");
        let options = SignOptions::new(Suite::EDDSA_RDFC_2022, method, date);
        let signed = sign(draft.to_json().unwrap(), &signer.into(), &options).unwrap();
        let bytes = serde_json::to_vec(&signed).unwrap();
        let at = path::signed_status_list(list, purpose);
        self.files.0.insert(at, bytes);
    }

    /// All lists as they are, as of a time.
    fn publish_all(&mut self, from: UnixMillis) {
        for list in (0..LISTS).map(ListNumber) {
            for purpose in PURPOSES {
                let bits = self.bits(list, purpose);
                self.publish(list, purpose, &bits, from);
            }
        }
    }

    fn audit(&self) -> Report {
        audit(&self.files, &self.chronicle.ledger.genesis).unwrap()
    }
}

#[test]
fn true_lists_are_compared_whoever_signed_them() {
    let mut ledger = ledger();
    ledger.publish_all(ledger.newest());
    let report = ledger.audit();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!((report.status_lists, report.newer_status_lists), (4, 0));
}

#[test]
fn a_list_that_says_something_else_is_found() {
    for (purpose, position) in [
        (Purpose::Revocation, REVOKED),
        (Purpose::Revocation, 77),
        (Purpose::Suspension, 77),
    ] {
        let mut ledger = ledger();
        let newest = ledger.newest();
        ledger.publish_all(newest);
        let mut bits = ledger.bits(ListNumber(0), purpose);
        bits.set(position, position == 77).unwrap();
        ledger.publish(ListNumber(0), purpose, &bits, newest);
        let report = ledger.audit();
        assert_eq!(report.findings_count, 1, "{report:#?}");
        assert_eq!(report.findings[0].kind, Kind::StatusList);
    }
}

#[test]
fn a_list_of_later_hides_no_revocation() {
    let mut ledger = ledger();
    let later = ledger.newest().plus(60_000);
    ledger.publish_all(later);
    // The node went on: more is revoked than the log says that was read.
    let mut bits = ledger.bits(ListNumber(0), Purpose::Revocation);
    bits.set(77, true).unwrap();
    ledger.publish(ListNumber(0), Purpose::Revocation, &bits, later);
    let report = ledger.audit();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!((report.status_lists, report.newer_status_lists), (0, 4));
    bits.set(REVOKED, false).unwrap();
    ledger.publish(ListNumber(0), Purpose::Revocation, &bits, later);
    let report = ledger.audit();
    assert_eq!(report.findings_count, 1, "{report:#?}");
    assert_eq!(report.findings[0].kind, Kind::StatusList);
}

#[test]
fn a_missing_list_hides_no_other() {
    let mut ledger = ledger();
    let newest = ledger.newest();
    ledger.publish_all(newest);
    let first = path::signed_status_list(ListNumber(0), Purpose::Revocation);
    ledger.files.0.remove(&first);
    let report = ledger.audit();
    let missing = AuditError::Missing { path: first };
    assert_eq!(report.unchecked, [missing.to_string()]);
    assert_eq!(report.status_lists, 3);
    let mut bits = ledger.bits(ListNumber(1), Purpose::Suspension);
    bits.set(77, true).unwrap();
    ledger.publish(ListNumber(1), Purpose::Suspension, &bits, newest);
    assert_eq!(ledger.audit().findings_count, 1);
}
