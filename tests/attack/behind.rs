//! Others behind us: what the gate lets through, nginx and HAProxy read as the gate did, or refuse. A request
//! that two of them could tell apart at different places would be a smuggled one for somebody.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;

use crate::frames::*;
use crate::framing::Told;
use crate::framing_http2::{self, Shaped};
use crate::headers::{each_spelling, only_ours};
use crate::inside::Inside;
use crate::paths::{NO_ADMIN, another_reading, targets};
use crate::peers::{Make, Peer, Read};
use crate::recorder::Recorder;
use crate::support::PATIENCE;
use crate::support::gate::Plan;
use crate::variants::{Carried, Variant, Variants};

/// A client inside, with another make between the gate and the backend; `version` is that of HTTP.
async fn inside(make: Make, version: usize, change: impl FnOnce(&mut Plan)) -> Option<(Arc<Inside>, Peer)> {
    let recorder = Recorder::start().await;
    let peer = Peer::before(make, &format!("http://{}", recorder.address))?;
    let inside = Inside::before(recorder, |plan| {
        plan.backend = Some(peer.urls[version - 1].clone());
        change(plan);
    })
    .await;
    Some((Arc::new(inside), peer))
}

/// H-01. Every variant of HTTP/1.1, through the gate, to nginx.
#[tokio::test(flavor = "multi_thread")]
async fn nginx_reads_each_request_as_the_gate_did() {
    each_variant(Make::Nginx).await;
}

/// H-01. The same to HAProxy.
#[tokio::test(flavor = "multi_thread")]
async fn haproxy_reads_each_request_as_the_gate_did() {
    each_variant(Make::Haproxy).await;
}

/// All over HTTP/1.1; every fourth over HTTP/2 without TLS.
async fn each_variant(make: Make) {
    for (version, step) in [(1, 1), (2, 4)] {
        let Some((inside, peer)) = inside(make, version, |_| {}).await else { return };
        let all = Variants::all(Carried { lines: inside.lines() });
        let all: Vec<&Variant> = all.iter().step_by(step).collect();
        futures_util::stream::iter(&all)
            .for_each_concurrent(AT_ONCE, |variant| {
                let inside = Arc::clone(&inside);
                async move {
                    let behind = inside.last("GET", &format!("/behind/{}", variant.number), "");
                    let mut line = inside.h1.open().await.unwrap();
                    line.send(&[variant.bytes.as_slice(), behind.as_bytes()].concat()).await;
                    line.listen(if variant.bodies.is_empty() { SILENCE } else { PATIENCE }).await;
                }
            })
            .await;
        let told = Told::of(&inside);
        assert!(told.malformed.is_empty(), "{make:?} sent on what is no request: {:?}", told.malformed);
        let mut faults: Vec<String> = all.iter().flat_map(|variant| told.faults(variant)).collect();
        let read = ReadBy::of(&peer);
        faults.extend(all.iter().flat_map(|variant| read.faults(variant, &inside.host)));
        faults.extend(read.no_request());
        faults.extend(peer.complaints());
        assert!(faults.is_empty(), "{make:?}: {} faults: {}", faults.len(), faults.join("\n"));
        for got in told.whole.values().flatten().filter(|got| got.target.starts_with("/v/")) {
            only_ours(&inside, got, &got.target);
        }
        let served =
            all.iter().filter(|variant| told.whole.contains_key(&format!("/v/{}", variant.number))).count();
        let heard = all
            .iter()
            .filter(|variant| read.by_target.contains_key(&format!("/v/{}", variant.number)))
            .count();
        println!(
            "{} variants through the gate to {make:?} over HTTP/{version}: {heard} heard as one request, {served} of them served, none became two",
            all.len()
        );
        assert!(served > 100 / step, "{served}");
    }
}

/// What another make read, by its raw target.
struct ReadBy {
    by_target: HashMap<String, Vec<Read>>,
}

impl ReadBy {
    fn of(peer: &Peer) -> Self {
        let mut by_target: HashMap<String, Vec<Read>> = HashMap::new();
        for read in peer.read() {
            by_target.entry(read.target.clone()).or_default().push(read);
        }
        Self { by_target }
    }

    fn at(&self, target: &str) -> &[Read] {
        self.by_target.get(target).map_or(&[], Vec::as_slice)
    }

    /// Where it read anything but what the gate let through.
    fn faults(&self, variant: &Variant, host: &str) -> Vec<String> {
        let n = variant.number;
        let (itself, smuggled, behind) = (
            self.at(&format!("/v/{n}")),
            self.at(&format!("/smuggled/{n}")),
            self.at(&format!("/behind/{n}")),
        );
        let mut faults = Vec::new();
        let mut fault = |why: String| faults.push(format!("{}: {why}", variant.what));
        if !smuggled.is_empty() || itself.len() > 1 || behind.len() > 1 {
            fault(format!("read as {itself:?} and {smuggled:?} and {behind:?}"));
        }
        if itself.is_empty() && !behind.is_empty() && !variant.what.starts_with("get ") {
            fault("never arrived, and its connection went on".to_owned());
        }
        // Either may be stricter than we are: what it refuses it does not serve.
        for read in itself.iter().chain(behind).filter(|read| read.status == 200) {
            let body = read.body.as_deref().filter(|_| read.target.starts_with("/v/"));
            let right = |body| variant.bodies.iter().any(|right| String::from_utf8_lossy(right) == body);
            if read.host != host || body.is_some_and(|body| !right(body)) {
                fault(format!("read as {read:?}"));
            }
        }
        faults
    }

