//! A clock in the test's hand for the real program: libfaketime reads a file each time the program asks for
//! the wall clock. The monotonic clock runs on as it does on a machine whose wall clock is set.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::browser::Browser;
use super::desk::signs_in;
use super::program::{Program, Start};
use super::skipped::skipped;

/// The file that the program's wall clock is read from.
pub(crate) struct Faketime {
    file: PathBuf,
    library: &'static str,
    ahead_ms: AtomicI64,
}

impl Faketime {
    /// Beside the gate's other files; `None`, said aloud, where the library is not installed.
    pub(crate) fn within(folder: &Path, whose: &str) -> Option<Self> {
        let library = LIBRARIES.iter().find(|at| Path::new(at).exists());
        let Some(library) = library else {
            skipped(&format!("{whose}: libfaketime is not installed (apt install faketime)"));
            return None;
        };
        let this = Self { file: folder.join("faketime"), library, ahead_ms: AtomicI64::new(0) };
        this.jump(0);
        Some(this)
    }

    /// How the program is started under it.
    pub(crate) fn start(&self) -> Start {
        let pairs = [
            ("LD_PRELOAD", self.library.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Start {
            environment: pairs.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            ..Start::default()
        }
    }

    /// Moves the program's wall clock, forward or back, and nobody else's.
    pub(crate) fn jump(&self, milliseconds: i64) {
        let ahead = self.ahead_ms.fetch_add(milliseconds, Ordering::SeqCst) + milliseconds;
        // In one step: half a line read is another time.
        let new = self.file.with_extension("new");
        let (sign, size) = (if ahead < 0 { '-' } else { '+' }, ahead.unsigned_abs());
        std::fs::write(&new, format!("{sign}{}.{:03}\n", size / 1000, size % 1000)).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
    }

    /// Lets time pass, in the program and for the phones, and keeps the desk's session alive beside it.
    pub(crate) async fn pass(&self, program: &Program, agent: Option<&Browser>, mut seconds: u64) {
        while seconds > 0 {
            let step = seconds.min(STEP_SECONDS);
            seconds -= step;
            program.clock.advance(Duration::from_secs(step));
            self.jump(i64::try_from(step).unwrap() * 1000);
            if let Some(agent) = agent {
                signs_in(agent).await;
            }
        }
    }
}

const LIBRARIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// Shorter than a session may idle.
const STEP_SECONDS: u64 = 240;
