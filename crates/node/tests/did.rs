//! DID documents of issuers, as their keys come and go.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use credlog_credential::did::{DidDocument, Documents};
use credlog_credential::{
    Credential, NoRegistry, Outcome, SecretKey, SignOptions, Suite, WithDocuments, multikey, sign,
    verify_proofs,
};
use credlog_ledger::body::{Body, KeyChange};
use credlog_ledger::ids::{IssuerId, KeyId, UnixMillis};
use credlog_ledger::key::PublicKey;
use credlog_ledger::record::AuthorId;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use time::OffsetDateTime;
use town::{Running, Town, accreditation_of, issuer_key, key, new_key_of};

const PATH: &str = "/issuers/computer-science/did.json";

fn did() -> IssuerId {
    "did:web:x:issuers:computer-science".parse().unwrap()
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::ed25519(key.verifying_key().as_bytes())
}

fn method(key: &SigningKey) -> String {
    format!("{}#{}", did(), public(key))
}

async fn document(running: &Running) -> Value {
    let reply = running.get(PATH).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/did+json"));
    reply.json()
}

/// The verification method of a key, whose public key has to read back.
fn found<'d>(document: &'d Value, key: &SigningKey) -> &'d Value {
    let methods = document["verificationMethod"].as_array().unwrap();
    let found = methods.iter().find(|one| one["id"] == method(key)).unwrap();
    assert_eq!(
        (&found["type"], &found["controller"]),
        (&json!("Multikey"), &json!(did()))
    );
    let read = multikey::decode(found["publicKeyMultibase"].as_str().unwrap()).unwrap();
    assert_eq!(read.ed25519().unwrap(), key.verifying_key());
    found
}

/// What a verifier makes of a credential by a key, who has the served document and no ledger.
fn verified(document: &Value, key: &SigningKey) -> Outcome {
    let unsigned = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": did(),
        "credentialSubject": {"id": "did:example:holder"},
    });
    let now = OffsetDateTime::now_utc();
    let options = SignOptions::new(Suite::EDDSA_RDFC_2022, method(key), now);
    let signed = sign(unsigned, &SecretKey::from(key.clone()), &options).unwrap();
    let document = DidDocument::parse(document.to_string().as_bytes()).unwrap();
    let keys = WithDocuments {
        registry: &NoRegistry,
        documents: &Documents::new([document]).unwrap(),
    };
    verify_proofs(&Credential::from_json(signed).unwrap(), now, &keys).outcome()
}

async fn rotate(
    running: &Running,
    add: &SigningKey,
    retire: KeyId,
    compromised_since: Option<UnixMillis>,
    by: &SigningKey,
) {
    let body = Body::RotateKeys(KeyChange {
        add: vec![new_key_of(&did(), add)],
        retire: vec![retire],
        compromised_since,
    });
    let record = running.sign(AuthorId::Issuer(did()), body, by);
    running.commit(&record).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_stands_in_the_document_and_those_in_other_hands_sign_nothing() {
    let town = Town::new();
    let running = town.start().await;
    assert_eq!(running.get(PATH).await.problem(404), "not-found");
    running
        .commit(&accreditation_of(running.ledger, &did()))
        .await;
    let (first, second, third) = (issuer_key(), key("second"), key("third"));
    let begun = document(&running).await;
    assert_eq!(begun["id"], json!(did()));
    assert_eq!(begun["assertionMethod"], json!([method(&first)]));
    assert_eq!(verified(&begun, &first), Outcome::Valid);

    rotate(&running, &second, public(&first).id(), None, &first).await;
    let rotated = document(&running).await;
    assert_eq!(found(&rotated, &first), found(&begun, &first));
    for key in [&first, &second] {
        assert_eq!(verified(&rotated, key), Outcome::Valid);
    }
    assert_ne!(verified(&begun, &second), Outcome::Valid);
    assert_eq!(
        rotated["assertionMethod"],
        json!([method(&first), method(&second)])
    );

    let since = Some(UnixMillis(1_760_000_000_000));
    let recovery = key("issuer/recovery");
    rotate(&running, &third, public(&second).id(), since, &recovery).await;
    let compromised = document(&running).await;
    assert_eq!(
        found(&compromised, &second)["revoked"],
        "2025-10-09T08:53:20Z"
    );
    assert_eq!(found(&compromised, &third).get("revoked"), None);
    assert_eq!(
        compromised["assertionMethod"],
        json!([method(&first), method(&third)])
    );
    assert_eq!(verified(&compromised, &first), Outcome::Valid);
    assert_ne!(verified(&compromised, &second), Outcome::Valid);

    let accept = [("accept", "application/did, text/html")];
    let reply = running.request("GET", PATH, &accept, b"").await;
    assert_eq!(reply.header("content-type"), Some("application/did"));
    for missing in [
        "/issuers/physics/did.json",
        "/issuers/Computer-Science/did.json",
    ] {
        assert_eq!(running.get(missing).await.problem(404), "not-found");
    }
    running.node.shutdown().await;
}
