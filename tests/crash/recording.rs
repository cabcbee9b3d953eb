//! Reads what strace wrote down of a life: which file of the store was written where with what, and what was made
//! durable when. Knows nothing of what survives: that is `disk`'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One system call that changed the data folder or made a change durable.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// When it began, in microseconds of Unix time.
    pub(crate) micros: i64,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// Opened by a call that makes it where it is not there.
    Made(PathBuf),
    Written {
        file: PathBuf,
        at: u64,
        bytes: Vec<u8>,
    },
    Sized {
        file: PathBuf,
        bytes: u64,
    },
    /// A file or a folder.
    Synced(PathBuf),
    Linked {
        from: PathBuf,
        to: PathBuf,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    Unlinked(PathBuf),
    /// What the model does not know: no engine may use it on a file of the store.
    Other {
        file: PathBuf,
        call: String,
    },
}

/// The line that records a program: one file for each thread, `prefix.THREAD`.
pub(crate) fn line(prefix: &Path) -> Vec<String> {
    let prefix = prefix.display().to_string();
    let calls = format!("trace={CALLS}");
    let line = ["strace", "-ff", "--seccomp-bpf", "-qq", "-ttt", "-T", "-y", "-xx", "-s", "16777216"];
    let line = line.into_iter().chain(["-e", &calls, "-e", "signal=none", "-o", &prefix]);
    line.map(str::to_owned).collect()
}

/// All calls under `folder` that `wanted` takes, in the order in which they began. Every call that cannot be read
/// fails the test: what is left out would be taken for unwritten.
pub(crate) fn read(prefix: &Path, folder: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<Event> {
    let name = format!("{}.", prefix.file_name().unwrap().to_str().unwrap());
    let mut events = Vec::new();
    for entry in std::fs::read_dir(prefix.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with(&name) {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut places = BTreeMap::new();
            events.extend(text.lines().filter_map(|line| event(line, &mut places)));
        }
    }
    events.retain(|event| {
        let path = event.what.path();
        path.starts_with(folder) && (path == folder || wanted(path))
    });
    events.sort_by_key(|event| event.micros);
    events
}

impl Event {
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self.what, What::Synced(_))
    }
}

impl What {
    fn path(&self) -> &Path {
        match self {
            Self::Made(path) | Self::Synced(path) | Self::Unlinked(path) => path,
            Self::Written { file, .. } | Self::Sized { file, .. } | Self::Other { file, .. } => file,
            Self::Linked { to, .. } | Self::Renamed { to, .. } => to,
        }
    }
}

/// `places` keeps where each open file is written next, for the calls that do not say it.
fn event(line: &str, places: &mut BTreeMap<PathBuf, u64>) -> Option<Event> {
    let (time, rest) = line.split_once(' ')?;
    let (seconds, micros) = time.split_once('.').unwrap_or_else(|| panic!("no time: {}", cut(line)));
    let micros = seconds.parse::<i64>().unwrap() * 1_000_000 + micros.parse::<i64>().unwrap();
    let (call, rest) = rest.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(")  = "))?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let arguments: Vec<&str> = arguments.split(", ").collect();
    let what = match call {
        "pwrite64" => {
            let bytes = text(arguments[1]);
            assert_eq!(bytes.len().to_string(), arguments[2], "the whole of it is recorded");
            What::Written { file: file(arguments[0])?, at: arguments[3].parse().unwrap(), bytes }
        }
        "write" => {
            let file = file(arguments[0])?;
            let bytes = text(arguments[1]);
            let at = places.entry(file.clone()).or_default();
            *at += bytes.len() as u64;
            What::Written { file, at: *at - bytes.len() as u64, bytes }
        }
        "ftruncate" => What::Sized { file: file(arguments[0])?, bytes: arguments[1].parse().unwrap() },
        "fsync" | "fdatasync" => What::Synced(file(arguments[0])?),
        "link" | "rename" => What::of_two(call, path(arguments[0]), path(arguments[1])),
        "linkat" | "renameat" | "renameat2" => What::of_two(call, path(arguments[1]), path(arguments[3])),
        "unlink" => What::Unlinked(path(arguments[0])),
        "unlinkat" => What::Unlinked(path(arguments[1])),
        "openat" => {
            let file = file(result)?;
            places.remove(&file);
            if !arguments[2].contains("O_CREAT") {
                return None;
            }
            What::Made(file)
        }
        // Waits for pages to be written, and neither for the disk's cache nor for the file's size: nothing is sure.
        "sync_file_range" => return None,
        _ => What::Other { file: file(arguments[0])?, call: call.to_owned() },
    };
    Some(Event { micros, what })
}

impl What {
    fn of_two(call: &str, from: PathBuf, to: PathBuf) -> Self {
        if call.starts_with("link") { Self::Linked { from, to } } else { Self::Renamed { from, to } }
    }
}

/// `9</data/store.redb>`; `None` for a socket or a pipe.
fn file(descriptor: &str) -> Option<PathBuf> {
    let name = descriptor.split_once('<')?.1;
    let name = &name[..name.find('>')?];
    let name = String::from_utf8(unescaped(name)).unwrap();
    name.starts_with('/').then(|| PathBuf::from(name))
}

fn path(quoted: &str) -> PathBuf {
    PathBuf::from(String::from_utf8(text(quoted)).unwrap())
}

/// What stands between quotes.
fn text(quoted: &str) -> Vec<u8> {
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    unescaped(inner.unwrap_or_else(|| panic!("no whole text: {}", cut(quoted))))
}

/// Bytes as `\x00`, or as they are.
fn unescaped(text: &str) -> Vec<u8> {
    if !text.starts_with("\\x") {
        return text.as_bytes().to_vec();
    }
    let digits: String = text.split("\\x").collect();
    data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap()
}

fn cut(line: &str) -> String {
    line.chars().take(300).collect()
}

/// What changes files, names, or durability; `openat` tells of files that are made.
const CALLS: &str = "openat,write,pwrite64,pwritev,pwritev2,writev,fdatasync,fsync,sync_file_range,ftruncate,fallocate,link,linkat,\
     rename,renameat,renameat2,unlink,unlinkat";
