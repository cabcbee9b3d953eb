//! Requests that their client breaks off in the middle: no backend, of whichever protocol, takes one for whole.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::frames::*;
use crate::inside::Inside;
use crate::recorder::Seen;
use crate::support::PATIENCE;

/// Reasons that a client may give.
const REASONS: [u32; 8] = [0, 1, 2, 3, 5, 7, 8, 11];

/// What a client says of a body of which it sends `hello`, and whether that is all of it.
const LENGTHS: [Option<&str>; 3] = [None, Some("10"), Some("5")];

/// Begins a request, sends some of its body, and resets it.
async fn break_off(inside: &Inside, path: &str, length: Option<&str>, reason: u32, at_once: bool) {
    let mut fields = inside.fields("POST", path);
    fields.extend(length.map(|length| field("content-length", length)));
    let mut h2 = H2::open(&inside.h2).await;
    let begun = [headers(1, &fields, false), data(1, b"hello", false)].concat();
    let reset = frame(RST_STREAM, 0, 1, &reason.to_be_bytes());
    if at_once {
        h2.send(&[begun, reset].concat()).await;
    } else {
        h2.send(&begun).await;
        // The backend has its beginning before it hears of the end.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        h2.send(&reset).await;
    }
    // Whatever comes of it, the connection goes on.
    h2.send(&headers(3, &inside.fields("GET", "/behind"), true)).await;
    let heard = h2.listen(3, PATIENCE).await;
    assert_eq!(heard.status, Some(200), "{reason}, {length:?}: {heard:?}");
}

/// H-01. With a backend of HTTP/1.1 the last chunk never comes, nor the last byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_reset_reaches_no_backend_as_whole() {
    let inside = Inside::open().await;
    let mut begun = 0;
    for reason in REASONS {
        for length in LENGTHS {
            for at_once in [false, true] {
                inside.recorder.forget();
                break_off(&inside, "/v", length, reason, at_once).await;
                let whole = inside.recorder.whole().iter().any(|got| got.target == "/v");
                assert!(!whole, "reset with {reason}, length {length:?}, at once: {at_once}");
                begun +=
                    inside.recorder.seen().iter().filter(|seen| matches!(seen, Seen::Unfinished)).count();
            }
        }
    }
    assert!(begun >= 20, "{begun} reached the backend broken");
    inside.must_serve_the_honest().await;
}

/// How a request's body ended at a backend of HTTP/2.
type Ends = Arc<Mutex<Vec<(String, Result<usize, Option<h2::Reason>>)>>>;

async fn http2_backend() -> (String, Ends) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ends = Ends::default();
    let told = Arc::clone(&ends);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let ends = Arc::clone(&told);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let ends = Arc::clone(&ends);
                    tokio::spawn(async move {
                        let path = request.uri().path().to_owned();
                        let page = format!("the bank's own page at {path}");
                        let mut body = request.into_body();
                        let mut length = 0;
                        let end = loop {
                            match body.data().await {
                                Some(Ok(data)) => {
                                    length += data.len();
                                    let _ = body.flow_control().release_capacity(data.len());
                                }
                                Some(Err(error)) => break Err(error.reason()),
                                None => break Ok(length),
                            }
                        };
                        ends.lock().unwrap().push((path, end));
                        let head = http::Response::builder().header("content-length", page.len());
                        if let Ok(mut answer) = respond.send_response(head.body(()).unwrap(), false) {
                            let _ = answer.send_data(Bytes::from(page), true);
                        }
                    });
                }
            });
        }
    });
    (format!("h2c://{address}"), ends)
}

/// H-01. With a backend of HTTP/2 the stream is reset, too, and never ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_reset_is_reset_towards_a_backend_of_http2() {
    let (backend, ends) = http2_backend().await;
    let inside = Inside::with(|plan| plan.backend = Some(backend)).await;
    for reason in REASONS {
        for length in LENGTHS {
            ends.lock().unwrap().clear();
            break_off(&inside, "/v", length, reason, false).await;
            let seen = ends.lock().unwrap().clone();
            let whole = seen.iter().any(|(path, end)| path == "/v" && end.is_ok());
            assert!(!whole, "reset with {reason}, length {length:?}: {seen:?}");
        }
    }
    inside.must_serve_the_honest().await;
}
