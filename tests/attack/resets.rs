//! Requests that are begun to be broken off, by the client or by making the gate do it: the backend's work is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt;

use crate::flooding::flood;
use crate::frames::*;
use crate::inside::Inside;
use crate::talk::{Said, Talk};

/// A backend that hears requests and answers none but the honest.
async fn busy_backend() -> (String, Arc<AtomicUsize>) {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let (mut unread, mut piece) = (Vec::new(), vec![0; 4096]);
                while let Ok(n @ 1..) = stream.read(&mut piece).await {
                    unread.extend_from_slice(&piece[..n]);
                    if !unread.windows(4).any(|four| four == b"\r\n\r\n") {
                        continue;
                    }
                    let text = String::from_utf8_lossy(&unread).into_owned();
                    unread.clear();
                    if let Some(path) = text.split(' ').nth(1).filter(|path| path.starts_with("/honest/")) {
                        let body = format!("the bank's own page at {path}");
                        let answer =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                        let _ = stream.write_all(answer.as_bytes()).await;
                    } else {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    (format!("http://{address}"), heard)
}

async fn inside() -> (Inside, Arc<AtomicUsize>) {
    let (backend, heard) = busy_backend().await;
    let inside = Inside::with(|plan| plan.backend = Some(backend)).await;
    heard.store(0, Ordering::SeqCst);
    (inside, heard)
}

/// H-15. A hundred thousand at once.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_reset_at_once_end_the_connection() {
    let (inside, heard) = inside().await;
    let fields = inside.fields("GET", "/v");
    for reason in [NO_ERROR, 8] {
        heard.store(0, Ordering::SeqCst);
        let pair = |n: usize| {
            let stream = 2 * n as u32 + 1;
            [headers(stream, &fields, true), frame(RST_STREAM, 0, stream, &reason.to_be_bytes())].concat()
        };
        let flooding = flood(Talk::open(&inside.h2).await, &[], pair, 100_000);
        let (flooded, ()) = tokio::join!(flooding, inside.must_serve_the_honest());
        let reached = heard.load(Ordering::SeqCst);
        println!(
            "{} pairs written, told {:?}, {reached} reached the backend",
            flooded.written, flooded.said.goaway
        );
        assert!(flooded.written < 100_000 && flooded.said.is_over());
        assert!(matches!(flooded.said.goaway, Some(ENHANCE_YOUR_CALM) | None), "{:?}", flooded.said.goaway);
        assert!(reached < REACHED_MAX, "{reached} requests reached the backend");
    }
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}

/// H-15. Each only once the gate has begun with it, so that nothing waits to be taken in.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_reset_when_they_have_begun_end_the_connection() {
    let (inside, heard) = inside().await;
    let fields = inside.fields("GET", "/v");
    let mut talk = Talk::begun(&inside.h2).await;
    let mut sent = 0;
    while sent < 5_000 && !talk.sees(Said::is_over) {
        let streams: Vec<u32> = (0..50).map(|n| 2 * (sent + n) + 1).collect();
        for stream in &streams {
            talk.say(&headers(*stream, &fields, true)).await;
        }
        if !talk.is_alive().await {
            break;
        }
        // They have gone out by now, most of them.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        for stream in &streams {
            talk.say(&frame(RST_STREAM, 0, *stream, &8_u32.to_be_bytes())).await;
        }
        sent += 50;
    }
    let said = talk.wait(Said::is_over).await;
    let reached = heard.load(Ordering::SeqCst);
    println!("{sent} requests begun and reset, told {:?}, {reached} reached the backend", said.goaway);
    assert!(sent < 5_000 && said.is_over(), "{sent}");
    assert!(matches!(said.goaway, Some(ENHANCE_YOUR_CALM) | None), "{:?}", said.goaway);
    assert!((100..REACHED_MAX).contains(&reached), "{reached} requests reached the backend");
    inside.must_serve_the_honest().await;
}

