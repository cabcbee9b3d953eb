//! How a store goes over to another process while this one still has work under way: the engine is closed, and whoever
//! watched it hears from then on, through a line, what the other process does. A line that breaks ends the watches.
//! Knows no process: it is given a line.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::broadcast;

use super::embedded::{pack, unpack};
use super::view::{Touched, View};
use super::writer::Watcher;
use super::{Batch, Change, Key, Revision, Store};

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
/// breaks. Where not all of it is known any more, the line ends.
///
/// # Errors
/// The store's, and the line's.
pub async fn tell(
    view: &View,
    store: Arc<dyn Store>,
    seen: Revision,
    mut line: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    // Whoever listens first and asks then misses nothing.
    let mut touched = view.subscribe();
    let Some(mut before) = view.touched_after(seen) else { return Ok(()) };
    while let Some(next) = before.pop() {
        line.write_all(&said(&*store, next).await?).await?;
    }
    loop {
        match touched.recv().await {
            Ok(next) => line.write_all(&said(&*store, next).await?).await?,
            Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {
                return Ok(());
            }
        }
    }
}

/// What lies there by now: what came before it is worth nothing to who hears it late.
async fn said(store: &dyn Store, touched: Touched) -> io::Result<Vec<u8>> {
    let item = store.get(&touched.key).await.map_err(io::Error::other)?;
    written(&Change { key: touched.key, item, revision: touched.revision }).ok_or_else(unreadable)
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

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the line says what no store does")
}

/// Of a change, behind its length: the commit and the length of the key.
const HEAD_BYTES: usize = 12;

/// Far more than any record holds.
const CHANGE_BYTES_MAX: usize = 64 << 20;
