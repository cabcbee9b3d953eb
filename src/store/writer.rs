//! The one thread that writes: what waits in its queue shares one transaction and one sync, and
//! watchers hear of it once it is durable. Knows nothing of how an engine keeps things.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::embedded::{Changed, Engine, is_live, scan};
use super::room::Room;
use super::{Action, Batch, Change, Condition, Item, Key, Outcome, Revision, StoreError, Watch, Write};
use crate::domain::Time;
use crate::world::World;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked for.
pub(super) enum Job {
    Commit(Vec<Write>, Reply<Outcome>),
    Watch(Vec<Key>, Reply<Watch>),
    /// The same, without what lies there.
    Tail(Vec<Key>, Reply<Watch>),
    Sweep(Reply<()>),
    /// The last: nothing is kept, and those who watch go elsewhere.
    GiveAway(Reply<Vec<Watcher>>),
}

/// The only one who writes: lives on its own thread.
pub(super) struct Writer<E> {
    engine: Arc<E>,
    world: World,
    revision: Revision,
    room: Room,
    watchers: Vec<Watcher>,
    syncs: Arc<AtomicU64>,
    /// The engine failed: what it holds in memory may not be what lies on the disk.
    broken: bool,
    /// It belongs to another process.
    given_away: bool,
}

/// Who hears of each commit.
pub(super) struct Watcher {
    prefixes: Vec<Key>,
    to: tokio::sync::mpsc::UnboundedSender<Batch>,
}

impl<E: Engine> Writer<E> {
    pub(super) const fn new(
        engine: Arc<E>,
        world: World,
        revision: Revision,
        room: Room,
        syncs: Arc<AtomicU64>,
    ) -> Self {
        Self { engine, world, revision, room, watchers: Vec::new(), syncs, broken: false, given_away: false }
    }

    /// Works until nobody asks any more, or the engine fails: then the store closes, and those who follow
    /// it hear so.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        let mut swept = Instant::now();
        while !self.broken && !self.given_away {
            let first = match jobs.recv_timeout(SWEEP_EVERY) {
                Ok(job) => Some(job),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            self.work(first.into_iter().chain(jobs.try_iter()).take(GROUP_MAX));
            if swept.elapsed() >= SWEEP_EVERY && !self.given_away {
                if let Err(error) = self.sweep() {
                    tracing::error!(%error, "expired items could not be deleted");
                    self.note(&error);
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
                    let watch = self.watch(prefixes);
                    answer(reply, self.noted(watch));
                }
                Job::Tail(prefixes, reply) => {
                    self.commit_group(std::mem::take(&mut group));
                    answer(reply, Ok(self.tell(prefixes, Vec::new())));
                }
                Job::Sweep(reply) => {
                    self.commit_group(std::mem::take(&mut group));
                    let swept = self.sweep();
                    answer(reply, self.noted(swept));
                }
                Job::GiveAway(reply) => {
                    self.commit_group(std::mem::take(&mut group));
                    self.given_away = true;
                    let watchers = std::mem::take(&mut self.watchers);
                    answer(reply, if self.broken { Err(StoreError::Closed) } else { Ok(watchers) });
                    // Whoever asked for more behind it hears that it is closed.
                    return;
                }
            }
        }
        self.commit_group(group);
    }

    /// An engine that failed once is trusted no more, even where it would go on: whether its last write is on
    /// the disk is unknown, and only opening it anew tells.
    fn note(&mut self, error: &StoreError) {
        match error {
            StoreError::Engine { .. } => {
                tracing::error!(%error, "the store closes");
                self.broken = true;
            }
            StoreError::Full { .. } => tracing::error!(%error, "nothing is written"),
            _ => {}
        }
    }

