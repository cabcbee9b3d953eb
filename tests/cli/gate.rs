//! A gate in a folder of its own, made by `init`; runs commands against it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It was done.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// It was not done, with this exit code, and says this.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, says: &str) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        let told = format!("{}{}", self.out, self.err);
        assert!(told.contains(says), "no {says:?} in {told}");
        self
    }
}

/// Runs the binary in a folder.
pub(crate) fn portcullis(dir: &Path, arguments: &[&str]) -> Done {
    let output = command(dir).args(arguments).output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.current_dir(dir).env_clear().env("HOME", dir).stdin(Stdio::null());
    command
}

/// A gate with its first owner.
pub(crate) struct Gate {
    pub(crate) folder: tempfile::TempDir,
    server: Option<Child>,
}

impl Gate {
    /// Made by `init`, not running.
    pub(crate) fn made() -> Self {
        Self::made_with("redb")
    }

    /// The same, with a certain engine of the store.
    pub(crate) fn made_with(engine: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_secret(&folder.path().join("passphrase"), "correct horse battery staple\n");
        let gate = Self { folder, server: None };
        let (tls, plain, ops) = (free(), free(), free());
        gate.run(&[
            "init",
            "--organization",
            "Bank Muster",
            "--telephone",
            "+41 44 555 01 00",
            "--console-host",
            "console.localhost",
            "--phone-host",
            "phone.localhost",
            "--portal",
            "bank=bank.localhost",
            "--owner-name",
            "Olga Owner",
            "--owner-email",
            "olga@bank.example",
            "--passphrase-file",
            "passphrase",
            "--tls",
            &tls,
            "--plain",
            &plain,
            "--ops",
            &ops,
            "--engine",
            engine,
        ])
        .well();
        gate
    }

    /// Made by something else in a folder.
    pub(crate) fn at(folder: tempfile::TempDir) -> Self {
        Self { folder, server: None }
    }

    /// Where plain HTTP listens.
    pub(crate) fn plain(&self) -> String {
        let text = std::fs::read_to_string(self.dir().join("portcullis.toml")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("plain = \"")).unwrap();
        line.trim_end_matches('"').to_owned()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("data/control.sock")
    }

    /// Runs a command against it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        portcullis(self.dir(), arguments)
    }

    /// The same in JSON, which must be well.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(arguments);
        self.run(&all).well().json()
    }

    /// Starts `serve` and waits for its control socket.
    pub(crate) fn serve(&mut self) {
        let log = std::fs::File::create(self.dir().join("serve.log")).unwrap();
        let child =
            command(self.dir()).arg("serve").stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.server = Some(child);
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            let ended = self.server.as_mut().unwrap().try_wait().unwrap();
            let log = || std::fs::read_to_string(self.dir().join("serve.log")).unwrap();
            assert!(ended.is_none(), "serve ended: {}", log());
            assert!(begun.elapsed() < Duration::from_secs(120), "serve does not come up: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Tells the server to stop, and returns its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.server.take()?;
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        child.wait().unwrap().code()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(mut child) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An address that nobody has just now.
pub(crate) fn free() -> String {
    format!("127.0.0.1:{}", crate::ports::free_ports())
}

pub(crate) fn write_secret(file: &Path, text: &str) {
    portcullis::config::secrets::write_new(file, text.as_bytes()).unwrap();
}
