//! Nobody says who they are but the gate.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{Backend, Gate, HOST, OK, Then, exchange};

/// What a client could try to say; the first nine are those that the gate itself sets.
const NAMES: [&str; 30] = [
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "Forwarded",
    "X-Request-Id",
    "Client-Cert",
    "Client-Cert-Chain",
    "Portcullis-Assertion",
    "X-Client-Cert",
    "X-SSL-Client-Verify",
    "SSL-Client-Cert",
    "X-Real-IP",
    "X-Original-URL",
    "X-Original-Uri",
    "X-Rewrite-Url",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Auth-Request-User",
    "X-Remote-User",
    "Remote-User",
    "X-User",
    "X-User-Email",
    "X-WebAuth-User",
    "X-Envoy-Original-Path",
    "X-Portcullis-Person",
    "Tailscale-User-Login",
    "X-Pomerium-Claim-Email",
    "CF-Connecting-IP",
    "True-Client-IP",
];

fn spellings(name: &str) -> BTreeSet<String> {
    let mixed = |n: &str, other: &str| n.replacen('-', other, 1);
    [
        name.to_owned(),
        name.to_lowercase(),
        name.to_uppercase(),
        name.replace('-', "_"),
        name.to_lowercase().replace('-', "_"),
        mixed(name, "_"),
        name.replace('-', "."),
        mixed(name, "."),
        format!("HTTP_{}", name.to_uppercase().replace('-', "_")),
        name.replace('-', "%2D"),
        name.replace('-', "--"),
        format!("_{name}"),
        format!("{name}_"),
    ]
    .into()
}

#[tokio::test]
async fn no_spelling_of_an_identity_header_reaches_the_backend() {
    let backend = Backend::answering(OK, Then::Stay).await;
    let gate = Arc::new(Gate::before(backend.address));
    let front = gate.listen(false).await;
    let mut tried = 0;
    for name in NAMES {
        for spelling in spellings(name) {
            for line in [
                format!("{spelling}: evil"),
                format!("{spelling}: a, evil\r\n{spelling}: evil"),
                format!("Connection: close, {spelling}\r\n{spelling}: evil"),
                format!("{spelling} : evil"),
                format!("{spelling}: x\r\n evil"),
            ] {
                let request =
                    format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nA: b\r\n{line}\r\n\r\n");
                backend.forget();
                let answer = exchange(front, request.as_bytes()).await;
                let text = backend.text();
                assert!(!text.contains("evil"), "{line:?} reached the backend: {text}");
                if answer.starts_with("HTTP/1.1 200") {
                    only_ours(&text);
                } else {
                    assert!(answer.starts_with("HTTP/1.1 400") && text.is_empty(), "{line:?}: {answer}");
                }
                tried += 1;
            }
        }
    }
    assert!(tried >= 150, "{tried}");
}

fn only_ours(text: &str) {
    let text = text.to_ascii_lowercase();
    for (name, value) in [
        ("host", HOST),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", HOST),
        ("x-forwarded-port", "8443"),
        ("forwarded", "for=192.0.2.7;host=\"bank.localhost:8443\";proto=https"),
        ("x-request-id", "4711"),
    ] {
        assert_eq!(text.matches(&format!("\r\n{name}:")).count(), 1, "{name} in {text}");
        assert!(text.contains(&format!("\r\n{name}: {value}\r\n")), "{name} in {text}");
    }
    for name in ["client-cert", "portcullis-assertion"] {
        assert_eq!(text.matches(&format!("\r\n{name}: ")).count(), 1, "{name} in {text}");
    }
}

#[tokio::test]
async fn connection_cannot_name_our_headers_away() {
    let backend = Backend::answering(OK, Then::Stay).await;
    let front = Arc::new(Gate::before(backend.address)).listen(false).await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close, Host, Client-Cert, Portcullis-Assertion, X-Forwarded-For, \
         Forwarded, X-Request-Id, X-Secret-Of-One-Hop\r\nX-Secret-Of-One-Hop: of-one-hop\r\nTE: trailers\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\nKeep-Alive: 5\r\nProxy-Authorization: of-one-hop\r\n\r\n"
    );
    exchange(front, request.as_bytes()).await;
    let text = backend.text().to_ascii_lowercase();
    only_ours(&text);
    for gone in [
        "of-one-hop",
        "proxy-authorization",
        "\r\nte:",
        "upgrade",
        "http2-settings",
        "keep-alive",
        "\r\nconnection",
    ] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
}

