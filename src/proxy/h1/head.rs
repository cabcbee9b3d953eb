//! The head of an answer, read by `httparse`, without copying its values.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode, Version, response};

use super::Broken;

/// Takes one whole head out of what has been read; nothing where it is not whole yet.
pub(super) fn take(read: &mut BytesMut) -> Result<Option<response::Parts>, Broken> {
    if read.is_empty() {
        return Ok(None);
    }
    let mut places = [Place::default(); HEADERS_MAX];
    let mut fields = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut answer, read, &mut fields);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if read.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(Broken::Malformed("its head does not end")),
        Err(httparse::Error::TooManyHeaders) => return Err(Broken::Malformed("it has too many headers")),
        Err(_) => return Err(Broken::Malformed("its head cannot be read")),
    };
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Broken::Malformed("its status is none"))?;
    let version = if answer.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let count = answer.headers.len();
    let begin = read.as_ptr().addr();
    for (place, field) in places.iter_mut().zip(answer.headers.iter()) {
        let name = field.name.as_ptr().addr() - begin;
        // A value without a byte may be a string of its own.
        let value = if field.value.is_empty() { 0 } else { field.value.as_ptr().addr() - begin };
        *place = Place { name: (name, name + field.name.len()), value: (value, value + field.value.len()) };
    }

    let bytes = read.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(count);
    for place in &places[..count] {
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

/// Where name and value of a header lie in the head.
#[derive(Clone, Copy, Default)]
struct Place {
    name: (usize, usize),
    value: (usize, usize),
}

/// As many as a client may send.
const HEADERS_MAX: usize = 100;

/// Longer heads are an attack or a mistake.
const HEAD_BYTES_MAX: usize = 64 * 1024;
