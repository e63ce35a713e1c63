//! Credentials between this ledger and libraries that others wrote (tests/foreign/vc): a real
//! node, the real command line, and Node.js with what `npm ci` installs there.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a panic is a failed test

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use credlog_e2e::{NodeProcess, Place, binary};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../foreign/vc");
const ORIGIN: &str = "foreign.example/credlog";
/// The node has this long to answer.
const START_MAX: Duration = Duration::from_secs(30);

/// What the node serves to everybody.
const OPEN: [&str; 4] = ["suites", "lists", "status", "jose"];
/// The compatibility profile.
const PROFILE: [&str; 4] = [
    "profile_issue",
    "profile_verify",
    "profile_presentation",
    "profile_status",
];
/// For issuing by the profile; no secret.
const TOKEN: &str = "a token of the foreign tests, 32 characters at least";

/// A ledger of one member, made by the command line, with an issuer that is accredited for all
/// achievements, and a running node.
struct World {
    folder: tempfile::TempDir,
    place: Place,
    /// Where a script serves status lists.
    lists: Place,
    node: Option<NodeProcess>,
    /// Over TLS.
    is_secured: bool,
}

impl World {
    fn create() -> Self {
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            place: Place::free().unwrap(),
            lists: Place::free().unwrap(),
            node: None,
            is_secured: false,
        };
        let listen = world.place.http().to_string();
        world.credlog(&format!(
            "init member --member board --name Board --origin {ORIGIN} --url {} \
             --listen {listen} --network-listen {} --no-passphrase",
            world.url(),
            world.place.multiaddr(),
        ));
        world.credlog(&format!(
            "genesis create --origin {ORIGIN} --out member/genesis.json member/member.json"
        ));
        // No limit on how often one address asks, and status lists from one script.
        world.configure(&format!(
            "\n[rate_limit]\nverify_per_second = 0\nwrites_per_second = 0\n\
             records_per_second = 0\n[fetch]\nallow = [\"{}/\"]\ncache_seconds = 0\n",
            world.lists_url()
        ));
        world.start();
        world.accredit("issuer", "");
        world
    }

    /// The node issues in the name of the issuer.
    fn configure_issuing(&self) {
        let text = fs::read(self.path("issuer/issuer.json")).unwrap();
        let issuer: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let token = self.path("member/token");
        fs::write(&token, TOKEN).unwrap();
        fs::set_permissions(token, fs::Permissions::from_mode(0o600)).unwrap();
        self.configure(&format!(
            "\n[issuer]\nid = {}\nkey = \"../issuer/keys/record.pem\"\n\
             token_file = \"token\"\n",
            issuer["id"]
        ));
    }

    /// From now on the node speaks TLS, with a certificate of its own.
    fn configure_tls(&mut self) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(self.path("certificate.pem"), made.cert.pem()).unwrap();
        let key = self.path("member/tls.pem");
        fs::write(&key, made.key_pair.serialize_pem()).unwrap();
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
        self.configure("\n[http.tls]\ncertificate = \"../certificate.pem\"\nkey = \"tls.pem\"\n");
        self.is_secured = true;
    }

    /// Appends to the node's configuration.
    fn configure(&self, settings: &str) {
        let path = self.path("member/credlog.toml");
        let config = fs::read_to_string(&path).unwrap();
        fs::write(path, config + settings).unwrap();
    }

    /// Starts the node, with what was configured meanwhile.
    fn start(&mut self) {
        if let Some(node) = self.node.take() {
            node.kill().unwrap();
        }
        let config = self.path("member/credlog.toml");
        self.node = Some(NodeProcess::spawn(&config, self.place.http()).unwrap());
        let began = Instant::now();
        while !self.run("ledger status").status.success() {
            let log = self.node.as_ref().unwrap().log().unwrap();
            assert!(
                began.elapsed() < START_MAX,
                "the node does not start:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// An issuer in a folder, accredited for everything.
    fn accredit(&self, folder: &str, options: &str) {
        self.credlog(&format!(
            "issuer new {folder} --name University --genesis member/genesis.json \
             --no-passphrase {options}"
        ));
        self.credlog(&format!(
            "accreditation grant --home member --issuer {folder}/issuer.json --scope all \
             --recovery-key {folder}/keys/recovery.pem"
        ));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// By the name that a did:web of it has.
    fn url(&self) -> String {
        match self.is_secured {
            true => format!("https://localhost:{}", self.place.http().port()),
            false => format!("http://{}", self.place.http()),
        }
    }

    fn lists_url(&self) -> String {
        format!("http://{}", self.lists.http())
    }

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(binary().unwrap());
        command.args(line.split_whitespace());
        self.equip(&mut command).output().unwrap()
    }

    fn credlog(&self, line: &str) {
        let output = self.run(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
    }

    fn equip<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(self.folder.path())
            .env("CREDLOG_NODE", self.url())
            .env_remove("CREDLOG_PASSPHRASE")
            .stdin(Stdio::null());
        if self.is_secured {
            let certificate = self.path("certificate.pem");
            command.env("CREDLOG_CA", &certificate);
            command.env("NODE_EXTRA_CA_CERTS", &certificate);
        }
        command
    }

    /// Runs the tests of a script of tests/foreign/vc, all of which must pass.
    fn pass(&self, script: &str) {
        let mut command = Command::new("node");
        let file = format!("{script}.test.mjs");
        command.args(["--test", "--test-reporter=spec", &file]);
        self.equip(&mut command)
            .current_dir(SCRIPTS)
            .env("CREDLOG_BINARY", binary().unwrap())
            .env("CREDLOG_HOME", self.folder.path())
            .env("CREDLOG_TOKEN", TOKEN)
            .env("CREDLOG_LISTS", self.lists_url());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let failures: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.ends_with("failing tests:"))
            .collect();
        assert!(output.status.success(), "{file}\n{}", failures.join("\n"));
        let passed = text.lines().find_map(|line| line.strip_prefix("ℹ pass "));
        let passed: u32 = passed.and_then(|count| count.parse().ok()).unwrap_or(0);
        assert!(passed > 0, "{file} ran no test:\n{text}");
        println!("   {file}: {passed} passed");
    }
}

/// Whether Node.js and the packages are here; says so where they are not.
fn is_installed() -> bool {
    let mut probe = Command::new("node");
    probe
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let node = probe.status().is_ok_and(|status| status.success());
    let installed = node && Path::new(SCRIPTS).join("node_modules").is_dir();
    if !installed {
        println!("   NOT RUN: foreign libraries need Node.js, and `npm ci` in tests/foreign/vc");
    }
    installed
}

#[test]
fn foreign_libraries_agree_over_http_and_tls() {
    if !is_installed() {
        return;
    }
    let mut world = World::create();
    for script in OPEN {
        world.pass(script);
    }
    world.configure_issuing();
    world.start();
    for script in PROFILE {
        world.pass(script);
    }
    world.configure_tls();
    world.start();
    for script in PROFILE {
        world.pass(script);
    }
    world.accredit("did-web", &format!("--did-web {} --slug dept", world.url()));
    world.pass("did_web");
}
