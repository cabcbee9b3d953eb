//! WebSocket over HTTP/2 (RFC 8441): as guarded as over HTTP/1.1, beside other requests on one connection.

use std::time::Duration;

use axum::body::Body;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use portcullis::console::command::{Command, device};
use portcullis::domain::certificate::RevocationReason;
use portcullis::front::outside::{Field, access_log};
use serde_json::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::support::PATIENCE;
use crate::support::browser::{Browser, navigation};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::tunnel;
use crate::support::wire::whole;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// An extended CONNECT, as a browser sends it.
fn asking(client: &Browser, path: &str) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::CONNECT;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = format!("https://{}{path}", client.host).parse().unwrap();
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    client.dress(&mut request);
    let headers = request.headers_mut();
    headers.remove("host");
    headers.insert("origin", client.origin().parse().unwrap());
    headers.insert("sec-websocket-version", "13".parse().unwrap());
    headers.insert("sec-fetch-mode", "websocket".parse().unwrap());
    request
}

/// The gate says that it takes them with its first SETTINGS, which come before its first answer.
async fn connection(client: &Browser) -> SendRequest<Body> {
    let mut h2 = client.wire.h2("bank.localhost").await;
    let page = get(client, &mut h2, "/accounts").await;
    assert_eq!(page.status(), 200);
    h2
}

async fn get(client: &Browser, h2: &mut SendRequest<Body>, path: &str) -> Response<Incoming> {
    let mut request = navigation(&format!("https://{}{path}", client.host));
    client.dress(&mut request);
    request.headers_mut().remove("host");
    h2.send_request(request).await.unwrap()
}

async fn opened(h2: &mut SendRequest<Body>, request: Request<Body>) -> Socket {
    let mut answer = h2.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("sec-websocket-accept"));
    let upgraded = hyper::upgrade::on(&mut answer).await.unwrap();
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await
}

async fn says(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    let echo = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(echo, Message::text(text));
}

