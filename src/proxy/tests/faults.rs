//! Backends that are down, slow, hostile; clients that leave; permits that end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt;
use http::Request;

use super::{Backend, Gate, OK, Then, broken, down, get, read, slow};
use crate::domain::Reason;
use crate::proxy::Settings;

#[tokio::test]
async fn a_backend_that_is_down_or_unreadable_is_said_so() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(Gate::before(free).forward(get("/")).await.unwrap_err(), down());
    let mut gate = Gate::before(free);
    for odd in [
        "",
        "https://127.0.0.1:1",
        "unix:/run/any.sock",
        "http://u@127.0.0.1:1",
        "http://127.0.0.1:1/x",
        "127.0.0.1:1",
        "http:///",
    ] {
        gate.route.backends = vec![crate::domain::route::Backend::at(odd)];
        assert_eq!(gate.forward(get("/")).await.unwrap_err(), down(), "{odd}");
    }
}

#[tokio::test]
async fn a_broken_answer_is_a_502_and_its_connection_is_gone() {
    for answer in [
        &b"garbage\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\nabc",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
    ] {
        let backend = Backend::answering(answer, Then::Stay).await;
        let gate = Gate::before(backend.address);
        let text = String::from_utf8_lossy(answer).into_owned();
        assert_eq!(gate.forward(get("/")).await.err(), Some(broken()), "{text}");
        assert_eq!(gate.proxy.upstream.free(), 0, "{text}");
    }
    for then in [Then::Close, Then::Reset] {
        let backend = Backend::answering(b"", then).await;
        assert_eq!(Gate::before(backend.address).forward(get("/")).await.unwrap_err(), broken());
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_and_more_than_was_said_is_never_anothers() {
    let backend = Backend::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Then::Reset).await;
    let gate = Gate::before(backend.address);
    assert!(read(gate.forward(get("/")).await.unwrap()).await.is_err());
    assert_eq!(gate.proxy.upstream.free(), 0);

    let two = b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let backend = Backend::answering(two, Then::Stay).await;
    let gate = Gate::before(backend.address);
    for _ in 0..20 {
        let answer = gate.forward(get("/")).await.unwrap();
        assert_eq!(answer.status(), 204);
        assert_eq!(read(answer).await.unwrap(), b"");
        tokio::task::yield_now().await;
    }
    assert_eq!(backend.connections.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn a_slow_backend_is_a_504_and_a_storm_of_1xx_no_excuse() {
    let backend = Backend::answering(b"", Then::Listen).await;
    let mut gate = Gate::before(backend.address);
    gate.route.first_byte_ms_max = 100;
    assert_eq!(gate.forward(get("/")).await.unwrap_err(), slow());
    let backend =
        Backend::answering(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", Then::Listen)
            .await;
    gate.route.backends = vec![crate::domain::route::Backend::at(format!("http://{}", backend.address))];
    assert_eq!(gate.forward(get("/")).await.unwrap_err(), slow());
    let request = Request::post("/").body(Body::from("x")).unwrap();
    assert_eq!(gate.forward(request).await.unwrap_err(), slow());
}

#[tokio::test]
async fn a_body_that_falls_silent_ends() {
    let backend = Backend::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Then::Stay).await;
    let gate = Gate::with(backend.address, Settings { body_idle_ms_max: 100, ..Settings::default() });
    assert!(read(gate.forward(get("/")).await.unwrap()).await.is_err());
    // The client's own silence is no fault of the backend.
    let silent = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let request = Request::post("/").body(silent).unwrap();
    let reason = gate.forward(request).await.unwrap_err();
    assert!(matches!(reason, Reason::BadRequest(_)), "{reason:?}");
}

#[tokio::test]
async fn the_end_of_a_permit_cuts_what_is_under_way() {
    let backend = Backend::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Then::Stay).await;
    let gate = Gate::before(backend.address);
    let mut body = gate.forward(get("/")).await.unwrap().into_body().into_data_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), "half");
    let waiting = tokio::spawn(async move { body.next().await });
    tokio::task::yield_now().await;
    gate.cancel.cancel();
    let cut = tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap();
    assert!(cut.unwrap().is_err());
    assert!(gate.forward(get("/")).await.is_err());

    let silent = Backend::answering(b"", Then::Listen).await;
    let gate = Arc::new(Gate::before(silent.address));
    let waiting = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { gate.forward(get("/")).await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    gate.cancel.cancel();
    let cut = tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap();
    assert_eq!(cut, Err(Reason::PolicyDenied { rule: None }));
}

#[tokio::test]
async fn connections_are_kept_and_one_that_was_left_is_not() {
    let backend = Backend::answering(OK, Then::Stay).await;
    let gate = Gate::with(backend.address, Settings { keep_alive_ms_max: 200, ..Settings::default() });
    for _ in 0..10 {
        assert_eq!(read(gate.forward(get("/")).await.unwrap()).await.unwrap(), b"ok");
        tokio::task::yield_now().await;
    }
    assert_eq!(backend.connections.load(Ordering::SeqCst), 1);
    assert_eq!(gate.proxy.upstream.free(), 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(gate.proxy.upstream.free(), 0, "an idle connection expires by itself");

    let backend = Backend::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Then::Stay).await;
    let gate = Gate::before(backend.address);
    for left in 1..=5 {
        let mut body = gate.forward(get("/")).await.unwrap().into_body().into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "half");
        drop(body);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(gate.proxy.upstream.free(), 0);
        assert_eq!(backend.connections.load(Ordering::SeqCst), left);
    }
}

