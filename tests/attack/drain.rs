//! A stop under load: nothing new is taken in, what is under way ends well, what never ends is cut.

use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::body::Body;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::support::PATIENCE;
use crate::support::browser::{Browser, navigation};
use crate::support::desk::anna;
use crate::support::gate::Gate;
use crate::support::program::Program;
use crate::support::tunnel::websocket;
use crate::support::wire::whole;

const REQUESTS: usize = 500;
const TUNNELS: usize = 50;

/// Long enough that all of them are under way at once.
const LATE: &str = "/late?6000";

/// Streams of each connection of HTTP/2.
const STREAMS: usize = 50;

/// O-05.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_lets_what_is_under_way_finish() {
    let gate = Gate::with(|plan| plan.drain_seconds = 9).await;
    let laptop = anna(&gate).await;
    let client = gate.signed_in("bank", &laptop).await;
    let mut program = Program::instead_of(gate).await;
    let mut tunnels = Vec::new();
    for _ in 0..TUNNELS {
        tunnels.push(websocket(&client).await);
    }
    // Half over connections of their own, half over HTTP/2.
    let mut lines = Vec::new();
    for _ in 0..REQUESTS / 2 {
        lines.push(client.wire.h1("bank.localhost").await);
    }
    let mut shared = Vec::new();
    for _ in 0..REQUESTS / 2 / STREAMS {
        shared.push(client.wire.h2("bank.localhost").await);
    }
    let mut idle = client.wire.h1("bank.localhost").await;
    let mut first = navigation("/");
    client.dress(&mut first);
    whole(idle.send_request(first).await.unwrap()).await;

    let mut asked = JoinSet::new();
    for mut line in lines {
        let mut request = navigation(LATE);
        client.dress(&mut request);
        asked.spawn(async move { whole(line.send_request(request).await.unwrap()).await });
    }
    for line in &shared {
        for _ in 0..STREAMS {
            let (mut line, request) = (line.clone(), over_h2(&client));
            asked.spawn(async move { whole(line.send_request(request).await.unwrap()).await });
        }
    }
    let begun = Instant::now();
    loop {
        let heard = usize::try_from(program.backend.late.load(Ordering::SeqCst)).unwrap();
        if heard == REQUESTS {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{heard} of them are under way: {}", program.log());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let told = Instant::now();
    let pid = rustix::process::Pid::from_raw(program.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // GOAWAY: nothing more goes over a connection of HTTP/2, while its requests go on.
    for line in &mut shared {
        while line.ready().await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    while tokio::net::TcpStream::connect(client.wire.address).await.is_ok() {
        assert!(told.elapsed() < PATIENCE, "connections are still taken in");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!asked.is_empty() && idle.ready().await.is_err(), "what lies idle is closed");
    for tunnel in &mut tunnels {
        tunnel.send(Message::text("still there")).await.unwrap();
        assert_eq!(tunnel.next().await.unwrap().unwrap(), Message::text("still there"));
    }
    let mut whole = 0;
    while let Some(answer) = asked.join_next().await {
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "late, but whole"));
        whole += 1;
    }
    assert_eq!(whole, REQUESTS);
    for tunnel in &mut tunnels {
        let end = async { while let Some(Ok(_)) = tunnel.next().await {} };
        tokio::time::timeout(PATIENCE, end).await.expect("what never ends is cut");
    }
    while program.ended().is_none() {
        assert!(told.elapsed() < PATIENCE, "{}", program.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(program.ended().unwrap().code(), Some(0), "{}", program.log());
}

fn over_h2(client: &Browser) -> Request<Body> {
    let mut request = navigation(LATE);
    client.dress(&mut request);
    request.headers_mut().remove("host");
    *request.uri_mut() = format!("https://{}{LATE}", client.host).parse().unwrap();
    request
}
