//! The one thread that writes: what waits in its queue shares one transaction and one fsync, and
//! watchers hear of it once it is durable. Knows nothing of how the file was opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use redb::{Database, Durability, ReadableDatabase, ReadableTable, Table};
use tokio::sync::oneshot;

use super::super::{
    Action, Batch, Change, Condition, Item, Key, Outcome, Revision, StoreError, Watch, Write,
};
use super::{EXPIRIES, ITEMS, META, REVISION, failed, live, pack, scan, unpack};
use crate::domain::Time;
use crate::world::World;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked for.
pub(super) enum Job {
    Commit(Vec<Write>, Reply<Outcome>),
    Watch(Vec<Key>, Reply<Watch>),
    Sweep(Reply<()>),
}

/// The only one who writes: lives on its own thread.
pub(super) struct Writer {
    database: Arc<Database>,
    world: World,
    revision: Revision,
    watchers: Vec<Watcher>,
    syncs: Arc<AtomicU64>,
}

struct Watcher {
    prefixes: Vec<Key>,
    to: tokio::sync::mpsc::UnboundedSender<Batch>,
}

impl Writer {
    pub(super) const fn new(
        database: Arc<Database>,
        world: World,
        revision: Revision,
        syncs: Arc<AtomicU64>,
    ) -> Self {
        Self { database, world, revision, watchers: Vec::new(), syncs }
    }

    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        let mut swept = Instant::now();
        loop {
            let first = match jobs.recv_timeout(SWEEP_EVERY) {
                Ok(job) => Some(job),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            self.work(first.into_iter().chain(jobs.try_iter()).take(GROUP_MAX));
            if swept.elapsed() >= SWEEP_EVERY {
                if let Err(error) = self.sweep() {
                    tracing::error!(%error, "expired items could not be deleted");
                }
                swept = Instant::now();
            }
        }
    }

    /// Does the jobs in order; commits that follow one another are one group.
    fn work(&mut self, jobs: impl Iterator<Item = Job>) {
        let mut group = Vec::new();
        for job in jobs {
            match job {
                Job::Commit(writes, reply) => group.push((writes, reply)),
                Job::Watch(prefixes, reply) => {
                    self.commit_group(std::mem::take(&mut group));
                    answer(reply, self.watch(prefixes));
                }
                Job::Sweep(reply) => {
                    self.commit_group(std::mem::take(&mut group));
                    answer(reply, self.sweep());
                }
            }
        }
        self.commit_group(group);
    }

