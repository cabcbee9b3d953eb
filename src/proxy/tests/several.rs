//! Several backends: who gets a request, what becomes of one that fails, flaps, is full, or is closed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};

use super::node::{BlackHole, Mood, Node};
use super::{Gate, broken, down, get, read, slow};
use crate::domain::Reason;
use crate::domain::route::{Backend, Eject, Maintenance, RouteSet};
use crate::proxy::{Destination, Seen};

/// A gate before these, by these weights.
pub(super) async fn before<const N: usize>(weights: [u32; N]) -> (Gate, [Node; N]) {
    let mut nodes = Vec::new();
    for _ in 0..N {
        nodes.push(Node::start().await);
    }
    let nodes: [Node; N] = nodes.try_into().ok().unwrap();
    let mut gate = Gate::before(nodes[0].address);
    gate.route.backends =
        nodes.iter().zip(weights).map(|(node, weight)| Backend { url: node.url(), weight }).collect();
    (gate, nodes)
}

pub(super) fn destination(gate: &Gate) -> Destination {
    gate.proxy.prepare(&Arc::new(gate.route.clone()))
}

pub(super) fn post(path: &str) -> Request<Body> {
    Request::post(path).body(Body::from("amount=1")).unwrap()
}

pub(super) async fn status(gate: &Gate, to: &Destination, request: Request<Body>) -> Result<u16, Reason> {
    let answer = gate.forward_to(to, gate.permit(), request).await?;
    let status = answer.status().as_u16();
    read(answer).await.unwrap();
    Ok(status)
}

pub(super) fn seen(gate: &Gate, node: &Node) -> Seen {
    gate.proxy.backends().into_iter().find(|seen| seen.backend == node.url()).unwrap()
}

#[tokio::test]
async fn requests_are_shared_by_weight() {
    let (gate, [one, three]) = before([1, 3]).await;
    let to = destination(&gate);
    for _ in 0..400 {
        assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
    }
    assert_eq!(one.took() + three.took(), 400);
    assert!((240..=360).contains(&three.took()), "{} of 400 for a weight of 3 in 4", three.took());
    assert_eq!(seen(&gate, &one).answered, one.took() as u64);
}

#[tokio::test]
async fn one_that_is_busy_gets_less() {
    let (gate, [busy, idle]) = before([1, 1]).await;
    let to = destination(&gate);
    busy.be(Mood::Half);
    let open = loop {
        let answer = gate.forward_to(&to, gate.permit(), get("/")).await.unwrap();
        if seen(&gate, &busy).requests == 1 {
            break answer;
        }
    };
    let before = (busy.took(), idle.took());
    for _ in 0..20 {
        assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
    }
    assert_eq!((busy.took(), idle.took()), (before.0, before.1 + 20), "one is under way at the other");
    drop(open);
    assert_eq!(seen(&gate, &busy).requests, 0, "what was given up counts no more");
}

