//! Ten thousand badges: issued from a table on four members, then checked by one node and by the
//! command line.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use credlog_cluster::{Cluster, Settings};
use serde_json::{Value, json};

use crate::Setting;
use crate::figure::{Figure, Report};

const MEMBERS: usize = 4;
/// Where a batch is checked.
const VERIFY_BATCH: &str = "/v1/verify/batch";
/// A batch is answered within this time.
const BATCH_MAX: Duration = Duration::from_secs(600);

/// How many.
#[derive(Debug, Clone, Args)]
pub(crate) struct Amount {
    /// Badges.
    #[arg(long, default_value_t = 10_000)]
    badges: usize,
}

impl Default for Amount {
    fn default() -> Self {
        Self { badges: 10_000 }
    }
}

/// Issues and checks badges of both EdDSA suites.
pub(crate) fn run(setting: &Setting, amount: &Amount, report: &mut Report) -> anyhow::Result<()> {
    println!("badges: {} on four members", amount.badges);
    let settings = Settings {
        toml: "[log]\nlevel = \"warn\"\n[store]\nscrub_interval_seconds = 0\n".to_owned(),
        program: Some(std::path::absolute(&setting.credlog)?),
        dir: Some(setting.dir.clone()),
        ..Settings::default()
    };
    let cluster = Cluster::found_with(MEMBERS, settings)?;
    let office = Office::open(setting, &cluster, amount.badges)?;
    for suite in ["eddsa-rdfc-2022", "eddsa-jcs-2022"] {
        office.issue(suite, report)?;
        office.verify_batch(cluster.address(0), suite, report)?;
        office.verify_files(suite, report)?;
    }
    cluster.finish("badges")
}

/// An accredited issuer with a table of people.
struct Office {
    folder: tempfile::TempDir,
    credlog: PathBuf,
    node: String,
    badges: usize,
}

impl Office {
    fn open(setting: &Setting, cluster: &Cluster, badges: usize) -> anyhow::Result<Self> {
        let office = Self {
            folder: tempfile::tempdir_in(&setting.dir)?,
            credlog: std::path::absolute(&setting.credlog)?,
            node: format!("http://{}", cluster.address(0)),
            badges,
        };
        // What the command line asks of a member's folder.
        let member = serde_json::to_vec(&cluster.genesis().members[0])?;
        fs::write(cluster.folder(0).join("member.json"), member)?;
        let member = cluster.folder(0).display();
        office.credlog(&format!(
            "issuer new issuer --name University --no-passphrase --genesis {member}/genesis.json"
        ))?;
        office.credlog(&format!(
            "accreditation grant --home {member} --issuer issuer/issuer.json --scope all \
             --recovery-key issuer/keys/recovery.pem"
        ))?;
        fs::write(office.path("badge.json"), serde_json::to_vec(&template())?)?;
        fs::write(office.path("people.csv"), people(badges)?)?;
        Ok(office)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the command line, which must succeed; answers how long it took.
    fn credlog(&self, line: &str) -> anyhow::Result<Duration> {
        let mut command = Command::new(&self.credlog);
        command.args(line.split_whitespace());
        command.current_dir(self.folder.path());
        command.env("CREDLOG_NODE", &self.node).stdin(Stdio::null());
        let began = Instant::now();
        let output = command.output().context("the command line is missing")?;
        let took = began.elapsed();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "credlog {line}: {errors}");
        Ok(took)
    }

    fn issue(&self, suite: &str, report: &mut Report) -> anyhow::Result<()> {
        let took = self.credlog(&format!(
            "issue --csv people.csv --template badge.json --issuer-home issuer \
             --suite {suite} --out {suite}"
        ))?;
        self.report(
            &format!("issue from a table, four members, {suite}"),
            took,
            report,
        );
        Ok(())
    }

