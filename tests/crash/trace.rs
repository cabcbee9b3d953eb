//! strace lines: which system calls on the store's files are counted, killed at, or made to fail. Knows no
//! format of a log but which call stands in a line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Engine;

/// A system call by its name and number: `fdatasync`, the third. strace counts each call of each thread apart,
/// and one thread writes.
pub(crate) type Call = (String, usize);

/// What happens at a call.
#[derive(Clone, Debug)]
pub(crate) enum At {
    /// Nothing: the calls are counted.
    Nothing,
    /// The process is killed in place of the call.
    Kill(Call),
    /// The call is not made and fails so: `EIO`, `ENOSPC`.
    Fail(&'static str, Call),
}

/// The line that runs a program so. The calls go to the file `log`.
pub(crate) fn line(engine: &Engine, data: &Path, log: &Path, at: &At) -> Vec<String> {
    let mut line: Vec<String> = ["strace", "-f", "-qq", "-o"].iter().map(|word| (*word).to_owned()).collect();
    line.push(log.display().to_string());
    line.extend(["-e".to_owned(), format!("trace={CALLS}")]);
    match at {
        At::Nothing => {}
        At::Kill((call, k)) => {
            line.extend(["-e".to_owned(), format!("inject={call}:signal=SIGKILL:when={k}")]);
        }
        At::Fail(error, (call, k)) => {
            line.extend(["-e".to_owned(), format!("inject={call}:error={error}:when={k}")]);
        }
    }
    line.extend(watched(engine, data));
    line
}

/// Only the calls on the engine's files: a socket and the log are written too.
pub(crate) fn watched(engine: &Engine, data: &Path) -> Vec<String> {
    let files: Vec<PathBuf> = (engine.files)(data);
    files.iter().flat_map(|file| ["-P".to_owned(), file.display().to_string()]).collect()
}

/// Every call of the thread that made the most of its kind, in the order of the log.
pub(crate) fn calls(log: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(log).unwrap();
    let mut made: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let (thread, rest) = line.split_once(' ').unwrap_or_default();
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if CALLS.split(',').any(|one| one == call) {
            let k = made.entry((thread, call)).or_default();
            *k += 1;
            if !calls.contains(&(call.to_owned(), *k)) {
                calls.push((call.to_owned(), *k));
            }
        }
    }
    calls
}

/// Whether strace can trace here at all.
pub(crate) fn works() -> bool {
    let mut strace = std::process::Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "true"]);
    strace.output().is_ok_and(|output| output.status.success())
}

/// So many of them, spread from first to last, of each kind of call as many; all where there are no more.
pub(crate) fn spread(all: &[Call], points: usize) -> Vec<Call> {
    let mut kinds: Vec<Vec<&Call>> = Vec::new();
    for call in all {
        match kinds.iter_mut().find(|kind| kind[0].0 == call.0) {
            Some(kind) => kind.push(call),
            None => kinds.push(vec![call]),
        }
    }
    kinds.sort_by_key(Vec::len);
    let (mut chosen, mut left) = (Vec::new(), points.min(all.len()));
    for (n, kind) in kinds.iter().enumerate() {
        // What a kind of few leaves is for the others.
        let share = (left / (kinds.len() - n)).min(kind.len());
        chosen.extend((0..share).map(|n| kind[n * (kind.len() - 1) / (share - 1).max(1)].clone()));
        left -= share;
    }
    chosen
}

/// What changes a file or makes a change durable.
pub(crate) const CALLS: &str = "write,pwrite64,pwritev,writev,fdatasync,fsync,sync_file_range,ftruncate,fallocate,link,linkat,rename,renameat,\
     renameat2,unlink,unlinkat";
