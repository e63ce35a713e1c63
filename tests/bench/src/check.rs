//! Checks of whole credentials, in process, on one core: parse, digest, proof. Beside them
//! @digitalbazaar/vc (tests/foreign/vc/bench.mjs), which is the reference of the W3C suites.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use credlog_credential::{Credential, NoRegistry, Outcome, verify_proofs};
use serde::Deserialize;
use time::OffsetDateTime;
use time::macros::datetime;

use crate::Setting;
use crate::figure::{Figure, Report, Target};
use crate::postgres::done;

/// A time at which the samples are valid.
const AT: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
const TIME: Duration = Duration::from_secs(2);

/// How much faster than the yardstick.
const TIMES_FASTER: f64 = 5.0;
const YARDSTICK: &str = "@digitalbazaar/vc";
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../foreign/vc");
const SAMPLES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../crates/credential/tests/fixtures/samples"
);

/// What is checked, the file (signed by a foreign library: README.md there), milliseconds at
/// most.
const CHECKS: [(&str, &str, f64); 3] = [
    (
        "VC 2.0, eddsa-jcs-2022",
        "02-valid-vc2-eddsa-jcs-2022.json",
        0.3,
    ),
    (
        "Open Badge, eddsa-jcs-2022",
        "03-valid-ob3-eddsa-jcs-2022.json",
        0.3,
    ),
    (
        "Open Badge, eddsa-rdfc-2022",
        "01-valid-ob3-eddsa-rdfc-2022.json",
        6.0,
    ),
];

/// A line of the yardstick's script.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    ms_each: f64,
}

/// Measures each sample for a while, then the yardstick on the same files.
pub(crate) fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    println!("verify: credential checks, one core");
    let mut own = Vec::new();
    for (_, file, _) in CHECKS {
        let path = Path::new(SAMPLES).join(file);
        own.push(measure(&std::fs::read(&path).with_context(|| file)?)?);
    }
    let yardstick = match setting.no_yardsticks {
        true => Vec::new(),
        false => yardstick()?,
    };
    for (at, ((name, _, target_ms), millis)) in CHECKS.into_iter().zip(own).enumerate() {
        let each = Figure::new(format!("credential check, {name}"), millis, "ms");
        report.add(each.target(Target::AtMost(target_ms)));
        let rate = Figure::new(format!("checks on one core, {name}"), 1000.0 / millis, "/s");
        report.add(match yardstick.get(at) {
            Some(foreign) => rate
                .beside(YARDSTICK, 1000.0 / foreign.ms_each)
                .target(Target::RatioAtLeast(TIMES_FASTER)),
            None => rate,
        });
    }
    Ok(())
}

/// Milliseconds of one check.
fn measure(text: &[u8]) -> anyhow::Result<f64> {
    check(text)?;
    let (began, mut checks) = (Instant::now(), 0_u32);
    while began.elapsed() < TIME {
        check(black_box(text))?;
        checks += 1;
    }
    Ok(1000.0 * began.elapsed().as_secs_f64() / f64::from(checks))
}

fn yardstick() -> anyhow::Result<Vec<Measured>> {
    let mut command = Command::new("node");
    command.arg("bench.mjs").arg(TIME.as_secs().to_string());
    command.args(CHECKS.map(|(_, file, _)| Path::new(SAMPLES).join(file)));
    let output = command.current_dir(SCRIPTS).output();
    let output = output.context("Node.js is missing (tests/bench/setup installs it)")?;
    let text = done(YARDSTICK, output).context("run tests/bench/setup for its packages")?;
    let lines = text.lines().map(serde_json::from_str);
    let measured = lines.collect::<Result<Vec<Measured>, _>>()?;
    ensure!(measured.len() == CHECKS.len(), "{YARDSTICK} said: {text}");
    Ok(measured)
}

fn check(text: &[u8]) -> anyhow::Result<()> {
    let credential = Credential::parse(text)?;
    black_box(credential.digest());
    let report = verify_proofs(&credential, AT, &NoRegistry);
    ensure!(
        report.outcome() == Outcome::Valid,
        "a valid sample was refused: {report:?}"
    );
    Ok(())
}
