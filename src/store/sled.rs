//! The engine sled: a folder with a log of segments, made durable by our own fdatasync, since sled's
//! leaves the disk's cache alone. Knows nothing of records: keys and bytes only.
//!
//! sled finds a changed byte in what it reads, but passes over a piece of its log that it cannot read,
//! as if a crash had cut it short: of 300 flipped bits, 87 gave wrong answers without a word. So each
//! commit writes down a checksum of all that is kept (`tally`) and, beside the log, its number
//! (`mark`); what is opened must agree with both.

mod folder;
mod tally;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::time::Duration;

use sled::{Batch, Db, Tree};

use self::tally::Tally;
use super::embedded::{Changed, Embedded, Engine, once_free, pack, unpack};
use super::mark::Mark;
use super::{Item, Key, Revision, StoreError};
use crate::domain::Time;
use crate::world::World;

/// The store in a folder.
pub type Sled = Embedded<Folder>;

/// An open folder of sled.
pub struct Folder {
    // Held alone while a commit is made durable: sled would show it before it is.
    kept: RwLock<Kept>,
}

struct Kept {
    /// `None` only while it is dropped.
    database: Option<Db>,
    /// sled's log, opened a second time, so that its errors are told to us too.
    log: File,
    mark: Mark,
    tally: Tally,
    /// Why no commit is taken any more: what lies on the disk is not known since then.
    failed: Option<StoreError>,
}

impl Embedded<Folder> {
    /// Opens the store at `path`, or makes it with mode 0700. All of it is read and checked before
    /// it is trusted.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process has it, [`StoreError::Damaged`] where it does
    /// not hold what was written, and what the file system says.
    pub fn create_or_open(path: &Path, world: World) -> Result<Self, StoreError> {
        let (kept, revision) = once_free(|| folder::create_or_open(path))?;
        Self::over(Folder { kept: RwLock::new(kept) }, path, revision, world)
    }
}

impl Folder {
    fn read<T>(&self, work: impl FnOnce(&Tree) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        guarded("read", || work(kept.tree()?))
    }
}

impl Engine for Folder {
    fn kept(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.read(|tree| match tree.get(head_of(key)).map_err(failed("read"))? {
            Some(head) => whole(tree, key, &head).map(Some),
            None => Ok(None),
        })
    }

    fn walk(&self, prefix: &Key, seen: &mut dyn FnMut(Key, Item)) -> Result<(), StoreError> {
        self.read(|tree| {
            for entry in tree.scan_prefix(head_of(prefix)) {
                let (at, head) = entry.map_err(failed("read"))?;
                let key = Key::from_bytes(at.get(1..).unwrap_or_default().to_vec());
                let item = whole(tree, &key, &head)?;
                seen(key, item);
            }
            Ok(())
        })
    }

    fn expired(&self, now: Time, most: usize) -> Result<Vec<Key>, StoreError> {
        let until = expiry_of(Time(now.millis().saturating_add(1)), &Key::everything());
        self.read(|tree| {
            let due = tree.range(vec![EXPIRY]..until).keys().take(most);
            let key = |at: sled::IVec| Key::from_bytes(at.get(EXPIRY_BYTES..).unwrap_or_default().to_vec());
            due.map(|at| at.map(key)).collect::<Result<_, _>>().map_err(failed("read"))
        })
    }

    fn write(&self, changes: &[Changed], revision: Revision) -> Result<(), StoreError> {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let done = guarded("committed", || kept.write(changes, revision));
        if let Err(error) = &done {
            kept.failed.get_or_insert_with(|| error.clone());
        }
        done
    }
}

impl Kept {
    fn tree(&self) -> Result<&Tree, StoreError> {
        match (&self.failed, &self.database) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(database)) => Ok(database),
            (None, None) => Err(StoreError::Closed),
        }
    }

    fn write(&mut self, changes: &[Changed], revision: Revision) -> Result<(), StoreError> {
        let tree = self.tree()?;
        let mut batch = Batch::default();
        let mut tally = self.tally;
        for Changed { key, before, after } in changes {
            for (at, bytes) in before.iter().flat_map(|item| pieces(key, item)) {
                tally.take(&at, &bytes);
                batch.remove(at);
            }
            for (at, bytes) in after.iter().flat_map(|item| pieces(key, item)) {
                tally.add(&at, &bytes);
                batch.insert(at, bytes);
            }
        }
        batch.insert(COMMIT, commit_bytes(revision, tally));
        flushed(tree.clone(), batch)?;
        self.log.sync_data().map_err(io_failed("committed"))?;
        self.tally = tally;
        self.mark.note(revision);
        Ok(())
    }
}

impl Drop for Kept {
    /// sled panics where its last sync fails; what was acknowledged is durable before.
    fn drop(&mut self) {
        let database = self.database.take();
        if catch_unwind(AssertUnwindSafe(|| drop(database))).is_err() {
            tracing::error!("sled could not close its log in order");
        }
    }
}