    /// The badges as NDJSON through one node.
    fn verify_batch(
        &self,
        node: SocketAddr,
        suite: &str,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mut lines = Vec::new();
        let files = badges(&self.path(suite))?;
        ensure!(
            files.len() == self.badges,
            "{} badges were issued",
            files.len()
        );
        for file in files {
            let badge: Value = serde_json::from_slice(&fs::read(file)?)?;
            serde_json::to_writer(&mut lines, &badge)?;
            lines.push(b'\n');
        }
        let began = Instant::now();
        let answer = stream(node, VERIFY_BATCH, "application/x-ndjson", lines)?;
        let took = began.elapsed();
        let valid = answer.lines().filter(|line| is_valid(line)).count();
        ensure!(
            valid == self.badges,
            "{valid} badges are valid: {answer:.2000}"
        );
        self.report(&format!("batch through one node, {suite}"), took, report);
        Ok(())
    }

    fn verify_files(&self, suite: &str, report: &mut Report) -> anyhow::Result<()> {
        let took = self.credlog(&format!("verify --json {suite}"))?;
        self.report(
            &format!("credlog verify of a folder, {suite}"),
            took,
            report,
        );
        Ok(())
    }

    fn report(&self, what: &str, took: Duration, report: &mut Report) {
        let (badges, seconds) = (self.badges, took.as_secs_f64());
        report.add(Figure::new(
            format!("{what}: {badges} badges"),
            seconds,
            "s",
        ));
        report.add(Figure::new(what, badges as f64 / seconds, "credentials/s"));
    }
}

/// Posts a body and reads the answer while the body is still on its way, as both are streams.
fn stream(
    address: SocketAddr,
    path: &str,
    media_type: &str,
    body: Vec<u8>,
) -> anyhow::Result<String> {
    let mut reader = TcpStream::connect(address)?;
    reader.set_read_timeout(Some(BATCH_MAX))?;
    let mut writer = reader.try_clone()?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\
         content-type: {media_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let sender = std::thread::spawn(move || {
        writer.write_all(head.as_bytes())?;
        writer.write_all(&body)
    });
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let sent = sender.join();
    let answer = credlog_e2e::answer(&bytes)?;
    ensure!(answer.status == 200, "{path} answered {}", answer.head);
    sent.map_err(|_| anyhow::anyhow!("the sender stopped"))??;
    unchunked(&answer.body)
}

/// The body of a chunked answer (RFC 9112 section 7.1).
fn unchunked(mut chunks: &[u8]) -> anyhow::Result<String> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n");
        let (size, rest) = chunks.split_at(end.context("a chunk is cut off")?);
        let size = usize::from_str_radix(std::str::from_utf8(size)?, 16)?;
        if size == 0 {
            return Ok(String::from_utf8(body)?);
        }
        let rest = rest.get(2..).unwrap_or_default();
        body.extend_from_slice(rest.get(..size).context("a chunk is cut off")?);
        chunks = rest.get(size + 2..).context("a chunk is cut off")?;
    }
}

fn is_valid(line: &str) -> bool {
    let answer: Value = serde_json::from_str(line).unwrap_or_default();
    answer["verdict"]["summary"] == "valid"
}

/// The signed files of an output folder.
fn badges(out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(out)?.map(|entry| Ok(entry?.path()));
    let files: anyhow::Result<Vec<PathBuf>> = entries.collect();
    let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    Ok(files?.into_iter().filter(is_json).collect())
}

fn people(count: usize) -> anyhow::Result<String> {
    let mut text = String::from("name,student\n");
    for number in 1..=count {
        writeln!(
            text,
            "Student {number},https://university-a.example/students/{number}"
        )?;
    }
    Ok(text)
}

fn template() -> Value {
    json!({
        "@context": [
            "https://www.w3.org/ns/credentials/v2",
            "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
        ],
        "id": "urn:uuid:{{uuid}}",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": "Applied Statistics, 5 ECTS",
        "issuer": {"id": "{{issuer}}", "type": ["Profile"], "name": "University"},
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {
            "id": "{{student}}",
            "type": ["AchievementSubject"],
            "identifier": [{
                "type": "IdentityObject",
                "hashed": false,
                "identityHash": "{{name}}",
                "identityType": "name",
            }],
            "achievement": {
                "id": "https://university-a.example/achievements/applied-statistics",
                "type": ["Achievement"],
                "achievementType": "MicroCredential",
                "name": "Applied Statistics",
                "description": "Short course in applied statistics with a graded project.",
                "criteria": {"narrative": "Pass the project and the written test."},
            },
        },
    })
}
