//! The gate as the operator runs it: the optimized program in a process of its own, on a folder that the
//! tests' helpers laid out, with one client signed in by a whole first visit.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis::auth::password;
use rustls::NamedGroup;

use super::Failure;
use super::driver::Way;
use crate::support::browser::Browser;
use crate::support::desk::{anna, first_visit, sam};
use crate::support::gate::{Gate, Handed};
use crate::support::ports;
use crate::support::program::{Program, Start};

/// Who is measured, and where it runs.
#[derive(Clone)]
pub(crate) struct Setting {
    /// The optimized program.
    pub(crate) gate: PathBuf,
    /// The core it is bound to; `None` lets it have all.
    pub(crate) core: Option<usize>,
    /// More lines for `[limits]`.
    pub(crate) limits: &'static str,
}

/// A running gate with a client in it.
pub(crate) struct House {
    pub(crate) program: Program,
    pub(crate) laptop: Handed,
    pub(crate) client: Browser,
    pub(crate) ops: SocketAddr,
    _backend: Backend,
}

impl House {
    /// Opens it; `prepare` makes more people while the store is still in this process.
    pub(crate) async fn open(setting: &Setting, prepare: impl AsyncFnOnce(&Gate)) -> Result<Self, Failure> {
        let backend = Backend::start()?;
        let to = backend.url();
        let gate = Gate::with(|plan| {
            plan.backend = Some(to);
            plan.hashing = password::Settings::default();
        })
        .await;
        let agent = sam(&gate).await;
        let laptop = anna(&gate).await;
        prepare(&gate).await;
        let ops = SocketAddr::from(([127, 0, 0, 1], gate.port + 1));
        configure(gate.folder.path(), ops, setting.limits)?;
        let start = Start { under: instead(setting), ..Start::default() };
        let program = Program::started_so(gate, start).await;
        let (client, _phone) = first_visit(&program, &agent, &laptop).await;
        Ok(Self { program, laptop, client, ops, _backend: backend })
    }

    /// The signed-in client's way to the portal.
    pub(crate) fn way(&self, group: NamedGroup) -> Way {
        let wire = &self.program.wire;
        let host = self.program.host("bank");
        Way::new(wire.address, &host, &wire.root, Some(&self.laptop.identity), group)
            .signed_in(self.client.cookie())
    }

    /// One of the gate's own counters.
    pub(crate) async fn counter(&self, name: &str) -> Result<u64, Failure> {
        let text = metrics(self.ops).await?;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("portcullis_{name} ")));
        Ok(line.ok_or("no such counter")?.trim().parse()?)
    }

    /// The backend's address.
    pub(crate) fn backend(&self) -> SocketAddr {
        self._backend.address
    }
}

/// Where the backend has a mebibyte to give.
pub(crate) const LARGE: &str = "/statements/2026";

/// nginx with one small page and one large one, which every contestant forwards to.
struct Backend {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Backend {
    fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free_ports()));
        std::fs::create_dir(folder.path().join("statements"))?;
        std::fs::write(folder.path().join(&LARGE[1..]), "0123456789abcdef".repeat(1 << 16))?;
        let page = format!("the bank's own page {}", "x".repeat(1004));
        let text = format!(
            "user root; worker_processes 1; pid {0}/pid; error_log {0}/error.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; keepalive_timeout 3600s; keepalive_requests 1000000000;\n\
             server {{ listen {address}; location / {{ default_type text/html; return 200 \"{page}\"; }}\n\
             location /statements/ {{ root {0}; default_type application/pdf; }} }} }}\n",
            folder.path().display()
        );
        let child = nginx(folder.path(), &text, Some(1))?;
        until_it_listens(address)?;
        Ok(Self { child, address, _folder: folder })
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Starts nginx in the foreground on a configuration of its own.
pub(crate) fn nginx(folder: &Path, text: &str, core: Option<usize>) -> Result<Child, Failure> {
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text)?;
    let line = format!("nginx -p {} -c {} -g 'daemon off;'", folder.display(), file.display());
    bound(&line, core)
}

/// Starts a command line, bound to a core; the process is the command's own.
pub(crate) fn bound(line: &str, core: Option<usize>) -> Result<Child, Failure> {
    let line = core.map_or_else(|| format!("exec {line}"), |core| format!("exec taskset -c {core} {line}"));
    Ok(Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
}

/// Waits until somebody takes connections.
pub(crate) fn until_it_listens(address: SocketAddr) -> Result<(), Failure> {
    let begun = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if begun.elapsed() > Duration::from_secs(20) {
            return Err(format!("nobody listens at {address}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Asks a server to stop, its workers with it.
pub(crate) fn end(child: &mut Child) {
    let pid = rustix::process::Pid::from_child(child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let _ = child.wait();
}

/// The program under test in place of the one that the test build made.
fn instead(setting: &Setting) -> Vec<String> {
    let gate = setting.gate.display();
    let line = match setting.core {
        Some(core) => format!("shift; exec taskset -c {core} {gate} \"$@\""),
        None => format!("shift; exec {gate} \"$@\""),
    };
    ["sh", "-c", &line, "sh"].map(str::to_owned).to_vec()
}

fn configure(folder: &Path, ops: SocketAddr, limits: &str) -> Result<(), Failure> {
    let file = folder.join("portcullis.toml");
    let text = std::fs::read_to_string(&file)?;
    let text = text.replacen("[listen]", &format!("[listen]\nops = \"{ops}\""), 1);
    std::fs::write(&file, format!("{text}\n{limits}\n"))?;
    Ok(())
}

async fn metrics(ops: SocketAddr) -> Result<String, Failure> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(ops).await?;
    stream
        .write_all(format!("GET /metrics HTTP/1.1\r\nhost: {ops}\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
