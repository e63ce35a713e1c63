//! The client against a server that behaves and misbehaves, on loopback. The server speaks
//! bytes written by hand, so it shares nothing with the client.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail the test

use std::time::{Duration, Instant};

use credlog_api::verification::{CredentialQuery, RequestSubject};
use credlog_api::{
    Answer, Client, ClientConfig, ClientError, PageQuery, ProblemType, VerifyRequest, Wait,
};
use credlog_ledger::ids::{Digest, IssuerId};
use credlog_tlog::{TileLevel, TilePath};
use credlog_verify::{DigestSubject, HandedOver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Answers one connection with each of the scripted bytes, in order; gives the requests.
async fn serve(answers: Vec<Vec<u8>>) -> (Client, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            requests.push(read_request(&mut stream).await);
            // The client may hang up on purpose.
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
        requests
    });
    let config = ClientConfig {
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(2),
        retries_max: 2,
        pause_max: Duration::from_secs(1),
        ..ClientConfig::default()
    };
    let client = Client::with_config(&format!("http://{address}/"), config).unwrap();
    (client, served)
}

async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(read > 0, "the request broke off: {text}");
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if body.len() >= length {
            return text;
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", body)
}

fn busy(seconds: &str) -> Vec<u8> {
    let problem = include_str!("golden/problem.json");
    let headers = format!("content-type: application/problem+json\r\nretry-after: {seconds}\r\n");
    answer("503 Service Unavailable", &headers, problem)
}

fn asked_too_often(seconds: &str) -> Vec<u8> {
    let headers = format!("content-type: application/problem+json\r\nretry-after: {seconds}\r\n");
    answer(
        "429 Too Many Requests",
        &headers,
        include_str!("golden/problem.json"),
    )
}

fn digest() -> Digest {
    Digest([0xd1; 32])
}

fn issuer() -> IssuerId {
    "did:key:z6MkrLuTEDM5hr4H9JVnhjoRxuXQmJ88ReNE6fpw9471PaAA"
        .parse()
        .unwrap()
}

#[tokio::test]
async fn requests_are_what_the_routes_say() {
    let (client, served) = serve(vec![
        ok(include_str!("golden/ledger.json")),
        ok(include_str!("golden/issuer.json")),
        ok(include_str!("golden/blocks.json")),
        ok(include_str!("golden/verdict.json")),
        ok("a tile"),
    ])
    .await;
    assert_eq!(client.ledger().await.unwrap().size, 19);
    assert_eq!(client.issuer(&issuer()).await.unwrap().issuer.id, issuer());
    let page = PageQuery {
        after: Some(8),
        limit: Some(10),
    };
    assert_eq!(client.blocks(page).await.unwrap().next, Some(7));
    let request = VerifyRequest {
        subject: RequestSubject::Digest(DigestSubject {
            digest: digest(),
            issuer: None,
            proof_checked_elsewhere: false,
        }),
        at: None,
        handed_over: HandedOver::default(),
        did_documents: Vec::new(),
    };
    match client.verify(&request).await.unwrap() {
        Answer::Credential(verdict) => assert_eq!(verdict.digest, digest()),
        other @ Answer::Presentation(_) => panic!("{other:?}"),
    }
    let tile = TilePath::new(TileLevel::Hash(0), 1_234_067, 7).unwrap();
    assert_eq!(client.tile(&tile).await.unwrap(), b"a tile");

    let requests = served.await.unwrap();
    let first_line = |at: usize| requests[at].lines().next().unwrap().to_owned();
    assert_eq!(first_line(0), "GET /v1/ledger HTTP/1.1");
    assert_eq!(
        first_line(1),
        "GET /v1/issuers/did%3Akey%3Az6MkrLuTEDM5hr4H9JVnhjoRxuXQmJ88ReNE6fpw9471PaAA HTTP/1.1"
    );
    assert_eq!(first_line(2), "GET /v1/blocks?after=8&limit=10 HTTP/1.1");
    assert_eq!(first_line(3), "POST /v1/verify HTTP/1.1");
    assert!(requests[3].ends_with(&format!("{{\"digest\":\"{}\"}}", digest())));
    assert_eq!(first_line(4), "GET /tile/0/x001/x234/067.p/7 HTTP/1.1");
}

#[tokio::test]
async fn records_go_in_their_own_media_types() {
    let outcomes = r#"{"results": [{"outcome": "accepted", "recordId": "RR"}]}"#
        .replace("RR", &"01".repeat(32));
    let (client, served) = serve(vec![ok(&outcomes), ok(&outcomes), ok(&outcomes)]).await;
    client.submit(b"one", Wait::Committed).await.unwrap();
    client.submit_many(&["one"], Wait::None).await.unwrap();
    // An answer for one record to a request with two is not an answer.
    let wrong = client.submit_many(&["one", "two"], Wait::Committed).await;
    assert!(
        matches!(wrong, Err(ClientError::OtherAnswer { .. })),
        "{wrong:?}"
    );
    let requests = served.await.unwrap();
    assert!(requests[0].starts_with("POST /v1/records HTTP/1.1"));
    assert!(requests[0].contains("application/vnd.credlog.record\r\n"));
    assert!(requests[0].ends_with("\r\n\r\none"));
    assert!(requests[1].starts_with("POST /v1/records?wait=none HTTP/1.1"));
    assert!(requests[1].contains("application/vnd.credlog.records\r\n"));
    assert!(requests[1].ends_with("\r\n\r\n\0\0\0\u{3}one"));
}

