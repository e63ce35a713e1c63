//! The yardstick PostgreSQL: a cluster of our own, on a Unix socket, with every durable
//! default (fsync, synchronous_commit).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, bail};
use tempfile::TempDir;

const CLIENTS: u32 = 32;
const TABLE: &str = "CREATE TABLE credential (digest bytea PRIMARY KEY, issuer int NOT NULL, \
    list int NOT NULL, index int NOT NULL, leaf bigint NOT NULL, status smallint NOT NULL)";
const INSERT: &str = "\\set n random(1, 9000000000000000000)\n\
    INSERT INTO credential VALUES (sha256(int8send(:n)), 1, 1, 1, :n, 0) ON CONFLICT DO NOTHING;\n";

/// A running cluster.
pub(crate) struct Postgres {
    folder: TempDir,
    bin: PathBuf,
    running: bool,
}

impl Postgres {
    /// Makes a cluster in a temporary folder and starts it.
    pub(crate) fn start(dir: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in(dir)?;
        let mut postgres = Self {
            bin: binaries()?,
            folder,
            running: false,
        };
        if is_root() {
            let path = postgres.folder.path();
            done(
                "chown",
                Command::new("chown").arg("postgres").arg(path).output()?,
            )?;
        }
        let data = postgres.data();
        postgres.run("initdb", &["-A", "trust", "-U", "bench", "-D", &data])?;
        let socket = postgres.folder.path().display().to_string();
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={socket} \
             -c max_connections=100 -c shared_buffers=512MB"
        );
        let log = format!("{socket}/log");
        postgres.run(
            "pg_ctl",
            &["-w", "-D", &data, "-o", &options, "-l", &log, "start"],
        )?;
        postgres.running = true;
        postgres.sql(TABLE)?;
        Ok(postgres)
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// Durable single-row inserts, 32 clients.
    pub(crate) fn inserts_per_second(&self, seconds: u32) -> anyhow::Result<f64> {
        Ok(self.bench(INSERT, seconds)?.0)
    }

    /// Fills the table with rows of digests that [`Self::lookups`] finds.
    pub(crate) fn fill(&self, rows: u64) -> anyhow::Result<()> {
        self.sql(&format!(
            "INSERT INTO credential SELECT sha256(int8send(n)), 1, 1, 1, n, 0 \
             FROM generate_series(1, {rows}) n"
        ))?;
        self.sql("VACUUM ANALYZE credential")?;
        self.sql("CHECKPOINT")
    }

    /// Lookups by digest, prepared, 32 clients: a second, and their mean in milliseconds.
    pub(crate) fn lookups(&self, rows: u64, seconds: u32) -> anyhow::Result<(f64, f64)> {
        let script = format!(
            "\\set n random(1, {rows})\n\
             SELECT issuer, list, index, leaf, status FROM credential \
             WHERE digest = sha256(int8send(:n));\n"
        );
        self.bench(&script, seconds)
    }

    /// Stops the cluster.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.running = false;
        self.run("pg_ctl", &["-w", "-D", &self.data(), "-m", "fast", "stop"])
            .map(drop)
    }

    fn bench(&self, script: &str, seconds: u32) -> anyhow::Result<(f64, f64)> {
        let path = self.folder.path().join("script.sql");
        fs::write(&path, script)?;
        let path = path.display().to_string();
        let (clients, seconds) = (CLIENTS.to_string(), seconds.to_string());
        let arguments = [
            "-n", "-M", "prepared", "-j", "2", "-c", &clients, "-T", &seconds,
        ];
        let connection = ["-U", "bench", "-f", &path, "postgres"];
        let text = self.run("pgbench", &[&arguments[..], &connection].concat())?;
        let number = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split(" = ").nth(1));
            let digits = value.and_then(|value| value.split(' ').next()?.parse::<f64>().ok());
            digits.with_context(|| format!("pgbench says no {name}:\n{text}"))
        };
        Ok((number("tps")?, number("latency average")?))
    }

    fn sql(&self, statement: &str) -> anyhow::Result<()> {
        let arguments = ["-X", "-q", "-U", "bench", "-d", "postgres", "-c", statement];
        self.run("psql", &arguments).map(drop)
    }

    /// Runs one of PostgreSQL's programs, as the user `postgres` if we are root: the server
    /// refuses to run as root.
    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let path = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        let folder = self.folder.path();
        command
            .current_dir(folder)
            .env("PGHOST", folder)
            .args(arguments);
        done(
            program,
            command
                .output()
                .with_context(|| format!("cannot start {program}"))?,
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.running {
            let data = self.data();
            // The folder goes anyway; there is nobody to tell.
            let _ = self.run("pg_ctl", &["-D", &data, "-m", "immediate", "stop"]);
        }
    }
}

/// Output of a program that succeeded.
pub(crate) fn done(program: &str, output: Output) -> anyhow::Result<String> {
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed ({}): {text}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn binaries() -> anyhow::Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .context("PostgreSQL is missing (tests/bench/setup installs it)")?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").is_file() && bin.join("pgbench").is_file())
        .collect();
    found.sort();
    found
        .pop()
        .context("PostgreSQL is missing (tests/bench/setup installs it)")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
