//! What an issue in bulk has begun and done, line by line in its folder, so that it can be broken off anywhere.
//! Passwords stand in it sealed under the gate's pepper, from before their certificates exist until the file of
//! passwords is written; then they go.

use std::collections::{BTreeMap, HashSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ca::import_password;
use crate::cli::failure::Failure;
use crate::console::command::bulk::Wanted;
use crate::console::command::bulk::sheet::Row;
use crate::console::command::person::id_from;
use crate::crypto::{self, Pepper};
use crate::domain::{DeviceId, Secret};
use crate::world::World;

/// The journal of a folder, held by this process alone.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    key: Zeroizing<[u8; 32]>,
    world: World,
    entries: BTreeMap<String, Entry>,
    keys: HashSet<String>,
    names: HashSet<String>,
    finished: bool,
}

/// A row, from when it was begun.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) row: Row,
    device: DeviceId,
    /// Name of its .p12.
    pub(super) file: String,
    /// Its password, sealed; gone once all is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) done: Option<Done>,
}

/// What came of a row.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) device: String,
    pub(super) serial: String,
    pub(super) sha256: String,
    pub(super) until: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Begun(Box<Entry>),
    Done(Done),
    Finished,
}

impl Journal {
    /// Opens the journal of a folder, or begins one. A line that a crash cut off is left out: what it would have
    /// said is done again.
    pub(super) fn open(folder: &Path, pepper: Pepper, world: World) -> Result<Self, Failure> {
        private(folder)?;
        let path = folder.join(NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(Failure::written(&path))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Failure::Usage(format!(
                "another command issues into {}: wait until it is done, or name another folder with --out",
                folder.display()
            ))
        })?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(Failure::read(&path))?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        file.set_len(whole as u64).map_err(Failure::written(&path))?;
        file.seek(SeekFrom::End(0)).map_err(Failure::written(&path))?;
        let key = Zeroizing::new(pepper.mac("bulk journal", &[]));
        let (entries, keys, names) = Default::default();
        let mut journal = Self { path, file, key, world, entries, keys, names, finished: false };
        for line in text[..whole].lines() {
            let line = serde_json::from_str(line).map_err(|_| {
                Failure::Other(format!(
                    "{} was changed by another hand: name another folder with --out, or put it back",
                    journal.path.display()
                ))
            })?;
            journal.take(line);
        }
        Ok(journal)
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Begun(entry) => {
                self.keys.insert(entry.row.key());
                self.names.insert(entry.file.clone());
                self.entries.insert(entry.device.to_string(), *entry);
            }
            Line::Done(done) => {
                if let Some(entry) = self.entries.get_mut(&done.device) {
                    entry.done = Some(done);
                }
            }
            Line::Finished => self.finished = true,
        }
    }

    /// Whether a row was begun, in this run or one before.
    pub(super) fn knows(&self, row: &Row) -> bool {
        self.keys.contains(&row.key())
    }

    /// Whether all was done and the passwords handed over.
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// How many rows are done.
    pub(super) fn done(&self) -> usize {
        self.entries.values().filter(|entry| entry.done.is_some()).count()
    }

    /// Rows that an earlier run began and did not bring to an end.
    pub(super) fn begun_and_not_done(&self) -> Vec<Row> {
        let open = self.entries.values().filter(|entry| entry.done.is_none());
        let mut rows: Vec<Row> = open.map(|entry| entry.row.clone()).collect();
        rows.sort_by_key(|row| row.line);
        rows
    }

    /// Everything that is done, in the sheet's order, with its password.
    pub(super) fn issued(&self) -> Result<Vec<(&Entry, &Done, Secret)>, Failure> {
        let done = self.entries.values().filter_map(|entry| Some((entry, entry.done.as_ref()?)));
        let mut issued: Vec<_> = done.collect();
        issued.sort_by_key(|(entry, _)| entry.row.line);
        issued.into_iter().map(|(entry, done)| Ok((entry, done, self.password(entry)?))).collect()
    }

    /// Draws device and password for each row, and puts them on disk before anything is asked of the gate. Rows that
    /// were begun before keep theirs.
    pub(super) fn begin(&mut self, rows: &[Row]) -> Result<Vec<Wanted>, Failure> {
        let known: BTreeMap<String, String> =
            self.entries.iter().map(|(device, entry)| (entry.row.key(), device.clone())).collect();
        let (mut lines, mut wanted) = (Vec::new(), Vec::new());
        for row in rows {
            let entry = match known.get(&row.key()).and_then(|device| self.entries.get(device)) {
                Some(entry) => entry.clone(),
                None => {
                    let entry = self.entry(row)?;
                    lines.push(Line::Begun(Box::new(entry.clone())));
                    entry
                }
            };
            let password = self.password(&entry)?;
            wanted.push(Wanted { row: row.clone(), device: entry.device.clone(), password });
        }
        self.write(lines)?;
        Ok(wanted)
    }

    /// Writes down that rows are done: their files are on disk.
    pub(super) fn done_with(&mut self, done: &[Done]) -> Result<(), Failure> {
        self.write(done.iter().cloned().map(Line::Done).collect())
    }

    /// Name of a device's .p12.
    pub(super) fn file_of(&self, device: &str) -> Option<String> {
        self.entries.get(device).map(|entry| entry.file.clone())
    }

    /// Ends it: from now on it only says what was issued. The passwords go.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let mut text = Vec::new();
        for entry in self.entries.values() {
            line(&mut text, &Line::Begun(Box::new(Entry { sealed: None, done: None, ..entry.clone() })));
            if let Some(done) = &entry.done {
                line(&mut text, &Line::Done(done.clone()));
            }
        }
        line(&mut text, &Line::Finished);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        super::outcome::keep(folder, NAME, &text)?;
        super::outcome::settle(folder)?;
        self.finished = true;
        Ok(())
    }

    fn entry(&mut self, row: &Row) -> Result<Entry, Failure> {
        let device = DeviceId::from_bits(self.world.bytes());
        let password = import_password::draw(&self.world);
        let sealed =
            crypto::seal(&self.key, self.world.bytes(), &label(&device), password.expose().as_bytes())
                .map_err(|_| Failure::Other("a password could not be sealed: try again".to_owned()))?;
        let name = id_from(&row.device).map_or_else(|| device.to_string(), |slug| slug.to_string());
        let mut file = format!("{}-{}-{name}.p12", row.tenant, row.person);
        if !self.names.insert(file.clone()) {
            file = format!("{}-{}-{name}-{device}.p12", row.tenant, row.person);
        }
        Ok(Entry { row: row.clone(), device, file, sealed: Some(BASE64.encode(&sealed)), done: None })
    }

    fn password(&self, entry: &Entry) -> Result<Secret, Failure> {
        let sealed = entry.sealed.as_deref().and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let opened = sealed.and_then(|sealed| crypto::open(&self.key, &label(&entry.device), &sealed).ok());
        let text = opened.and_then(|bytes| std::str::from_utf8(&bytes).ok().map(Secret::new));
        text.ok_or_else(|| {
            Failure::Other(format!(
                "a password in {} does not open with this gate's pepper: go on with the gate that began it",
                self.path.display()
            ))
        })
    }

    /// On disk before it returns.
    fn write(&mut self, lines: Vec<Line>) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for one in &lines {
            line(&mut text, one);
        }
        self.file
            .write_all(&text)
            .and_then(|()| self.file.sync_data())
            .map_err(Failure::written(&self.path))?;
        for one in lines {
            self.take(one);
        }
        Ok(())
    }
}

fn line(text: &mut Vec<u8>, line: &Line) {
    // Writing plain data to memory cannot fail.
    if serde_json::to_writer(&mut *text, line).is_err() {
        unreachable!("lines are plain data");
    }
    text.push(b'\n');
}

fn label(device: &DeviceId) -> Vec<u8> {
    format!("portcullis bulk password of {device}").into_bytes()
}

/// Makes the folder for its owner alone; one that others may look into is refused.
fn private(folder: &Path) -> Result<(), Failure> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            let above =
                folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            super::outcome::settle(above)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let there = std::fs::metadata(folder).map_err(Failure::read(folder))?;
            if !there.is_dir() || there.mode() & 0o077 != 0 {
                return Err(Failure::Usage(format!(
                    "{0} is no folder for you alone: name another with --out, or `chmod 700 {0}`",
                    folder.display()
                )));
            }
            Ok(())
        }
        Err(error) => Err(Failure::written(folder)(error)),
    }
}

/// Beside the files; nobody needs it once all is done, but it says so.
const NAME: &str = "journal.jsonl";
