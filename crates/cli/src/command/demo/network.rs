//! Four real node processes in a folder of their own; all of them end with the demo.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use credlog_api::ledger::LedgerView;
use rand::Rng;

use crate::connection::NodeArgs;
use crate::outcome::{During, Exit, Failure, Result};
use crate::screen::Screen;

/// What is waited for happens, or a node has ended, within this time.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);
/// Ports in a row of each node: HTTP, consensus, gossip.
const PORTS: u16 = 3;
/// The first port is one of these: below those that the kernel gives to outgoing connections.
const FIRST_PORTS: std::ops::Range<u16> = 12_000..32_000;
/// First ports tried before giving up.
const PORT_TRIES: usize = 1_000;

/// An institution that is a member of the demo's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Institution {
    Board,
    Ministry,
    Rectors,
    Chamber,
}

/// All of them.
pub(super) const INSTITUTIONS: [Institution; 4] = [
    Institution::Board,
    Institution::Ministry,
    Institution::Rectors,
    Institution::Chamber,
];

impl Institution {
    /// Its member id, and the name of its folder.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Ministry => "ministry",
            Self::Rectors => "rectors",
            Self::Chamber => "chamber",
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Board => "Accreditation Board",
            Self::Ministry => "Ministry of Education",
            Self::Rectors => "Rectors' Conference",
            Self::Chamber => "Chamber of Commerce",
        }
    }
}

/// The processes and the folder of a demo. Clones share them.
#[derive(Clone)]
pub(super) struct Network {
    program: PathBuf,
    folder: PathBuf,
    first_port: u16,
    processes: Arc<Mutex<Processes>>,
}

/// Nodes by institution.
#[derive(Default)]
struct Processes {
    running: [Option<Child>; INSTITUTIONS.len()],
    /// The demo ends: nothing is started any more.
    closed: bool,
}

impl Network {
    /// A network in a folder, on loopback ports in a row.
    pub(super) fn new(folder: &Path, first_port: u16) -> Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            folder: folder.to_owned(),
            first_port,
            processes: Arc::default(),
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where an institution's node serves HTTP.
    pub(super) fn listen(&self, institution: Institution) -> String {
        format!("127.0.0.1:{}", self.port(institution))
    }

