//! Checks of whole credentials, in process, on one core: parse, digest, proof.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::ensure;
use credlog_credential::{Credential, NoRegistry, Outcome, verify_proofs};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::figure::{Figure, Report, Target};

/// A time at which the samples are valid.
const AT: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
const TIME: Duration = Duration::from_secs(2);

/// Signed by a foreign library: credential/tests/fixtures/samples/README.md.
const SAMPLES: [(&str, f64, &[u8]); 3] = [
    (
        "VC 2.0, eddsa-jcs-2022",
        0.3,
        include_bytes!(
            "../../../crates/credential/tests/fixtures/samples/02-valid-vc2-eddsa-jcs-2022.json"
        ),
    ),
    (
        "Open Badge, eddsa-jcs-2022",
        0.3,
        include_bytes!(
            "../../../crates/credential/tests/fixtures/samples/03-valid-ob3-eddsa-jcs-2022.json"
        ),
    ),
    (
        "Open Badge, eddsa-rdfc-2022",
        6.0,
        include_bytes!(
            "../../../crates/credential/tests/fixtures/samples/01-valid-ob3-eddsa-rdfc-2022.json"
        ),
    ),
];

/// Measures each sample for a while.
pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    println!("verify: credential checks, one core");
    for (name, target_ms, text) in SAMPLES {
        check(text)?;
        let (began, mut checks) = (Instant::now(), 0_u32);
        while began.elapsed() < TIME {
            check(black_box(text))?;
            checks += 1;
        }
        let millis = 1000.0 * began.elapsed().as_secs_f64() / f64::from(checks);
        let figure = Figure::new(format!("credential check, {name}"), millis, "ms");
        report.add(figure.target(Target::AtMost(target_ms)));
    }
    Ok(())
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
