//! A document that is made to keep a verifier busy is refused or left unchecked soon.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use std::time::{Duration, Instant};

use credlog_credential::{
    Candidates, Credential, KeyResolver, KeySource, Outcome, PROOFS_MAX, ProofError, ProofReport,
    ResolvedKey, SignOptions, Suite, multikey, sign, verify_document,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

/// What one document may cost. Meant are 200 ms; other tests run at the same time.
const CPU_MAX: Duration = Duration::from_millis(600);

/// Time of this thread on a CPU where the system tells it, else time on the wall.
fn cpu(since: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

fn verify_soon(name: &str, document: &Value) -> ProofReport {
    let start = Instant::now();
    let before = cpu(start);
    let report = verify_document(document, "assertionMethod", NOW, &NoKeys);
    let spent = cpu(start).saturating_sub(before);
    assert!(spent < CPU_MAX, "{name}: {spent:?}");
    report
}

/// Knows no keys, so that methods resolve by themselves.
struct NoKeys;

impl KeyResolver for NoKeys {
    fn resolve(&self, _verification_method: &str) -> Option<ResolvedKey> {
        None
    }
}

fn badge() -> Value {
    let mut document = fixtures::json("samples/01-valid-ob3-eddsa-rdfc-2022.json");
    document.as_object_mut().unwrap().remove("proof");
    document
}

/// A chain of proofs, each over all before it; none is good, which costs as much to find out.
fn chain(mut document: Value, suite: Suite) -> Value {
    let (_, method) = fixtures::key("issuer");
    let id = |number: usize| format!("urn:uuid:0f6f2a4d-0000-4000-8000-1{number:011}");
    let proofs = (0..PROOFS_MAX).map(|number| {
        json!({
            "type": "DataIntegrityProof",
            "id": id(number),
            "cryptosuite": suite.name(),
            "created": "2026-11-21T10:00:00Z",
            "verificationMethod": method,
            "proofPurpose": "assertionMethod",
            "previousProof": (0..number).map(id).collect::<Vec<_>>(),
            "proofValue": format!("z{}", bs58::encode([7; 64]).into_string()),
        })
    });
    document["proof"] = proofs.collect();
    document
}

/// Proofs beyond the limit were counted for each proof, and all were walked through again and
/// again: 1 MiB of them took minutes.
#[test]
fn thousands_of_proofs_get_one_answer_at_once() {
    let mut document = badge();
    let names: Vec<String> = (0..4_000).map(|id| format!("urn:{id}")).collect();
    let proofs = names
        .iter()
        .map(|id| json!({"id": id, "previousProof": [id]}));
    document["proof"] = proofs.collect();
    document["proof"][0]["previousProof"] = json!(names);
    let report = verify_soon("4,000 proofs", &document);
    assert_eq!(report.proofs.len(), 1);
    assert_eq!(report.outcome(), Outcome::Invalid);
    let expected = ProofError::TooManyProofs {
        proofs: 4_000,
        proofs_max: PROOFS_MAX,
    };
    assert_eq!(report.first_error(), Some(&expected));

    // As many as are checked, each naming thousands of others.
    document["proof"]
        .as_array_mut()
        .unwrap()
        .truncate(PROOFS_MAX);
    for proof in document["proof"].as_array_mut().unwrap() {
        proof["previousProof"] = json!(names);
    }
    let report = verify_soon("64,000 previous proofs", &document);
    assert_eq!(report.proofs.len(), PROOFS_MAX);
    assert_eq!(report.outcome(), Outcome::Invalid);
}

/// Each link of a chain is over another form of the document, and each form was canonicalised
/// with limits of its own: 1 MiB took five seconds.
#[test]
fn a_chain_over_a_costly_document_is_cut_short() {
    let of = |name: &str, value: Value| {
        let mut document = badge();
        document[name] = value;
        document
    };
    let types = [
        "Achievement",
        "VerifiablePresentation",
        "OpenBadgeCredential",
        "Profile",
    ];
    let part = "https://a.example/part";
    let leaves = json!(vec![
        json!({"https://a.example/note": "x".repeat(1_000)});
        10
    ]);
    let typed: Value = (0..900)
        .map(|i| json!({"type": types, "name": i.to_string()}))
        .collect();
    let wide: Value = (0..900)
        .map(|i| json!({"name": (0..10).map(|j| format!("{i} {j}")).collect::<Vec<_>>()}))
        .collect();
    let first = |all: &Value, count: usize| json!(all.as_array().unwrap()[..count]);
    for (name, document) in [
        ("types within limits", of("evidence", first(&typed, 115))),
        (
            "statements within limits",
            of("evidence", first(&wide, 790)),
        ),
        ("types", of("evidence", typed)),
        ("statements", of("evidence", wide)),
        (
            "look-alikes",
            of("evidence", json!(vec![json!({ part: leaves }); 40])),
        ),
        (
            "few look-alikes",
            of("evidence", json!(vec![json!({ part: leaves }); 2])),
        ),
        ("long text", of("name", "x".repeat(1_000_000).into())),
        (
            "many texts",
            of("name", (0..100_000).map(|i| i.to_string()).collect()),
        ),
    ] {
        for suite in Suite::ALL.iter().copied() {
            let document = chain(document.clone(), suite);
            let report = verify_soon(&format!("{name}, {}", suite.name()), &document);
            assert_ne!(report.outcome(), Outcome::Valid);
        }
    }
}

#[test]
fn a_chain_of_some_links_is_still_checked() {
    for suite in Suite::ALL.iter().copied() {
        let (key, method) = fixtures::key_for(suite, "issuer");
        let mut document = badge();
        document["issuer"]["id"] = method.split('#').next().into();
        let mut options = SignOptions::new(suite, method.clone(), NOW);
        options.existing = credlog_credential::ExistingProofs::Keep;
        for number in 0..8 {
            options.id = Some(format!("urn:uuid:0f6f2a4d-0000-4000-8000-1{number:011}"));
            document = sign(document, &key, &options).unwrap();
            options.previous_proofs = options.id.iter().cloned().collect();
        }
        let report = verify_document(&document, "assertionMethod", NOW, &NoKeys);
        assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
        // The last link is one form too many.
        document = sign(document, &key, &{
            options.id = None;
            options
        })
        .unwrap();
        let report = verify_document(&document, "assertionMethod", NOW, &NoKeys);
        assert_eq!(report.outcome(), Outcome::Unknown, "{report:?}");
    }
}

/// Any of the keys `key 0` to `key N` may be meant by any method.
struct AnyOf(usize);

impl KeyResolver for AnyOf {
    fn resolve(&self, _verification_method: &str) -> Option<ResolvedKey> {
        None
    }

    fn candidates(&self, _verification_method: &str) -> Option<Candidates> {
        let key = |number: usize| {
            let (_, method) = fixtures::key(&format!("key {number}"));
            multikey::decode(method.split('#').nth(1).unwrap()).unwrap()
        };
        Some(Candidates {
            controller: "did:web:a.example".into(),
            keys: (0..self.0).map(key).collect(),
        })
    }
}

#[test]
fn a_method_that_names_no_key_is_tried_with_every_key_over_one_hash() {
    let (key, _) = fixtures::key("key 30");
    let options = SignOptions::new(Suite::EDDSA_RDFC_2022, "did:web:a.example#key-1", NOW);
    let mut document = sign(badge(), &key, &options).unwrap();
    let verify = |document: &Value, keys: usize| {
        verify_document(document, "assertionMethod", NOW, &AnyOf(keys))
    };
    let report = verify(&document, 31);
    assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
    let found = report.proofs[0].key.clone().unwrap();
    assert_eq!(found.controller.as_deref(), Some("did:web:a.example"));
    assert_eq!(found.source, KeySource::Registry);
    assert_eq!(found.multikey, key.public().to_string());

    // None of all keys: bad. Not all were tried: not known.
    let report = verify(&document, 30);
    assert_eq!(report.first_error(), Some(&ProofError::InvalidSignature));
    let proof = document["proof"].clone();
    document["proof"] = json!(vec![proof; PROOFS_MAX]);
    let start = Instant::now();
    let before = cpu(start);
    let report = verify(&document, 30);
    let spent = cpu(start).saturating_sub(before);
    assert!(spent < CPU_MAX, "{spent:?}");
    let last = report.proofs.last().unwrap().result.clone();
    assert!(
        matches!(last, Err(ProofError::KeysUntried { tried: 0, .. })),
        "{last:?}"
    );
    assert!(Credential::from_json(document).is_ok());
}
