//! The machine a run was made on.

use std::fmt;
use std::fs;

use anyhow::Context;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What docs/performance.md says about the machine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    time: String,
    processor: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    /// Load average of one minute before the run: others at work spoil figures.
    load_before: f64,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            time,
            processor,
            cores,
            memory_mib,
            kernel,
            load_before,
        } = self;
        write!(
            f,
            "{time}, {processor}, {cores} cores, {memory_mib} MiB, Linux {kernel}, \
             load {load_before} before"
        )
    }
}

/// Describes this machine (Linux).
pub(crate) fn describe() -> anyhow::Result<Machine> {
    let cpu = read("/proc/cpuinfo")?;
    let memory = read("/proc/meminfo")?;
    let processor = after(&cpu, "model name").unwrap_or("unknown processor");
    let memory_kib = after(&memory, "MemTotal").and_then(|text| text.split(' ').next());
    Ok(Machine {
        time: OffsetDateTime::now_utc().format(&Rfc3339)?,
        processor: processor.to_owned(),
        cores: std::thread::available_parallelism()?.get(),
        memory_mib: memory_kib
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or(0)
            / 1024,
        kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        load_before: load()?,
    })
}

/// Load average of one minute.
pub(crate) fn load() -> anyhow::Result<f64> {
    let text = read("/proc/loadavg")?;
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().context("/proc/loadavg")
}

/// The value of the first line `name: value`.
pub(crate) fn after<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.to_owned())
}