    /// Where other nodes reach that of an institution.
    pub(super) fn multiaddr(&self, institution: Institution) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.port(institution) + 1)
    }

    pub(super) fn url(&self, institution: Institution) -> String {
        format!("http://{}", self.listen(institution))
    }

    fn port(&self, institution: Institution) -> u16 {
        self.first_port + PORTS * institution as u16
    }

    /// This program, working in the folder of the demo, with the node of an institution.
    fn command(&self, at: Institution, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .current_dir(&self.folder)
            .env("CREDLOG_NODE", self.url(at))
            .env("NO_COLOR", "1")
            .env_remove("CREDLOG_PASSPHRASE")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, at: Institution, words: &[&str]) -> Result<Output> {
        self.command(at, words)
            .output()
            .during(|| format!("credlog {}", words.join(" ")))
    }

    /// What an institution's node says of the ledger.
    pub(super) fn view(&self, at: Institution) -> Result<LedgerView> {
        let node = self.url(at);
        // Nobody is told what is only asked.
        NodeArgs { node, ca: None }
            .connect(Screen::new(true))?
            .ledger()
    }

    /// Starts the nodes of institutions and waits until each answers and is connected to all
    /// others that run. Answers with how long that took.
    pub(super) fn start(&self, institutions: &[Institution]) -> Result<Duration> {
        for &institution in institutions {
            self.spawn(institution)?;
        }
        let others = INSTITUTIONS
            .into_iter()
            .filter(|&institution| self.process_id(institution).is_some())
            .count()
            .saturating_sub(1);
        self.wait("the nodes to find each other", || {
            let connected = |&at: &Institution| {
                self.view(at)
                    .is_ok_and(|view| usize::try_from(view.peers).is_ok_and(|n| n >= others))
            };
            Ok(institutions.iter().all(connected))
        })
    }

    fn spawn(&self, institution: Institution) -> Result<()> {
        let path = self.log_path(institution);
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .during(|| path.display().to_string())?;
        let config = format!("{}/credlog.toml", institution.id());
        let words = ["node", "run", "--config", &config, "--stop-with-stdin"];
        let mut command = self.command(institution, &words);
        // The demo holds the other end: however it ends, the node ends with it.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        let mut processes = self.processes();
        if processes.closed {
            return Err(Failure::new(Exit::Interrupted, "the demo ends"));
        }
        processes.running[institution as usize] = Some(command.spawn()?);
        Ok(())
    }

    /// Waits until something holds; answers with how long that took. A node that ends by
    /// itself ends the waiting.
    pub(super) fn wait(
        &self,
        what: &str,
        mut holds: impl FnMut() -> Result<bool>,
    ) -> Result<Duration> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if holds()? {
                return Ok(start.elapsed());
            }
            if let Some((institution, status)) = self.ended()? {
                let log = std::fs::read_to_string(self.log_path(institution)).unwrap_or_default();
                let last = log.lines().last().unwrap_or("it said nothing");
                let id = institution.id();
                return Err(Failure::input(format!(
                    "the node of {id} ended ({status}): {last}"
                )));
            }
            std::thread::sleep(PAUSE);
        }
        let seconds = PATIENCE.as_secs();
        Err(Failure::new(
            Exit::Node,
            format!("{seconds} s are not enough for {what}"),
        ))
    }

    fn log_path(&self, institution: Institution) -> PathBuf {
        self.folder.join(institution.id()).join("node.log")
    }

    /// The process id of an institution's node, if it runs.
    pub(super) fn process_id(&self, institution: Institution) -> Option<u32> {
        let processes = self.processes();
        processes.running[institution as usize]
            .as_ref()
            .map(Child::id)
    }

    /// Ends a node at once, as a power cut would: SIGKILL on Unix.
    pub(super) fn kill(&self, institution: Institution) -> Result<()> {
        let child = self.processes().running[institution as usize].take();
        if let Some(mut child) = child {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// A node that has ended by itself.
    pub(super) fn ended(&self) -> Result<Option<(Institution, ExitStatus)>> {
        let mut processes = self.processes();
        for institution in INSTITUTIONS {
            let child = &mut processes.running[institution as usize];
            let status = child.as_mut().map(Child::try_wait).transpose()?.flatten();
            if let Some(status) = status {
                return Ok(Some((institution, status)));
            }
        }
        Ok(None)
    }

    /// Starts the node of an institution again after it has ended.
    pub(super) fn start_again(&self, institution: Institution) -> Result<()> {
        self.kill(institution)?;
        self.spawn(institution)
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn ports_of_all() -> u16 {
    INSTITUTIONS.iter().map(|_| PORTS).sum()
}

/// The first of enough ports in a row: the one that is wanted, or one after which all were free
/// a moment ago.
pub(super) fn first_port(wanted: Option<u16>) -> Result<u16> {
    let ports = ports_of_all();
    if let Some(first) = wanted {
        return match first.checked_add(ports) {
            Some(_) if first > 0 => Ok(first),
            _ => Err(Failure::usage(format!(
                "--port {first}: {ports} ports from there are needed"
            ))),
        };
    }
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for _ in 0..PORT_TRIES {
        let first = rand::thread_rng().gen_range(FIRST_PORTS);
        if (first..first + ports).all(free) {
            return Ok(first);
        }
    }
    Err(Failure::input(format!(
        "there are no {ports} free ports in a row on the loopback interface; name the first \
         with --port"
    )))
}

/// Ends the network and removes its folder, whatever happens.
pub(super) struct Cleanup {
    pub(super) network: Network,
    pub(super) keep: bool,
}

impl Cleanup {
    pub(super) fn now(&self) {
        self.network.processes().closed = true;
        // What cannot be ended or removed has ended or is gone.
        for institution in INSTITUTIONS {
            let _ = self.network.kill(institution);
        }
        if !self.keep {
            let _ = std::fs::remove_dir_all(self.network.folder());
        }
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        self.now();
    }
}
