//! The file of the embedded store: made whole or not at all, its owner's alone, checked before it
//! is trusted. Knows nothing of what lies in it but the count of commits.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Builder, Database, ReadableDatabase};

use super::super::mark::Mark;
use super::super::{Revision, StoreError};
use super::{EXPIRIES, ITEMS, META, REVISION, failed};

/// The database, the mark of its last commit, and that commit's number.
pub(super) fn create_or_open(path: &Path) -> Result<(Database, Mark, Revision), StoreError> {
    let database = match std::fs::symlink_metadata(path) {
        Ok(_) => open(path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(path)?,
        Err(error) => return Err(failed("opened")(error)),
    };
    // redb may panic over a file that another hand changed, here as when it opens it.
    let revision = catch_unwind(AssertUnwindSafe(|| revision_of(&database, path)));
    let revision = revision.map_err(|_| StoreError::damaged(path, "its structure is broken"))??;
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed("opened"))?;
    let mark = Mark::in_file(file, MARK_AT);
    mark.check(path, revision)?;
    mark.note(revision);
    Ok((database, mark, revision))
}

fn open(path: &Path) -> Result<Database, StoreError> {
    let metadata = std::fs::metadata(path).map_err(failed("opened"))?;
    if metadata.len() == 0 {
        return Err(StoreError::damaged(path, "the file is empty"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(failed("opened"))?;
    }
    let opened = catch_unwind(|| builder().open(path));
    opened
        .map_err(|_| StoreError::damaged(path, "its structure is broken"))?
        .map_err(|error| not_opened(path, error))
}

/// Makes the store under another name and links it into place whole, so that a start that was
/// cut short leaves no half store, and nothing is ever overwritten.
fn create(path: &Path) -> Result<Database, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = Path::new(&name);
    match std::fs::remove_file(new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed("opened")(error)),
        _ => {}
    }
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
    let read = database.begin_read().map_err(|error| not_opened(path, error))?;
    let meta = read.open_table(META).map_err(|error| not_opened(path, error))?;
    let revision = meta.get(REVISION).map_err(|error| not_opened(path, error))?.map(|value| value.value());
    revision.ok_or_else(|| StoreError::damaged(path, "the count of its commits is missing"))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn not_opened(path: &Path, error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            StoreError::InUse(path.display().to_string())
        }
        redb::Error::Io(error) if !tells_of_damage(&error) => failed("opened")(redb::Error::Io(error)),
        other => StoreError::damaged(path, &other.to_string()),
    }
}

/// Where the bytes say what cannot be, or end before they should; all else is the disk's or the system's.
fn tells_of_damage(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
}

/// The view holds what is asked for often; the engine need not hold it a second time.
const CACHE_BYTES: usize = 64 << 20;

/// redb's first page is its header, of which it uses the first 320 bytes; a sector of its own.
const MARK_AT: u64 = 2048;
