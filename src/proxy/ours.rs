//! What the gate itself says to a backend beside what the client says: where a request comes from, who is calling,
//! its number. Each header once. Whoever sends it has taken everything of the kind out of the client's head before.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::destination::Destination;
use super::forward::{Origin, Proxy};
use super::headers;
use crate::domain::Reason;
use crate::policy::Permit;

/// What is ours to say with one request.
#[derive(Clone, Default)]
pub(super) struct Ours {
    said: Option<Arc<Said>>,
    number: Option<HeaderValue>,
}

/// What is said alike with every request of a connection, also as HTTP/1.1 writes it.
pub(super) struct Said {
    lines: Vec<(HeaderName, HeaderValue)>,
    written: Vec<u8>,
}

impl Proxy {
    /// Where the request comes from and who is calling.
    ///
    /// # Errors
    /// A host that is no header value; [`Reason::Internal`].
    pub(super) fn ours(
        &self,
        permit: &Permit,
        route: &Destination,
        origin: Origin<'_>,
    ) -> Result<Ours, Reason> {
        let mut remembered = origin.memory.recall();
        headers::remember_whence(&mut remembered, origin)?;
        let caller = self.identity.of(&mut remembered, permit, route, origin.host)?;
        let said = match &remembered.said {
            Some(said) => Arc::clone(said),
            None => {
                let whence = remembered.whence.iter().flat_map(|whence| whence.lines.iter().cloned());
                let caller = caller.iter().flat_map(|caller| caller.lines(route));
                let said = Arc::new(Said::of(whence.chain(caller).collect()));
                remembered.said = Some(Arc::clone(&said));
                said
            }
        };
        let number = HeaderValue::from_str(origin.request_id).map_err(|_| Reason::Internal)?;
        Ok(Ours { said: Some(said), number: Some(number) })
    }
}

impl Ours {
    /// Into a head that is sent as it is. Nothing else of these names may stay.
    pub(super) fn put_in(&self, headers: &mut HeaderMap) {
        for (name, value) in self.said.iter().flat_map(|said| &said.lines) {
            headers.insert(name, value.clone());
        }
        if let Some(number) = &self.number {
            headers.insert(X_REQUEST_ID, number.clone());
        }
    }

    /// As HTTP/1.1 writes it.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        if let Some(said) = &self.said {
            bytes.extend_from_slice(&said.written);
        }
        if let Some(number) = &self.number {
            write_line(bytes, &X_REQUEST_ID, number);
        }
    }
}

impl Said {
    fn of(lines: Vec<(HeaderName, HeaderValue)>) -> Self {
        let mut written = Vec::new();
        lines.iter().for_each(|(name, value)| write_line(&mut written, name, value));
        Self { lines, written }
    }
}

/// One line of a head.
pub(super) fn write_line(bytes: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        bytes.extend_from_slice(piece);
    }
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::proxy::memory::Memory;

    /// What is ours is written behind what is the client's: none of its names may be left there.
    #[test]
    fn no_client_says_what_is_ours_to_say() {
        let memory = Memory::default();
        let address = IpAddr::from([192, 0, 2, 7]);
        let origin = Origin { host: "bank.example:8443", address, request_id: "QF-308-122", memory: &memory };
        let mut remembered = memory.recall();
        headers::remember_whence(&mut remembered, origin).unwrap();
        let whence = remembered.whence.as_ref().unwrap().lines.clone();
        let names = whence.iter().map(|(name, _)| name.clone());
        let names: Vec<_> = names.chain(crate::proxy::identity::NAMES).chain([X_REQUEST_ID]).collect();
        assert_eq!(names.len(), 9);
        let mut theirs = HeaderMap::new();
        for name in &names {
            theirs.append(name, HeaderValue::from_static("theirs"));
            theirs.append(name, HeaderValue::from_static("theirs too"));
        }
        headers::clean_request(&mut theirs);
        assert!(theirs.is_empty(), "{theirs:?}");

        let ours =
            Ours { said: Some(Arc::new(Said::of(whence))), number: Some(HeaderValue::from_static("7")) };
        let (mut put, mut bytes) = (HeaderMap::new(), Vec::new());
        ours.put_in(&mut put);
        ours.write(&mut bytes);
        let mut lines: Vec<String> =
            put.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        let text = String::from_utf8(bytes).unwrap();
        let mut written: Vec<&str> = text.lines().collect();
        lines.sort();
        written.sort_unstable();
        assert_eq!(lines, written);
    }
}
