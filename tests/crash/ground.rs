//! The gate that is crashed again and again: prepared once, its data folder copied, and put back before each
//! life. Knows how the program is started and ended; what happens in a life is `life`'s.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portcullis::domain::tenant::{SessionProfile, Tenant};

use crate::state::State;
use crate::support::browser::Browser;
use crate::support::desk::{anna, first_visit, sam};
use crate::support::gate::{Gate, Handed};
use crate::support::phone::Phone;
use crate::support::program::{Program, Start};
use crate::trace::{self, At};
use crate::{Engine, tally};

/// The gate and the people who come to it.
pub(crate) struct Ground {
    pub(crate) engine: Engine,
    pub(crate) program: Program,
    /// What the store held before any life.
    pub(crate) before: State,
    /// Sam, signed in at the desk.
    pub(crate) agent: Browser,
    /// Anna's laptop: in use, with her phone and her password.
    pub(crate) laptop: Handed,
    pub(crate) phone: Arc<Phone>,
    /// Anna's old laptop, which she lost.
    pub(crate) lost: Handed,
    /// Bert's laptop: handed over and never seen.
    pub(crate) new: Handed,
    kept: tempfile::TempDir,
    born: Instant,
}

impl Ground {
    pub(crate) async fn new(engine: Engine) -> Self {
        let gate = Gate::with(engine.plan).await;
        for tenant in gate.all::<Tenant>().await {
            // Whoever signed in before all lives must still be in at the last.
            gate.put(&Tenant { profile: SessionProfile::Aal2, ..tenant }).await;
        }
        let agent = sam(&gate).await;
        let laptop = anna(&gate).await;
        let (_, phone) = first_visit(&gate, &agent, &laptop).await;
        let lost = gate.device("bank", "anna", "old").await;
        gate.settle(&lost).await;
        gate.person("bank", "bert", "Bert Muster", &[]).await;
        let new = gate.device("bank", "bert", "laptop").await;
        // The program reads what the operator wrote.
        let mut written = std::fs::OpenOptions::new().append(true).open(&gate.config.file).unwrap();
        writeln!(written, "[store]\nengine = {:?}", engine.name).unwrap();
        let program = Program::instead_of(gate).await;
        let kept = tempfile::tempdir().unwrap();
        let before = State::default();
        let mut ground =
            Self { engine, before, program, agent, laptop, phone, lost, new, kept, born: Instant::now() };
        assert_eq!(ground.program.stop(), Some(0), "{}", ground.program.log());
        ground.before = ground.state().await;
        copy(&ground.data(), ground.kept.path());
        ground
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.program.config.data.clone()
    }

    /// Where strace writes down the calls.
    pub(crate) fn calls(&self) -> PathBuf {
        self.program.folder.path().join("calls")
    }

    /// The data folder as it was before all lives. Nothing may run.
    pub(crate) async fn put_back(&mut self) {
        self.end();
        if self.born.elapsed() > KEPT {
            *self = Self::new(self.engine).await;
        }
        std::fs::remove_dir_all(self.data()).unwrap();
        copy(self.kept.path(), &self.data());
        let _ = std::fs::remove_file(self.program.log_file());
    }

    /// Starts the program with this at its k-th call, and waits until it serves. `false` where it ended first.
    pub(crate) async fn starts(&mut self, at: &At) -> bool {
        let under = trace::line(&self.engine, &self.data(), &self.calls(), at);
        self.starts_under(under).await.is_some()
    }

    /// How long it took until it answered.
    pub(crate) async fn starts_under(&mut self, under: Vec<String>) -> Option<Duration> {
        self.program.start_next_so(Start { under, ..Start::default() });
        let begun = Instant::now();
        self.program.spawn();
        while begun.elapsed() < PATIENCE {
            if self.answers().await.is_ok() {
                return Some(begun.elapsed());
            }
            if self.program.ended().is_some() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it neither serves nor ends: {}", self.program.log());
    }

    /// After a crash: it serves again within two seconds of its start. A machine that is busy with other
    /// things gets two more tries.
    pub(crate) async fn serves_again(&mut self) -> Duration {
        let mut slowest = Vec::new();
        for _ in 0..TRIES {
            let Some(took) = self.starts_under(vec![]).await else {
                panic!("it does not start again: {}", self.program.log());
            };
            let waited = self.waited_for_a_core();
            if took.saturating_sub(waited) <= SERVES_WITHIN {
                return took.saturating_sub(waited);
            }
            tally::say(&format!(
                "it served again after {took:?}, {waited:?} of it waiting for a core; once more"
            ));
            slowest.push(took);
            self.program.kill();
        }
        panic!("it takes {slowest:?} to serve again");
    }

    /// How long its main thread stood ready and was not run, since others had the cores: no fault of its own.
    fn waited_for_a_core(&self) -> Duration {
        let pid = self.program.pid();
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat")).unwrap_or_default();
        let waited = text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
        Duration::from_nanos(waited.unwrap_or(0))
    }

    /// One answer of the portal's door.
    async fn answers(&self) -> std::io::Result<()> {
        let tls = self.program.wire.bare().tls("bank.localhost", "http/1.1").await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(tls)).await.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        let request =
            Request::get("/").header("host", self.program.host("bank")).body(Body::empty()).unwrap();
        sender.send_request(request).await.map(drop).map_err(std::io::Error::other)
    }

    /// How it has ended by itself, which takes a moment to be seen; `None` where it goes on.
    pub(crate) async fn ends(&mut self) -> Option<ExitStatus> {
        let begun = Instant::now();
        while self.program.ended().is_none() && begun.elapsed() < ENDS_WITHIN {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.end()
    }

    /// Kills the program as a failing machine would, also under strace. How it had ended where it had.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        let ended = self.program.ended();
        if ended.is_none() && self.program.runs() {
            for child in children(self.program.pid()) {
                let pid = rustix::process::Pid::from_raw(child).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            if self.program.is_under() {
                // strace ends with what it traced; killed itself it would leave it dying.
                let begun = Instant::now();
                while self.program.ended().is_none() && begun.elapsed() < PATIENCE {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        self.program.kill();
        ended
    }

    /// What the store holds. Nothing may run.
    pub(crate) async fn state(&self) -> State {
        let store = (self.engine.open)(&self.data()).unwrap_or_else(|error| panic!("{error}"));
        State::read(&*store).await
    }
}

fn children(pid: u32) -> Vec<i32> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Copies files and folders with their modes; sockets are left out.
pub(crate) fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, PermissionsExt::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The house's own promise.
const SERVES_WITHIN: Duration = Duration::from_secs(2);

/// Shorter than a session that nobody uses.
const KEPT: Duration = Duration::from_secs(1800);

/// A machine busy with other things may hold a start up.
const TRIES: usize = 3;

/// A stop lets requests under way finish.
const ENDS_WITHIN: Duration = PATIENCE;

/// Under strace and beside a build a start may take long.
const PATIENCE: Duration = Duration::from_secs(60);
