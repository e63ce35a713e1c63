//! Times on the command line and on the screen.

use credlog_ledger::ids::UnixMillis;
use credlog_verify::Time;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// Reads `2026-11-21T10:00:00Z`, or a date, which means its first moment in UTC.
pub(crate) fn parse(text: &str) -> Result<OffsetDateTime, String> {
    let date = format_description!("[year]-[month]-[day]");
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| Date::parse(text, &date).map(|date| date.midnight().assume_utc()))
        .map_err(|_| {
            format!("{text:?} is not a time; write 2026-11-21T10:00:00Z, or a date like 2026-11-21")
        })
}

/// Reads a time as [`parse`] does, in milliseconds since 1970.
pub(crate) fn parse_millis(text: &str) -> Result<UnixMillis, String> {
    millis(parse(text)?).ok_or_else(|| format!("{text:?} is before 1970"))
}

/// Reads a length of time in milliseconds: `90s`, `10m`, `24h`, `30d`.
pub(crate) fn parse_length(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no length of time; write 90s, 10m, 24h or 30d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let unit_ms: u64 = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).unwrap_or_default().parse::<u64>();
    let length = number.ok().and_then(|number| number.checked_mul(unit_ms));
    length.filter(|_| !text.starts_with('+')).ok_or_else(wrong)
}

/// Milliseconds since 1970; nothing before.
pub(crate) fn millis(time: OffsetDateTime) -> Option<UnixMillis> {
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000)
        .ok()
        .map(UnixMillis)
}

/// The time now.
pub(crate) fn now() -> UnixMillis {
    millis(OffsetDateTime::now_utc()).unwrap_or_default()
}

/// A time as RFC 3339 with milliseconds, for programs.
pub(crate) fn rfc3339(time: UnixMillis) -> String {
    Time::from(time).to_string()
}

/// A time for people, as verdicts say it: `21 November 2026 at 10:00:00 UTC`.
pub(crate) fn shown(time: UnixMillis) -> String {
    Time::from(time).spoken()
}

/// A day for tables: `2026-11-21`.
pub(crate) fn day(time: UnixMillis) -> String {
    rfc3339(time).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_dates_are_read_and_nothing_else() {
        assert_eq!(parse_millis("1970-01-02"), Ok(UnixMillis(86_400_000)));
        assert_eq!(parse_millis("1970-01-01T01:00:00+01:00"), Ok(UnixMillis(0)));
        assert_eq!(parse_millis("1970-01-01T00:00:00.25Z"), Ok(UnixMillis(250)));
        for wrong in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-11-21T10:00:00",
            "1969-12-31",
        ] {
            assert!(parse_millis(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(parse_length("90s"), Ok(90_000));
        assert_eq!(parse_length("10m"), Ok(600_000));
        assert_eq!(parse_length("1d"), Ok(86_400_000));
        for wrong in [
            "",
            "s",
            "10",
            "-1m",
            "+1m",
            "1.5h",
            "1mm",
            "99999999999999999999d",
        ] {
            assert!(parse_length(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let time = UnixMillis(1_795_255_200_123);
        assert_eq!(parse_millis(&rfc3339(time)), Ok(time));
        assert_eq!(shown(UnixMillis(0)), "1 January 1970 at 00:00:00 UTC");
        assert_eq!(day(time), "2026-11-21");
    }
}
