//! HTTP/2 by hand: frames and header blocks as a test wants them, right or wrong (RFC 9113, RFC 7541 without
//! Huffman and without a table). Reads of answers what the tests need, and no header but the status.

use std::time::Duration;

use crate::support::raw::{Line, Raw};
use crate::talk::take;

/// A field of a header block.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// One connection.
pub(crate) struct H2 {
    line: Line,
}

/// What came back on one stream, or on the whole connection.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Of the first answer.
    pub(crate) status: Option<u16>,
    /// What was said before it (1xx).
    pub(crate) before: Vec<u16>,
    pub(crate) data: Vec<u8>,
    /// Whether the answer's end came.
    pub(crate) whole: bool,
    /// Error of a reset of the stream.
    pub(crate) reset: Option<u32>,
    /// Error of a farewell.
    pub(crate) goaway: Option<u32>,
    /// Whether the connection ended.
    pub(crate) closed: bool,
}

impl Heard {
    /// Whether somebody said so in a way that HTTP/2 has for it.
    pub(crate) fn refused(&self) -> bool {
        self.reset.is_some() || self.goaway.is_some() || self.closed || self.status == Some(400)
    }
}

impl H2 {
    /// Says hello as a client of HTTP/2.
    pub(crate) async fn open(raw: &Raw) -> Self {
        let mut line = raw.open().await.unwrap();
        let settings = frame(SETTINGS, 0, 0, &[]);
        line.send(&[PREFACE, &settings].concat()).await;
        Self { line }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.line.send(bytes).await;
    }

    /// Reads until this stream has its answer, is reset, or the connection is over.
    pub(crate) async fn listen(&mut self, stream: u32, silence: Duration) -> Heard {
        let mut heard = Heard::default();
        loop {
            while let Some((kind, flags, of, payload)) = take(&mut self.line.unread) {
                match kind {
                    SETTINGS if flags & ACK == 0 => self.line.send(&frame(SETTINGS, ACK, 0, &[])).await,
                    PING if flags & ACK == 0 => self.line.send(&frame(PING, ACK, 0, &payload)).await,
                    GOAWAY => heard.goaway = payload.get(4..8).map(number),
                    HEADERS if of == stream => match status(&payload) {
                        Some(interim @ 100..200) => heard.before.push(interim),
                        other => heard.status = heard.status.or(other),
                    },
                    DATA if of == stream => heard.data.extend_from_slice(&payload),
                    RST_STREAM if of == stream => heard.reset = payload.get(..4).map(number),
                    _ => {}
                }
                heard.whole |= of == stream && matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0;
            }
            if heard.whole || heard.reset.is_some() || heard.goaway.is_some() {
                return heard;
            }
            match tokio::time::timeout(silence, self.line.more()).await {
                Ok(true) => {}
                Ok(false) => return Heard { closed: true, ..heard },
                Err(_) => return heard,
            }
        }
    }
}

/// A frame of any shape.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole header block in one frame.
pub(crate) fn headers(stream: u32, fields: &[Field], end: bool) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | if end { END_STREAM } else { 0 }, stream, &block(fields))
}

pub(crate) fn data(stream: u32, bytes: &[u8], end: bool) -> Vec<u8> {
    frame(DATA, if end { END_STREAM } else { 0 }, stream, bytes)
}

/// Fields as literals without indexing, not compressed (RFC 7541 6.2.2).
pub(crate) fn block(fields: &[Field]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text);
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 5.1).
fn length(n: usize, block: &mut Vec<u8>) {
    if n < 127 {
        return block.push(n as u8);
    }
    block.push(127);
    let mut rest = n - 127;
    while rest >= 128 {
        block.push((rest % 128 + 128) as u8);
        rest /= 128;
    }
    block.push(rest as u8);
}

pub(crate) fn field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Field {
    (name.as_ref().to_vec(), value.as_ref().to_vec())
}

/// The head of a request, pseudo-headers first, with the client's cookie.
pub(crate) fn request(host: &str, cookie: &str, method: &str, path: &str) -> Vec<Field> {
    vec![
        field(":method", method),
        field(":scheme", "https"),
        field(":authority", host),
        field(":path", path),
        field("cookie", cookie),
    ]
}

/// The status: by the static table (RFC 7541 A), or as digits, which Huffman's code makes shorter.
pub(crate) fn status(block: &[u8]) -> Option<u16> {
    // A table's new size may come first.
    let at = block.iter().position(|byte| byte & 0xe0 != 0x20)?;
    match block[at] {
        0x88 => Some(200),
        0x89 => Some(204),
        0x8a => Some(206),
        0x8b => Some(304),
        0x8c => Some(400),
        0x8d => Some(404),
        0x8e => Some(500),
        0x08 | 0x18 | 0x48 => digits(block[at + 1] & 0x80 != 0, block.get(at + 2..)?),
        _ => Some(0),
    }
}

/// Three digits (RFC 7541 B: five bits for 0, 1 and 2, six for the others).
fn digits(huffman: bool, bytes: &[u8]) -> Option<u16> {
    if !huffman {
        return std::str::from_utf8(bytes.get(..3)?).ok()?.parse().ok();
    }
    let bit = |n: usize| u16::from(bytes.get(n / 8).copied().unwrap_or_default() >> (7 - n % 8) & 1);
    let (mut at, mut value) = (0, 0);
    for _ in 0..3 {
        let five = (0..5).fold(0, |code, n| code << 1 | bit(at + n));
        let (length, digit) = if five <= 2 { (5, five) } else { (6, (five << 1 | bit(at + 5)) - 0x16) };
        (at, value) = (at + length, value * 10 + digit);
    }
    Some(value)
}

pub(crate) fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

/// Errors (RFC 9113 7).
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const COMPRESSION_ERROR: u32 = 9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
