//! What gRPC stands on: trailers both ways, and bodies that go both ways at once.

use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::peer::Peer;
use super::*;

fn trailers(of: &[(&'static str, &'static str)]) -> HeaderMap {
    of.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

/// A body whose trailers are those given.
fn body(data: &'static str, trailers: HeaderMap) -> Body {
    let frames = [Frame::data(bytes::Bytes::from_static(data.as_bytes())), Frame::trailers(trailers)];
    let frames = futures_util::stream::iter(frames.map(Ok::<_, std::io::Error>));
    Body::new(StreamBody::new(frames))
}

/// Says what trailers came, and sends some of its own.
fn telling() -> (Peer, Arc<Mutex<Option<HeaderMap>>>) {
    let seen = Arc::<Mutex<Option<HeaderMap>>>::default();
    let told = Arc::clone(&seen);
    let peer = Peer::answering(move |request| {
        let told = Arc::clone(&told);
        async move {
            let whole = request.into_body().collect().await.unwrap();
            *told.lock().unwrap() = whole.trailers().cloned();
            let sent = [("grpc-status", "0"), ("set-cookie", "a=1"), ("portcullis-assertion", "evil")];
            let mut answer = Response::new(body("answer", trailers(&sent)));
            answer.headers_mut().insert("trailer", HeaderValue::from_static("grpc-status"));
            answer
        }
    });
    (peer, seen)
}

#[tokio::test]
async fn trailers_go_both_ways_cleaned() {
    let (peer, seen) = telling();
    let backend = format!("h2c://{}", peer.listen(true).await);
    let gate = Arc::new(Gate::reaching(&backend, Settings::default(), Reach::default()));
    // Over a real connection, as a client of HTTP/2 sends them.
    let stream = TcpStream::connect(gate.listen(true).await).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let sent = [("x-checksum", "7"), ("x-forwarded-for", "evil"), ("client-cert", "evil"), ("cookie", "a=1")];
    let request = Request::post(format!("https://{HOST}/Service/Method"))
        .header("te", "trailers")
        .header("trailer", "x-checksum");
    let answer = client.send_request(request.body(body("question", trailers(&sent))).unwrap()).await.unwrap();
    let whole = answer.into_body().collect().await.unwrap();
    assert_eq!(whole.trailers(), Some(&trailers(&[("grpc-status", "0")])));
    assert_eq!(whole.to_bytes(), "answer");
    assert_eq!(seen.lock().unwrap().take(), Some(trailers(&[("x-checksum", "7")])));
}

/// An empty frame of them ends a connection of HAProxy's, with everybody's requests on it.
#[tokio::test]
async fn trailers_of_which_nothing_is_left_are_none() {
    let seen = Arc::<Mutex<Vec<bool>>>::default();
    let told = Arc::clone(&seen);
    let peer = Peer::answering(move |request| {
        let told = Arc::clone(&told);
        async move {
            let whole = request.into_body().collect().await.unwrap();
            told.lock().unwrap().push(whole.trailers().is_some());
            Response::new(body(
                "answer",
                trailers(&[("set-cookie", "a=1"), ("portcullis-assertion", "evil")]),
            ))
        }
    });
    let gate =
        Gate::reaching(&format!("h2c://{}", peer.listen(true).await), Settings::default(), Reach::default());
    for sent in [&[][..], &[("x-forwarded-for", "evil"), ("cookie", "a=1")]] {
        let request = Request::post("/").header("trailer", "x-checksum");
        let request = request.body(body("question", trailers(sent))).unwrap();
        let whole = gate.forward(request).await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(whole.trailers(), None);
        assert_eq!(whole.to_bytes(), "answer");
        tokio::task::yield_now().await;
    }
    assert_eq!(*seen.lock().unwrap(), [false, false]);
}

/// Whoever sends trailers may lose a connection by it, and loses nobody else's.
#[tokio::test]
async fn trailers_are_announced_and_have_a_connection_of_their_own() {
    let (peer, seen) = telling();
    let backend = format!("h2c://{}", peer.listen(true).await);
    let gate = Gate::reaching(&backend, Settings::default(), Reach::default());
    for (announced, connections) in [(false, 1), (true, 2), (false, 2), (true, 3)] {
        let request = Request::post("/");
        let request = if announced { request.header("trailer", "x-checksum") } else { request };
        let request = request.body(body("question", trailers(&[("x-checksum", "7")]))).unwrap();
        assert_eq!(read(gate.forward(request).await.unwrap()).await.unwrap(), b"answer");
        assert_eq!(seen.lock().unwrap().take().is_some(), announced);
        assert_eq!(peer.connections.load(Ordering::SeqCst), connections);
    }
    assert_eq!(gate.proxy.upstream.shared(), 1);
}

#[tokio::test]
async fn a_backend_of_http1_gets_no_trailers() {
    let (peer, seen) = telling();
    let gate = Gate::before(peer.listen(false).await);
    // Where none are sent, no connection of their own is needed.
    for _ in 0..3 {
        let request = Request::post("/").header("trailer", "x-checksum");
        let request = request.body(body("question", trailers(&[("x-checksum", "7")]))).unwrap();
        assert_eq!(read(gate.forward(request).await.unwrap()).await.unwrap(), b"answer");
        assert_eq!(seen.lock().unwrap().take(), None);
    }
    assert_eq!(peer.connections.load(Ordering::SeqCst), 1);
    assert!(peer.asked().iter().all(|asked| !asked.headers.contains_key("te")));
}

#[tokio::test]
async fn bodies_go_both_ways_at_once() {
    let peer = Peer::answering(|request| async move { Response::new(Body::new(request.into_body())) });
    let backend = format!("h2c://{}", peer.listen(true).await);
    let gate = Gate::reaching(&backend, Settings::default(), Reach::default());
    let (say, said) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(1);
    let said = futures_util::stream::unfold(said, |mut said| async move { Some((said.recv().await?, said)) });
    let answer = gate.forward(Request::post("/").body(Body::from_stream(said)).unwrap()).await.unwrap();
    let mut back = answer.into_body();
    for word in ["one", "two", "three"] {
        say.send(Ok(word.into())).await.unwrap();
        assert_eq!(back.frame().await.unwrap().unwrap().into_data().unwrap(), word);
    }
    drop(say);
    assert_eq!(back.collect().await.unwrap().to_bytes(), "");
}
