//! The files of a door's certificate, and whether they changed. Reads none of them.

use std::path::PathBuf;
use std::time::SystemTime;

/// Where a door's certificate and its key lie, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Leaf first, then what leads to the root.
    pub certificate: PathBuf,
    /// The leaf's key.
    pub key: PathBuf,
}

/// What tells that a file was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp([(SystemTime, u64); 2]);

impl Stamp {
    pub(super) fn of(files: &CertificateFiles) -> Option<Self> {
        let of = |path: &PathBuf| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        };
        Some(Self([of(&files.certificate)?, of(&files.key)?]))
    }
}
