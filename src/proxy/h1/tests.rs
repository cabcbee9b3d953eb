//! One exchange over a pipe whose other end a test writes byte by byte.

use std::future::poll_fn;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::{Broken, Exchange, Reply, Wire};
use crate::proxy::body::Upload;
use crate::proxy::ours::Ours;

fn exchange(request: Request<Body>) -> (Exchange, DuplexStream) {
    let (ours, theirs) = duplex(1 << 20);
    let (head, body) = request.into_parts();
    let upload = Upload::new(body, None, None, std::time::Duration::from_secs(9));
    (Wire::new(Box::new(ours), false, 0).begin(&head, &Ours::default(), upload), theirs)
}

fn get() -> Request<Body> {
    Request::get("/a?b").header("host", "bank").body(Body::empty()).unwrap()
}

/// Status, body, trailers, and whether the connection is free again.
type Read = (u16, Vec<u8>, Option<HeaderMap>, bool);

async fn answer(mut exchange: Exchange) -> Result<Read, Broken> {
    let head = poll_fn(|cx| exchange.poll_answer(cx, None)).await?;
    let mut reply = exchange.reply(&head)?;
    let (body, trailers) = whole(&mut reply).await?;
    Ok((head.status.as_u16(), body, trailers, reply.finish().is_some()))
}

async fn whole(reply: &mut Reply) -> Result<(Vec<u8>, Option<HeaderMap>), Broken> {
    let (mut body, mut trailers) = (Vec::new(), None);
    while let Some(frame) = poll_fn(|cx| reply.poll_frame(cx)).await {
        match frame?.into_data() {
            Ok(data) => body.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((body, trailers))
}

/// What comes of an answer that arrives in pieces of `size` bytes, after which the backend closes.
async fn in_pieces(text: &[u8], size: usize, close: bool) -> Result<Read, Broken> {
    let (exchange, mut theirs) = exchange(get());
    let text = text.to_vec();
    let backend = tokio::spawn(async move {
        for piece in text.chunks(size) {
            theirs.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        (!close).then_some(theirs)
    });
    let read = tokio::time::timeout(std::time::Duration::from_secs(5), answer(exchange)).await;
    drop(backend.await);
    read.expect("an answer or an error")
}

#[tokio::test]
async fn an_answer_is_the_same_however_it_is_cut_up() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\na: b\r\n\r\n";
    let length = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 5\r\nx:\r\n\r\nabcde";
    for size in 1..=chunked.len() {
        let (status, body, trailers, free) = in_pieces(chunked, size, false).await.unwrap();
        assert_eq!((status, body.as_slice(), free), (200, &b"abc0123456789"[..], true), "{size}");
        assert_eq!(trailers.unwrap()["a"], "b", "{size}");
        let (status, body, _, free) = in_pieces(length, size, false).await.unwrap();
        assert_eq!((status, body.as_slice(), free), (201, &b"abcde"[..], true), "{size}");
    }
}

#[tokio::test]
async fn a_connection_is_free_again_only_where_nothing_is_left_over() {
    let cases: [(&[u8], bool); 7] = [
        (b"HTTP/1.1 204 No Content\r\n\r\n", true),
        (b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive, Close\r\n\r\na", false),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\na", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab", false),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", true),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nx", false),
    ];
    for (text, free) in cases {
        let read = in_pieces(text, text.len(), false).await.unwrap();
        assert_eq!(read.3, free, "{}", String::from_utf8_lossy(text));
    }
    let (_, body, _, free) = in_pieces(b"HTTP/1.1 200 OK\r\n\r\nall of it", 3, true).await.unwrap();
    assert_eq!((body.as_slice(), free), (&b"all of it"[..], false));
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    for text in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n;x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na b: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n x: folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        b"HTTP/1.1 99 Odd\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"garbage\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nhalf: a he",
        b"",
    ] {
        for size in [1, 7, text.len().max(1)] {
            let read = in_pieces(text, size, true).await;
            assert!(read.is_err(), "{}: {read:?}", String::from_utf8_lossy(text));
        }
    }
    let many = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(40);
    assert!(matches!(in_pieces(many.as_bytes(), 99, false).await, Err(Broken::Malformed(_))));
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(20_000));
    assert!(matches!(in_pieces(endless.as_bytes(), 4096, false).await, Err(Broken::Malformed(_))));
}

