//! How long a tunnel lasts and how much went to the client in it, for whoever writes requests down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

/// Goes along with an answer that opens a tunnel, in its extensions; another is with the tunnel.
#[derive(Clone, Default)]
pub struct Lasting(Arc<Inner>);

#[derive(Default)]
struct Inner {
    bytes: AtomicU64,
    well: AtomicBool,
    over: CancellationToken,
}

/// A tunnel that is open; it is over with this, however it ends.
pub(super) struct Open(Lasting);

impl Lasting {
    /// The tunnel that it tells of.
    pub(super) fn opens(&self) -> Open {
        Open(self.clone())
    }

    /// Waits for its end: how many bytes went to the client, and whether both sides ended it.
    pub async fn over(self) -> (u64, bool) {
        self.0.over.cancelled().await;
        (self.0.bytes.load(Ordering::Relaxed), self.0.well.load(Ordering::Relaxed))
    }
}

impl Open {
    /// So many bytes more went to the client.
    pub(super) fn told(&self, bytes: usize) {
        self.0.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Both sides ended it.
    pub(super) fn ends_well(&self) {
        self.0.0.well.store(true, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.over.cancel();
    }
}
