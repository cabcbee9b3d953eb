//! The store: four verbs (`get`, `scan`, `commit`, `watch`) over keys and values, and the typed
//! reading of records on top. Knows no entity's meaning; only `audit::Ledger` calls `commit`.

pub mod embedded;
mod lately;
mod mark;
mod records;
pub mod redb;
mod room;
#[cfg(feature = "sled")]
pub mod sled;
pub mod succession;
pub mod table;
pub mod view;
mod writer;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::Time;

pub use succession::Audience;
pub use table::{Key, Record, Stored};

/// Counts commits; a record's revision is that of the commit that last wrote it.
pub type Revision = u64;

/// A value with what the store knows about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What was put.
    pub value: Bytes,
    /// The commit that put it.
    pub revision: Revision,
    /// Past it, the item reads as absent.
    pub expires: Option<Time>,
}

/// What must hold of a key for a commit to go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Whatever.
    Any,
    /// No live item.
    Absent,
    /// A live item.
    Present,
    /// A live item of exactly this revision.
    Revision(Revision),
}

/// What a commit does to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: only the condition counts.
    Keep,
    /// Puts a value.
    Put {
        /// The value.
        value: Bytes,
        /// When it goes by itself.
        expires: Option<Time>,
    },
    /// Deletes.
    Delete,
}

/// One line of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Which key.
    pub key: Key,
    /// What must hold.
    pub condition: Condition,
    /// What happens.
    pub action: Action,
}

/// A change that a watcher hears of, after it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which key.
    pub key: Key,
    /// The item now; `None` where it was deleted.
    pub item: Option<Item>,
    /// The commit.
    pub revision: Revision,
}

/// What watchers hear of one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The commit.
    pub revision: Revision,
    /// What it changed under the watched prefixes; may be nothing.
    pub changes: Vec<Change>,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is durable.
    Committed(Revision),
    /// A condition did not hold; nothing was done. The index is that of the first such write.
    Conflict(usize),
}

/// Why the store could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process holds it.
    #[error(
        "another process uses the store at {0}: a gate that is just starting or stopping, as in an upgrade, or a command \
         that goes on without one; repeat this in a moment, and where it says the same, run `portcullis doctor`"
    )]
    InUse(String),
    /// Its file or folder does not hold what the engine wrote.
    #[error(
        "the store at {path} is damaged ({why}): stop every process that uses it, set it aside, and restore the \
         last backup of it in its place; a store that is empty because its first start failed may be deleted"
    )]
    Damaged {
        /// Where it lies.
        path: String,
        /// What the engine said.
        why: String,
    },
    /// A commit that no engine takes: a fault of ours.
    #[error("a commit was refused ({0}): report this as a fault of the gate")]
    Misuse(&'static str),
    /// The engine failed; the text is its own.
    #[error(
        "the store failed while it {attempted} ({source}): see that its disk has room and works, then start again"
    )]
    Engine {
        /// "read", "committed", "opened".
        attempted: &'static str,
        /// What the engine said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The disk is nearly full: nothing was written.
    #[error(
        "the disk of {folder} is full, so nothing was changed: make room on it; the gate goes on by itself, and \
         reads and serves meanwhile what needs no writing"
    )]
    Full {
        /// Where the store lies.
        folder: String,
    },
    /// A record cannot be read: wrong version or broken bytes.
    #[error(
        "the record at {key} cannot be read ({why}): restore the store from a backup, or use the release that wrote it"
    )]
    Unreadable {
        /// Which, for people.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// The store was closed.
    #[error("the store is closed: start again, and see the log for why it closed")]
    Closed,
}

impl StoreError {
    fn damaged(path: &Path, why: &str) -> Self {
        Self::Damaged { path: path.display().to_string(), why: why.to_owned() }
    }
}

/// Batches in the order of their commits, one for each commit. It ends when the store does.
pub type Watch = tokio::sync::mpsc::UnboundedReceiver<Batch>;

/// The four verbs. Engines are interchangeable; one contract suite runs over all.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// The live item at a key.
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError>;

    /// All live items whose key begins with `prefix`, in order of key.
    async fn scan(&self, prefix: &Key) -> Result<Vec<(Key, Item)>, StoreError>;

    /// Does all writes or none. Conditions are judged, in order, against the state before the
    /// commit; no key may stand in it twice. Returns after it is durable.
    async fn commit(&self, writes: Vec<Write>) -> Result<Outcome, StoreError>;

    /// First one batch with every live item under the prefixes, then one for each later commit
    /// with its changes under them, none missing, none twice. The empty key is the prefix of all.
    async fn watch(&self, prefixes: &[Key]) -> Result<Watch, StoreError>;

    /// As [`Store::watch`], without what lies there: the first batch is empty, and says after which commit the next comes.
    async fn tail(&self, _prefixes: &[Key]) -> Result<Watch, StoreError> {
        Err(StoreError::Closed)
    }

    /// Gives it to another process: returns once all that was asked for is durable and this process holds nothing of it.
    /// From then on every verb says [`StoreError::Closed`]; whoever watches goes on by what it returns.
    async fn give_away(&self) -> Result<Audience, StoreError> {
        Err(StoreError::Closed)
    }
}
