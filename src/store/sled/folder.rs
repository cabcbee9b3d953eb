//! The folder of the engine sled: made whole or not at all, its owner's alone, read to the end
//! before it is trusted. Knows nothing of what lies in it but the number of the last commit.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use sled::{Config, Db};

use super::super::mark::Mark;
use super::super::{Revision, StoreError};
use super::tally::Tally;
use super::{COMMIT, Kept, commit_bytes, failed, io_failed};

/// The store, and the number of its last commit.
pub(super) fn create_or_open(path: &Path) -> Result<(Kept, Revision), StoreError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(path)?,
        Err(error) => return Err(io_failed("opened")(error)),
    }
    open(path)
}

fn open(path: &Path) -> Result<(Kept, Revision), StoreError> {
    for name in [LOG, CONFIGURATION, MARK] {
        match std::fs::metadata(path.join(name)) {
            Ok(found) if found.is_file() && (found.len() > 0 || name == MARK) => {}
            Ok(_) => return Err(StoreError::damaged(path, &format!("its file {name} is empty"))),
            Err(error) if is_missing(&error) => {
                return Err(StoreError::damaged(path, &format!("its file {name} is missing")));
            }
            Err(error) => return Err(io_failed("opened")(error)),
        }
    }
    let mark = lock(path, false)?;
    let log = File::open(path.join(LOG)).map_err(io_failed("opened"))?;
    // sled draws its snapshot from the log when it opens, and makes it durable; the log first.
    log.sync_all().map_err(io_failed("opened"))?;
    forget_half_made(path).map_err(io_failed("opened"))?;
    let database = start(path)?;
    // From here on sled may panic when it is dropped, too; `Kept` sees to that.
    let mut kept = Kept { database: Some(database), log, mark, tally: Tally::default(), failed: None };
    let revision = check(path, &mut kept)?;
    private(path).map_err(io_failed("opened"))?;
    kept.mark.note(revision);
    Ok((kept, revision))
}

/// Reads everything once: each record is what was written, all that was written is there, and it
/// reaches as far as was acknowledged.
fn check(path: &Path, kept: &mut Kept) -> Result<Revision, StoreError> {
    let tree = kept.tree()?;
    let read = catch_unwind(AssertUnwindSafe(|| {
        let (mut tally, mut commit) = (Tally::default(), None);
        for entry in tree.iter() {
            let (at, bytes) = entry?;
            if at == COMMIT {
                commit = Some(bytes);
            } else {
                tally.add(&at, &bytes);
            }
        }
        Ok((tally, commit))
    }));
    let (tally, commit) = read.map_err(|_| broken(path))?.map_err(|error| not_opened(path, &error))?;
    let commit = commit.ok_or_else(|| StoreError::damaged(path, "the count of its commits is missing"))?;
    let revision = commit.first_chunk().map_or(0, |first| Revision::from_be_bytes(*first));
    if commit != commit_bytes(revision, tally) {
        return Err(StoreError::damaged(path, "it does not hold what its last commit left"));
    }
    kept.mark.check(path, revision)?;
    kept.tally = tally;
    Ok(revision)
}

/// Makes the store under another name and gives it its own when it is whole, so that a start that
/// was cut short leaves no half store, and nothing is ever overwritten.
fn create(path: &Path) -> Result<(), StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = Path::new(&name);
    match std::fs::remove_dir_all(new) {
        Err(error) if !is_missing(&error) => return Err(io_failed("opened")(error)),
        _ => DirBuilder::new().mode(0o700).create(new).map_err(io_failed("opened"))?,
    }
    let made = fill(new).and_then(|()| {
        std::fs::rename(new, path).map_err(|error| match error.kind() {
            std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::AlreadyExists => {
                StoreError::InUse(path.display().to_string())
            }
            _ => io_failed("opened")(error),
        })
    });
    if made.is_err() {
        // The error that is told is the first.
        drop(std::fs::remove_dir_all(new));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(io_failed("opened"))?;
    made
}

fn fill(path: &Path) -> Result<(), StoreError> {
    let mark = lock(path, true)?;
    let database = start(path)?;
    let written = database
        .insert(COMMIT, commit_bytes(0, Tally::default()))
        .and_then(|_| database.flush())
        .map_err(failed("opened"));
    catch_unwind(AssertUnwindSafe(|| drop(database))).map_err(|_| broken(path))?;
    written?;
    mark.note(0);
    private(path).map_err(io_failed("opened"))?;
    for entry in std::fs::read_dir(path).map_err(io_failed("opened"))? {
        let entry = entry.map_err(io_failed("opened"))?;
        File::open(entry.path()).and_then(|file| file.sync_all()).map_err(io_failed("opened"))?;
    }
    File::open(path).and_then(|folder| folder.sync_all()).map_err(io_failed("opened"))
}

fn start(path: &Path) -> Result<Db, StoreError> {
    let config = Config::new().path(path).cache_capacity(CACHE_BYTES);
    let opened = catch_unwind(AssertUnwindSafe(|| config.open())).map_err(|_| broken(path))?;
    opened.map_err(|error| match is_locked(&error) {
        true => StoreError::InUse(path.display().to_string()),
        false => not_opened(path, &error),
    })
}

/// The mark of the folder, which is also its lock; made where `new`.
fn lock(path: &Path, new: bool) -> Result<Mark, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(new).mode(0o600);
    let file = options.open(path.join(MARK)).map_err(io_failed("opened"))?;
    match file.try_lock() {
        Ok(()) => Ok(Mark::in_file(file, 0)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(io_failed("opened")(error)),
    }
}

/// sled takes a snapshot that it was killed over for one it finished, and will not start.
fn forget_half_made(path: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".generating") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Only its owner may enter, whatever the mask was when sled made its files.
fn private(path: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o700))?;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let mode = if entry.file_type()?.is_dir() { 0o700 } else { 0o600 };
        std::fs::set_permissions(entry.path(), PermissionsExt::from_mode(mode))?;
    }
    Ok(())
}

fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn not_opened(path: &Path, error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Io(io) if io.kind() != std::io::ErrorKind::UnexpectedEof => {
            failed("opened")(error.clone())
        }
        other => StoreError::damaged(path, &other.to_string()),
    }
}

fn broken(path: &Path) -> StoreError {
    StoreError::damaged(path, "its structure is broken")
}

/// sled's segments.
const LOG: &str = "db";

/// The last commit's number; ours.
const MARK: &str = "mark";

/// sled's format and the size of its segments.
const CONFIGURATION: &str = "conf";

/// The view holds what is asked for often; the engine need not hold it a second time.
const CACHE_BYTES: u64 = 64 << 20;
