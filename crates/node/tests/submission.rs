//! POST /v1/records: every outcome, again and again, many at once, and across a shutdown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use std::time::Duration;

use credlog_api::submission::{MEDIA_TYPE_RECORD, encode_records};
use credlog_api::{RecordOutcome, Wait};
use credlog_ledger::body::{Action, Body, KeyChange};
use credlog_ledger::ids::LedgerId;
use credlog_ledger::parameters::{Parameter, Parameters};
use credlog_ledger::record::{AuthorId, Record};
use town::{MEMBER, Running, Town, digest, issuer_id, issuer_key, key};

/// The code of the problem with which a single record is refused.
async fn refused(running: &Running, record: &Record, status: u16) -> String {
    let bytes = record.to_bytes().unwrap();
    let headers = [("content-type", MEDIA_TYPE_RECORD)];
    running
        .request("POST", "/v1/records", &headers, &bytes)
        .await
        .problem(status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reason_to_refuse_a_record_has_its_problem() {
    let town = Town::new();
    let running = town.start().await;
    let open = || Body::OpenStatusList {};
    let by_issuer = AuthorId::Issuer(issuer_id());
    assert_eq!(
        refused(&running, &running.by_issuer(open()), 422).await,
        "unknown-author"
    );
    running.accredit().await;
    let other = town::sign(LedgerId([9; 32]), by_issuer.clone(), open(), &issuer_key());
    assert_eq!(refused(&running, &other, 422).await, "wrong-ledger");
    let stranger = running.sign(by_issuer.clone(), open(), &key("stranger"));
    assert_eq!(refused(&running, &stranger, 422).await, "key-not-active");
    let mut forged = running.by_issuer(open());
    forged.signature[3] ^= 1;
    assert_eq!(refused(&running, &forged, 422).await, "bad-signature");
    let expiring = |expires_at| {
        let body = open();
        Record::sign(
            running.ledger,
            by_issuer.clone(),
            [0; 16],
            expires_at,
            body,
            &issuer_key(),
        )
    };
    let late = expiring(credlog_ledger::ids::UnixMillis(1_760_000_000_001)).unwrap();
    assert_eq!(refused(&running, &late, 422).await, "expired");
    let early = expiring(town::now().plus(8 * 86_400_000)).unwrap();
    assert_eq!(refused(&running, &early, 422).await, "expires-too-late");
    assert_eq!(
        refused(&running, &running.by_issuer(open()), 409).await,
        "list-not-half-used"
    );
    running.commit(&running.issue(&[(0, digest(0))])).await;
    let taken = running.issue(&[(0, digest(1))]);
    assert_eq!(refused(&running, &taken, 409).await, "index-taken");
    let unknown = running.revoke(&[digest(7)]);
    assert_eq!(refused(&running, &unknown, 422).await, "unknown-credential");
    let approve = running.by_issuer(Body::Approve {
        proposal: credlog_ledger::ids::RecordId([0; 32]),
    });
    assert_eq!(refused(&running, &approve, 422).await, "wrong-author");
    let metrics = running.get("/metrics").await;
    let line = "credlog_records_total{kind=\"issue\",outcome=\"index-taken\"} 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_sent_again_gets_the_same_answer_also_after_a_restart() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let record = running.issue(&[(1, digest(1))]);
    let first = running.commit(&record).await;
    assert_eq!(running.commit(&record).await, first);
    let bytes = record.to_bytes().unwrap();
    let twice = [bytes.clone(), bytes];
    let outcomes = running
        .client
        .submit_many(&twice, Wait::Committed)
        .await
        .unwrap();
    assert_eq!(outcomes.results, [first.clone(), first.clone()]);
    let height = running.client.ledger().await.unwrap().height;
    running.node.shutdown().await;
    let running = town.start().await;
    assert_eq!(running.commit(&record).await, first);
    assert_eq!(
        running.client.ledger().await.unwrap().height,
        height,
        "no block was made"
    );
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_record_from_many_at_once_enters_once() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let before = running.client.ledger().await.unwrap().size;
    let bytes = running.issue(&[(1, digest(1))]).to_bytes().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (client, bytes) = (running.client.clone(), bytes.clone());
        tasks.spawn(async move { client.submit(&bytes, Wait::Committed).await.unwrap() });
    }
    let outcomes = tasks.join_all().await;
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    assert_eq!(
        running.client.ledger().await.unwrap().size,
        before + 2,
        "a record and a seal"
    );
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_records_each_has_its_own_outcome_in_order() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let good = |index: u32| {
        running
            .issue(&[(index, digest(index.into()))])
            .to_bytes()
            .unwrap()
    };
    let mut forged = running.issue(&[(9, digest(9))]);
    forged.signature[0] ^= 1;
    let records = [
        good(0),
        forged.to_bytes().unwrap(),
        b"not a record".to_vec(),
        good(1),
        good(0),
    ];
    let outcomes = running
        .client
        .submit_many(&records, Wait::Committed)
        .await
        .unwrap();
    let said: Vec<_> = outcomes
        .results
        .iter()
        .map(|outcome| match outcome {
            RecordOutcome::Committed { .. } => "committed",
            RecordOutcome::Refused { problem, .. } => problem.code().unwrap(),
            RecordOutcome::Accepted { .. } => "accepted",
        })
        .collect();
    let expected = [
        "committed",
        "bad-signature",
        "malformed-record",
        "committed",
        "index-taken",
    ];
    assert_eq!(said, expected);
    let all: Vec<_> = (100..1_100).map(good).collect();
    let outcomes = running
        .client
        .submit_many(&all, Wait::Committed)
        .await
        .unwrap();
    let leaves: Vec<_> = outcomes
        .results
        .iter()
        .map(|outcome| match outcome {
            RecordOutcome::Committed { leaf_index, .. } => leaf_index.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(leaves.is_sorted(), "an author's order is kept");
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_waiting_the_answer_is_202_and_the_record_follows() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let record = running.issue(&[(1, digest(1))]);
    let bytes = record.to_bytes().unwrap();
    let headers = [("content-type", MEDIA_TYPE_RECORD)];
    let reply = running
        .request("POST", "/v1/records?wait=none", &headers, &bytes)
        .await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(reply.json()["results"][0]["outcome"], "accepted");
    running.commit(&record).await;
    let id = town::encoded(&record).id();
    assert_eq!(running.client.record(&id).await.unwrap().record, record);
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_mempool_says_when_to_come_again() {
    let interval = Parameters {
        min_block_interval_ms: 2_000,
        ..Parameters::default()
    };
    let mut town = Town::with(&[MEMBER], interval);
    town.config.mempool.records_max = 2;
    let running = town.start().await;
    running.accredit().await;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..8_u32 {
        let record = running
            .issue(&[(index, digest(index.into()))])
            .to_bytes()
            .unwrap();
        let client = running.client.clone();
        tasks.spawn(async move { client.submit(&record, Wait::Committed).await });
    }
    let (mut committed, mut full) = (0, 0);
    for outcome in tasks.join_all().await {
        match outcome {
            Ok(_) => committed += 1,
            Err(error) => {
                let problem = error.problem().unwrap().clone();
                assert_eq!(problem.code(), Some("mempool-full"));
                assert!(problem.retry_after_s.is_some());
                full += 1;
            }
        }
    }
    assert_eq!((committed, full), (2, 6));
    running.node.shutdown().await;
}

/// The interval makes the record wait; the shutdown must neither lose it nor answer before
/// it is durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_with_a_pending_record_commits_and_answers_it() {
    let interval = Parameters {
        min_block_interval_ms: 1_000,
        ..Parameters::default()
    };
    let town = Town::with(&[MEMBER], interval);
    let running = town.start().await;
    running.accredit().await;
    let record = running.issue(&[(1, digest(1))]);
    let bytes = record.to_bytes().unwrap();
    let client = running.client.clone();
    let waiting = tokio::spawn(async move { client.submit(&bytes, Wait::Committed).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    running.node.shutdown().await;
    let outcomes = waiting.await.unwrap().unwrap();
    assert!(
        matches!(outcomes.results[0], RecordOutcome::Committed { .. }),
        "{outcomes:?}"
    );
    let running = town.start().await;
    let id = town::encoded(&record).id();
    assert_eq!(running.client.record(&id).await.unwrap().record, record);
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_does_not_wait_for_ever() {
    let interval = Parameters {
        min_block_interval_ms: 60_000,
        ..Parameters::default()
    };
    let mut town = Town::with(&[MEMBER], interval);
    town.config.http.shutdown_timeout_ms = 500;
    let running = town.start().await;
    running.commit(&town::accreditation(running.ledger)).await;
    let bytes = running
        .by_issuer(Body::OpenStatusList {})
        .to_bytes()
        .unwrap();
    let client = running.client.clone();
    let waiting = tokio::spawn(async move { client.submit(&bytes, Wait::Committed).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = std::time::Instant::now();
    running.node.shutdown().await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.problem().unwrap().code(), Some("stopping"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn framing_and_media_types_are_strict() {
    let town = Town::new();
    let running = town.start().await;
    let post = async |headers: &[(&str, &str)], body: &[u8]| {
        running.request("POST", "/v1/records", headers, body).await
    };
    let one = [("content-type", MEDIA_TYPE_RECORD)];
    let many = [("content-type", "application/vnd.credlog.records")];
    assert_eq!(post(&one, b"").await.problem(400), "malformed-record");
    assert_eq!(post(&one, b"x").await.problem(400), "malformed-record");
    assert_eq!(post(&many, b"").await.problem(400), "malformed-request");
    assert_eq!(
        post(&many, &[0, 0, 0, 9, 1]).await.problem(400),
        "malformed-request"
    );
    assert_eq!(post(&[], b"x").await.problem(415), "unsupported-media-type");
    let gzip = [
        ("content-type", MEDIA_TYPE_RECORD),
        ("content-encoding", "gzip"),
    ];
    assert_eq!(
        post(&gzip, b"x").await.problem(415),
        "unsupported-media-type"
    );
    assert_eq!(
        post(&one, &vec![1; 65_535]).await.problem(413),
        "body-too-large"
    );
    let record = town::accreditation(running.ledger).to_bytes().unwrap();
    let framed = encode_records(&[record]).unwrap();
    let truncated = &framed[..framed.len() - 1];
    assert_eq!(
        post(&many, truncated).await.problem(400),
        "malformed-request"
    );
    let reply = running
        .request("POST", "/v1/records?wait=never", &one, b"x")
        .await;
    assert_eq!(reply.problem(400), "invalid-parameter");
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_change_and_a_second_member_comes_in() {
    let town = Town::new();
    let running = town.start().await;
    let propose = |action| running.by_member(Body::Propose { action });
    let parameter = Parameter::MinBlockIntervalMs(2);
    let proposal = propose(Action::SetParameter { parameter });
    running.commit(&proposal).await;
    let proposal = town::encoded(&proposal).id();
    running
        .commit(&running.by_member(Body::Approve { proposal }))
        .await;
    assert_eq!(
        running
            .client
            .ledger()
            .await
            .unwrap()
            .parameters
            .min_block_interval_ms,
        2
    );
    let member = town::member("university-b");
    let add = propose(Action::AddMember { member });
    running.commit(&add).await;
    let proposal = town::encoded(&add).id();
    let approve = running.by_member(Body::Approve { proposal });
    running.commit_unattested(&approve).await;
    let members = running.client.members().await.unwrap();
    assert_eq!((members.members.len(), members.quorum), (2, 2));
    running.node.shutdown().await;
}

/// A request of thousands of garbage signatures under a real key cost a check each, and the
/// requests beside it their batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_bad_signatures_is_given_up_and_others_are_served() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let record = |index: u32| running.issue(&[(index, digest(index.into()))]);
    let forged = |index: u32| {
        let mut record = record(index);
        record.signature[3] ^= 1;
        record.to_bytes().unwrap()
    };
    let garbage: Vec<_> = (0..600).map(forged).collect();
    let client = running.client.clone();
    let flood = tokio::spawn(async move { client.submit_many(&garbage, Wait::Committed).await });
    let honest: Vec<_> = (1_000..1_040)
        .map(|at| record(at).to_bytes().unwrap())
        .collect();
    let outcomes = running.client.submit_many(&honest, Wait::Committed).await;
    for outcome in outcomes.unwrap().results {
        assert!(
            matches!(outcome, RecordOutcome::Committed { .. }),
            "{outcome:?}"
        );
    }
    let (mut bad, mut unchecked) = (0, 0);
    for outcome in flood.await.unwrap().unwrap().results {
        match outcome {
            RecordOutcome::Refused { problem, .. } if problem.code() == Some("bad-signature") => {
                bad += 1;
            }
            RecordOutcome::Refused { problem, .. } => {
                assert_eq!(problem.code(), Some("malformed-request"));
                unchecked += 1;
            }
            unexpected => panic!("{unexpected:?}"),
        }
    }
    // Two threads may each try a part of the request.
    assert!((16..=64).contains(&bad), "{bad}");
    assert_eq!(bad + unchecked, 600);
    running.node.shutdown().await;
}

/// A request with one bad signature among good ones loses only that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_records_beside_a_bad_one_are_committed() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let mut records: Vec<_> = (0..100)
        .map(|index: u32| running.issue(&[(index, digest(index.into()))]))
        .collect();
    records[3].signature[0] ^= 1;
    let bytes: Vec<_> = records.iter().map(|one| one.to_bytes().unwrap()).collect();
    let outcomes = running.client.submit_many(&bytes, Wait::Committed).await;
    for (at, outcome) in outcomes.unwrap().results.iter().enumerate() {
        let committed = matches!(outcome, RecordOutcome::Committed { .. });
        assert_eq!(committed, at != 3, "{at}: {outcome:?}");
    }
    running.node.shutdown().await;
}

/// A block's time is at least the interval after the one before. Blocks that came faster
/// than that once moved the ledger's time away from the clock, without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_the_ledger_keeps_to_the_clock() {
    let interval = Parameters {
        min_block_interval_ms: 200,
        ..Parameters::default()
    };
    let town = Town::with(&[MEMBER], interval);
    let running = town.start().await;
    running.accredit().await;
    for index in 0..20_u32 {
        let record = running.issue(&[(index, digest(index.into()))]);
        match running.commit(&record).await {
            RecordOutcome::Committed { time, .. } => {
                // A seal is later than the second of the cosignatures before it (rule R1).
                let latest = town::now().plus(2_000);
                assert!(time.unix_millis() <= latest, "{time:?}");
            }
            unexpected => panic!("{unexpected:?}"),
        }
    }
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_behind_the_ledger_stops_blocks_until_it_has_caught_up() {
    let begun = town::now();
    let town = Town::founded(&[MEMBER], Parameters::default(), begun.plus(12_000));
    let running = town.start().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let record = town::accreditation(running.ledger);
    assert_eq!(refused(&running, &record, 503).await, "clock-behind");
    assert_eq!(running.get("/readyz").await.problem(503), "clock-behind");
    let metrics = running.get("/metrics").await;
    assert!(metrics.text().contains("credlog_clock_behind_seconds 1"));
    assert!(metrics.text().contains("credlog_ready 0"));
    let caught_up = async {
        while running.get("/readyz").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), caught_up)
        .await
        .unwrap();
    assert!(town::now() >= begun.plus(2_000));
    running.node.shutdown().await;
}

/// A key that may not sign records once reached the mempool, and its records a block's
/// execution.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_not_sign_is_refused_at_the_door() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let recovery = running.sign(
        AuthorId::Issuer(issuer_id()),
        Body::OpenStatusList {},
        &key("issuer/recovery"),
    );
    assert_eq!(refused(&running, &recovery, 422).await, "key-not-active");
    let executed = running.get("/metrics").await;
    let line = "credlog_execute_seconds_count 2";
    assert!(executed.text().contains(line), "{}", executed.text());
    running.node.shutdown().await;
}

/// An institution's whole beginning in one request, each record known by those before it only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_a_request_may_follow_from_one_another() {
    let town = Town::new();
    let running = town.start().await;
    let fresh = key("fresh");
    let rotate = Body::RotateKeys(KeyChange {
        add: vec![town::new_key(&fresh)],
        retire: Vec::new(),
        compromised_since: None,
    });
    let by_issuer = AuthorId::Issuer(issuer_id());
    let stranger = running.sign(
        by_issuer.clone(),
        town::issue(&[(1, digest(1))]),
        &key("stranger"),
    );
    let records = [
        town::accreditation(running.ledger),
        running.by_issuer(Body::OpenStatusList {}),
        running.by_issuer(rotate),
        running.sign(by_issuer, town::issue(&[(0, digest(0))]), &fresh),
        stranger,
    ];
    let bytes: Vec<_> = records.iter().map(|r| r.to_bytes().unwrap()).collect();
    let outcomes = running.client.submit_many(&bytes, Wait::Committed).await;
    let outcomes = outcomes.unwrap().results;
    for (record, outcome) in records.iter().zip(&outcomes).take(4) {
        let RecordOutcome::Committed { record_id, .. } = outcome else {
            panic!("{outcomes:?}");
        };
        assert_eq!(*record_id, Record::id_of(&record.to_bytes().unwrap()));
    }
    let RecordOutcome::Refused { problem, .. } = &outcomes[4] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(problem.code(), Some("key-not-active"));
    running.node.shutdown().await;
}
