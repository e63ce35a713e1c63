//! Names and numbers that must not be mixed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::text_schema;

/// A text that is not a valid value of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {what}: {reason}")]
pub struct InvalidText {
    /// What was expected, for example "member id".
    pub what: &'static str,
    /// The offending text, cut to 80 characters.
    pub value: String,
    /// What a valid value looks like.
    pub reason: &'static str,
}

impl InvalidText {
    pub(crate) fn new(what: &'static str, value: &str, reason: &'static str) -> Self {
        Self {
            what,
            value: value.chars().take(80).collect(),
            reason,
        }
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(
            Debug,
            Clone,
            Copy,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            Default,
            Serialize,
            Deserialize,
            utoipa::ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    };
    ($(#[$doc:meta])* $name:ident, $inner:ty, as itself) => {
        number!($(#[$doc])* $name, $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Number of a block; the first block has height 1, genesis stands at 0.
    Height, u64, as itself
);
number!(
    /// Consensus round within a height, from 0.
    Round, u32, as itself
);
number!(
    /// Milliseconds since the Unix epoch; in texts for people RFC 3339, UTC, with milliseconds.
    UnixMillis, u64
);

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        let nanos = i128::from(self.0) * 1_000_000;
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
        match time.and_then(|time| time.format(&form).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} ms after 1970", self.0),
        }
    }
}
number!(
    /// Number of a status list of this ledger, from 0 in order of opening.
    ListNumber, u64, as itself
);
number!(
    /// Position in a status list, 0 to 131,071.
    StatusIndex, u32, as itself
);
number!(
    /// Number of an issuer: its position in the registry tree, in the order of
    /// first accreditation.
    IssuerNumber, u64, as itself
);

pub use credlog_tlog::{LeafIndex, TreeSize};

macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(hex_text(&self.0, &mut [0; 64]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        text_schema!(
            $name,
            concat!("A ", $what, ": 32 bytes, lower-case hex."),
            "^[0-9a-f]{64}$",
            "5f16f4c7f149ac4f9510d9cf8cf384038ad348b3bcdc01915f95de12df9d1b02"
        );

        impl FromStr for $name {
            type Err = InvalidText;

            /// Reads exactly 64 lower-case hex digits.
            fn from_str(text: &str) -> Result<Self, InvalidText> {
                parse_hex(text).map(Self).ok_or_else(|| {
                    InvalidText::new($what, text, "64 lower-case hex digits are needed")
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(hex_text(&self.0, &mut [0; 64]))
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
                if de.is_human_readable() {
                    let text = String::deserialize(de)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 32]>::deserialize(de).map(Self)
                }
            }
        }
    };
}

bytes32!(
    /// Digest of a secured credential (design: BLAKE3-256, `derive_key` mode).
    Digest, "credential digest"
);
bytes32!(
    /// BLAKE3-256 of the canonical bytes of a whole record.
    RecordId, "record id"
);
bytes32!(
    /// BLAKE3-256 over the JCS bytes of the genesis file.
    LedgerId, "ledger id"
);
bytes32!(
    /// What consensus decides: BLAKE3 of the body of the checkpoint after a block's seal.
    ValueId, "value id"
);

impl ValueId {
    /// The value that stands for this checkpoint.
    pub fn of(checkpoint: &credlog_tlog::Checkpoint) -> Self {
        Self(*blake3::hash(checkpoint.body().as_bytes()).as_bytes())
    }
}

bytes32!(
    /// A 32-byte hash named by its field: status root, registry root, members hash.
    Root, "hash"
);

impl From<credlog_tlog::Hash> for Root {
    fn from(hash: credlog_tlog::Hash) -> Self {
        Self(hash.0)
    }
}

/// Identifies a key of one owner: the first 16 bytes of the BLAKE3 of its
/// multicodec bytes, so a signer can compute it offline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex_text(&self.0, &mut [0; 32]))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = InvalidText;

    /// Reads exactly 32 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        parse_hex(text)
            .map(Self)
            .ok_or_else(|| InvalidText::new("key id", text, "32 lower-case hex digits are needed"))
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(hex_text(&self.0, &mut [0; 32]))
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        if de.is_human_readable() {
            String::deserialize(de)?
                .parse()
                .map_err(serde::de::Error::custom)
        } else {
            <[u8; 16]>::deserialize(de).map(Self)
        }
    }
}

text_schema!(
    KeyId,
    "A key id: 16 bytes, lower-case hex.",
    "^[0-9a-f]{32}$",
    "5f16f4c7f149ac4f9510d9cf8cf38403"
);

/// Writes bytes as hex into `text`, which has room for exactly them.
fn hex_text<'t>(bytes: &[u8], text: &'t mut [u8]) -> &'t str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    // Hex digits are text.
    std::str::from_utf8(text).unwrap_or_default()
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

