//! Records read and written by type: what a key's value is, and the writes of a commit. Knows no record's
//! meaning and no key but what the record says of its own.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::{Action, Condition, Revision, Store, StoreError, Write};
use super::Key;
use crate::domain::Time;

/// Something the store keeps.
pub trait Record: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The table's letter; never used again for anything else.
    const TABLE: u8;
    /// First byte of each value; grows when old bytes need another reading.
    const VERSION: u8 = 1;
    /// Where this one lives.
    fn key(&self) -> Key;
    /// When it goes by itself.
    fn expires(&self) -> Option<Time> {
        None
    }
}

/// A record as it was read, with the revision to change it by.
#[derive(Clone, Debug)]
pub struct Stored<R> {
    /// The record.
    pub record: R,
    /// Its revision.
    pub revision: Revision,
}

/// The prefix of a whole table.
#[must_use]
pub fn all<R: Record>() -> Key {
    Key::of(R::TABLE, &[])
}

/// Reads one record.
///
/// # Errors
/// The store's, and [`StoreError::Unreadable`].
pub async fn get<R: Record>(store: &dyn Store, key: &Key) -> Result<Option<Stored<R>>, StoreError> {
    match store.get(key).await? {
        Some(item) => Ok(Some(Stored { record: decode(key, &item.value)?, revision: item.revision })),
        None => Ok(None),
    }
}

/// Reads all records under a prefix.
///
/// # Errors
/// The store's, and [`StoreError::Unreadable`].
pub async fn list<R: Record>(store: &dyn Store, prefix: &Key) -> Result<Vec<Stored<R>>, StoreError> {
    let items = store.scan(prefix).await?;
    items
        .into_iter()
        .map(|(key, item)| Ok(Stored { record: decode(&key, &item.value)?, revision: item.revision }))
        .collect()
}

/// Version byte and CBOR.
#[must_use]
pub fn encode<R: Record>(record: &R) -> Bytes {
    let mut bytes = vec![R::VERSION];
    // Writing to memory cannot fail, and no record holds a map with keys that CBOR lacks.
    if ciborium::into_writer(record, &mut bytes).is_err() {
        unreachable!("records are plain data");
    }
    bytes.into()
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`StoreError::Unreadable`].
pub fn decode<R: Record>(key: &Key, bytes: &[u8]) -> Result<R, StoreError> {
    let unreadable = |why: String| StoreError::Unreadable { key: format!("{key:?}"), why };
    match bytes.split_first() {
        Some((version, rest)) if *version == R::VERSION => {
            ciborium::from_reader(rest).map_err(|error| unreadable(error.to_string()))
        }
        Some((version, _)) => {
            Err(unreadable(format!("version {version}, this release reads {}", R::VERSION)))
        }
        None => Err(unreadable("empty".to_owned())),
    }
}

/// Puts a record that must not be there yet.
#[must_use]
pub fn create<R: Record>(record: &R) -> Write {
    put_if(record, Condition::Absent)
}

/// Puts a record in place of exactly the one that was read.
#[must_use]
pub fn replace<R: Record>(read: &Stored<R>, record: &R) -> Write {
    put_if(record, Condition::Revision(read.revision))
}

/// Puts a record, whatever was there.
#[must_use]
pub fn put<R: Record>(record: &R) -> Write {
    put_if(record, Condition::Any)
}

/// Deletes exactly the record that was read: of many who try, one succeeds.
#[must_use]
pub fn consume<R: Record>(read: &Stored<R>) -> Write {
    Write { key: read.record.key(), condition: Condition::Revision(read.revision), action: Action::Delete }
}

/// Deletes, whatever was there.
#[must_use]
pub fn delete(key: Key) -> Write {
    Write { key, condition: Condition::Any, action: Action::Delete }
}

/// Deletes what must still be there: of a change and its end, one sees the other.
#[must_use]
pub fn delete_present(key: Key) -> Write {
    Write { key, condition: Condition::Present, action: Action::Delete }
}

/// Lets the commit through only while the record is still as it was read.
#[must_use]
pub fn unchanged<R: Record>(read: &Stored<R>) -> Write {
    Write { key: read.record.key(), condition: Condition::Revision(read.revision), action: Action::Keep }
}

fn put_if<R: Record>(record: &R, condition: Condition) -> Write {
    let action = Action::Put { value: encode(record), expires: record.expires() };
    Write { key: record.key(), condition, action }
}
