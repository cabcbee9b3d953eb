//! The embedded engine: redb, one file, one process. Reads where it is asked; all writing is one
//! thread's (`writer`). Knows nothing of records: keys and bytes only.

mod file;
mod writer;

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;

use self::writer::{Job, Writer};
use super::{Item, Key, Outcome, Revision, Store, StoreError, Watch, Write};
use crate::domain::Time;
use crate::world::World;

/// The store in one file.
pub struct Redb {
    database: Arc<Database>,
    world: World,
    queue: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    syncs: Arc<AtomicU64>,
}

impl Redb {
    /// Opens the store at `path`, or makes it with mode 0600. The whole file is checked before
    /// it is trusted.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process has it, [`StoreError::Damaged`] where it does
    /// not hold what redb wrote, and what the file system says.
    pub fn create_or_open(path: &Path, world: World) -> Result<Self, StoreError> {
        let (database, revision) = file::create_or_open(path)?;
        let database = Arc::new(database);
        let syncs = Arc::new(AtomicU64::new(0));
        let (queue, jobs) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&database), world.clone(), revision, Arc::clone(&syncs));
        let thread = std::thread::Builder::new()
            .name("portcullis-store".to_owned())
            .spawn(move || writer.run(&jobs))
            .map_err(failed("opened"))?;
        Ok(Self { database, world, queue: Some(queue), writer: Some(thread), syncs })
    }

    /// How many transactions were made durable, each with one fsync, since it was opened.
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

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(job(reply)).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }
}

impl Drop for Redb {
    /// Returns once the writer has done what was asked of it, so that the file is free.
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
impl Store for Redb {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let now = self.world.now();
        let read = self.database.begin_read().map_err(failed("read"))?;
        let items = read.open_table(ITEMS).map_err(failed("read"))?;
        Ok(live(&items, key, now)?)
    }

    async fn scan(&self, prefix: &Key) -> Result<Vec<(Key, Item)>, StoreError> {
        let (database, prefix, now) = (Arc::clone(&self.database), prefix.clone(), self.world.now());
        // A long scan must not hold up a runtime that serves requests.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime
                .spawn_blocking(move || scan(&database, &prefix, now))
                .await
                .map_err(|_| StoreError::Closed)?,
            Err(_) => scan(&database, &prefix, now),
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
}

fn live(
    items: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &Key,
    now: Time,
) -> Result<Option<Item>, StoreError> {
    let found = items.get(key.as_bytes()).map_err(failed("read"))?;
    let item = found.map(|value| unpack(key, value.value())).transpose()?;
    Ok(item.filter(|item| is_live(item, now)))
}

fn scan(database: &Database, prefix: &Key, now: Time) -> Result<Vec<(Key, Item)>, StoreError> {
    let read = database.begin_read().map_err(failed("read"))?;
    let items = read.open_table(ITEMS).map_err(failed("read"))?;
    let from = (Bound::Included(prefix.as_bytes()), Bound::Unbounded);
    let mut found = Vec::new();
    for entry in items.range::<&[u8]>(from).map_err(failed("read"))? {
        let (key, value) = entry.map_err(failed("read"))?;
        let key = Key::from_bytes(key.value().to_vec());
        if !key.is_under(prefix) {
            break;
        }
        let item = unpack(&key, value.value())?;
        if is_live(&item, now) {
            found.push((key, item));
        }
    }
    Ok(found)
}

fn is_live(item: &Item, now: Time) -> bool {
    item.expires.is_none_or(|expires| now < expires)
}

/// Revision, expiry (milliseconds; the last number of all: never), bytes.
fn pack(item: &Item) -> Vec<u8> {
    let mut packed = Vec::with_capacity(HEAD_BYTES + item.value.len());
    packed.extend_from_slice(&item.revision.to_be_bytes());
    packed.extend_from_slice(&item.expires.map_or(NEVER, Time::millis).to_be_bytes());
    packed.extend_from_slice(&item.value);
    packed
}

fn unpack(key: &Key, packed: &[u8]) -> Result<Item, StoreError> {
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

fn failed<E: Into<redb::Error>>(attempted: &'static str) -> impl Fn(E) -> StoreError {
    move |error| match error.into() {
        redb::Error::DatabaseClosed => StoreError::Closed,
        error => StoreError::Engine { attempted, source: Arc::new(error) },
    }
}

const ITEMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("items");

/// Which items expire, in order of when.
const EXPIRIES: TableDefinition<'_, (i64, &[u8]), ()> = TableDefinition::new("expiries");

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The last commit's number, in `META`.
const REVISION: &str = "revision";

/// Stands for no expiry.
const NEVER: i64 = i64::MAX;

/// Revision and expiry.
const HEAD_BYTES: usize = 16;
