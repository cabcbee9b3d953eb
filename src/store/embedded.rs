//! What every embedded engine is made of: reads where it is asked, one thread that writes
//! (`writer`), items packed alike. Knows no engine: one is given as an [`Engine`].

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::room::Room;
use super::writer::{Job, Writer};
use super::{Audience, Item, Key, Outcome, Revision, Store, StoreError, Watch, Write};
use crate::domain::Time;
use crate::world::World;

/// What an engine must be able to do. Whether an item has expired is not its concern.
pub trait Engine: Send + Sync + 'static {
    /// The item at a key.
    ///
    /// # Errors
    /// The engine's, here as below.
    fn kept(&self, key: &Key) -> Result<Option<Item>, StoreError>;

    /// Shows each item whose key begins with `prefix`, in order of key, as of one moment.
    ///
    /// # Errors
    /// As above.
    fn walk(&self, prefix: &Key, seen: &mut dyn FnMut(Key, Item)) -> Result<(), StoreError>;

    /// The first keys, at most `most`, of items whose expiry is `now` or before.
    ///
    /// # Errors
    /// As above.
    fn expired(&self, now: Time, most: usize) -> Result<Vec<Key>, StoreError>;

    /// Does all changes or none, and notes the number of the last commit. What it did is durable
    /// when it returns, and read by nobody before. Where it fails, every later one fails too, until
    /// the store is opened anew.
    ///
    /// # Errors
    /// As above.
    fn write(&self, changes: &[Changed], revision: Revision) -> Result<(), StoreError>;
}

/// What a group of commits makes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which key.
    pub key: Key,
    /// What the engine keeps there.
    pub before: Option<Item>,
    /// What it shall keep.
    pub after: Option<Item>,
}

/// A store of one process over an engine.
pub struct Embedded<E: Engine> {
    /// None once it was given away.
    engine: RwLock<Option<Arc<E>>>,
    world: World,
    queue: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    syncs: Arc<AtomicU64>,
}

impl<E: Engine> Embedded<E> {
    /// Starts the writer over an engine that lies at `path` and whose last commit was `revision`.
    pub(super) fn over(engine: E, path: &Path, revision: Revision, world: World) -> Result<Self, StoreError> {
        let engine = Arc::new(engine);
        let syncs = Arc::new(AtomicU64::new(0));
        let (queue, jobs) = mpsc::channel();
        let (room, shared) = (Room::under(path), Arc::clone(&engine));
        let writer = Writer::new(shared, world.clone(), revision, room, Arc::clone(&syncs));
        let thread = std::thread::Builder::new()
            .name("portcullis-store".to_owned())
            .spawn(move || writer.run(&jobs))
            .map_err(|error| StoreError::Engine { attempted: "opened", source: Arc::new(error) })?;
        let engine = RwLock::new(Some(engine));
        Ok(Self { engine, world, queue: Some(queue), writer: Some(thread), syncs })
    }

    /// How many groups of commits were made durable, each with one sync, since it was opened.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Deletes what has expired, as the writer does by itself from time to time.
    ///
    /// # Errors
    /// The engine's.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        self.ask(Job::Sweep).await?
    }

    fn engine(&self) -> Result<Arc<E>, StoreError> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.clone().ok_or(StoreError::Closed)
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(job(reply)).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }
}

impl<E: Engine> Drop for Embedded<E> {
    /// Returns once the writer has done what was asked of it, so that the engine is free.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer had stopped");
        }
    }
}