#[tokio::test]
async fn a_request_goes_out_whole() {
    let read = async |request: Request<Body>| {
        let (exchange, mut theirs) = exchange(request);
        let answered = tokio::spawn(answer(exchange));
        let mut text = vec![0; 512];
        let mut got = 0;
        while !text[..got].ends_with(b"0\r\n\r\n")
            && !text[..got].ends_with(b"\r\n\r\n")
            && !text[..got].ends_with(b"hello")
        {
            got += theirs.read(&mut text[got..]).await.unwrap();
        }
        theirs.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(answered.await.unwrap().unwrap().3);
        String::from_utf8(text[..got].to_vec()).unwrap()
    };
    assert_eq!(read(get()).await, "GET /a?b HTTP/1.1\r\nhost: bank\r\n\r\n");
    let post = Request::post("/").body(Body::from("hello")).unwrap();
    assert_eq!(read(post).await, "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello");
    let pieces = futures_util::stream::iter(
        ["hel", "", "lo"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))),
    );
    let post =
        Request::post("/").header("transfer-encoding", "chunked").body(Body::from_stream(pieces)).unwrap();
    let sent = read(post).await;
    assert_eq!(sent, "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_answer_that_comes_early_is_read_while_the_request_goes_on() {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = Body::from_stream(futures_util::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|piece| (piece, receiver))
    }));
    let request = Request::post("/").header("transfer-encoding", "chunked").body(body).unwrap();
    let (mut exchange, mut theirs) = exchange(request);
    theirs.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab").await.unwrap();
    let head = poll_fn(|cx| exchange.poll_answer(cx, None)).await.unwrap();
    let mut reply = exchange.reply(&head).unwrap();
    let first = poll_fn(|cx| reply.poll_frame(cx)).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "ab");
    // Nobody reads the answer now; the request goes on all the same.
    for _ in 0..100 {
        sender.send(Ok(Bytes::from(vec![b'x'; 1000]))).await.unwrap();
    }
    drop(sender);
    let mut sent = Vec::new();
    while !sent.ends_with(b"0\r\n\r\n") {
        let mut some = vec![0; 65536];
        let n = theirs.read(&mut some).await.unwrap();
        sent.extend_from_slice(&some[..n]);
    }
    assert!(sent.len() > 100_000);
    theirs.write_all(b"cd").await.unwrap();
    assert_eq!(whole(&mut reply).await.unwrap().0, b"cd");
    assert!(reply.finish().is_none(), "it was shared with a task");
}

/// H-01: what broke off is never told to a backend as whole.
#[tokio::test]
async fn a_request_whose_body_breaks_off_behind_an_early_answer_is_never_ended() {
    for ended in [true, false] {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        let body = Body::from_stream(futures_util::stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|piece| (piece, receiver))
        }));
        let request = Request::post("/").header("transfer-encoding", "chunked").body(body).unwrap();
        let (mut exchange, mut theirs) = exchange(request);
        sender.send(Ok(Bytes::from("hello"))).await.unwrap();
        theirs.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab").await.unwrap();
        let head = poll_fn(|cx| exchange.poll_answer(cx, None)).await.unwrap();
        let mut reply = exchange.reply(&head).unwrap();
        // An error, and then, as hyper does it, nothing more.
        if !ended {
            sender.send(Err(std::io::ErrorKind::UnexpectedEof.into())).await.unwrap();
        }
        drop(sender);
        let reading = tokio::spawn(async move { whole(&mut reply).await.is_err() });
        let mut sent = Vec::new();
        while !sent.ends_with(b"0\r\n\r\n") {
            let mut some = vec![0; 4096];
            match theirs.read(&mut some).await.unwrap() {
                0 => break,
                n => sent.extend_from_slice(&some[..n]),
            }
        }
        assert_eq!(sent.ends_with(b"0\r\n\r\n"), ended, "{}", String::from_utf8_lossy(&sent));
        drop(theirs);
        assert!(reading.await.unwrap(), "its answer broke off, too");
    }
}

