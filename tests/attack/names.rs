//! The name in the handshake and the name in the request: only where both are the bank's is anything the
//! bank's, and no name leads to a door that asks for less.

use crate::frames::*;
use crate::inside::Inside;
use crate::openssl::Openssl;
use crate::support::PATIENCE;
use crate::support::raw::Raw;

/// What is said in the handshake; none: nothing.
const IN_HANDSHAKE: [Option<&str>; 12] = [
    Some("bank.localhost"),
    Some("BANK.LocalHost"),
    Some("other.localhost"),
    Some("console.localhost"),
    Some("phone.localhost"),
    Some("start.localhost"),
    Some("bank.localhost."),
    Some("x.bank.localhost"),
    Some("*.localhost"),
    Some("localhost"),
    Some("127.0.0.1"),
    None,
];

/// Lines of a request's head; `PORT` is the gate's.
const IN_REQUEST: [&str; 18] = [
    "Host: bank.localhost",
    "Host: bank.localhost:PORT",
    "Host: BANK.LOCALHOST:PORT",
    "Host: other.localhost",
    "Host: console.localhost",
    "Host: phone.localhost:PORT",
    "Host: start.localhost",
    "Host: bank.localhost.",
    "Host: bank.localhost:1",
    "Host: bank.localhost:",
    "Host: x.bank.localhost",
    "Host: 127.0.0.1:PORT",
    "Host: [::1]:PORT",
    "Host: bank.localhost, other.localhost",
    "Host: bank.localhost\r\nHost: other.localhost",
    "Host: bank.localhost\r\nHost: bank.localhost",
    "Host:",
    "X: y",
];

/// T-20. Every name in the handshake with every name in the request, with the bank's certificate and cookie.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_door_that_both_names_mean_answers() {
    let inside = Inside::open().await;
    let openssl = Openssl::to(inside.client.wire.address);
    let showing = openssl.showing("laptop", &inside.laptop.identity);
    let port = inside.client.wire.address.port().to_string();
    let (mut served, mut misdirected, mut no_handshake) = (0, 0, 0);
    for sni in IN_HANDSHAKE {
        for lines in IN_REQUEST {
            inside.recorder.forget();
            let lines = lines.replace("PORT", &port);
            let host = lines.strip_prefix("Host: ").unwrap_or_default().to_ascii_lowercase();
            let host = host.strip_suffix(&format!(":{port}")).unwrap_or(&host).to_owned();
            let door = sni.map(str::to_ascii_lowercase).filter(|sni| DOORS.contains(&sni.as_str()));
            // Shown at a door that judges the certificate and is not its own, a cookie is a stolen one: A-02.
            let elsewhere = door.as_ref().is_some_and(|door| *door == host && *door != "bank.localhost");
            let cookie = if elsewhere { "" } else { &inside.cookie };
            let request = format!(
                "GET /v HTTP/1.1\r\n{lines}\r\nCookie: {cookie}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
            );
            let heard = openssl.say(sni, &showing, &request);
            let what = format!("{sni:?} {lines:?}: {heard}");
            match door {
                None => {
                    assert!(!heard.contains("HTTP/1.1 ") && heard.contains("lert"), "{what}");
                    no_handshake += 1;
                }
                Some(sni) if sni == host => {
                    // Each door as ever: the others want another certificate, or none.
                    let right = match sni.as_str() {
                        "bank.localhost" => heard.contains("the bank's own page at /v"),
                        "other.localhost" => heard.contains("urn:portcullis:refusal:wrong-tenant"),
                        "console.localhost" => heard.contains("urn:portcullis:refusal:policy-denied"),
                        _ => heard.contains("HTTP/1.1 404 "),
                    };
                    assert!(right, "{what}");
                    served += 1;
                }
                Some(_) => {
                    let refused = heard.contains("HTTP/1.1 421 ") || heard.contains("HTTP/1.1 400 ");
                    assert!(refused, "{what}");
                    misdirected += 1;
                }
            }
            let at_the_bank =
                sni.is_some_and(|sni| sni.eq_ignore_ascii_case("bank.localhost")) && host == "bank.localhost";
            assert_eq!(inside.recorder.whole().len(), usize::from(at_the_bank), "{what}");
        }
    }
    println!(
        "{served} answered by the door that both meant, {misdirected} refused, {no_handshake} without a handshake"
    );
    assert_eq!(served + misdirected + no_handshake, IN_HANDSHAKE.len() * IN_REQUEST.len());
    assert_eq!((served, no_handshake), (10, 6 * IN_REQUEST.len()));
    inside.must_serve_the_honest().await;
}

/// T-20. The same over HTTP/2, where a browser would put requests for several hosts on one connection.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_host_comes_in_on_a_connection_of_http2() {
    let inside = Inside::open().await;
    let port = inside.client.wire.address.port().to_string();
    let mut tried = 0;
    for sni in DOORS {
        let raw = Raw::new(&inside.client.wire, sni, &["h2"]);
        for (again, lines) in IN_REQUEST.iter().enumerate() {
            let Some(authority) = lines.strip_prefix("Host: ").filter(|host| !host.contains('\r')) else {
                continue;
            };
            let authority = authority.replace("PORT", &port);
            inside.recorder.forget();
            let mut h2 = H2::open(&raw).await;
            // Its own host first, then the other on the same connection.
            let mut own = inside.fields("GET", "/own");
            own[2].1 = sni.into();
            let mut other = inside.fields("GET", "/v");
            other[2].1 = authority.clone().into();
            let host = authority.to_ascii_lowercase();
            let same = host == sni || host == format!("{sni}:{port}");
            if sni != "bank.localhost" {
                own.retain(|(name, _)| name != b"cookie");
                other.retain(|(name, _)| name != b"cookie" || !same);
            }
            h2.send(&headers(1, &own, true)).await;
            h2.listen(1, PATIENCE).await;
            h2.send(&headers(3, &other, true)).await;
            let heard = h2.listen(3, PATIENCE).await;
            let at_the_bank = sni == "bank.localhost";
            let whole = inside.recorder.whole();
            let arrived = |path: &str| whole.iter().filter(|got| got.target == path).count();
            let what = format!("{again} {sni} {authority}: {heard:?}");
            assert_eq!(arrived("/own"), usize::from(at_the_bank), "{what}");
            assert_eq!(arrived("/v"), usize::from(at_the_bank && same), "{what}");
            assert_eq!(heard.status == Some(200), at_the_bank && same, "{what}");
            assert!(heard.whole || heard.refused(), "{what}");
            tried += 1;
        }
    }
    println!("{tried} pairs of names over HTTP/2");
    assert_eq!(tried, DOORS.len() * 14);
    inside.must_serve_the_honest().await;
}

const DOORS: [&str; 5] =
    ["bank.localhost", "other.localhost", "console.localhost", "phone.localhost", "start.localhost"];
