//! Strict I-JSON (RFC 7493) in, canonical JSON (JCS, RFC 8785) out.
//!
//! Two texts that parsers read differently must not have one digest, so what I-JSON leaves to
//! chance is refused: duplicate names at any depth, lone surrogates, noncharacters, and integers
//! beyond ±(2^53 − 1), however they are written (`9007199254740993`, `1e20`, `1e20.0`).

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::problem;

/// The largest integer that every JSON parser reads exactly, 2^53 − 1 (RFC 7493 section 2.2).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Values of one text at most, at any depth: each takes time and memory, however few its bytes.
pub const VALUES_MAX: usize = 50_000;

/// What [`parse_strict`] accepts at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes.
    pub bytes_max: usize,
    /// How deep arrays and objects may be nested; a scalar at the top has depth 0.
    pub depth_max: usize,
}

impl Limits {
    /// 1 MiB of text, 64 levels.
    pub const DEFAULT: Self = Self {
        bytes_max: 1 << 20,
        depth_max: 64,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a text is not acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Longer than [`Limits::bytes_max`].
    #[error("the JSON has {bytes} bytes; at most {bytes_max} are read")]
    TooLong {
        /// Bytes of the text.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Deeper than [`Limits::depth_max`].
    #[error("the JSON is nested deeper than {depth_max} levels, which is the most that is read")]
    TooDeep {
        /// The limit.
        depth_max: usize,
    },
    /// More values than [`VALUES_MAX`].
    #[error("the JSON holds more than {values_max} values, which is the most that is read")]
    TooMany {
        /// The limit.
        values_max: usize,
    },
    /// One object has one name twice.
    #[error("the name {name:?} occurs twice in one JSON object; parsers disagree on which counts")]
    DuplicateName {
        /// The repeated name.
        name: String,
    },
    /// An integer that not every parser reads exactly.
    #[error("the integer {value} is beyond ±(2^53 - 1); write it as a string")]
    UnsafeInteger {
        /// The number as it was read.
        value: String,
    },
    /// A string holds a Unicode noncharacter (RFC 7493 section 2.1).
    #[error("a JSON string holds the noncharacter U+{code_point:04X}")]
    Noncharacter {
        /// The code point.
        code_point: u32,
    },
    /// The text starts with a byte order mark (RFC 8259 section 8.1).
    #[error("the JSON text starts with a byte order mark; save it as UTF-8 without one")]
    ByteOrderMark,
    /// Not JSON, or bytes after the value.
    #[error("not JSON at line {line}, column {column}: {reason}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
}

impl JsonError {
    /// The W3C problem identifier: always PARSING_ERROR.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        problem::PARSING_ERROR
    }

    /// Whether the text was only too long, too deep or too full to be looked at.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(
            self,
            Self::TooLong { .. } | Self::TooDeep { .. } | Self::TooMany { .. }
        )
    }
}

/// Compares a value with limits; its length is that of its JSON text without white space.
///
/// # Errors
/// [`JsonError::TooDeep`] or [`JsonError::TooLong`].
pub(crate) fn check_size(value: &Value, limits: Limits) -> Result<(), JsonError> {
    let Limits {
        bytes_max,
        depth_max,
    } = limits;
    if is_deeper(value, depth_max) {
        return Err(JsonError::TooDeep { depth_max });
    }
    let mut length = Length(0);
    // Plain values always have a text, and nothing is written anywhere.
    let _ = serde_json::to_writer(&mut length, value);
    match length.0 {
        bytes if bytes > bytes_max => Err(JsonError::TooLong { bytes, bytes_max }),
        _ => Ok(()),
    }
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    match (value, levels.checked_sub(1)) {
        (Value::Array(_) | Value::Object(_), None) => true,
        (Value::Array(items), Some(left)) => items.iter().any(|item| is_deeper(item, left)),
        (Value::Object(members), Some(left)) => members.values().any(|one| is_deeper(one, left)),
        _ => false,
    }
}

