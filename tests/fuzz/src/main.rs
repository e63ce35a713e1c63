//! Hostile bytes at every decoder: mutations of valid inputs, for a bounded time a target.
//!
//! `CREDLOG_FUZZ_SECONDS` (5) a target, `CREDLOG_FUZZ_SEED` to repeat a run. A panic in a
//! decoder, or a promise broken, ends the run with the input in hex and exit code 1.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for a terminal

mod mutate;
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

fn main() -> anyhow::Result<ExitCode> {
    let seconds = number("CREDLOG_FUZZ_SECONDS", 5)?;
    let seed = number("CREDLOG_FUZZ_SEED", rand::random())?;
    println!("seed {seed}");
    for target in targets::all()? {
        let mut rng = StdRng::seed_from_u64(seed);
        let began = Instant::now();
        let mut corpus = target.seeds.clone();
        let mut runs = 0_u64;
        while began.elapsed() < Duration::from_secs(seconds) {
            let base = &corpus[rng.gen_range(0..corpus.len())];
            let other = &corpus[rng.gen_range(0..corpus.len())];
            let input = mutate::mutate(base, other, &mut rng);
            if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
                eprintln!(
                    "{}: panic after {runs} runs on {}",
                    target.name,
                    hex::encode(&input)
                );
                return Ok(ExitCode::FAILURE);
            }
            runs += 1;
            if runs.is_multiple_of(512) && corpus.len() < CORPUS_MAX {
                corpus.push(input);
            }
        }
        println!("{:<14} {runs:>9} runs, no panic", target.name);
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
