//! One program after another takes over while the oldest still serves: what is open there goes on, and is judged by what
//! the newest is told.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::PATIENCE;
use crate::support::browser::Browser;
use crate::support::desk::anna;
use crate::support::gate::Gate;
use crate::support::program::Program;
use crate::support::tunnel::websocket;
use crate::upgrade::{DRAIN_LONG, Successor, in_its_own_folder, until};

/// A gate whose program lies in its own folder, and two clients who have signed in: only the first loses its device.
async fn with_two() -> (Program, Browser, Browser) {
    let gate = Gate::with(|plan| plan.drain_seconds = DRAIN_LONG).await;
    let laptop = anna(&gate).await;
    let client = gate.signed_in("bank", &laptop).await;
    gate.person("bank", "ben", "Ben Muster", &[]).await;
    let other = gate.signed_in("bank", &gate.device("bank", "ben", "desktop").await).await;
    (in_its_own_folder(gate, vec![]).await, client, other)
}

/// The `nth`, and until the process before has let go of the store: whoever comes from then on is the new one's,
/// which serves.
async fn upgrade(program: &Program, client: &Browser, nth: usize) -> Successor {
    let answer = tokio::task::block_in_place(|| program.json(&["upgrade"]));
    let new = Successor::of(answer["pid"].as_u64().unwrap());
    until("handed over", || program.log().matches("the other process has the store").count() == nth).await;
    serves(client).await;
    new
}

async fn serves(client: &Browser) {
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
}

async fn goes_on(tunnel: &mut WebSocketStream<TlsStream<TcpStream>>, what: &str) {
    tunnel.send(Message::text("still there")).await.unwrap_or_else(|why| panic!("{what}: {why}"));
    let heard = tokio::time::timeout(PATIENCE, tunnel.next()).await.expect(what);
    assert!(matches!(&heard, Some(Ok(said)) if *said == Message::text("still there")), "{what}: {heard:?}");
}

/// Within seconds, as all that is open does when its certificate counts no more.
async fn ends(tunnel: &mut WebSocketStream<TlsStream<TcpStream>>, what: &str) {
    let end = async { while let Some(Ok(_)) = tunnel.next().await {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), end)
        .await
        .unwrap_or_else(|_| panic!("{what}: goes on"));
}

fn revoke(program: &Program) {
    let words = ["device", "revoke", "bank/anna/laptop", "--reason", "key-compromise", "--yes"];
    let revoked = tokio::task::block_in_place(|| program.cli(&words));
    assert!(revoked.status.success(), "{revoked:?}");
}

/// O-05: three generations at once. What is open in the oldest is judged by the newest's word, while the one between goes on.
#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_of_three_goes_on_and_hears_the_newest() {
    let (mut program, client, other) = with_two().await;
    let mut first = websocket(&client).await;
    let middle = upgrade(&program, &client, 1).await;
    let (mut second, mut others) = (websocket(&client).await, websocket(&other).await);
    let newest = upgrade(&program, &client, 2).await;
    let mut third = websocket(&client).await;
    for (tunnel, what) in [(&mut first, "oldest"), (&mut second, "middle"), (&mut third, "newest")] {
        goes_on(tunnel, what).await;
    }
    assert!(program.ended().is_none() && middle.lives() && newest.lives(), "{}", program.log());
    revoke(&program);
    for (tunnel, what) in [(&mut first, "oldest"), (&mut second, "middle"), (&mut third, "newest")] {
        ends(tunnel, what).await;
    }
    until("the oldest gone", || program.ended().is_some()).await;
    assert!(program.ended().unwrap().success(), "{}", program.log());
    assert!(middle.lives() && newest.lives(), "the other client's tunnel keeps the one between");
    goes_on(&mut others, "who was not revoked").await;
    drop(others);
    until("the middle gone", || !middle.lives()).await;
    serves(&other).await;
}

/// O-05: the one between has nothing open and ends at once: the oldest goes on hearing.
#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_goes_on_where_the_one_between_has_ended() {
    let (mut program, client, _) = with_two().await;
    let mut open = websocket(&client).await;
    let middle = upgrade(&program, &client, 1).await;
    let newest = upgrade(&program, &client, 2).await;
    until("the middle gone", || !middle.lives()).await;
    serves(&client).await;
    goes_on(&mut open, "oldest").await;
    assert!(program.ended().is_none(), "{}", program.log());
    revoke(&program);
    ends(&mut open, "oldest").await;
    until("gone", || program.ended().is_some()).await;
    assert!(newest.lives());
}

/// O-05: nobody is left to tell the oldest: what it holds is cut, as with two.
#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_does_not_outlive_the_newest() {
    let (mut program, client, _) = with_two().await;
    let mut first = websocket(&client).await;
    let middle = upgrade(&program, &client, 1).await;
    let mut second = websocket(&client).await;
    let newest = upgrade(&program, &client, 2).await;
    goes_on(&mut first, "oldest").await;
    newest.dies();
    ends(&mut first, "oldest").await;
    ends(&mut second, "middle").await;
    until("both gone", || program.ended().is_some() && !middle.lives()).await;
}
