//! The ledger: the only caller of `store.commit`, so that nothing changes without its trace. It
//! numbers the entries of its node, links each to the one before, and lets calls that come at
//! the same time share one commit. Knows nothing of what the writes mean.

mod entry;
mod event;
mod group;
mod tally;
mod trail;
mod verify;

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

pub use entry::{Entry, Numbered, Outcome};
pub use event::{Event, UnknownEvent};
pub use tally::Tally;
pub use trail::{Head, head, latest, line};
pub use verify::{Bad, Fault, Report, verify};

use crate::store::view::View;
use crate::store::{Revision, Store, StoreError, Write, table};
use crate::world::World;

/// Writes down and changes, in one commit.
pub struct Ledger {
    store: Arc<dyn Store>,
    view: Arc<View>,
    tally: Tally,
    queue: Option<mpsc::UnboundedSender<Call>>,
    writer: Option<JoinHandle<()>>,
}

/// Why nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// A condition of the writes did not hold; nothing was done and nothing written down.
    #[error("somebody else changed it at the same time: read it again and repeat")]
    Conflict,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Ledger {
    /// Takes up the trail of `node` where it ended, on a thread of its own. At most one ledger
    /// may write for a node.
    ///
    /// # Errors
    /// The store's; [`StoreError::Unreadable`] where the trail's head is missing or broken.
    pub async fn open(
        store: Arc<dyn Store>,
        view: Arc<View>,
        world: World,
        node: &str,
    ) -> Result<Arc<Self>, StoreError> {
        let writer = group::Writer::open(Arc::clone(&store), Arc::clone(&view), world, node).await?;
        let (queue, calls) = mpsc::unbounded_channel();
        let not_started = |error: std::io::Error| StoreError::Engine {
            attempted: "started its ledger",
            source: Arc::new(error),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(not_started)?;
        let thread = std::thread::Builder::new()
            .name("portcullis-ledger".to_owned())
            .spawn(move || runtime.block_on(writer.run(calls)))
            .map_err(not_started)?;
        Ok(Arc::new(Self { store, view, tally: Tally::default(), queue: Some(queue), writer: Some(thread) }))
    }

    /// Does all writes and writes the entry down, or does neither. Returns after it is durable
    /// and the view holds it.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] where a condition did not hold, and the store's. After an error
    /// of the store it may have been done all the same: read before repeating.
    pub async fn record(&self, entry: Entry, writes: Vec<Write>) -> Result<Revision, RecordError> {
        let event = entry.event();
        let done = self.call(Some(entry), writes).await?;
        self.tally.told(event);
        Ok(done)
    }

    /// Writes without a trace: for a session's last-seen alone.
    ///
    /// # Errors
    /// As [`Ledger::record`].
    pub async fn untraced(&self, writes: Vec<Write>) -> Result<Revision, RecordError> {
        self.call(None, writes).await
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// How often each thing happened.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The view over it.
    #[must_use]
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    async fn call(&self, entry: Option<Entry>, writes: Vec<Write>) -> Result<Revision, RecordError> {
        check(&writes)?;
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Call { entry, writes, reply }).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Ledger {
    /// Returns once what was asked of it is done, so that the store can be closed.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the ledger's writer had stopped");
        }
    }
}

/// What one caller asks for.
struct Call {
    entry: Option<Entry>,
    writes: Vec<Write>,
    reply: oneshot::Sender<Result<Revision, RecordError>>,
}

/// One wrong call must not spoil those it shares a commit with.
fn check(writes: &[Write]) -> Result<(), StoreError> {
    if writes.iter().any(|write| matches!(write.key.table(), table::TRAIL | table::TRAIL_HEADS)) {
        return Err(StoreError::Misuse("only the ledger writes the trail"));
    }
    for (index, write) in writes.iter().enumerate() {
        if writes[..index].iter().any(|earlier| earlier.key == write.key) {
            return Err(StoreError::Misuse("a key stands in it twice"));
        }
    }
    Ok(())
}
