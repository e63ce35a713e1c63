//! Takes incoming QUIC connections no faster than a rate.
//!
//! The library answers the first packet of a QUIC connection, with a signature and some 30 KiB
//! that live for seconds, before any behaviour is asked. So while the rate is used up, the
//! listener is not asked for more: what waits stays a packet in the endpoint's queue.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::{Multiaddr, Transport};
use tokio::time::Sleep;

use crate::budget::{Bucket, Rate};

/// How long the listener is left alone when the rate is used up.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Throttled<T> {
    inner: T,
    rate: Rate,
    bucket: Bucket,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<T> Throttled<T> {
    pub(crate) fn new(inner: T, rate: Rate) -> Self {
        Self {
            inner,
            rate,
            bucket: Bucket::full(rate, Instant::now()),
            pause: None,
        }
    }
}

impl<T: Transport + Unpin> Transport for Throttled<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Self::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        let this = &mut *self;
        loop {
            if let Some(pause) = &mut this.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                this.pause = None;
            }
            if this.bucket.has(this.rate, 1, Instant::now()) {
                break;
            }
            this.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
        }
        let event = Pin::new(&mut this.inner).poll(context);
        if matches!(event, Poll::Ready(TransportEvent::Incoming { .. })) {
            this.bucket.take(this.rate, 1, Instant::now());
        }
        event
    }
}
