//! The nodes of a ledger.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use credlog_e2e::{Issuer, NodeProcess, Place, Seat, genesis, get, node_run};
use credlog_ledger::body::{Action, Body};
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{LedgerId, RecordId};
use credlog_ledger::record::Record;
use serde_json::Value;

use crate::load::{Acknowledged, Load};
use crate::net::Net;
use crate::settings::{Part, Settings, config, write_folder};
use crate::view::{self, Answered, View};

/// One cluster at a time.
static MACHINE: Mutex<()> = Mutex::new(());
/// A node has this long to become ready, and a record to be acknowledged when all is well.
const READY: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Bytes of a node's log that are shown when a test fails.
const LOG_SHOWN: usize = 2_000;

/// The nodes of a ledger: first the founding members, then candidates, then observers, then
/// a second process of one of them.
pub struct Cluster {
    nodes: Vec<Node>,
    genesis: Genesis,
    ledger: LedgerId,
    issuer: Arc<Issuer>,
    settings: Settings,
    folder: Option<tempfile::TempDir>,
    began: Instant,
    net: Option<Net>,
    _machine: MutexGuard<'static, ()>,
}

struct Node {
    seat: Seat,
    folder: PathBuf,
    process: Option<NodeProcess>,
}

/// Asks until there is an answer.
///
/// # Errors
/// If there is none in time: `what` was waited for.
pub fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if began.elapsed() > deadline {
            bail!("not after {deadline:?}: {what}");
        }
        std::thread::sleep(POLL);
    }
}

impl Cluster {
    /// Founds a ledger of `members` on loopback, starts all and waits until they are ready.
    ///
    /// # Errors
    /// If they do not become ready.
    pub fn found(members: usize) -> Result<Self> {
        Self::found_with(members, Settings::default())
    }

    /// The same with candidates, observers or settings; only the members are started.
    ///
    /// # Errors
    /// If they do not become ready.
    pub fn found_with(members: usize, settings: Settings) -> Result<Self> {
        Self::found_in(members, settings, None)
    }

    /// The same in network namespaces of their own.
    ///
    /// # Errors
    /// If they do not become ready.
    pub fn found_in(members: usize, settings: Settings, net: Option<Net>) -> Result<Self> {
        let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut builder = tempfile::Builder::new();
        builder.prefix("credlog-cluster-");
        let folder = match &settings.dir {
            Some(dir) => builder.tempdir_in(dir)?,
            None => builder.tempdir()?,
        };
        let count = members + settings.candidates + settings.observers;
        let mut nodes = Vec::with_capacity(count);
        for number in 0..count {
            let place = match &net {
                Some(net) => net.place(number),
                None => Place::free()?,
            };
            nodes.push(Node {
                seat: Seat::new(number, place)?,
                folder: folder.path().join(format!("node-{number}")),
                process: None,
            });
        }
        let seats: Vec<Seat> = nodes[..members]
            .iter()
            .map(|node| node.seat.clone())
            .collect();
        let genesis = genesis(&seats)?;
        let ledger = genesis.ledger_id()?;
        let mut cluster = Self {
            nodes,
            genesis,
            ledger,
            issuer: Arc::new(Issuer::of_samples(ledger)?),
            settings,
            folder: Some(folder),
            began: Instant::now(),
            net,
            _machine: machine,
        };
        cluster.write_folders(members)?;
        for member in 0..members {
            cluster.start(member)?;
        }
        for member in 0..members {
            cluster.wait_ready(member)?;
        }
        Ok(cluster)
    }

    fn write_folders(&self, members: usize) -> Result<()> {
        let genesis = serde_json::to_vec_pretty(&self.genesis)?;
        let first_observer = members + self.settings.candidates;
        let observers = first_observer..first_observer + self.settings.observers;
        let ids: Vec<String> = self.nodes[observers.clone()]
            .iter()
            .map(|node| node.seat.peer_id())
            .collect();
        let peers: Vec<String> = self.nodes[..members]
            .iter()
            .map(|node| {
                let (place, id) = (node.seat.place.multiaddr(), node.seat.peer_id());
                format!("{place}/p2p/{id}")
            })
            .collect();
        for (number, node) in self.nodes.iter().enumerate() {
            let part = if observers.contains(&number) {
                Part::Observer
            } else {
                Part::Member
            };
            let peers = if number < members {
                &[][..]
            } else {
                &peers[..]
            };
            let config = config(&node.seat, part, &ids, peers, &self.settings.toml);
            write_folder(&node.folder, &genesis, &node.seat, part, &config)?;
        }
        Ok(())
    }

