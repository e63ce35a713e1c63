//! Times in credentials: xsd:dateTimeStamp as far as RFC 3339 goes (years 0000 to 9999).

use time::OffsetDateTime;
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;

/// The time that a text names; `None` without a time zone or in any other form.
pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    // RFC 3339 allows a lower-case or missing `T`, xsd:dateTimeStamp does not.
    let upper = text.as_bytes().get(10) == Some(&b'T') && !text.ends_with('z');
    if !upper {
        return None;
    }
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// As [`parse`], but a time without a zone is one in UTC: so Data Integrity v1.0 section 2.1 wants
/// `created` and `expires` of proofs read.
pub(crate) fn parse_or_utc(text: &str) -> Option<OffsetDateTime> {
    parse(text).or_else(|| parse(&format!("{text}Z")))
}

/// `2026-11-21T10:00:00Z`: UTC, whole seconds; `None` outside of the years 0000 to 9999.
pub(crate) fn format(time: OffsetDateTime) -> Option<String> {
    let utc = time.to_offset(UtcOffset::UTC).replace_nanosecond(0).ok()?;
    utc.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_may_leave_out_the_zone() {
        let text = "2026-11-21T10:00:00";
        assert_eq!(parse_or_utc(text), parse(&format!("{text}Z")));
        assert_eq!(parse_or_utc(&format!("{text}Z")), parse_or_utc(text));
        for refused in ["2026-11-21T10:00:00ZZ", "2026-11-21", "10:00:00", "", "Z"] {
            assert_eq!(parse_or_utc(refused), None, "{refused}");
        }
    }

    #[test]
    fn only_full_timestamps_with_a_zone_are_read() {
        let text = "2026-11-21T10:00:00Z";
        assert_eq!(format(parse(text).unwrap()).as_deref(), Some(text));
        assert_eq!(
            parse("2026-11-21T11:00:00.5+01:00")
                .and_then(format)
                .as_deref(),
            Some(text)
        );
        for refused in [
            "2026-11-21",
            "2026-11-21T10:00:00",
            "2026-11-21t10:00:00Z",
            "2026-11-21T10:00:00z",
            "2026-11-21 10:00:00Z",
            "2026-13-21T10:00:00Z",
            "2026-11-21T10:00:00Z ",
            "",
        ] {
            assert_eq!(parse(refused), None, "{refused}");
        }
    }
}
