//! One message of a webhook, signed by the Standard Webhooks scheme.
//!
//! ```text
//! webhook-id:        evt_<first 8 digits of the ledger id>_<leaf>_<item>
//! webhook-timestamp: seconds since 1970, of this attempt
//! webhook-signature: v1,<base64 of HMAC-SHA256 over id ‖ "." ‖ timestamp ‖ "." ‖ body>
//! ```

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use credlog_api::event::{Event, WebhookMessage};
use credlog_ledger::ids::{LedgerId, UnixMillis};
use ring::hmac;

use crate::keys::{check_mode, read};

/// What a secret begins with.
const SECRET_PREFIX: &str = "whsec_";
/// Bytes of a secret, by the scheme.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret that node and receiver share.
pub(super) struct Secret(hmac::Key);

impl Secret {
    /// Reads it from the first line of a file.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        check_mode(path).map_err(|error| error.to_string())?;
        let text = read(path).map_err(|error| error.to_string())?;
        Self::parse(text.lines().next().unwrap_or_default().trim())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let bytes = text
            .strip_prefix(SECRET_PREFIX)
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .filter(|bytes| SECRET_BYTES.contains(&bytes.len()));
        let bytes = bytes.ok_or(
            "it must be whsec_ and the base64 of 24 to 64 random bytes; make one with \
             `echo whsec_$(openssl rand -base64 24)`",
        )?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

/// A message, the same at each attempt.
pub(super) struct Message {
    id: String,
    body: Vec<u8>,
}

impl Message {
    pub(super) fn new(ledger: &LedgerId, event: &Event) -> Result<Self, serde_json::Error> {
        let ledger = ledger.to_string();
        Ok(Self {
            id: format!("evt_{}_{}_{}", &ledger[..8], event.id.leaf.0, event.id.item),
            body: serde_json::to_vec(&WebhookMessage::new(event.clone()))?,
        })
    }

    /// The headers of an attempt.
    pub(super) fn headers(&self, secret: &Secret, now: UnixMillis) -> [(&'static str, String); 3] {
        let timestamp = (now.0 / 1_000).to_string();
        let mut context = hmac::Context::with_key(&secret.0);
        for part in [
            self.id.as_bytes(),
            b".",
            timestamp.as_bytes(),
            b".",
            &self.body,
        ] {
            context.update(part);
        }
        let signature = STANDARD.encode(context.sign());
        [
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", format!("v1,{signature}")),
        ]
    }

    pub(super) fn into_body(self) -> Vec<u8> {
        self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn the_signature_is_that_of_the_scheme() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
            body: br#"{"test": 2432232314}"#.to_vec(),
        };
        let [.., (_, signature)] = message.headers(&secret, UnixMillis(1_614_265_330_000));
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_its_prefix_and_its_length() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        assert!(Secret::parse(&of(24)).is_ok() && Secret::parse(&of(64)).is_ok());
        let bare = STANDARD.encode([7; 32]);
        for bad in ["", "whsec_", &bare, &of(23), &of(65), "whsec_not base64"] {
            assert!(Secret::parse(bad).is_err(), "{bad}");
        }
    }
}
