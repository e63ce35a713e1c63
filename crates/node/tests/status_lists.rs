//! Status lists as W3C verifiers read them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use credlog_api::issuer::StatusListQuery;
use credlog_api::{RecordOutcome, Time};
use credlog_credential::status::{StatusEntry, check_status};
use credlog_credential::{NoRegistry, StatusListCredential, VerifiedStatusList};
use credlog_ledger::body::{Body, Reason, StatusChange};
use credlog_ledger::ids::ListNumber;
use credlog_verify::published::Purpose;
use time::OffsetDateTime;
use town::{MEMBER, Reply, Running, Town, digest, issuer_id, key};

const REVOCATION: &str = "/v1/status-lists/0/revocation";
const SUSPENSION: &str = "/v1/status-lists/0/suspension";

/// Parsed and verified now, as any W3C verifier would.
fn verified(document: &[u8]) -> VerifiedStatusList {
    let list = StatusListCredential::parse(document).unwrap();
    let list = list.verify(OffsetDateTime::now_utc(), &NoRegistry).unwrap();
    let node = key(&format!("{MEMBER}/node"));
    let node = credlog_ledger::key::PublicKey::ed25519(node.verifying_key().as_bytes());
    assert_eq!(list.issuer_id(), format!("did:key:{node}"));
    assert_eq!(list.bitstring().positions(), 131_072);
    list
}

fn set(list: &VerifiedStatusList) -> Vec<u64> {
    let bits = list.bitstring();
    (0..bits.positions())
        .filter(|index| bits.bit(*index).unwrap())
        .collect()
}

async fn now_set(running: &Running, path: &str) -> Vec<u64> {
    let reply = running.get(path).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    set(&verified(&reply.body))
}

async fn conditional(running: &Running, path: &str, etag: &str) -> Reply {
    let headers = [("if-none-match", etag)];
    running.request("GET", path, &headers, b"").await
}

fn sealed(outcome: &RecordOutcome) -> Time {
    match outcome {
        RecordOutcome::Committed { time, .. } => *time,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_changes_with_the_ledger_and_its_past_stays() {
    let town = Town::new();
    let running = town.start().await;
    assert_eq!(running.get(REVOCATION).await.problem(404), "not-found");
    running.accredit().await;
    let last = 131_071_u32;
    let items: Vec<_> = [0, 9, 70_000, last]
        .map(|index| (index, digest(index.into())))
        .into();
    let issued = running.commit(&running.issue(&items)).await;
    let before = running.get(REVOCATION).await;
    assert_eq!(set(&verified(&before.body)), [0_u64; 0]);
    assert_eq!(before.header("content-type"), Some("application/vc"));
    assert_eq!(before.header("cache-control"), Some("public, max-age=60"));
    let etag = before.header("etag").unwrap().to_owned();
    assert_eq!(conditional(&running, REVOCATION, &etag).await.status, 304);

    // What leaves the list alone leaves its tag.
    running.commit(&running.issue(&[(5, digest(5))])).await;
    assert_eq!(conditional(&running, REVOCATION, &etag).await.status, 304);
    let body = Body::Suspend(StatusChange {
        issuer: issuer_id(),
        digests: vec![digest(9)],
        reason: Reason::Other,
    });
    let suspended = running.commit(&running.by_issuer(body)).await;
    assert_eq!(conditional(&running, REVOCATION, &etag).await.status, 304);
    assert_eq!(now_set(&running, SUSPENSION).await, [9]);

    running
        .commit(&running.revoke(&[digest(last.into())]))
        .await;
    let changed = conditional(&running, REVOCATION, &etag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(etag.as_str()));
    let supersede = Body::Supersede {
        issuer: issuer_id(),
        old: digest(0),
        new: digest(70_000),
        reason: Reason::Superseded,
    };
    running.commit(&running.by_issuer(supersede)).await;
    assert_eq!(now_set(&running, REVOCATION).await, [0, u64::from(last)]);

    let RecordOutcome::Committed { record_id, .. } = suspended.clone() else {
        panic!("{suspended:?}");
    };
    let reinstate = Body::Reinstate {
        issuer: issuer_id(),
        suspension: record_id,
        digests: vec![digest(9)],
        reason: Reason::Other,
    };
    running.commit(&running.by_issuer(reinstate)).await;
    assert_eq!(now_set(&running, SUSPENSION).await, [0_u64; 0]);

    // The past: through the client, which percent-encodes the time.
    let at = |time| StatusListQuery {
        timestamp: Some(time),
    };
    for (time, purpose, expected) in [
        (sealed(&issued), Purpose::Suspension, &[][..]),
        (sealed(&suspended), Purpose::Suspension, &[9]),
        (sealed(&suspended), Purpose::Revocation, &[]),
    ] {
        let client = &running.client;
        let bytes = client
            .signed_status_list(ListNumber(0), purpose, at(time))
            .await
            .unwrap();
        let list = verified(&bytes);
        assert_eq!(set(&list), expected, "{time} {purpose}");
        assert!(
            list.id().ends_with(&format!("/{purpose}?timestamp={time}")),
            "{}",
            list.id()
        );
    }
    let path = format!("{SUSPENSION}?timestamp={}", sealed(&suspended));
    let past = running.get(&path).await;
    let cache = past.header("cache-control").unwrap();
    assert!(cache.contains("immutable"), "{cache}");
    let etag = past.header("etag").unwrap();
    assert_eq!(conditional(&running, &path, etag).await.status, 304);
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_list_of_that_time_is_a_problem() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    for missing in [
        "/v1/status-lists/1/revocation",
        "/v1/status-lists/0/refresh",
    ] {
        assert_eq!(running.get(missing).await.problem(404), "not-found");
    }
    let ask = async |timestamp: &str| {
        running
            .get(&format!("{REVOCATION}?timestamp={timestamp}"))
            .await
    };
    assert_eq!(ask("2025-01-01T00:00:00Z").await.problem(404), "not-found");
    let future = ask("2999-01-01T00:00:00Z").await;
    assert!(future.text().contains("RANGE_ERROR"), "{future:?}");
    assert_eq!(future.problem(400), "invalid-parameter");
    for bad in ["yesterday", "2025-01-01T00:00:00", "1"] {
        assert_eq!(ask(bad).await.problem(400), "invalid-parameter");
    }
    for bad in [
        "/v1/status-lists/x/revocation",
        "/v1/status-lists/0/revocation?at=1",
    ] {
        assert_eq!(running.get(bad).await.problem(400), "invalid-parameter");
    }
    let json = [("accept", "application/json")];
    let reply = running.request("GET", REVOCATION, &json, b"").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let html = [("accept", "text/html")];
    let reply = running.request("GET", REVOCATION, &html, b"").await;
    assert_eq!(reply.problem(406), "not-acceptable");
    running.node.shutdown().await;
}

/// The list of now is that of the address at which it was asked for, and a credential that names
/// that address is judged by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_checked_against_the_served_list() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    running.commit(&running.issue(&[(17, digest(17))])).await;
    let entry = |index: u32| {
        let entry = serde_json::json!({
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": index.to_string(),
            "statusListCredential": format!("http://x{REVOCATION}"),
        });
        StatusEntry::from_json(&entry).unwrap()
    };
    let status = async |index| {
        let list = verified(&running.get(REVOCATION).await.body);
        check_status(&entry(index), &[list], |_| true)
            .unwrap()
            .is_set()
    };
    assert!(!status(17).await);
    running.commit(&running.revoke(&[digest(17)])).await;
    assert!(status(17).await);
    assert!(!status(16).await);
    running.node.shutdown().await;
}
