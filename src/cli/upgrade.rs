//! One gate follows another without closing a door. The one that runs starts the program that lies in its place, hands
//! it the listening sockets and a line; the new one reads all that it can, says that it is ready, is told to go, and waits
//! for the old one's half of the line to end, which it does when that one has let go of the store: because it has ended, or
//! because what is under way there takes long. Connections that come meanwhile wait in the sockets. Then the new one says on
//! the line what changes. Where the new one is not ready, the old one goes on; a line that breaks before the word tells the
//! new one to end.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use listenfd::ListenFd;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::app::lines;
use crate::config::{Environment, environment};
use crate::domain::Secret;

/// What a process was given by the one that started it.
#[derive(Default)]
pub(super) struct Given {
    /// Listening sockets.
    pub(super) listeners: Vec<TcpListener>,
    /// The line to the gate that gives way, where there is one.
    pub(super) before: Option<UnixStream>,
    /// What opens the keys of the CA, where that gate had it from its own environment.
    pub(super) passphrase: Option<Secret>,
}

impl Given {
    /// Takes it, once.
    pub(super) fn take(environment: &Environment) -> Result<Self, Failure> {
        if environment.takes_over {
            let line = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().map_err(Failure::System)?);
            return received(line).map_err(Failure::System);
        }
        let (mut all, mut given) = (ListenFd::from_env(), Self::default());
        for index in 0..all.len() {
            match all.take_tcp_listener(index) {
                Ok(listener) => given.listeners.extend(listener),
                Err(error) => tracing::warn!(%error, "a socket that was handed over is of no use here"),
            }
        }
        Ok(given)
    }
}

/// What [`handed`] sent.
fn received(line: UnixStream) -> io::Result<Given> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut sockets = RecvAncillaryBuffer::new(&mut space);
    let mut text = Zeroizing::new(vec![0; TEXT_BYTES_MAX]);
    let mut parts = [IoSliceMut::new(&mut text)];
    let read = rustix::net::recvmsg(&line, &mut parts, &mut sockets, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let mut given = Given::default();
    for message in sockets.drain() {
        if let RecvAncillaryMessage::ScmRights(all) = message {
            given.listeners.extend(all.map(TcpListener::from));
        }
    }
    let said = text.get(1..read).and_then(|text| std::str::from_utf8(text).ok());
    let passphrase = said.ok_or_else(|| io::Error::other("the gate before handed nothing over"))?;
    given.passphrase = Some(passphrase).filter(|text| !text.is_empty()).map(Secret::new);
    given.before = Some(line);
    Ok(given)
}

/// Sends the sockets, and the passphrase behind one byte, in one message.
fn handed(line: &UnixStream, sockets: &[TcpListener], passphrase: Option<&Secret>) -> io::Result<()> {
    let mut text = Zeroizing::new(b"\n".to_vec());
    text.extend(passphrase.map(|secret| secret.expose().as_bytes()).unwrap_or_default());
    let sockets: Vec<BorrowedFd<'_>> = sockets.iter().map(TcpListener::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    if text.len() > TEXT_BYTES_MAX || !with.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::Error::other("there is more to hand over than fits"));
    }
    let sent = rustix::net::sendmsg(line, &[IoSlice::new(&text)], &mut with, SendFlags::NOSIGNAL)?;
    if sent == text.len() { Ok(()) } else { Err(io::Error::other("not all of it was taken")) }
}

/// Says that this process can take over, and waits until it must. A gate that ended before it decided so, by a fault or
/// because somebody stopped it, has no successor: who stopped it wants none. The line, on which that one listens now,
/// comes first; behind it the lines of those before it, which go on.
pub(super) async fn take_over(before: UnixStream) -> Result<Vec<tokio::net::UnixStream>, Failure> {
    before.set_nonblocking(true).map_err(Failure::System)?;
    let mut line = tokio::net::UnixStream::from_std(before).map_err(Failure::System)?;
    // A line that broke early says as much as one that ends without the word.
    if line.write_all(READY).await.is_ok()
        && let Ok((said, others)) = lines::heard(&line).await
        && said == GO
    {
        // A line ends when nobody holds it, and it came in stdin's place.
        let nothing = File::open("/dev/null").map_err(Failure::System)?;
        rustix::stdio::dup2_stdin(nothing).map_err(|error| Failure::System(error.into()))?;
        return Ok([line].into_iter().chain(others).collect());
    }
    Err(Failure::Other(
        "the gate before this one ended before it handed over, so this one does not take its place: start it by \
         hand, `portcullis serve`"
            .to_owned(),
    ))
}

