//! A stream whose writes do not wait for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long writing may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Time for which writing may wait beyond what the bytes written take.
    pub(crate) stalled_max: Duration,
    /// Each byte written gives back the time that it takes at this rate, up to
    /// `stalled_max`.
    pub(crate) bytes_per_second_min: u32,
}

impl Patience {
    fn worth(self, bytes: usize) -> Duration {
        let rate = u64::from(self.bytes_per_second_min.max(1));
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / rate;
        Duration::from_nanos(nanos)
    }
}

/// A stream that fails when its peer takes too little while there is something to write:
/// nothing for a time, or always only a little. hyper bounds the time of reading; this
/// bounds the time of writing.
///
/// Only the time in which a write waits is counted, so a peer that keeps pace loses nothing.
pub(crate) struct Patient<S> {
    stream: S,
    patience: Patience,
    /// What is left of the patience.
    left: Duration,
    /// Since when a write waits.
    since: Option<Instant>,
    deadline: Pin<Box<Sleep>>,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, patience: Patience) -> Self {
        Self {
            stream,
            patience,
            left: patience.stalled_max,
            since: None,
            deadline: Box::pin(tokio::time::sleep(patience.stalled_max)),
        }
    }

    /// Passes a result on; one that is pending for too long becomes an error. `bytes` says
    /// how many a result wrote.
    fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = poll {
            if let Some(since) = self.since.take() {
                self.left = self.left.saturating_sub(since.elapsed());
            }
            let written = result.as_ref().map_or(0, bytes);
            self.left += self.patience.worth(written);
            self.left = self.left.min(self.patience.stalled_max);
            return Poll::Ready(result);
        }
        if self.since.is_none() {
            let now = Instant::now();
            self.since = Some(now);
            self.deadline.as_mut().reset(now + self.left);
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bound(cx, poll, |count| *count)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bound(cx, poll, |count| *count)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.bound(cx, poll, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bound(cx, poll, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENCE: Patience = Patience {
        stalled_max: Duration::from_millis(500),
        bytes_per_second_min: 100,
    };

    /// Takes 16 bytes again and again, with a pause before each.
    async fn read_slowly(mut far: tokio::io::DuplexStream, pause: Duration) {
        let mut part = [0; 16];
        loop {
            tokio::time::sleep(pause).await;
            if !matches!(far.read(&mut part).await, Ok(1..)) {
                break;
            }
        }
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_is_given_up() {
        let (near, far) = tokio::io::duplex(16);
        let mut near = Patient::new(near, PATIENCE);
        let error = near.write_all(&[0; 17]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(far);
    }

    #[tokio::test]
    async fn a_peer_that_reads_at_the_least_rate_is_served() {
        let (near, far) = tokio::io::duplex(16);
        let mut near = Patient::new(near, PATIENCE);
        // 16 bytes in 20 ms are 800 a second.
        let reader = tokio::spawn(read_slowly(far, Duration::from_millis(20)));
        let begun = Instant::now();
        near.write_all(&[7; 1_024]).await.unwrap();
        assert!(begun.elapsed() > 2 * PATIENCE.stalled_max);
        reader.abort();
    }

    /// Any progress once made the patience new: a peer that took a byte now and then held
    /// its connection and its answer for ever.
    #[tokio::test]
    async fn a_peer_that_reads_a_little_now_and_then_is_given_up() {
        let (near, far) = tokio::io::duplex(16);
        let mut near = Patient::new(near, PATIENCE);
        let reader = tokio::spawn(read_slowly(far, Duration::from_millis(250)));
        let begun = Instant::now();
        let error = near.write_all(&[7; 16_384]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // At the least rate all of it would take 160 s.
        assert!(begun.elapsed() < Duration::from_secs(20));
        reader.abort();
    }
}