    /// How many nodes there are, running or not.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: a ledger has a member.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The ledger's id.
    pub fn ledger(&self) -> LedgerId {
        self.ledger
    }

    /// The genesis file.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The seat of a node.
    pub fn seat(&self, node: usize) -> &Seat {
        &self.nodes[node].seat
    }

    /// Another seat from now on: new keys, for instance. The node's own files stay.
    pub fn reseat(&mut self, node: usize, seat: Seat) {
        self.nodes[node].seat = seat;
    }

    /// The issuer whose records the load is.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Where a node serves HTTP.
    pub fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].seat.place.http()
    }

    /// Folder of a node: credlog.toml, genesis.json, keys, data.
    pub fn folder(&self, node: usize) -> &Path {
        &self.nodes[node].folder
    }

    /// The running process of a node.
    ///
    /// # Errors
    /// If it does not run.
    pub fn process(&self, node: usize) -> Result<&NodeProcess> {
        let process = self.nodes[node].process.as_ref();
        process.with_context(|| format!("node {node} does not run"))
    }

    /// The nodes that run.
    pub fn running(&self) -> Vec<usize> {
        let runs = |node: &usize| self.nodes[*node].process.is_some();
        (0..self.len()).filter(runs).collect()
    }

    /// Starts a node, without waiting.
    ///
    /// # Errors
    /// If it runs already, or the process cannot be started.
    pub fn start(&mut self, number: usize) -> Result<()> {
        let commands = &self.settings.commands;
        let own = commands.iter().find(|(node, _)| *node == number);
        let mut words = match (own, &self.settings.program) {
            (Some((_, words)), _) => words.clone(),
            (None, Some(program)) => vec![program.into(), "node".into(), "run".into()],
            (None, None) => node_run()?,
        };
        if let Some(net) = &self.net {
            words = net.inside(number, words);
        }
        let address = self.address(number);
        let node = &mut self.nodes[number];
        ensure!(node.process.is_none(), "node {number} runs already");
        let config = node.folder.join("credlog.toml");
        node.process = Some(NodeProcess::spawn_as(&words, &config, address)?);
        Ok(())
    }

    /// Waits until a node is ready.
    ///
    /// # Errors
    /// If it ends, or is not ready within a minute.
    pub fn wait_ready(&mut self, node: usize) -> Result<()> {
        wait_for(&format!("node {node} is ready"), READY, || {
            let process = self.nodes[node].process.as_mut();
            let process = process.context("the node does not run")?;
            ensure!(process.is_running()?, "node {node} ended at its start");
            Ok(process.is_ready().then_some(()))
        })
    }

    /// kill -9, and waits for the end of the process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        let process = self.nodes[node].process.take();
        process
            .with_context(|| format!("node {node} does not run"))?
            .kill()
    }

    /// Asks a node to stop in an orderly way, and waits.
    ///
    /// # Errors
    /// If it does not end.
    pub fn terminate(&mut self, node: usize) -> Result<()> {
        let process = self.nodes[node].process.take();
        let mut process = process.with_context(|| format!("node {node} does not run"))?;
        process.signal("TERM")?;
        process.wait(READY).map(|_| ())
    }

    /// Waits until a node ends by itself.
    ///
    /// # Errors
    /// If it does not.
    pub fn wait_end(&mut self, node: usize, deadline: Duration) -> Result<ExitStatus> {
        let process = self.nodes[node].process.take();
        let mut process = process.with_context(|| format!("node {node} does not run"))?;
        process.wait(deadline)
    }

    /// kill -9 for all at once: every process has the signal before any is waited for.
    ///
    /// # Errors
    /// If one is gone already.
    pub fn kill_all(&mut self) -> Result<()> {
        for node in self.running() {
            self.process(node)?.signal("KILL")?;
        }
        for node in self.running() {
            self.kill(node)?;
        }
        Ok(())
    }

    /// Posts a record to a node.
    pub fn submit(&self, node: usize, record: &Record) -> Answered {
        view::submit(self.address(node), record)
    }

    /// Posts a record to a node until it is acknowledged.
    ///
    /// # Errors
    /// If it is refused, or not acknowledged in time.
    pub fn submit_for(&self, node: usize, record: &Record, deadline: Duration) -> Result<RecordId> {
        let mut last = None;
        let done = wait_for("the record is acknowledged", deadline, || {
            match self.submit(node, record) {
                Answered::Acknowledged(id) => Ok(Some(id)),
                Answered::Otherwise { status, text } if (400..500).contains(&status) => {
                    bail!("node {node} refused the record: {status} {text}")
                }
                other => {
                    last = Some(other);
                    Ok(None)
                }
            }
        });
        done.with_context(|| format!("node {node} answered last: {last:?}"))
    }

    /// The issuer is accredited and opens its list: from now on it can issue.
    ///
    /// # Errors
    /// If that is not acknowledged.
    pub fn accredit(&self) -> Result<()> {
        let accreditation = self.issuer.accreditation(self.seat(0))?;
        self.submit_for(0, &accreditation, READY)?;
        self.submit_for(0, &self.issuer.list_opening()?, READY)?;
        Ok(())
    }

    /// The issuer opens one more status list, if the newest is half used: else that is refused
    /// (rule R10).
    ///
    /// # Errors
    /// If the record cannot be signed.
    pub fn open_list_if_due(&self) -> Result<()> {
        self.submit(0, &self.issuer.list_opening()?);
        Ok(())
    }

    /// Issues one credential through a node.
    ///
    /// # Errors
    /// If that is not acknowledged in time.
    pub fn issue(&self, node: usize, deadline: Duration) -> Result<RecordId> {
        self.submit_for(node, &self.issuer.next_issuance(1)?, deadline)
    }

    /// A member says something, through its own node.
    ///
    /// # Errors
    /// If that is not acknowledged in time.
    pub fn say(&self, member: usize, body: Body, deadline: Duration) -> Result<RecordId> {
        let record = self.seat(member).sign(self.ledger, body)?;
        self.submit_for(member, &record, deadline)
    }

    /// Waits until a record is on a node.
    ///
    /// # Errors
    /// If it is not there in time.
    pub fn wait_record(&self, node: usize, id: &RecordId, deadline: Duration) -> Result<()> {
        let path = format!("/v1/records/{id}");
        wait_for(&format!("record {id} is on node {node}"), deadline, || {
            let answer = get(self.address(node), &path);
            Ok(answer.is_ok_and(|one| one.status == 200).then_some(()))
        })
    }

    /// The first of these members proposes, all approve, each through its own node: a quorum.
    ///
    /// # Errors
    /// If one of the records is not acknowledged within a minute.
    pub fn decide(&self, action: Action, by: &[usize]) -> Result<()> {
        let first = by.first().context("nobody decides")?;
        let proposal = self.say(*first, Body::Propose { action }, READY)?;
        for member in by {
            self.wait_record(*member, &proposal, READY)?;
            self.say(*member, Body::Approve { proposal }, READY)?;
        }
        Ok(())
    }

    /// Waits until a node says that it has this part in the ledger.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn wait_role(&self, node: usize, role: &str, deadline: Duration) -> Result<()> {
        wait_for(&format!("node {node} is {role}"), deadline, || {
            let found = self.view(node)?.ledger["role"].clone();
            Ok((found == role).then_some(()))
        })
    }

    /// Load through these nodes: `senders` for each, records of one credential.
    pub fn load(&self, nodes: &[usize], senders: usize) -> Load {
        self.load_of(nodes, senders, 1, None)
    }

    /// Load in records of some credentials, at a limited pace.
    pub fn load_of(
        &self,
        nodes: &[usize],
        senders: usize,
        credentials: u32,
        each: Option<Duration>,
    ) -> Load {
        let nodes: Vec<_> = nodes
            .iter()
            .map(|node| (*node, self.address(*node)))
            .collect();
        Load::start(&self.issuer, &nodes, senders, credentials, each)
    }

    /// Where the log of a node ends.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn view(&self, node: usize) -> Result<View> {
        view::view(self.address(node)).with_context(|| format!("node {node}"))
    }

    /// A route of a node that answers JSON.
    ///
    /// # Errors
    /// If it does not answer 200.
    pub fn json(&self, node: usize, path: &str) -> Result<Value> {
        view::json(self.address(node), path).with_context(|| format!("node {node}"))
    }

    /// The commit certificate of a height.
    ///
    /// # Errors
    /// If the node does not serve it.
    pub fn certificate(&self, node: usize, height: u64) -> Result<CommitCertificate> {
        view::certificate(self.address(node), height).with_context(|| format!("node {node}"))
    }

    /// The sum of a metric over its labels.
    ///
    /// # Errors
    /// If the node has no such metric.
    pub fn metric(&self, node: usize, name: &str) -> Result<f64> {
        let value = view::metric(self.address(node), name)?;
        value.with_context(|| format!("node {node} has no metric {name}"))
    }

    /// What a node holds against members.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn evidence(&self, node: usize) -> Result<Vec<Value>> {
        let answer = self.json(node, "/v1/evidence")?;
        let list = match &answer {
            Value::Array(list) => Some(list),
            Value::Object(object) => object.values().find_map(Value::as_array),
            _ => None,
        };
        let list = list.with_context(|| format!("GET /v1/evidence has no list: {answer}"))?;
        Ok(list.clone())
    }

    /// Waits until these nodes are at one height, at least `least`, and answers it.
    ///
    /// # Errors
    /// If they are not in time, or two of one height have different roots.
    pub fn wait_level(&self, nodes: &[usize], least: u64, deadline: Duration) -> Result<u64> {
        let mut last = Vec::new();
        let level = wait_for("the nodes are at one height", deadline, || {
            let views: Result<Vec<View>> = nodes.iter().map(|node| self.view(*node)).collect();
            // A node that is just starting answers nothing yet.
            let Ok(views) = views else { return Ok(None) };
            for (one, other) in views.iter().zip(views.iter().skip(1)) {
                ensure!(
                    one.height != other.height || one.root == other.root,
                    "two nodes differ at height {}: {} and {}",
                    one.height,
                    one.root,
                    other.root
                );
            }
            let height = views[0].height;
            let level = height >= least && views.iter().all(|view| view.height == height);
            last = views.iter().map(|view| view.height).collect();
            Ok(level.then_some(height))
        });
        level.with_context(|| format!("the heights of nodes {nodes:?} are {last:?}"))
    }

    /// Every height has one value on all of these nodes, and every record that was
    /// acknowledged is on every one of them.
    ///
    /// # Errors
    /// What differs, or is missing.
    pub fn agree(
        &self,
        nodes: &[usize],
        acknowledged: &[Acknowledged],
        deadline: Duration,
    ) -> Result<u64> {
        let height = self.wait_level(nodes, 1, deadline)?;
        for height in 1..=height {
            let mut values = Vec::new();
            for node in nodes {
                values.push(self.certificate(*node, height)?.value);
            }
            ensure!(
                values.windows(2).all(|pair| pair[0] == pair[1]),
                "the nodes {nodes:?} have decided different values at height {height}: {values:?}"
            );
        }
        for node in nodes {
            for Acknowledged { id, node: by, .. } in acknowledged {
                let answer = get(self.address(*node), &format!("/v1/records/{id}"))?;
                ensure!(
                    answer.status == 200,
                    "record {id}, acknowledged by node {by}, is not on node {node}: {}",
                    answer.status
                );
            }
        }
        Ok(height)
    }

    /// No node holds anything against anyone.
    ///
    /// # Errors
    /// The evidence that there is.
    pub fn assert_no_evidence(&self, nodes: &[usize]) -> Result<()> {
        for node in nodes {
            let evidence = self.evidence(*node)?;
            ensure!(
                evidence.is_empty(),
                "node {node} holds evidence: {evidence:?}"
            );
        }
        Ok(())
    }

    /// The namespaces that the nodes run in.
    ///
    /// # Errors
    /// If they run on loopback.
    pub fn net(&self) -> Result<&Net> {
        self.net.as_ref().context("the nodes run on loopback")
    }

    /// The test has passed: nodes that should run still do; ends them and removes the folder.
    ///
    /// # Errors
    /// If a node has ended by itself.
    pub fn finish(self, name: &str) -> Result<()> {
        self.finish_but(&[], name)
    }

    /// The same where some nodes may have ended by themselves.
    ///
    /// # Errors
    /// If another node has.
    pub fn finish_but(mut self, frail: &[usize], name: &str) -> Result<()> {
        for number in self.running() {
            if frail.contains(&number) {
                continue;
            }
            if let Some(process) = &mut self.nodes[number].process {
                ensure!(process.is_running()?, "node {number} has ended by itself");
            }
        }
        for node in &mut self.nodes {
            node.process = None;
        }
        if let Some(folder) = self.folder.take() {
            folder.close()?;
        }
        println!("-- {name}: {:.1} s", self.began.elapsed().as_secs_f64());
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else {
            return;
        };
        for node in &mut self.nodes {
            let Some(process) = node.process.take() else {
                continue;
            };
            let log = process.log().unwrap_or_default();
            let start = log.len().saturating_sub(LOG_SHOWN);
            let end: String = log.chars().skip(start).collect();
            println!("-- end of the log of {}:\n{end}", node.seat.id);
        }
        println!(
            "-- the nodes' folders are kept: {}",
            folder.keep().display()
        );
    }
}
