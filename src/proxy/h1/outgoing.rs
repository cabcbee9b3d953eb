//! A request on its way out: its head and what is there of its body in one write, the rest as it comes.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Method;
use http::header::TRANSFER_ENCODING;
use http::request::Parts;
use hyper::body::Body as _;

use super::{Broken, Io};
use crate::proxy::body::{Cut, Upload};
use crate::proxy::ours::{Ours, write_line};

/// A request, and how much of it is still to be written.
pub(in crate::proxy) struct Outgoing {
    /// The head, then sizes of chunks.
    lead: Vec<u8>,
    written: usize,
    /// A piece of the body.
    piece: Bytes,
    tail: &'static [u8],
    upload: Upload,
    body: Left,
    /// The last piece of a body that knows its length, until it is sure that nothing follows: what is longer than its
    /// head says must not arrive whole.
    last: Bytes,
    /// Whether the socket has taken anything.
    began: bool,
    has_body: bool,
    asks_for_head: bool,
    /// Whether all of it was written and has left whatever lies between.
    done: bool,
}

/// What is left of the body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Length(u64),
    Chunked,
    Nothing,
}

impl Outgoing {
    /// The head says how the body ends: by `transfer-encoding: chunked`; else its own size does.
    pub(super) fn new(spare: Vec<u8>, head: &Parts, ours: &Ours, upload: Upload) -> Self {
        let body = match upload.size_hint().exact() {
            _ if upload.is_end_stream() => Left::Nothing,
            _ if head.headers.contains_key(TRANSFER_ENCODING) => Left::Chunked,
            Some(0) | None => Left::Nothing,
            Some(length) => Left::Length(length),
        };
        Self {
            lead: written(spare, head, ours, body),
            upload,
            body,
            has_body: body != Left::Nothing,
            asks_for_head: head.method == Method::HEAD,
            ..Self::none(Vec::new())
        }
    }

    /// No request, and room for the next.
    pub(super) fn none(room: Vec<u8>) -> Self {
        Self {
            lead: room,
            written: 0,
            piece: Bytes::new(),
            tail: b"",
            upload: Upload::none(),
            body: Left::Nothing,
            last: Bytes::new(),
            began: false,
            has_body: false,
            asks_for_head: false,
            done: false,
        }
    }

    /// Whether all of it was written, and flushed.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// Says that something of it may have left, though no write told so.
    pub(super) const fn may_have_begun(&mut self) {
        self.began = true;
    }

    /// Whether the answer has no body, whatever its head says (RFC 9112 6.3).
    pub(super) const fn asks_for_head(&self) -> bool {
        self.asks_for_head
    }

    /// Its room, for the next.
    pub(super) fn take_room(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.lead)
    }

    /// Whether the socket has taken anything of it.
    pub(super) const fn has_begun(&self) -> bool {
        self.began
    }

    /// As [`super::Exchange::again`].
    pub(super) fn again(mut self, repeatable: bool) -> Option<Self> {
        if self.began && repeatable && !self.has_body {
            (self.written, self.began, self.done) = (0, false, false);
        }
        (!self.began).then_some(self)
    }

    /// Ready once all of it is written.
    pub(super) fn poll(&mut self, socket: &mut dyn Io, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while !self.done {
            let more = if self.piece.is_empty() && self.tail.is_empty() {
                self.fill(cx)
            } else {
                Poll::Ready(Ok(()))
            };
            if let Poll::Ready(Err(broken)) = more {
                return Poll::Ready(Err(broken));
            }
            if !self.is_waiting() {
                ready!(Pin::new(&mut *socket).poll_flush(cx))?;
                ready!(more)?;
                self.done = true;
                break;
            }
            let count = ready!(self.poll_write(socket, cx))?;
            if count == 0 {
                return Poll::Ready(Err(Broken::Io(io::ErrorKind::WriteZero.into())));
            }
            self.began = true;
            self.advance(count);
        }
        Poll::Ready(Ok(()))
    }

    fn is_waiting(&self) -> bool {
        self.written < self.lead.len() || !self.piece.is_empty() || !self.tail.is_empty()
    }

    fn poll_write(&self, socket: &mut dyn Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let lead = &self.lead[self.written..];
        if self.piece.is_empty() && self.tail.is_empty() {
            return Pin::new(socket).poll_write(cx, lead);
        }
        let all = [IoSlice::new(lead), IoSlice::new(&self.piece), IoSlice::new(self.tail)];
        Pin::new(socket).poll_write_vectored(cx, &all)
    }

    fn advance(&mut self, mut count: usize) {
        let of_lead = count.min(self.lead.len() - self.written);
        self.written += of_lead;
        count -= of_lead;
        let of_piece = count.min(self.piece.len());
        self.piece.advance(of_piece);
        self.tail = &self.tail[count - of_piece..];
    }

    /// Takes the next piece of the body, where one is there. Ready also where there is none any more.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while self.body != Left::Nothing {
            let polled = ready!(Pin::new(&mut self.upload).poll_frame(cx));
            let frame = match polled {
                Some(frame) => frame.map_err(Broken::Upload)?,
                None => return Poll::Ready(self.ended()),
            };
            let Ok(data) = frame.into_data() else { continue };
            if data.is_empty() {
                continue;
            }
            match &mut self.body {
                Left::Length(left) => match left.checked_sub(data.len() as u64) {
                    Some(0) if self.upload.is_end_stream() => self.body = Left::Nothing,
                    Some(0) => {
                        *left = 0;
                        self.last = data;
                        continue;
                    }
                    Some(rest) => *left = rest,
                    None => return Poll::Ready(Err(Broken::Upload(Cut::Length))),
                },
                Left::Chunked => {
                    if self.written == self.lead.len() {
                        self.lead.clear();
                        self.written = 0;
                    }
                    // A write to memory does not fail.
                    let _ = write!(self.lead, "{:x}\r\n", data.len());
                    self.tail = b"\r\n";
                }
                Left::Nothing => {}
            }
            self.piece = data;
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Ok(()))
    }

    fn ended(&mut self) -> Result<(), Broken> {
        let body = std::mem::replace(&mut self.body, Left::Nothing);
        match body {
            Left::Chunked => self.tail = b"0\r\n\r\n",
            Left::Length(0) => self.piece = std::mem::take(&mut self.last),
            Left::Length(_) => return Err(Broken::Upload(Cut::Length)),
            Left::Nothing => {}
        }
        Ok(())
    }
}

/// The head in bytes, with what is ours and the length of a body that knows it.
fn written(mut bytes: Vec<u8>, head: &Parts, ours: &Ours, body: Left) -> Vec<u8> {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    bytes.clear();
    bytes.reserve(HEAD_BYTES);
    for piece in [head.method.as_str(), " ", path, " HTTP/1.1\r\n"] {
        bytes.extend_from_slice(piece.as_bytes());
    }
    for (name, value) in &head.headers {
        write_line(&mut bytes, name, value);
    }
    ours.write(&mut bytes);
    if let Left::Length(length) = body {
        let _ = write!(bytes, "content-length: {length}\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// As long as most are, with who is calling.
const HEAD_BYTES: usize = 2048;
