//! Malformed HTTP at a real node: no 5xx, no panic, memory steady, slow sockets closed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a panic is a failed test

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use credlog_e2e::{TestLedger, answer, count, exchange, open};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Slow and silent sockets are closed within this time.
const SLOW_SOCKET_DEADLINE: Duration = Duration::from_secs(6);
/// What the process may grow by after the first tenth of the requests.
const GROWTH_KIB_MAX: u64 = 48 * 1024;
const NO_RATE_LIMIT: &str = "[rate_limit]\nreads_per_second = 0\nwrites_per_second = 0\nrecords_per_second = 0\n\
    verify_per_second = 0";

const METHODS: [&str; 9] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH", "BREW",
];
const PATHS: [&str; 22] = [
    "/",
    "/v1/ledger",
    "/v1/records",
    "/v1/records/zz",
    "/v1/records?wait=maybe",
    "/v1/verify",
    "/v1/credentials/00",
    "/v1/credentials/",
    "/v1/issuers?limit=-1",
    "/v1/issuers?after=%ff",
    "/v1/issuers/did%3Akey%3Az6Mk",
    "/v1/members",
    "/v1/blocks/18446744073709551616",
    "/v1/blocks/0",
    "/checkpoint",
    "/tile/0/000",
    "/tile/0/x001/1.p/0",
    "/tile/64/000",
    "/tile/entries/000.p/256",
    "/../../etc/passwd",
    "/%00",
    "/metrics/../metrics",
];
const HEADERS: [&str; 14] = [
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Content-Length: 3\r\nContent-Length: 4",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Transfer-Encoding: gzip",
    "Content-Type: application/json",
    "Content-Type: application/vnd.credlog.record",
    "Content-Type: application/vnd.credlog.records",
    "Expect: 100-continue",
    "X-Forwarded-For: 1.2.3.4, \u{fe}",
    "Host: a\r\nHost: b",
    "Accept: */*;q=nonsense",
];
const BODIES: [&str; 12] = [
    "",
    "{",
    "[]",
    "null",
    "{\"digest\":1}",
    "{\"digest\":\"00\"}",
    "{\"a\":1,\"a\":2}",
    "\u{0}\u{0}\u{0}\u{1}x",
    "\u{0}\u{7f}",
    "ffffffffffff\r\n",
    "0\r\n\r\n",
    "5\r\nab",
];

fn request(rng: &mut StdRng) -> Vec<u8> {
    fn pick<'a>(rng: &mut StdRng, from: &[&'a str]) -> &'a str {
        from[rng.gen_range(0..from.len())]
    }
    let body = pick(rng, &BODIES);
    let mut text = format!(
        "{} {} HTTP/1.1\r\nHost: t\r\n",
        pick(rng, &METHODS),
        pick(rng, &PATHS)
    );
    for _ in 0..rng.gen_range(0..4) {
        text += pick(rng, &HEADERS);
        text += "\r\n";
    }
    if rng.gen_bool(0.5) {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut bytes = (text + "\r\n" + body).into_bytes();
    for _ in 0..rng.gen_range(0..4) {
        let at = rng.gen_range(0..bytes.len());
        match rng.gen_range(0..5) {
            0 => bytes[at] = rng.r#gen(),
            1 => bytes.truncate(at.max(1)),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, rng.r#gen()),
            _ => {
                let fill = vec![b'a'; rng.gen_range(0..70_000)];
                bytes.splice(at..at, fill);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

/// Sends `requests` malformed requests; answers how many were answered with 4xx.
fn bombard(address: SocketAddr, requests: usize, seed: u64) -> usize {
    const THREADS: usize = 8;
    let share = requests.div_ceil(THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS as u64)
            .map(|thread| {
                scope.spawn(move || {
                    let mut rng = StdRng::seed_from_u64(seed + thread);
                    let mut refused = 0;
                    for _ in 0..share {
                        let request = request(&mut rng);
                        let Some(answer) = exchange(address, &request).unwrap() else {
                            continue;
                        };
                        let shown = String::from_utf8_lossy(&request[..request.len().min(300)]);
                        assert!(answer.status < 500, "{} to {shown:?}", answer.head);
                        refused += usize::from(answer.status >= 400);
                    }
                    refused
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

#[test]
fn malformed_requests_are_answered_and_leave_nothing_behind() {
    let ledger = TestLedger::create(NO_RATE_LIMIT).unwrap();
    let mut node = ledger.start().unwrap();
    let total = count(10_000);
    bombard(node.address(), total / 10, 1);
    let before = node.resident_kib().unwrap();
    let refused = bombard(node.address(), total, 100);
    let after = node.resident_kib().unwrap();
    println!("{total} requests, {refused} refused, memory {before} -> {after} KiB");
    assert!(
        refused > total / 4,
        "only {refused} of {total} were refused: are they malformed?"
    );
    assert!(
        after < before + GROWTH_KIB_MAX,
        "memory grew from {before} to {after} KiB"
    );
    assert!(node.is_running().unwrap());
    let health = exchange(node.address(), b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(health.unwrap().unwrap().status, 200);
    assert!(
        !node.log().unwrap().contains("panic"),
        "{}",
        node.log().unwrap()
    );
}

/// Sends some bytes, then nothing; answers how long the node kept the socket open.
fn held_open(address: SocketAddr, sent: &[u8]) -> Duration {
    let mut stream = open(address).unwrap();
    stream.write_all(sent).unwrap();
    let began = Instant::now();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    began.elapsed()
}

#[test]
fn slow_and_silent_sockets_are_closed() {
    let ledger = TestLedger::create(NO_RATE_LIMIT).unwrap();
    let node = ledger.start().unwrap();
    let address = node.address();
    let cases: [(&str, &[u8]); 4] = [
        ("silent", b""),
        ("half a header", b"GET /v1/ledger HTTP/1.1\r\nHost: t\r\nX-"),
        ("half a request line", b"GE"),
        (
            "half a body",
            b"POST /v1/verify HTTP/1.1\r\nHost: t\r\n\
            Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        ),
    ];
    std::thread::scope(|scope| {
        for (name, sent) in cases {
            scope.spawn(move || {
                let open_for = held_open(address, sent);
                assert!(
                    open_for <= SLOW_SOCKET_DEADLINE,
                    "{name}: open for {open_for:?}"
                );
            });
        }
    });
}

#[test]
fn an_oversized_body_is_refused_before_it_is_read() {
    let ledger = TestLedger::create(NO_RATE_LIMIT).unwrap();
    let node = ledger.start().unwrap();
    for (path, media) in [
        ("/v1/verify", "application/json"),
        ("/v1/records", "application/vnd.credlog.record"),
        ("/v1/records", "application/vnd.credlog.records"),
    ] {
        let declared = format!(
            "POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: {media}\r\n\
             Content-Length: 1000000000\r\n\r\n"
        );
        let mut stream = open(node.address()).unwrap();
        stream.write_all(declared.as_bytes()).unwrap();
        let mut first = vec![0; 4096];
        let read = stream.read(&mut first).unwrap();
        assert_eq!(
            answer(&first[..read]).unwrap().status,
            413,
            "{path} {media}, declared"
        );

        let mut chunked = format!(
            "POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: {media}\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        .into_bytes();
        let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 0x10_0000], b"\r\n"].concat();
        for _ in 0..24 {
            chunked.extend_from_slice(&chunk);
        }
        let answered = exchange(node.address(), &chunked).unwrap();
        if let Some(answered) = answered {
            assert_eq!(answered.status, 413, "{path} {media}, in chunks");
        }
    }
}
