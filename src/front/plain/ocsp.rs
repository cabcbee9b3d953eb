//! OCSP over HTTP (RFC 6960 A.1, RFC 5019 5): takes the question out of a request and dresses the answer.
//! Reads neither.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;

use super::{File, fresh, set, typed, words};
use crate::ca::ocsp::{Answer, BYTES_MAX};
use crate::crypto;
use crate::domain::Time;

/// Answers a question; one that cannot be read, too.
pub type Answers = Arc<dyn Fn(&[u8]) -> Answer + Send + Sync>;

/// Whether a path is this file's.
pub(super) fn is_here(path: &str) -> bool {
    path == PATH || path.starts_with(BEFORE_A_QUESTION)
}

/// Answers a request.
pub(super) async fn serve(answers: &Answers, request: Request<Body>, now: Time) -> Response<Body> {
    let path = request.uri().path();
    if request.method() == Method::POST {
        if path.trim_end_matches('/') != PATH {
            return words(StatusCode::NOT_FOUND, "Post to /ocsp.\n");
        }
        if request.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != QUESTION) {
            let words = words(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send an application/ocsp-request.\n");
            return words;
        }
        return match Limited::new(request.into_body(), BYTES_MAX).collect().await {
            Ok(body) => once(answers(&body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                words(StatusCode::PAYLOAD_TOO_LARGE, "Ask about fewer certificates at once.\n")
            }
            Err(_) => words(StatusCode::BAD_REQUEST, "The request broke off.\n"),
        };
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return words(StatusCode::METHOD_NOT_ALLOWED, "Only POST and GET are answered here.\n");
    }
    match path.strip_prefix(BEFORE_A_QUESTION).filter(|question| !question.is_empty()) {
        Some(question) => kept(answers(&in_path(question)), request.headers(), now),
        None => words(StatusCode::NOT_FOUND, "Post to /ocsp, or put the request behind it in base64.\n"),
    }
}

/// The question that stands in a path, in base64 under percent-encoding; nothing where it is not.
fn in_path(question: &str) -> Vec<u8> {
    let base64: Vec<u8> = percent_decode_str(question).collect();
    let digits = base64.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    // Some leave the padding away.
    data_encoding::BASE64_NOPAD.decode(&base64[..digits]).unwrap_or_default()
}

/// For who asked by GET: caches on the way may give it to others, where it is the answer to no nonce.
fn kept(answer: Answer, asked: &HeaderMap, now: Time) -> Response<Body> {
    let Some((from, until)) = answer.kept else { return once(answer) };
    let tag = data_encoding::HEXLOWER.encode(&crypto::sha256(&answer.der)[..16]);
    fresh(File::Fresh { bytes: Bytes::from(answer.der), tag, from, until }, ANSWER, asked, now)
}

/// For this one alone.
fn once(answer: Answer) -> Response<Body> {
    let mut response = typed(Bytes::from(answer.der), ANSWER);
    set(response.headers_mut(), header::CACHE_CONTROL, "no-store".to_owned());
    response
}

const PATH: &str = "/ocsp";
const BEFORE_A_QUESTION: &str = "/ocsp/";
const QUESTION: &str = "application/ocsp-request";
const ANSWER: &str = "application/ocsp-response";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_in_a_path_is_base64_in_every_spelling() {
        for good in ["+/+/", "%2B%2F%2b/", "%2b%2f+%2F"] {
            assert_eq!(in_path(good), [0xfb, 0xff, 0xbf], "{good}");
        }
        assert_eq!(in_path("MAo%3D"), in_path("MAo="));
        assert_eq!(in_path("MAo"), [0x30, 0x0a]);
        for bad in ["-_-_", "MAo=MAo=", "M Ao", "MA%", "MAp"] {
            assert!(in_path(bad).is_empty(), "{bad}");
        }
    }
}
