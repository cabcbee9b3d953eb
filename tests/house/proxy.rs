//! The way to the backend through the whole gate: who the client says to be, cookies, a backend that
//! does not answer, a gate that stops.

use axum::body::Body;
use http::{HeaderName, Request};

use crate::support::browser::{COOKIE, navigation, program};
use crate::support::desk::*;
use crate::support::gate::Gate;

/// Headers by which a client could say who it is or where from.
const NAMES: [&str; 10] = [
    "Client-Cert",
    "Client-Cert-Chain",
    "Portcullis-Assertion",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "Forwarded",
    "X-Real-IP",
    "Remote-User",
    "X-Request-Id",
    "X-Auth-Request-User",
];

fn spellings(name: &str) -> Vec<String> {
    vec![
        name.to_owned(),
        name.to_lowercase(),
        name.to_uppercase(),
        name.replace('-', "_"),
        name.to_uppercase().replace('-', "_"),
        name.replacen('-', "_", 1),
        name.replace('-', "."),
        format!("HTTP_{}", name.to_uppercase().replace('-', "_")),
        name.replace('-', "--"),
        format!("_{name}"),
        format!("{name}_"),
        format!("-{name}"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_says_who_they_are_but_the_gate() {
    let gate = Gate::open().await;
    let (client, _, laptop) = anna_inside(&gate).await;
    let mut h1 = client.wire.h1("bank.localhost").await;
    let mut tried = 0;
    for name in NAMES {
        for spelling in spellings(name) {
            for nominated in [false, true] {
                let mut request = navigation("/accounts");
                client.dress(&mut request);
                let header = HeaderName::try_from(spelling.as_str()).unwrap();
                request.headers_mut().append(header.clone(), "evil".parse().unwrap());
                request.headers_mut().append(header, "evil, evil".parse().unwrap());
                if nominated {
                    request.headers_mut().insert("connection", spelling.parse().unwrap());
                }
                gate.backend.forget();
                h1.ready().await.unwrap();
                let answer = h1.send_request(request).await.unwrap();
                let status = answer.status();
                crate::support::wire::whole(answer).await;
                let text = gate.backend.text();
                assert!(!text.contains("evil"), "{spelling} reached the backend: {text}");
                assert!(status == 200 || text.is_empty(), "{spelling}: {status}");
                tried += 1;
            }
        }
    }
    assert!(tried >= 240);
    gate.backend.forget();
    client.open("/accounts").await;
    let told = |name: &str| gate.backend.header(name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(told("x-forwarded-for"), "127.0.0.1");
    assert_eq!(told("x-forwarded-host"), client.host);
    assert_eq!(told("host"), client.host);
    let leaf = data_encoding::BASE64.encode(&laptop.identity.chain[0]);
    assert_eq!(told("client-cert"), format!(":{leaf}:"), "RFC 9440");
    let claims = crate::identity::check_assertion(&gate, &laptop, &told("portcullis-assertion"));
    assert!(claims.to_string().contains("anna"), "{claims}");
    let keys = client.send(program("/.portcullis/jwks.json")).await;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&keys.body).unwrap(), gate.started().jwks);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gates_cookie_stays_at_the_gate() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let cookie = client.cookie().unwrap();
    client.set_cookie("theirs", "7");
    gate.backend.forget();
    client.open("/").await;
    let text = gate.backend.text();
    assert!(!text.contains(COOKIE) && !text.contains(&cookie), "{text}");
    assert!(text.contains("theirs=7"), "{text}");
    assert_eq!(client.cookie().unwrap(), cookie, "the backend sets no cookie of ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_down_or_slow_is_told_in_a_page() {
    let gate = Gate::with(|plan| plan.first_byte_ms_max = 400).await;
    let (client, _, _) = anna_inside(&gate).await;
    let page = client.open("/never").await;
    assert_eq!(page.status, 504, "{}", page.words());
    page.must_say("pages are taking too long").must_say("+41 44 555 01 77");
    assert_eq!(client.send(program("/never")).await.problem()["type"], "urn:portcullis:refusal:backend-slow");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bank = crate::support::gate::id("bank");
    let mut route = portcullis::domain::route::Route::to(&bank, "portal", "/", format!("http://{closed}"));
    route.first_byte_ms_max = 400;
    gate.put(&route).await;
    let page = client.open("/accounts").await;
    assert_eq!(page.status, 502, "{}", page.words());
    page.must_say("pages are not answering");
    assert_eq!(client.send(program("/")).await.problem()["type"], "urn:portcullis:refusal:backend-down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_stops_lets_what_runs_finish() {
    let mut gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let mut h1 = client.wire.h1("bank.localhost").await;
    let mut h2 = client.wire.h2("bank.localhost").await;
    let mut first = navigation("/late");
    client.dress(&mut first);
    let mut second = Request::get(format!("https://{}/late", client.host)).body(Body::empty()).unwrap();
    client.dress(&mut second);
    second.headers_mut().remove("host");
    let (first, second) = (h1.send_request(first), h2.send_request(second));
    let running = tokio::spawn(async move { (first.await.unwrap(), second.await.unwrap()) });
    let both = async {
        while gate.backend.text().matches("GET /late").count() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, both).await.unwrap();
    gate.stop.cancel();
    let (wire, host) = (client.wire.clone(), client.host.clone());
    gate.close().await;
    let (first, second) = running.await.unwrap();
    for answer in [first, second] {
        assert_eq!(answer.status(), 200);
        assert_eq!(crate::support::wire::whole(answer).await.text(), "late, but whole");
    }
    assert!(wire.tls(host.split(':').next().unwrap(), "h2").await.is_err(), "closed is closed");
}