macro_rules! text {
    (
        $(#[$doc:meta])* $name:ident, $what:literal, $reason:literal,
        like $pattern:literal, $example:literal, $valid:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        text_schema!($name, concat!("A ", $what, ": ", $reason, "."), $pattern, $example);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, InvalidText> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidText::new($what, &text, $reason))
                }
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(
    /// Identifier of a member institution; part of its cosigner names.
    MemberId,
    "member id",
    "1 to 40 of a-z, 0-9 and '-', beginning with a letter or digit",
    like "^[a-z0-9][a-z0-9-]{0,39}$", "university-a",
    |text| {
        (1..=40).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }
);
text!(
    /// Identifier of an issuer: a DID or an https URL.
    IssuerId,
    "issuer id",
    "a DID or an https URL of at most 256 visible ASCII characters is needed",
    like "^(did:[a-z0-9]+:[!-\"$-.0->@-~]+|https://[!-~]+)$", "did:web:university.example",
    |text| {
        text.len() <= 256
            && (is_did(text) || text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty()))
            && text.bytes().all(|b| b.is_ascii_graphic())
    }
);
text!(
    /// Identifier of an achievement, such as the Open Badges achievement id.
    AchievementId,
    "achievement id",
    "an absolute URI of at most 256 visible ASCII characters is needed",
    like "^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$", "https://university.example/achievements/1",
    |text| {
        text.len() <= 256
            && text.bytes().all(|b| b.is_ascii_graphic())
            && text.split_once(':').is_some_and(|(scheme, rest)| {
                !rest.is_empty()
                    && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            })
    }
);
text!(
    /// A name for people: of an institution, an issuer, an achievement.
    DisplayName,
    "name",
    "1 to 200 bytes without control characters and invisible format characters are needed",
    like "^.{1,200}$", "University A",
    |text| {
        (1..=200).contains(&text.len())
            && !text.chars().any(is_deceptive)
            && joiners_join(text)
    }
);
/// Persian and many Indian scripts are spelled with joiners and non-joiners (U+200C, U+200D);
/// in other places they only make a second name of the same looks.
fn joiners_join(text: &str) -> bool {
    let is_joiner = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
    let mut before = 'a';
    text.chars().all(|c| {
        let joins = !is_joiner(c) || !(before.is_ascii() || is_joiner(before));
        before = c;
        joins
    })
}
/// Whether a character shows nothing itself, but changes what a reader sees or makes two names look
/// like one (Unicode: control characters, separators of lines, and Default_Ignorable_Code_Point
/// but the joiners). The list is part of the format, so it stands here, whatever other programs
/// show or hide.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
                | '\u{34f}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{ffa0}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{e0100}'..='\u{e01ef}'
        )
}