    fn commit_group(&mut self, group: Vec<(Vec<Write>, Reply<Outcome>)>) {
        if group.is_empty() {
            return;
        }
        let (all, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        match self.commit(&all) {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    answer(reply, Ok(outcome));
                }
            }
            Err(error) => {
                for reply in replies {
                    answer(reply, Err(error.clone()));
                }
            }
        }
    }

    /// One transaction for the whole group. Each commit is judged against what the ones before
    /// it left; watchers hear of them once all are durable.
    fn commit(&mut self, group: &[Vec<Write>]) -> Result<Vec<Outcome>, StoreError> {
        let now = self.world.now();
        let mut transaction = self.database.begin_write().map_err(failed("committed"))?;
        transaction.set_durability(Durability::Immediate).map_err(failed("committed"))?;
        transaction.set_quick_repair(true);
        let mut revision = self.revision;
        let mut outcomes = Vec::with_capacity(group.len());
        let mut batches = Vec::new();
        {
            let mut items = transaction.open_table(ITEMS).map_err(failed("committed"))?;
            let mut expiries = transaction.open_table(EXPIRIES).map_err(failed("committed"))?;
            for writes in group {
                if let Some(index) = first_unmet(&items, writes, now)? {
                    outcomes.push(Outcome::Conflict(index));
                    continue;
                }
                if writes.iter().any(|write| write.action != Action::Keep) {
                    revision += 1;
                    let changes = apply(&mut items, &mut expiries, writes, revision)?;
                    batches.push(Batch { revision, changes });
                }
                outcomes.push(Outcome::Committed(revision));
            }
            if !batches.is_empty() {
                let mut meta = transaction.open_table(META).map_err(failed("committed"))?;
                meta.insert(REVISION, revision).map_err(failed("committed"))?;
            }
        }
        if batches.is_empty() {
            transaction.abort().map_err(failed("committed"))?;
        } else {
            transaction.commit().map_err(failed("committed"))?;
            self.revision = revision;
            self.syncs.fetch_add(1, Ordering::Relaxed);
            self.publish(&batches);
        }
        Ok(outcomes)
    }

    fn publish(&mut self, batches: &[Batch]) {
        self.watchers.retain(|watcher| {
            batches.iter().all(|batch| {
                let wanted = |change: &&Change| watcher.prefixes.iter().any(|p| change.key.is_under(p));
                let changes = batch.changes.iter().filter(wanted).cloned().collect();
                watcher.to.send(Batch { revision: batch.revision, changes }).is_ok()
            })
        });
    }

    /// No commit can come between the snapshot and the first change: both are this thread's.
    fn watch(&mut self, mut prefixes: Vec<Key>) -> Result<Watch, StoreError> {
        // A prefix under another would show its items twice.
        prefixes.sort_unstable();
        prefixes.dedup_by(|longer, shorter| longer.is_under(shorter));
        let now = self.world.now();
        let mut changes = Vec::new();
        for prefix in &prefixes {
            for (key, item) in scan(&self.database, prefix, now)? {
                changes.push(Change { key, revision: item.revision, item: Some(item) });
            }
        }
        let (to, watch) = tokio::sync::mpsc::unbounded_channel();
        if to.send(Batch { revision: self.revision, changes }).is_ok() {
            self.watchers.push(Watcher { prefixes, to });
        }
        Ok(watch)
    }

    fn sweep(&mut self) -> Result<(), StoreError> {
        while self.sweep_some()? == SWEPT_AT_ONCE {}
        Ok(())
    }

    fn sweep_some(&mut self) -> Result<usize, StoreError> {
        let now = self.world.now();
        let mut writes = Vec::new();
        {
            let read = self.database.begin_read().map_err(failed("read"))?;
            let expiries = read.open_table(EXPIRIES).map_err(failed("read"))?;
            let until = now.millis().saturating_add(1);
            for entry in expiries.range(..(until, [].as_slice())).map_err(failed("read"))?.take(SWEPT_AT_ONCE)
            {
                let (at, ()) = entry.map(|(at, value)| (at, value.value())).map_err(failed("read"))?;
                let key = Key::from_bytes(at.value().1.to_vec());
                writes.push(Write { key, condition: Condition::Any, action: Action::Delete });
            }
        }
        let found = writes.len();
        if found > 0 {
            self.commit(&[writes])?;
        }
        Ok(found)
    }
}

fn answer<T>(reply: Reply<T>, result: Result<T, StoreError>) {
    // Whoever asked may have gone; the store does not mind.
    drop(reply.send(result));
}

fn first_unmet(
    items: &impl ReadableTable<&'static [u8], &'static [u8]>,
    writes: &[Write],
    now: Time,
) -> Result<Option<usize>, StoreError> {
    for (index, write) in writes.iter().enumerate() {
        let holds = match write.condition {
            Condition::Any => true,
            Condition::Absent => live(items, &write.key, now)?.is_none(),
            Condition::Present => live(items, &write.key, now)?.is_some(),
            Condition::Revision(revision) => {
                live(items, &write.key, now)?.is_some_and(|item| item.revision == revision)
            }
        };
        if !holds {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn apply(
    items: &mut Table<'_, &'static [u8], &'static [u8]>,
    expiries: &mut Table<'_, (i64, &'static [u8]), ()>,
    writes: &[Write],
    revision: Revision,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    for write in writes {
        let key = write.key.as_bytes();
        let (before, item) = match &write.action {
            Action::Keep => continue,
            Action::Put { value, expires } => {
                let item = Item { value: value.clone(), revision, expires: *expires };
                let before = items.insert(key, pack(&item).as_slice()).map_err(failed("committed"))?;
                (before.map(|old| unpack(&write.key, old.value())).transpose()?, Some(item))
            }
            Action::Delete => {
                let before = items.remove(key).map_err(failed("committed"))?;
                let Some(before) = before.map(|old| unpack(&write.key, old.value())).transpose()? else {
                    continue;
                };
                (Some(before), None)
            }
        };
        if let Some(expired) = before.and_then(|item| item.expires) {
            expiries.remove((expired.millis(), key)).map_err(failed("committed"))?;
        }
        if let Some(expires) = item.as_ref().and_then(|item| item.expires) {
            expiries.insert((expires.millis(), key), ()).map_err(failed("committed"))?;
        }
        changes.push(Change { key: write.key.clone(), item, revision });
    }
    Ok(changes)
}

/// Commits that share one fsync; more would make the first of them wait for the rest.
const GROUP_MAX: usize = 1024;

/// Expired items read as absent at once; deleting them only frees their room.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Items that one sweep's commit deletes, so that others wait no longer than for a group.
const SWEPT_AT_ONCE: usize = 1000;
