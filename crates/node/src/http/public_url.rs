//! Under which address the world reaches what a node serves.

use credlog_api::{Problem, ProblemType};
use credlog_ledger::ids::WebUrl;
use http::HeaderMap;
use http::header::HOST;
use http::uri::Authority;

use super::Context;
use super::answer::Refusal;

impl Context {
    /// The address of the node that was asked, without a slash at the end: the one on the ledger
    /// of the member whose host the request names, or of the member whose node this is. While
    /// the ledger has none, the host by which the request came.
    ///
    /// # Errors
    /// 400 if that host is not well formed.
    pub(crate) fn public_url(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let host = asked_host(headers);
        let members = self.members.borrow();
        let mut seats = members.members().iter();
        let asked = host.as_deref().and_then(|host| {
            let urls = seats.clone().filter_map(|seat| seat.member.url.as_ref());
            urls.into_iter().find(|url| is_at(url, host))
        });
        let own = || {
            let own = seats.find(|seat| Some(&seat.member.id) == self.member.as_ref());
            own.and_then(|seat| seat.member.url.as_ref())
        };
        if let Some(url) = asked.or_else(own) {
            return Ok(url.as_str().trim_end_matches('/').to_owned());
        }
        let host = host.ok_or_else(|| {
            let detail = "the header Host is missing or not well formed, and the ledger has no \
                          address of this node; send one";
            Problem::new(ProblemType::MALFORMED_REQUEST, detail)
        })?;
        let scheme = match &self.http.tls {
            Some(_) => "https",
            None => "http",
        };
        Ok(format!("{scheme}://{host}"))
    }
}

/// Host and port as the client named them, in lower case.
pub(crate) fn asked_host(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(HOST)?.to_str().ok()?.to_ascii_lowercase();
    let authority: Authority = text.parse().ok()?;
    (!authority.as_str().contains('@')).then_some(text)
}

/// Whether an address is at this host and port.
pub(crate) fn is_at(url: &WebUrl, host: &str) -> bool {
    let url = url.as_str().to_ascii_lowercase();
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let default_port = match scheme {
        "https" => ":443",
        _ => ":80",
    };
    let bare = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_owned();
    bare(authority) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_with_their_ports() {
        let is_at = |url: &str, host| is_at(&url.parse().unwrap(), host);
        assert!(is_at("https://A.example/credlog/", "a.example"));
        assert!(is_at("https://a.example:443", "a.example"));
        assert!(is_at("http://a.example", "a.example:80"));
        assert!(is_at("http://127.0.0.1:7700", "127.0.0.1:7700"));
        assert!(!is_at("http://127.0.0.1:7700", "127.0.0.1"));
        assert!(!is_at("https://a.example", "a.example:80"));
        assert!(!is_at("https://a.example.org", "a.example"));
    }

    #[test]
    fn a_host_that_is_none_is_not_taken_over() {
        let ask = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            asked_host(&headers)
        };
        assert_eq!(ask("A.example:1").as_deref(), Some("a.example:1"));
        assert_eq!(ask("[::1]:7700").as_deref(), Some("[::1]:7700"));
        for bad in ["", "a b", "user@a.example", "a/b", "a\"b"] {
            assert_eq!(ask(bad), None, "{bad}");
        }
        assert_eq!(asked_host(&HeaderMap::new()), None);
    }
}
