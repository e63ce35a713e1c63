//! Rate limits by address, in bounded memory.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::HeaderMap;

use super::shares::network;
use crate::config::{AddressRange, RateLimitSection};

/// Most addresses that one limit remembers; those beyond share one allowance.
const ADDRESSES_MAX: usize = 100_000;
/// Most elements of X-Forwarded-For that are looked at.
const FORWARDED_MAX: usize = 16;
/// Stands for all addresses beyond [`ADDRESSES_MAX`]: the unspecified address calls nobody.
const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// What a request is, for its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// GET and HEAD.
    Read,
    /// POST /v1/records.
    Write,
    /// POST /v1/verify.
    Verify,
}

/// The limits of all kinds of traffic.
pub(crate) struct RateLimits {
    records: Option<Limit>,
    reads: Option<Limit>,
    writes: Option<Limit>,
    verify: Option<Limit>,
    clock: DefaultClock,
    trusted_proxies: Vec<AddressRange>,
}

type Limit = DefaultKeyedRateLimiter<IpAddr>;

impl RateLimits {
    pub(crate) fn new(config: &RateLimitSection, trusted_proxies: &[AddressRange]) -> Self {
        Self {
            records: limit(config.records_per_second, config.records_burst),
            reads: limit(config.reads_per_second, config.reads_burst),
            writes: limit(config.writes_per_second, config.writes_burst),
            verify: limit(config.verify_per_second, config.verify_burst),
            clock: DefaultClock::default(),
            trusted_proxies: trusted_proxies.to_vec(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// After how long it may come again, if it is one too many.
    pub(crate) fn admit(&self, traffic: Traffic, client: IpAddr) -> Result<(), Duration> {
        let limit = match traffic {
            Traffic::Read => &self.reads,
            Traffic::Write => &self.writes,
            Traffic::Verify => &self.verify,
        };
        let Some(limit) = limit else {
            return Ok(());
        };
        limit
            .check_key(&Self::key(limit, client))
            .map_err(|early| early.wait_time_from(self.clock.now()))
    }

    /// What a client counts as with a limit.
    fn key(limit: &Limit, client: IpAddr) -> IpAddr {
        match limit.len() >= ADDRESSES_MAX {
            true => OTHERS,
            false => network(client),
        }
    }

    /// Counts the records of a request.
    ///
    /// # Errors
    /// After how long they may come again, if they are too many.
    pub(crate) fn admit_records(&self, client: IpAddr, count: usize) -> Result<(), Duration> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let (Some(limit), Some(count)) = (&self.records, NonZeroU32::new(count)) else {
            return Ok(());
        };
        match limit.check_key_n(&Self::key(limit, client), count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(early)) => Err(early.wait_time_from(self.clock.now())),
            // The configuration does not allow a burst below the longest request.
            Err(_) => Err(Duration::from_secs(1)),
        }
    }

    /// Forgets addresses whose allowance is full again; to be called now and then.
    pub(crate) fn forget_idle(&self) {
        for limit in [&self.records, &self.reads, &self.writes, &self.verify]
            .into_iter()
            .flatten()
        {
            limit.retain_recent();
            limit.shrink_to_fit();
        }
    }

    /// Whom a request counts for: the peer, or, behind a trusted proxy, the last address
    /// of X-Forwarded-For that is not itself such a proxy. What a client writes there on
    /// its own stands before what the proxy adds, and is not reached.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        let trusted = |address| {
            self.trusted_proxies
                .iter()
                .any(|range| range.contains(address))
        };
        if !trusted(peer) {
            return peer;
        }
        let mut client = peer;
        let fields = headers.get_all("x-forwarded-for").into_iter().rev();
        // By bytes: what a client wrote before the proxy's part need not be text.
        let elements = fields.flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b','));
        for element in elements.take(FORWARDED_MAX) {
            let Some(address) = forwarded_address(element) else {
                break;
            };
            client = address.to_canonical();
            if !trusted(client) {
                break;
            }
        }
        client
    }
}

