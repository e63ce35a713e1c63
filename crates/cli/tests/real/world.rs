//! A ledger of one member on a real node process, driven by the real binary.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub(crate) const ORIGIN: &str = "test.example/credlog";

/// A folder with a member, an accredited issuer and a running node.
pub(crate) struct World {
    folder: tempfile::TempDir,
    port: u16,
    speaks_tls: bool,
    node: Option<Child>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill_node();
    }
}

impl World {
    /// A founded ledger; the node does not run yet.
    pub(crate) fn founded() -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            port,
            speaks_tls: false,
            node: None,
        };
        let listen = format!("127.0.0.1:{port}");
        world.ok(&[
            "init",
            "member",
            "--member",
            "board",
            "--name",
            "Board",
            "--origin",
            ORIGIN,
            "--listen",
            &listen,
            "--url",
            &world.node_url(),
            "--network-listen",
            "/ip4/127.0.0.1/tcp/0",
            "--no-passphrase",
        ]);
        world.ok(&[
            "genesis",
            "create",
            "--origin",
            ORIGIN,
            "--out",
            "member/genesis.json",
            "member/member.json",
        ]);
        world
    }

    /// A running ledger with an issuer in `issuer`, accredited for everything.
    pub(crate) fn running() -> Self {
        Self::running_for("all")
    }

    /// A running ledger with an issuer in `issuer`, accredited for one achievement.
    pub(crate) fn running_for(scope: &str) -> Self {
        let mut world = Self::founded();
        world.start_node();
        world.ok(&[
            "issuer",
            "new",
            "issuer",
            "--name",
            "University",
            "--genesis",
            "member/genesis.json",
            "--no-passphrase",
        ]);
        world.grant("issuer", scope);
        world
    }

    /// A running ledger with an issuer in `issuer` that nobody has accredited.
    pub(crate) fn with_issuer(name: &str) -> Self {
        let mut world = Self::founded();
        world.start_node();
        world.ok(&[
            "issuer",
            "new",
            "issuer",
            "--name",
            name,
            "--origin",
            ORIGIN,
            "--no-passphrase",
        ]);
        world
    }

    pub(crate) fn grant(&self, issuer: &str, scope: &str) {
        self.ok(&[
            "accreditation",
            "grant",
            "--home",
            "member",
            "--issuer",
            &format!("{issuer}/issuer.json"),
            "--scope",
            scope,
            "--recovery-key",
            &format!("{issuer}/keys/recovery.pem"),
        ]);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_credlog"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env("CREDLOG_NODE", self.node_url())
            .env_remove("CREDLOG_PASSPHRASE")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn node_url(&self) -> String {
        let scheme = if self.speaks_tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Lets the node, which does not run yet, speak TLS with a certificate of its own: `cert.pem`.
    pub(crate) fn secure(&mut self) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(self.path("cert.pem"), made.cert.pem()).unwrap();
        fs::write(self.path("key.pem"), made.key_pair.serialize_pem()).unwrap();
        let owners = fs::Permissions::from_mode(0o600);
        fs::set_permissions(self.path("key.pem"), owners).unwrap();
        let mut config = fs::read_to_string(self.path("member/credlog.toml")).unwrap();
        config.push_str("\n[http.tls]\ncertificate = \"../cert.pem\"\nkey = \"../key.pem\"\n");
        fs::write(self.path("member/credlog.toml"), config).unwrap();
        self.speaks_tls = true;
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a command that must succeed; answers with its standard output.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{words:?}: {}\n{errors}",
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must succeed, for its JSON answer.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let text = self.ok(&[words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}\n{text}"))
    }

    /// Runs a command that must end with an exit code; answers with its standard error.
    pub(crate) fn fails(&self, code: i32, words: &[&str]) -> String {
        let output = self.run(words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}\n{errors}");
        errors
    }

    /// Verifies, and answers with exit code and summary of the only target.
    pub(crate) fn verdict(&self, words: &[&str]) -> (i32, String) {
        let output = self.run(&[&["verify", "--json"], words].concat());
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)));
        let summary = answer["verdict"]["summary"].as_str().unwrap().to_owned();
        (output.status.code().unwrap(), summary)
    }

    pub(crate) fn start_node(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let mut command = self.command(&["node", "run", "--config", "member/credlog.toml"]);
        self.node = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let start = Instant::now();
        let mut asks = vec!["ledger", "status"];
        if self.speaks_tls {
            asks.extend(["--ca", "cert.pem"]);
        }
        while !self.run(&asks).status.success() {
            let log = fs::read_to_string(self.path("log")).unwrap();
            let ended = self.node.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < Duration::from_secs(30),
                "{log}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn kill_node(&mut self) {
        if let Some(mut node) = self.node.take() {
            node.kill().unwrap();
            node.wait().unwrap();
        }
    }

    /// Address of a way to the node that is cut as soon as a record is to go through it.
    pub(crate) fn way_without_records(&self) -> String {
        self.way(Duration::ZERO)
    }

    /// Address of a way to the node on which a record stays without an answer.
    pub(crate) fn way_without_answers(&self) -> String {
        self.way(Duration::from_secs(60))
    }

    fn way(&self, silence: Duration) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let node = self.port;
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                std::thread::spawn(move || forward_until_a_record(client, node, silence));
            }
        });
        format!("http://127.0.0.1:{port}")
    }

    /// What is pending in an output folder: the only record's credentials.
    pub(crate) fn pending(&self, out: &str) -> Vec<Value> {
        let mut credentials = Vec::new();
        for entry in fs::read_dir(self.path(out).join(".credlog/pending")).unwrap() {
            let file: Value =
                serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
            credentials.extend(file["credentials"].as_array().unwrap().clone());
        }
        credentials
    }

    /// What the node answers to a GET.
    pub(crate) fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}\n{answer}"))
    }

    /// How many positions in an issuer's status lists are in use.
    pub(crate) fn positions_in_use(&self, folder: &str) -> usize {
        let id = self.issuer_id(folder);
        let issuer = self.get(&format!("/v1/issuers/{}", id.replace(':', "%3A")));
        let lists = issuer["lists"].as_array().unwrap().iter();
        let used = |list: &Value| self.get(&format!("/v1/status-lists/{list}"))["used"].clone();
        lists
            .map(|list| usize::try_from(used(list).as_u64().unwrap()).unwrap())
            .sum()
    }

    /// The id of an issuer's folder.
    pub(crate) fn issuer_id(&self, folder: &str) -> String {
        let text = fs::read(self.path(folder).join("issuer.json")).unwrap();
        let file: Value = serde_json::from_slice(&text).unwrap();
        file["id"].as_str().unwrap().to_owned()
    }

    /// Writes unsigned credentials of an issuer.
    pub(crate) fn unsigned(&self, folder: &str, issuer: &str, numbers: std::ops::Range<usize>) {
        let id = self.issuer_id(issuer);
        fs::create_dir_all(self.path(folder)).unwrap();
        for number in numbers {
            let credential = json!({
                "@context": ["https://www.w3.org/ns/credentials/v2"],
                "type": ["VerifiableCredential"],
                "issuer": id,
                "validFrom": "2026-01-01T00:00:00Z",
                "credentialSubject": {"id": format!("https://students.example/{number}")},
            });
            let path = self.path(folder).join(format!("{number}.json"));
            fs::write(path, credential.to_string()).unwrap();
        }
    }

    /// The rows of an `issued.csv`, each as the value of one column.
    pub(crate) fn column(&self, table: &str, column: &str) -> Vec<String> {
        let mut reader = csv::Reader::from_path(self.path(table)).unwrap();
        let at = reader
            .headers()
            .unwrap()
            .iter()
            .position(|name| name == column)
            .unwrap();
        reader
            .records()
            .map(|row| row.unwrap()[at].to_owned())
            .collect()
    }
}

fn forward_until_a_record(mut client: TcpStream, node: u16, silence: Duration) {
    let Ok(mut node) = TcpStream::connect(("127.0.0.1", node)) else {
        return;
    };
    let (mut answers, mut back) = (node.try_clone().unwrap(), client.try_clone().unwrap());
    // The node soon closes a connection on which nothing is asked; the client is not to hear that.
    let is_silent = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&is_silent);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        if !ended.load(Ordering::SeqCst) {
            let _ = back.shutdown(Shutdown::Both);
        }
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let record = b"POST /v1/records";
        let sent = &buffer[..length];
        if sent.windows(record.len()).any(|part| part == record) {
            is_silent.store(true, Ordering::SeqCst);
            std::thread::sleep(silence);
            break;
        }
        if node.write_all(sent).is_err() {
            break;
        }
    }
    let _ = node.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}

/// The samples that a foreign library signed.
pub(crate) fn sample(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../credential/tests/fixtures/samples");
    folder.join(name).to_str().unwrap().to_owned()
}
