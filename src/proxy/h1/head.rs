//! The head of an answer, read by `httparse`, without copying its values.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode, Version, response};

use super::Broken;

/// What is known of lines that are not all there yet, so that however small the pieces are in which they come, they
/// are read a few times in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sought {
    /// How much of them was read in vain.
    read: usize,
    /// How much has no end of lines in it.
    searched: usize,
}

impl Sought {
    /// Whether there is reason to read them: the first time, where an empty line came, where twice as much is there, or
    /// as much as may be.
    pub(super) fn is_due(&mut self, bytes: &[u8], most: usize) -> bool {
        if self.read == 0 || bytes.len() >= most.min(2 * self.read) {
            return true;
        }
        let from = self.searched.saturating_sub(2);
        self.searched = bytes.len();
        bytes.get(from..).is_some_and(has_empty_line)
    }

    /// They were read, and are not all there.
    pub(super) const fn in_vain(&mut self, bytes: &[u8]) {
        (self.read, self.searched) = (bytes.len(), bytes.len());
    }
}

/// Takes one whole head out of what has been read; nothing where it is not whole yet.
pub(super) fn take(read: &mut BytesMut, sought: &mut Sought) -> Result<Option<response::Parts>, Broken> {
    if read.first().is_some_and(|first| matches!(first, b'\r' | b'\n')) {
        return Err(Broken::Malformed("an empty line stands before it"));
    }
    if read.is_empty() || !sought.is_due(read, HEAD_BYTES_MAX) {
        return Ok(None);
    }
    let mut fields = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut answer, read, &mut fields);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if read.len() < HEAD_BYTES_MAX => {
            sought.in_vain(read);
            return Ok(None);
        }
        Ok(httparse::Status::Partial) => return Err(Broken::Malformed("its head does not end")),
        Err(httparse::Error::TooManyHeaders) => return Err(Broken::Malformed("it has too many headers")),
        Err(_) => return Err(Broken::Malformed("its head cannot be read")),
    };
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Broken::Malformed("its status is none"))?;
    let version = if answer.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let begin = read.as_ptr().addr();
    let place = |field: &httparse::Header<'_>| {
        let name = field.name.as_ptr().addr() - begin;
        // A value without a byte may be a string of its own.
        let value = if field.value.is_empty() { 0 } else { field.value.as_ptr().addr() - begin };
        Place { name: (name, name + field.name.len()), value: (value, value + field.value.len()) }
    };
    let places: Vec<Place> = answer.headers.iter().map(place).collect();

    *sought = Sought::default();
    let bytes = read.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(places.len());
    for place in &places {
        let name = HeaderName::from_bytes(&bytes[place.name.0..place.name.1]);
        let value = HeaderValue::from_maybe_shared(bytes.slice(place.value.0..place.value.1));
        match (name, value) {
            (Ok(name), Ok(value)) => headers.append(name, value),
            _ => return Err(Broken::Malformed("one of its headers cannot be read")),
        };
    }
    let (mut parts, ()) = Response::new(()).into_parts();
    (parts.status, parts.version, parts.headers) = (status, version, headers);
    Ok(Some(parts))
}

/// Whether the backend lets the connection live on (RFC 9112 9.3). One that speaks HTTP/1.0 closes it.
pub(super) fn keeps_alive(head: &response::Parts) -> bool {
    let closes = |value: &HeaderValue| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    head.version == Version::HTTP_11 && !head.headers.get_all(CONNECTION).iter().any(closes)
}

/// As lax as `httparse`, which takes a line's end for one without CR, too.
fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|two| two == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// Where name and value of a header lie in the head.
struct Place {
    name: (usize, usize),
    value: (usize, usize),
}

/// As many as a client may send.
const HEADERS_MAX: usize = 100;

/// Longer heads are an attack or a mistake.
const HEAD_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_comes_byte_by_byte_is_read_a_few_times() {
        let text = format!("HTTP/1.1 200 OK\r\n{}\r\n", format!("x: {}\r\n", "y".repeat(700)).repeat(90));
        assert!(text.len() > HEAD_BYTES_MAX * 9 / 10);
        for end in ["\r\n", "\n"] {
            let text = text.replace("\r\n", end);
            let (mut read, mut sought, mut times) = (BytesMut::new(), Sought::default(), 0);
            let mut looked_at = 0;
            for (n, byte) in text.bytes().enumerate() {
                read.extend_from_slice(&[byte]);
                let before = sought;
                let head = take(&mut read, &mut sought).unwrap();
                assert_eq!(head.is_some(), n + 1 == text.len());
                if sought.read != before.read {
                    times += 1;
                    looked_at += n + 1;
                }
            }
            assert_eq!(sought, Sought::default());
            assert!(times <= 20 && looked_at < 3 * text.len(), "{times} times, {looked_at} bytes");
        }
    }

    #[test]
    fn what_is_no_head_is_told_before_it_ends() {
        let (mut read, mut sought) = (BytesMut::new(), Sought::default());
        for byte in b"HTTP/1.1 200 OK\r\na" {
            read.extend_from_slice(&[*byte]);
            assert!(take(&mut read, &mut sought).unwrap().is_none());
        }
        read.extend_from_slice(&[0; 40]);
        assert!(take(&mut read, &mut sought).is_err());
    }

    /// However it is cut up: what has no end is given up at its limit, and not where it would be read next.
    #[test]
    fn a_head_without_end_is_given_up_at_its_limit() {
        let (mut read, mut sought) = (BytesMut::from("HTTP/1.1 200 OK\r\na: "), Sought::default());
        while take(&mut read, &mut sought).is_ok_and(|head| head.is_none()) {
            read.extend_from_slice(b"y");
        }
        assert_eq!(read.len(), HEAD_BYTES_MAX);
    }
}
