//! A disk that loses its power: what was synced is there, of what was written since it keeps what it likes, in
//! any order, page by page and torn within a page. Names too: one is sure once its folder was synced. Folders
//! themselves are taken for made.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use portcullis::world::World;

use crate::recording::What;

/// What the disk keeps of the writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    All,
    Nothing,
    /// Each page or not, by a throw.
    Some,
    /// The same, and of a page perhaps only its first sectors.
    Torn,
}

/// Files by number, as a file system has them, and names that lead to them.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    /// By which name a file was made: who opened it then writes to it still when the name is gone.
    made_as: BTreeMap<PathBuf, usize>,
    /// Names changed since their folder was synced.
    pending_names: Vec<Named>,
}

/// A name that changed.
#[derive(Clone)]
enum Named {
    /// Of a file, or none where it was taken away.
    File(PathBuf, Option<usize>),
    Folder {
        from: PathBuf,
        to: PathBuf,
    },
}

#[derive(Clone, Default)]
struct File {
    synced: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
enum Pending {
    Page { at: usize, bytes: Vec<u8> },
    Sized(usize),
}

impl Disk {
    /// All files of a folder, synced long ago.
    pub(crate) fn of(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Self {
        let mut disk = Self::default();
        disk.take_up(folder, &wanted);
        disk.synced_names = disk.names.clone();
        disk
    }

    fn take_up(&mut self, folder: &Path, wanted: &impl Fn(&Path) -> bool) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.take_up(&path, wanted);
            } else if path.is_file() && wanted(&path) {
                self.files.push(File { synced: std::fs::read(&path).unwrap(), pending: vec![] });
                self.names.insert(path, self.files.len() - 1);
            }
        }
    }

    /// One system call more.
    pub(crate) fn does(&mut self, what: &What) {
        match what {
            What::Made(path) => {
                if !self.names.contains_key(path) {
                    self.files.push(File::default());
                    self.made_as.insert(path.clone(), self.files.len() - 1);
                    self.name(path, Some(self.files.len() - 1));
                }
            }
            What::Written { file, at, bytes } => {
                let at = usize::try_from(*at).unwrap();
                let pending = pages(at, bytes);
                self.file(file).pending.extend(pending);
            }
            What::Sized { file, bytes } => {
                let size = usize::try_from(*bytes).unwrap();
                self.file(file).pending.push(Pending::Sized(size));
            }
            What::Synced(path) if self.number(path).is_some() => self.file(path).sync(),
            What::Synced(folder) => self.sync_names(folder),
            What::Linked { from, to } => {
                let file = self.names[from];
                self.name(to, Some(file));
            }
            What::Renamed { from, to } => match self.names.get(from).copied() {
                Some(file) => {
                    self.name(to, Some(file));
                    self.name(from, None);
                }
                None => self.named(Named::Folder { from: from.clone(), to: to.clone() }),
            },
            What::Unlinked(path) => self.name(path, None),
            What::Other { file, call } => panic!("{call} of {} is not understood", file.display()),
        }
    }

    fn file(&mut self, path: &Path) -> &mut File {
        let file = self.number(path).unwrap_or_else(|| panic!("{} was never made", path.display()));
        &mut self.files[file]
    }

    fn number(&self, path: &Path) -> Option<usize> {
        self.names.get(path).or_else(|| self.made_as.get(path)).copied()
    }

    fn name(&mut self, path: &Path, file: Option<usize>) {
        self.named(Named::File(path.to_owned(), file));
    }

    fn named(&mut self, named: Named) {
        named.put(&mut self.names);
        self.pending_names.push(named);
    }

    fn sync_names(&mut self, folder: &Path) {
        let all = std::mem::take(&mut self.pending_names).into_iter();
        let (synced, pending): (Vec<_>, Vec<_>) = all.partition(|named| named.folder() == Some(folder));
        self.pending_names = pending;
        synced.iter().for_each(|named| named.put(&mut self.synced_names));
    }

    /// The power goes: what is found afterwards is put into `folder`, in place of `stood_at`.
    pub(crate) fn found(&self, keeps: Keeps, world: &World, stood_at: &Path, folder: &Path) {
        let mut names = self.synced_names.clone();
        self.pending_names.iter().filter(|_| keeps.one(world)).for_each(|named| named.put(&mut names));
        for (path, file) in names {
            let bytes = self.files[file].found(keeps, world);
            let path = folder.join(path.strip_prefix(stood_at).unwrap());
            let parent = path.parent().unwrap();
            DirBuilder::new().recursive(true).mode(0o700).create(parent).unwrap();
            portcullis::config::secrets::write_new(&path, &bytes).unwrap();
        }
    }
}

impl Named {
    /// Where the name stands.
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(path, _) | Self::Folder { to: path, .. } => path.parent(),
        }
    }

    fn put(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::File(path, Some(file)) => drop(names.insert(path.clone(), *file)),
            Self::File(path, None) => drop(names.remove(path)),
            Self::Folder { from, to } => {
                let moved =
                    std::mem::take(names).into_iter().map(|(path, file)| match path.strip_prefix(from) {
                        Ok(rest) => (to.join(rest), file),
                        Err(_) => (path, file),
                    });
                *names = moved.collect();
            }
        }
    }
}

impl File {
    fn sync(&mut self) {
        let mut synced = std::mem::take(&mut self.synced);
        for pending in self.pending.drain(..) {
            pending.put(&mut synced, None);
        }
        self.synced = synced;
    }

    fn found(&self, keeps: Keeps, world: &World) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for pending in self.pending.iter().filter(|_| keeps.one(world)) {
            let torn = keeps == Keeps::Torn && world.below(3) == 0;
            let sectors = torn.then(|| world.below(8) as usize);
            pending.put(&mut bytes, sectors);
        }
        bytes
    }
}

impl Pending {
    /// `sectors`: so many of a page's first, where it is torn.
    fn put(&self, file: &mut Vec<u8>, sectors: Option<usize>) {
        match self {
            Self::Sized(size) => file.resize(*size, 0),
            Self::Page { at, bytes } => {
                let kept = sectors.map_or(bytes.len(), |sectors| (sectors * SECTOR).min(bytes.len()));
                if file.len() < at + bytes.len() {
                    file.resize(at + bytes.len(), 0);
                }
                file[*at..at + kept].copy_from_slice(&bytes[..kept]);
            }
        }
    }
}

impl Keeps {
    fn one(self, world: &World) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Some | Self::Torn => world.below(2) == 0,
        }
    }
}

/// A write as the page cache has it.
fn pages(at: usize, bytes: &[u8]) -> Vec<Pending> {
    let mut pages = Vec::new();
    let (mut at, mut bytes) = (at, bytes);
    while !bytes.is_empty() {
        let here = (PAGE - at % PAGE).min(bytes.len());
        pages.push(Pending::Page { at, bytes: bytes[..here].to_vec() });
        (at, bytes) = (at + here, &bytes[here..]);
    }
    pages
}

/// What the system writes back at once.
const PAGE: usize = 4096;

/// What a disk writes whole.
const SECTOR: usize = 512;
