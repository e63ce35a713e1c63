//! Whether enough members can be reached for a decision: said once when they cannot, and once when
//! they can again.

use std::time::{Duration, Instant};

/// A member that is started again, or a short loss of the network, is nothing to be told.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was seen and said so far.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    short_since: Option<Instant>,
    is_told: bool,
}

/// What there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Too few members can be reached.
    Lost,
    /// There are enough again.
    Back,
}

impl Reach {
    /// Notes how many members take part as far as this node sees, itself included, and how many
    /// it takes.
    pub(crate) fn note(&mut self, present: usize, quorum: usize, now: Instant) -> Option<Change> {
        if present >= quorum {
            self.short_since = None;
            return std::mem::take(&mut self.is_told).then_some(Change::Back);
        }
        let since = *self.short_since.get_or_insert(now);
        if self.is_told || now.duration_since(since) < PATIENCE {
            return None;
        }
        self.is_told = true;
        Some(Change::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_loss_and_its_end_are_told_once() {
        let mut reach = Reach::default();
        let start = Instant::now();
        let mut told = Vec::new();
        for second in 0..40 {
            let present = if (5..30).contains(&second) { 2 } else { 3 };
            let now = start + Duration::from_secs(second);
            told.extend(reach.note(present, 3, now).map(|change| (second, change)));
        }
        assert_eq!(told, [(15, Change::Lost), (30, Change::Back)]);
    }
}
