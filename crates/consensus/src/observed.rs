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

/// Most heights of which certificates are kept.
const HEIGHTS_MAX: usize = 256;
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
        let room = inner.decided.len() < HEIGHTS_MAX || inner.decided.contains_key(&height);
        if height <= inner.tip || !room {
            return;
        }
        let known = inner.decided.entry(height).or_default();
        if known.len() < PER_HEIGHT_MAX && !known.contains(&certificate) {
            known.push(certificate);
            drop(inner);
            self.news.notify_one();
        }
    }

    /// The own tip is at `tip`: what was kept of it and below is forgotten.
    pub(crate) fn set_tip(&self, tip: u64) {
        let mut inner = self.inner();
        inner.tip = tip;
        inner.decided.retain(|height, _| *height > tip);
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
