//! What every engine of the store promises, run over each; and what stands on it: the view, the
//! ledger, and the bytes of each record. An engine is added by a line in `ENGINES`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

mod embedded;
mod flips;
mod golden;
mod ledger;
mod samples;
mod synced;
mod verbs;
mod view;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis::domain::Time;
use portcullis::store::embedded::{Embedded, Engine};
use portcullis::store::redb::Redb;
#[cfg(feature = "sled")]
use portcullis::store::sled::Sled;
use portcullis::store::{Action, Condition, Key, Outcome, Revision, Store, StoreError, Write};
use portcullis::world::{HeldClock, World};

/// The engines under test.
const ENGINES: &[Kind] = &[
    Kind { name: "redb", open: |path, world| Ok(Arc::new(Redb::create_or_open(path, world)?)) },
    #[cfg(feature = "sled")]
    Kind { name: "sled", open: |path, world| Ok(Arc::new(Sled::create_or_open(path, world)?)) },
];

/// An engine: its name, and how one is opened at a path.
struct Kind {
    name: &'static str,
    open: fn(&Path, World) -> Opening,
}

type Opening = Result<Arc<dyn Opened>, StoreError>;

/// A store, and what only an embedded one can do.
#[async_trait::async_trait]
trait Opened: Store {
    fn syncs(&self) -> u64;
    async fn sweep(&self) -> Result<(), StoreError>;
}

#[async_trait::async_trait]
impl<E: Engine> Opened for Embedded<E> {
    fn syncs(&self) -> u64 {
        self.syncs()
    }

    async fn sweep(&self) -> Result<(), StoreError> {
        self.sweep().await
    }
}

/// A folder, a clock that stands, and an engine to open there.
struct Ground {
    folder: tempfile::TempDir,
    clock: Arc<HeldClock>,
    engine: &'static Kind,
}

impl Ground {
    fn open(&self) -> Arc<dyn Store> {
        self.embedded()
    }

    /// A store that was just closed may be locked for a moment longer: sled's threads end in their own time.
    fn embedded(&self) -> Arc<dyn Opened> {
        let begun = std::time::Instant::now();
        loop {
            match self.try_open() {
                Err(StoreError::InUse(_)) if begun.elapsed() < Duration::from_secs(10) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                opened => return opened.unwrap(),
            }
        }
    }

    fn try_open(&self) -> Opening {
        (self.engine.open)(&self.path(), self.world())
    }

    fn world(&self) -> World {
        World { clock: self.clock.clone(), entropy: World::real().entropy }
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The file or folder of the store.
    fn path(&self) -> PathBuf {
        self.folder.path().join(format!("store.{}", self.engine.name))
    }
}

/// Runs a test over each engine, on a runtime of several threads.
fn each<F: Future<Output = ()>>(test: impl Fn(Ground) -> F) {
    assert!(!ENGINES.is_empty());
    for engine in ENGINES {
        eprintln!("engine {}", engine.name);
        let clock = Arc::new(HeldClock::at(NOW));
        let ground = Ground { folder: tempfile::tempdir().unwrap(), clock, engine };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        runtime.block_on(test(ground));
    }
}

const NOW: Time = Time::from_secs(1_795_292_244);

fn key(text: &str) -> Key {
    Key::of(b'T', &[text.as_bytes()])
}

fn put(text: &str, condition: Condition, value: &str) -> Write {
    put_until(text, condition, value, None)
}

fn put_until(text: &str, condition: Condition, value: &str, expires: Option<Time>) -> Write {
    Write { key: key(text), condition, action: Action::Put { value: value.to_owned().into(), expires } }
}

fn delete(text: &str, condition: Condition) -> Write {
    Write { key: key(text), condition, action: Action::Delete }
}

fn keep(text: &str, condition: Condition) -> Write {
    Write { key: key(text), condition, action: Action::Keep }
}

async fn commit(store: &dyn Store, writes: Vec<Write>) -> Revision {
    match store.commit(writes).await.unwrap() {
        Outcome::Committed(revision) => revision,
        Outcome::Conflict(index) => panic!("conflict at write {index}"),
    }
}

async fn value(store: &dyn Store, text: &str) -> Option<String> {
    let item = store.get(&key(text)).await.unwrap()?;
    Some(String::from_utf8(item.value.to_vec()).unwrap())
}
