//! Checks in every form, in batches, and by the compatibility profile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use std::os::unix::fs::PermissionsExt;

use credlog_credential::{
    JwsForm, Presentation, SecretKey, SignOptions, Suite, bake, sign, sign_jws, sign_presentation,
};
use credlog_node::config::IssuerSection;
use pkcs8::EncodePrivateKey;
use serde_json::{Value, json};
use time::OffsetDateTime;
use town::{Reply, Running, Town, issuer_id, issuer_key, key, sample};

const SAMPLE: &str = "03-valid-ob3-eddsa-jcs-2022.json";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

async fn post(running: &Running, path: &str, media_type: &str, body: &[u8]) -> Reply {
    let headers = [("content-type", media_type)];
    running.request("POST", path, &headers, body).await
}

async fn post_json(running: &Running, path: &str, body: &Value) -> Reply {
    post(
        running,
        path,
        "application/json",
        body.to_string().as_bytes(),
    )
    .await
}

fn did(label: &str) -> String {
    let key = credlog_ledger::key::PublicKey::ed25519(key(label).verifying_key().as_bytes());
    format!("did:key:{key}")
}

fn unsigned(issuer: &str) -> Value {
    json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": issuer,
        "credentialSubject": {"id": "did:example:holder"},
    })
}

fn options(label: &str) -> SignOptions {
    let did = did(label);
    let method = format!("{did}#{}", did.trim_start_matches("did:key:"));
    SignOptions::new(Suite::EDDSA_JCS_2022, method, OffsetDateTime::now_utc())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_checked_in_every_form() {
    let town = Town::new();
    let running = town.start().await;
    let text = sample(SAMPLE);
    let plain = std::str::from_utf8(&text).unwrap();
    let png = bake::bake(include_bytes!("pixel.png"), plain).unwrap();
    let svg = bake::bake(b"<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>", plain).unwrap();
    for (media_type, body) in [
        ("application/json", &text),
        ("application/vc", &text),
        ("image/png", &png),
        ("image/svg+xml", &svg),
        ("text/plain", &png),
        ("application/octet-stream", &svg),
    ] {
        let reply = post(&running, "/v1/verify", media_type, body).await;
        assert_eq!(reply.status, 200, "{media_type}: {reply:?}");
        assert_eq!(reply.json()["summary"], "not_anchored", "{media_type}");
    }
    let wrong = post(&running, "/v1/verify", "image/png", &svg).await;
    assert_eq!(wrong.problem(400), "malformed-credential");
    let unknown = post(&running, "/v1/verify", "image/gif", &png).await;
    assert_eq!(unknown.problem(415), "unsupported-media-type");

    let secret = SecretKey::Ed25519(key("someone"));
    let kid = options("someone").verification_method;
    let jws = sign_jws(unsigned(&did("someone")), &secret, &kid, JwsForm::VcJwt).unwrap();
    for body in [
        post(&running, "/v1/verify", "application/vc+jwt", jws.as_bytes()).await,
        post_json(&running, "/v1/verify", &json!({"credential": jws})).await,
    ] {
        let verdict = body.json();
        assert_eq!(verdict["summary"], "not_anchored", "{verdict}");
        assert_eq!(verdict["checks"][0]["outcome"], "yes", "{verdict}");
    }
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_presentation_shows_its_holder_and_every_credential() {
    let town = Town::new();
    let running = town.start().await;
    let credential: Value = serde_json::from_slice(&sample(SAMPLE)).unwrap();
    let tampered: Value = serde_json::from_slice(&sample("05-tampered-vc2-jcs.json")).unwrap();
    let holder = did("holder");
    let presentation = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "holder": holder,
        "verifiableCredential": [credential, tampered],
    });
    let presentation = Presentation::from_json(presentation).unwrap();
    let mut options = options("holder");
    options.challenge = Some("c-1".to_owned());
    options.domain = Some("employer.example".to_owned());
    let secret = SecretKey::Ed25519(key("holder"));
    let signed = sign_presentation(&presentation, &secret, &options).unwrap();
    let ask = |challenge: &str| json!({"presentation": signed, "challenge": challenge});
    let answer = post_json(&running, "/v1/verify", &ask("c-1")).await.json();
    assert_eq!(answer["summary"], "invalid", "{answer}");
    assert_eq!(answer["holder"], *holder);
    assert_eq!(answer["checks"][0]["name"], "holder");
    assert_eq!(answer["checks"][0]["outcome"], "yes", "{answer}");
    let summaries: Vec<_> = (0..2)
        .map(|at| answer["credentials"][at]["verdict"]["summary"].clone())
        .collect();
    assert_eq!(summaries, ["not_anchored", "invalid"]);
    let headline = answer["headline"].as_str().unwrap();
    assert!(headline.starts_with("Credential 2 of 2"), "{headline}");
    let answer = post_json(&running, "/v1/verify", &ask("c-2")).await.json();
    assert_eq!(answer["checks"][0]["outcome"], "no", "{answer}");
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_keeps_its_order_and_a_bad_line_stops_nothing() {
    let town = Town::new();
    let running = town.start().await;
    let good: Value = serde_json::from_slice(&sample(SAMPLE)).unwrap();
    let tampered: Value = serde_json::from_slice(&sample("05-tampered-vc2-jcs.json")).unwrap();
    let long = format!("\"{}\"\n", "x".repeat(9 << 20));
    let lines = [
        format!("{good}\n"),
        "not json\r\n".to_owned(),
        "\n".to_owned(),
        format!("{{\"credential\": {tampered}}}\n"),
        long,
        format!("\"{}\"\n", "d1".repeat(32)),
        format!("{{\"digest\": \"{}\"}}", "d2".repeat(32)),
    ];
    let expected = [
        (1, "not_anchored"),
        (2, "malformed-request"),
        (4, "invalid"),
        (5, "body-too-large"),
        (6, "not_anchored"),
        (7, "not_anchored"),
    ];
    let client = reqwest::Client::new();
    for query in ["", "?brief=true"] {
        let url = format!("http://{}/v1/verify/batch{query}", running.address);
        let request = client
            .post(url)
            .header("content-type", "application/x-ndjson")
            .body(lines.concat());
        let text = request.send().await.unwrap().text().await.unwrap();
        let answers: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(answers.len(), expected.len(), "{text}");
        let verdict = if query.is_empty() { "verdict" } else { "brief" };
        for (answer, (line, word)) in answers.iter().zip(expected) {
            assert_eq!(answer["line"], line);
            let summary = answer[verdict]["summary"].as_str();
            let code = answer["error"]["type"].as_str();
            let found = summary.or_else(|| code?.rsplit(':').next());
            assert_eq!(found, Some(word), "{answer}");
        }
    }
    // More answers than one connection holds at a time, each in its place.
    let many: String = (0..3_000)
        .map(|number| format!("{{\"digest\": \"{number:064x}\"}}\n"))
        .collect();
    let url = format!("http://{}/v1/verify/batch", running.address);
    let request = client
        .post(url)
        .header("content-type", "application/x-ndjson")
        .body(many);
    let text = request.send().await.unwrap().text().await.unwrap();
    let mut count = 0;
    for (number, line) in text.lines().enumerate() {
        let answer: Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["line"], number + 1);
        assert_eq!(answer["verdict"]["digest"], format!("{number:064x}"));
        count += 1;
    }
    assert_eq!(count, 3_000);
    running.node.shutdown().await;
}

