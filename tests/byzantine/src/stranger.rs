//! A libp2p peer that nobody knows: it calls both swarms again and again, under ever new
//! identities, and says as much as it is let.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use libp2p::futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity};
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, SwarmBuilder, identify, noise, tcp, yamux};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Identities at work at a time, for each address.
const IDENTITIES: usize = 4;
/// A message is said this often by each, while it is connected.
const TICK: Duration = Duration::from_millis(2);
/// After a connection is lost it is called again.
const REDIAL: Duration = Duration::from_millis(5);
/// A connection that is not closed is given up by itself after this time, for a new identity.
const CONNECTION: Duration = Duration::from_secs(5);
const GARBAGE_BYTES: usize = 16 << 10;

/// Whom to flood, and with what.
#[derive(Debug, Clone, Args)]
pub(crate) struct Flood {
    /// Multiaddrs of consensus swarms.
    #[arg(long)]
    consensus: Vec<Multiaddr>,
    /// Multiaddrs of gossip swarms.
    #[arg(long)]
    gossip: Vec<Multiaddr>,
    /// The ledger's id, hex.
    #[arg(long)]
    ledger: String,
    /// A good record that no node has: canonical bytes in hex.
    #[arg(long)]
    record: String,
    /// For how long.
    #[arg(long)]
    seconds: u64,
}

/// What became of the flood.
#[derive(Debug, Default)]
struct Tally {
    connections: u64,
    refused: u64,
    said: u64,
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    gossip: gossipsub::Behaviour,
}

/// What one swarm expects of who calls.
#[derive(Debug, Clone)]
struct Target {
    address: Multiaddr,
    topics: Vec<String>,
    /// The noise prologue.
    prologue: Vec<u8>,
    message: Vec<u8>,
}

impl Flood {
    fn targets(&self) -> Result<Vec<Target>> {
        let ledger = decode(&self.ledger)?;
        let record = decode(&self.record)?;
        let length = u32::try_from(record.len())?;
        let batch = [&length.to_be_bytes()[..], &record].concat();
        let short = self.ledger.get(..16).context("no ledger id")?;
        let consensus = self.consensus.iter().map(|address| Target {
            address: address.clone(),
            topics: ["votes", "parts", "status", "liveness"]
                .map(|name| format!("/credlog/{short}/{name}"))
                .to_vec(),
            prologue: Vec::new(),
            message: record.clone(),
        });
        let gossip = self.gossip.iter().map(|address| Target {
            address: address.clone(),
            topics: ["records", "cosignatures"]
                .map(|name| format!("credlog/1/{}/{name}", self.ledger))
                .to_vec(),
            prologue: [b"credlog/gossip/1\n".as_slice(), &ledger].concat(),
            message: batch.clone(),
        });
        Ok(consensus.chain(gossip).collect())
    }
}

/// Floods for the time given, and prints what became of it.
pub(crate) async fn run(flood: Flood) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(flood.seconds);
    let mut callers = tokio::task::JoinSet::new();
    for target in flood.targets()? {
        for _ in 0..IDENTITIES {
            callers.spawn(call(target.clone(), until));
        }
    }
    let mut all = Tally::default();
    while let Some(tally) = callers.join_next().await {
        let tally = tally??;
        all.connections += tally.connections;
        all.refused += tally.refused;
        all.said += tally.said;
    }
    let Tally {
        connections,
        refused,
        said,
    } = all;
    println!("{connections} connections, {refused} refused, {said} messages said");
    Ok(())
}

/// Calls one address under one new identity after the other.
async fn call(target: Target, until: Instant) -> Result<Tally> {
    let mut tally = Tally::default();
    while Instant::now() < until {
        let mut swarm = swarm(&target)?;
        swarm.dial(target.address.clone())?;
        let end = until.min(Instant::now() + CONNECTION);
        say(&mut swarm, &target, end, &mut tally).await;
        sleep(REDIAL).await;
    }
    Ok(tally)
}

/// Speaks until the connection ends.
async fn say(swarm: &mut Swarm<Behaviour>, target: &Target, end: Instant, tally: &mut Tally) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connected = false;
    while Instant::now() < end {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                    tally.connections += 1;
                    connected = true;
                    swarm.behaviour_mut().gossip.add_explicit_peer(&peer_id);
                }
                SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => {
                    tally.refused += 1;
                    return;
                }
                _ => {}
            },
            _ = tick.tick(), if connected => {
                for topic in &target.topics {
                    let topic = IdentTopic::new(topic.clone());
                    let garbage = (0..GARBAGE_BYTES).map(|_| rand::random::<u8>()).collect();
                    for message in [target.message.clone(), garbage] {
                        // The record is news only once an identity.
                        let said = swarm.behaviour_mut().gossip.publish(topic.clone(), message);
                        tally.said += u64::from(said.is_ok());
                    }
                }
            }
        }
    }
}

fn swarm(target: &Target) -> Result<Swarm<Behaviour>> {
    let keypair = Keypair::generate_ed25519();
    let config = gossipsub::ConfigBuilder::default()
        .flood_publish(true)
        .max_transmit_size(1 << 20)
        .build()?;
    let mut gossip =
        gossipsub::Behaviour::new(MessageAuthenticity::Signed(keypair.clone()), config)
            .map_err(|error| anyhow::anyhow!("gossipsub: {error}"))?;
    for topic in &target.topics {
        gossip.subscribe(&IdentTopic::new(topic.clone()))?;
    }
    let protocol = "/credlog/stranger/1".to_owned();
    let identify = identify::Config::new(protocol, keypair.public());
    let prologue = target.prologue.clone();
    let noise = move |key: &Keypair| -> Result<noise::Config, noise::Error> {
        Ok(noise::Config::new(key)?.with_prologue(prologue))
    };
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise, yamux::Config::default)?
        .with_behaviour(|_| Behaviour {
            identify: identify::Behaviour::new(identify),
            gossip,
        })?
        .build();
    Ok(swarm)
}

fn decode(hex: &str) -> Result<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair)?;
            u8::from_str_radix(pair, 16).context("not hex")
        })
        .collect()
}
