//! When which member is dialled again: back-off with jitter, without a clock of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId};
use rand::Rng;

/// A dial of which nothing is heard for so long is given up and tried again.
const DIAL_LOST: Duration = Duration::from_secs(30);
/// A connection that ends sooner counts as a dial that failed: the peer does not let this node in.
const STEADY: Duration = Duration::from_secs(3);
/// The longest wait for such a peer.
const REFUSED_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a peer is left alone that is of no use.
const USELESS_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Plan {
    addresses: Vec<Multiaddr>,
    /// The wait after the next failure.
    wait: Duration,
    /// None while the peer is connected.
    next: Option<Instant>,
    /// When it was last connected.
    connected: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Redial {
    plans: BTreeMap<PeerId, Plan>,
    wait_min: Duration,
    wait_max: Duration,
}

impl Redial {
    pub(crate) fn new(wait_min: Duration, wait_max: Duration) -> Self {
        let wait_min = wait_min.max(Duration::from_millis(10));
        Self {
            plans: BTreeMap::new(),
            wait_min,
            wait_max: wait_max.max(wait_min),
        }
    }

    /// Who is to be dialled from now on. A peer whose addresses changed is tried anew at once.
    pub(crate) fn set(
        &mut self,
        peers: BTreeMap<PeerId, Vec<Multiaddr>>,
        connected: impl Fn(&PeerId) -> bool,
        now: Instant,
    ) {
        let mut plans = BTreeMap::new();
        for (peer, addresses) in peers {
            let plan = match self.plans.remove(&peer) {
                Some(plan) if plan.addresses == addresses => plan,
                _ => {
                    let next = (!connected(&peer)).then(|| now + part(self.wait_min));
                    Plan {
                        addresses,
                        wait: self.wait_min,
                        next,
                        connected: None,
                    }
                }
            };
            plans.insert(peer, plan);
        }
        self.plans = plans;
    }

    pub(crate) fn connected(&mut self, peer: &PeerId, now: Instant) {
        if let Some(plan) = self.plans.get_mut(peer) {
            plan.next = None;
            plan.connected = Some(now);
        }
    }

    pub(crate) fn disconnected(&mut self, peer: &PeerId, now: Instant) {
        if let Some(plan) = self.plans.get_mut(peer) {
            let lasted = plan.connected.take().map(|since| now - since);
            if lasted.is_some_and(|lasted| lasted >= STEADY) {
                plan.wait = self.wait_min;
            }
            plan.next = Some(now + part(plan.wait));
            if lasted.is_some_and(|lasted| lasted < STEADY) {
                plan.wait = plan.wait.saturating_mul(2).min(REFUSED_WAIT_MAX);
            }
        }
    }

    pub(crate) fn failed(&mut self, peer: &PeerId, now: Instant) {
        if let Some(plan) = self.plans.get_mut(peer)
            && plan.next.is_some()
        {
            plan.next = Some(now + part(plan.wait));
            let most = self.wait_max.max(plan.wait);
            plan.wait = plan.wait.saturating_mul(2).min(most);
        }
    }

    /// A peer that is of no use, such as one of another ledger, is left alone for long.
    pub(crate) fn useless(&mut self, peer: &PeerId, now: Instant) {
        if let Some(plan) = self.plans.get_mut(peer) {
            plan.wait = self.wait_max;
            plan.next = Some(now + USELESS_WAIT);
        }
    }

    /// The peers to dial now, each with all of its addresses.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (peer, plan) in &mut self.plans {
            if plan.next.is_some_and(|next| next <= now) {
                plan.next = Some(now + DIAL_LOST);
                due.push((*peer, plan.addresses.clone()));
            }
        }
        due
    }
}

/// Between half of a wait and the whole of it, so that nodes do not dial in step.
pub(crate) fn part(wait: Duration) -> Duration {
    wait.mul_f64(rand::thread_rng().gen_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_millis(1_000);

    fn one() -> (Redial, PeerId, Instant) {
        let mut redial = Redial::new(MIN, MAX);
        let (peer, now) = (PeerId::random(), Instant::now());
        let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        redial.set([(peer, vec![address])].into(), |_| false, now);
        (redial, peer, now)
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let (mut redial, peer, mut now) = one();
        let mut waits = Vec::new();
        for _ in 0..8 {
            let start = now;
            while redial.due(now).is_empty() {
                now += Duration::from_millis(5);
            }
            waits.push(now - start);
            redial.failed(&peer, now);
        }
        assert!(waits[0] <= MIN + Duration::from_millis(5), "{waits:?}");
        assert!(waits[3] > MIN, "{waits:?}");
        assert!(
            waits
                .iter()
                .all(|wait| *wait <= MAX + Duration::from_millis(5)),
            "{waits:?}"
        );
        assert!(waits[7] >= MAX / 2, "{waits:?}");
    }

    #[test]
    fn a_connected_peer_is_left_alone_until_it_goes() {
        let (mut redial, peer, now) = one();
        assert_eq!(redial.due(now + MIN).len(), 1);
        redial.connected(&peer, now);
        // The other dial of two that crossed fails late.
        redial.failed(&peer, now);
        let later = now + Duration::from_secs(3_600);
        assert!(redial.due(later).is_empty());
        redial.disconnected(&peer, later);
        assert_eq!(redial.due(later + MIN).len(), 1);
    }

    #[test]
    fn a_peer_that_closes_at_once_is_dialled_ever_less_often() {
        let (mut redial, peer, mut now) = one();
        let mut dials = 0;
        let end = now + Duration::from_secs(600);
        while now < end {
            if redial.due(now).len() == 1 {
                dials += 1;
                redial.connected(&peer, now);
                redial.disconnected(&peer, now + MIN);
            }
            now += MIN;
        }
        assert!((20..60).contains(&dials), "{dials}");
        // Once it has let this node in, a loss is mended at once.
        redial.connected(&peer, now);
        redial.disconnected(&peer, now + STEADY);
        assert_eq!(redial.due(now + STEADY + MIN).len(), 1);
    }

    #[test]
    fn a_dial_in_the_air_is_not_repeated() {
        let (mut redial, _, now) = one();
        assert_eq!(redial.due(now + MIN).len(), 1);
        assert!(redial.due(now + MAX).is_empty());
        assert_eq!(redial.due(now + MIN + DIAL_LOST).len(), 1);
    }

    #[test]
    fn new_addresses_are_tried_at_once_and_removed_peers_never() {
        let (mut redial, peer, now) = one();
        redial.useless(&peer, now);
        assert!(redial.due(now + MIN).is_empty());
        let moved: Multiaddr = "/ip4/127.0.0.1/tcp/2".parse().unwrap();
        redial.set([(peer, vec![moved.clone()])].into(), |_| false, now);
        assert_eq!(redial.due(now + MIN), vec![(peer, vec![moved])]);
        redial.set(BTreeMap::new(), |_| false, now);
        redial.disconnected(&peer, now);
        assert!(redial.due(now + Duration::from_secs(99)).is_empty());
    }
}