/// Counts bytes.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads one JSON value; refuses everything that two parsers could read differently.
///
/// # Errors
/// [`JsonError`] names the first thing that is wrong.
pub fn parse_strict(text: &[u8], limits: Limits) -> Result<Value, JsonError> {
    if text.len() > limits.bytes_max {
        return Err(JsonError::TooLong {
            bytes: text.len(),
            bytes_max: limits.bytes_max,
        });
    }
    if text.starts_with(b"\xEF\xBB\xBF") {
        return Err(JsonError::ByteOrderMark);
    }
    let refusal = RefCell::new(None);
    let strict = Strict {
        depth_left: limits.depth_max,
        limits,
        values_left: &Cell::new(VALUES_MAX),
        refusal: &refusal,
    };
    let mut parser = serde_json::Deserializer::from_slice(text);
    let parsed = strict
        .deserialize(&mut parser)
        .and_then(|value| parser.end().map(|()| value));
    parsed.map_err(|error| {
        refusal.take().unwrap_or_else(|| JsonError::Syntax {
            line: error.line(),
            column: error.column(),
            reason: error.to_string(),
        })
    })
}

/// The canonical bytes of a value (JCS, RFC 8785).
///
/// Key order and white space of the source make no difference; every value that
/// [`parse_strict`] gives has exactly one canonical form.
#[must_use]
pub fn jcs(value: &Value) -> Vec<u8> {
    canonical(value)
}

/// The same for what is a value but in name.
pub(crate) fn canonical(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    // A `Value` holds string keys and finite numbers only, and a `Vec` takes every write.
    if serde_json_canonicalizer::to_writer(value, &mut bytes).is_err() {
        unreachable!("every serde_json::Value has a canonical form");
    }
    bytes
}

/// Builds a [`Value`] and leaves the typed reason of a refusal in `refusal`.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth_left: usize,
    limits: Limits,
    values_left: &'a Cell<usize>,
    refusal: &'a RefCell<Option<JsonError>>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(&self, error: JsonError) -> E {
        let text = error.to_string();
        *self.refusal.borrow_mut() = Some(error);
        E::custom(text)
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => Err(self.refuse(JsonError::TooDeep {
                depth_max: self.limits.depth_max,
            })),
        }
    }

    fn text<E: serde::de::Error>(&self, text: &str) -> Result<(), E> {
        match text.chars().map(u32::from).find(|c| is_noncharacter(*c)) {
            Some(code_point) => Err(self.refuse(JsonError::Noncharacter { code_point })),
            None => Ok(()),
        }
    }
}

