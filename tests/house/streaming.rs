//! What flows: bodies of any size in flat memory, events, and WebSockets that end with what let them in.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use http_body_util::BodyExt;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::PATIENCE;
use crate::support::browser::{Browser, navigation};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::tunnel::{must_end, websocket};

/// In a process of its own, so that no other test's memory is measured with it: the test runs itself
/// once more, with a mark in the environment.
#[test]
#[allow(clippy::disallowed_methods, reason = "it asks whether it is the copy that runs alone")]
fn a_gibibyte_each_way_in_flat_memory() {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(a_gibibyte_alone());
    }
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "streaming::a_gibibyte_each_way_in_flat_memory", "--nocapture"])
        .env(ALONE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let went = run.status.success() && said.contains("4 GiB went through");
    assert!(went, "{said}{}", String::from_utf8_lossy(&run.stderr));
}

#[allow(clippy::print_stdout, reason = "what it says is read by the test that started it")]
async fn a_gibibyte_alone() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let before = resident_bytes();
    let most = tokio::spawn(async move {
        let mut most = before;
        for _ in 0..100_000 {
            most = most.max(resident_bytes());
            tokio::time::sleep(Duration::from_millis(20)).await;
            if STOP.load(std::sync::atomic::Ordering::SeqCst) {
                break;
            }
        }
        most
    });
    for h2 in [false, true] {
        let mut down = Request::get(format!("https://{}/down?{GIBIBYTE}", client.host));
        down = down.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
        let response = exchange(&client, h2, down.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame.unwrap().data_ref().map_or(0, Bytes::len);
        }
        assert_eq!(length as u64, GIBIBYTE, "down, HTTP/2: {h2}");

        let pieces =
            futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&PIECE)));
        let pieces = pieces.take(usize::try_from(GIBIBYTE).unwrap() / PIECE.len());
        let up = Request::post(format!("https://{}/up", client.host)).header("origin", client.origin());
        let response = exchange(&client, h2, up.body(Body::from_stream(pieces)).unwrap()).await;
        let answer = crate::support::wire::whole(response).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, GIBIBYTE.to_string()), "up, HTTP/2: {h2}");
    }
    STOP.store(true, std::sync::atomic::Ordering::SeqCst);
    let grown = most.await.unwrap().saturating_sub(before);
    println!("4 GiB went through, and memory grew by {} KiB at most", grown / 1024);
    assert!(grown < 64 << 20, "memory grew by {grown} bytes");
}

const ALONE: &str = "PORTCULLIS_TEST_ALONE";
static STOP: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
static PIECE: [u8; 64 * 1024] = [b'u'; 64 * 1024];
const GIBIBYTE: u64 = 1 << 30;

async fn exchange(
    client: &Browser,
    h2: bool,
    mut request: Request<Body>,
) -> http::Response<hyper::body::Incoming> {
    client.dress(&mut request);
    if h2 {
        request.headers_mut().remove("host");
        client.wire.h2("bank.localhost").await.send_request(request).await.unwrap()
    } else {
        let path = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
        *request.uri_mut() = path;
        client.wire.h1("bank.localhost").await.send_request(request).await.unwrap()
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_goes_through_and_ends_with_the_session() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let mut socket = websocket(&client).await;
    let mut ticks = {
        let mut request = navigation("/ticks");
        client.dress(&mut request);
        client.wire.h1("bank.localhost").await.send_request(request).await.unwrap().into_body()
    };
    assert!(ticks.frame().await.unwrap().unwrap().data_ref().unwrap().starts_with(b"data: "));
    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    must_end(&mut socket).await;
    let end = async { while let Some(Ok(_)) = ticks.frame().await {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("the events are cut");
    let closed = async {
        while gate.backend.sockets.load(std::sync::atomic::Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the backend is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_opens_no_websocket() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let mut request = format!("wss://{}/ws", client.host).into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    let mut dressed = navigation("/ws");
    client.dress(&mut dressed);
    request.headers_mut().insert("cookie", dressed.headers()["cookie"].clone());
    gate.backend.forget();
    let stream = client.wire.tls("bank.localhost", "http/1.1").await.unwrap();
    assert!(tokio_tungstenite::client_async(request, stream).await.is_err());
    assert_eq!(gate.backend.bytes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_ends_with_the_sessions_time() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let mut socket = websocket(&client).await;
    gate.wait(12 * 3600);
    let end = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the WebSocket is cut by the clock");
}
