use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use credlog_consensus::{Config, RoundRole};
use credlog_ledger::evidence::Conflict;

use crate::ledger::Schedule;
use crate::world::{World, consensus_key, members, node_key, observing};

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sole_member_decides_and_idles() {
    let mut world = World::new(1, 1);
    world.start_all().await;
    world.want(20);
    world.reach(&[0], 20, 10).await;
    pause(500).await;
    let tip = world.view(0).tip();
    pause(3_000).await;
    assert_eq!(world.view(0).tip(), tip, "an idle ledger makes no blocks");
    assert!(world.engine(0).status().borrow().is_idle);
    world.want(1);
    world.reach(&[0], tip + 1, 5).await;
    let text = world.engine(0).metrics();
    assert!(text.contains("# TYPE") && !text.contains("# EOF") && !text.contains("moniker"));
    world.stop_all().await;
    let started = world.view(0).state().started.clone();
    assert!(
        started.windows(2).all(|pair| pair[0] < pair[1]),
        "{started:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn four_members_decide_and_idle() {
    let mut world = World::new(4, 4);
    world.start_all().await;
    world.want(30);
    world.reach(&[0, 1, 2, 3], 30, 20).await;
    pause(1_000).await;
    let tip = world.view(0).tip();
    pause(3_000).await;
    assert_eq!(world.view(0).tip(), tip, "an idle ledger makes no blocks");
    let status = world.engine(0).status().borrow().clone();
    assert!(status.is_idle && !status.is_behind(), "{status:?}");
    assert_eq!(status.peers.len(), 3);
    assert!(
        status.peers.iter().all(|peer| peer.is_validator),
        "{status:?}"
    );
    assert_eq!((status.tip.0, status.height.0), (tip, tip + 1));
    let tips: Vec<_> = (0..4).map(|node| world.view(node).tip()).collect();
    assert!(tips.iter().all(|one| *one == tip), "{tips:?}");
    world.check_agreement();
    world.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_four_stops_and_comes_back() {
    let mut world = World::new(4, 4);
    for node in 0..4 {
        world.view(node).state().block_bytes = 300_000;
    }
    world.start_all().await;
    world.want(5);
    world.reach(&[0, 1, 2, 3], 5, 20).await;
    world.stop(3).await;
    world.want(6);
    world.reach(&[0, 1, 2], 10, 20).await;
    let missed = world.view(0).tip() - world.view(3).tip();
    assert!(missed >= 3, "{missed}");
    // Again at the same address, with the same write-ahead log; the others idle meanwhile.
    pause(500).await;
    world.start(3).await;
    let tip = world.view(0).tip();
    world.reach(&[3], tip, 15).await;
    world.want(4);
    world.reach(&[0, 1, 2, 3], tip + 4, 20).await;
    world.check_agreement();
    world.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_observer_takes_the_whole_ledger() {
    let mut world = World::new(4, 2);
    for node in 0..2 {
        // The members know its identity, not its address, and nothing of node 3.
        let mut config = world.config(node);
        config.peers.pop();
        config.peers.last_mut().unwrap().addresses.clear();
        world.start_with(node, config).await;
    }
    world.want(120);
    world.reach(&[0, 1], 120, 20).await;
    pause(500).await;
    let config = observing(world.config(2));
    world.start_with(2, config).await;
    let tip = world.view(0).tip();
    world.reach(&[2], tip, 15).await;
    assert_eq!(world.engine(2).status().borrow().role, RoundRole::Observer);
    // And goes on with those that are decided now.
    world.want(3);
    world.reach(&[0, 1, 2], tip + 3, 10).await;
    let config = observing(world.config(3));
    world.start_with(3, config).await;
    pause(2_000).await;
    let stranger = credlog_consensus::peer_id_text(&node_key(3).verifying_key().to_bytes());
    let peers = world.engine(0).status().borrow().peers.clone();
    assert_eq!(peers.len(), 2, "{peers:?}");
    assert!(
        peers.iter().all(|peer| peer.peer_id != stranger),
        "{peers:?}"
    );
    world.check_agreement();
    world.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_cut_off_while_it_idled_catches_up() {
    let mut world = World::new(4, 4);
    world.start_all().await;
    world.want(3);
    world.reach(&[0, 1, 2, 3], 3, 20).await;
    pause(700).await;
    assert!(world.engine(3).status().borrow().is_idle);
    let connect = |world: &World, is_whole: bool| {
        for of in 0..4 {
            let mut peers = world.peers(of);
            let keys = [3, of].map(|of| node_key(of).verifying_key().to_bytes());
            peers.retain(|peer| is_whole || (of != 3 && peer.node_key != keys[0]));
            world.engine(of).set_peers(&peers).unwrap();
        }
    };
    connect(&world, false);
    let mut status = world.engine(3).status();
    let alone = status.wait_for(|status| status.peers.is_empty());
    assert!(
        tokio::time::timeout(Duration::from_secs(5), alone)
            .await
            .is_ok()
    );
    let before = world.view(3).tip();
    for node in 0..3 {
        world.view(node).pending.store(3, SeqCst);
        world.engine(node).wake();
    }
    world.reach(&[0, 1, 2], before + 3, 20).await;
    pause(1_000).await;
    assert_eq!(world.view(3).tip(), before);
    assert!(world.engine(3).status().borrow().is_idle);
    // Nobody decides anything any more; the certificates of what was decided wake it.
    connect(&world, true);
    world.reach(&[3], before + 3, 15).await;
    pause(1_000).await;
    assert!(!world.engine(3).status().borrow().is_behind());
    world.check_agreement();
    world.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifth_member_comes_and_the_first_one_goes() {
    let schedule: Schedule = Arc::new(|height| match height {
        ..8 => members(4),
        8..16 => members(5),
        _ => {
            let five = members(5);
            five.members().to_vec()[1..].to_vec().try_into().unwrap()
        }
    });
    let mut world = World::with(5, schedule);
    world.transport = "quic";
    world.start_all().await;
    world.want(25);
    world.reach(&[0, 1, 2, 3, 4], 25, 30).await;
    let signed = |height: u64, of: u8| {
        let blocks = world.view(1).state().blocks.clone();
        let certificate = &blocks[height as usize - 1].certificate;
        let id = format!("member-{of}");
        certificate
            .signatures
            .iter()
            .any(|one| one.member.as_str() == id)
    };
    assert!((1..8).all(|height| !signed(height, 4)));
    assert!(
        (8..25).any(|height| signed(height, 4)),
        "the fifth member votes"
    );
    assert!(
        (16..=25).all(|height| !signed(height, 0)),
        "the first one votes no more"
    );
    world.check_agreement();
    // Not wanted any more: it is cut off.
    for of in 1..5 {
        let mut peers = world.peers(of);
        let gone = node_key(0).verifying_key().to_bytes();
        peers.retain(|peer| peer.node_key != gone);
        world.engine(of).set_peers(&peers).unwrap();
    }
    let mut status = world.engine(0).status();
    let cut_off = status.wait_for(|status| status.peers.is_empty());
    let cut_off = tokio::time::timeout(Duration::from_secs(5), cut_off).await;
    assert!(cut_off.is_ok(), "the removed member is still connected");
    world.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_signs_two_blocks_is_reported() {
    // Node 4 has the consensus key of member 3, and makes other blocks with it.
    let mut world = World::new(5, 4);
    world.view(4).state().block_bytes = 999;
    let mut config: Config = world.config(4);
    config.role = credlog_consensus::Role::Validator {
        consensus: consensus_key(3),
    };
    for node in 0..4 {
        world.start(node).await;
    }
    world.start_as(4, 3, config).await;
    let start = Instant::now();
    let seen = |world: &World| {
        (0..3)
            .flat_map(|node| world.view(node).state().evidence.clone())
            .next()
    };
    while seen(&world).is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "no evidence");
        world.want(4);
        pause(50).await;
    }
    let evidence = seen(&world).unwrap();
    assert_eq!(evidence.member.as_str(), "member-3");
    assert!(matches!(
        evidence.conflict,
        Conflict::Proposals { .. } | Conflict::Votes { .. }
    ));
    let tip = world.view(0).tip();
    world.want(3);
    world.reach(&[0, 1, 2], tip + 2, 20).await;
    for node in 0..3 {
        world.stop(node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposer_of_garbage_stops_nothing() {
    let mut world = World::new(4, 4);
    world.view(2).state().streams_garbage = true;
    world.start_all().await;
    world.want(8);
    world.reach(&[0, 1, 2, 3], 8, 30).await;
    let blocks = world.view(0).state().blocks.clone();
    assert!(
        blocks.iter().any(|one| one.certificate.round.0 > 0),
        "its turns are skipped"
    );
    world.check_agreement();
    world.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_disagree_are_overruled_by_a_polka() {
    let mut world = World::new(4, 4);
    world.view(3).state().doubts = true;
    world.start_all().await;
    world.want(6);
    world.reach(&[0, 1, 2, 3], 6, 20).await;
    world.check_agreement();
    world.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_commit_stops_the_engine_and_is_told() {
    let mut world = World::new(4, 4);
    world.view(1).state().fails_at = Some(3);
    world.start_all().await;
    world.want(6);
    let failed = tokio::time::timeout(Duration::from_secs(20), world.engine(1).failed()).await;
    assert_eq!(failed.unwrap().reason, "the disk is full");
    world.reach(&[0, 2, 3], 6, 20).await;
    assert_eq!(world.view(1).tip(), 2);
    let engine = world.nodes[1].engine.take().unwrap();
    assert!(engine.stop().await.is_err());
    // The disk has room again: the same log serves.
    world.view(1).state().fails_at = None;
    world.view(1).pending.store(0, SeqCst);
    world.start(1).await;
    world.reach(&[1], 6, 15).await;
    world.check_agreement();
    world.stop_all().await;
}
