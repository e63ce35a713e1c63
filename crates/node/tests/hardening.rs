//! What a hostile or clumsy client sends costs it its connection, and nobody else anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use std::time::{Duration, Instant};

use credlog_api::submission::MEDIA_TYPE_RECORD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use town::{Running, Town};

/// Sends bytes, then nothing; answers after how long the node closed the connection, and
/// what it said.
async fn silence_after(running: &Running, bytes: &[u8]) -> (Duration, String) {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let begun = Instant::now();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // A reset is as good an end as any.
    let _ = tokio::time::timeout(Duration::from_secs(30), read)
        .await
        .expect("still open");
    (
        begun.elapsed(),
        String::from_utf8_lossy(&answer).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_and_half_spoken_connections_are_closed_in_time() {
    let town = Town::new();
    let running = town.start().await;
    let body = format!(
        "POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-type: {MEDIA_TYPE_RECORD}\r\n\
         content-length: 100\r\n\r\nabc"
    );
    let half = "GET /v1/ledger HTTP/1.1\r\nhost: x\r\n";
    let kept = "GET /v1/ledger HTTP/1.1\r\nhost: x\r\n\r\n";
    let (silent, half, slow_body, kept) = tokio::join!(
        silence_after(&running, b""),
        silence_after(&running, half.as_bytes()),
        silence_after(&running, body.as_bytes()),
        silence_after(&running, kept.as_bytes()),
    );
    for (elapsed, _) in [&silent, &half, &slow_body, &kept] {
        assert!(*elapsed < Duration::from_secs(6), "{elapsed:?}");
        assert!(*elapsed > Duration::from_secs(4), "{elapsed:?}");
    }
    assert!(slow_body.1.starts_with("HTTP/1.1 408"), "{}", slow_body.1);
    assert!(slow_body.1.contains("request-timeout"), "{}", slow_body.1);
    assert!(kept.1.starts_with("HTTP/1.1 200"), "{}", kept.1);
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_bounded_also_without_a_length() {
    let mut town = Town::new();
    town.config.http.verify_body_bytes_max = 1_024;
    let running = town.start().await;
    let json = [("content-type", "application/json")];
    let reply = running
        .request("POST", "/v1/verify", &json, &[b' '; 1_025])
        .await;
    assert_eq!(reply.problem(413), "body-too-large");
    assert_eq!(reply.header("connection"), Some("close"));
    // Announced, but never sent: the answer does not wait for it.
    let announced = b"POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                      content-length: 99999999999\r\n\r\n";
    assert_eq!(running.raw(announced).await.problem(413), "body-too-large");
    let mut chunked = b"POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                        transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        .to_vec();
    chunked.extend_from_slice(b"800\r\n");
    chunked.extend_from_slice(&[b' '; 0x800]);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    assert_eq!(running.raw(&chunked).await.problem(413), "body-too-large");
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_paths_methods_and_media_types_are_problems_with_the_headers_of_all() {
    let town = Town::new();
    let running = town.start().await;
    assert_eq!(running.get("/v2").await.problem(404), "not-found");
    let reply = running.request("DELETE", "/v1/ledger", &[], b"").await;
    assert_eq!(reply.problem(405), "method-not-allowed");
    assert_eq!(reply.header("allow"), Some("GET, HEAD, OPTIONS"));
    let reply = running.get("/v1/records").await;
    assert_eq!(reply.problem(405), "method-not-allowed");
    assert_eq!(reply.header("allow"), Some("POST, OPTIONS"));
    let html = [("accept", "text/html")];
    let reply = running.request("GET", "/v1/ledger", &html, b"").await;
    assert_eq!(reply.problem(406), "not-acceptable");
    assert_eq!(reply.json()["instance"], "/v1/ledger");
    assert_eq!(
        running.get("/v1/ledger?verbose=1").await.problem(400),
        "invalid-parameter"
    );
    let credential = format!("/v1/credentials/{}", "AB".repeat(32));
    assert_eq!(
        running.get(&credential).await.problem(400),
        "invalid-parameter"
    );
    let not_utf8 = "/v1/credentials/%ff";
    assert!((400..500).contains(&running.get(not_utf8).await.status));
    let reply = running.request("HEAD", "/v1/ledger", &[], b"").await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    let first = running.get("/v1/ledger").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("access-control-allow-origin", "*"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(first.header(name), Some(value));
    }
    assert!(first.header("content-security-policy").is_some());
    let second = running.get("/v1/ledger").await;
    assert!(first.header("x-request-id").is_some());
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    let reply = running.request("OPTIONS", "/v1/ledger", &[], b"").await;
    assert_eq!(reply.status, 204);
    assert_eq!(
        reply.header("access-control-allow-methods"),
        Some("GET, HEAD")
    );
    let reply = running.request("OPTIONS", "/v1/records", &[], b"").await;
    assert_eq!(
        reply.header("access-control-allow-origin"),
        None,
        "no page writes"
    );
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_gets_no_5xx() {
    let town = Town::new();
    let running = town.start().await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v1/ledger HTTP/9.9\r\n\r\n",
        b"GET /v1/ledger HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /v1/verify HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\
          content-type: application/json\r\n\r\nzz\r\n",
        b"POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let (_, answer) = silence_after(&running, bytes).await;
        let status = answer.split(' ').nth(1).unwrap_or("closed");
        assert!(
            !status.starts_with('5'),
            "{}: {answer}",
            String::from_utf8_lossy(bytes)
        );
    }
    running.client.ready().await.unwrap();
    assert!(
        running
            .get("/metrics")
            .await
            .text()
            .contains("credlog_http_panics_total 0")
    );
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rates_are_limited_by_address_and_kind() {
    let mut town = Town::new();
    town.config.rate_limit.reads_per_second = 1;
    town.config.rate_limit.reads_burst = 3;
    town.config.http.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let running = town.start().await;
    for _ in 0..3 {
        assert_eq!(running.get("/v1/ledger").await.status, 200);
    }
    let reply = running.get("/v1/ledger").await;
    assert_eq!(reply.problem(429), "rate-limited");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(
        running.get("/healthz").await.status,
        200,
        "watching is not limited"
    );
    assert_eq!(
        running.get("/no-such-route").await.status,
        429,
        "guessing is"
    );
    let other = [("x-forwarded-for", "203.0.113.9")];
    assert_eq!(
        running
            .request("GET", "/v1/ledger", &other, b"")
            .await
            .status,
        200
    );
    running.accredit().await;
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_with_too_many_connections_is_turned_away() {
    let mut town = Town::new();
    town.config.http.connections_per_ip_max = 3;
    let running = town.start().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(TcpStream::connect(running.address).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (elapsed, answer) = silence_after(&running, b"").await;
    assert!(elapsed < Duration::from_secs(2) && answer.is_empty());
    drop(open);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(running.get("/healthz").await.status, 200);
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_nothing_is_disconnected() {
    let mut town = Town::new();
    town.config.http.write_timeout_ms = 500;
    let running = town.start().await;
    running.accredit().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let request = b"GET /v1/status-lists/0 HTTP/1.1\r\nhost: x\r\n\r\n";
    // Far more answers than the buffers of both sides hold.
    let mut sent = 0;
    let begun = Instant::now();
    let refused = loop {
        if begun.elapsed() > Duration::from_secs(20) {
            break false;
        }
        match tokio::time::timeout(Duration::from_secs(2), stream.write_all(request)).await {
            Ok(Ok(())) => sent += 1,
            Ok(Err(_)) => break true,
            Err(_) => {}
        }
        if sent % 100 == 0 {
            tokio::task::yield_now().await;
        }
    };
    assert!(
        refused,
        "the connection is still open after {sent} requests"
    );
    running.node.shutdown().await;
}

/// Bodies were once read before anything bounded them: as many connections as there are
/// could each make the node hold the longest body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_for_bodies_is_bounded_and_given_back() {
    let mut town = Town::new();
    town.config.http.bodies_bytes_max = 32 << 20;
    let running = town.start().await;
    let announced = b"POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                      content-length: 4194304\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(announced).await.unwrap();
        open.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let verify = async || {
        let json = [("content-type", "application/json")];
        running.request("POST", "/v1/verify", &json, b"{}").await
    };
    let reply = verify().await;
    assert_eq!(reply.problem(503), "overloaded");
    assert_eq!(reply.header("retry-after"), Some("1"));
    drop(open);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(verify().await.problem(400), "malformed-request");
    running.node.shutdown().await;
}

/// More than `requests_max` are not queued but answered at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_the_limit_are_turned_away_at_once() {
    let mut town = Town::new();
    town.config.http.requests_max = 1;
    let running = town.start().await;
    let announced = b"POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                      content-length: 10\r\n\r\n";
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    slow.write_all(announced).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    let reply = running.get("/v1/ledger").await;
    assert_eq!(reply.problem(503), "overloaded");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert!(begun.elapsed() < Duration::from_secs(2));
    drop(slow);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(running.get("/v1/ledger").await.status, 200);
    running.node.shutdown().await;
}
