//! What must lie on the disk before a store is opened: a folder of our own, and the store. Only `init` makes
//! one: an empty store in the place of one that is lost would say that all is well. Opens nothing.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::Access;
use rustix::io::Errno;

use super::AppError;
use crate::config::Config;

/// Looks at it.
///
/// # Errors
/// [`AppError::Ground`], with the next step.
pub(super) fn look(config: &Config) -> Result<(), AppError> {
    let (data, file) = (config.data.display(), config.file.display());
    let found = std::fs::metadata(&config.data);
    if found.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Err(AppError::Ground(format!(
            "the data folder {data} does not exist: correct `data` in {file}, or make a gate with `portcullis init`"
        )));
    }
    let us = rustix::process::geteuid().as_raw();
    if let Some(owner) = found.ok().as_ref().map(Metadata::uid).filter(|owner| *owner != us) {
        return Err(AppError::Ground(format!(
            "the data folder {data} belongs to user {owner}, and this is user {us}, whose files the gate could not \
             read later: type `sudo -u '#{owner}' portcullis` and the rest"
        )));
    }
    match std::fs::symlink_metadata(&config.store) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(missing(config)),
        // What else is wrong with it, the engine says better.
        _ => Ok(()),
    }
}

/// Whether what a start writes can be written. Writes nothing.
///
/// # Errors
/// [`AppError::File`].
pub(super) fn writable(config: &Config) -> Result<(), AppError> {
    let (file, folder) = (Access::READ_OK | Access::WRITE_OK, Access::WRITE_OK | Access::EXEC_OK);
    let doors = config.data.join("doors");
    let mut wanted = vec![
        (config.data.clone(), folder),
        (config.data.join("lists"), folder),
        (doors.clone(), folder),
        (config.store.clone(), file),
    ];
    for door in config.doors() {
        wanted.extend(["crt", "key"].map(|ending| (doors.join(format!("{}.{ending}", door.host)), file)));
    }
    for (path, wanted) in wanted {
        match rustix::fs::access(&path, wanted) {
            // It is made.
            Err(Errno::NOENT) | Ok(()) => {}
            Err(error) => return Err(AppError::File { path, source: error.into() }),
        }
    }
    Ok(())
}

fn missing(config: &Config) -> AppError {
    let (store, file) = (config.store.display(), config.file.display());
    let other = ["store.redb", "store.sled"]
        .map(|name| config.data.join(name))
        .into_iter()
        .find(|other| other.exists());
    AppError::Ground(match other {
        Some(other) => format!(
            "there is no store at {store}, but {} is there: correct `[store]` in {file}",
            other.display()
        ),
        None => format!(
            "there is no store at {store}: put the last backup of it there, or correct `[store]` in {file}; only \
             `portcullis init` makes a new one"
        ),
    })
}
