//! What may follow a body (RFC 9110 6.5): it passes through the same cleaning as what comes before it, and
//! says nothing that is decided before a body is read. Trailers go over HTTP/2 alone.

use http::HeaderMap;

use super::headers;

/// Takes from a request's trailers what may not reach a backend.
pub(super) fn clean_request(trailers: &mut HeaderMap) {
    headers::clean_request(trailers);
    drop_early(trailers);
}

/// Takes from an answer's trailers what may not reach a client.
pub(super) fn clean_answer(trailers: &mut HeaderMap) {
    headers::clean_answer(trailers);
    drop_early(trailers);
}

fn drop_early(trailers: &mut HeaderMap) {
    for name in EARLY {
        trailers.remove(name);
    }
}

/// What counts only before a body: who asks, what for, how the body is to be read, what is kept of it
/// (RFC 9110 6.5.1).
const EARLY: [&str; 28] = [
    "age",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-type",
    "cookie",
    "date",
    "expires",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "max-forwards",
    "origin",
    "range",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "vary",
    "www-authenticate",
];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_says_who_is_calling_does_not_follow_a_body() {
        let mut trailers = HeaderMap::new();
        for name in [
            "grpc-status",
            "x-checksum",
            "x-forwarded-for",
            "client-cert",
            "portcullis-assertion",
            "cookie",
            "authorization",
            "transfer-encoding",
            "content-length",
            "te",
        ] {
            trailers.insert(name, HeaderValue::from_static("0"));
        }
        clean_request(&mut trailers);
        let mut left: Vec<_> = trailers.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "x-checksum"]);
    }

    #[test]
    fn an_answers_trailers_set_no_cookie() {
        let mut trailers = HeaderMap::new();
        for name in
            ["grpc-status", "grpc-message", "set-cookie", "portcullis-assertion", "connection", "alt-svc"]
        {
            trailers.insert(name, HeaderValue::from_static("a=1"));
        }
        clean_answer(&mut trailers);
        let mut left: Vec<_> = trailers.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-message", "grpc-status"]);
    }
}
