use std::time::Duration;

use crate::world::World;

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sole_member_decides_and_idles() {
    let mut world = World::new(1, 1);
    world.start_all().await;
    world.want(20);
    world.reach(&[0], 20, 10).await;
    pause(300).await;
    let tip = world.view(0).tip();
    pause(3_000).await;
    assert_eq!(world.view(0).tip(), tip, "an idle ledger makes no blocks");
    world.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_members_decide_and_idle() {
    let mut world = World::new(4, 4);
    world.start_all().await;
    world.want(30);
    let start = std::time::Instant::now();
    world.reach(&[0, 1, 2, 3], 30, 20).await;
    eprintln!("30 heights in {:?}", start.elapsed());
    pause(1_000).await;
    let tip = world.view(0).tip();
    pause(3_000).await;
    assert_eq!(world.view(0).tip(), tip, "an idle ledger makes no blocks");
    let status = world.engine(0).status().borrow().clone();
    eprintln!("{status:?}");
    assert!(status.is_idle);
    assert_eq!(status.peers.len(), 3);
    world.check_agreement();
    world.stop_all().await;
}
