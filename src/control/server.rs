//! The server's side of the control socket. Admits the server's own user and root, as the kernel
//! names them, and audits each command in that name.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Answer, REQUEST_BYTES_MAX, Request, VERSION};
use crate::console::command::{Acts, CommandError, Kind};

/// The bound socket; its file goes when this is dropped.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    file: PathBuf,
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another server does already.
    #[error("another server runs already and answers at {socket}: stop it first", socket = .0.display())]
    Taken(PathBuf),
    /// The file system says no.
    #[error("the control socket {socket} cannot be made: {source}; check that the data folder belongs to the user that runs Portcullis", socket = .socket.display())]
    Io {
        /// Which.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Listener {
    /// Binds the socket with mode 0600. One that a dead server left behind is replaced.
    ///
    /// # Errors
    /// [`ListenError::Taken`] where a living server answers there.
    pub async fn bind(file: &Path) -> Result<Self, ListenError> {
        if UnixStream::connect(file).await.is_ok() {
            return Err(ListenError::Taken(file.to_owned()));
        }
        let failed = |source| ListenError::Io { socket: file.to_owned(), source };
        // Nobody can connect before the mode is set: it is bound under another name and moved.
        let fresh = file.with_extension("new");
        for stale in [&fresh, file] {
            match std::fs::remove_file(stale) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        let listener = UnixListener::bind(&fresh).map_err(failed)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        std::fs::rename(&fresh, file).map_err(failed)?;
        Ok(Self { listener, file: file.to_owned() })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.file) {
            tracing::warn!(%error, "the control socket could not be taken away");
        }
    }
}

/// Answers until `shutdown`; commands under way are finished.
pub async fn serve(listener: Listener, acts: Arc<Acts>, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let own = rustix::process::geteuid().as_raw();
    loop {
        let Some(accepted) = shutdown.run_until_cancelled(listener.listener.accept()).await else { break };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the control socket could not accept");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Whoever may come in at all is the house's own user, so waiting here harms nobody else.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let acts = Arc::clone(&acts);
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &acts, own).await {
                tracing::warn!(%error, "a conversation on the control socket broke off");
            }
            drop(place);
        });
    }
    // All places back: nothing is under way any more.
    let all = u32::try_from(AT_ONCE_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(FINISH, places.acquire_many(all)).await;
}

async fn converse(mut stream: UnixStream, acts: &Acts, own: u32) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    if !admits(uid, own) {
        tracing::warn!(uid, "another user was turned away at the control socket");
        return Ok(());
    }
    let mut line = zeroize::Zeroizing::new(Vec::new());
    let mut reader = BufReader::new((&mut stream).take(REQUEST_BYTES_MAX));
    let read = tokio::time::timeout(REQUEST_WAIT, reader.read_until(b'\n', &mut line)).await;
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if line.is_empty() {
        // Somebody looked whether a server is here.
        return Ok(());
    }
    let answer = match serde_json::from_slice::<Request>(&line) {
        Ok(Request { version: VERSION, command }) => match acts.run(&format!("local:{uid}"), command).await {
            Ok(output) => Answer::Done(output),
            Err(error) => Answer::Failed(error),
        },
        Ok(_) | Err(_) => Answer::Failed(CommandError::new(
            Kind::Usage,
            "the server does not know this command",
            "start it again, so that it is of the same release as the command line",
        )),
    };
    let mut answer = zeroize::Zeroizing::new(serde_json::to_vec(&answer)?);
    answer.push(b'\n');
    let written = tokio::time::timeout(ANSWER_WAIT, async {
        stream.write_all(&answer).await?;
        stream.shutdown().await
    });
    written.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// The server's own user, and root.
pub(super) const fn admits(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

/// Commands at once; more wait.
const AT_ONCE_MAX: usize = 8;

/// A command is sent in one piece.
const REQUEST_WAIT: Duration = Duration::from_secs(5);

/// The reader is on this machine.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// After a failed accept (no descriptors left), so that the loop does not burn.
const PAUSE: Duration = Duration::from_millis(100);

/// What is under way may finish within this when the server stops.
const FINISH: Duration = Duration::from_secs(10);
