//! Where the body of an answer ends (RFC 9112 6.3, 7.1). What can be read in two ways was refused before.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, response};
use hyper::body::{Frame, SizeHint};

use super::Broken;
use super::head::Sought;

/// How much of a body is still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Whatever comes until the connection is closed.
    Close,
    /// Nothing.
    Over,
}

/// Where among the chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before the line with a chunk's size.
    Size,
    /// In a chunk, before so many bytes.
    Data(u64),
    /// Before the line's end behind a chunk.
    End,
    /// Behind the last chunk.
    Trailers(Sought),
}

/// What could be made of what has been read.
pub(super) enum Step {
    Frame(Frame<Bytes>),
    /// Not whole yet.
    More,
    End,
}

impl Framing {
    pub(super) fn of(head: &response::Parts, is_head: bool) -> Result<Self, Broken> {
        let bodiless = is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if bodiless || head.status.is_informational() {
            return Ok(Self::Over);
        }
        if head.headers.contains_key(TRANSFER_ENCODING) {
            // That it is chunked, and nothing else, `headers` has seen.
            return Ok(Self::Chunked(Chunk::Size));
        }
        let Some(length) = head.headers.get(CONTENT_LENGTH) else { return Ok(Self::Close) };
        let plain = !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
        let length = length.to_str().ok().filter(|_| plain).and_then(|length| length.parse().ok());
        match length.ok_or(Broken::Malformed("its length is no number"))? {
            0 => Ok(Self::Over),
            length => Ok(Self::Length(length)),
        }
    }

    /// Whether the connection can carry another request afterwards.
    pub(super) const fn ends_by_itself(&self) -> bool {
        !matches!(self, Self::Close)
    }

    pub(super) const fn ended_by_close(&self) -> bool {
        matches!(self, Self::Close)
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    /// So many bytes of it were read elsewhere.
    pub(super) const fn passed(&mut self, bytes: usize) {
        if let Self::Length(left) = self {
            *left = left.saturating_sub(bytes as u64);
            if *left == 0 {
                *self = Self::Over;
            }
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Length(length) => SizeHint::with_exact(*length),
            Self::Over => SizeHint::with_exact(0),
            Self::Chunked(_) | Self::Close => SizeHint::new(),
        }
    }

    /// Takes all that is still to come, where it is told how much that is and all of it has been read.
    pub(super) fn whole(&mut self, read: &mut BytesMut) -> Option<Bytes> {
        let Self::Length(left) = self else { return None };
        let length = usize::try_from(*left).ok().filter(|length| *length <= read.len())?;
        *self = Self::Over;
        Some(read.split_to(length).freeze())
    }

    /// Takes the next piece out of what has been read.
    pub(super) fn step(&mut self, read: &mut BytesMut) -> Result<Step, Broken> {
        match self {
            Self::Over => Ok(Step::End),
            Self::Close if read.is_empty() => Ok(Step::More),
            Self::Close => Ok(Step::Frame(Frame::data(read.split().freeze()))),
            Self::Length(left) => {
                let Some(data) = piece(read, left) else { return Ok(Step::More) };
                if *left == 0 {
                    *self = Self::Over;
                }
                Ok(Step::Frame(Frame::data(data)))
            }
            Self::Chunked(chunk) => match chunk.step(read)? {
                Some(Step::End) => {
                    *self = Self::Over;
                    Ok(Step::End)
                }
                Some(Step::Frame(frame)) => {
                    if frame.is_trailers() {
                        *self = Self::Over;
                    }
                    Ok(Step::Frame(frame))
                }
                Some(Step::More) | None => Ok(Step::More),
            },
        }
    }
}

impl Chunk {
    fn step(&mut self, read: &mut BytesMut) -> Result<Option<Step>, Broken> {
        loop {
            match self {
                Self::Size => {
                    let unreadable = Broken::Malformed("the size of a chunk cannot be read");
                    // httparse takes no digit for a size of nothing, and a line's end alone within an extension.
                    if read.first().is_some_and(|first| !first.is_ascii_hexdigit()) {
                        return Err(unreadable);
                    }
                    match read.iter().position(|byte| *byte == b'\n') {
                        Some(end) if read.get(end.wrapping_sub(1)) == Some(&b'\r') => {}
                        None if read.len() < SIZE_LINE_BYTES_MAX => return Ok(None),
                        _ => return Err(unreadable),
                    }
                    let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(read)
                    else {
                        return Err(unreadable);
                    };
                    read.advance(line);
                    *self = if size == 0 { Self::Trailers(Sought::default()) } else { Self::Data(size) };
                }
                Self::Data(left) => {
                    let Some(data) = piece(read, left) else { return Ok(None) };
                    if *left == 0 {
                        *self = Self::End;
                    }
                    return Ok(Some(Step::Frame(Frame::data(data))));
                }
                Self::End => match read.get(..2) {
                    Some(b"\r\n") => {
                        read.advance(2);
                        *self = Self::Size;
                    }
                    None if read.is_empty() || **read == *b"\r" => return Ok(None),
                    _ => return Err(Broken::Malformed("a chunk is longer than it says")),
                },
                Self::Trailers(sought) => return trailers(read, sought),
            }
        }
    }
}

/// As much of the next bytes as there is; nothing where none has come.
fn piece(read: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    let here = read.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    if here == 0 {
        return None;
    }
    *left -= here as u64;
    Some(read.split_to(here).freeze())
}

fn trailers(read: &mut BytesMut, sought: &mut Sought) -> Result<Option<Step>, Broken> {
    if read.starts_with(b"\r\n") {
        read.advance(2);
        return Ok(Some(Step::End));
    }
    if !sought.is_due(read, TRAILERS_BYTES_MAX) {
        return Ok(None);
    }
    let mut fields = [httparse::EMPTY_HEADER; TRAILERS_MAX];
    let (length, fields) = match httparse::parse_headers(read, &mut fields) {
        Ok(httparse::Status::Complete(whole)) => whole,
        Ok(httparse::Status::Partial) if read.len() < TRAILERS_BYTES_MAX => {
            sought.in_vain(read);
            return Ok(None);
        }
        _ => return Err(Broken::Malformed("what follows the last chunk cannot be read")),
    };
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields {
        match (HeaderName::from_bytes(field.name.as_bytes()), HeaderValue::from_bytes(field.value)) {
            (Ok(name), Ok(value)) => map.append(name, value),
            _ => return Err(Broken::Malformed("one of its trailers cannot be read")),
        };
    }
    read.advance(length);
    Ok(Some(Step::Frame(Frame::trailers(map))))
}

/// A size and an extension or two.
const SIZE_LINE_BYTES_MAX: usize = 4 * 1024;

const TRAILERS_MAX: usize = 64;
const TRAILERS_BYTES_MAX: usize = 16 * 1024;