/// A town whose node issues in the name of the samples' issuer.
fn issuing_town() -> Town {
    let mut town = Town::at("http://x");
    let folder = town.dir.path();
    let (pem, token) = (folder.join("issuer.pem"), folder.join("token"));
    let text = issuer_key().to_pkcs8_pem(pkcs8::LineEnding::LF).unwrap();
    std::fs::write(&pem, text.as_bytes()).unwrap();
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    for path in [&pem, &token] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    town.config.issuer = Some(IssuerSection {
        id: issuer_id(),
        key: pem,
        passphrase_file: None,
        token_file: token,
        loopback_without_token: false,
        suite: Suite::EDDSA_RDFC_2022,
    });
    town
}

async fn with_token(running: &Running, path: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &*bearer),
    ];
    let body = body.to_string();
    running
        .request("POST", path, &headers, body.as_bytes())
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_profile_issues_verifies_and_changes_a_status() {
    let town = issuing_town();
    let running = town.start().await;
    running.accredit().await;
    let asked = json!({
        "credential": unsigned("did:example:somebody-else"),
        "options": {"credentialId": "urn:example:1"},
    });
    let stranger = post_json(&running, "/credentials/issue", &asked).await;
    assert_eq!(stranger.problem(401), "unauthorized");
    let issued = with_token(&running, "/credentials/issue", &asked).await;
    assert_eq!(issued.status, 201, "{issued:?}");
    let credential = issued.json()["verifiableCredential"].clone();
    assert_eq!(credential["issuer"], issuer_id().as_str());
    assert_eq!(credential["credentialStatus"].as_array().unwrap().len(), 2);
    // The same once more is another credential.
    let again = with_token(&running, "/credentials/issue", &asked).await;
    assert_eq!(again.status, 201, "{again:?}");

    let verify = json!({"verifiableCredential": credential, "options": {"checks": ["proof"]}});
    let verified = post_json(&running, "/credentials/verify", &verify).await;
    assert_eq!(verified.status, 200, "{}", verified.json());
    assert_eq!(verified.json()["verified"], true);
    assert_eq!(verified.json()["verdict"]["summary"], "valid");

    // Signed with the same key, and not on the ledger: nobody could see that it is revoked.
    let mut other = credential.clone();
    for property in ["proof", "credentialStatus"] {
        other.as_object_mut().unwrap().remove(property);
    }
    let method = credential["proof"]["verificationMethod"].as_str().unwrap();
    let options = SignOptions::new(Suite::EDDSA_JCS_2022, method, OffsetDateTime::now_utc());
    let other = sign(other, &SecretKey::from(issuer_key()), &options).unwrap();
    let body = json!({ "verifiableCredential": other });
    let refused = post_json(&running, "/credentials/verify", &body).await;
    assert_eq!(refused.status, 400, "{}", refused.json());
    assert_eq!(refused.json()["verdict"]["summary"], "not_anchored");
    let body = json!({"verifiableCredential": other, "options": {"checks": ["proof"]}});
    let by_proof = post_json(&running, "/credentials/verify", &body).await;
    assert_eq!(by_proof.status, 200, "{}", by_proof.json());

    let entry = credential["credentialStatus"][0].clone();
    assert_eq!(entry["statusPurpose"], "revocation");
    let change = json!({"credentialStatus": entry, "status": true});
    assert_eq!(
        post_json(&running, "/credentials/status", &change)
            .await
            .status,
        401
    );
    for changed in [true, false] {
        let reply = with_token(&running, "/credentials/status", &change).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["changed"], changed);
    }
    let back = json!({"credentialStatus": entry, "status": false});
    assert_eq!(
        with_token(&running, "/credentials/status", &back)
            .await
            .status,
        400
    );
    let by_id = json!({
        "credentialId": "urn:example:1",
        "credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": "suspension"},
    });
    assert_eq!(
        with_token(&running, "/credentials/status", &by_id)
            .await
            .status,
        200
    );

    // The proof alone is good; asked for the status, it is not.
    let verified = post_json(&running, "/credentials/verify", &verify).await;
    assert_eq!(verified.status, 200, "{}", verified.json());
    for checks in [json!(["proof", "credentialStatus"]), json!([])] {
        let verify = json!({"verifiableCredential": credential, "options": {"checks": checks}});
        let refused = post_json(&running, "/credentials/verify", &verify).await;
        assert_eq!(refused.status, 400, "{checks}");
        assert_eq!(refused.json()["verified"], false);
        let error = refused.json()["errors"][0]["type"].clone();
        assert_eq!(
            error,
            "https://www.w3.org/ns/credentials/status-list#STATUS_VERIFICATION_ERROR"
        );
    }
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_profile_says_what_is_wrong() {
    let town = issuing_town();
    let running = town.start().await;
    running.accredit().await;
    let good: Value = serde_json::from_slice(&sample(SAMPLE)).unwrap();
    let verify = |credential: &Value| {
        let body = json!({"verifiableCredential": credential, "options": {"checks": ["proof"]}});
        let running = &running;
        async move { post_json(running, "/credentials/verify", &body).await }
    };
    assert_eq!(verify(&good).await.status, 200);
    // Its status lies in a list that nobody handed over, which may say that it is revoked.
    let body = json!({ "verifiableCredential": good });
    let unread = post_json(&running, "/credentials/verify", &body).await;
    assert_eq!(unread.status, 400);
    let kind = unread.json()["errors"][0]["type"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(kind.ends_with("#STATUS_RETRIEVAL_ERROR"), "{kind}");
    let mut cases = vec![json!(7), json!({}), json!("eyJ"), json!([good])];
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("proof");
    cases.push(without);
    for (property, value) in [
        ("type", json!("X")),
        ("cryptosuite", json!("eddsa-2099")),
        ("proofPurpose", json!("authentication")),
        ("created", json!("yesterday")),
        ("verificationMethod", json!(did("other"))),
        ("proofValue", json!("z0")),
    ] {
        let mut changed = good.clone();
        changed["proof"][property] = value;
        cases.push(changed);
    }
    for case in cases {
        let reply = verify(&case).await;
        assert_eq!(reply.status, 400, "{case}: {reply:?}");
        let answer = reply.json();
        assert_eq!(answer["verified"], false);
        assert!(
            answer["errors"][0]["type"]
                .as_str()
                .unwrap()
                .starts_with("https://"),
            "{answer}"
        );
    }
    for (property, value) in [
        ("@context", json!(["https://example.org/"])),
        ("type", json!(["Other"])),
        ("issuer", json!(7)),
        ("credentialSubject", json!([])),
        ("undefinedTerm", json!("x")),
        ("id", json!("not a url")),
        ("validFrom", json!("Sat 25 Feb 2023")),
    ] {
        let mut changed = unsigned("did:example:a");
        changed[property] = value;
        let reply = with_token(
            &running,
            "/credentials/issue",
            &json!({"credential": changed}),
        )
        .await;
        assert_eq!(reply.status, 400, "{property}: {reply:?}");
        let kind = reply.json()["type"].as_str().unwrap().to_owned();
        assert!(kind.starts_with("https://"), "{property}: {kind}");
    }
    running.node.shutdown().await;
}
