//! Shared connections that end, and answers that overtake their requests.

use std::sync::atomic::AtomicU64;

use futures_util::StreamExt as _;

use super::peer::Peer;
use super::*;

/// A backend of frames alone: it greets, and says so much once a request came, on stream 1.
async fn of_frames(said: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // SETTINGS, and their acknowledgement.
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        let mut heard = Vec::new();
        while !heard.windows(9).any(|frame| frame[3] == 1 && frame[5..] == [0, 0, 0, 1]) {
            stream.read_buf(&mut heard).await.unwrap();
        }
        stream.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).await.unwrap();
        stream.write_all(&said).await.unwrap();
        while stream.read_buf(&mut heard).await.is_ok_and(|n| n > 0) {}
    });
    address
}

/// A server that wants no more of a request says so right behind its answer (RFC 9113 8.1).
#[tokio::test]
async fn a_whole_answer_before_the_requests_end_is_whole() {
    let head = [&[0, 0, 4, 1, 4, 0, 0, 0, 1, 0x88][..], &[0x0f, 0x0d, 1]].concat();
    let head = |length: u8| [&[0, 0, 5][..], &head[3..], &[length]].concat();
    let body = b"\0\0\x04\0\x01\0\0\0\x01full";
    let no_more = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    for (length, whole) in [(b'4', true), (b'5', false)] {
        let mut said = [head(length), body.to_vec(), no_more.to_vec()].concat();
        if !whole {
            // Without END_STREAM.
            said[14 + 4] = 0;
        }
        let to = format!("h2c://{}", of_frames(said).await);
        let gate = Gate::reaching(&to, Settings::default(), Reach::default());
        let endless =
            Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        let answer = gate.forward(Request::post("/").body(endless).unwrap()).await.unwrap();
        assert_eq!(read(answer).await.ok().as_deref(), whole.then_some(&b"full"[..]));
    }
}

/// A backend that is started anew cuts what is under way; what may be repeated is, over a new connection.
#[tokio::test]
async fn what_a_connection_took_with_it_is_sent_again_where_it_may_be() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            respond.send_response(Response::new(()), true).unwrap();
            // It goes with the second.
            let _ = connection.accept().await;
        }
    });
    let gate = Gate::reaching(&format!("h2c://{address}"), Settings::default(), Reach::default());
    for connections_so_far in 1..=3 {
        assert_eq!(gate.forward(get("/")).await.unwrap().status(), 200);
        assert_eq!(connections.load(Ordering::SeqCst), connections_so_far);
    }
    let post = Request::post("/").body(Body::from("once")).unwrap();
    assert_eq!(gate.forward(post).await.unwrap_err(), broken());
}

/// A body that goes on behind the head of its answer does not wait for whoever reads the answer.
#[tokio::test]
async fn an_upload_goes_on_while_nobody_reads_its_answer() {
    let peer = Peer::answering(|request| async move {
        let rest = async move {
            let whole = axum::body::to_bytes(Body::new(request.into_body()), usize::MAX).await.unwrap();
            Ok::<_, std::io::Error>(whole.len().to_string())
        };
        Response::new(Body::from_stream(futures_util::stream::once(rest)))
    });
    let to = format!("h2c://{}", peer.listen(true).await);
    let gate = Gate::reaching(&to, Settings::default(), Reach::default());
    let (go, may) = tokio::sync::oneshot::channel::<()>();
    let taken = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&taken);
    // It begins once the answer has.
    let begins = futures_util::stream::once(async move {
        may.await.unwrap();
        Ok(bytes::Bytes::new())
    });
    let pieces = begins.chain(futures_util::stream::iter(0..64).map(move |_| {
        counting.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[7; 64 << 10]))
    }));
    let answer = gate.forward(Request::post("/").body(Body::from_stream(pieces)).unwrap()).await.unwrap();
    go.send(()).unwrap();
    let all_taken = async {
        while taken.load(Ordering::SeqCst) < 64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all_taken).await.expect("it goes on");
    assert_eq!(read(answer).await.unwrap(), (4 << 20).to_string().as_bytes());
}

/// What belongs to no answer of this kind is not handed on.
#[tokio::test]
async fn an_answer_of_nothing_has_no_body() {
    // 204 is 9 of HPACK's own table, and 304 is 11.
    for status in [0x89, 0x8b] {
        let head = [0, 0, 1, 1, 4, 0, 0, 0, 1, status];
        let said = [&head[..], b"\0\0\x03\0\x01\0\0\0\x01odd"].concat();
        let to = format!("h2c://{}", of_frames(said).await);
        let gate = Gate::reaching(&to, Settings::default(), Reach::default());
        let answer = gate.forward(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert!([204, 304].contains(&answer.status().as_u16()));
        assert!(read(answer).await.unwrap().is_empty());
    }
}