/// An element of X-Forwarded-For: an address, also with a port or in brackets.
fn forwarded_address(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok();
    text.parse()
        .ok()
        .or_else(bare)
        .or_else(|| Some(with_port()?.ip()))
}

fn limit(per_second: u32, burst: u32) -> Option<Limit> {
    let per_second = NonZeroU32::new(per_second)?;
    let burst = NonZeroU32::new(burst)?;
    let quota = Quota::per_second(per_second).allow_burst(burst);
    Some(RateLimiter::dashmap(quota))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(proxies: &[&str]) -> RateLimits {
        let config = RateLimitSection {
            reads_per_second: 1,
            reads_burst: 2,
            writes_per_second: 0,
            ..RateLimitSection::default()
        };
        let proxies: Vec<_> = proxies.iter().map(|range| range.parse().unwrap()).collect();
        RateLimits::new(&config, &proxies)
    }

    fn from(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    fn forwarded(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn each_address_has_its_burst_and_zero_means_no_limit() {
        let limits = limits(&[]);
        let read = |address: &str| limits.admit(Traffic::Read, from(address));
        assert!(read("10.0.0.1").is_ok() && read("10.0.0.1").is_ok());
        assert!(read("10.0.0.1").is_err_and(|wait| wait <= Duration::from_secs(1)));
        assert!(read("10.0.0.2").is_ok());
        assert!(read("2001:db8::1").is_ok() && read("2001:db8::2").is_ok());
        assert!(read("2001:db8::3").is_err(), "one /64 is one client");
        for _ in 0..1_000 {
            assert!(limits.admit(Traffic::Write, from("10.0.0.1")).is_ok());
        }
    }

    /// A request may hold thousands of records: what costs is counted, not the request.
    #[test]
    fn records_are_counted_one_by_one() {
        let config = RateLimitSection {
            records_per_second: 1,
            records_burst: 4_096,
            ..RateLimitSection::default()
        };
        let limits = RateLimits::new(&config, &[]);
        assert!(limits.admit_records(from("10.0.0.1"), 4_000).is_ok());
        assert!(limits.admit_records(from("10.0.0.1"), 97).is_err());
        assert!(limits.admit_records(from("10.0.0.2"), 4_096).is_ok());
        assert!(limits.admit_records(from("10.0.0.1"), 96).is_ok());
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let limits = limits(&["127.0.0.1", "10.0.0.0/8"]);
        let client = |peer: &str, headers: &HeaderMap| {
            limits.client(peer.parse().unwrap(), headers).to_string()
        };
        let headers = forwarded(&["1.1.1.1, 203.0.113.7"]);
        assert_eq!(client("198.51.100.1", &headers), "198.51.100.1");
        assert_eq!(client("127.0.0.1", &headers), "203.0.113.7");
        assert_eq!(
            client("127.0.0.1", &forwarded(&["203.0.113.7, 10.1.1.1"])),
            "203.0.113.7"
        );
        assert_eq!(
            client("127.0.0.1", &forwarded(&["1.1.1.1", "203.0.113.7"])),
            "203.0.113.7"
        );
        assert_eq!(
            client("127.0.0.1", &forwarded(&["203.0.113.7, nonsense"])),
            "127.0.0.1"
        );
        assert_eq!(client("127.0.0.1", &HeaderMap::new()), "127.0.0.1");
        for (value, expected) in [
            (&b"203.0.113.7:4711"[..], "203.0.113.7"),
            (b"[2001:db8::1]:4711", "2001:db8::1"),
            (b"[2001:db8::1]", "2001:db8::1"),
            (b"\xff\xfe, 203.0.113.7", "203.0.113.7"),
        ] {
            let mut headers = HeaderMap::new();
            let value = http::HeaderValue::from_bytes(value).unwrap();
            headers.insert("x-forwarded-for", value);
            assert_eq!(client("127.0.0.1", &headers), expected);
        }
    }
}
