//! A copy of what a node publishes of its log, served again, whole or with bytes changed.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use credlog_e2e::get;

use crate::cluster::Cluster;

/// Leaves of a tile, and of a bundle.
const WIDTH: u64 = 256;
/// Longest head of a request that is read.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// A checker sends its request within this time.
const PATIENCE: Duration = Duration::from_secs(10);

type Files = BTreeMap<String, Vec<u8>>;

/// Files by their path, served over HTTP until it is dropped.
pub struct Mirror {
    files: Arc<Mutex<Files>>,
    whole: Files,
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Cluster {
    /// Copies checkpoint, policy, tiles and bundles of a node, and serves the copy.
    ///
    /// # Errors
    /// If the node does not serve them.
    pub fn mirror(&self, node: usize) -> Result<Mirror> {
        let mut files = Files::new();
        let mut copy = |path: &str| -> Result<()> {
            let answer = get(self.address(node), path)?;
            ensure!(answer.status == 200, "GET {path}: {}", answer.status);
            files.insert(path.to_owned(), answer.body);
            Ok(())
        };
        copy("/v1/policy")?;
        copy("/checkpoint")?;
        let size = self.view(node)?.size;
        let mut level = Some(0_u32);
        while let Some(now) = level {
            let hashes = size / WIDTH.pow(now);
            for path in paths(&now.to_string(), hashes)? {
                copy(&path)?;
            }
            level = (hashes >= WIDTH).then_some(now + 1);
        }
        for path in paths("entries", size)? {
            copy(&path)?;
        }
        Mirror::start(files)
    }
}

/// Where the tiles of one level are that hold so many hashes or entries.
fn paths(level: &str, count: u64) -> Result<Vec<String>> {
    ensure!(count < 1_000 * WIDTH, "the log is too long for a test");
    let full = (0..count / WIDTH).map(|number| format!("/tile/{level}/{number:03}"));
    let rest = count % WIDTH;
    let partial = (rest > 0).then(|| format!("/tile/{level}/{:03}.p/{rest}", count / WIDTH));
    Ok(full.chain(partial).collect())
}

impl Mirror {
    fn start(whole: Files) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let files = Arc::new(Mutex::new(whole.clone()));
        let stopped = Arc::new(AtomicBool::new(false));
        let server = std::thread::spawn({
            let (files, stopped) = (Arc::clone(&files), Arc::clone(&stopped));
            move || {
                for stream in listener.incoming() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Ok(stream) = stream {
                        // A client that goes away finds its own error.
                        let _ = serve(stream, &files);
                    }
                }
            }
        });
        Ok(Self {
            files,
            whole,
            address,
            stopped,
            server: Some(server),
        })
    }

    /// Where it is served.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.whole.keys().map(String::as_str)
    }

    /// A file as the node served it.
    ///
    /// # Errors
    /// If there is none of this path.
    pub fn file(&self, path: &str) -> Result<&[u8]> {
        let file = self.whole.get(path);
        file.map(Vec::as_slice)
            .with_context(|| format!("no {path}"))
    }

    /// From now on the copy differs from the node in one byte of one file.
    ///
    /// # Errors
    /// If there is no such byte.
    pub fn corrupt(&self, path: &str, place: usize) -> Result<()> {
        let mut files = self.whole.clone();
        let file = files.get_mut(path).with_context(|| format!("no {path}"))?;
        let byte = file.get_mut(place);
        *byte.with_context(|| format!("{path} has no byte {place}"))? ^= 1;
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
        Ok(())
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the server.
        let _ = TcpStream::connect(self.address);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

fn serve(mut stream: TcpStream, files: &Mutex<Files>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut part = [0; 1_024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&part[..read]);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let files = files.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, body) = match files.get(path) {
        Some(body) => ("200 OK", body.as_slice()),
        None => ("404 Not Found", &[][..]),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}
