//! Rate limits by address, in bounded memory.
//!
//! Each address has an allowance that fills steadily, up to its burst. Where more addresses
//! come than are remembered, the one whose allowance is fullest is forgotten: it loses least,
//! and whoever has used its allowance up stays remembered.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::shares::network;
use crate::config::{AddressRange, RateLimitSection};

/// Most addresses that one limit remembers.
const ADDRESSES_MAX: usize = 100_000;
/// Parts of a limit, each with its lock and its part of the addresses.
const PARTS: usize = 16;
/// Most elements of X-Forwarded-For that are looked at.
const FORWARDED_MAX: usize = 16;

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
    begun: Instant,
    trusted_proxies: Vec<AddressRange>,
}

impl RateLimits {
    pub(crate) fn new(config: &RateLimitSection, trusted_proxies: &[AddressRange]) -> Self {
        let limit = |per_second, burst| Limit::new(per_second, burst, ADDRESSES_MAX / PARTS);
        Self {
            records: limit(config.records_per_second, config.records_burst),
            reads: limit(config.reads_per_second, config.reads_burst),
            writes: limit(config.writes_per_second, config.writes_burst),
            verify: limit(config.verify_per_second, config.verify_burst),
            begun: Instant::now(),
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
        self.take(limit.as_ref(), client, 1)
    }

    /// Counts the records of a request.
    ///
    /// # Errors
    /// After how long they may come again, if they are too many.
    pub(crate) fn admit_records(&self, client: IpAddr, count: usize) -> Result<(), Duration> {
        self.take(self.records.as_ref(), client, count as u64)
    }

    fn take(&self, limit: Option<&Limit>, client: IpAddr, count: u64) -> Result<(), Duration> {
        match limit {
            Some(limit) => limit.take(network(client), count, self.now()),
            None => Ok(()),
        }
    }

    /// Forgets addresses whose allowance is full again; to be called now and then.
    pub(crate) fn forget_idle(&self) {
        let limits = [&self.records, &self.reads, &self.writes, &self.verify];
        for limit in limits.into_iter().flatten() {
            limit.forget_idle(self.now());
        }
    }

    /// Nanoseconds since these limits began.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
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

/// One limit. Times are in nanoseconds since a common beginning.
struct Limit {
    /// Fills the allowance by one.
    period: u64,
    /// Fills an empty allowance.
    full: u64,
    parts: [Mutex<Part>; PARTS],
    /// Nobody can choose addresses that meet in one part.
    hasher: RandomState,
}

impl Limit {
    /// A limit that remembers `addresses_max` addresses in each of its parts; none for a
    /// rate of 0.
    fn new(per_second: u32, burst: u32, addresses_max: usize) -> Option<Self> {
        let per_second = NonZeroU32::new(per_second)?;
        let period = (1_000_000_000 / u64::from(per_second.get())).max(1);
        let part = |_| {
            Mutex::new(Part {
                addresses_max,
                ..Part::default()
            })
        };
        Some(Self {
            period,
            full: period.saturating_mul(burst.into()),
            parts: std::array::from_fn(part),
            hasher: RandomState::new(),
        })
    }

    /// Takes so much from an address's allowance, or nothing: then it says how long until
    /// there is enough.
    fn take(&self, address: IpAddr, count: u64, now: u64) -> Result<(), Duration> {
        let mut part = self.part(address);
        let before = part.full_at(address).max(now);
        let after = before.saturating_add(self.period.saturating_mul(count));
        let over = (after - now).saturating_sub(self.full);
        if over > 0 {
            return Err(Duration::from_nanos(over));
        }
        part.note(address, after, now);
        Ok(())
    }

    fn part(&self, address: IpAddr) -> MutexGuard<'_, Part> {
        #[allow(clippy::cast_possible_truncation)] // any bits of it do
        let at = self.hasher.hash_one(address) as usize % PARTS;
        lock(&self.parts[at])
    }

    fn forget_idle(&self, now: u64) {
        for part in &self.parts {
            lock(part).forget_idle(now);
        }
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    // Nothing here panics half-way through a change.
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Some of a limit's addresses.
#[derive(Default)]
struct Part {
    addresses_max: usize,
    /// When the allowance of an address is full again.
    full_at: HashMap<IpAddr, u64>,
    /// The same, the fullest first.
    order: BTreeSet<(u64, IpAddr)>,
}

impl Part {
    /// When the allowance of an address is full again: at the beginning for an unknown one.
    fn full_at(&self, address: IpAddr) -> u64 {
        self.full_at.get(&address).copied().unwrap_or(0)
    }

    fn note(&mut self, address: IpAddr, full_at: u64, now: u64) {
        if let Some(before) = self.full_at.insert(address, full_at) {
            self.order.remove(&(before, address));
        } else if self.full_at.len() > self.addresses_max {
            self.forget_fullest();
        }
        self.order.insert((full_at, address));
        // Forgetting these costs nobody anything.
        while self
            .order
            .first()
            .is_some_and(|(full_at, _)| *full_at <= now)
        {
            self.forget_fullest();
        }
    }

    fn forget_fullest(&mut self) {
        if let Some((_, address)) = self.order.pop_first() {
            self.full_at.remove(&address);
        }
    }

    fn forget_idle(&mut self, now: u64) {
        while self
            .order
            .first()
            .is_some_and(|(full_at, _)| *full_at <= now)
        {
            self.forget_fullest();
        }
        self.full_at.shrink_to_fit();
    }
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

    /// All addresses beyond those remembered once shared one allowance: whoever used many
    /// addresses shut everybody else out.
    #[test]
    fn many_addresses_neither_shut_others_out_nor_take_memory_nor_get_more() {
        const SECOND: u64 = 1_000_000_000;
        let limit = Limit::new(1, 10, 50).unwrap();
        let address = |number: u32| IpAddr::from(std::net::Ipv4Addr::from(number));
        let now = 1_000 * SECOND;
        let greedy = address(7);
        for _ in 0..10 {
            limit.take(greedy, 1, now).unwrap();
        }
        // A flood from everywhere.
        for number in 1_000..101_000 {
            limit.take(address(number), 1, now).unwrap();
        }
        for part in &limit.parts {
            let part = lock(part);
            assert_eq!(part.full_at.len(), 50);
            assert_eq!(part.order.len(), 50);
        }
        // Who has used its allowance up is remembered; everybody else gets in.
        assert_eq!(limit.take(greedy, 1, now), Err(Duration::from_secs(1)));
        for number in 200_000..200_100 {
            limit.take(address(number), 10, now).unwrap();
        }
        limit.take(greedy, 1, now + SECOND).unwrap();
        limit.take(greedy, 1, now + SECOND).unwrap_err();
        limit.forget_idle(now + 100 * SECOND);
        assert!(limit.parts.iter().all(|part| lock(part).order.is_empty()));
        assert!(limit.parts.iter().all(|part| lock(part).full_at.is_empty()));
        limit.take(greedy, 10, now + 100 * SECOND).unwrap();
        assert_eq!(
            limit.take(greedy, 3, now + 101 * SECOND),
            Err(Duration::from_secs(2))
        );
    }

    #[test]
    fn the_highest_rates_and_bursts_are_counted_without_overflow() {
        let limit = Limit::new(u32::MAX, u32::MAX, 50).unwrap();
        let one = from("10.0.0.1");
        limit.take(one, u64::from(u32::MAX), u64::MAX / 2).unwrap();
        limit.take(one, 1, u64::MAX / 2).unwrap_err();
        let limit = Limit::new(1, u32::MAX, 50).unwrap();
        limit.take(one, 4_096, 0).unwrap();
        assert!(limit.take(one, u64::MAX, 0).is_err());
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
