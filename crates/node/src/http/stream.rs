//! An answer that is sent in parts, with a bound on what waits to be sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes that may wait for a client. One that sends all of its lines before it reads an answer
/// gets this far; then it has to read.
const WAITING_BYTES_MAX: u32 = 16 << 20;

type Part = (Bytes, OwnedSemaphorePermit);

/// Where the parts go in.
pub(crate) struct Sink {
    parts: mpsc::UnboundedSender<Part>,
    room: Arc<Semaphore>,
}

/// The client is gone.
#[derive(Debug)]
pub(crate) struct Closed;

/// Where they come out.
pub(crate) struct Lines(mpsc::UnboundedReceiver<Part>);

/// A sink and what comes out of it.
pub(crate) fn channel() -> (Sink, Lines) {
    // Unbounded in number, since every part takes its bytes from `room`.
    let (parts, lines) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(WAITING_BYTES_MAX as usize));
    (Sink { parts, room }, Lines(lines))
}

impl Sink {
    /// Sends a part as soon as there is room for it.
    pub(crate) async fn send(&self, part: Bytes) -> Result<(), Closed> {
        let bytes = u32::try_from(part.len()).unwrap_or(u32::MAX);
        let bytes = bytes.clamp(1, WAITING_BYTES_MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes);
        let room = tokio::select! {
            room = room => room.map_err(|_| Closed)?,
            () = self.parts.closed() => return Err(Closed),
        };
        self.parts.send((part, room)).map_err(|_| Closed)
    }
}

impl Stream for Lines {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .poll_recv(cx)
            .map(|part| part.map(|(bytes, _room)| Ok(bytes)))
    }
}
