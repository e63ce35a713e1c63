//! What others wrote reads a live ledger over HTTP: the packages of the Go project, aics-tlog, and
//! aics-witness as a witness outside of the consortium. Each also fails on a log in which one
//! byte is another.
//!
//! Where a checker cannot be had, that is said, and it is left out: Go with golang.org/x/mod under
//! `CREDLOG_GOPATH` (/usr/share/gocode), and Python (`CREDLOG_PYTHON`) with
//! tests/foreign/requirements-tlog.txt.
#![allow(clippy::print_stdout)]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use credlog_cluster::{Cluster, Mirror, Settings, wait_for};
use credlog_e2e::{Place, get};

const ALL: [usize; 4] = [0, 1, 2, 3];
const SOON: Duration = Duration::from_secs(60);
const FOREIGN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../foreign");
/// Each growth of the log.
const STEPS: usize = 3;
/// At the end: two levels of tiles, with full and partial ones on both levels.
const LEAVES_MIN: u64 = 600;
/// Byte of an entry, behind its length.
const IN_ENTRY: usize = 40;

/// A checker that reads a log from an address.
struct Checker {
    name: &'static str,
    words: Vec<OsString>,
}

impl Checker {
    fn run(&self, url: &str, more: &[OsString]) -> Result<Output> {
        let (program, arguments) = self.words.split_first().context("no command")?;
        let mut command = Command::new(program);
        // Go takes flags before the address, Python in any order.
        command.args(arguments).args(more).arg(url);
        Ok(command.output()?)
    }

    /// The log is good.
    fn passes(&self, url: &str, more: &[OsString]) -> Result<()> {
        let output = self.run(url, more)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {text}{errors}", self.name);
        println!("   {}: {}", self.name, text.trim_end());
        Ok(())
    }

    /// The log is bad, and that is why it fails: not because it cannot be read.
    fn refuses(&self, mirror: &Mirror, what: &str) -> Result<()> {
        let output = self.run(&mirror.url(), &[])?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let found = output.status.code() == Some(1) && errors.starts_with("BAD: ");
        ensure!(
            found,
            "{} on a log with {what} changed: {:?} {}{errors}",
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stdout)
        );
        Ok(())
    }
}

/// The Go program, built once.
fn go(folder: &Path) -> Result<Option<Checker>> {
    let gopath = std::env::var("CREDLOG_GOPATH").unwrap_or_else(|_| "/usr/share/gocode".to_owned());
    let package = Path::new(&gopath).join("src/golang.org/x/mod/sumdb/tlog");
    let has_go = Command::new("go").arg("version").output().is_ok();
    if !has_go || !package.is_dir() {
        println!("   NOT RUN: Go's tlog and note; they need go, and golang.org/x/mod in {gopath}");
        return Ok(None);
    }
    let program = folder.join("verify");
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(Path::new(FOREIGN).join("go/verify.go"))
        .env("GO111MODULE", "off")
        .env("GOPATH", gopath)
        .env("GOCACHE", folder.join("go-cache"))
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "go build: {errors}");
    Ok(Some(Checker {
        name: "Go",
        words: vec![program.into()],
    }))
}