/// Whoever takes their answer slowly keeps no connection to the backend that has said all of it.
#[tokio::test]
async fn an_answer_that_came_whole_holds_nothing_of_its_backend() {
    let backend = Backend::answering(OK, Then::Stay).await;
    let gate = Gate::before(backend.address);
    let untaken = gate.forward(get("/")).await.unwrap();
    assert_eq!(gate.proxy.upstream.free(), 1);
    assert_eq!(read(gate.forward(get("/")).await.unwrap()).await.unwrap(), b"ok");
    assert_eq!(backend.connections.load(Ordering::SeqCst), 1);
    assert_eq!(read(untaken).await.unwrap(), b"ok");

    // What goes on behind it is no answer, and its connection is none that is free.
    let backend = Backend::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokay", Then::Stay).await;
    let gate = Gate::before(backend.address);
    assert_eq!(read(gate.forward(get("/")).await.unwrap()).await.unwrap(), b"ok");
    assert_eq!(gate.proxy.upstream.free(), 0);
}

#[tokio::test]
async fn only_what_may_be_repeated_is_sent_again() {
    // Answers once on each connection, takes the next request and closes without an answer.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    let requests = Arc::clone(&seen);
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                for answer in [OK, b""] {
                    let n = stream.read(&mut buffer).await.unwrap();
                    let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    requests.lock().unwrap().push(text.split(" HTTP").next().unwrap().to_owned());
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    let gate = Gate::before(address);
    let first = gate.forward(get("/1")).await.unwrap();
    read(first).await.unwrap();
    tokio::task::yield_now().await;
    read(gate.forward(get("/2")).await.unwrap()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["GET /1", "GET /2", "GET /2"]);
    tokio::task::yield_now().await;
    let post = Request::post("/3").body(Body::empty()).unwrap();
    assert_eq!(gate.forward(post).await.unwrap_err(), broken());
    let put = Request::put("/4").body(Body::from("x")).unwrap();
    read(gate.forward(put).await.unwrap()).await.unwrap();
    assert_eq!(seen.lock().unwrap()[3..], ["POST /3", "PUT /4"]);
}

#[tokio::test]
async fn a_body_under_way_keeps_its_permit_and_with_it_its_place_in_the_register() {
    let backend = Backend::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Then::Stay).await;
    let gate = Gate::before(backend.address);
    let place = Arc::new(());
    let permit = gate.permit().keeping(Some(Arc::clone(&place) as _));
    let answer = gate.forward_by(permit, get("/")).await.unwrap();
    let mut body = answer.into_body().into_data_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), "half");
    assert!(Arc::strong_count(&place) > 1);
    drop(body);
    assert_eq!(Arc::strong_count(&place), 1);
}
