//! Programs of other people that a test needs. Starts none.

use std::path::PathBuf;

use super::skipped::skipped;

/// A command of the system; says so where it is absent.
#[allow(clippy::disallowed_methods, reason = "it looks for programs as the shell does")]
pub(crate) fn command(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        skipped(&format!("{name} is not installed"));
    }
    found
}