/// How this program was started.
pub(super) struct Origin {
    program: PathBuf,
    typed: Vec<OsString>,
    passphrase: Option<Secret>,
}

impl Origin {
    /// Looked at while the file is still the one that runs.
    pub(super) fn of(typed: &[OsString], environment: &Environment) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(Failure::System)?;
        Ok(Self { program, typed: typed.to_vec(), passphrase: environment.passphrase.clone() })
    }

    /// Starts the next one, waits until it is ready and tells it to go. Its process, and the line to it. Told to `stop`
    /// meanwhile, it ends the next one first.
    pub(super) async fn follow_up(
        &self,
        sockets: &[TcpListener],
        stop: &CancellationToken,
    ) -> Result<(u32, UnixStream), String> {
        if std::process::id() == 1 {
            return Err(
                "it is the first process of its container, which ends with it: start a new container \
                 beside this one instead"
                    .to_owned(),
            );
        }
        let (line, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
        let mut child = self
            .spawn(&theirs)
            .map_err(|error| format!("{} cannot be started: {error}", self.program.display()))?;
        drop(theirs);
        if let Err(error) = handed(&line, sockets, self.passphrase.as_ref()) {
            tracing::warn!(%error, "the sockets could not be handed over");
        }
        let ready = said_ready(line.as_fd().try_clone_to_owned());
        let ready = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(Ok(false)),
            ready = tokio::time::timeout(READY_WITHIN, ready) => ready,
        };
        match ready {
            Ok(Ok(true)) => match (&line).write_all(GO) {
                Ok(()) => {
                    let pid = child.id();
                    // It may end before this one, which goes on for as long as somebody is served here.
                    std::thread::spawn(move || child.wait());
                    return Ok((pid, line));
                }
                Err(error) => tracing::warn!(%error, "the line to the new gate broke"),
            },
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the line to the new gate broke"),
            Err(_) => tracing::warn!("the new gate was not ready in time"),
        }
        let _ = child.kill();
        let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        if stop.is_cancelled() {
            return Err(
                "this one was told to stop before the new program was ready, which has ended, too".to_owned()
            );
        }
        Err(format!("the new program ended before it was ready ({status}); its own words stand in the log"))
    }

    /// A file that is just being put in its place cannot be run for a moment.
    fn spawn(&self, line: &UnixStream) -> io::Result<Child> {
        let mut tries = 0;
        loop {
            let mut command = Command::new(&self.program);
            if let Some(name) = self.typed.first() {
                command.arg0(name);
            }
            command.args(self.typed.iter().skip(1)).stdin(Stdio::from(OwnedFd::from(line.try_clone()?)));
            command.env_remove("LISTEN_PID").env_remove("LISTEN_FDS").env_remove("LISTEN_FDNAMES");
            command.env_remove(environment::PASSPHRASE_ON_STDIN).env(environment::TAKES_OVER, "1");
            match command.spawn() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES_MAX => {
                    tries += 1;
                    std::thread::sleep(BUSY_PAUSE);
                }
                spawned => return spawned,
            }
        }
    }
}

async fn said_ready(line: io::Result<OwnedFd>) -> io::Result<bool> {
    let line = UnixStream::from(line?);
    line.set_nonblocking(true)?;
    let mut line = tokio::net::UnixStream::from_std(line)?;
    let mut said = [0; READY.len()];
    Ok(line.read_exact(&mut said).await.is_ok() && said == *READY)
}

const READY: &[u8; 6] = b"ready\n";
const GO: &[u8; 3] = b"go\n";

/// So many go with one message on Linux.
const SOCKETS_MAX: usize = 253;

/// No passphrase is longer.
const TEXT_BYTES_MAX: usize = 8192;

const BUSY_TRIES_MAX: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Opening the keys of the CA takes a second or two on a small machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