/// Hands a batch to sled and has it written. Where a write fails in a thread of sled's own, nobody wakes
/// whoever waits for it: then we wait no longer, and the thread that does stays behind.
fn flushed(tree: Tree, batch: Batch) -> Result<(), StoreError> {
    let (done, told) = mpsc::channel();
    let work = move || {
        let flushed = guarded("committed", || {
            tree.apply_batch(batch).and_then(|()| tree.flush()).map_err(failed("committed"))
        });
        // Whoever closes the store next must hold the last of it.
        drop(tree);
        // Nobody listens where it took too long.
        let _ = done.send(flushed.map(drop));
    };
    std::thread::Builder::new()
        .name("portcullis-sled".to_owned())
        .spawn(work)
        .map_err(io_failed("committed"))?;
    told.recv_timeout(FLUSH_MAX).unwrap_or_else(|_| {
        let why = format!("sled has not written within {} s", FLUSH_MAX.as_secs());
        Err(io_failed("committed")(std::io::Error::other(why)))
    })
}

/// What sled keeps for an item: its head with the first piece, further pieces, and when it expires.
/// In pieces, because sled puts large nodes into files of their own, which our fdatasync does not
/// reach.
fn pieces(key: &Key, item: &Item) -> Vec<(Vec<u8>, Vec<u8>)> {
    let packed = pack(item);
    let mut rest = packed.chunks(PIECE_BYTES);
    let mut head = (packed.len() as u64).to_be_bytes().to_vec();
    head.extend_from_slice(rest.next().unwrap_or_default());
    let mut pieces = vec![(head_of(key), head)];
    pieces.extend((1..).zip(rest).map(|(n, piece)| (piece_of(key, n), piece.to_vec())));
    pieces.extend(item.expires.map(|expires| (expiry_of(expires, key), Vec::new())));
    pieces
}

/// The item of which `head` is the beginning.
fn whole(tree: &Tree, key: &Key, head: &[u8]) -> Result<Item, StoreError> {
    let unreadable =
        || StoreError::Unreadable { key: format!("{key:?}"), why: "a piece is missing".to_owned() };
    let (length, first) = head.split_first_chunk().ok_or_else(unreadable)?;
    let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| unreadable())?;
    let mut packed = first.to_vec();
    for n in 1.. {
        if packed.len() >= length {
            break;
        }
        let piece = tree.get(piece_of(key, n)).map_err(failed("read"))?;
        packed.extend_from_slice(&piece.filter(|piece| !piece.is_empty()).ok_or_else(unreadable)?);
    }
    if packed.len() != length {
        return Err(unreadable());
    }
    unpack(key, &packed)
}

fn head_of(key: &Key) -> Vec<u8> {
    [&[HEAD], key.as_bytes()].concat()
}

fn piece_of(key: &Key, n: u32) -> Vec<u8> {
    [&[PIECE], key.as_bytes(), &n.to_be_bytes()].concat()
}

fn expiry_of(expires: Time, key: &Key) -> Vec<u8> {
    // The sign turned around, so that the order of bytes is that of time.
    let millis = expires.millis().cast_unsigned() ^ (1 << 63);
    [&[EXPIRY], millis.to_be_bytes().as_slice(), key.as_bytes()].concat()
}

fn commit_bytes(revision: Revision, tally: Tally) -> Vec<u8> {
    [revision.to_be_bytes().as_slice(), &tally.to_bytes()].concat()
}

/// sled stops by a panic where it meets what it thought impossible; whoever asked gets an error.
fn guarded<T>(
    attempted: &'static str,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let stopped = std::io::Error::other("sled met what it thought impossible");
        Err(StoreError::Engine { attempted, source: Arc::new(stopped) })
    })
}

fn failed(attempted: &'static str) -> impl Fn(sled::Error) -> StoreError {
    move |error| StoreError::Engine { attempted, source: Arc::new(error) }
}

fn io_failed(attempted: &'static str) -> impl Fn(std::io::Error) -> StoreError {
    move |error| StoreError::Engine { attempted, source: Arc::new(error) }
}

/// Before the key: the length of the packed item and its first piece.
const HEAD: u8 = b'i';

/// Before the key and a number: a further piece.
const PIECE: u8 = b'p';

/// Before the time and the key: that an item expires then.
const EXPIRY: u8 = b'e';

/// Kind and time before the key of an expiry.
const EXPIRY_BYTES: usize = 9;

/// The last commit's number, and the tally of all else.
const COMMIT: &[u8] = b"c";

/// A disk that takes longer for one group of commits has failed.
const FLUSH_MAX: Duration = Duration::from_secs(10);

/// A node of sled holds some twenty records and goes into a file of its own from 128 KiB: these
/// never do.
const PIECE_BYTES: usize = 4096;
