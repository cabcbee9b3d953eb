//! The file of the embedded store: made whole or not at all, its owner's alone, checked before it
//! is trusted. Knows nothing of what lies in it but the count of commits.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError};

use super::super::{Revision, StoreError};
use super::{EXPIRIES, ITEMS, META, REVISION, failed};

/// The database, and the number of its last commit.
pub(super) fn create_or_open(path: &Path) -> Result<(Database, Revision), StoreError> {
    let database = match std::fs::symlink_metadata(path) {
        Ok(_) => open(path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(path)?,
        Err(error) => return Err(failed("opened")(error)),
    };
    let revision = revision_of(&database, path)?;
    Ok((database, revision))
}

fn open(path: &Path) -> Result<Database, StoreError> {
    let metadata = std::fs::metadata(path).map_err(failed("opened"))?;
    if metadata.len() == 0 {
        return Err(damaged(path, "the file is empty"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(failed("opened"))?;
    }
    // redb may panic over a file that another hand changed.
    let opened = std::panic::catch_unwind(|| builder().open(path));
    opened.map_err(|_| damaged(path, "its structure is broken"))?.map_err(|error| not_opened(path, error))
}

/// Makes the store under another name and links it into place whole, so that a start that was
/// cut short leaves no half store, and nothing is ever overwritten.
fn create(path: &Path) -> Result<Database, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = Path::new(&name);
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new);
    made.map_err(failed("opened"))?;
    let database = fill(new).and_then(|database| {
        std::fs::hard_link(new, path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => StoreError::InUse(path.display().to_string()),
            _ => failed("opened")(error),
        })?;
        Ok(database)
    });
    std::fs::remove_file(new).map_err(failed("opened"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("opened"))?;
    database
}

fn fill(path: &Path) -> Result<Database, StoreError> {
    let database = builder().create(path).map_err(|error| not_opened(path, error))?;
    let transaction = database.begin_write().map_err(failed("opened"))?;
    transaction.open_table(ITEMS).map_err(failed("opened"))?;
    transaction.open_table(EXPIRIES).map_err(failed("opened"))?;
    transaction.open_table(META).map_err(failed("opened"))?.insert(REVISION, 0).map_err(failed("opened"))?;
    transaction.commit().map_err(failed("opened"))?;
    Ok(database)
}

fn revision_of(database: &Database, path: &Path) -> Result<Revision, StoreError> {
    let read = database.begin_read().map_err(failed("opened"))?;
    let meta = read.open_table(META).map_err(|error| damaged(path, &error.to_string()))?;
    let revision = meta.get(REVISION).map_err(failed("opened"))?.map(|value| value.value());
    revision.ok_or_else(|| damaged(path, "the count of its commits is missing"))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn not_opened(path: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse(path.display().to_string())
        }
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() != std::io::ErrorKind::InvalidData =>
        {
            failed("opened")(error)
        }
        other => damaged(path, &other.to_string()),
    }
}

fn damaged(path: &Path, why: &str) -> StoreError {
    StoreError::Damaged { path: path.display().to_string(), why: why.to_owned() }
}

/// The view holds what is asked for often; the engine need not hold it a second time.
const CACHE_BYTES: usize = 64 << 20;
