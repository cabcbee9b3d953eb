//! The engine redb: one file, checked as a whole when it is opened. Knows nothing of records: keys
//! and bytes only.

mod file;

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use super::embedded::{Changed, Embedded, Engine, once_free, pack, unpack};
use super::mark::Mark;
use super::{Item, Key, Revision, StoreError};
use crate::domain::Time;
use crate::world::World;

/// The store in one file.
pub type Redb = Embedded<File>;

/// An open file of redb.
pub struct File {
    database: Database,
    mark: Mark,
}

impl Embedded<File> {
    /// Opens the store at `path`, or makes it with mode 0600. The whole file is checked before
    /// it is trusted.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process has it, [`StoreError::Damaged`] where it does
    /// not hold what redb wrote, and what the file system says.
    pub fn create_or_open(path: &Path, world: World) -> Result<Self, StoreError> {
        let (database, mark, revision) = once_free(|| file::create_or_open(path))?;
        Self::over(File { database, mark }, path, revision, world)
    }
}

impl Engine for File {
    fn kept(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let read = self.database.begin_read().map_err(failed("read"))?;
        let items = read.open_table(ITEMS).map_err(failed("read"))?;
        let found = items.get(key.as_bytes()).map_err(failed("read"))?;
        found.map(|value| unpack(key, value.value())).transpose()
    }

    fn walk(&self, prefix: &Key, seen: &mut dyn FnMut(Key, Item)) -> Result<(), StoreError> {
        let read = self.database.begin_read().map_err(failed("read"))?;
        let items = read.open_table(ITEMS).map_err(failed("read"))?;
        let from = (Bound::Included(prefix.as_bytes()), Bound::Unbounded);
        for entry in items.range::<&[u8]>(from).map_err(failed("read"))? {
            let (key, value) = entry.map_err(failed("read"))?;
            let key = Key::from_bytes(key.value().to_vec());
            if !key.is_under(prefix) {
                break;
            }
            let item = unpack(&key, value.value())?;
            seen(key, item);
        }
        Ok(())
    }

    fn expired(&self, now: Time, most: usize) -> Result<Vec<Key>, StoreError> {
        let read = self.database.begin_read().map_err(failed("read"))?;
        let expiries = read.open_table(EXPIRIES).map_err(failed("read"))?;
        let until = now.millis().saturating_add(1);
        let range = expiries.range(..(until, [].as_slice())).map_err(failed("read"))?;
        let key = |entry: Result<_, _>| {
            entry.map(|(at, _): (redb::AccessGuard<'_, (i64, &[u8])>, _)| {
                Key::from_bytes(at.value().1.to_vec())
            })
        };
        range.take(most).map(key).collect::<Result<_, _>>().map_err(failed("read"))
    }

    fn write(&self, changes: &[Changed], revision: Revision) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().map_err(failed("committed"))?;
        transaction.set_durability(Durability::Immediate).map_err(failed("committed"))?;
        transaction.set_quick_repair(true);
        {
            let mut items = transaction.open_table(ITEMS).map_err(failed("committed"))?;
            let mut expiries = transaction.open_table(EXPIRIES).map_err(failed("committed"))?;
            for Changed { key, before, after } in changes {
                let key = key.as_bytes();
                if let Some(expires) = before.as_ref().and_then(|item| item.expires) {
                    expiries.remove((expires.millis(), key)).map_err(failed("committed"))?;
                }
                if let Some(expires) = after.as_ref().and_then(|item| item.expires) {
                    expiries.insert((expires.millis(), key), ()).map_err(failed("committed"))?;
                }
                match after {
                    Some(item) => items.insert(key, pack(item).as_slice()).map_err(failed("committed"))?,
                    None => items.remove(key).map_err(failed("committed"))?,
                };
            }
            let mut meta = transaction.open_table(META).map_err(failed("committed"))?;
            meta.insert(REVISION, revision).map_err(failed("committed"))?;
        }
        transaction.commit().map_err(failed("committed"))?;
        self.mark.note(revision);
        Ok(())
    }
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