/// H-01: a body that goes on behind its length, or ends before it, arrives as no request at all.
#[tokio::test]
async fn a_body_of_another_length_than_was_said_never_arrives_whole() {
    for (pieces, whole) in [(&["hel", "lo"][..], true), (&["hel", "lo", "!"], false), (&["hell"], false)] {
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(*piece))).collect();
        // Each comes by itself, as over HTTP/2.
        let pieces = futures_util::stream::iter(pieces).then(|piece| async {
            tokio::task::yield_now().await;
            piece
        });
        let body = Body::new(Said { body: Body::from_stream(pieces), length: 5 });
        let (mut exchange, mut theirs) = exchange(Request::post("/").body(body).unwrap());
        let answer = tokio::spawn(async move { poll_fn(|cx| exchange.poll_answer(cx, None)).await });
        let mut sent = Vec::new();
        while !sent.ends_with(b"hello") {
            let mut some = vec![0; 4096];
            match theirs.read(&mut some).await.unwrap() {
                0 => break,
                n => sent.extend_from_slice(&some[..n]),
            }
        }
        assert_eq!(sent.ends_with(b"hello"), whole, "{}", String::from_utf8_lossy(&sent));
        drop(theirs);
        assert_eq!(matches!(answer.await.unwrap(), Err(Broken::Upload(_))), !whole);
    }
}

/// A body that says how long it is.
struct Said {
    body: Body,
    length: u64,
}

impl hyper::body::Body for Said {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(cx)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.length)
    }
}

#[tokio::test]
async fn a_request_goes_elsewhere_only_where_nothing_was_written_or_it_may_be_repeated() {
    // Nothing was written: with its body, whatever it is.
    let (ours, theirs) = duplex(64);
    drop(theirs);
    let mut wire = Wire::new(Box::new(ours), false, 0);
    assert!(!wire.is_open());
    let (head, body) = Request::post("/").body(Body::from("hello")).unwrap().into_parts();
    let upload = Upload::new(body, None, None, std::time::Duration::from_secs(9));
    let mut first = wire.begin(&head, &Ours::default(), upload);
    assert!(poll_fn(|cx| first.poll_answer(cx, None)).await.is_err());
    let (ours, mut theirs) = duplex(4096);
    let mut second = Wire::new(Box::new(ours), false, 0).send(first.again(false).unwrap());
    let answered = tokio::spawn(async move { poll_fn(|cx| second.poll_answer(cx, None)).await.is_err() });
    let mut text = vec![0; 512];
    let n = theirs.read(&mut text).await.unwrap();
    assert_eq!(&text[..n], b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello");
    drop(theirs);
    assert!(answered.await.unwrap());

    // It was written: only without a body, and only where it is repeatable.
    for (request, repeatable, again) in [
        (get(), true, true),
        (get(), false, false),
        (Request::put("/").body(Body::from("hello")).unwrap(), true, false),
    ] {
        let (mut exchange, mut theirs) = exchange(request);
        let taken = tokio::spawn(async move { theirs.read(&mut [0; 512]).await });
        let why = poll_fn(|cx| exchange.poll_answer(cx, None)).await.unwrap_err();
        assert!(matches!(why, Broken::Closed), "{why}");
        assert!(taken.await.unwrap().unwrap() > 0);
        assert_eq!(exchange.again(repeatable).is_some(), again);
    }
}
