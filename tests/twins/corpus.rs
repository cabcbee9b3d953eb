//! The corpus that is committed with the fuzz targets: it is there, small, and every file of it holds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::properties::{ALL, Heard};

/// The inputs of one target, by file name.
pub(crate) fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder().join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

#[test]
fn every_target_has_a_twin_and_a_corpus() {
    let names: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    let list = |folder: &str, end: &str| -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.map(|name| name.trim_end_matches(end).to_owned()).collect()
    };
    assert_eq!(list("fuzz/fuzz_targets", ".rs"), names);
    assert_eq!(list("fuzz/corpus", ""), names);
}

#[test]
fn the_corpus_is_small_and_holds() {
    let mut bytes = 0;
    for (target, holds) in ALL {
        let mut heard = [0, 0];
        for (_, input) in of(target) {
            bytes += input.len();
            heard[usize::from(holds(&input) == Heard::Accepted)] += 1;
        }
        assert!(heard.iter().all(|count| *count >= 2), "{target}: {heard:?} refused and accepted");
    }
    assert!(bytes < 200 * 1024, "{bytes} bytes: cargo +nightly fuzz cmin makes it smaller");
}
