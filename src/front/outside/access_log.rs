//! The access log: one line of JSON for each request, written by a thread of its own. Where it writes slowly
//! or not at all, lines are left out and counted; no request waits for it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use super::line::{self, Field};
use super::record::Record;
use super::text::{Kind, Text};

/// What is written, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to.
    pub to: To,
    /// What of each request.
    pub fields: Vec<Field>,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// The output stream.
    Stdout,
    /// A file, which is added to.
    File(PathBuf),
}

impl Settings {
    /// Whether a log can be opened there. Makes none.
    ///
    /// # Errors
    /// The system's.
    pub fn judge(&self) -> io::Result<()> {
        let To::File(path) = &self.to else { return Ok(()) };
        match File::options().read(true).append(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map(drop),
        }
        // A link that leads nowhere yet is made where it leads.
        let path = std::fs::read_link(path).map_or_else(|_| path.clone(), |to| path.with_file_name(to));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        Ok(rustix::fs::access(folder.unwrap_or(Path::new(".")), wanted)?)
    }
}

/// Takes requests, and never waits.
pub(super) struct AccessLog {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
}

struct Shared {
    counts: Arc<Counts>,
    reopen: AtomicBool,
}

/// What became of lines. One log's counts go on with the next one's.
#[derive(Default)]
pub(super) struct Counts {
    written: AtomicU64,
    /// The queue was full: the disk, or whoever reads, is too slow.
    left_out: AtomicU64,
    /// The system would not write them.
    failed: AtomicU64,
}

impl Counts {
    pub(super) fn write_metrics(&self, text: &mut Text) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let help = "Lines of the access log.";
        text.one("access_log_lines_total", Kind::Counter, help, count(&self.written));
        let name = "access_log_lines_lost_total";
        text.family(name, Kind::Counter, "Lines that are missing in the access log.");
        text.sample(name, &[("why", "slow")], count(&self.left_out));
        text.sample(name, &[("why", "failed")], count(&self.failed));
    }
}

enum Message {
    Request(Arc<Record>),
    /// There is something to see to.
    Look,
    /// Say when all before this is written.
    Close(SyncSender<()>),
}

impl AccessLog {
    /// Opens the file and starts its thread.
    pub(super) fn open(settings: Settings, counts: Arc<Counts>) -> io::Result<Self> {
        let shared = Arc::new(Shared { counts, reopen: AtomicBool::new(false) });
        let file = open(&settings.to)?;
        let (queue, messages) = mpsc::sync_channel(QUEUE_MAX);
        let writer = Writer { settings, file, shared: Arc::clone(&shared), torn: false, told: None };
        std::thread::Builder::new()
            .name("portcullis-access-log".to_owned())
            .spawn(move || writer.run(&messages))?;
        Ok(Self { queue, shared })
    }

    pub(super) fn take(&self, record: Arc<Record>) {
        if self.queue.try_send(Message::Request(record)).is_err() {
            self.shared.counts.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::SeqCst);
        // Where it is full, the next line looks.
        let _ = self.queue.try_send(Message::Look);
    }

    /// Waits until what was taken is written, but not for long.
    pub(super) fn close(&self) {
        let (written, wait) = mpsc::sync_channel(1);
        let until = Instant::now() + CLOSE_MAX;
        loop {
            match self.queue.try_send(Message::Close(written.clone())) {
                Ok(()) => break,
                Err(TrySendError::Full(_)) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(_) => return,
            }
        }
        let _ = wait.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

struct Writer {
    settings: Settings,
    file: File,
    shared: Arc<Shared>,
    /// The last line lacks its end.
    torn: bool,
    /// When it was last said that nothing can be written.
    told: Option<Instant>,
}

impl Writer {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut lines = Vec::new();
        while let Ok(first) = messages.recv() {
            let mut closing = None;
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Request(record) => line::write(&mut lines, &record, &self.settings.fields),
                    Message::Look => {}
                    Message::Close(written) => closing = Some(written),
                }
                next = if lines.len() < BATCH_BYTES { messages.try_recv().ok() } else { None };
            }
            if self.shared.reopen.swap(false, Ordering::SeqCst) {
                self.reopen();
            }
            self.write(&lines);
            lines.clear();
            if let Some(written) = closing {
                let _ = written.try_send(());
            }
        }
    }

    fn reopen(&mut self) {
        match open(&self.settings.to) {
            Ok(file) => (self.file, self.torn) = (file, false),
            Err(error) => {
                tracing::error!(%error, "the access log cannot be opened again and goes on in the old file")
            }
        }
    }

    fn write(&mut self, mut lines: &[u8]) {
        if self.torn && !lines.is_empty() && self.file.write_all(b"\n").is_ok() {
            self.torn = false;
        }
        while !lines.is_empty() {
            match self.file.write(lines) {
                Ok(n) if n > 0 => {
                    let (done, rest) = lines.split_at(n);
                    self.shared.counts.written.fetch_add(count(done), Ordering::Relaxed);
                    self.torn = done.last() != Some(&b'\n');
                    lines = rest;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => {
                    self.shared.counts.failed.fetch_add(count(lines), Ordering::Relaxed);
                    if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
                        let error = other.err().map(|error| error.to_string()).unwrap_or_default();
                        tracing::error!(
                            error,
                            "the access log cannot be written; its lines are left out and counted"
                        );
                        self.told = Some(Instant::now());
                    }
                    return;
                }
            }
        }
    }
}

fn open(to: &To) -> io::Result<File> {
    match to {
        To::Stdout => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        To::File(path) => {
            use std::os::unix::fs::OpenOptionsExt as _;
            // A pipe that is opened for reading too opens without its reader.
            File::options().read(true).append(true).create(true).mode(MODE).open(path)
        }
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Who came from where: for the gate and its group.
const MODE: u32 = 0o640;

/// A tenth of a second at forty thousand requests a second; ten megabytes where all have long paths.
const QUEUE_MAX: usize = 4096;

/// So much goes to the system at once.
const BATCH_BYTES: usize = 64 * 1024;

/// A stop does not wait for a reader that stands still.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// A full disk fills no other log.
const TOLD_EVERY: Duration = Duration::from_secs(60);
