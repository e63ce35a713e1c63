//! HTTP by hand, for requests that no client library would send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// A node answers, or closes, within this time.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What a node answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header lines.
    pub head: String,
    /// Body, with the lengths of its chunks if it was streamed.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body of an answer that was streamed, without the lengths of its chunks.
    ///
    /// # Errors
    /// If it breaks off.
    pub fn streamed(&self) -> Result<Vec<u8>> {
        whole_body(&self.body).context("the answer breaks off")
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Opens a connection.
///
/// # Errors
/// If the node does not accept.
pub fn open(address: SocketAddr) -> Result<TcpStream> {
    open_for(address, TIMEOUT)
}

/// Opens a connection on which an answer may take this long.
fn open_for(address: SocketAddr, patience: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends bytes, closes the sending side, and reads until the node closes. `None` if it
/// closes without an answer.
///
/// # Errors
/// If the node neither answers nor closes in time, or what it sends is no HTTP.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Result<Option<Answer>> {
    let mut stream = open(address)?;
    // A node may answer and close before it has read everything: then writing fails, and
    // what it answered still counts.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    read_answer(stream)
}

/// Reads until the node closes.
fn read_answer(stream: TcpStream) -> Result<Option<Answer>> {
    let mut bytes = Vec::new();
    match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => return Err(error).context("the node neither answered nor closed"),
    }
    if bytes.is_empty() {
        Ok(None)
    } else {
        answer(&bytes).map(Some)
    }
}

/// Reads an answer's first status line, head and what follows.
///
/// # Errors
/// If it is no HTTP.
pub fn answer(bytes: &[u8]) -> Result<Answer> {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(bytes.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    let Some(Ok(status)) = status.map(str::parse) else {
        bail!("this is no HTTP answer: {head:?}");
    };
    Ok(Answer {
        status,
        head,
        body: bytes[end..].to_vec(),
    })
}

/// A body without the lengths of its chunks (RFC 9112, section 7.1); `None` if it breaks off.
fn whole_body(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&chunks[..end]).ok()?;
        let length = usize::from_str_radix(length, 16).ok()?;
        let (chunk, rest) = chunks[end + 2..].split_at_checked(length)?;
        if chunk.is_empty() {
            return Some(body);
        }
        body.extend_from_slice(chunk);
        chunks = rest.strip_prefix(b"\r\n")?;
    }
}

/// A plain POST.
///
/// # Errors
/// If the node does not answer.
pub fn post(address: SocketAddr, path: &str, media: &str, body: &[u8]) -> Result<Answer> {
    post_for(address, path, media, body, TIMEOUT)
}

/// A plain POST whose answer may take this long.
///
/// # Errors
/// If the node does not answer.
pub fn post_for(
    address: SocketAddr,
    path: &str,
    media: &str,
    body: &[u8],
    patience: Duration,
) -> Result<Answer> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
         Content-Type: {media}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    whole(address, &[head.as_bytes(), body].concat(), patience)
}

/// A plain GET.
///
/// # Errors
/// If the node does not answer.
pub fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    whole(address, request.as_bytes(), TIMEOUT)
}

/// Sends a whole request and keeps the sending side open: a node may take a closed one for
/// a client that has gone.
fn whole(address: SocketAddr, request: &[u8], patience: Duration) -> Result<Answer> {
    let mut stream = open_for(address, patience)?;
    stream.write_all(request)?;
    read_answer(stream)?.context("the node closed without an answer")
}
