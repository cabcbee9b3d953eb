//! Whether the client at the other end of a quiet connection is still there (RFC 9113 6.7).

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep};

use crate::front::activity::Activity;

/// Looks now and then whether anything moved, either way, and asks where nothing did.
pub(super) struct Pulse {
    pings: Option<PingPong>,
    next: Pin<Box<Sleep>>,
    /// Looks since anything moved.
    quiet: u32,
}

impl Pulse {
    pub(super) fn new(pings: Option<PingPong>) -> Self {
        Self { pings, next: Box::pin(tokio::time::sleep(LOOKED_AT_EVERY)), quiet: 0 }
    }

    /// Ready once nothing came for too long, an answer least of all.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>, activity: &Activity) -> Poll<()> {
        while self.next.as_mut().poll(cx).is_ready() {
            self.quiet = if activity.has_stirred() { 0 } else { self.quiet + 1 };
            if self.quiet > QUIET_MAX {
                return Poll::Ready(());
            }
            if let Some(pings) = &mut self.pings {
                // One PING at a time, whose answer h2 keeps until it is asked for. Where an old one has none, it asks on.
                let _ = pings.poll_pong(cx);
                if self.quiet > 0 {
                    let _ = pings.send_ping(Ping::opaque());
                }
            }
            self.next.as_mut().reset(Instant::now() + LOOKED_AT_EVERY);
        }
        Poll::Pending
    }
}

/// A machine that went away without a word is found by its silence to what this makes it be sent: TCP gives it up
/// (`arrival`).
const LOOKED_AT_EVERY: Duration =
    if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(10) };

/// Five minutes in all. A client that takes a long answer slowly has megabytes to read before our PING, and is no worse for that.
const QUIET_MAX: u32 = 30;