/// Python with the packages.
fn python() -> Option<String> {
    let python = std::env::var("CREDLOG_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut probe = Command::new(&python);
    probe.args(["-c", "import aics_tlog, aics_witness"]);
    let probe = probe.stderr(Stdio::null()).status();
    if probe.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    println!("   NOT RUN: aics-tlog and aics-witness; {python} has not its packages");
    None
}

/// aics-witness, which knows no log at first; killed when dropped.
struct Witness {
    python: String,
    config: PathBuf,
    key: String,
    address: SocketAddr,
    process: Option<Child>,
}

impl Witness {
    fn create(python: &str, folder: &Path) -> Result<Self> {
        let address = Place::free()?.http();
        let mut witness = Self {
            python: python.to_owned(),
            config: folder.join("witness.json"),
            key: String::new(),
            address,
            process: None,
        };
        let listen = address.to_string();
        let name = "witness.test.example/w1";
        witness.key = witness.call(&["init", "--name", name, "--listen", &listen])?;
        Ok(witness)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        let (verb, rest) = words.split_first().unwrap_or((&"", &[]));
        command.args(["-m", "aics_witness", verb, "--config"]);
        command.arg(&self.config).args(rest);
        command
    }

    fn call(&self, words: &[&str]) -> Result<String> {
        let output = self.command(words).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "aics-witness {words:?}: {errors}");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Makes it trust the logs of a policy, and starts it.
    fn start(&mut self, policy: &str, origin: &str) -> Result<()> {
        let keys = policy.lines().filter_map(|line| line.strip_prefix("log "));
        for key in keys {
            self.call(&["add-log", "--origin", origin, "--vkey", key])?;
        }
        let log = std::fs::File::create(self.config.with_extension("log"))?;
        let mut command = self.command(&["serve"]);
        let command = command.stdout(log.try_clone()?).stderr(log);
        self.process = Some(command.spawn()?);
        wait_for("the witness is there", SOON, || {
            let answer = get(self.address, "/healthz");
            Ok(answer
                .is_ok_and(|answer| answer.status == 200)
                .then_some(()))
        })
    }

    fn section(&self) -> String {
        let (address, key) = (self.address, &self.key);
        format!(
            "[[witness]]\nname = \"aics\"\nurl = \"http://{address}\"\npublic_key = \"{key}\"\n"
        )
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn text(cluster: &Cluster, node: usize, path: &str) -> Result<String> {
    let answer = get(cluster.address(node), path)?;
    ensure!(answer.status == 200, "GET {path}: {}", answer.status);
    Ok(String::from_utf8(answer.body)?)
}

/// Waits until the checkpoint that every node serves carries the witness's cosignature.
fn wait_witnessed(cluster: &Cluster, key: &str) -> Result<()> {
    let (name, _) = key.split_once('+').context("no key")?;
    let line = format!("\u{2014} {name} ");
    for node in ALL {
        wait_for("the witness has cosigned for every node", SOON, || {
            Ok(text(cluster, node, "/checkpoint")?
                .contains(&line)
                .then_some(()))
        })?;
    }
    Ok(())
}

/// Lets the log grow to so many leaves.
fn grow(cluster: &Cluster, leaves: u64) -> Result<()> {
    let load = cluster.load(&ALL, 2);
    wait_for("the log grows", SOON, || {
        Ok((cluster.view(0)?.size >= leaves).then_some(()))
    })?;
    load.stop();
    cluster.wait_level(&ALL, 1, SOON)?;
    Ok(())
}

#[test]
fn checkers_of_others_read_a_live_ledger_and_find_one_changed_byte() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let python = python();
    let mut checkers: Vec<Checker> = go(folder.path())?.into_iter().collect();
    if let Some(python) = &python {
        let script = Path::new(FOREIGN).join("audit_tiles.py");
        checkers.push(Checker {
            name: "aics-tlog",
            words: vec![python.into(), "-B".into(), script.into()],
        });
    }
    if checkers.is_empty() {
        return Ok(());
    }
    let mut witness = match &python {
        Some(python) => Some(Witness::create(python, folder.path())?),
        None => None,
    };
    let settings = Settings {
        toml: witness.as_ref().map(Witness::section).unwrap_or_default(),
        ..Settings::default()
    };
    let cluster = Cluster::found_with(ALL.len(), settings)?;
    if let Some(witness) = &mut witness {
        let origin = cluster.genesis().origin.clone();
        witness.start(&text(&cluster, 0, "/v1/policy")?, origin.as_str())?;
    }
    cluster.accredit()?;
    for step in 1..=STEPS {
        grow(&cluster, LEAVES_MIN * step as u64 / STEPS as u64)?;
        let node = step % ALL.len();
        let url = cluster.process(node)?.url();
        if let Some(witness) = &witness {
            wait_witnessed(&cluster, &witness.key)?;
        }
        for checker in &checkers {
            let file = |step: usize| folder.path().join(format!("{}-{step}", checker.name));
            let (flag, value) = flags(checker);
            let mut more: Vec<OsString> = vec![flag("save"), value(file(step))];
            if step > 1 {
                more.extend([flag("since"), value(file(step - 1))]);
            }
            if let (Some(witness), "aics-tlog") = (&witness, checker.name) {
                more.extend(["--outside".into(), witness.key.clone().into()]);
            }
            checker.passes(&url, &more)?;
        }
    }
    if let Some(witness) = &witness {
        let status = witness.call(&["status", "--json"])?;
        let status: serde_json::Value = serde_json::from_str(&status)?;
        ensure!(status.to_string().contains("\"size\""), "{status}");
        println!("   aics-witness: {status}");
        let evidence = witness.call(&["evidence"])?;
        let evidence: serde_json::Value = serde_json::from_str(&evidence)?;
        let none = evidence.as_array().is_none_or(Vec::is_empty);
        ensure!(
            none,
            "the witness holds something against the log: {evidence}"
        );
    }
    if let Some(python) = &python {
        ask_members(&cluster, python)?;
    }
    find_changes(&cluster, &checkers)?;
    cluster.finish("checkers")
}

/// A client of witnesses that others wrote gets the cosignature of every member from its own node,
/// for the checkpoint that another node serves.
fn ask_members(cluster: &Cluster, python: &str) -> Result<()> {
    let policy = text(cluster, 0, "/v1/policy")?;
    let keys = policy
        .lines()
        .filter_map(|line| line.strip_prefix("witness "));
    let mut command = Command::new(python);
    command
        .arg("-B")
        .arg(Path::new(FOREIGN).join("ask_members.py"));
    command.arg(cluster.process(1)?.url());
    let mut asked = 0;
    for (node, line) in keys.enumerate() {
        let (_, key) = line.split_once(' ').context("no key")?;
        let url = cluster.process(node)?.url();
        command.args(["--member", key, url.as_str()]);
        asked += 1;
    }
    ensure!(asked == ALL.len(), "the policy names {asked} members");
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ask_members.py: {errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("   the client of aics-witness: {}", text.trim_end());
    Ok(())
}

type Word<T> = fn(T) -> OsString;

/// How a checker wants its flags.
fn flags(checker: &Checker) -> (Word<&'static str>, Word<PathBuf>) {
    match checker.name {
        "Go" => (|name| format!("-{name}").into(), PathBuf::into_os_string),
        _ => (|name| format!("--{name}").into(), PathBuf::into_os_string),
    }
}

/// Every checker passes the copy, and fails on each copy with one byte changed.
fn find_changes(cluster: &Cluster, checkers: &[Checker]) -> Result<()> {
    let mirror = cluster.mirror(0)?;
    for checker in checkers {
        checker.passes(&mirror.url(), &[])?;
    }
    let checkpoint = String::from_utf8(mirror.file("/checkpoint")?.to_vec())?;
    let lines: Vec<usize> = checkpoint.match_indices('\n').map(|(at, _)| at).collect();
    let [origin, size, root, _, signature, ..] = lines.as_slice() else {
        bail!("the checkpoint is short: {checkpoint}");
    };
    let last = |prefix: &str| {
        let paths = mirror.paths().filter(|path| path.starts_with(prefix));
        paths.last().map(str::to_owned).context("no tile")
    };
    let changes = [
        ("an entry", "/tile/entries/000".to_owned(), IN_ENTRY),
        ("an entry's length", "/tile/entries/000".to_owned(), 1),
        ("an entry at the edge", last("/tile/entries/")?, IN_ENTRY),
        ("a tile", "/tile/0/001".to_owned(), 7),
        ("the last tile of level 0", last("/tile/0/")?, 7),
        ("a tile of level 1", last("/tile/1/")?, 7),
        ("the origin", "/checkpoint".to_owned(), origin - 1),
        ("the size", "/checkpoint".to_owned(), size - 1),
        ("the root", "/checkpoint".to_owned(), root - 9),
        (
            "the node's signature",
            "/checkpoint".to_owned(),
            signature - 9,
        ),
    ];
    for (what, path, place) in changes {
        mirror.corrupt(&path, place)?;
        for checker in checkers {
            checker.refuses(&mirror, what)?;
        }
    }
    // Go's notes know no cosignatures.
    if let Some(aics) = checkers.iter().find(|checker| checker.name == "aics-tlog") {
        let cosignature = lines.get(5).context("no cosignature")?;
        mirror.corrupt("/checkpoint", cosignature - 9)?;
        aics.refuses(&mirror, "a member's cosignature")?;
    }
    println!("   each found each of the changed bytes");
    Ok(())
}
