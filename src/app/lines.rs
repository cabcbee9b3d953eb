//! The lines to processes that gave their store away and still have work: each is told what changes here, and goes on to
//! the next process once all was told. One that was not told everything is closed, which cuts what is open behind it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use tokio::io::Interest;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Started;
use crate::store::succession;

/// One of them.
pub(super) struct Line {
    /// Nothing more is committed here.
    last: CancellationToken,
    /// The line, where all was told.
    telling: JoinHandle<Option<tokio::net::UnixStream>>,
}

impl Started {
    /// Tells the processes before this one, through their lines, what changes here: whom they still serve may stop
    /// counting.
    pub fn tells(&mut self, lines: Vec<tokio::net::UnixStream>) {
        for mut line in lines {
            let (view, store) = (self.house.view.clone(), self.house.ledger.store().clone());
            let (seen, last) = (self.began_after, CancellationToken::new());
            let end = last.clone();
            let telling = async move {
                match succession::tell(&view, store, seen, &mut line, &end).await {
                    Ok(()) => Some(line),
                    // It breaks when that process has ended.
                    Err(error) => {
                        tracing::debug!(%error, "a process before this one hears no more");
                        None
                    }
                }
            };
            let telling = self.watching.clone().run_until_cancelled_owned(telling);
            let telling = tokio::spawn(async move { telling.await.flatten() });
            self.lines.push(Line { last, telling });
        }
    }

    /// Sends them on, where nothing is committed here any more.
    pub(super) async fn hand_lines(&mut self, to: &UnixStream) {
        let mut told = Vec::new();
        for line in self.lines.drain(..) {
            line.last.cancel();
            match tokio::time::timeout(TOLD_WITHIN, line.telling).await {
                Ok(line) => told.extend(line.ok().flatten()),
                Err(_) => {
                    tracing::warn!("a process before this one takes nothing: what is open there is cut")
                }
            }
        }
        if told.is_empty() {
            return;
        }
        if let Err(error) = sent(to, &told) {
            tracing::warn!(%error, "what is open in the processes before this one is cut");
        }
    }
}

fn sent(to: &UnixStream, lines: &[tokio::net::UnixStream]) -> io::Result<()> {
    let lines: Vec<BorrowedFd<'_>> = lines.iter().map(|line| line.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LINES_MAX))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    if !with.push(SendAncillaryMessage::ScmRights(&lines)) {
        return Err(io::Error::other("there are more than fit"));
    }
    let sent = rustix::net::sendmsg(to, &[IoSlice::new(LINES)], &mut with, SendFlags::NOSIGNAL)?;
    if sent == LINES.len() { Ok(()) } else { Err(io::Error::other("not all of it was taken")) }
}

/// What the gate before says until it has let go of the store: its words, and the lines that it hands on.
///
/// # Errors
/// The system's.
pub async fn heard(from: &tokio::net::UnixStream) -> io::Result<(Vec<u8>, Vec<tokio::net::UnixStream>)> {
    let (mut said, mut lines) = (Vec::new(), Vec::new());
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LINES_MAX))];
        let mut with = RecvAncillaryBuffer::new(&mut space);
        let mut text = [0; 64];
        let read = from
            .async_io(Interest::READABLE, || {
                let mut parts = [IoSliceMut::new(&mut text)];
                Ok(rustix::net::recvmsg(from, &mut parts, &mut with, RecvFlags::CMSG_CLOEXEC)?.bytes)
            })
            .await;
        // A line that broke says no more than one that ends.
        let Ok(read) = read else { break };
        for message in with.drain() {
            if let RecvAncillaryMessage::ScmRights(all) = message {
                lines.extend(all.map(line).collect::<io::Result<Vec<_>>>()?);
            }
        }
        said.extend_from_slice(&text[..read]);
        if read == 0 || said.len() > SAID_BYTES_MAX {
            break;
        }
    }
    if said.ends_with(LINES) {
        said.truncate(said.len() - LINES.len());
    }
    Ok((said, lines))
}

fn line(fd: OwnedFd) -> io::Result<tokio::net::UnixStream> {
    let line = UnixStream::from(fd);
    line.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(line)
}

/// Said with them.
const LINES: &[u8] = b"lines\n";

/// Nobody says more.
const SAID_BYTES_MAX: usize = 1024;

/// So many go with one message on Linux.
const LINES_MAX: usize = 253;

/// It is for a local process to read a few changes.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
