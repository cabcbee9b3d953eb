//! Uploads, and what of them nobody reads.

use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};

use super::*;
use crate::front::http2::room::taken_by;

fn post(path: &str) -> Request<()> {
    Request::post(format!("https://bank{path}")).body(()).unwrap()
}

/// H-14: a backend that reads no upload keeps nobody else's waiting, however many such there are on one connection.
#[tokio::test]
async fn uploads_that_nobody_reads_leave_the_others_their_room() {
    let (client, connection) = h2::client::handshake(Slow::silent().io).await.unwrap();
    tokio::spawn(connection);
    let mut held = Vec::new();
    for turn in 0..99 {
        let mut client = client.clone().ready().await.unwrap();
        let (answer, mut body) = client.send_request(post("/unread"), false).unwrap();
        body.send_data(vec![b'x'; 300_000].into(), false).unwrap();
        held.push((answer, body));
        if ![0, 3, 7, 98].contains(&turn) {
            continue;
        }
        let (answer, mut body) = client.send_request(post("/read"), false).unwrap();
        body.send_data(vec![b'x'; 3_000_000].into(), true).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), answer).await;
        let mut answer = answer.unwrap_or_else(|_| panic!("{turn}")).unwrap().into_body();
        assert_eq!(answer.data().await.unwrap().unwrap(), "3000000", "{turn}");
    }
}

/// H-19: pieces of a body that nobody reads cost their bytes, however short they are and as many as a window holds: those of a
/// WebSocket whose backend pauses end no connection, and those of a flood take no room.
#[tokio::test]
async fn short_pieces_that_wait_end_no_connection() {
    for path in ["/unread", "/unasked"] {
        let mut client = Slow::with_windows_of(65_535).await;
        // Our SETTINGS are acknowledged: our windows hold from here on.
        client.io.write_all(&frame(4, 1, 0, &[])).await.unwrap();
        let length = u8::try_from(path.len()).unwrap();
        // POST, for the rest as in `asks`.
        let block = [&[0x83, 0x87, 0x04, length], path.as_bytes(), &[0x01, 4], b"bank"].concat();
        client.io.write_all(&frame(1, 4, 1, &block)).await.unwrap();
        let pieces = frame(0, 0, 1, b"x").repeat(1000);
        for _ in 0..200 {
            client.io.write_all(&pieces).await.unwrap();
            while client.takes_what_is_there() {}
        }
        client.asks(3, "/").await;
        let mut got = Vec::new();
        // DATA of stream 3: ten bytes.
        while !got.windows(9).any(|head| head[..4] == [0, 0, 10, 0] && head[5..] == [0, 0, 0, 3]) {
            let read = tokio::time::timeout(Duration::from_secs(10), client.io.read_buf(&mut got)).await;
            assert!(read.unwrap().unwrap() > 0, "{path}: {got:?}");
        }
    }
}

/// H-19: a piece that waits does not keep all that was read at once with it, eight kilobytes of another stream's.
#[tokio::test]
async fn pieces_that_wait_keep_nothing_else() {
    let (client, connection) = h2::client::handshake(Slow::silent().io).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let (answer, mut waits) = client.send_request(post("/pieces"), false).unwrap();
    let mut client = client.ready().await.unwrap();
    let (read, mut flows) = client.send_request(post("/read"), false).unwrap();
    for turn in 0..800 {
        flows.reserve_capacity(7900);
        while flows.capacity() < 7900 {
            std::future::poll_fn(|cx| flows.poll_capacity(cx)).await.unwrap().unwrap();
        }
        waits.send_data(vec![b'y'; 256].into(), false).unwrap();
        flows.send_data(vec![b'x'; 7900].into(), turn == 799).unwrap();
    }
    assert_eq!(read.await.unwrap().into_body().data().await.unwrap().unwrap(), "6320000");
    waits.send_data(Bytes::new(), true).unwrap();
    let pieces = answer.await.unwrap().into_body().data().await.unwrap().unwrap();
    let pieces: usize = str::from_utf8(&pieces).unwrap().parse().unwrap();
    assert!(pieces < 200, "{pieces} of 800 keep the room that each was read into");
}

/// What came in pieces is whole and in order, though the gate put it together.
#[tokio::test]
async fn what_is_put_together_is_what_came() {
    let (client, connection) = h2::client::handshake(Slow::silent().io).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let (answer, mut body) = client.send_request(post("/late"), false).unwrap();
    let mut sent = Vec::new();
    for turn in 0..20_000_u32 {
        // Some are too long to be worth it.
        let piece = turn.to_be_bytes().repeat(if turn % 1000 == 7 { 500 } else { 1 });
        body.send_data(piece.clone().into(), turn == 19_999).unwrap();
        sent.extend(piece);
    }
    let mut answer = answer.await.unwrap().into_body();
    let mut got = Vec::new();
    while let Some(piece) = answer.data().await {
        let piece = piece.unwrap();
        answer.flow_control().release_capacity(piece.len()).unwrap();
        got.extend(piece);
    }
    assert!(got == sent, "{} of {}", got.len(), sent.len());
}

/// A client that has many uploads that nobody reads, each of two pieces.
async fn unread(
    client: &SendRequest<Bytes>,
    count: u32,
    piece: usize,
) -> Vec<(ResponseFuture, SendStream<Bytes>)> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut client = client.clone().ready().await.unwrap();
        let (answer, mut body) = client.send_request(post("/unread"), false).unwrap();
        for _ in 0..2 {
            body.send_data(vec![b'x'; piece].into(), false).unwrap();
        }
        held.push((answer, body));
    }
    held
}

/// H-14: what a connection's window was larger by is another one's once the uploads are over for which it was: and once the
/// client can send no more by what it was told.
#[tokio::test]
async fn room_is_given_back_with_the_uploads_that_it_was_for() {
    for (last, piece) in [(1, 150_000), (2, 1000)] {
        let network = Some(IpAddr::from([192, 0, 2, last]));
        let (client, connection) = h2::client::handshake(Slow::of(network).io).await.unwrap();
        tokio::spawn(connection);
        let becomes = async |count: usize| {
            let there = async {
                while taken_by(network) != count {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let there = tokio::time::timeout(Duration::from_secs(20), there).await;
            assert!(there.is_ok(), "{} and not {count}, by pieces of {piece}", taken_by(network));
        };
        let held = unread(&client, 12, piece).await;
        becomes(10).await;
        if piece > 100_000 {
            // All that their windows hold is there, or what is left of them could be used later.
            tokio::time::sleep(MOMENT * 10).await;
        }
        drop(held);
        let read = async |bytes: usize| {
            let mut client = client.clone().ready().await.unwrap();
            let (answer, mut body) = client.send_request(post("/read"), false).unwrap();
            body.send_data(vec![b'x'; bytes].into(), true).unwrap();
            assert_eq!(answer.await.unwrap().into_body().data().await.unwrap().unwrap(), bytes.to_string());
        };
        if piece < 100_000 {
            read(1).await;
            assert_eq!(taken_by(network), 10, "the client was told");
            read(3_000_000).await;
        }
        becomes(0).await;
    }
}
