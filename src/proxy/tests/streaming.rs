//! Any size, flat memory, both ways.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::Gate;

const SIZE: u64 = 256 << 20;
const PIECE: usize = 64 << 10;

#[allow(clippy::disallowed_methods, reason = "a test measures itself")]
fn resident_mib() -> u64 {
    let pages: u64 =
        std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    (pages * 4096) >> 20
}

#[tokio::test]
async fn a_large_download_and_a_large_upload_keep_memory_flat() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let uploaded = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&uploaded);
    tokio::spawn(async move {
        let mut buffer = vec![0; PIECE];
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        for _ in 0..SIZE / PIECE as u64 {
            stream.write_all(&buffer).await.unwrap();
        }
        // The upload is refused a kept connection's age only after a second: it may come on either.
        let (mut upload, rest) = tokio::select! {
            more = listener.accept() => (more.unwrap().0, Vec::new()),
            first = stream.read_u8() => { let first = first.unwrap(); (stream, vec![first]) }
        };
        let mut head = rest;
        while !head.ends_with(b"\r\n\r\n") {
            head.push(upload.read_u8().await.unwrap());
        }
        assert!(String::from_utf8_lossy(&head).contains(&format!("content-length: {SIZE}\r\n")));
        while counter.load(Ordering::SeqCst) < SIZE {
            let n = upload.read(&mut buffer).await.unwrap();
            assert!(n > 0);
            counter.fetch_add(n as u64, Ordering::SeqCst);
        }
        upload.write_all(super::OK).await.unwrap();
        std::future::pending::<()>().await;
    });
    let gate = Gate::before(address);
    let before = resident_mib();
    let mut most = before;

    let answer = gate.forward(super::get("/large")).await.unwrap();
    assert_eq!(answer.headers()["content-length"], SIZE.to_string());
    let mut body = answer.into_body().into_data_stream();
    let mut got = 0;
    while let Some(piece) = body.next().await {
        got += piece.unwrap().len() as u64;
        if got % (16 << 20) < PIECE as u64 {
            most = most.max(resident_mib());
        }
    }
    assert_eq!(got, SIZE);

    let piece = Bytes::from(vec![1; PIECE]);
    let pieces = futures_util::stream::iter(
        (0..SIZE / PIECE as u64).map(move |_| Ok::<_, std::io::Error>(piece.clone())),
    );
    let sized = Sized { inner: Body::from_stream(pieces), left: SIZE };
    let answer = gate.forward(Request::post("/up").body(Body::new(sized)).unwrap()).await.unwrap();
    assert_eq!(super::read(answer).await.unwrap(), b"ok");
    assert_eq!(uploaded.load(Ordering::SeqCst), SIZE);
    most = most.max(resident_mib());
    assert!(most - before < 48, "grew by {} MiB", most - before);
}

/// A body that knows its length, as one with Content-Length does.
struct Sized {
    inner: Body,
    left: u64,
}

impl hyper::body::Body for Sized {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let polled = std::pin::Pin::new(&mut self.inner).poll_frame(cx);
        if let std::task::Poll::Ready(Some(Ok(frame))) = &polled {
            self.left -= frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
}
