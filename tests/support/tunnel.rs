//! WebSockets through the gate, as a page of the bank opens them.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::PATIENCE;
use super::browser::{Browser, navigation};

/// A WebSocket through the gate.
pub(crate) async fn websocket(client: &Browser) -> WebSocketStream<TlsStream<TcpStream>> {
    let mut request = format!("wss://{}/ws", client.host).into_client_request().unwrap();
    request.headers_mut().insert("origin", client.origin().parse().unwrap());
    let mut dressed = navigation("/ws");
    client.dress(&mut dressed);
    request.headers_mut().insert("cookie", dressed.headers()["cookie"].clone());
    let sni = client.host.split(':').next().unwrap();
    let stream = client.wire.tls(sni, "http/1.1").await.unwrap();
    let (mut socket, answer) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(answer.status(), 101);
    socket.send(Message::text("hello")).await.unwrap();
    let echo = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(echo, Message::text("hello"));
    socket
}

/// Waits until it is cut; a WebSocket that goes on is a failure.
pub(crate) async fn must_end(socket: &mut WebSocketStream<TlsStream<TcpStream>>) {
    let end = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("the WebSocket is cut");
}
