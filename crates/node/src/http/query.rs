//! Parameters, read strictly: an unknown or repeated one is refused, not ignored.

use std::str::FromStr;

use axum::extract::Query;
use credlog_api::PageQuery;
use http::Uri;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::{Refusal, invalid_parameter};

/// For routes without parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParameters {}

/// The parameters of a query.
pub(crate) fn parameters<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    match Query::<T>::try_from_uri(uri) {
        Ok(Query(parameters)) => Ok(parameters),
        Err(error) => {
            let text = error.body_text();
            let reason = text.strip_prefix("Failed to deserialize query string: ");
            let reason = reason.unwrap_or(&text);
            Err(invalid_parameter(format!(
                "the query is not valid: {reason}"
            )))
        }
    }
}

/// Refuses every parameter.
pub(crate) fn no_parameters(uri: &Uri) -> Result<(), Refusal> {
    if uri.query().is_none_or(str::is_empty) {
        return Ok(());
    }
    let NoParameters {} = parameters(uri)?;
    Ok(())
}

/// Which part of a list is wanted: after which token, and how many items.
pub(crate) fn page(uri: &Uri) -> Result<(Option<u64>, usize), Refusal> {
    let query: PageQuery = parameters(uri)?;
    let limit = query
        .limit()
        .map_err(|error| invalid_parameter(error.to_string()))?;
    Ok((query.after, limit as usize))
}

/// A segment of the path.
pub(crate) fn segment<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Refusal> {
    text.parse::<T>()
        .map_err(|error| invalid_parameter(error.to_string()))
}

/// A number as a segment of the path: digits without sign or leading zeros.
pub(crate) fn number(what: &str, text: &str) -> Result<u64, Refusal> {
    let number = text.parse::<u64>().ok();
    number
        .filter(|number| number.to_string() == text)
        .ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            invalid_parameter(format!(
                "{shown:?} is not a {what}; a whole number is needed"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use credlog_api::verification::CredentialQuery;

    fn detail(refusal: Refusal) -> String {
        assert_eq!(refusal.0.status, 400);
        refusal.0.detail
    }

    #[test]
    fn unknown_repeated_and_malformed_parameters_are_refused() {
        let read = |uri: &'static str| parameters::<CredentialQuery>(&Uri::from_static(uri));
        assert!(read("/c?at=2026-11-21T10:00:00Z").unwrap().at.is_some());
        assert!(read("/c").unwrap().at.is_none());
        assert!(detail(read("/c?when=now").unwrap_err()).contains("unknown field `when`"));
        assert!(detail(read("/c?at=now").unwrap_err()).contains("not a time"));
        let twice = read("/c?at=2026-11-21T10:00:00Z&at=2026-11-21T10:00:00Z");
        assert!(detail(twice.unwrap_err()).contains("duplicate field"));
        assert!(no_parameters(&Uri::from_static("/c?")).is_ok());
        assert!(no_parameters(&Uri::from_static("/c?a=1")).is_err());
    }

    #[test]
    fn pages_and_numbers_are_in_range() {
        assert_eq!(
            page(&Uri::from_static("/b?after=7&limit=3")).unwrap(),
            (Some(7), 3)
        );
        for bad in ["/b?limit=0", "/b?limit=1001", "/b?after=-1", "/b?after=x"] {
            assert!(page(&bad.parse().unwrap()).is_err(), "{bad}");
        }
        assert_eq!(number("height", "17").unwrap(), 17);
        for bad in ["", "-1", "+1", "01", "1.0", "99999999999999999999"] {
            assert!(number("height", bad).is_err(), "{bad}");
        }
    }
}
