//! The number of the last commit that was acknowledged, written down apart from the engine. An engine
//! that finds the end of what it wrote damaged takes it for a commit that a crash cut short, and goes
//! on from the one before: what was acknowledged would be gone without a word. Knows no engine.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{Revision, StoreError};
use crate::crypto::sha256;

/// A place in a file that no engine writes.
pub(super) struct Mark {
    file: File,
    at: u64,
}

impl Mark {
    pub(super) const fn in_file(file: File, at: u64) -> Self {
        Self { file, at }
    }

    /// Whether a store at `path` whose last commit is `revision` holds all that was acknowledged.
    pub(super) fn check(&self, path: &Path, revision: Revision) -> Result<(), StoreError> {
        match self.read().map_err(not_read)? {
            Some(acknowledged) if revision < acknowledged => {
                let why = format!("it ends at commit {revision}, and {acknowledged} were made");
                Err(StoreError::damaged(path, &why))
            }
            _ => Ok(()),
        }
    }

    /// Written after a commit is durable, not synced itself: after a power cut it may be that of an
    /// earlier commit, or where it cannot be written, which asks for less; never that of a later one.
    pub(super) fn note(&self, revision: Revision) {
        if let Err(error) = self.file.write_all_at(&bytes(revision), self.at) {
            tracing::error!(%error, "the mark of the store's last commit could not be written");
        }
    }

    /// `None` where nothing stands there, or what no mark is: then there is nothing to compare with.
    fn read(&self) -> std::io::Result<Option<Revision>> {
        let mut found = [0; BYTES];
        match self.file.read_exact_at(&mut found, self.at) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let revision = found.first_chunk().map_or(0, |first| Revision::from_be_bytes(*first));
        let whole = found == bytes(revision);
        if !whole && found != [0; BYTES] {
            tracing::warn!("the mark of the store's last commit was damaged; all else is well");
        }
        Ok(whole.then_some(revision))
    }
}

fn bytes(revision: Revision) -> [u8; BYTES] {
    let number = revision.to_be_bytes();
    let mut bytes = [0; BYTES];
    for (to, from) in bytes.iter_mut().zip(number.into_iter().chain(sha256(&number))) {
        *to = from;
    }
    bytes
}

fn not_read(error: std::io::Error) -> StoreError {
    StoreError::Engine { attempted: "opened", source: Arc::new(error) }
}

/// The number, and the beginning of its hash. Few enough that a disk writes all or none.
const BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_store_that_ends_before_its_mark_is_damaged() {
        let file = tempfile::tempfile().unwrap();
        let mark = Mark::in_file(file.try_clone().unwrap(), 100);
        let path = Path::new("store");
        mark.check(path, 0).unwrap();
        file.write_all_at(&[0; 200], 0).unwrap();
        mark.check(path, 0).unwrap();
        mark.note(7);
        mark.check(path, 7).unwrap();
        mark.check(path, 8).unwrap();
        let told = mark.check(path, 6).unwrap_err().to_string();
        assert!(told.contains("ends at commit 6, and 7 were made") && told.contains("restore"), "{told}");
        // What is no mark any more says nothing.
        file.write_all_at(&[1], 103).unwrap();
        mark.check(path, 6).unwrap();
        mark.note(9);
        assert!(mark.check(path, 8).is_err());
    }
}