/// U+FDD0 to U+FDEF, and the last two code points of every plane.
fn is_noncharacter(code_point: u32) -> bool {
    matches!(code_point, 0xFDD0..=0xFDEF) || code_point & 0xFFFE == 0xFFFE
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        match self.values_left.get().checked_sub(1) {
            Some(left) => self.values_left.set(left),
            None => {
                return Err(self.refuse(JsonError::TooMany {
                    values_max: VALUES_MAX,
                }));
            }
        }
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > INTEGER_MAX {
            return Err(self.refuse(JsonError::UnsafeInteger {
                value: value.to_string(),
            }));
        }
        Ok(value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > INTEGER_MAX {
            return Err(self.refuse(JsonError::UnsafeInteger {
                value: value.to_string(),
            }));
        }
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        // Every double of this size is an integer.
        if value.abs() >= 9_007_199_254_740_992.0 {
            return Err(self.refuse(JsonError::UnsafeInteger {
                value: format!("{value:e}"),
            }));
        }
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.text(value)?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.text(&value)?;
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.text::<A::Error>(&name)?;
            if object.contains_key(&name) {
                return Err(self.refuse(JsonError::DuplicateName { name }));
            }
            let value = members.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// A value that JSON-LD lets stand alone or in an array, as a slice.
pub fn one_or_many(value: Option<&Value>) -> &[Value] {
    match value {
        None => &[],
        Some(Value::Array(items)) => items,
        Some(item) => std::slice::from_ref(item),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Value, JsonError> {
        parse_strict(text.as_bytes(), Limits::DEFAULT)
    }

    #[test]
    fn duplicate_names_are_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert_eq!(
                parse(text),
                Err(JsonError::DuplicateName { name: "a".into() }),
                "{text}"
            );
        }
        assert!(parse(r#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn integers_are_exact_or_refused() {
        for text in [
            "9007199254740991",
            "-9007199254740991",
            "9007199254740991.0",
            "1e15",
            "0.1",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in [
            "9007199254740992",
            "-9007199254740992",
            "9007199254740992.0",
            "9007199254740993",
            "18446744073709551616",
            "1e16",
            "1E20",
            "-1e300",
        ] {
            let refused = matches!(parse(text), Err(JsonError::UnsafeInteger { .. }));
            assert!(refused, "{text}: {:?}", parse(text));
        }
        assert!(matches!(parse("1e400"), Err(JsonError::Syntax { .. })));
    }

    #[test]
    fn strings_are_unicode_scalar_values_without_noncharacters() {
        assert_eq!(parse(r#""\uD83D\uDE00""#), Ok(Value::String("😀".into())));
        for text in [r#""\uD800""#, r#""\uDC00""#, r#"{"\uD800x":1}"#] {
            assert!(
                matches!(parse(text), Err(JsonError::Syntax { .. })),
                "{text}"
            );
        }
        assert_eq!(
            parse(r#""\uFFFF""#),
            Err(JsonError::Noncharacter { code_point: 0xFFFF })
        );
        assert_eq!(
            parse(r#"{"\uFDD0":1}"#),
            Err(JsonError::Noncharacter { code_point: 0xFDD0 })
        );
        assert!(matches!(
            parse_strict(b"\"\xFF\"", Limits::DEFAULT),
            Err(JsonError::Syntax { .. })
        ));
    }

    #[test]
    fn limits_hold_exactly() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(64)).is_ok());
        assert_eq!(
            parse(&nested(65)),
            Err(JsonError::TooDeep { depth_max: 64 })
        );
        assert_eq!(
            parse(&nested(100_000)),
            Err(JsonError::TooDeep { depth_max: 64 })
        );
        let many = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(parse(&many(VALUES_MAX)).is_ok());
        let refused = parse(&many(VALUES_MAX + 1)).unwrap_err();
        assert!(refused.is_too_large(), "{refused}");
        let limits = Limits {
            bytes_max: 4,
            depth_max: 1,
        };
        assert!(parse_strict(b"[12]", limits).is_ok());
        let refused = parse_strict(b"[123]", limits);
        assert_eq!(
            refused,
            Err(JsonError::TooLong {
                bytes: 5,
                bytes_max: 4
            })
        );
    }

    #[test]
    fn nothing_may_stand_around_the_value() {
        assert!(parse(" {} \n").is_ok());
        assert!(matches!(parse("{} {}"), Err(JsonError::Syntax { .. })));
        assert!(matches!(parse("{}\0"), Err(JsonError::Syntax { .. })));
        assert!(matches!(parse(""), Err(JsonError::Syntax { .. })));
        assert_eq!(parse("\u{FEFF}{}"), Err(JsonError::ByteOrderMark));
    }

    #[test]
    fn canonical_form_is_that_of_rfc_8785() {
        // RFC 8785 section 3.2.4, without the number that I-JSON refuses.
        let text = r#"{"numbers":[1E15,4.50,2e-3,0.000000000000000000000000001],
            "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals":[null,true,false]}"#;
        let canonical = jcs(&parse(text).unwrap());
        let expected = concat!(
            r#"{"literals":[null,true,false],"numbers":[1000000000000000,4.5,0.002,1e-27],"#,
            r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        assert_eq!(String::from_utf8(canonical).unwrap(), expected);
        // Section 3.2.3: names sort by UTF-16 code units, not by code points.
        let sorted = jcs(&parse(r#"{"\ufb33":1,"\ud83d\ude00":2,"\r":3}"#).unwrap());
        assert_eq!(
            String::from_utf8(sorted).unwrap(),
            "{\"\\r\":3,\"😀\":2,\"\u{fb33}\":1}"
        );
    }
}
