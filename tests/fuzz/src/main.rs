//! Hostile bytes at every decoder: mutations of valid inputs, for a bounded time a target.
//!
//! `CREDLOG_FUZZ_SECONDS` (5) a target, `CREDLOG_FUZZ_SEED` to repeat a run, `CREDLOG_FUZZ_TARGET`
//! for the targets whose names hold a text. A panic in a decoder, a promise broken, or an input
//! that takes too long ends the run with the input in hex and exit code 1.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for a terminal

mod audit;
mod credentials;
mod mutate;
mod receipts;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Inputs that were accepted in some form and are mutated further, per target.
const CORPUS_MAX: usize = 256;
/// The memory a whole run may take: decoders must not allocate what a length claims.
const MEMORY_KIB_MAX: u64 = 512 * 1024;
/// The time on a CPU that one input may take. Meant are 100 ms, on a machine that is not busy.
const CPU_MAX: Duration = Duration::from_millis(300);

fn main() -> anyhow::Result<ExitCode> {
    let seconds = number("CREDLOG_FUZZ_SECONDS", 5)?;
    let seed = number("CREDLOG_FUZZ_SEED", rand::random())?;
    println!("seed {seed}");
    let wanted = std::env::var("CREDLOG_FUZZ_TARGET").unwrap_or_default();
    let targets = targets::all()?
        .into_iter()
        .chain(receipts::all())
        .chain(credentials::all()?);
    for target in targets.filter(|target| target.name.contains(&wanted)) {
        let mut rng = StdRng::seed_from_u64(seed);
        let began = Instant::now();
        let mut corpus = target.seeds.clone();
        let mut runs = 0_u64;
        let mut slowest = Duration::ZERO;
        while began.elapsed() < Duration::from_secs(seconds) {
            let base = &corpus[rng.gen_range(0..corpus.len())];
            let other = &corpus[rng.gen_range(0..corpus.len())];
            let input = mutate::mutate(base, other, &mut rng);
            let before = Instant::now();
            if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
                eprintln!(
                    "{}: panic after {runs} runs on {}",
                    target.name,
                    hex::encode(&input)
                );
                return Ok(ExitCode::FAILURE);
            }
            let spent = before.elapsed();
            if spent > CPU_MAX && cpu_of(|| (target.run)(&input))? > CPU_MAX {
                eprintln!(
                    "{}: {spent:?} after {runs} runs on {}",
                    target.name,
                    hex::encode(&input)
                );
                return Ok(ExitCode::FAILURE);
            }
            slowest = slowest.max(spent);
            runs += 1;
            if runs.is_multiple_of(512) && corpus.len() < CORPUS_MAX {
                corpus.push(input);
            }
        }
        let slowest = slowest.as_millis();
        println!(
            "{:<14} {runs:>9} runs, no panic, slowest {slowest} ms",
            target.name
        );
    }
    let peak = peak_memory_kib()?;
    println!("peak memory {peak} KiB");
    anyhow::ensure!(
        peak <= MEMORY_KIB_MAX,
        "memory went beyond {MEMORY_KIB_MAX} KiB"
    );
    Ok(ExitCode::SUCCESS)
}

fn number(variable: &str, default: u64) -> anyhow::Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .map_err(|_| anyhow::anyhow!("{variable}={text} is no number")),
        Err(_) => Ok(default),
    }
}

/// Time on a CPU: on the wall, a busy machine makes every input slow now and then.
fn cpu_of(work: impl FnOnce()) -> anyhow::Result<Duration> {
    let now = || -> anyhow::Result<u64> {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
        Ok(told.split(' ').next().unwrap_or_default().parse()?)
    };
    let before = now()?;
    work();
    Ok(Duration::from_nanos(now()? - before))
}

fn peak_memory_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits: String = line
        .unwrap_or("")
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    Ok(digits.parse()?)
}