async fn must_end(socket: &mut Socket) {
    let end = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("the WebSocket is cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_goes_through_beside_others_and_ends_with_the_session() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let mut h2 = connection(&client).await;
    gate.backend.forget();
    let mut one = opened(&mut h2, asking(&client, "/ws?a=b")).await;
    let mut two = opened(&mut h2, asking(&client, "/ws")).await;
    for text in ["hello", &"x".repeat(1 << 20)] {
        says(&mut one, text).await;
        says(&mut two, text).await;
    }
    // The backend was asked in its own manner, by the gate's own key.
    let text = gate.backend.text();
    assert!(text.starts_with("GET /ws?a=b HTTP/1.1\r\n"), "{text}");
    assert_eq!(gate.backend.header("upgrade").as_deref(), Some("websocket"));
    assert_eq!(gate.backend.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert!(gate.backend.header("portcullis-assertion").is_some());
    assert_eq!(get(&client, &mut h2, "/accounts").await.status(), 200);
    // One that is closed leaves the other open.
    two.close(None).await.unwrap();
    must_end(&mut two).await;
    says(&mut one, "still there").await;

    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    must_end(&mut one).await;
    let closed = async {
        while gate.backend.sockets.load(std::sync::atomic::Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the backend is told");
}

/// The line says how long it was open, and what the client was sent in it.
#[tokio::test(flavor = "multi_thread")]
async fn its_line_in_the_access_log_comes_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let to = access_log::To::File(file.clone());
    let gate = Gate::with(|plan| {
        plan.outside.access_log = Some(access_log::Settings { to, fields: Field::usual() });
    })
    .await;
    let (client, _, _) = anna_inside(&gate).await;
    let lines = || -> Vec<Value> {
        gate.started().house.outside.close();
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["path"] == "/ws").collect()
    };
    let mut h2 = connection(&client).await;
    let mut over_http2 = opened(&mut h2, asking(&client, "/ws")).await;
    says(&mut over_http2, "hello").await;
    let mut over_http1 = tunnel::websocket(&client).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(lines().is_empty(), "both are open");
    over_http2.close(None).await.unwrap();
    must_end(&mut over_http2).await;
    over_http1.close(None).await.unwrap();
    tunnel::must_end(&mut over_http1).await;
    drop((over_http1, over_http2));
    tokio::time::timeout(PATIENCE, async {
        while lines().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("each has its line");
    let lines = lines();
    let mut statuses: Vec<u64> = lines.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [101, 200]);
    for line in lines {
        assert!(line["ms"].as_f64().unwrap() >= 50.0, "{line}");
        assert!(line["bytes"].as_u64().unwrap() >= "hello".len() as u64, "{line}");
    }
}

/// H-05, A-22: over HTTP/2 too, a WebSocket wants its version, its own origin and a session, and opens nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn what_holds_for_one_of_http1_holds_for_it() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let mut h2 = connection(&client).await;
    gate.backend.forget();
    let mut refused = async |what: &str, change: &dyn Fn(&mut Request<Body>)| {
        let mut request = asking(&client, "/ws");
        change(&mut request);
        let answer = h2.send_request(request).await.unwrap();
        assert!(!answer.status().is_success(), "{what}: {}", answer.status());
        let status = answer.status().as_u16();
        whole(answer).await;
        status
    };
    // Pages of other origins, and none named.
    for origin in ["https://evil.example", "null", "https://bank.localhost"] {
        let said = |request: &mut Request<Body>| {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        };
        assert_eq!(refused(origin, &said).await, 403);
    }
    assert_eq!(refused("no origin", &|request| drop(request.headers_mut().remove("origin"))).await, 403);
    // Nobody who is signed in.
    refused("no session", &|request| drop(request.headers_mut().remove("cookie"))).await;
    // Another version, another protocol, none.
    let version = |request: &mut Request<Body>| {
        request.headers_mut().insert("sec-websocket-version", "8".parse().unwrap());
    };
    assert_eq!(refused("version", &version).await, 400);
    for protocol in ["connect-udp", "WebSocket", ""] {
        let other = |request: &mut Request<Body>| {
            request.extensions_mut().insert(Protocol::from(protocol));
        };
        assert_eq!(refused(protocol, &other).await, 400);
    }
    // The gate's own pages are no WebSockets, and no tunnel is opened to nobody.
    for path in ["/.portcullis/settings/", "/.portcullis/jwks.json", "/.portcullis/sign-in"] {
        let own = |request: &mut Request<Body>| {
            *request.uri_mut() = format!("https://{}{path}", client.host).parse().unwrap();
        };
        refused(path, &own).await;
    }
    // A path that is read in two ways.
    let odd = |request: &mut Request<Body>| {
        *request.uri_mut() = format!("https://{}/a/%2e%2e/ws", client.host).parse().unwrap();
    };
    assert_eq!(refused("odd path", &odd).await, 400);
    assert_eq!(gate.backend.bytes(), 0, "{}", gate.backend.text());
    // A backend that answers with a page: no tunnel either.
    let page = |request: &mut Request<Body>| {
        *request.uri_mut() = format!("https://{}/accounts", client.host).parse().unwrap();
    };
    assert_eq!(refused("a page", &page).await, 400);
    // The connection is as good as before.
    let mut socket = opened(&mut h2, asking(&client, "/ws")).await;
    says(&mut socket, "hello").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ends_with_its_certificate() {
    let gate = Gate::open().await;
    let (client, _, handed) = anna_inside(&gate).await;
    let mut h2 = connection(&client).await;
    let mut socket = opened(&mut h2, asking(&client, "/ws")).await;
    says(&mut socket, "hello").await;
    let which = format!("bank/anna/{}", handed.device).parse().unwrap();
    let reason = RevocationReason::KeyCompromise;
    gate.run(Command::Device(device::Command::Revoke { device: which, reason, yes: true })).await;
    must_end(&mut socket).await;
}
