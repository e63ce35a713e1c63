//! A node that speaks TLS: the typed client, clients that do not keep to it, renewed files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use credlog_api::{Client, ClientConfig};
use credlog_node::Node;
use credlog_node::config::TlsSection;
use rustix::process::{Signal, getpid, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{
    ClientConfig as TlsConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version,
};
use tokio_rustls::{TlsConnector, rustls::crypto::ring};
use town::Town;

/// A town whose node has a certificate that signs itself.
struct Secured {
    town: Town,
    certificate: String,
}

impl Secured {
    fn new() -> Self {
        let mut town = Town::new();
        town.config.http.tls = Some(TlsSection {
            certificate: town.dir.path().join("cert.pem"),
            key: town.dir.path().join("key.pem"),
        });
        let certificate = renew(&town);
        Self { town, certificate }
    }

    async fn start(&self) -> Node {
        Node::start(self.town.config.clone()).await.unwrap()
    }
}

fn new_certificate() -> rcgen::CertifiedKey {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// Writes a new certificate and its key; answers with the certificate.
fn renew(town: &Town) -> String {
    let made = new_certificate();
    let files = town.config.http.tls.as_ref().unwrap();
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.key_pair.serialize_pem()).unwrap();
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    made.cert.pem()
}

fn client(node: &Node, certificate: &str) -> Client {
    let config = ClientConfig {
        authorities_pem: certificate.as_bytes().to_vec(),
        ..ClientConfig::default()
    };
    let url = format!("https://localhost:{}", node.http_addr().port());
    Client::with_config(&url, config).unwrap()
}

async fn handshake(
    node: &Node,
    certificate: &str,
    version: &'static SupportedProtocolVersion,
    protocols: &'static [&'static [u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap())
        .unwrap();
    let mut config = TlsConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(node.http_addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typed_client_speaks_tls_and_believes_only_whom_it_is_told() {
    let secured = Secured::new();
    let node = secured.start().await;
    let ledger = client(&node, &secured.certificate).ledger().await.unwrap();
    assert_eq!(ledger.ledger_id, secured.town.ledger);
    let other = new_certificate().cert.pem();
    let other = client(&node, &other).ledger().await;
    assert!(other.is_err(), "{other:?}");
    for (version, expected) in [
        (&version::TLS12, ProtocolVersion::TLSv1_2),
        (&version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let stream = handshake(&node, &secured.certificate, version, &[b"h2", b"http/1.1"]);
        let stream = stream.await.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    let only_h2 = handshake(&node, &secured.certificate, &version::TLS13, &[b"h2"]);
    assert!(only_h2.await.is_err(), "nobody here speaks it");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_finish_a_handshake_loses_its_connection_and_nobody_else_anything() {
    let mut secured = Secured::new();
    secured.town.config.http.header_timeout_ms = 500;
    let node = secured.start().await;
    for said in [
        &b""[..],
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x00\xff\x00\xff",
    ] {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(node.http_addr()).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good an end as any.
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
        let _ = read.await.expect("still open");
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(!answer.starts_with(b"HTTP"), "no HTTP where TLS is spoken");
    }
    let metrics = said_by(&node, &secured.certificate, "/metrics").await;
    assert!(metrics.contains("credlog_http_handshakes_failed_total"));
    let failed = metrics.lines().find(|line| {
        line.starts_with("credlog_http_handshakes_failed_total") && line.ends_with(" 4")
    });
    assert!(failed.is_some(), "{metrics}");
    node.shutdown().await;
}

/// What the node answers to a GET, as text.
async fn said_by(node: &Node, certificate: &str, path: &str) -> String {
    let mut stream = handshake(node, certificate, &version::TLS13, &[])
        .await
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_served_without_a_restart_and_cuts_nobody() {
    // Without a handler of its own the test would end with the first signal.
    let _handled = signal(SignalKind::hangup()).unwrap();
    let secured = Secured::new();
    let node = secured.start().await;
    let standing = handshake(&node, &secured.certificate, &version::TLS13, &[]).await;
    let mut standing = standing.unwrap();
    let renewed = renew(&secured.town);
    let begun = Instant::now();
    loop {
        kill_process(getpid(), Signal::HUP).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        if client(&node, &renewed).ledger().await.is_ok() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never renewed");
    }
    assert!(client(&node, &secured.certificate).ledger().await.is_err());
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    standing.write_all(request).await.unwrap();
    let mut answer = String::new();
    standing.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_does_not_start_with_files_that_do_not_do() {
    let secured = Secured::new();
    let files = secured.town.config.http.tls.as_ref().unwrap();
    std::fs::write(&files.certificate, "no certificate").unwrap();
    let Err(refused) = Node::start(secured.town.config.clone()).await else {
        panic!("it has no certificate to serve");
    };
    let refused = refused.to_string();
    assert!(refused.starts_with("http.tls: "), "{refused}");
    assert!(refused.contains("cert.pem is not a chain"), "{refused}");
}
