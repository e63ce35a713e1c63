//! What peers say of heights that this node does not have.
//!
//! While a height is held back, the engine's sync fetches decided blocks but hands none over:
//! the certificates that come with them are the proof that others went on. A peer's word
//! alone (its status) is shown to the operator and starts nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_malachitebft_peer::PeerId;
use credlog_ledger::certificate::CommitCertificate;
use tokio::sync::Notify;

use crate::context::Validators;

/// Certificates are kept of this many heights above the tip: heights that are claimed to be far
/// above it must not take their room.
const HEIGHTS_MAX: u64 = 256;
/// Most certificates of one height: a bad one must not drive out a good one of another peer.
const PER_HEIGHT_MAX: usize = 4;
/// Most peers whose tips are kept.
const PEERS_MAX: usize = 1_024;

/// Tips of peers, and certificates of heights above the own tip.
#[derive(Default)]
pub(crate) struct Observed {
    inner: Mutex<Inner>,
    /// Something was noted that may end a hold.
    pub(crate) news: Notify,
}

#[derive(Default)]
struct Inner {
    tip: u64,
    /// Who decides the height after the tip, and who decided the tip.
    members: BTreeMap<u64, Validators>,
    tips: BTreeMap<PeerId, u64>,
    decided: BTreeMap<u64, Vec<CommitCertificate>>,
}

impl Observed {
    /// A peer says that this is its tip.
    pub(crate) fn note_tip(&self, peer: PeerId, tip: u64) {
        let mut inner = self.inner();
        if inner.tips.len() < PEERS_MAX || inner.tips.contains_key(&peer) {
            inner.tips.insert(peer, tip);
        }
    }

    /// A peer sent a certificate; it is not verified yet.
    pub(crate) fn note_decided(&self, certificate: CommitCertificate) {
        let mut inner = self.inner();
        let height = certificate.height.0;
        let above = height.saturating_sub(inner.tip);
        if above == 0 || above > HEIGHTS_MAX {
            return;
        }
        let known = inner.decided.entry(height).or_default();
        if known.len() < PER_HEIGHT_MAX && !known.contains(&certificate) {
            known.push(certificate);
            drop(inner);
            self.news.notify_one();
        }
    }

    /// The own tip is at `tip`, and `next` decide the height after it: what was kept of the tip
    /// and below is forgotten.
    pub(crate) fn set_tip(&self, tip: u64, next: Validators) {
        let mut inner = self.inner();
        inner.tip = tip;
        inner.members.insert(tip + 1, next);
        inner.members.retain(|height, _| *height >= tip);
        inner.decided.retain(|height, _| *height > tip);
    }

    /// The members of the newest heights.
    pub(crate) fn members(&self, height: u64) -> Option<Validators> {
        self.inner().members.get(&height).cloned()
    }

    /// The certificates of a height that have not been asked for before.
    pub(crate) fn take_decided(&self, height: u64) -> Vec<CommitCertificate> {
        self.inner().decided.remove(&height).unwrap_or_default()
    }

    /// The highest tip that one of these peers says to have; others are forgotten.
    pub(crate) fn peers_tip(&self, connected: impl Fn(&PeerId) -> bool) -> Option<u64> {
        let mut inner = self.inner();
        inner.tips.retain(|peer, _| connected(peer));
        inner.tips.values().max().copied()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock, and each change is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use credlog_ledger::certificate::CommitSignature;
    use credlog_ledger::ids::{Height, Round, ValueId};

    use super::*;
    use crate::network::peer_id;

    fn certificate(height: u64, of: u8) -> CommitCertificate {
        let signature = CommitSignature {
            member: "a".parse().unwrap(),
            signature: [of; 64],
        };
        CommitCertificate::new(Height(height), Round(0), ValueId([of; 32]), vec![signature])
            .unwrap()
    }

    #[test]
    fn certificates_above_the_tip_are_kept_in_bounds() {
        let observed = Observed::default();
        observed.set_tip(10, Validators::default());
        for of in 0..100 {
            observed.note_decided(certificate(10, of));
            observed.note_decided(certificate(11, of));
            observed.note_decided(certificate(11, of));
        }
        for height in 12..2_000 {
            observed.note_decided(certificate(height, 0));
        }
        assert_eq!(observed.inner().decided.len() as u64, HEIGHTS_MAX);
        assert!(observed.take_decided(10).is_empty());
        assert_eq!(observed.take_decided(11).len(), PER_HEIGHT_MAX);
        assert!(observed.take_decided(11).is_empty());
        observed.set_tip(1_999, Validators::default());
        assert!(observed.inner().decided.is_empty());
    }

    #[test]
    fn tips_of_connected_peers_count() {
        let observed = Observed::default();
        let peer = |of| peer_id(&[of; 32]).unwrap();
        observed.note_tip(peer(1), 5);
        observed.note_tip(peer(2), 90);
        observed.note_tip(peer(1), 7);
        assert_eq!(observed.peers_tip(|id| *id == peer(1)), Some(7));
        assert_eq!(
            observed.peers_tip(|_| true),
            Some(7),
            "the other is forgotten"
        );
        assert_eq!(observed.peers_tip(|_| false), None);
    }
}