#[tokio::test]
async fn trailers_and_h2_bring_nothing_in() {
    let backend = Backend::answering(OK, Then::Stay).await;
    let gate = Arc::new(Gate::before(backend.address));
    let h1 = gate.listen(false).await;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nTrailer: X-Forwarded-For, Client-Cert\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Forwarded-For: evil\r\nClient-Cert: evil\r\n\r\n"
    );
    let answer = exchange(h1, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!backend.text().contains("evil"), "{}", backend.text());
    assert_eq!(backend.requests(), 1);

    let h2 = gate.listen(true).await;
    let stream = tokio::net::TcpStream::connect(h2).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for name in NAMES.into_iter().flat_map(spellings) {
        let name = name.to_lowercase();
        let mut trailers = HeaderMap::new();
        trailers.insert(HeaderName::try_from(&name).unwrap(), HeaderValue::from_static("evil"));
        let frames: [Result<_, std::convert::Infallible>; 2] =
            [Ok(Frame::data(Bytes::from_static(b"abc"))), Ok(Frame::trailers(trailers))];
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let request = Request::post(format!("https://{HOST}/x?y")).header(&name, "evil").body(body).unwrap();
        backend.forget();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = backend.text();
        assert!(text.starts_with("POST /x?y HTTP/1.1\r\n"), "{text}");
        assert!(!text.contains("evil"), "{name} reached the backend: {text}");
        only_ours(&text);
    }
}

#[tokio::test]
async fn the_gates_cookie_stays_with_the_gate() {
    let answer = b"HTTP/1.1 200 OK\r\nset-cookie: __Host-portcullis=evil; Path=/\r\nset-cookie: a=1\r\n\
        alt-svc: h3=\":1\"\r\nkeep-alive: 5\r\ncontent-length: 0\r\n\r\n";
    let backend = Backend::answering(answer, Then::Stay).await;
    let front = Arc::new(Gate::before(backend.address)).listen(false).await;
    for cookie in [
        "Cookie: a=1; __Host-portcullis=secret; b=2",
        "Cookie: a=1\r\nCookie: __Host-portcullis=secret\r\ncookie: b=2",
        "COOKIE: a=1;__host-Portcullis=secret;b=2",
    ] {
        backend.forget();
        let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{cookie}\r\n\r\n");
        let answer = exchange(front, request.as_bytes()).await;
        assert!(!backend.text().contains("secret"), "{}", backend.text());
        assert!(backend.text().contains("\r\ncookie: a=1; b=2\r\n"), "{}", backend.text());
        assert!(answer.contains("set-cookie: a=1\r\n"), "{answer}");
        for gone in ["evil", "alt-svc", "keep-alive"] {
            assert!(!answer.contains(gone), "{answer}");
        }
    }
}

/// The backend gets none of these, or exactly one request.
#[tokio::test]
async fn a_request_never_becomes_two() {
    let backend = Backend::answering(OK, Then::Stay).await;
    let front = Arc::new(Gate::before(backend.address)).listen(false).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let chunked = format!("0\r\n\r\n{smuggled}");
    let mut tried = 0;
    for length in ["5", "+5", "5,5", "5, 6", "", " ", "-1", "0x5", "5 5", "99999999999999999999", "５"] {
        for coding in [
            "",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding:\tchunked\r\n",
            "\tTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding:\x0bchunked\r\n",
            "Transfer_Encoding: chunked\r\n",
            "Transfer-Encoding:\r\n chunked\r\n",
            "Content-Length: 6\r\n",
        ] {
            for version in ["1.1", "1.0"] {
                let head = format!(
                    "POST /first HTTP/{version}\r\nHost: {HOST}\r\nContent-Length: {length}\r\n{coding}\r\n"
                );
                backend.forget();
                exchange(front, format!("{head}{chunked}").as_bytes()).await;
                let text = backend.text();
                let heads = text.matches(" HTTP/1.1\r\n").count();
                // Where the length was plain and no coding was understood, what follows is the
                // client's own next request, judged by itself: then the head says so.
                let own = text.matches("\r\nx-forwarded-for: 192.0.2.7\r\n").count();
                assert_eq!(heads, own, "{head:?}: {text}");
                assert_eq!(
                    text.matches("transfer-encoding").count() + text.matches("content-length").count(),
                    text.matches("POST ").count(),
                    "{head:?}: {text}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 250);
    for odd in [
        format!("GET http://10.0.0.1/x HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("OPTIONS * HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("TRACE / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: other\r\n\r\n"),
        format!("GET /sw.js HTTP/1.1\r\nHost: {HOST}\r\nService-Worker: script\r\n\r\n"),
        format!("GET /a/sw.js HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Dest: serviceworker\r\n\r\n"),
    ] {
        backend.forget();
        let answer = exchange(front, odd.as_bytes()).await;
        let text = backend.text();
        assert!(
            text.is_empty()
                || text.starts_with("GET /x HTTP/1.1\r\nhost: bank.localhost:8443\r\n")
                || text.contains(HOST),
            "{text}"
        );
        assert!(answer.starts_with("HTTP/1.1 4") || odd.starts_with("GET http://"), "{odd}: {answer}");
    }
}
