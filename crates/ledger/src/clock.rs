//! The clock part of rule R1: pure functions of the times that a node knows.

use crate::ids::UnixMillis;

/// A live value's seal may be this far from a validator's clock.
pub const CLOCK_TOLERANCE_MILLIS: u64 = 10_000;

/// The time a proposer gives its seal: its clock, but after the previous seal by at
/// least the block interval, and one second after the newest cosignature of the tip it
/// verified (`newest_cosignature`, in seconds), ignoring one more than 10 s ahead.
pub fn proposer_time(
    now: UnixMillis,
    previous: UnixMillis,
    min_block_interval_ms: u32,
    newest_cosignature: Option<u64>,
) -> UnixMillis {
    let after_previous = previous.plus(u64::from(min_block_interval_ms.max(1)));
    let after_cosignature = newest_cosignature
        .map(|seconds| UnixMillis(seconds.saturating_mul(1000)))
        .filter(|time| *time <= now.plus(CLOCK_TOLERANCE_MILLIS))
        .map_or(UnixMillis(0), |time| time.plus(1000));
    now.max(after_previous).max(after_cosignature)
}

/// Whether a validator's clock agrees with a live value: within 10 s, and later than the
/// second of its own last cosignature.
pub fn agrees(seal: UnixMillis, now: UnixMillis, own_last_cosignature: Option<u64>) -> bool {
    seal.0.abs_diff(now.0) <= CLOCK_TOLERANCE_MILLIS
        && own_last_cosignature.is_none_or(|seconds| seal.0 / 1000 > seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn r1_proposer_time_is_after_all_it_knows() {
        assert_eq!(proposer_time(NOW, UnixMillis(5), 1, None), NOW);
        assert_eq!(proposer_time(NOW, NOW, 1, None), UnixMillis(1_000_001));
        assert_eq!(proposer_time(NOW, NOW, 50, None), UnixMillis(1_000_050));
        assert_eq!(
            proposer_time(NOW, UnixMillis(5), 1, Some(1005)),
            UnixMillis(1_006_000)
        );
        assert_eq!(proposer_time(NOW, UnixMillis(5), 1, Some(1011)), NOW);
    }

    #[test]
    fn r1_validators_refuse_times_far_from_their_clock() {
        assert!(agrees(UnixMillis(1_010_000), NOW, None));
        assert!(!agrees(UnixMillis(1_010_001), NOW, None));
        assert!(agrees(UnixMillis(990_000), NOW, None));
        assert!(!agrees(NOW, NOW, Some(1000)));
        assert!(agrees(UnixMillis(1_001_000), NOW, Some(1000)));
    }
}
