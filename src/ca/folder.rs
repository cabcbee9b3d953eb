//! The folder of the CAs' sealed keys: who changes it waits for whoever does. Knows no store.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tokio::sync::{Mutex, MutexGuard};

use super::CaError;
use super::sealed::{self, Opener};
use crate::domain::Secret;
use crate::domain::certificate::IssuerKind;

/// Where the sealed keys lie.
#[derive(Debug)]
pub struct KeyFolder {
    pub(super) dir: PathBuf,
    turn: Mutex<()>,
}

impl KeyFolder {
    /// A folder.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), turn: Mutex::new(()) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Opens every key that lies there, and keeps none; how many there are.
    ///
    /// # Errors
    /// The first that the passphrase does not open, and the file system's.
    pub fn try_all(&self, passphrase: &Secret) -> Result<usize, CaError> {
        let mut opener = Opener::new(passphrase)?;
        let mut count = 0;
        for entry in fs::read_dir(&self.dir).map_err(CaError::file("read", &self.dir))? {
            let file = entry.map_err(CaError::file("read", &self.dir))?.path();
            let name = file.file_stem().and_then(|name| name.to_str());
            if let (Some(name), Some("key")) = (name, file.extension().and_then(|ending| ending.to_str())) {
                opener.open(&self.dir, name)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// To be held over a change of the keys and the commit that belongs to it: two at once would overwrite
    /// each other's key.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Puts a sealed key there whole or not at all, in the place of one that nothing refers to.
    pub(super) fn put(&self, file: &Path, text: &str) -> Result<(), CaError> {
        put(&self.dir, file, text.as_bytes())
    }

    /// What was renamed or removed stays so after a power cut.
    pub(super) fn sync(&self) -> Result<(), CaError> {
        sync(&self.dir)
    }
}

/// Puts a file into a folder, whole or not at all, in the place of the one before.
pub(super) fn put(dir: &Path, file: &Path, bytes: &[u8]) -> Result<(), CaError> {
    let beside = file.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(CaError::file("removed", &beside)(error));
        }
        _ => {}
    }
    sealed::write_new(&beside, bytes)?;
    fs::rename(&beside, file).map_err(CaError::file("written", file))?;
    sync(dir)
}

fn sync(dir: &Path) -> Result<(), CaError> {
    File::open(dir).and_then(|open| open.sync_all()).map_err(CaError::file("written", dir))
}

/// The name of the root's key that signs issuing CAs of a kind.
pub(super) const fn root_name(kind: IssuerKind) -> &'static str {
    match kind {
        IssuerKind::Devices | IssuerKind::Staff => CLIENT_ROOT,
        IssuerKind::Server => SERVER_ROOT,
    }
}

/// The key of the root above devices and staff.
pub(super) const CLIENT_ROOT: &str = "root";

/// The key of the root above the doors' CA.
pub(super) const SERVER_ROOT: &str = "server-root";
