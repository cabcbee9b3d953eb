//! More headers, longer ones, and trailers without end.

use std::time::Duration;

use crate::frames::*;
use crate::inside::Inside;
use crate::support::raw::Raw;

/// H-13.
#[tokio::test(flavor = "multi_thread")]
async fn more_headers_than_anybody_needs_are_refused_in_flat_memory() {
    let inside = Inside::open().await;
    let many = |n: usize| (0..n).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let oversize = [
        ("101 headers", many(101)),
        ("10 000 headers", many(10_000)),
        ("a header of 500 kB", format!("X-A: {}\r\n", "x".repeat(500_000))),
        (
            "10 000 cookies",
            format!("Cookie: {}\r\n", (0..10_000).map(|n| format!("a{n}=1; ")).collect::<String>()),
        ),
        ("10 000 lines of cookies", "Cookie: a=1\r\n".repeat(10_000)),
        ("a name of 100 kB", format!("{}: y\r\n", "X".repeat(100_000))),
    ];
    let trailers = [many(16_000), format!("X-A: {}\r\n", "x".repeat(500_000))];
    let mut before = 0;
    for round in 0..ROUNDS {
        for (what, more) in &oversize {
            inside.recorder.forget();
            let heard = inside.h1.exchange(inside.last("GET", "/v", more).as_bytes()).await;
            // A client that still writes when it is refused may lose the answer with the connection.
            assert!(matches!(heard.status(), None | Some(400 | 431)), "{what}: {}", heard.text());
            assert!(heard.ended, "{what}: the connection goes on");
            assert_eq!(inside.recorder.count(), 0, "{what}");
        }
        for more in &trailers {
            inside.recorder.forget();
            let body = format!("5\r\nhello\r\n0\r\n{more}\r\n");
            let head = inside.last("POST", "/v", "Transfer-Encoding: chunked\r\n");
            let heard = inside.h1.exchange((head + &body).as_bytes()).await;
            assert_ne!(heard.status(), Some(200), "{}", heard.text());
            assert!(heard.ended && inside.recorder.whole().is_empty());
        }
        let mut fields = inside.fields("GET", "/v");
        fields.extend((0..2000).map(|n| field(format!("x-{n}"), "y".repeat(20))));
        assert!(!served_over_http2(&inside.h2, &fields).await, "2 000 headers over HTTP/2");
        assert_eq!(inside.recorder.whole().len(), 0);
        inside.must_serve_the_honest().await;
        if round == 0 {
            before = resident_bytes(inside.program.pid());
        }
    }
    let grown = resident_bytes(inside.program.pid()).saturating_sub(before);
    println!("{ROUNDS} rounds of oversize headers: memory grew by {} KiB", grown / 1024);
    assert!(grown < GROWN_BYTES_MAX, "memory grew by {grown} bytes");
    // The most that is served: the limits refuse no honest client.
    inside.recorder.forget();
    let heard = inside.h1.exchange(inside.last("GET", "/v", &many(90)).as_bytes()).await;
    assert_eq!(heard.status(), Some(200), "{}", heard.text());
    assert_eq!(inside.recorder.only_one().all("x-89"), ["y"]);
}

/// Sends a head in frames of the size that is always allowed.
async fn served_over_http2(raw: &Raw, fields: &[Field]) -> bool {
    let block = block(fields);
    let mut pieces = block.chunks(16_000).peekable();
    let mut frames = frame(HEADERS, END_STREAM, 1, pieces.next().unwrap());
    while let Some(piece) = pieces.next() {
        frames.extend(frame(CONTINUATION, if pieces.peek().is_none() { END_HEADERS } else { 0 }, 1, piece));
    }
    let mut h2 = H2::open(raw).await;
    h2.send(&frames).await;
    h2.listen(1, Duration::from_secs(10)).await.status == Some(200)
}

pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

const ROUNDS: usize = 8;

/// What an allocator may keep of a burst; eight rounds bring 20 MB, and each held twice would show.
const GROWN_BYTES_MAX: u64 = 12 << 20;
