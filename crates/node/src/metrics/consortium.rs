//! What a node counts of the others: consensus, gossip, cosignatures.

use credlog_consensus::Status;
use credlog_gossip::Metrics as Gossip;
use credlog_ledger::ids::{Height, MemberId, Round, UnixMillis};
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::{Maker, Metrics};
use crate::attesting::Attested;

/// The metrics.
#[derive(Debug)]
pub struct Consortium {
    /// Height that the engine works on.
    pub consensus_height: IntGauge,
    /// Round of that height.
    pub consensus_round: IntGauge,
    /// 1 for the member whose turn it is to propose.
    pub proposer: IntGaugeVec,
    /// Rounds in which this node proposed.
    pub own_turns: IntCounter,
    /// Rounds after the first of a height: something kept the first from deciding.
    pub further_rounds: IntCounter,
    /// Signatures of the newest commit certificate.
    pub certificate_signatures: IntGauge,
    /// Proofs of equivocation.
    pub evidence: IntCounter,
    /// Peers of the consensus swarm.
    pub peers: IntGauge,
    /// Those of them that are members.
    pub member_peers: IntGauge,
    /// The greatest height that a peer says to have.
    pub peers_height: IntGauge,
    /// Heights that the peers have and this node has not.
    pub sync_behind: IntGauge,
    /// Height of the newest attested checkpoint.
    pub attested_height: IntGauge,
    /// Age of its as-of time.
    pub attested_age_seconds: Gauge,
    /// Members that cosigned it.
    pub attested_cosigners: IntGauge,
    /// Age of this member's newest cosignature.
    pub cosignature_age_seconds: Gauge,
    /// Cosignatures of another history than this node's.
    pub cosignature_conflicts: IntCounter,
    /// Leaves of the newest checkpoint that an outside witness cosigned.
    pub witness_size: IntGaugeVec,
    /// When it did.
    pub witness_time_seconds: IntGaugeVec,
    /// Checkpoints that an outside witness was sent in vain.
    pub witness_failures: IntCounterVec,
    /// Peers of the gossip swarm.
    pub gossip_peers: IntGauge,
    /// The counters of the gossip swarm, in its order.
    gossip: Vec<IntCounter>,
}

impl Consortium {
    pub(super) fn new(made: &Maker) -> Result<Self, prometheus::Error> {
        Ok(Self {
            consensus_height: made.int_gauge(
                "consensus_height",
                "Height that the engine works on, or waits to start",
            )?,
            consensus_round: made.int_gauge("consensus_round", "Round of that height")?,
            proposer: made.int_gauge_vec(
                "consensus_proposer",
                "1 for the member whose turn it is to propose",
                &["proposer"],
            )?,
            own_turns: made.int_counter(
                "consensus_own_turns_total",
                "Rounds in which it was this member's turn to propose",
            )?,
            further_rounds: made.int_counter(
                "consensus_further_rounds_total",
                "Rounds that a height took beyond its first",
            )?,
            certificate_signatures: made.int_gauge(
                "certificate_signatures",
                "Signatures of the newest commit certificate",
            )?,
            evidence: made.int_counter(
                "evidence_total",
                "Proofs that a member signed two things where it may sign one; anything but 0 is \
                 an alarm",
            )?,
            peers: made.int_gauge("peers", "Connected peers of the consensus swarm")?,
            member_peers: made.int_gauge("member_peers", "Connected peers that are members")?,
            peers_height: made.int_gauge(
                "peers_height",
                "Greatest height that a connected peer says to have",
            )?,
            sync_behind: made.int_gauge(
                "sync_behind_heights",
                "Heights that the peers have and this node has not yet",
            )?,
            attested_height: made.int_gauge(
                "attested_height",
                "Height of the newest attested checkpoint",
            )?,
            attested_age_seconds: made.gauge(
                "attested_age_seconds",
                "Time since the as-of time of the newest attested checkpoint",
            )?,
            attested_cosigners: made.int_gauge(
                "attested_cosigners",
                "Members that cosigned the newest attested checkpoint",
            )?,
            cosignature_age_seconds: made.gauge(
                "cosignature_age_seconds",
                "Time since this member last cosigned; 0 if it never did",
            )?,
            cosignature_conflicts: made.int_counter(
                "cosignature_conflicts_total",
                "Cosignatures of another history of the log; anything but 0 is an alarm",
            )?,
            witness_size: made.int_gauge_vec(
                "witness_size_leaves",
                "Leaves of the newest checkpoint that an outside witness cosigned",
                &["witness"],
            )?,
            witness_time_seconds: made.int_gauge_vec(
                "witness_time_seconds",
                "Time of that cosignature, by the witness's clock (Unix time)",
                &["witness"],
            )?,
            witness_failures: made.int_counter_vec(
                "witness_failures_total",
                "Checkpoints that an outside witness was sent in vain",
                &["witness"],
            )?,
            gossip_peers: made.int_gauge("gossip_peers", "Connected peers of the gossip swarm")?,
            gossip: gossip(made)?,
        })
    }
}

