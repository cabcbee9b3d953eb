//! A route's time in all: what ends with it, and whose failure that is.

use std::time::Duration;

use axum::body::Body;
use http::Request;

use super::node::{BlackHole, Mood};
use super::several::{before, destination, seen, status};
use super::{get, read, slow};
use crate::domain::route::{Backend, Eject};

#[tokio::test]
async fn an_answer_has_its_time_in_all() {
    let (mut gate, [node]) = before([1]).await;
    gate.route.total_ms_max = 300;
    for mood in [Mood::Silent, Mood::Slow(Duration::from_secs(60))] {
        node.be(mood);
        assert_eq!(gate.forward(get("/")).await.err(), Some(slow()), "{mood:?}");
    }
    node.be(Mood::Trickles);
    let answer = gate.forward(get("/")).await.unwrap();
    assert!(read(answer).await.is_err(), "though something always comes");
    node.be(Mood::Says(200));
    assert_eq!(status(&gate, &destination(&gate), get("/")).await, Ok(200));
}

/// An answer that did not begin within the time in all is a failure like any that is late, whatever else the route waits for.
#[tokio::test]
async fn who_does_not_answer_within_the_time_in_all_is_left_alone() {
    let (mut gate, [hung, well]) = before([1, 1]).await;
    gate.route.total_ms_max = 1000;
    gate.route.eject = Eject { failures_in_a_row: 2, for_seconds: 60 };
    hung.be(Mood::Silent);
    let to = destination(&gate);
    for _ in 0..60 {
        if seen(&gate, &hung).ejected {
            break;
        }
        status(&gate, &to, get("/")).await.ok();
    }
    let told = seen(&gate, &hung);
    assert!(told.ejected && told.ejections == 1 && told.failed >= 2, "{told:?}");
    let fault = gate.fault.lock().unwrap().clone();
    assert!(fault.why.contains("total_seconds (1 s)"), "{fault:?}");
    assert_eq!((fault.route, fault.backend), (gate.route.name.clone(), Some(hung.url())));
    assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
    assert!(well.took() > 0);
}

/// A black hole takes no connection for longer than the request may take: it is not sent to another after that.
#[tokio::test]
async fn who_takes_no_connection_within_the_time_in_all_failed() {
    let (mut gate, [there]) = before([1]).await;
    let hole = BlackHole::open().await;
    let hole = Backend { url: format!("http://{}", hole.address), weight: 1_000_000 };
    gate.route.backends.push(hole.clone());
    gate.route.total_ms_max = 100;
    gate.route.eject.failures_in_a_row = 0;
    let to = destination(&gate);
    let failed = || gate.proxy.backends().into_iter().find(|seen| seen.backend == hole.url).unwrap().failed;
    for _ in 0..60 {
        if failed() > 0 {
            break;
        }
        status(&gate, &to, get("/")).await.ok();
    }
    assert!(failed() > 0);
    assert_eq!(seen(&gate, &there).failed, 0);
}

/// Who sends slowly, or takes slowly what was answered, uses up the time: that says nothing of the backend.
#[tokio::test]
async fn time_that_others_used_up_is_no_failure() {
    let (mut gate, [node]) = before([1]).await;
    gate.route.total_ms_max = 300;
    let endless = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let request = Request::post("/").body(endless).unwrap();
    assert_eq!(gate.forward(request).await.err(), Some(slow()));
    assert_eq!(seen(&gate, &node).failed, 0);
    gate.route.total_ms_max = 1000;
    node.be(Mood::Trickles);
    let answer = gate.forward(get("/")).await.unwrap();
    assert!(read(answer).await.is_err());
    assert_eq!(seen(&gate, &node).failed, 0);
}
