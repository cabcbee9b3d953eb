//! Answers before the answer (1xx), and requests whose answers have no body or a part of one.

use http::StatusCode;

use super::peer::Peer;
use super::*;

/// Sends 103 again and again, as fast as it is taken, and never an answer.
async fn storm(h2: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if h2 {
                    // HEADERS without END_STREAM on stream 1: `:status: 103`, spelled out.
                    let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
                    let mut buffer = [0; 4096];
                    let mut seen = Vec::new();
                    while !seen.windows(9).any(|w| w[3] == 1 && w[5..9] == [0, 0, 0, 1]) {
                        let Ok(n @ 1..) = stream.read(&mut buffer).await else { return };
                        seen.extend_from_slice(&buffer[..n]);
                    }
                    let frame = [&[0, 0, 5, 1, 4, 0, 0, 0, 1][..], &[0x08, 3], b"103"].concat();
                    while stream.write_all(&frame.repeat(1000)).await.is_ok() {}
                } else {
                    // What comes before the request is no answer to it, and breaks the connection.
                    let Ok(1..) = stream.read(&mut [0; 4096]).await else { return };
                    let piece =
                        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n".repeat(1000);
                    while stream.write_all(&piece).await.is_ok() {}
                }
            });
        }
    });
    address
}

/// Answers before the answer do not put off the time for it, and nothing is kept of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_early_hints_is_no_answer() {
    for (h2, scheme) in [(false, "http"), (true, "h2c")] {
        let mut gate =
            Gate::reaching(&format!("{scheme}://{}", storm(h2).await), Settings::default(), Reach::default());
        gate.route.first_byte_ms_max = 500;
        // Too late, or, where more of it came at once than a head may hold, broken.
        let reason = gate.forward(get("/")).await.unwrap_err();
        assert!(matches!(reason, Reason::BackendSlow(_) | Reason::BackendBroken(_)), "{scheme}: {reason:?}");
        assert_eq!(gate.proxy.upstream.free(), 0, "{scheme}");
    }
}

#[tokio::test]
async fn early_hints_are_left_out_and_the_answer_comes() {
    let hinted =
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
                   HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let backend = Backend::answering(hinted, Then::Stay).await;
    let front = Arc::new(Gate::before(backend.address)).listen(false).await;
    let answer = exchange(front, format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_told_to_go_on_and_one_that_is_refused_is_not() {
    for h2 in [false, true] {
        let peer = Peer::answering(|request| async move {
            let body = axum::body::to_bytes(Body::new(request.into_body()), 1 << 20).await.unwrap();
            Response::new(Body::from(body))
        });
        let scheme = if h2 { "h2c" } else { "http" };
        let backend = format!("{scheme}://{}", peer.listen(h2).await);
        let gate = Arc::new(Gate::reaching(&backend, Settings::default(), Reach::default()));
        let front = gate.listen(false).await;
        let mut stream = TcpStream::connect(front).await.unwrap();
        let head =
            format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut told = [0; 25];
        stream.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"body").await.unwrap();
        let mut rest = vec![0; 4096];
        let n = stream.read(&mut rest).await.unwrap();
        assert!(rest[..n].starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&rest[..n]));
        assert!(!peer.asked()[0].headers.contains_key("expect"));
        // Who is refused sends no body.
        let head = head.replace("POST ", "TRACE ");
        let answer = exchange(front, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    }
}

#[tokio::test]
async fn head_and_range_come_back_as_they_were_answered() {
    for h2 in [false, true] {
        let peer = Peer::answering(|request| async move {
            let builder = Response::builder().header("accept-ranges", "bytes");
            let part = request.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
            let answer = match (request.method().as_str(), part.as_deref()) {
                ("HEAD", _) => builder.header("content-length", "1000").body(Body::empty()),
                (_, Some("bytes=2-4")) => {
                    builder.status(206).header("content-range", "bytes 2-4/1000").body(Body::from("abc"))
                }
                (_, Some(_)) => {
                    builder.status(416).header("content-range", "bytes */1000").body(Body::empty())
                }
                (_, None) => builder.status(304).header("etag", "\"1\"").body(Body::empty()),
            };
            answer.unwrap()
        });
        let scheme = if h2 { "h2c" } else { "http" };
        let backend = format!("{scheme}://{}", peer.listen(h2).await);
        let gate = Arc::new(Gate::reaching(&backend, Settings::default(), Reach::default()));
        let front = gate.listen(false).await;
        for (request, begins, holds, body) in [
            ("HEAD /", "HTTP/1.1 200", "content-length: 1000\r\n", ""),
            ("GET / bytes=2-4", "HTTP/1.1 206", "content-range: bytes 2-4/1000\r\n", "abc"),
            ("GET / bytes=9999-", "HTTP/1.1 416", "content-range: bytes */1000\r\n", ""),
            ("GET /", "HTTP/1.1 304", "etag: \"1\"\r\n", ""),
        ] {
            let mut words = request.split(' ');
            let (method, path, range) = (words.next().unwrap(), words.next().unwrap(), words.next());
            let range = range.map(|range| format!("Range: {range}\r\n")).unwrap_or_default();
            let text = format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{range}\r\n");
            let answer = exchange(front, text.as_bytes()).await;
            assert!(answer.starts_with(begins) && answer.contains(holds), "{scheme} {request}: {answer}");
            assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, body, "{scheme} {request}");
        }
        // Connections are good for the next request after each of them.
        assert_eq!(gate.forward(get("/")).await.unwrap().status(), StatusCode::NOT_MODIFIED);
        assert_eq!(peer.connections.load(Ordering::SeqCst), 1, "{scheme}");
    }
}

/// A length would be one of what does not follow (RFC 9110 8.6); some clients wait for it.
#[tokio::test]
async fn an_answer_of_nothing_says_no_length() {
    for status in [204, 304] {
        let said = format!("HTTP/1.1 {status} Nothing\r\ncontent-length: 5\r\netag: \"1\"\r\n\r\n");
        let backend = Backend::answering(said.leak().as_bytes(), Then::Stay).await;
        let gate = Gate::before(backend.address);
        let answer = gate.forward(get("/")).await.unwrap();
        // That of 304 is of what the client has.
        assert_eq!(answer.headers().contains_key("content-length"), status == 304);
        assert_eq!((answer.status().as_u16(), read(answer).await.unwrap()), (status, vec![]));
    }
}