/// The swarm's own counters.
fn gossip(made: &Maker) -> Result<Vec<IntCounter>, prometheus::Error> {
    let none = Gossip::default();
    let counters = none.counters();
    let counters =
        counters.map(|(name, help, _)| made.int_counter(&format!("gossip_{name}_total"), help));
    counters.collect()
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Metrics {
    /// Notes that a round has begun.
    pub fn observe_round(
        &self,
        height: Height,
        round: Round,
        proposer: &MemberId,
        own: Option<&MemberId>,
    ) {
        let metrics = &self.consortium;
        metrics.consensus_height.set(gauge(height.0));
        metrics.consensus_round.set(i64::from(round.0));
        metrics.proposer.reset();
        metrics
            .proposer
            .with_label_values(&[proposer.as_str()])
            .set(1);
        if own == Some(proposer) {
            metrics.own_turns.inc();
        }
        if round > Round(0) {
            metrics.further_rounds.inc();
        }
    }

    /// Notes how many members signed the newest certificate.
    pub fn observe_signatures(&self, count: usize) {
        let metrics = &self.consortium;
        metrics.certificate_signatures.set(gauge(count as u64));
    }

    /// Notes what the engine sees of the others.
    pub fn observe_engine(&self, status: &Status) {
        let metrics = &self.consortium;
        let tip = status.peers_tip.unwrap_or(status.tip);
        metrics.consensus_height.set(gauge(status.height.0));
        metrics.peers.set(gauge(status.peers.len() as u64));
        metrics
            .member_peers
            .set(gauge(status.members().count() as u64));
        metrics.peers_height.set(gauge(tip.0));
        let behind = tip.0.saturating_sub(status.tip.0);
        metrics.sync_behind.set(gauge(behind));
    }

    /// Takes the swarm's counters.
    pub fn observe_gossip(&self, gossip: &Gossip) {
        let metrics = &self.consortium;
        metrics.gossip_peers.set(gauge(gossip.peers_connected));
        for (counter, (_, _, value)) in metrics.gossip.iter().zip(gossip.counters()) {
            // A swarm that was started again counts from 0, as one of a new process does.
            if value < counter.get() {
                counter.reset();
            }
            counter.inc_by(value - counter.get());
        }
    }

    /// Notes a checkpoint that is attested.
    pub fn observe_attested(&self, attested: &Attested) {
        let metrics = &self.consortium;
        metrics.attested_height.set(gauge(attested.height.0));
        metrics
            .attested_cosigners
            .set(gauge(attested.cosigners.len() as u64));
    }

    /// Notes how old cosignatures are.
    #[allow(clippy::cast_precision_loss)] // seconds for people
    pub fn observe_cosignature(
        &self,
        own_second: Option<u64>,
        attested: Option<&Attested>,
        now: UnixMillis,
    ) {
        let age = |millis: u64| now.0.saturating_sub(millis) as f64 / 1e3;
        let metrics = &self.consortium;
        let own = own_second.map_or(0.0, |second| age(second.saturating_mul(1_000)));
        metrics.cosignature_age_seconds.set(own);
        let attested = attested.map_or(0.0, |attested| age(attested.as_of.0));
        metrics.attested_age_seconds.set(attested);
    }
}
