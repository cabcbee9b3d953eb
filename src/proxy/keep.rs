//! Requests that are kept: read whole before they are sent, so that they can be sent once more, and no
//! larger than what is kept. Does not know why one is sent again.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::ACCEPT_ENCODING;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt as _;

use super::headers;
use crate::domain::Reason;
use crate::domain::confirmation::Confirmation;
use crate::policy::Permit;

/// A request as it came, whole.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its method.
    pub method: Method,
    /// Its path and query, raw.
    pub target: PathAndQuery,
    headers: HeaderMap,
    body: Bytes,
}

impl Kept {
    /// Reads a request to its end. Returns it with the request to send now.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] beyond what is kept; a body that broke off or does not come.
    pub(super) async fn read(
        request: Request<Body>,
        permit: &Permit,
        idle: Duration,
    ) -> Result<(Self, Request<Body>), Reason> {
        let (mut parts, body) = request.into_parts();
        let body = tokio::select! {
            biased;
            () = permit.cancel().cancelled() => return Err(Reason::PolicyDenied { rule: None }),
            body = whole(&parts, body, idle) => body?,
        };
        let mut headers = parts.headers.clone();
        headers::clean_request(&mut headers);
        let target = parts.uri.path_and_query().cloned();
        let target = target.ok_or(Reason::BadRequest("the request names no path"))?;
        let kept = Self { method: parts.method.clone(), target, headers, body: body.clone() };
        if !parts.method.is_safe() {
            // What a backend wants confirmed is read here, and must come as it is.
            parts.headers.remove(ACCEPT_ENCODING);
        }
        Ok((kept, Request::from_parts(parts, Body::from(body))))
    }

    /// The request once more.
    pub(super) fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(self.target.clone());
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Its body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Headers and body as bytes, to be sealed: each name and value behind its length, an empty name, the body.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.len() + 2048);
        let headers = self.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        for piece in headers.flat_map(|(name, value)| [name, value]).chain([[].as_slice()]) {
            // A header block is far shorter than 4 GiB: the front counts it.
            bytes.extend_from_slice(&u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(piece);
        }
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// From what [`Kept::to_bytes`] wrote, and what is written beside it.
    #[must_use]
    pub fn from_bytes(mut bytes: &[u8], method: &str, target: &str) -> Option<Self> {
        let mut headers = HeaderMap::new();
        loop {
            let name = piece(&mut bytes)?;
            if name.is_empty() {
                break;
            }
            let name = HeaderName::from_bytes(name).ok()?;
            headers.append(name, HeaderValue::from_bytes(piece(&mut bytes)?).ok()?);
        }
        Some(Self {
            method: Method::from_bytes(method.as_bytes()).ok()?,
            target: target.parse().ok()?,
            headers,
            body: Bytes::copy_from_slice(bytes),
        })
    }
}

fn piece<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (piece, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *bytes = rest;
    Some(piece)
}

async fn whole(parts: &Parts, mut body: Body, idle: Duration) -> Result<Bytes, Reason> {
    let told = parts.headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let told = told.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    if told > Confirmation::BODY_BYTES_MAX as u64 {
        return Err(Reason::TooLarge);
    }
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::time::timeout(idle, body.frame()).await;
        let Some(frame) = frame.map_err(|_| BROKEN_OFF)? else { return Ok(bytes.into()) };
        let Ok(data) = frame.map_err(|_| BROKEN_OFF)?.into_data() else { continue };
        if bytes.len() + data.len() > Confirmation::BODY_BYTES_MAX {
            return Err(Reason::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
}

const BROKEN_OFF: Reason = Reason::BadRequest("the body of the request did not arrive");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_request_comes_back_as_it_was() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("a=1"));
        headers.append("x-odd", HeaderValue::from_bytes(b"\xff\x80").unwrap());
        headers.append("x-odd", HeaderValue::from_static("2"));
        let target = "/payments/new?to=%C3%A9&x".parse().unwrap();
        let body = Bytes::from_static(b"amount=1\0\xff");
        let kept = Kept { method: Method::POST, target, headers, body };
        let back = Kept::from_bytes(&kept.to_bytes(), "POST", "/payments/new?to=%C3%A9&x").unwrap();
        assert_eq!((back.method, back.target), (kept.method.clone(), kept.target.clone()));
        assert_eq!((&back.headers, &back.body), (&kept.headers, &kept.body));
        assert!(Kept::from_bytes(b"", "POST", "/").is_none());
        assert!(Kept::from_bytes(&kept.to_bytes(), "P T", "/").is_none());
    }
}
