//! The demo as anybody starts it: `portcullis demo`, in a folder and on ports of its own.

use crate::ports::free_ports;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running demo; it ends when this is dropped.
pub(crate) struct Demo {
    pub(crate) port: u16,
    dir: tempfile::TempDir,
    process: Child,
    passwords: HashMap<String, String>,
}

impl Demo {
    /// Makes one and starts it.
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"))
    }

    /// Makes one and stops before it runs.
    pub(crate) fn prepare() -> tempfile::TempDir {
        Self::prepare_at(free_ports())
    }

    fn prepare_at(port: u16) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let port = port.to_string();
        let made = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["demo", "--prepare", "--dir", path(dir.path()), "--port", &port])
            .output()
            .expect("the demo is made");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        dir
    }

    /// Starts the demo of a folder and waits until it says that it runs.
    pub(crate) fn start_in(dir: tempfile::TempDir) -> Self {
        let port = free_ports();
        let process = run(dir.path(), port);
        let kept = std::fs::read_to_string(dir.path().join("passwords.txt")).expect("the passwords");
        Self { port, process, passwords: passwords(&kept), dir }
    }

    /// Makes one and serves it with a second tenant's door beside the bank's: as the operator would, without the
    /// demo's bank.
    pub(crate) fn serve_with_portal(tenant: &str) -> Self {
        use std::io::Write as _;
        let port = free_ports();
        let dir = Self::prepare_at(port);
        let portal = format!(
            "\n[[portal]]\ntenant = {tenant:?}\nhost = \"{tenant}.localhost\"\ncertificate = \"internal\"\n"
        );
        let file = dir.path().join("portcullis.toml");
        let mut config = std::fs::OpenOptions::new().append(true).open(&file).expect("the configuration");
        config.write_all(portal.as_bytes()).expect("written");
        let process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["--config", path(&file), "serve"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it serves");
        let kept = std::fs::read_to_string(dir.path().join("passwords.txt")).expect("the passwords");
        let begun = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
            || !dir.path().join("data/control.sock").exists()
        {
            assert!(begun.elapsed() < crate::PATIENCE, "it does not come up");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Self { port, process, passwords: passwords(&kept), dir }
    }

    /// Stops it, and starts it again at the same addresses once `meanwhile` is done with its files.
    pub(crate) async fn while_stopped(&mut self, meanwhile: impl AsyncFnOnce(&Path)) {
        let stopped = Command::new("kill").arg(self.process.id().to_string()).status();
        assert!(stopped.expect("kill runs").success());
        self.process.wait().expect("it ends");
        meanwhile(self.dir.path()).await;
        self.process = run(self.dir.path(), self.port);
    }

    /// A file of the demo.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The root that its doors' certificates lead to.
    pub(crate) fn root(&self) -> PathBuf {
        self.file("ca/demo-root.crt")
    }

    /// The import password of a .p12, or as `agent`, `operator` the password at the door.
    pub(crate) fn password(&self, of: &str) -> &str {
        self.passwords.get(of).unwrap_or_else(|| panic!("no password of {of}"))
    }

    /// The address of a page: `bank`, `console`, `phone` or `start`, and a path.
    pub(crate) fn url(&self, door: &str, path: &str) -> String {
        format!("https://{door}.localhost:{}{path}", self.port)
    }

    /// Runs a command of `portcullis` beside the running demo.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let out = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["--config", path(&self.file("portcullis.toml"))])
            .args(arguments)
            .output()
            .expect("the command runs");
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts the demo and waits until it says that it runs.
fn run(dir: &Path, port: u16) -> Child {
    let mut process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["demo", "--dir", path(dir), "--port", &port.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the demo starts");
    let out = BufReader::new(process.stdout.take().expect("its words"));
    let mut runs = false;
    let mut lines = out.lines();
    for line in lines.by_ref() {
        let line = line.expect("a line");
        runs |= line.starts_with("The demo runs");
        if runs && line.is_empty() {
            break;
        }
    }
    assert!(runs, "the demo ended before it ran");
    // What it says later must go somewhere, or it would wait for ever.
    std::thread::spawn(move || lines.for_each(drop));
    process
}

/// `passwords.txt`: a block for each person, each file with its import password.
fn passwords(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut file = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [name, "import", "password", secret] => {
                file = name.trim_end_matches(".p12").to_owned();
                found.insert((*name).to_owned(), (*secret).to_owned());
            }
            ["at", "the", "door", "password", secret] => {
                found.insert(file.clone(), (*secret).to_owned());
            }
            _ => {}
        }
    }
    found
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
