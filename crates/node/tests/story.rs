//! The main job: accredit, issue, verify, revoke, restart, verify again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use credlog_api::verification::RequestSubject;
use credlog_api::{RecordOutcome, VerifyRequest};
use credlog_credential::Credential;
use credlog_ledger::ids::Digest;
use credlog_verify::{Answer, CheckName, DigestSubject, HandedOver, Outcome, Summary, Time};
use town::{Running, Town, sample};

async fn summary(running: &Running, name: &str, at: Option<Time>) -> Summary {
    let lists = ["status-list-revocation.json", "status-list-suspension.json"];
    let lists = lists
        .iter()
        .map(|list| serde_json::from_slice(&sample(list)).unwrap());
    let request = VerifyRequest {
        at,
        handed_over: HandedOver {
            status_lists: lists.collect(),
            ..HandedOver::default()
        },
        ..VerifyRequest::parse(&sample(name), None).unwrap()
    };
    let answer = running.client.verify(&request).await.unwrap();
    assert!(!answer.headline().is_empty());
    answer.summary()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_issued_verified_revoked_and_all_of_it_survives_a_restart() {
    let town = Town::new();
    let running = town.start().await;
    const SAMPLE: &str = "03-valid-ob3-eddsa-jcs-2022.json";
    assert_eq!(summary(&running, SAMPLE, None).await, Summary::NotAnchored);
    running.accredit().await;
    let credential = Credential::parse(&sample(SAMPLE)).unwrap();
    let digest = Digest(*credential.digest().as_bytes());
    let issued = running.commit(&running.issue(&[(5, digest)])).await;
    assert_eq!(summary(&running, SAMPLE, None).await, Summary::Valid);
    let RecordOutcome::Committed { time: issued, .. } = issued else {
        unreachable!()
    };
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    running.commit(&running.revoke(&[digest])).await;
    assert_eq!(summary(&running, SAMPLE, None).await, Summary::Revoked);
    assert_eq!(
        summary(&running, SAMPLE, Some(issued)).await,
        Summary::Valid
    );
    let before = running.client.ledger().await.unwrap();
    assert_eq!(before.height.0, 4);
    running.node.shutdown().await;

    let running = town.start().await;
    assert_eq!(running.client.ledger().await.unwrap(), before);
    assert_eq!(summary(&running, SAMPLE, None).await, Summary::Revoked);
    let facts = running
        .client
        .facts(&digest, &Default::default())
        .await
        .unwrap();
    assert_eq!(facts.matches.len(), 1);
    let request = VerifyRequest {
        subject: RequestSubject::Digest(DigestSubject {
            digest,
            issuer: Some(facts.matches[0].issuer.clone()),
            proof_checked_elsewhere: true,
        }),
        at: None,
        handed_over: HandedOver::default(),
        did_documents: Vec::new(),
    };
    let Answer::Credential(verdict) = running.client.verify(&request).await.unwrap() else {
        unreachable!()
    };
    assert_eq!(verdict.summary, Summary::Revoked);
    assert_eq!(
        verdict.check(CheckName::Anchored).unwrap().outcome,
        Outcome::Yes
    );
    running.node.shutdown().await;
}
