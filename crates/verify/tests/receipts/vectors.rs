//! The vectors that the verifiers in Python and TypeScript are tested by (tests/foreign,
//! receipt_cases.py): receipts of another hand, and what is to be said of each.

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::UnixMillis;
use credlog_ledger::rows::StatusChangeKind;
use credlog_ledger::status::Status;
use credlog_verify::receipt::{CheckOptions, ProvenCredential, Receipt, Trust};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct File {
    texts: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    outcome: String,
    code: Option<String>,
    receipt: usize,
    genesis: Option<usize>,
    trust: Option<usize>,
    now: u64,
    at: Option<u64>,
    max_age_seconds: Option<u64>,
    statuses: Option<Vec<String>>,
    #[serde(default)]
    known: bool,
    as_of: Option<String>,
    advanced: Option<Value>,
}

fn file() -> File {
    let path = "../../tests/foreign/receipt-ts/test/cases.json.gz";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let packed = std::fs::File::open(path).unwrap();
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl Case {
    fn trust(&self, texts: &[String]) -> Trust {
        match (self.trust, self.genesis) {
            (Some(trust), _) => Trust::parse(texts[trust].as_bytes()).unwrap(),
            (None, Some(genesis)) => {
                let genesis = Genesis::parse(texts[genesis].as_bytes()).unwrap();
                Trust::found(genesis).unwrap()
            }
            (None, None) => panic!("{}: nothing is trusted", self.name),
        }
    }

    /// What is said otherwise than it should be.
    fn differs(&self, texts: &[String]) -> Option<String> {
        let trust = self.trust(texts);
        let options = CheckOptions {
            now: UnixMillis(self.now),
            at: self.at.map(UnixMillis),
            age_ms_max: self.max_age_seconds.map(|seconds| seconds * 1_000),
        };
        let bytes = STANDARD.decode(&texts[self.receipt]).unwrap();
        let checked = Receipt::parse(&bytes).and_then(|receipt| receipt.check(&trust, &options));
        let proven = match checked {
            Err(refusal) => {
                let said = ("refused", Some(refusal.code.to_string()));
                return self.compare(said, &refusal.reason);
            }
            Ok(proven) => proven,
        };
        let said = match proven.doubt {
            None => ("accepted", None),
            Some(doubt) => ("unknown", Some(doubt.as_str().to_owned())),
        };
        if let Some(difference) = self.compare(said, "") {
            return Some(difference);
        }
        let mut differences = Vec::new();
        if self.known != proven.members_known {
            differences.push(format!("members known: {}", proven.members_known));
        }
        let as_of = proven.as_of.0.to_string();
        if self.as_of.as_ref().is_some_and(|wanted| *wanted != as_of) {
            differences.push(format!("as of {as_of}"));
        }
        let statuses: Vec<_> = proven.credentials.iter().map(status_of).collect();
        if self.statuses.as_ref().is_some_and(|one| *one != statuses) {
            differences.push(format!("{statuses:?}"));
        }
        let advanced = proven.trust.map(|trust| {
            let bytes = trust.to_bytes().unwrap();
            serde_json::from_slice::<Value>(&bytes).unwrap()
        });
        if self.trust.is_some() && advanced != self.advanced {
            differences.push("another trust file".to_owned());
        }
        (!differences.is_empty()).then(|| format!("{}: {}", self.name, differences.join(", ")))
    }

    fn compare(&self, (outcome, code): (&str, Option<String>), reason: &str) -> Option<String> {
        let same = self.outcome == outcome && self.code == code;
        (!same).then(|| {
            let (wanted, named) = (&self.outcome, &self.code);
            let name = &self.name;
            format!("{name}: {outcome} {code:?} {reason}, not {wanted} {named:?}")
        })
    }
}

fn is_superseded(one: &ProvenCredential) -> bool {
    let change = one.change.as_ref().map(|change| &change.change);
    matches!(change, Some(StatusChangeKind::Superseded { .. }))
}

fn status_of(one: &ProvenCredential) -> &'static str {
    match one.status {
        Status::Valid => "valid",
        Status::Suspended => "suspended",
        Status::Revoked if is_superseded(one) => "superseded",
        Status::Revoked => "revoked",
    }
}

/// A quorum attested these entries, which no honest member lets in: their keys are looked at here
/// when a credential's proof is checked by them, and by the others as they are read.
const KEYS: [&str; 5] = [
    "entry: attested, with a key that is none",
    "entry: attested, with a P-256 key that is no point",
    "entry: attested, with a key of small order",
    "entry: a P-256 key for records",
    "entry: an RSA key for records",
];

#[test]
fn the_vectors_of_other_verifiers_are_judged_alike() {
    let File { texts, cases } = file();
    assert!(cases.len() > 250);
    let (keys, cases): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .partition(|one| KEYS.contains(&one.name.as_str()));
    let differences: Vec<_> = cases.iter().filter_map(|one| one.differs(&texts)).collect();
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!(keys.len(), KEYS.len());
    for one in keys {
        let differs = one.differs(&texts).unwrap();
        assert!(differs.contains("accepted None"), "{differs}");
    }
}