text!(
    /// Name of the log, the first line of its checkpoints (C2SP tlog-checkpoint).
    Origin,
    "origin",
    "1 to 100 visible ASCII characters without '+' are needed",
    like "^[!-*,-~]{1,100}$", "consortium.example/ledger",
    |text| {
        (1..=100).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'+')
    }
);
text!(
    /// A web address (http or https) of an institution or its node.
    WebUrl,
    "web address",
    "an http or https URL of at most 256 visible ASCII characters is needed",
    like "^https?://[!-~]+$", "https://university.example",
    |text| {
        text.len() <= 256
            && text.bytes().all(|b| b.is_ascii_graphic())
            && ["https://", "http://"]
                .iter()
                .any(|p| text.strip_prefix(p).is_some_and(|rest| !rest.is_empty()))
    }
);
text!(
    /// A libp2p multiaddr of a node; this crate only bounds it.
    NodeAddress,
    "node address",
    "a multiaddr of at most 256 visible ASCII characters that begins with '/' is needed",
    like "^/[!-~]*$", "/dns4/node.university.example/tcp/7701",
    |text| {
        text.len() <= 256 && text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic())
    }
);

fn is_did(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    parts.next() == Some("did")
        && parts.next().is_some_and(|method| {
            !method.is_empty()
                && method
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
        && parts
            .next()
            .is_some_and(|rest| !rest.is_empty() && !rest.contains(['#', '?', '/']))
}

impl UnixMillis {
    /// This time plus `millis`, at most the end of time.
    pub fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl Height {
    /// The height after this one. No ledger gets to the greatest number, but a file may name it:
    /// the height after that is itself.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_accept_what_the_formats_say_and_nothing_else() {
        for good in ["a", "university-a", "9x"] {
            assert!(good.parse::<MemberId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a b", "a+b", &"a".repeat(41)] {
            assert!(bad.parse::<MemberId>().is_err(), "{bad}");
        }
        for good in ["did:key:z6Mk", "did:web:a.example", "https://a.example/i"] {
            assert!(good.parse::<IssuerId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "did:",
            "did:key:",
            "did:key:z#f",
            "http://a",
            "https://",
            "urn:x:y",
        ] {
            assert!(bad.parse::<IssuerId>().is_err(), "{bad}");
        }
        assert!("urn:uuid:1".parse::<AchievementId>().is_ok());
        assert!("achievement".parse::<AchievementId>().is_err());
    }

    #[test]
    fn names_have_no_characters_that_deceive() {
        for good in [
            "Universität A",
            "大学",
            "جامعة",
            "विश्वविद्यालय",
            "a\u{301}",
            "دانشگاه\u{200c}ها",
        ] {
            assert!(good.parse::<DisplayName>().is_ok(), "{good}");
        }
        for c in [
            '\n',
            '\u{1b}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{fe0f}',
            '\u{3164}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert!(
                format!("University{c} A").parse::<DisplayName>().is_err(),
                "{c:?}"
            );
        }
    }

    #[test]
    fn times_are_said_as_dates() {
        assert_eq!(
            UnixMillis(1_795_312_368_587).to_string(),
            "2026-11-22T01:52:48.587Z"
        );
        assert_eq!(UnixMillis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert!(UnixMillis(u64::MAX).to_string().ends_with("ms after 1970"));
    }

    #[test]
    fn hex_is_lower_case_and_whole() {
        let mut bytes = [0; 32];
        (0..).zip(&mut bytes).for_each(|(at, byte)| *byte = 8 * at);
        for bytes in [[0x00; 32], [0xff; 32], bytes] {
            assert_eq!(RecordId(bytes).to_string(), hex::encode(bytes));
            let json = serde_json::to_string(&RecordId(bytes)).unwrap();
            assert_eq!(json, format!("\"{}\"", hex::encode(bytes)));
        }
        let key = KeyId([0xa7; 16]);
        assert_eq!(key.to_string(), hex::encode(key.0));
        let digest = Digest([0xab; 32]);
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        assert!(digest.to_string().to_uppercase().parse::<Digest>().is_err());
        assert!("ab".parse::<Digest>().is_err());
    }
}