#[async_trait::async_trait]
impl<E: Engine> Store for Embedded<E> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        live(&*self.engine()?, key, self.world.now())
    }

    async fn scan(&self, prefix: &Key) -> Result<Vec<(Key, Item)>, StoreError> {
        let (engine, prefix, now) = (self.engine()?, prefix.clone(), self.world.now());
        // A long scan must not hold up a runtime that serves requests.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime
                .spawn_blocking(move || scan(&*engine, &prefix, now))
                .await
                .map_err(|_| StoreError::Closed)?,
            Err(_) => scan(&*engine, &prefix, now),
        }
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Outcome, StoreError> {
        let mut keys: Vec<&Key> = writes.iter().map(|write| &write.key).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(StoreError::Misuse("a key stands in it twice"));
        }
        self.ask(|reply| Job::Commit(writes, reply)).await?
    }

    async fn watch(&self, prefixes: &[Key]) -> Result<Watch, StoreError> {
        let prefixes = prefixes.to_vec();
        self.ask(|reply| Job::Watch(prefixes, reply)).await?
    }

    async fn tail(&self, prefixes: &[Key]) -> Result<Watch, StoreError> {
        let prefixes = prefixes.to_vec();
        self.ask(|reply| Job::Tail(prefixes, reply)).await?
    }

    async fn give_away(&self) -> Result<Audience, StoreError> {
        let watchers = self.ask(Job::GiveAway).await??;
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner).take();
        // The writer's thread is ending, and reads that are under way end by themselves: then nobody holds it.
        while let Some(shared) = engine {
            engine = Arc::try_unwrap(shared).map_or_else(Some, |alone| {
                drop(alone);
                None
            });
            if engine.is_some() {
                tokio::time::sleep(LOCK_WAIT).await;
            }
        }
        Ok(Audience(watchers))
    }
}

/// Opens an engine's files, and tries again for a while where they are in use: whoever closed them may hold
/// their locks a little longer by a thread that ends in its own time, or by a child that was being forked and
/// keeps its parent's files until it executes its own program.
pub(super) fn once_free<T>(open: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    for _ in 0..LOCK_TRIES {
        match open() {
            Err(StoreError::InUse(_)) => std::thread::sleep(LOCK_WAIT),
            opened => return opened,
        }
    }
    open()
}

fn live(engine: &impl Engine, key: &Key, now: Time) -> Result<Option<Item>, StoreError> {
    Ok(engine.kept(key)?.filter(|item| is_live(item, now)))
}

/// The live items under a prefix, in order of key.
pub(super) fn scan(engine: &impl Engine, prefix: &Key, now: Time) -> Result<Vec<(Key, Item)>, StoreError> {
    let mut found = Vec::new();
    engine.walk(prefix, &mut |key, item| {
        if is_live(&item, now) {
            found.push((key, item));
        }
    })?;
    Ok(found)
}

/// Whether an item has not expired.
pub(super) fn is_live(item: &Item, now: Time) -> bool {
    item.expires.is_none_or(|expires| now < expires)
}

/// Revision, expiry (milliseconds; the last number of all: never), bytes.
pub(super) fn pack(item: &Item) -> Vec<u8> {
    let mut packed = Vec::with_capacity(HEAD_BYTES + item.value.len());
    packed.extend_from_slice(&item.revision.to_be_bytes());
    packed.extend_from_slice(&item.expires.map_or(NEVER, Time::millis).to_be_bytes());
    packed.extend_from_slice(&item.value);
    packed
}

/// The item that [`pack`] wrote.
pub(super) fn unpack(key: &Key, packed: &[u8]) -> Result<Item, StoreError> {
    let unreadable = || StoreError::Unreadable { key: format!("{key:?}"), why: "too short".to_owned() };
    let (revision, rest) = packed.split_first_chunk().ok_or_else(unreadable)?;
    let (expires, value) = rest.split_first_chunk().ok_or_else(unreadable)?;
    let expires = i64::from_be_bytes(*expires);
    Ok(Item {
        value: Bytes::copy_from_slice(value),
        revision: Revision::from_be_bytes(*revision),
        expires: (expires != NEVER).then_some(Time(expires)),
    })
}

/// Stands for no expiry.
const NEVER: i64 = i64::MAX;

/// Revision and expiry.
const HEAD_BYTES: usize = 16;

/// Two seconds in all.
const LOCK_TRIES: u32 = 200;

/// Between two tries.
const LOCK_WAIT: Duration = Duration::from_millis(10);