#[tokio::test]
async fn a_busy_node_is_asked_again_and_not_for_ever() {
    let ledger = ok(include_str!("golden/ledger.json"));
    let (client, served) = serve(vec![busy("0"), asked_too_often("0"), ledger]).await;
    assert!(client.ledger().await.is_ok());
    assert_eq!(served.await.unwrap().len(), 3);

    let (client, served) = serve(vec![busy("0"), busy("0"), busy("0")]).await;
    let error = client.ledger().await.unwrap_err();
    assert!(error.problem().unwrap().is(ProblemType::MEMPOOL_FULL));
    assert!(error.to_string().contains("/v1/ledger"), "{error}");
    assert_eq!(served.await.unwrap().len(), 3);

    // A node that wants more patience than there is, and one that does not say how much.
    for seconds in ["2", "Fri, 31 Dec 1999 23:59:59 GMT"] {
        let (client, served) = serve(vec![busy(seconds)]).await;
        let begun = Instant::now();
        assert!(client.ledger().await.unwrap_err().problem().is_some());
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(served.await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_is_not_asked_again() {
    let problem = include_str!("golden/problem.json").replace("503", "422");
    let headers = "content-type: application/problem+json; charset=utf-8\r\nretry-after: 0\r\n";
    let (client, served) =
        serve(vec![answer("422 Unprocessable Content", headers, &problem)]).await;
    assert!(client.ledger().await.unwrap_err().problem().is_some());
    assert_eq!(served.await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_answer_of_a_node_is_an_error_that_names_the_url() {
    let endless = "x".repeat(9_000);
    let broken = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf".to_vec();
    let redirect = answer("302 Found", "location: http://192.0.2.1/\r\n", "");
    let (client, served) = serve(vec![
        answer("404 Not Found", "content-type: text/html\r\n", "<html>"),
        ok("{\"origin\": 7}"),
        ok(&endless),
        broken,
        redirect,
    ])
    .await;
    let url = format!("{}/v1/ledger", client.base_url());
    let errors = [
        client.ledger().await.unwrap_err(),
        client.ledger().await.unwrap_err(),
        client
            .tile(&TilePath::new(TileLevel::Hash(0), 0, 256).unwrap())
            .await
            .unwrap_err(),
        client.ledger().await.unwrap_err(),
        client.ledger().await.unwrap_err(),
    ];
    served.await.unwrap();
    assert_eq!(
        errors[0],
        ClientError::Status {
            url: url.clone(),
            status: 404
        }
    );
    assert!(
        matches!(errors[1], ClientError::Malformed { .. }),
        "{:?}",
        errors[1]
    );
    assert!(matches!(
        errors[2],
        ClientError::TooLarge {
            bytes_max: 8_192,
            ..
        }
    ));
    assert!(
        matches!(errors[3], ClientError::Broken { .. }),
        "{:?}",
        errors[3]
    );
    assert_eq!(errors[4], ClientError::Status { url, status: 302 });
    for error in errors {
        assert!(error.to_string().contains(client.base_url()), "{error}");
    }
}

#[tokio::test]
async fn silence_and_absence_end_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = ClientConfig {
        timeout: Duration::from_millis(300),
        ..ClientConfig::default()
    };
    let client = Client::with_config(&format!("http://{address}"), config).unwrap();
    // Bound but never accepted: the connection stands, no answer comes.
    let error = client.ledger().await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error:?}");
    drop(listener);
    let error = client.ledger().await.unwrap_err();
    assert!(
        matches!(error, ClientError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn facts_about_something_else_are_refused() {
    let golden = include_str!("golden/facts.json");
    let (client, served) = serve(vec![ok(golden); 4]).await;
    let query = CredentialQuery {
        issuer: Some(issuer()),
        ..CredentialQuery::default()
    };
    assert!(client.facts(&digest(), &query).await.is_ok());
    let at = CredentialQuery {
        at: Some("2026-11-21T10:00:00Z".parse().unwrap()),
        ..query.clone()
    };
    let positions = CredentialQuery {
        positions: Some("0.1".to_owned().try_into().unwrap()),
        ..query.clone()
    };
    for (digest, query) in [
        (Digest([2; 32]), query),
        (digest(), at),
        (digest(), positions),
    ] {
        let error = client.facts(&digest, &query).await.unwrap_err();
        assert!(
            matches!(error, ClientError::OtherAnswer { .. }),
            "{error:?}"
        );
    }
    let requests = served.await.unwrap();
    assert!(requests[3].contains("&positions=0.1 "), "{}", requests[3]);
}
