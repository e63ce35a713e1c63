//! Times as people and JSON write them: RFC 3339, UTC, milliseconds.

use std::fmt;
use std::str::FromStr;

use credlog_ledger::ids::UnixMillis;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

const WIRE: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const SPOKEN: &[BorrowedFormatItem<'_>] = format_description!(
    "[day padding:none] [month repr:long] [year] at [hour]:[minute]:[second] UTC"
);

/// A moment between 1970 and 9999, in whole milliseconds.
///
/// Text form: `2026-11-21T10:00:00.000Z`. It reads every RFC 3339 time, whatever its offset,
/// and drops what is finer than a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A text that is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time; write one like 2026-11-21T10:00:00Z (1970 to 9999)")]
pub struct TimeError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl Time {
    /// The last moment that RFC 3339 can write: 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Milliseconds since the Unix epoch.
    pub fn unix_millis(self) -> UnixMillis {
        UnixMillis(self.0)
    }

    /// For sentences: `21 November 2026 at 10:00:00 UTC`.
    pub fn spoken(self) -> String {
        self.write(SPOKEN)
    }

    fn write(self, format: &[BorrowedFormatItem<'_>]) -> String {
        self.date_time()
            .and_then(|time| time.format(format).ok())
            .unwrap_or_else(|| format!("{} ms after 1970", self.0))
    }

    fn date_time(self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).ok()
    }
}

impl From<UnixMillis> for Time {
    /// A later time than [`Time::MAX`] becomes that: to a reader of dates it never comes.
    fn from(time: UnixMillis) -> Self {
        Self(time.0).min(Self::MAX)
    }
}

impl From<Time> for UnixMillis {
    fn from(time: Time) -> Self {
        time.unix_millis()
    }
}

impl TryFrom<OffsetDateTime> for Time {
    type Error = TimeError;

    fn try_from(time: OffsetDateTime) -> Result<Self, TimeError> {
        u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000))
            .ok()
            .map(Self)
            .filter(|time| *time <= Self::MAX)
            .ok_or_else(|| TimeError {
                text: time.to_string(),
            })
    }
}

impl TryFrom<Time> for OffsetDateTime {
    type Error = TimeError;

    fn try_from(time: Time) -> Result<Self, TimeError> {
        time.date_time().ok_or_else(|| TimeError {
            text: time.to_string(),
        })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write(WIRE))
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|time| Self::try_from(time.to_offset(UtcOffset::UTC)).ok())
            .ok_or_else(|| TimeError {
                text: text.chars().take(80).collect(),
            })
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        String::deserialize(de)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms() {
        let time: Time = "2026-11-21T11:00:00.1239+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-21T10:00:00.123Z");
        assert_eq!(time.spoken(), "21 November 2026 at 10:00:00 UTC");
        assert_eq!(Time::MAX.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Time::from(UnixMillis(u64::MAX)), Time::MAX);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "2026-11-21",
            "2026-11-21T10:00:00",
            "1969-12-31T23:59:59.999Z",
            "2026-13-01T00:00:00Z",
            "now",
            "1763719200000",
        ] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
    }
}