    /// Bytes that were taken for a request and had none of our targets.
    fn no_request(&self) -> Vec<String> {
        let known = ["/v/", "/behind/", "/honest/"];
        let known = |read: &Read| known.iter().any(|known| read.target.starts_with(known));
        // Of a method that it does not know, nginx tells nothing more.
        let odd = self.by_target.values().flatten().filter(|read| !known(read) && !read.target.is_empty());
        odd.map(|read| format!("{read:?}")).collect()
    }
}

/// H-01. Lengths, connection headers and shapes of bodies that come over HTTP/2, to both makes.
#[tokio::test(flavor = "multi_thread")]
async fn both_read_what_came_over_http2_as_the_gate_did() {
    for (make, version) in [(Make::Nginx, 1), (Make::Haproxy, 1), (Make::Nginx, 2), (Make::Haproxy, 2)] {
        let Some((inside, peer)) = inside(make, version, |_| {}).await else { continue };
        let mut all = framing_http2::variants(&inside);
        if version == 2 {
            all = all.into_iter().step_by(3).collect();
        }
        framing_http2::send_all(&inside, &all).await;
        let whole = inside.recorder.whole();
        let read = ReadBy::of(&peer);
        let faults = [read.no_request(), peer.complaints()].concat();
        assert!(faults.is_empty(), "{make:?}: {}", faults.join("\n"));
        let served = framing_http2::must_be_one_or_none(&all, &whole);
        for Shaped { number, what, .. } in &all {
            let of = |kind: &str| read.at(&format!("/{kind}/{number}"));
            assert!(
                of("smuggled").is_empty() && of("v").len() <= 1 && of("behind").len() <= 1,
                "{make:?}: {what}"
            );
        }
        println!(
            "{} variants over HTTP/2 to {make:?} over HTTP/{version}: {served} arrived as one request",
            all.len()
        );
        assert!(served > 15, "{served}");
    }
}

/// H-10. Each path that the gate lets through, both makes get byte for byte, and read it as no other.
#[tokio::test(flavor = "multi_thread")]
async fn both_read_the_path_that_the_rules_saw() {
    for (make, version) in [(Make::Nginx, 1), (Make::Nginx, 2), (Make::Haproxy, 1), (Make::Haproxy, 2)] {
        let Some((inside, peer)) = inside(make, version, |plan| plan.portal = NO_ADMIN.to_owned()).await
        else {
            continue;
        };
        let all = targets();
        assert!(all.len() >= 400, "{}", all.len());
        futures_util::stream::iter(all.iter().enumerate())
            .for_each_concurrent(AT_ONCE, |(n, target)| {
                let inside = &inside;
                async move {
                    let more = format!("X-Number: {n}\r\n");
                    inside.h1.exchange(inside.last("GET", target, &more).as_bytes()).await;
                    if n.is_multiple_of(5) {
                        let mut h2 = H2::open(&inside.h2).await;
                        h2.send(&headers(1, &inside.fields("GET", target), true)).await;
                        h2.listen(1, PATIENCE).await;
                    }
                }
            })
            .await;
        // What arrived, arrived as it was sent; what was read of it, no rule forbids.
        let sent: Vec<&str> = all.iter().map(|target| target.split('#').next().unwrap()).collect();
        let denied = |path: &str| {
            let path = path.trim_start_matches('/');
            path == "admin" || path.starts_with("admin/")
        };
        let mut heard = 0;
        for read in peer.read() {
            if read.target.starts_with("/honest/") {
                continue;
            }
            assert!(sent.contains(&read.target.as_str()), "{make:?} read what nobody sent: {read:?}");
            assert!(!denied(&read.path) && !denied(&another_reading(&read.target)), "{make:?}: {read:?}");
            assert_eq!((read.method.as_str(), read.host.as_str()), ("GET", inside.host.as_str()), "{read:?}");
            heard += 1;
        }
        for got in inside.recorder.whole() {
            assert!(sent.contains(&got.target.as_str()), "{make:?} sent on another path: {}", got.target);
            if !got.target.starts_with("/honest/") {
                only_ours(&inside, &got, &got.target);
            }
        }
        println!(
            "{} paths to {make:?} over HTTP/{version}: {heard} arrived, each as it was judged",
            all.len()
        );
        assert!(heard > 12, "{heard}");
    }
}

/// H-07. What is left of each header by which a client could say who it is, once both makes have made of it what
/// they do: ours, once.
#[tokio::test(flavor = "multi_thread")]
async fn both_get_each_identity_header_once() {
    for make in [Make::Nginx, Make::Haproxy] {
        let Some((inside, _peer)) = inside(make, 1, |_| {}).await else { continue };
        let (names, served, refused) = each_spelling(&inside).await;
        println!("{names} spellings to {make:?}: {served} requests served without them, {refused} refused");
        assert!(names >= 150 && served >= 150 && refused >= 150, "{names} {served} {refused}");
    }
}

const AT_ONCE: usize = 32;

/// What is refused is refused within milliseconds.
const SILENCE: std::time::Duration = std::time::Duration::from_millis(400);