/// H-15. Who goes to another page cancels a hundred of the last one's, and is an honest client.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_cancels_is_borne() {
    let (inside, _heard) = inside().await;
    let fields = inside.fields("GET", "/v");
    let mut talk = Talk::begun(&inside.h2).await;
    for page in 0..4 {
        let streams: Vec<u32> = (0..100).map(|n| 2 * (100 * page + n) + 1).collect();
        for stream in &streams {
            talk.say(&headers(*stream, &fields, true)).await;
        }
        assert!(talk.is_alive().await, "page {page}: {:?}", talk.said().goaway);
        for stream in &streams {
            talk.say(&frame(RST_STREAM, 0, *stream, &8_u32.to_be_bytes())).await;
        }
        assert!(talk.is_alive().await, "page {page}: {:?}", talk.said().goaway);
    }
    talk.say(&headers(9_001, &inside.fields("GET", "/honest/last"), true)).await;
    let said = talk.wait(|said| said.whole.contains(&9_001)).await;
    assert_eq!(said.statuses.get(&9_001), Some(&200), "{:?}", said.goaway);
}

/// H-16. Streams that the client makes the gate reset: by each fault that RFC 9113 calls one of the stream.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_the_gate_is_made_to_reset_end_the_connection() {
    let (inside, heard) = inside().await;
    let get = inside.fields("GET", "/v");
    let post = [inside.fields("POST", "/v"), vec![field("content-length", "3")]].concat();
    type Fault<'a> = Box<dyn Fn(u32) -> Vec<u8> + 'a>;
    let (get, post) = (&get, &post);
    let faults: Vec<(&str, Fault<'_>)> = vec![
        (
            "a window that overflows",
            Box::new(|stream| {
                [headers(stream, get, true), frame(WINDOW_UPDATE, 0, stream, &[0x7f, 255, 255, 255])].concat()
            }),
        ),
        (
            "a window that grows by nothing",
            Box::new(|stream| {
                [headers(stream, get, true), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
            }),
        ),
        (
            "DATA behind the end",
            Box::new(|stream| [headers(stream, get, true), data(stream, b"x", true)].concat()),
        ),
        (
            "HEADERS behind the end",
            Box::new(|stream| {
                [headers(stream, get, true), headers(stream, &[field("x-a", "b")], true)].concat()
            }),
        ),
        (
            "trailers that are no end",
            Box::new(|stream| {
                [headers(stream, post, false), headers(stream, &[field("x-a", "b")], false)].concat()
            }),
        ),
        (
            "a stream that depends on itself",
            Box::new(|stream| {
                [
                    headers(stream, get, true),
                    frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[1]].concat()),
                ]
                .concat()
            }),
        ),
        (
            "PRIORITY of another length",
            Box::new(|stream| [headers(stream, get, true), frame(PRIORITY, 0, stream, &[0; 4])].concat()),
        ),
        (
            "a body longer than its length",
            Box::new(|stream| [headers(stream, post, false), data(stream, b"four", false)].concat()),
        ),
        (
            "a body shorter than its length",
            Box::new(|stream| [headers(stream, post, false), data(stream, b"2", true)].concat()),
        ),
        ("more streams than may be", Box::new(|stream| headers(stream, get, true))),
        ("a head of no meaning", Box::new(|stream| headers(stream, &get[1..], true))),
        (
            "a head of too much",
            Box::new(|stream| {
                let more: Vec<Field> = (0..20).map(|_| field("x-a", "y".repeat(760))).collect();
                headers(stream, &[&get[..], &more].concat(), true)
            }),
        ),
    ];
    for (what, fault) in &faults {
        heard.store(0, Ordering::SeqCst);
        let flooding = flood(Talk::open(&inside.h2).await, &[], |n| fault(2 * n as u32 + 1), 50_000);
        let (flooded, ()) = tokio::join!(flooding, inside.must_serve_the_honest());
        let (reached, said) = (heard.load(Ordering::SeqCst), &flooded.said);
        println!(
            "{what}: {} written, told {:?}, {} resets, {reached} reached the backend",
            flooded.written,
            said.goaway,
            said.resets.len()
        );
        assert!(flooded.written < 50_000 && said.is_over(), "{what}: {:?}", said.goaway);
        assert_ne!(said.goaway, Some(NO_ERROR), "{what}");
        assert!(reached < REACHED_MAX, "{what}: {reached} requests reached the backend");
    }
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}

/// What a connection may begin in vain: five hundred, and a few for each second that a slow machine takes.
const REACHED_MAX: usize = 1_000;
