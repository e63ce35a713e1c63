//! Times as people and JSON write them: RFC 3339, UTC, milliseconds.

use std::fmt;
use std::str::FromStr;

use credlog_ledger::ids::UnixMillis;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// Bytes of `2026-11-21T10:00:00.000Z`.
const WIRE_BYTES: usize = 24;
const DAY_MS: u64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01, and days of 400 years: the calendar repeats after them.
const DAYS_BEFORE_1970: u64 = 719_468;
const ERA_DAYS: u64 = 146_097;
const SPOKEN: &[BorrowedFormatItem<'_>] = format_description!(
    "[day padding:none] [month repr:long] [year] at [hour]:[minute]:[second] UTC"
);

/// A moment between 1970 and 9999, in whole milliseconds.
///
/// Text form: `2026-11-21T10:00:00.000Z`. It reads every RFC 3339 time, whatever its offset,
/// and drops what is finer than a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl utoipa::PartialSchema for Time {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        credlog_ledger::schema::time().into()
    }
}

impl utoipa::ToSchema for Time {}

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
        self.date_time()
            .and_then(|time| time.format(SPOKEN).ok())
            .unwrap_or_else(|| format!("{} ms after 1970", self.0))
    }

    /// The text form. Answers hold many times, and the general formatter of the crate `time`
    /// takes ten times as long.
    fn wire(self) -> [u8; WIRE_BYTES] {
        let (year, month, day) = self.date();
        let in_day = self.0 % DAY_MS;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut write = |from: usize, to: usize, mut number: u64| {
            for digit in text[from..to].iter_mut().rev() {
                *digit += (number % 10) as u8;
                number /= 10;
            }
        };
        write(0, 4, year);
        write(5, 7, month);
        write(8, 10, day);
        write(11, 13, in_day / 3_600_000);
        write(14, 16, in_day / 60_000 % 60);
        write(17, 19, in_day / 1_000 % 60);
        write(20, 23, in_day % 1_000);
        text
    }

    /// Year, month and day (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
    /// `civil_from_days`: years that begin in March have the leap day at their end).
    fn date(self) -> (u64, u64, u64) {
        let days = self.0 / DAY_MS + DAYS_BEFORE_1970;
        let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        let leaps = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
        let year_of_era = (day_of_era - leaps) / 365;
        let leap_days = year_of_era / 4 - year_of_era / 100;
        let day_of_year = day_of_era - 365 * year_of_era - leap_days;
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let year = 400 * era + year_of_era;
        match month_from_march {
            0..10 => (year, month_from_march + 3, day),
            _ => (year + 1, month_from_march - 9, day),
        }
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
        // Digits and signs are text.
        f.write_str(std::str::from_utf8(&self.wire()).unwrap_or_default())
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
        serializer.serialize_str(std::str::from_utf8(&self.wire()).unwrap_or_default())
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

    /// The crate `time` is the oracle: each day of 400 years and around, and odd moments.
    #[test]
    fn the_text_form_is_that_of_rfc_3339() {
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        let days = (0..146_100).map(|day| day * DAY_MS + day * 7_919 % DAY_MS);
        let last_days = (0..800).map(|day| Time::MAX.0 - day * DAY_MS);
        for millis in days.chain(last_days) {
            let time = Time(millis);
            let expected = time.date_time().unwrap().format(&format).unwrap();
            assert_eq!(time.to_string(), expected);
            assert_eq!(expected.parse(), Ok(time));
            assert_eq!(serde_json::to_value(time).unwrap(), expected);
        }
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
