//! Whoever reads slowly slows the sender: what the gate holds of a body has a bound, by count.

use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::BodyExt;

use super::peer::Peer;
use super::*;

const SIZE: u64 = 64 << 20;
const PIECE: &[u8] = &[7; 16 << 10];

/// A body that counts what was taken of it.
fn counted(taken: &Arc<AtomicU64>) -> Body {
    let taken = Arc::clone(taken);
    let pieces = futures_util::stream::iter(0..SIZE / PIECE.len() as u64).map(move |_| {
        taken.fetch_add(PIECE.len() as u64, Ordering::SeqCst);
        Ok::<_, std::io::Error>(Bytes::from_static(PIECE))
    });
    Body::from_stream(pieces)
}

/// Waits until a count stands still while the runtime does everything else there is to do.
async fn settled(count: &AtomicU64) -> u64 {
    let mut before = u64::MAX;
    loop {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let now = count.load(Ordering::SeqCst);
        if now == before && now > 0 {
            return now;
        }
        before = now;
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_stops_the_backend_and_nobody_else() {
    for h2 in [false, true] {
        let taken = Arc::new(AtomicU64::new(0));
        let counting = Arc::clone(&taken);
        let peer = Peer::answering(move |request| {
            let large = request.uri().path() == "/large";
            let body = if large { counted(&counting) } else { Body::from("ok") };
            async move { Response::new(body) }
        });
        let scheme = if h2 { "h2c" } else { "http" };
        let backend = format!("{scheme}://{}", peer.listen(h2).await);
        let gate = Gate::reaching(&backend, Settings::default(), Reach::default());
        let mut answer = gate.forward(get("/large")).await.unwrap().into_body();
        let first = answer.frame().await.unwrap().unwrap().into_data().unwrap().len() as u64;
        let held = settled(&taken).await;
        // Over HTTP/1.1 most of it lies in the system's own buffers.
        let most = if h2 { 1 << 20 } else { 16 << 20 };
        assert!(held < most, "{scheme}: {held} bytes were taken, nobody read them");
        // Many that stand still take nothing from others on the same connection.
        let mut still = Vec::new();
        for _ in 0..20 {
            still.push(gate.forward(get("/large")).await.unwrap());
        }
        assert_eq!(read(gate.forward(get("/short")).await.unwrap()).await.unwrap(), b"ok");
        if h2 {
            assert_eq!(peer.connections.load(Ordering::SeqCst), 1);
        }
        drop(still);
        let rest = answer.collect().await.unwrap().to_bytes().len() as u64;
        assert_eq!(first + rest, SIZE, "{scheme}: all of it comes once it is read");
    }
}

#[tokio::test]
async fn a_backend_that_stops_reading_stops_the_client() {
    for h2 in [false, true] {
        let go_on = Arc::new(tokio::sync::Notify::new());
        let waits = Arc::clone(&go_on);
        let peer = Peer::answering(move |request| {
            let waits = Arc::clone(&waits);
            async move {
                waits.notified().await;
                let whole = request.into_body().collect().await.unwrap().to_bytes();
                Response::new(Body::from(whole.len().to_string()))
            }
        });
        let scheme = if h2 { "h2c" } else { "http" };
        let backend = format!("{scheme}://{}", peer.listen(h2).await);
        let gate = Arc::new(Gate::reaching(&backend, Settings::default(), Reach::default()));
        let taken = Arc::new(AtomicU64::new(0));
        let body = counted(&taken);
        let answer = tokio::spawn(async move {
            let answer = gate.forward(Request::post("/up").body(body).unwrap()).await.unwrap();
            read(answer).await.unwrap()
        });
        let held = settled(&taken).await;
        let most = if h2 { 4 << 20 } else { 16 << 20 };
        assert!(held < most, "{scheme}: {held} bytes were taken, nobody read them");
        go_on.notify_one();
        assert_eq!(answer.await.unwrap(), SIZE.to_string().as_bytes());
    }
}

/// One window is all that a connection has for uploads, and 64 KiB is what many servers begin with.
#[tokio::test]
async fn an_upload_that_a_backend_does_not_read_stops_no_other() {
    let mut peer = Peer::answering(|request| async move {
        if request.uri().path() == "/unread" {
            std::future::pending::<()>().await;
        }
        let whole = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(Body::from(whole.len().to_string()))
    });
    peer.window = Some(65_535);
    let backend = format!("h2c://{}", peer.listen(true).await);
    let gate = Arc::new(Gate::reaching(&backend, Settings::default(), Reach::default()));
    let up = |path: &str, body: Body| {
        let (gate, request) = (Arc::clone(&gate), Request::post(path).body(body).unwrap());
        tokio::spawn(async move { read(gate.forward(request).await.unwrap()).await.unwrap() })
    };
    let taken = Arc::new(AtomicU64::new(0));
    let unread = up("/unread", counted(&taken));
    settled(&taken).await;
    for _ in 0..2 {
        let answer = tokio::time::timeout(Duration::from_secs(20), up("/read", Body::from(vec![7; 100_000])));
        assert_eq!(answer.await.expect("it does not wait").unwrap(), b"100000");
    }
    assert_eq!(read(gate.forward(get("/short")).await.unwrap()).await.unwrap(), b"0");
    assert_eq!(peer.connections.load(Ordering::SeqCst), 2);
    // Who gave up left the window as it was.
    unread.abort();
    assert!(unread.await.unwrap_err().is_cancelled());
    assert_eq!(up("/read", Body::from("back")).await.unwrap(), b"4");
    assert_eq!(peer.connections.load(Ordering::SeqCst), 2);
}

/// Each takes a connection of its own with it, as it would over HTTP/1.1; no more than that.
#[tokio::test]
async fn uploads_that_are_given_up_leave_no_connections_behind() {
    let mut peer = Peer::answering(|request| async move {
        if request.uri().path() == "/unread" {
            std::future::pending::<()>().await;
        }
        Response::new(Body::from("ok"))
    });
    peer.window = Some(65_535);
    let backend = format!("h2c://{}", peer.listen(true).await);
    let gate = Arc::new(Gate::reaching(&backend, Settings::default(), Reach::default()));
    for turn in 1..=20 {
        let taken = Arc::new(AtomicU64::new(0));
        let (to, request) = (Arc::clone(&gate), Request::post("/unread").body(counted(&taken)).unwrap());
        let unread = tokio::spawn(async move { to.forward(request).await.map(drop) });
        settled(&taken).await;
        unread.abort();
        assert!(unread.await.unwrap_err().is_cancelled());
        assert_eq!(read(gate.forward(get("/short")).await.unwrap()).await.unwrap(), b"ok");
        assert_eq!(
            peer.connections.load(Ordering::SeqCst),
            1 + turn,
            "the one whose window is full is not used"
        );
        assert_eq!(gate.proxy.upstream.shared(), 1);
    }
}

#[tokio::test]
async fn each_event_comes_at_once() {
    for h2 in [false, true] {
        let (say, said) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, std::io::Error>>();
        let said = Arc::new(Mutex::new(Some(said)));
        let peer = Peer::answering(move |_| {
            let said = said.lock().unwrap().take().unwrap();
            let events =
                futures_util::stream::unfold(
                    said,
                    |mut said| async move { Some((said.recv().await?, said)) },
                );
            async move {
                let mut answer = Response::new(Body::from_stream(events));
                answer.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
                answer
            }
        });
        let scheme = if h2 { "h2c" } else { "http" };
        let backend = format!("{scheme}://{}", peer.listen(h2).await);
        let gate = Gate::reaching(&backend, Settings::default(), Reach::default());
        let mut events = gate.forward(get("/events")).await.unwrap().into_body();
        for n in 0..100 {
            let event = Bytes::from(format!("data: {n}\n\n"));
            say.send(Ok(event.clone())).unwrap();
            // The next is not said before this one came.
            assert_eq!(events.frame().await.unwrap().unwrap().into_data().unwrap(), event, "{scheme}");
        }
    }
}
