//! How a store goes over to another process while this one still has work under way: the engine is closed, and whoever
//! watched it hears from then on, through a line, what the other process does. A line that breaks ends the watches. A store
//! may go on to a third while the first still has work: the line goes with it. Knows no process: it is given a line.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::embedded::{pack, unpack};
use super::view::View;
use super::writer::Watcher;
use super::{Batch, Change, Key, Revision, Store, StoreError, table};

/// Those who watch a store that was given away.
pub struct Audience(pub(super) Vec<Watcher>);

impl Audience {
    /// Tells them what comes over the line, until it breaks or says what no store does.
    ///
    /// # Errors
    /// Why it ended; a line that was closed between two changes is none.
    pub async fn hear(self, mut line: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut piece = Vec::new();
        loop {
            let mut length = [0; 4];
            match line.read_exact(&mut length).await {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                read => read?,
            };
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            if length > CHANGE_BYTES_MAX {
                return Err(unreadable());
            }
            piece.resize(length, 0);
            line.read_exact(&mut piece).await?;
            let change = read(&piece).ok_or_else(unreadable)?;
            let batch = Batch { revision: change.revision, changes: vec![change] };
            for watcher in &self.0 {
                watcher.hear(&batch);
            }
        }
    }
}

/// Tells whoever gave this store away what changed after the commit `seen`, and what changes from now on, until the line
/// breaks; or until `last`, which comes once nothing more is committed here: then all of it was told, and whoever has the
/// store next may go on where this ends.
///
/// # Errors
/// The store's, and the line's. Not all of it was told: the line is worth nothing any more.
pub async fn tell(
    view: &View,
    store: Arc<dyn Store>,
    seen: Revision,
    line: &mut (impl AsyncWrite + Unpin),
    last: &CancellationToken,
) -> io::Result<()> {
    let mut news = store.tail(&Key::all_but(table::TRAIL)).await.map_err(io::Error::other)?;
    let begins = news.recv().await.ok_or_else(gone)?.revision;
    view.reached(begins).await.map_err(io::Error::other)?;
    for touched in view.touched_after(seen).ok_or_else(gone)?.into_iter().rev() {
        let item = store.get(&touched.key).await.map_err(io::Error::other)?;
        say(line, &Change { key: touched.key, item, revision: touched.revision }).await?;
    }
    // What was committed here and can't be looked up any more: the newest of each.
    let mut left = BTreeMap::new();
    while let Some(batch) = last.run_until_cancelled(news.recv()).await {
        for change in batch.ok_or_else(gone)?.changes {
            // What lies there by now: what came before it is worth nothing to who hears it late.
            match store.get(&change.key).await {
                Ok(item) => say(line, &Change { item, ..change }).await?,
                Err(StoreError::Closed) => drop(left.insert(change.key.clone(), change)),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
    while let Ok(batch) = news.try_recv() {
        left.extend(batch.changes.into_iter().map(|change| (change.key.clone(), change)));
    }
    let mut left: Vec<Change> = left.into_values().collect();
    left.sort_by_key(|change| change.revision);
    for change in &left {
        say(line, change).await?;
    }
    Ok(())
}

async fn say(line: &mut (impl AsyncWrite + Unpin), change: &Change) -> io::Result<()> {
    line.write_all(&written(change).ok_or_else(unreadable)?).await
}

/// How long it is; its commit; how long its key is; the key; the item, where there is one.
fn written(change: &Change) -> Option<Vec<u8>> {
    let (key, item) = (change.key.as_bytes(), change.item.as_ref().map(pack).unwrap_or_default());
    let length = HEAD_BYTES + key.len() + item.len();
    let (whole, of_key) = (u32::try_from(length).ok()?, u32::try_from(key.len()).ok()?);
    let mut bytes = Vec::with_capacity(4 + length);
    bytes.extend_from_slice(&whole.to_be_bytes());
    bytes.extend_from_slice(&change.revision.to_be_bytes());
    bytes.extend_from_slice(&of_key.to_be_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&item);
    Some(bytes)
}

fn read(piece: &[u8]) -> Option<Change> {
    let (revision, rest) = piece.split_first_chunk()?;
    let (of_key, rest) = rest.split_first_chunk()?;
    let of_key = usize::try_from(u32::from_be_bytes(*of_key)).ok()?;
    let (key, item) = rest.split_at_checked(of_key)?;
    let key = Key::from_bytes(key.to_vec());
    let item = match item {
        [] => None,
        packed => Some(unpack(&key, packed).ok()?),
    };
    Some(Change { key, item, revision: Revision::from_be_bytes(*revision) })
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "not all that changed is known any more")
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the line says what no store does")
}

/// Of a change, behind its length: the commit and the length of the key.
const HEAD_BYTES: usize = 12;

/// Far more than any record holds.
const CHANGE_BYTES_MAX: usize = 64 << 20;
