//! The W3C test vectors of one suite, as the specification prints them.

use serde_json::{Map, Value};

/// The folder of a suite's vectors.
pub(super) struct Vectors(pub(super) &'static str);

impl Vectors {
    pub(super) fn text(&self, name: &str) -> String {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/vectors/w3c-vc-di-eddsa"
        );
        std::fs::read_to_string(format!("{folder}/{}/{name}", self.0)).unwrap()
    }

    pub(super) fn object(&self, name: &str) -> Map<String, Value> {
        serde_json::from_str(&self.text(name)).unwrap()
    }
}
