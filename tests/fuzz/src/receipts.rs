//! Receipts and trust files of anybody.

use std::sync::LazyLock;

use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::UnixMillis;
use credlog_verify::receipt::{CheckOptions, Receipt, Trust, unstaple};

use crate::targets::{Target, target};

/// A golden file of the verifier.
macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../crates/verify/tests/golden/receipts/",
            $name
        ))
        .to_vec()
    };
}

static TRUST: LazyLock<Option<Trust>> = LazyLock::new(|| {
    let genesis = Genesis::parse(&golden!("genesis.json")).ok()?;
    Trust::found(genesis).ok()
});

/// Every target.
pub(crate) fn all() -> Vec<Target> {
    let receipts = vec![
        golden!("valid.receipt.json"),
        golden!("superseded.receipt.json"),
        golden!("past.receipt.json"),
        golden!("changed-members.receipt.json"),
        golden!("many.receipt.json"),
    ];
    vec![
        target("receipt", receipts, |bytes| {
            if let Ok(receipt) = Receipt::parse(bytes) {
                assert_eq!(receipt.to_bytes().as_deref(), Ok(bytes));
            }
            // What a forger writes with a JSON library, so that changes reach the proofs.
            if let Ok(receipt) = serde_json::from_slice::<Receipt>(bytes) {
                let options = CheckOptions {
                    now: UnixMillis(u64::MAX),
                    at: receipt.at,
                    age_ms_max: Some(0),
                };
                let _ = receipt.claims();
                if let Some(trust) = &*TRUST {
                    let _ = receipt.check(trust, &options);
                }
                for one in &receipt.credentials {
                    let _ = receipt.only(&[one.digest]);
                }
            }
            if let Ok(mut value) = serde_json::from_slice(bytes) {
                let _ = unstaple(&mut value);
            }
        }),
        target(
            "trust file",
            vec![golden!("after.trust.json"), golden!("before.trust.json")],
            |bytes| {
                if let Ok(trust) = Trust::parse(bytes) {
                    let written = trust.to_bytes();
                    let again = written.ok().and_then(|bytes| Trust::parse(&bytes).ok());
                    assert_eq!(again.as_ref(), Some(&trust));
                }
            },
        ),
    ]
}
