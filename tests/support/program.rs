//! The real program on a gate's folder: what the attacks, the crashes and the load meet. People and devices
//! are made in the test's own process first; from then on the store is the program's alone.

use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::store::redb::Redb;
use portcullis::store::{Record, table};
use serde_json::Value;

use super::gate::Gate;
use super::laid_out::PASSPHRASE;

/// How the program is started.
#[derive(Clone, Default)]
pub(crate) struct Start {
    /// What runs it: `["strace", "-f", ...]`, `["faketime", "-f", "+1h"]`.
    pub(crate) under: Vec<String>,
    /// More of its environment: `PORTCULLIS_LOG`.
    pub(crate) environment: Vec<(String, String)>,
    /// A listening socket that outlives it, which is the standard input of what runs it.
    pub(crate) socket: Option<Arc<std::net::TcpListener>>,
}

/// A running program. `Gate`'s browsers, phones and doors lead to it; its store and trail do not.
pub(crate) struct Program {
    gate: Gate,
    child: Option<Child>,
    start: Start,
}

impl Deref for Program {
    type Target = Gate;
    fn deref(&self) -> &Gate {
        &self.gate
    }
}

impl Program {
    /// Closes the house in this process and starts the program in its place.
    pub(crate) async fn instead_of(gate: Gate) -> Self {
        Self::started_so(gate, Start::default()).await
    }

    pub(crate) async fn started_so(mut gate: Gate, start: Start) -> Self {
        gate.close().await;
        let mut program = Self { gate, child: None, start };
        program.start();
        program
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&mut self) {
        self.spawn();
        self.wait_until_up();
    }

    /// Starts it and returns at once.
    pub(crate) fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let binary = env!("CARGO_BIN_EXE_portcullis").to_owned();
        let line = [self.start.under.clone(), vec![binary, "serve".to_owned()]].concat();
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("PORTCULLIS_PASSPHRASE", PASSPHRASE).envs(self.start.environment.clone());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        if let Some(socket) = &self.start.socket {
            command.stdin(OwnedFd::from(socket.try_clone().unwrap()));
        }
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until the doors are open: the program opens them last but for the control socket.
    pub(crate) fn wait_until_up(&mut self) {
        let begun = Instant::now();
        while !self.is_up() {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("it ended with {status}: {}", self.log());
            }
            assert!(begun.elapsed() < UP_WITHIN, "it does not come up: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_up(&self) -> bool {
        std::net::TcpStream::connect(self.wire.address).is_ok()
            && self.cli(&["tenant", "list"]).status.success()
    }

    /// Its process; that of what runs it, where something does.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running program").id()
    }

    /// Kills it as a failing machine would. With `under`, kills what runs it: strace takes it along.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// Has it end as a fault would: where core dumps are on, it leaves one.
    pub(crate) fn abort(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("a running program");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::ABORT).unwrap();
        child.wait().unwrap()
    }

    /// Asks it to stop. Its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        child.wait().unwrap().code()
    }

    /// Whether it has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.as_mut()?.try_wait().unwrap()
    }

    /// Whether it was started and not ended by us.
    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Whether something else runs it.
    pub(crate) fn is_under(&self) -> bool {
        !self.start.under.is_empty()
    }

    /// Changes how the next start is done.
    pub(crate) fn start_next_so(&mut self, start: Start) {
        self.start = start;
    }

    /// A command beside it, as the operator types it.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PORTCULLIS_PASSPHRASE", PASSPHRASE)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The answer in JSON of a command that must succeed.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// How often something stands in the audit trail.
    #[track_caller]
    pub(crate) fn told_of(&self, event: &str) -> usize {
        self.lines_of(event).len()
    }

    /// What stands of something in the audit trail, oldest first.
    #[track_caller]
    pub(crate) fn lines_of(&self, event: &str) -> Vec<Value> {
        let found = self.json(&["audit", "list", "--last", "10000", "--event", event]);
        found["lines"].as_array().unwrap().clone()
    }

    /// How long the audit trail is.
    #[track_caller]
    pub(crate) fn trail_length(&self) -> u64 {
        let found = self.json(&["audit", "verify"]);
        found["entries"].as_u64().unwrap()
    }

    /// What the store holds, once the program has stopped.
    pub(crate) async fn kept<R: Record>(&self) -> Vec<R> {
        assert!(self.child.is_none(), "the store is the program's while it runs");
        let store = Redb::create_or_open(&self.config.store, self.world.clone()).unwrap();
        let all = table::list::<R>(&store, &table::all::<R>()).await.unwrap();
        all.into_iter().map(|read| read.record).collect()
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.folder.path().join("serve.log")
    }

    /// All that it logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Under strace and beside a build a start may take long.
const UP_WITHIN: Duration = Duration::from_secs(60);
