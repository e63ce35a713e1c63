//! Every route that reads, by the typed client and by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use credlog_api::{PageQuery, path};
use credlog_credential::Credential;
use credlog_ledger::body::{Achievement, Action, Body};
use credlog_ledger::ids::{Digest, Height, ListNumber, StatusIndex};
use credlog_ledger::member::{MemberSet, SeatedMember};
use credlog_ledger::parameters::Parameter;
use credlog_tlog::{
    Checkpoint, Note, SignatureKind, Tile, TileLevel, TilePath, VerifierKey, decode_bundle_of,
    leaf_hash, tiles_of_tree,
};
use town::{MEMBER, Running, Town, digest, issuer_id, key, origin, sample};

fn page(after: Option<u64>, limit: u32) -> PageQuery {
    let limit = Some(limit);
    PageQuery { after, limit }
}

async fn furnished(town: &Town) -> Running {
    let running = town.start().await;
    running.accredit().await;
    for index in 0..5_u32 {
        running
            .commit(&running.issue(&[(index, digest(index.into()))]))
            .await;
    }
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledger_members_records_and_credentials() {
    let town = Town::new();
    let running = furnished(&town).await;
    let client = &running.client;
    let ledger = client.ledger().await.unwrap();
    assert_eq!((ledger.height, ledger.size), (Height(7), 14));
    assert_eq!(
        (&ledger.origin, ledger.ledger_id),
        (&origin(), running.ledger)
    );
    assert_eq!(
        (ledger.issuers, ledger.status_lists, ledger.as_of),
        (1, 1, ledger.time)
    );
    let members = client.members().await.unwrap();
    assert_eq!(members.members[0].id.as_str(), MEMBER);
    assert_eq!(members.quorum, 1);
    let record = running.issue(&[(9, digest(9))]);
    running.commit(&record).await;
    let view = client.record(&town::encoded(&record).id()).await.unwrap();
    assert_eq!(
        (view.record, view.leaf_index.0, view.height.0),
        (record, 14, 8)
    );
    let before = view.time;
    running.commit(&running.revoke(&[digest(9)])).await;
    let facts = client.facts(&digest(9), &Default::default()).await.unwrap();
    assert_eq!(facts.matches[0].issuance.index, StatusIndex(9));
    assert_eq!(facts.matches[0].history.len(), 1);
    let query = credlog_api::verification::CredentialQuery {
        at: Some(before),
        issuer: Some(issuer_id()),
        positions: None,
    };
    let facts = client.facts(&digest(9), &query).await.unwrap();
    assert_eq!(facts.issuers[0].id, issuer_id());
    assert!(
        client
            .facts(&digest(77), &Default::default())
            .await
            .unwrap()
            .matches
            .is_empty()
    );
    let unknown = path::record(&credlog_ledger::ids::RecordId([0; 32]));
    assert_eq!(running.get(&unknown).await.problem(404), "not-found");
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_paged_to_their_end() {
    let town = Town::new();
    let running = furnished(&town).await;
    let client = &running.client;
    let names = ["one", "two", "three"];
    for name in names {
        let achievement = Achievement {
            id: format!("urn:achievement:{name}").parse().unwrap(),
            definition: Digest([1; 32]),
            name: name.parse().unwrap(),
            alignments: Vec::new(),
            prerequisites: Vec::new(),
        };
        running
            .commit(&running.by_issuer(Body::DefineAchievement(achievement)))
            .await;
    }
    let mut heights = Vec::new();
    let mut after = None;
    loop {
        let blocks = client.blocks(page(after, 4)).await.unwrap();
        heights.extend(blocks.items.iter().map(|block| block.height.0));
        after = blocks.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(
        heights,
        (1..=10).rev().collect::<Vec<_>>(),
        "newest first, each once"
    );
    let issuers = client.issuers(page(None, 1)).await.unwrap();
    assert_eq!((issuers.items.len(), issuers.next), (1, None));
    assert_eq!(issuers.items[0].accredited_by[0].as_str(), MEMBER);
    let issuer = client.issuer(&issuer_id()).await.unwrap();
    assert_eq!(
        (issuer.achievement_count, &issuer.lists[..]),
        (3, &[ListNumber(0)][..])
    );
    let first = client
        .achievements(&issuer_id(), page(None, 2))
        .await
        .unwrap();
    let second = client
        .achievements(&issuer_id(), page(first.next, 2))
        .await
        .unwrap();
    assert_eq!(
        (first.items.len(), second.items.len(), second.next),
        (2, 1, None)
    );
    let mut found: Vec<_> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|a| a.name.as_str())
        .collect();
    found.sort_unstable();
    assert_eq!(found, ["one", "three", "two"]);
    let list = client.status_list(ListNumber(0)).await.unwrap();
    assert_eq!(list.used, 5);
    assert_eq!(list.used_positions.free().next(), Some(StatusIndex(5)));
    let block = client.block(Height(3), page(None, 10)).await.unwrap();
    assert_eq!(
        (block.block.record_count, block.records.items.len()),
        (1, 1)
    );
    assert_eq!(block.records.items[0].kind, "issue");
    assert_eq!(running.get("/v1/blocks/99").await.problem(404), "not-found");
    assert_eq!(running.get("/v1/blocks/0").await.problem(404), "not-found");
    assert_eq!(
        running.get("/v1/status-lists/1").await.problem(404),
        "not-found"
    );
    assert_eq!(
        running
            .get("/v1/issuers/did%3Aweb%3Ax.example")
            .await
            .problem(404),
        "not-found"
    );
    running.node.shutdown().await;
}

/// What a stranger with the checkpoint and the tiles would check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_served_as_tiles_under_a_signed_checkpoint() {
    let town = Town::new();
    let running = furnished(&town).await;
    let node = key(&format!("{MEMBER}/node"));
    let public = node.verifying_key().to_bytes();
    let key = VerifierKey::new(origin().as_str(), SignatureKind::Ed25519, &public).unwrap();
    let note = Note::parse(&running.client.checkpoint().await.unwrap()).unwrap();
    assert_eq!(note.verify(&[key]).unwrap().len(), 1);
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    let ledger = running.client.ledger().await.unwrap();
    assert_eq!(
        (checkpoint.size().0, checkpoint.root().0),
        (ledger.size, ledger.root.0)
    );
    for path in tiles_of_tree(checkpoint.size()) {
        let bytes = running.client.tile(&path).await.unwrap();
        if path.level() == TileLevel::Hash(0) {
            let bundle = TilePath::new(TileLevel::Entries, path.index(), path.width()).unwrap();
            let bundle = running.client.tile(&bundle).await.unwrap();
            let leaves = decode_bundle_of(&bundle, path.width()).unwrap();
            let tile = Tile::from_bytes(&path, &bytes).unwrap();
            let hashes: Vec<u8> = leaves.iter().flat_map(|leaf| leaf_hash(leaf).0).collect();
            assert_eq!(tile.to_bytes(), hashes);
        }
    }
    let reply = running.get("/checkpoint").await;
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(reply.header("cache-control"), Some("public, max-age=1"));
    let reply = running.get("/tile/0/000.p/14").await;
    assert_eq!(
        reply.header("content-type"),
        Some("application/octet-stream")
    );
    assert!(reply.header("cache-control").unwrap().contains("immutable"));
    for (path, status) in [
        ("/tile/0/000", 404),
        ("/tile/0/000.p/15", 404),
        ("/tile/entries/000.p/15", 404),
        ("/tile/0/001.p/1", 404),
        ("/tile/1/000.p/1", 404),
        ("/tile/63/000.p/1", 404),
        ("/tile/64/000.p/1", 400),
        ("/tile/0/0.p/1", 400),
        ("/tile/0/000.p/0", 400),
        ("/tile/0/000.p/256", 400),
        ("/tile/0/000.p/014", 400),
        ("/tile/0/x000/000.p/1", 400),
        ("/tile/0/%30%30%30.p/14", 400),
        ("/tile/entries/../0", 400),
        ("/tile/0/x999/x999/x999/x999/x999/x999/x999/999", 400),
    ] {
        let problem = running.get(path).await.problem(status);
        assert!(
            ["not-found", "invalid-parameter"].contains(&problem.as_str()),
            "{path}"
        );
    }
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_readiness_and_metrics() {
    let town = Town::new();
    let running = furnished(&town).await;
    running.client.ready().await.unwrap();
    assert_eq!(running.get("/healthz").await.status, 200);
    let metrics = running.get("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    for line in [
        "credlog_height 7",
        "credlog_size_leaves 14",
        "credlog_records_total{kind=\"issue\",outcome=\"committed\"} 5",
        "credlog_commit_seconds_count 7",
        "credlog_http_requests_total{method=\"POST\",route=\"/v1/records\",status=\"200\"} 7",
        "credlog_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1",
        "credlog_ready 1",
    ] {
        assert!(
            metrics.text().lines().any(|found| found == line),
            "{line}\n{}",
            metrics.text()
        );
    }
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_credentials_are_verified_and_malformed_ones_refused() {
    let town = Town::new();
    let running = furnished(&town).await;
    let json = [("content-type", "application/json")];
    let verify = async |path: &str, body: &[u8]| running.request("POST", path, &json, body).await;
    let good = sample("02-valid-vc2-eddsa-jcs-2022.json");
    let reply = verify("/v1/verify", &good).await;
    assert_eq!(reply.json()["summary"], "not_anchored", "{}", reply.text());
    let credential = Credential::parse(&good).unwrap();
    let digest = Digest(*credential.digest().as_bytes());
    running.commit(&running.issue(&[(50, digest)])).await;
    let bare = verify("/v1/verify", &good).await.json();
    assert_eq!(
        bare["summary"], "unknown",
        "its status list is not at hand: {bare}"
    );
    let list = |name: &str| serde_json::from_slice::<serde_json::Value>(&sample(name)).unwrap();
    let with_lists = serde_json::json!({
        "credential": list("02-valid-vc2-eddsa-jcs-2022.json"),
        "statusLists": [list("status-list-revocation.json"), list("status-list-suspension.json")],
    });
    let verdict = verify("/v1/verify", with_lists.to_string().as_bytes())
        .await
        .json();
    assert_eq!(verdict["summary"], "valid", "{verdict}");
    let at = verify("/v1/verify?at=2026-11-02T00:00:00Z", &good).await;
    assert_eq!(at.json()["summary"], "not_anchored", "{}", at.text());
    let tampered = sample("05-tampered-vc2-jcs.json");
    assert_eq!(
        verify("/v1/verify", &tampered).await.json()["summary"],
        "invalid"
    );
    for (path, body, problem) in [
        ("/v1/verify", &b"{"[..], "malformed-request"),
        ("/v1/verify", b"[]", "malformed-request"),
        ("/v1/verify", b"{\"digest\":\"00\"}", "malformed-request"),
        (
            "/v1/verify",
            b"{\"digest\":1,\"digest\":2}",
            "malformed-request",
        ),
        ("/v1/verify", b"{\"@context\":[]}", "malformed-credential"),
        ("/v1/verify?at=yesterday", b"{}", "invalid-parameter"),
        ("/v1/verify?when=now", b"{}", "invalid-parameter"),
    ] {
        assert_eq!(verify(path, body).await.problem(400), problem, "{path}");
    }
    let html = [("content-type", "text/html")];
    let reply = running.request("POST", "/v1/verify", &html, b"{}").await;
    assert_eq!(reply.problem(415), "unsupported-media-type");
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proposals_are_listed_until_they_close_and_sets_are_served_by_height() {
    let town = Town::new();
    let running = town.start().await;
    let client = &running.client;
    let parameter = Parameter::ActiveKeysPerIssuer(8);
    let action = Action::SetParameter { parameter };
    assert!(client.proposals().await.unwrap().proposals.is_empty());
    let propose = running.by_member(Body::Propose {
        action: action.clone(),
    });
    running.commit(&propose).await;
    let view = client.proposals().await.unwrap();
    assert_eq!((view.quorum, view.proposals.len()), (1, 1));
    let [proposal] = &view.proposals[..] else {
        panic!("{view:?}")
    };
    let record = town::encoded(&propose).id();
    assert_eq!((proposal.id, proposal.missing), (record, 1));
    assert_eq!(proposal.proposer.as_str(), MEMBER);
    assert_eq!(proposal.action, action);
    running
        .commit(&running.by_member(Body::Retract { record }))
        .await;
    assert!(client.proposals().await.unwrap().proposals.is_empty());

    let founder = SeatedMember {
        member: town::member(MEMBER),
        cosigner_number: 0,
    };
    let founders = MemberSet::new(vec![founder]);
    for height in 1..=3 {
        let set = client.members_at(Height(height)).await.unwrap();
        assert_eq!(set, founders, "{height}");
    }
    for (height, status, code) in [
        ("0", 404, "not-found"),
        ("4", 404, "not-found"),
        ("one", 400, "invalid-parameter"),
    ] {
        let answer = running.get(&format!("/v1/members/{height}")).await;
        assert_eq!(answer.problem(status), code, "{height}");
    }
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_come_in_bundles() {
    let town = Town::new();
    let running = furnished(&town).await;
    let client = &running.client;
    let newest = client.ledger().await.unwrap().height.0;
    assert_eq!(newest, 7);
    for width in 1..=7 {
        let bundle = client.certificates(0, width).await.unwrap();
        assert_eq!(bundle.len(), usize::from(width));
        for (height, certificate) in (1..).map(Height).zip(bundle) {
            let alone = client.certificate(height).await.unwrap();
            assert_eq!(certificate, Some(alone), "{height}");
        }
    }
    let answer = running.get("/v1/certificates/bundle/000.p/7").await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=1"));
    for (path, status, code) in [
        ("000.p/8", 404, "not-found"),
        ("000", 404, "not-found"),
        ("001.p/1", 404, "not-found"),
        ("0", 400, "invalid-parameter"),
        ("000.p/0", 400, "invalid-parameter"),
        ("000.p/256", 400, "invalid-parameter"),
        ("x000/000.p/1", 400, "invalid-parameter"),
        ("00%30.p/1", 400, "invalid-parameter"),
    ] {
        let answer = running
            .get(&format!("/v1/certificates/bundle/{path}"))
            .await;
        assert_eq!(answer.problem(status), code, "{path}");
    }
    running.node.shutdown().await;
}
