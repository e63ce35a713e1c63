//! Where the document of a did:web identifier is (did:web method specification, section "Read").

/// What every document is called.
const FILE: &str = "/did.json";

/// Where it is for an identifier without a path.
const WELL_KNOWN: &str = "/.well-known";

/// The `https` URL of the document of a did:web; nothing for what is no did:web, or has anything
/// but names in it.
#[must_use]
pub fn did_web_url(did: &str) -> Option<String> {
    let mut parts = did.strip_prefix("did:web:")?.split(':');
    let host = parts.next()?.replace("%3A", ":").replace("%3a", ":");
    let segments: Vec<_> = parts.collect();
    if !is_host(&host) || !segments.iter().all(|segment| is_segment(segment)) {
        return None;
    }
    let path = match segments.is_empty() {
        true => WELL_KNOWN.to_owned(),
        false => format!("/{}", segments.join("/")),
    };
    Some(format!("https://{host}{path}{FILE}"))
}

/// The did:web whose document is at an `https` URL: that of [`did_web_url`], or a folder's, without
/// `/did.json`.
#[must_use]
pub fn did_web_of_url(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let rest = rest.strip_suffix(FILE).unwrap_or(rest);
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) => (host, path.trim_end_matches('/')),
        None => (rest, ""),
    };
    let segments: Vec<_> = match path {
        "" | ".well-known" => Vec::new(),
        path => path.split('/').collect(),
    };
    if !is_host(host) || !segments.iter().all(|segment| is_segment(segment)) {
        return None;
    }
    let host = host.replace(':', "%3A");
    let parts = std::iter::once(host.as_str()).chain(segments);
    Some(format!("did:web:{}", parts.collect::<Vec<_>>().join(":")))
}

/// A host name, or an IPv4 address, and maybe a port.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(inside) && !label.starts_with('-')
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    name.len() <= 253 && name.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_segment(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    !text.is_empty() && text.bytes().all(inside) && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_places_of_the_specification_come_back() {
        for (did, url) in [
            (
                "did:web:w3c-ccg.github.io",
                "https://w3c-ccg.github.io/.well-known/did.json",
            ),
            (
                "did:web:w3c-ccg.github.io:user:alice",
                "https://w3c-ccg.github.io/user/alice/did.json",
            ),
            (
                "did:web:example.com%3A3000:user:alice",
                "https://example.com:3000/user/alice/did.json",
            ),
            (
                "did:web:localhost%3A8443",
                "https://localhost:8443/.well-known/did.json",
            ),
        ] {
            assert_eq!(did_web_url(did).as_deref(), Some(url));
            assert_eq!(did_web_of_url(url).as_deref(), Some(did));
            let folder = url.strip_suffix("/did.json").unwrap();
            assert_eq!(did_web_of_url(folder).as_deref(), Some(did));
        }
        assert_eq!(
            did_web_of_url("https://a.example").as_deref(),
            Some("did:web:a.example")
        );
    }

    #[test]
    fn nothing_but_names_becomes_a_place() {
        for did in [
            "did:key:z6Mk",
            "did:web:",
            "did:web:a.example:",
            "did:web:a.example:..",
            "did:web:a.example:.:x",
            "did:web:a.example:x%2Fy",
            "did:web:user@a.example",
            "did:web:a.example/x",
            "did:web:a.example?x",
            "did:web:a.example#key-1",
            "did:web:a.example%3A0",
            "did:web:a.example%3A+80",
            "did:web:a.example%3A80%3A80",
            "did:web:[::1]",
            "did:web:a..example",
            "did:web:ä.example",
        ] {
            assert_eq!(did_web_url(did), None, "{did}");
        }
        for url in [
            "http://a.example/did.json",
            "https://a.example/../did.json",
            "https://a.example/x?y/did.json",
            "https://user@a.example/did.json",
            "https:///did.json",
        ] {
            assert_eq!(did_web_of_url(url), None, "{url}");
        }
    }
}
