//! The command line's side of the control socket. Decides nothing.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{ANSWER_BYTES_MAX, Answer, Request, VERSION};
use crate::console::command::{Command, CommandError, Output};

/// Why nothing was done by a server.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No server listens: the caller may open the store itself.
    #[error("no server listens at {}", .0.display())]
    Nobody(PathBuf),
    /// The command was not done.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// This user may not.
    #[error("the server at {socket} belongs to another user: run the command as that user, or as root", socket = .0.display())]
    NotAllowed(PathBuf),
    /// The conversation broke off.
    #[error("the server at {socket} did not answer ({source}): look at its log, whether the command was done shows in `portcullis audit list`", socket = .socket.display())]
    Broken {
        /// Which.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another release serves.
    #[error("the server at {socket} is of another release: start it again, so that it is the same as this command", socket = .0.display())]
    OtherRelease(PathBuf),
}

/// Has a running server do it.
///
/// # Errors
/// [`CallError::Nobody`] where none listens; else what went wrong.
pub async fn call(socket: &Path, command: &Command) -> Result<Output, CallError> {
    let broken = |source| CallError::Broken { socket: socket.to_owned(), source };
    let mut stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) => {
            return Err(match error.kind() {
                // A socket that its server left behind refuses.
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    CallError::Nobody(socket.to_owned())
                }
                io::ErrorKind::PermissionDenied => CallError::NotAllowed(socket.to_owned()),
                _ => broken(error),
            });
        }
    };
    let conversation = async {
        let request = Request { version: VERSION, command: command.clone() };
        let mut line = zeroize::Zeroizing::new(serde_json::to_vec(&request)?);
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = zeroize::Zeroizing::new(Vec::new());
        BufReader::new((&mut stream).take(ANSWER_BYTES_MAX)).read_until(b'\n', &mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = match tokio::time::timeout(ANSWER_WAIT, conversation).await {
        // It ended before it had read what was asked.
        Ok(Err(error)) if unread(&error) && !is_anothers(socket) => {
            return Err(CallError::Nobody(socket.to_owned()));
        }
        Ok(answer) => answer.map_err(broken)?,
        Err(_) => return Err(broken(io::ErrorKind::TimedOut.into())),
    };
    if answer.is_empty() {
        // A server that does not take our word hangs up without one, and so does one that ends.
        return Err(match is_anothers(socket) {
            true => CallError::NotAllowed(socket.to_owned()),
            false => broken(io::ErrorKind::UnexpectedEof.into()),
        });
    }
    match serde_json::from_slice(&answer) {
        Ok(Answer::Done(output)) => Ok(output),
        Ok(Answer::Failed(error)) => Err(error.into()),
        Err(_) => Err(CallError::OtherRelease(socket.to_owned())),
    }
}

/// Whether the other end closed over what it had not read: what it reads, it does.
fn unread(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

fn is_anothers(socket: &Path) -> bool {
    let user = rustix::process::getuid();
    !user.is_root() && std::fs::metadata(socket).is_ok_and(|metadata| metadata.uid() != user.as_raw())
}

/// Verifying a long trail takes this long.
const ANSWER_WAIT: Duration = Duration::from_secs(300);
