//! Where a request ends: whatever a client writes, the backend gets that one request as it was meant, or
//! none. Never two, and never a part that the next client's request would complete.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use crate::inside::Inside;
use crate::recorder::{Got, Seen};
use crate::support::PATIENCE;
use crate::support::raw::Raw;
use crate::variants::{Carried, Variant, Variants};

/// H-01, H-02. Each variant is the first request of its connection, or follows one that was answered; a
/// sound request is written right behind it; every eighth is followed by an honest one over a new connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_http1_is_one_request_or_none() {
    let inside = Arc::new(Inside::open().await);
    let all = Variants::all(Carried { lines: inside.lines() });
    assert!(all.len() >= 2_000, "{}", all.len());
    futures_util::stream::iter(&all)
        .for_each_concurrent(AT_ONCE, |variant| {
            let inside = Arc::clone(&inside);
            async move {
                send(&inside, variant).await;
                if variant.number.is_multiple_of(8) {
                    inside.must_serve_the_honest().await;
                }
            }
        })
        .await;
    let told = Told::of(&inside);
    let faults: Vec<String> = all.iter().flat_map(|variant| told.faults(variant)).collect();
    let went_on: Vec<&Variant> = all.iter().filter(|variant| told.went_on(variant)).collect();
    assert!(went_on.is_empty(), "were refused, and their connections went on: {went_on:?}");
    assert!(told.malformed.is_empty(), "what is no request reached the backend: {:?}", told.malformed);
    assert!(faults.is_empty(), "{} faults: {}", faults.len(), faults.join("\n"));
    let served = all.iter().filter(|variant| told.whole.contains_key(&format!("/v/{}", variant.number)));
    let (served, broken_off) = (served.count(), told.unfinished);
    println!(
        "{} variants over HTTP/1: {served} arrived as one request, {broken_off} broke off in the body, none became two",
        all.len()
    );
    // Were everything refused, the test would show nothing.
    assert!(served > 100, "{served}");
}

async fn send(inside: &Inside, variant: &Variant) {
    let n = variant.number;
    let mut line = inside.h1.open().await.unwrap();
    if n.is_multiple_of(2) {
        line.send(format!("GET /before/{n} HTTP/1.1\r\n{}\r\n", inside.lines()).as_bytes()).await;
        let answer = line.answer().await.unwrap_or_default();
        assert!(answer.ends_with(&format!("the bank's own page at /before/{n}")), "{answer}");
    }
    let behind = inside.last("GET", &format!("/behind/{n}"), "");
    line.send(&[variant.bytes.as_slice(), behind.as_bytes()].concat()).await;
    // What may be served ends the connection; what may not either is refused or waits for more.
    let patience = if variant.bodies.is_empty() { SILENCE } else { PATIENCE };
    let heard = line.listen(patience).await.text();
    // Each answer is to what was asked, in the order in which it was.
    let told: Vec<&str> = heard.split("the bank's own page at ").skip(1).map(path_at).collect();
    let asked = [format!("/v/{n}"), format!("/behind/{n}")];
    let allowed: [&[&str]; 3] = [&[], &[&asked[0]], &[&asked[0], &asked[1]]];
    let without_body = told == [&asked[1]];
    assert!(allowed.contains(&&told[..]) || without_body, "{}: {told:?}", variant.what);
}

/// The path at the beginning of a text.
fn path_at(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '/');
    &text[..end.unwrap_or(text.len())]
}

/// What the backend saw.
pub(crate) struct Told {
    pub(crate) whole: HashMap<String, Vec<Got>>,
    pub(crate) malformed: Vec<String>,
    unfinished: usize,
}

impl Told {
    pub(crate) fn of(inside: &Inside) -> Self {
        let mut told = Self { whole: HashMap::new(), malformed: Vec::new(), unfinished: 0 };
        for seen in inside.recorder.seen() {
            match seen {
                Seen::Whole(got) => told.whole.entry(got.target.clone()).or_default().push(got),
                Seen::Unfinished => told.unfinished += 1,
                Seen::Malformed(why, bytes) => {
                    told.malformed.push(format!("{why}: {:?}", String::from_utf8_lossy(&bytes)));
                }
            }
        }
        told
    }

    fn at(&self, path: String) -> &[Got] {
        self.whole.get(&path).map_or(&[], Vec::as_slice)
    }

    /// Where it saw anything but the one request, or none.
    pub(crate) fn faults(&self, variant: &Variant) -> Vec<String> {
        let n = variant.number;
        let (itself, smuggled, behind) =
            (self.at(format!("/v/{n}")), self.at(format!("/smuggled/{n}")), self.at(format!("/behind/{n}")));
        let mut faults = Vec::new();
        let mut fault = |why: String| faults.push(format!("{}: {why}", variant.what));
        if !smuggled.is_empty() {
            fault("a request that nobody sent".to_owned());
        }
        if itself.len() > 1 || behind.len() > 1 {
            fault("a request more than once".to_owned());
        }
        for got in itself.iter().filter(|got| !variant.bodies.contains(&got.body)) {
            fault(format!("arrived with {:?}", String::from_utf8_lossy(&got.body)));
        }
        faults
    }

    /// Whether nothing came of it, and what stood behind it on its connection was heard.
    fn went_on(&self, variant: &Variant) -> bool {
        let n = variant.number;
        self.at(format!("/v/{n}")).is_empty() && !self.at(format!("/behind/{n}")).is_empty()
    }
}

/// Variants under way at one time, far below what one address may have open.
const AT_ONCE: usize = 16;

/// What is refused is refused within milliseconds.
const SILENCE: Duration = Duration::from_millis(400);

/// H-01. Our own rooms refuse what is not forwarded either, and hear nothing behind it.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_rooms_hear_nothing_behind_two_ends() {
    let inside = Inside::open().await;
    for door in ["bank", "console", "phone", "start"] {
        let raw = Raw::new(&inside.client.wire, &format!("{door}.localhost"), &["http/1.1"]);
        let host = inside.program.host(door);
        for ends in [
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
        ] {
            let behind = format!("GET /.portcullis/sign-in/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let request = format!(
                "POST /.portcullis/sign-in/code HTTP/1.1\r\nHost: {host}\r\n{ends}\r\n\r\n0\r\n\r\n{behind}"
            );
            let heard = raw.exchange(request.as_bytes()).await;
            let text = heard.text();
            // With a length besides, hyper goes by the coding, takes the length out, and closes (RFC 9112 6.3).
            assert!(ends.contains("Content-Length") || heard.status() == Some(400), "{door} {ends}: {text}");
            assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{door} {ends}: {text}");
        }
    }
    assert_eq!(inside.recorder.count(), 0);
}