    fn noted<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &done {
            self.note(error);
        }
        done
    }

    fn commit_group(&mut self, group: Vec<(Vec<Write>, Reply<Outcome>)>) {
        if group.is_empty() {
            return;
        }
        let (all, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        // What came in behind a group that failed is not tried.
        let done = if self.broken { Err(StoreError::Closed) } else { self.commit(&all) };
        match done {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    answer(reply, Ok(outcome));
                }
            }
            Err(error) => {
                self.note(&error);
                for reply in replies {
                    answer(reply, Err(error.clone()));
                }
            }
        }
    }

    /// One transaction for the whole group. Each commit is judged against what the ones before
    /// it left; watchers hear of them once all are durable.
    fn commit(&mut self, group: &[Vec<Write>]) -> Result<Vec<Outcome>, StoreError> {
        self.room.check()?;
        let now = self.world.now();
        let mut revision = self.revision;
        let mut outcomes = Vec::with_capacity(group.len());
        let mut batches = Vec::new();
        let mut ahead = Ahead { engine: &*self.engine, changed: BTreeMap::new() };
        for writes in group {
            if let Some(index) = ahead.first_unmet(writes, now)? {
                outcomes.push(Outcome::Conflict(index));
                continue;
            }
            if writes.iter().any(|write| write.action != Action::Keep) {
                revision += 1;
                batches.push(Batch { revision, changes: ahead.apply(writes, revision)? });
            }
            outcomes.push(Outcome::Committed(revision));
        }
        if !batches.is_empty() {
            let changes: Vec<Changed> = ahead.changed.into_values().collect();
            self.engine.write(&changes, revision)?;
            self.revision = revision;
            self.syncs.fetch_add(1, Ordering::Relaxed);
            self.publish(&batches);
        }
        Ok(outcomes)
    }

    fn publish(&mut self, batches: &[Batch]) {
        self.watchers.retain(|watcher| batches.iter().all(|batch| watcher.hear(batch)));
    }

    /// No commit can come between the snapshot and the first change: both are this thread's.
    fn watch(&mut self, mut prefixes: Vec<Key>) -> Result<Watch, StoreError> {
        // A prefix under another would show its items twice.
        prefixes.sort_unstable();
        prefixes.dedup_by(|longer, shorter| longer.is_under(shorter));
        let now = self.world.now();
        let mut changes = Vec::new();
        for prefix in &prefixes {
            for (key, item) in scan(&*self.engine, prefix, now)? {
                changes.push(Change { key, revision: item.revision, item: Some(item) });
            }
        }
        Ok(self.tell(prefixes, changes))
    }

    /// First this, and what is committed from now on.
    fn tell(&mut self, prefixes: Vec<Key>, changes: Vec<Change>) -> Watch {
        let (to, watch) = tokio::sync::mpsc::unbounded_channel();
        if to.send(Batch { revision: self.revision, changes }).is_ok() {
            self.watchers.push(Watcher { prefixes, to });
        }
        watch
    }

    fn sweep(&mut self) -> Result<(), StoreError> {
        while self.sweep_some()? == SWEPT_AT_ONCE {}
        Ok(())
    }

    fn sweep_some(&mut self) -> Result<usize, StoreError> {
        let expired = self.engine.expired(self.world.now(), SWEPT_AT_ONCE)?;
        let found = expired.len();
        let delete = |key| Write { key, condition: Condition::Any, action: Action::Delete };
        if found > 0 {
            self.commit(&[expired.into_iter().map(delete).collect()])?;
        }
        Ok(found)
    }
}

impl Watcher {
    /// Whether it is still there.
    pub(super) fn hear(&self, batch: &Batch) -> bool {
        let wanted = |change: &&Change| self.prefixes.iter().any(|prefix| change.key.is_under(prefix));
        let changes = batch.changes.iter().filter(wanted).cloned().collect();
        self.to.send(Batch { revision: batch.revision, changes }).is_ok()
    }
}

fn answer<T>(reply: Reply<T>, result: Result<T, StoreError>) {
    // Whoever asked may have gone; the store does not mind.
    drop(reply.send(result));
}

/// What the engine keeps, and what the commits of the group so far will have made of it.
struct Ahead<'a, E> {
    engine: &'a E,
    changed: BTreeMap<Key, Changed>,
}

impl<E: Engine> Ahead<'_, E> {
    fn kept(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        match self.changed.get(key) {
            Some(changed) => Ok(changed.after.clone()),
            None => self.engine.kept(key),
        }
    }

    fn first_unmet(&self, writes: &[Write], now: Time) -> Result<Option<usize>, StoreError> {
        for (index, write) in writes.iter().enumerate() {
            let live = match write.condition {
                Condition::Any => continue,
                _ => self.kept(&write.key)?.filter(|item| is_live(item, now)),
            };
            let holds = match write.condition {
                Condition::Any => true,
                Condition::Absent => live.is_none(),
                Condition::Present => live.is_some(),
                Condition::Revision(revision) => live.is_some_and(|item| item.revision == revision),
            };
            if !holds {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn apply(&mut self, writes: &[Write], revision: Revision) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        for write in writes {
            let before = self.kept(&write.key)?;
            let item = match &write.action {
                Action::Keep => continue,
                Action::Put { value, expires } => {
                    Some(Item { value: value.clone(), revision, expires: *expires })
                }
                Action::Delete if before.is_none() => continue,
                Action::Delete => None,
            };
            let first = Changed { key: write.key.clone(), before, after: None };
            self.changed.entry(write.key.clone()).or_insert(first).after.clone_from(&item);
            changes.push(Change { key: write.key.clone(), item, revision });
        }
        Ok(changes)
    }
}

/// Commits that share one sync; more would make the first of them wait for the rest.
const GROUP_MAX: usize = 1024;

/// Expired items read as absent at once; deleting them only frees their room.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Items that one sweep's commit deletes, so that others wait no longer than for a group.
const SWEPT_AT_ONCE: usize = 1000;
