//! Receipts of a real node on a real store: for now, for the past, for many; what else verifiers
//! follow a ledger with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use credlog_api::path;
use credlog_api::receipt::{ConsistencyQuery, ReceiptQuery, ReceiptSubject, ReceiptsRequest};
use credlog_ledger::ids::{Digest, Height, UnixMillis};
use credlog_ledger::status::Status;
use credlog_tlog::{TlogProof, leaf_hash, verify_consistency, verify_inclusion};
use credlog_verify::receipt::{CheckOptions, Proven, Receipt, Refusal, Trust};
use town::{Running, Town, digest, issuer_id};

const ANY: CheckOptions = CheckOptions {
    now: UnixMillis(4_000_000_000_000),
    at: None,
    age_ms_max: None,
};

fn check(receipt: &Receipt, trust: &Trust) -> Result<Proven, Refusal> {
    receipt.check(trust, &ANY)
}

async fn furnished(town: &Town) -> Running {
    let running = town.start().await;
    running.accredit().await;
    for index in 0..300_u32 {
        if index % 100 == 0 {
            running
                .commit(&running.issue(&[
                    (index, digest(index.into())),
                    (index + 1, digest(u64::from(index) + 1)),
                ]))
                .await;
        }
    }
    running
}

fn about(digests: &[Digest]) -> ReceiptsRequest {
    let credentials = digests.iter().map(|digest| ReceiptSubject {
        digest: *digest,
        issuer: None,
    });
    ReceiptsRequest {
        credentials: credentials.collect(),
        at: None,
        since: None,
        trusted: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_follows_each_change_of_status_and_the_past_stays() {
    let town = Town::new();
    let running = furnished(&town).await;
    let trust = town.trust();
    let now = ReceiptQuery::default();
    let valid = running.client.receipt(&digest(0), &now).await.unwrap();
    let before = check(&valid, &trust).unwrap();
    assert_eq!(before.credentials[0].status, Status::Valid);
    assert_eq!(before.credentials[0].entry.id, issuer_id());
    running.commit(&running.revoke(&[digest(0)])).await;
    // A submitter hears success when it is attested; so the receipt shows it at once.
    let revoked = running.client.receipt(&digest(0), &now).await.unwrap();
    let after = check(&revoked, &trust).unwrap();
    assert_eq!(after.credentials[0].status, Status::Revoked);
    // The as-of time is in whole seconds: a later seal shows at once what was before it.
    running.commit(&running.issue(&[(9, digest(9))])).await;
    let at = |time: UnixMillis| ReceiptQuery {
        at: Some(time.into()),
        issuer: Some(issuer_id()),
        ..ReceiptQuery::default()
    };
    for (time, status) in [
        (before.seal.time, Status::Valid),
        (UnixMillis(after.seal.time.0 - 1), Status::Valid),
        (after.seal.time, Status::Revoked),
    ] {
        let past = running.client.receipt(&digest(0), &at(time)).await.unwrap();
        let proven = check(&past, &trust).unwrap();
        assert_eq!(proven.credentials[0].status, status, "{time}");
        assert_eq!(proven.at, Some(time));
    }
    // The old one stays good, as of its own time.
    assert_eq!(check(&valid, &trust).unwrap().as_of, before.as_of);
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_history_consistency_and_tlog_proof() {
    let town = Town::new();
    let running = furnished(&town).await;
    let (client, trust) = (&running.client, town.trust());
    let first = client
        .receipt(&digest(1), &ReceiptQuery::default())
        .await
        .unwrap();
    let first = check(&first, &trust).unwrap();
    running.commit(&running.issue(&[(9, digest(9))])).await;
    let asked = about(&[digest(0), digest(101), digest(777)]);
    let answer = client.receipts(&asked).await.unwrap();
    assert_eq!(answer.not_anchored, [digest(777)]);
    let proven = check(&answer.receipt.unwrap(), &trust).unwrap();
    assert_eq!(proven.credentials.len(), 2);
    assert_eq!(proven.size, answer.checkpoint.size);
    let none = client.receipts(&about(&[digest(777)])).await.unwrap();
    assert_eq!((none.receipt, none.not_anchored), (None, vec![digest(777)]));

    let trusted = ReceiptQuery {
        trusted: Some(first.size),
        since: Some(first.height),
        ..ReceiptQuery::default()
    };
    let newer = client.receipt(&digest(9), &trusted).await.unwrap();
    let believed = first.trust.unwrap();
    let advanced = check(&newer, &believed).unwrap().trust.unwrap();
    let newest = advanced.newest().unwrap();
    let (from, to) = (first.size, newest.size);
    let shown = client
        .consistency(ConsistencyQuery { from, to })
        .await
        .unwrap();
    assert_eq!(shown.to_root.0, newest.root);
    let (old, new) = (&shown.from_root.0, &shown.to_root.0);
    verify_consistency(from, old, to, new, &shown.path.0).unwrap();

    let history = client.member_history(Height(0)).await.unwrap();
    assert_eq!((history.ledger, history.members.len()), (running.ledger, 0));

    let proof = client.tlog_proof(&digest(9)).await.unwrap();
    let proof = TlogProof::parse(&proof).unwrap();
    let leaf = newer
        .leaves
        .iter()
        .find(|leaf| leaf.index == proof.index().0);
    let (size, root) = (proof.checkpoint().size(), proof.checkpoint().root());
    let hash = leaf_hash(&leaf.unwrap().leaf.0);
    verify_inclusion(&hash, proof.index(), size, proof.path(), &root).unwrap();
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_there_is_no_receipt_for_is_said() {
    let town = Town::new();
    let running = town.start().await;
    let missing = path::receipt(&digest(5));
    let early = running.get(&missing).await;
    // Nothing is attested before the first block.
    assert_eq!(early.problem(503), "not-attested");
    running.accredit().await;
    running.commit(&running.issue(&[(0, digest(0))])).await;
    let reply = running.get(&missing).await;
    assert_eq!(reply.problem(404), "not-anchored");
    assert!(reply.json()["detail"].as_str().unwrap().contains("leaves"));
    let known = path::receipt(&digest(0));
    for (query, status, code) in [
        ("?at=2999-01-01T00:00:00Z", 409, "not-reached"),
        ("?at=2001-01-01T00:00:00Z", 404, "not-anchored"),
        ("?at=yesterday", 400, "invalid-parameter"),
        ("?issuer=did:web:nobody.example", 404, "not-anchored"),
        ("?trusted=1", 404, "not-found"),
        ("?trusted=999999", 404, "not-found"),
        ("?since=-1", 400, "invalid-parameter"),
        ("?more=1", 400, "invalid-parameter"),
    ] {
        let reply = running.get(&format!("{known}{query}")).await;
        assert_eq!(reply.problem(status), code, "{query}");
    }
    let digest_text = digest(0).to_string();
    for (target, status, code) in [
        ("/v1/receipts/123".to_owned(), 400, "invalid-parameter"),
        (
            format!("/v1/receipts/{digest_text}/tlog-proof?at=2026-01-01T00:00:00Z"),
            400,
            "invalid-parameter",
        ),
        ("/v1/consistency".to_owned(), 400, "invalid-parameter"),
        (
            "/v1/consistency?from=5&to=4".to_owned(),
            400,
            "invalid-parameter",
        ),
        ("/v1/consistency?from=3&to=999".to_owned(), 404, "not-found"),
        ("/v1/consistency?from=1&to=3".to_owned(), 404, "not-found"),
        (
            "/v1/members/history?since=x".to_owned(),
            400,
            "invalid-parameter",
        ),
    ] {
        let reply = running.get(&target).await;
        assert_eq!(reply.problem(status), code, "{target}");
    }
    let json = [("content-type", "application/json")];
    for (headers, body, status) in [
        (&json[..], "", 400),
        (&json[..], "{}", 400),
        (&json[..], "{\"credentials\":[\"x\"]}", 400),
        (&json[..], "{\"credentials\":[],\"more\":1}", 400),
        (
            &[("content-type", "text/plain")][..],
            "{\"credentials\":[]}",
            415,
        ),
    ] {
        let reply = running
            .request("POST", path::RECEIPTS, headers, body.as_bytes())
            .await;
        assert_eq!(reply.status, status, "{body}");
    }
    let many = serde_json::to_vec(&about(&vec![digest(0); 1_025])).unwrap();
    let reply = running.request("POST", path::RECEIPTS, &json, &many).await;
    assert_eq!(reply.problem(400), "invalid-parameter");
    running.node.shutdown().await;
}

/// Right after a start the node attests by what it kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_no_receipt() {
    let town = Town::new();
    let running = furnished(&town).await;
    let before = running
        .client
        .receipt(&digest(0), &ReceiptQuery::default())
        .await
        .unwrap();
    running.node.shutdown().await;
    let running = town.start().await;
    let after = running
        .client
        .receipt(&digest(0), &ReceiptQuery::default())
        .await
        .unwrap();
    let (before, after) = (
        check(&before, &town.trust()).unwrap(),
        check(&after, &town.trust()).unwrap(),
    );
    assert!(before.size <= after.size);
    assert_eq!(before.credentials[0].status, after.credentials[0].status);
    running.node.shutdown().await;
}
