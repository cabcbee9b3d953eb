//! After the handshake nothing of it changes: no other certificate, no second handshake, and no keys without end.

use crate::inside::Inside;
use crate::openssl::{Openssl, words};
use crate::support::PATIENCE;

/// T-19. OpenSSL asks for a second handshake on a connection of TLS 1.2, and gets none.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_second_handshake() {
    let inside = Inside::open().await;
    let openssl = Openssl::to(inside.client.wire.address);
    let showing = openssl.showing("laptop", &inside.laptop.identity);
    for (sni, certificate) in [("bank.localhost", showing.as_slice()), ("phone.localhost", &[])] {
        let arguments = [&words("-tls1_2")[..], certificate].concat();
        let heard = openssl.say(Some(sni), &arguments, "R\n");
        assert!(heard.contains("RENEGOTIATING"), "{heard}");
        // Once the first was done, there was not another: what it asked for it is denied.
        assert!(heard.contains("no renegotiation"), "{sni}: {heard}");
        assert_eq!(inside.recorder.count(), 0);
    }
    inside.must_serve_the_honest().await;
}

/// T-19. Who offers to show a certificate later is never asked, and is who they were.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_a_certificate_afterwards() {
    let inside = Inside::open().await;
    let openssl = Openssl::to(inside.client.wire.address);
    let showing = openssl.showing("laptop", &inside.laptop.identity);
    let request = inside.last("GET", "/v", "Accept: application/json\r\n");
    let with = [&words("-tls1_3 -enable_pha")[..], &showing].concat();
    let heard = openssl.say(Some("bank.localhost"), &with, &request);
    assert!(heard.contains("the bank's own page at /v"), "{heard}");
    inside.recorder.forget();
    // Without one from the start, there is none, whatever is offered: in a request for it OpenSSL would say so.
    let bare = format!("GET /v HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", inside.host);
    let heard = openssl.say(Some("bank.localhost"), &words("-tls1_3 -enable_pha -msg"), &bare);
    assert!(heard.contains("HTTP/1.1 403 "), "{heard}");
    assert_eq!(heard.matches("CertificateRequest").count(), 1, "{heard}");
    assert_eq!(inside.recorder.count(), 0);
}

/// T-19. New keys now and then are nobody's harm; new keys again and again end the connection.
#[tokio::test(flavor = "multi_thread")]
async fn keys_change_now_and_then_and_not_without_end() {
    let inside = Inside::open().await;
    let mut line = inside.h1.open().await.unwrap();
    for n in 0..5 {
        for _ in 0..5 {
            line.stream.get_mut().1.refresh_traffic_keys().unwrap();
        }
        line.send(format!("GET /{n} HTTP/1.1\r\n{}\r\n", inside.lines()).as_bytes()).await;
        let answer = line.answer().await.unwrap();
        assert!(answer.ends_with(&format!("the bank's own page at /{n}")), "{answer}");
    }
    inside.recorder.forget();
    for raw in [&inside.h1, &inside.h2] {
        let mut line = raw.open().await.unwrap();
        let mut sent = 0;
        let request = inside.last("GET", "/v", "");
        for _ in 0..1000 {
            if line.stream.get_mut().1.refresh_traffic_keys().is_err() {
                break;
            }
            line.send(b"").await;
            sent += 1;
        }
        line.send(request.as_bytes()).await;
        let heard = line.listen(PATIENCE).await;
        assert!(heard.ended && !heard.text().contains("own page"), "after {sent}: {}", heard.text());
    }
    assert_eq!(inside.recorder.count(), 0);
    inside.must_serve_the_honest().await;
}
