//! Whether the client at the other end of a quiet connection is still there (RFC 9113 6.7).

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep};

use crate::front::activity::Activity;

/// Looks now and then whether anything came, and asks where nothing did.
pub(super) struct Pulse {
    pings: Option<PingPong>,
    next: Pin<Box<Sleep>>,
    asked: bool,
}

impl Pulse {
    pub(super) fn new(pings: Option<PingPong>) -> Self {
        Self { pings, next: Box::pin(tokio::time::sleep(LOOKED_AT_EVERY)), asked: false }
    }

    /// Ready once nothing came for too long, an answer least of all.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>, activity: &Activity) -> Poll<()> {
        while self.next.as_mut().poll(cx).is_ready() {
            let quiet = !activity.has_stirred();
            if quiet && self.asked {
                return Poll::Ready(());
            }
            if let Some(pings) = &mut self.pings {
                // One PING at a time, whose answer h2 keeps until it is asked for. Where an old one has none, it asks on.
                let _ = pings.poll_pong(cx);
                if quiet {
                    let _ = pings.send_ping(Ping::opaque());
                }
            }
            self.asked = quiet;
            self.next.as_mut().reset(Instant::now() + LOOKED_AT_EVERY);
        }
        Poll::Pending
    }
}

/// A client that went away without a word is found within three of these.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);
