//! Backends are asked how they are, and what is known of them goes with their route.

use std::sync::Arc;
use std::time::Duration;

use super::node::{Mood, Node};
use super::several::{before, post, seen, status};
use super::{down, get};
use crate::domain::route::{Backend, Health, HealthKind, RouteSet};

/// Until it is so: checks go by the wall's clock.
async fn until(what: impl Fn() -> bool) {
    let so = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), so).await.expect("it never came so");
}

#[tokio::test]
async fn checks_take_a_backend_out_and_in_again() {
    for kind in [HealthKind::Http, HealthKind::Tcp] {
        let (mut gate, [sick, well]) = before([1, 1]).await;
        gate.route.health = Some(Health {
            kind,
            path: "/healthz".to_owned(),
            interval_ms: 20,
            timeout_ms: 1_000,
            healthy_after: 2,
            unhealthy_after: 2,
        });
        let take_up = |route: &crate::domain::route::Route| {
            let routes = Arc::new(RouteSet::of(vec![Arc::new(route.clone())]));
            gate.proxy.take_up(&[(route.tenant.clone(), Arc::clone(&routes))]);
            routes
        };
        let routes = take_up(&gate.route);
        let to = gate.proxy.destination(&gate.route.tenant, &routes, "bank.localhost:1", "/").unwrap();
        match kind {
            HealthKind::Http => sick.be(Mood::Says(500)),
            HealthKind::Tcp => sick.go().await,
        }
        until(|| !seen(&gate, &sick).well).await;
        assert!(seen(&gate, &well).well && seen(&gate, &sick).checks_failed >= 2);
        let asked = |node: &Node| node.seen().iter().filter(|head| head.starts_with("POST ")).count();
        for _ in 0..30 {
            assert_eq!(status(&gate, &to, post("/")).await, Ok(200));
        }
        assert_eq!((asked(&sick), asked(&well)), (0, 30));
        if kind == HealthKind::Http {
            let seen = well.seen();
            let check = seen.iter().find(|head| head.starts_with("GET /healthz ")).unwrap();
            assert!(check.contains(&format!("host: {}\r\n", well.address)), "{check}");
        }
        match kind {
            HealthKind::Http => well.be(Mood::Says(500)),
            HealthKind::Tcp => well.go().await,
        }
        until(|| !seen(&gate, &well).well).await;
        assert_eq!(status(&gate, &to, get("/")).await, Err(down()), "none is left: nobody is asked");
        let fault = gate.fault.lock().unwrap().clone();
        assert_eq!((&fault.route, &fault.backend), (&gate.route.name, &None));
        for said in [sick.url(), well.url(), "portcullis route list".to_owned()] {
            assert!(fault.why.contains(&said), "{fault:?}");
        }
        match kind {
            HealthKind::Http => sick.be(Mood::Says(301)),
            HealthKind::Tcp => sick.come_back().await,
        }
        until(|| seen(&gate, &sick).well).await;
        // A route without checks takes all for well.
        let mut unchecked = gate.route.clone();
        unchecked.health = None;
        let _routes = take_up(&unchecked);
        assert!(seen(&gate, &well).well);
    }
}

#[tokio::test]
async fn what_a_route_has_no_more_is_forgotten() {
    let (gate, nodes) = before([1, 1]).await;
    let tenant = gate.route.tenant.clone();
    let set = |backends: &[&Node]| {
        let mut route = gate.route.clone();
        route.backends = backends.iter().map(|node| Backend::at(node.url())).collect();
        RouteSet::of(vec![Arc::new(route)])
    };
    let both = set(&[&nodes[0], &nodes[1]]);
    gate.proxy.destination(&tenant, &both, "x", "/").unwrap();
    assert_eq!(gate.proxy.backends().len(), 2);
    drop(both);
    gate.proxy.destination(&tenant, &set(&[&nodes[1]]), "x", "/").unwrap();
    assert_eq!(gate.proxy.backends().len(), 1);
}