/// O-06: what can be sent again goes to another backend; what cannot is told, and sent once at most.
#[tokio::test]
async fn a_backend_that_refuses_costs_no_get_and_doubles_no_post() {
    let (mut gate, [gone, there]) = before([1, 1]).await;
    gate.route.eject.failures_in_a_row = 0;
    let to = destination(&gate);
    gone.go().await;
    // Twenty tries at once, and one more for every five requests.
    for _ in 0..20 {
        assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
    }
    assert_eq!(there.took(), 20);
    there.forget();
    let mut failed = 0;
    for _ in 0..60 {
        match status(&gate, &to, post("/pay")).await {
            Ok(200) => {}
            Err(Reason::BackendDown(_)) => failed += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(failed > 0, "one of two is gone");
    assert_eq!(there.took(), 60 - failed, "none was sent twice, and none that failed arrived");
}

/// What the log is told of the last failure.
fn told(gate: &Gate, why: &str) {
    let fault = gate.fault.lock().unwrap();
    assert!(fault.why.contains(why) && fault.backend.is_some(), "{fault:?}");
}

/// O-06: refused, black hole, silent, half, reset, garbage: told within the route's own times, POST or not; the
/// other route's backend hears nothing of it.
#[tokio::test]
async fn each_way_to_fail_is_told_in_time_and_sent_once() {
    let (mut gate, [bad, good]) = before([1, 1]).await;
    let others = Gate::before(good.address);
    gate.route.backends.pop();
    gate.route.connect_ms_max = 200;
    gate.route.first_byte_ms_max = 200;
    gate.route.idle_ms_max = 200;
    let hole = BlackHole::open().await;
    for method in [Method::GET, Method::POST] {
        let request = || Request::builder().method(&method).uri("/").body(Body::empty()).unwrap();
        for (mood, wanted) in [(Mood::Silent, slow()), (Mood::Garbage, broken())] {
            bad.be(mood);
            bad.forget();
            assert_eq!(gate.forward(request()).await.err(), Some(wanted), "{method} {mood:?}");
            assert_eq!(bad.took(), 1, "{method} {mood:?} was sent once");
            if mood == Mood::Silent {
                told(&gate, "first_byte_seconds (0.2 s)");
            }
            assert_eq!(status(&others, &destination(&others), get("/")).await, Ok(200));
        }
        for mood in [Mood::Half, Mood::Resets] {
            bad.be(mood);
            bad.forget();
            let answer = gate.forward(request()).await.unwrap();
            assert!(read(answer).await.is_err(), "{method} {mood:?} breaks off");
            assert_eq!(bad.took(), 1, "{method} {mood:?} was sent once");
        }
        let mut route = gate.route.clone();
        route.backends = vec![Backend::at(format!("http://{}", hole.address))];
        let to = gate.proxy.prepare(&Arc::new(route));
        assert_eq!(status(&gate, &to, request()).await, Err(slow()), "{method} into a black hole");
        told(&gate, "connect_seconds (0.2 s)");
    }
    bad.go().await;
    assert_eq!(gate.forward(get("/")).await.err(), Some(down()));
    told(&gate, "Connection refused");
    assert_eq!(gate.forward(post("/")).await.err(), Some(down()));
}

#[tokio::test]
async fn a_black_hole_costs_a_get_its_wait_and_no_more() {
    let (mut gate, [there, _]) = before([1, 1]).await;
    let hole = BlackHole::open().await;
    gate.route.backends[1] = Backend { url: format!("http://{}", hole.address), weight: 1000 };
    gate.route.connect_ms_max = 50;
    let to = destination(&gate);
    for _ in 0..10 {
        assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
    }
    assert_eq!(there.took(), 10);
}

/// O-06: bytes may have been sent, so it is not sent again, not even a GET.
#[tokio::test]
async fn what_was_sent_goes_to_no_other_backend() {
    let (mut gate, [bad, good]) = before([1, 1]).await;
    gate.route.eject.failures_in_a_row = 0;
    bad.be(Mood::Garbage);
    let to = destination(&gate);
    let mut failed = 0;
    for _ in 0..40 {
        failed += usize::from(status(&gate, &to, get("/")).await == Err(broken()));
    }
    assert_eq!((bad.took(), good.took()), (failed, 40 - failed));
}

#[tokio::test]
async fn who_fails_is_left_alone_for_a_while_and_comes_back() {
    let (mut gate, [bad, good]) = before([1, 1]).await;
    gate.route.eject = Eject { failures_in_a_row: 3, for_seconds: 10 };
    let to = destination(&gate);
    bad.be(Mood::Says(503));
    while !seen(&gate, &bad).ejected {
        status(&gate, &to, post("/")).await.unwrap();
    }
    assert_eq!((bad.took(), seen(&gate, &bad).ejections), (3, 1));
    for _ in 0..50 {
        assert_eq!(status(&gate, &to, post("/")).await, Ok(200));
    }
    assert_eq!(bad.took(), 3, "it hears nothing");
    // The other fails, too; but half of them is the most.
    good.be(Mood::Says(502));
    for _ in 0..20 {
        assert_eq!(status(&gate, &to, post("/")).await, Ok(502));
    }
    assert_eq!((bad.took(), seen(&gate, &good).ejected), (3, false));
    good.be(Mood::Says(200));
    // A route that is edited forgets nothing of those that stay.
    gate.route.sticky = true;
    gate.route.sticky = false;
    let to = destination(&gate);
    assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
    assert!(seen(&gate, &bad).ejected);
    gate.clock.advance(Duration::from_secs(13));
    assert!(!seen(&gate, &bad).ejected);
    bad.be(Mood::Says(200));
    for _ in 0..50 {
        assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
    }
    assert!(bad.took() > 10, "{}", bad.took());
}

#[tokio::test]
async fn who_is_asked_all_the_same_and_answers_is_left_alone_no_more() {
    let (mut gate, [bad, good]) = before([1, 1]).await;
    gate.route.eject = Eject { failures_in_a_row: 3, for_seconds: 60 };
    let both = destination(&gate);
    bad.be(Mood::Says(503));
    while !seen(&gate, &bad).ejected {
        status(&gate, &both, post("/")).await.unwrap();
    }
    // What is answered by the other changes nothing; nor does it where the lone one fails again.
    assert_eq!(status(&gate, &both, get("/")).await, Ok(200));
    let mut route = gate.route.clone();
    route.backends.retain(|at| at.url == bad.url());
    let alone = gate.proxy.prepare(&Arc::new(route.clone()));
    assert_eq!(status(&gate, &alone, get("/")).await, Ok(503));
    assert!(seen(&gate, &bad).ejected);
    bad.be(Mood::Says(200));
    assert_eq!(status(&gate, &alone, get("/")).await, Ok(200));
    assert!(!seen(&gate, &bad).ejected, "it answers");
    // How often it was is remembered: the next time is twice as long.
    bad.be(Mood::Says(503));
    while !seen(&gate, &bad).ejected {
        status(&gate, &both, post("/")).await.unwrap();
    }
    gate.clock.advance(Duration::from_secs(100));
    assert!(seen(&gate, &bad).ejected);
    // Where the route has no other, it is asked and not said to be left alone.
    let routes = RouteSet::of(vec![Arc::new(route)]);
    gate.proxy.destination(&gate.route.tenant, &routes, "bank.example", "/").unwrap();
    assert!(!seen(&gate, &bad).ejected && seen(&gate, &bad).failing > 0);
    assert!(good.took() > 0);
}

#[tokio::test]
async fn one_that_came_back_takes_its_share_by_and_by() {
    let (mut gate, [cold, warm]) = before([1, 1]).await;
    gate.route.eject = Eject { failures_in_a_row: 1, for_seconds: 10 };
    gate.route.slow_start_seconds = 100;
    let to = destination(&gate);
    cold.be(Mood::Says(503));
    while !seen(&gate, &cold).ejected {
        status(&gate, &to, get("/")).await.unwrap();
    }
    cold.be(Mood::Says(200));
    gate.clock.advance(Duration::from_millis(12_500));
    let mut shares = Vec::new();
    for _ in 0..3 {
        cold.forget();
        warm.forget();
        for _ in 0..300 {
            assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
        }
        shares.push(cold.took());
        gate.clock.advance(Duration::from_secs(50));
    }
    // A tenth against a whole; a little more than half against a whole; as much as the other.
    assert!((8..=60).contains(&shares[0]), "{shares:?}");
    assert!((75..=140).contains(&shares[1]), "{shares:?}");
    assert!((110..=190).contains(&shares[2]), "{shares:?}");
}

#[tokio::test]
async fn a_session_stays_with_its_backend_while_it_is_there() {
    let (mut gate, nodes) = before([1, 1, 1]).await;
    gate.route.sticky = true;
    gate.route.eject = Eject { failures_in_a_row: 1, for_seconds: 10 };
    let to = destination(&gate);
    for _ in 0..30 {
        assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
    }
    let home = nodes.iter().position(|node| node.took() == 30).expect("all at one");
    nodes[home].be(Mood::Says(503));
    assert_eq!(status(&gate, &to, get("/")).await, Ok(503));
    for _ in 0..30 {
        assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
    }
    assert_eq!(nodes.iter().filter(|node| node.took() == 30).count(), 1, "all at one other");
    nodes[home].be(Mood::Says(200));
    gate.clock.advance(Duration::from_secs(13));
    assert_eq!(status(&gate, &to, get("/")).await, Ok(200));
    assert_eq!(nodes[home].took(), 32, "and home again");
}

/// O-07: a herd meets a backend that has just come back: no more at once than may be, the others are told, and
/// what is under way is counted down again.
#[tokio::test(flavor = "multi_thread")]
async fn a_herd_is_held_back_from_a_backend_that_flaps() {
    let (mut gate, nodes) = before([1, 1]).await;
    gate.route.requests_max = 4;
    gate.route.eject = Eject { failures_in_a_row: 3, for_seconds: 1 };
    let to = Arc::new(destination(&gate));
    let gate = Arc::new(gate);
    let (mut answered, mut busy, mut down) = (0, 0, 0);
    for flap in 0..4 {
        for node in &nodes {
            node.be(Mood::Slow(Duration::from_millis(30)));
        }
        if flap % 2 == 1 {
            nodes[0].go().await;
        }
        let herd = (0..100).map(|_| {
            let (gate, to) = (Arc::clone(&gate), Arc::clone(&to));
            tokio::spawn(async move { status(&gate, &to, get("/")).await })
        });
        for one in futures_util::future::join_all(herd).await {
            match one.unwrap() {
                Ok(200) => answered += 1,
                Err(Reason::BackendBusy(_)) => busy += 1,
                Err(Reason::BackendDown(_) | Reason::BackendBroken(_)) => down += 1,
                other => panic!("{other:?}"),
            }
        }
        if flap % 2 == 1 {
            nodes[0].come_back().await;
            gate.clock.advance(Duration::from_secs(30));
        }
    }
    assert_eq!(answered + busy + down, 400);
    assert!(answered >= 16 && busy > 0, "{answered} answered, {busy} told to wait, {down} down");
    for node in &nodes {
        assert!(node.most_at_once.load(Ordering::SeqCst) <= 4, "{:?}", node.most_at_once);
        assert_eq!(seen(&gate, node).requests, 0);
    }
}

#[tokio::test]
async fn a_full_backend_is_passed_over_and_full_ones_are_said_so() {
    let (mut gate, [full, free]) = before([1000, 1]).await;
    gate.route.requests_max = 1;
    let to = destination(&gate);
    full.be(Mood::Half);
    free.be(Mood::Half);
    let first = gate.forward_to(&to, gate.permit(), get("/1")).await.unwrap();
    let second = gate.forward_to(&to, gate.permit(), get("/2")).await.unwrap();
    assert_eq!((full.took(), free.took()), (1, 1));
    // The log says which route, which backends, and what limit.
    let refused = gate.forward_to(&to, gate.permit(), get("/3")).await.err();
    let Some(Reason::BackendBusy(why)) = refused else { panic!("{refused:?}") };
    for told in [&gate.route.name, &full.url(), &free.url(), "1 requests", "requests_max"] {
        assert!(why.contains(told), "{told}: {why}");
    }
    drop(first);
    full.be(Mood::Says(200));
    free.be(Mood::Says(200));
    assert_eq!(status(&gate, &to, get("/4")).await, Ok(200));
    drop(second);
}

#[tokio::test]
async fn a_closed_route_sends_nothing() {
    let (mut gate, [node]) = before([1]).await;
    gate.route.maintenance = Some(Maintenance { text: "Back at noon".to_owned(), until: None });
    let closed = Reason::Maintenance { text: "Back at noon".to_owned(), until: None };
    assert_eq!(gate.forward(get("/")).await.err(), Some(closed.clone()));
    assert_eq!(gate.forward(post("/")).await.err(), Some(closed));
    assert_eq!(node.took(), 0);
}

#[tokio::test]
async fn a_prefix_is_replaced_and_the_backend_told_which() {
    let (mut gate, [node]) = before([1]).await;
    gate.route.path_prefix = "/app".to_owned();
    gate.route.rewrite = Some("/".to_owned());
    for path in ["/app", "/app/x?a=/app", "/app/%C3%A9/"] {
        let request = Request::get(path).header("x-forwarded-prefix", "/evil").body(Body::empty()).unwrap();
        read(gate.forward(request).await.unwrap()).await.unwrap();
    }
    let seen = node.seen();
    let lines: Vec<&str> = seen.iter().map(|head| head.lines().next().unwrap()).collect();
    assert_eq!(lines, ["GET / HTTP/1.1", "GET /x?a=/app HTTP/1.1", "GET /%C3%A9/ HTTP/1.1"]);
    for head in &seen {
        assert!(head.contains("x-forwarded-prefix: /app\r\n") && !head.contains("evil"), "{head}");
    }
}
