//! A token bucket.

use std::time::Instant;

/// So much a second, and so much at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

/// What is left of a [`Rate`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self {
            left: f64::from(rate.burst),
            at: now,
        }
    }

    /// Takes `cost`, or nothing and false when less is left.
    pub(crate) fn take(&mut self, rate: Rate, cost: u32, now: Instant) -> bool {
        let enough = self.has(rate, cost, now);
        if enough {
            self.left -= f64::from(cost);
        }
        enough
    }

    /// Whether `cost` could be taken.
    pub(crate) fn has(&mut self, rate: Rate, cost: u32, now: Instant) -> bool {
        self.refill(rate, now);
        self.left >= f64::from(cost)
    }

    pub(crate) fn give_back(&mut self, rate: Rate, cost: u32) {
        self.left = (self.left + f64::from(cost)).min(f64::from(rate.burst));
    }

    pub(crate) fn is_full(&mut self, rate: Rate, now: Instant) -> bool {
        self.has(rate, rate.burst, now)
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + elapsed * f64::from(rate.per_second)).min(f64::from(rate.burst));
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate {
            per_second: 10,
            burst: 3,
        };
        let start = Instant::now();
        let mut bucket = Bucket::full(rate, start);
        assert!((0..3).all(|_| bucket.take(rate, 1, start)));
        assert!(!bucket.take(rate, 1, start));
        let later = start + Duration::from_millis(100);
        assert!(bucket.take(rate, 1, later));
        assert!(!bucket.take(rate, 1, later));
        bucket.give_back(rate, 1);
        assert!(bucket.take(rate, 1, later));
        assert!(bucket.is_full(rate, later + Duration::from_secs(60)));
        assert!(!bucket.take(rate, 4, later + Duration::from_secs(60)));
    }
}
