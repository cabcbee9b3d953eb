//! Whether the disk has room for what is to be written. Asked before each commit, since an engine that met a full
//! disk must be opened anew; a gate that is told so beforehand goes on reading. Writes nothing.

use std::path::{Path, PathBuf};

use super::StoreError;

/// The disk under a store.
#[derive(Clone, Debug)]
pub(super) struct Room {
    folder: PathBuf,
}

impl Room {
    /// Of the disk on which this file lies.
    pub(super) fn under(file: &Path) -> Self {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self { folder: folder.unwrap_or(Path::new(".")).to_owned() }
    }

    /// Lets a commit through.
    ///
    /// # Errors
    /// [`StoreError::Full`]. A disk that does not say how much it has is not asked twice: the write will tell.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match rustix::fs::statvfs(&self.folder) {
            Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < BYTES_MIN => {
                Err(StoreError::Full { folder: self.folder.display().to_string() })
            }
            _ => Ok(()),
        }
    }
}

/// A group of a thousand commits of four keys each, a page for each key, and what others write meanwhile.
const BYTES_MIN: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_room_lets_through_and_so_does_one_that_is_silent() {
        assert!(Room::under(&std::env::temp_dir().join("store")).check().is_ok());
        assert!(Room::under(Path::new("/nowhere/at/all")).check().is_ok());
        assert_eq!(Room::under(Path::new("store")).folder, Path::new("."));
    }
}
