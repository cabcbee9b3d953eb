//! What is switched off at the desk is off at once, on new connections and on those that are open.

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use axum::body::Body;

use crate::inside::Inside;
use crate::support::PATIENCE;
use crate::support::backend::ENDLESS;
use crate::support::browser::{Browser, navigation};
use crate::support::program::{Program, Start};
use crate::support::tunnel::{must_end, websocket};
use crate::support::wire::whole;

/// Ten devices of one person, each signed in.
const DEVICES: usize = 10;

async fn ten_devices() -> (Inside, Vec<(Browser, String)>) {
    Inside::after(
        |plan| plan.backend = None,
        Start::default(),
        async |gate, _| {
            let mut browsers = Vec::new();
            for n in 0..DEVICES {
                let handed = gate.device("bank", "anna", &format!("device {n}")).await;
                let which = format!("bank/anna/{}", handed.device);
                browsers.push((gate.signed_in("bank", &handed).await, which));
            }
            browsers
        },
    )
    .await
}

fn revoke(program: &Program, which: &str) {
    let output = program.cli(&["device", "revoke", which, "--reason", "key-compromise", "--yes"]);
    assert!(output.status.success(), "{output:?}");
}

/// T-05.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_after_the_revocation_comes_too_late() {
    let (inside, devices) = ten_devices().await;
    for (browser, which) in &devices {
        assert_eq!(browser.open("/accounts").await.status, 200);
        revoke(&inside.program, which);
        inside.program.backend.forget();
        // The very first request after the command has returned.
        let page = browser.open("/accounts").await;
        assert_eq!(page.status, 403, "{}", page.words());
        page.must_say("This certificate was switched off on");
        let mut h2 = browser.wire.h2("bank.localhost").await;
        assert_eq!(h2.send_request(over_h2(browser, "/accounts")).await.unwrap().status(), 403);
        assert_eq!(inside.program.backend.bytes(), 0, "{}", inside.program.backend.text());
    }
    inside.must_serve_the_honest().await;
}

/// T-06. HTTP/1.1 kept alive, HTTP/2, a WebSocket, a stream of events, a long download and a long upload.
#[tokio::test(flavor = "multi_thread")]
async fn open_connections_are_cut() {
    let (inside, devices) = ten_devices().await;
    for (browser, which) in devices.iter().take(3) {
        let mut h1 = browser.wire.h1("bank.localhost").await;
        let mut h2 = browser.wire.h2("bank.localhost").await;
        assert_eq!(whole(h1.send_request(over_h1(browser, "/accounts")).await.unwrap()).await.status, 200);
        assert_eq!(whole(h2.send_request(over_h2(browser, "/accounts")).await.unwrap()).await.status, 200);
        let mut socket = websocket(browser).await;
        let mut streams = Vec::new();
        for path in ["/ticks", ENDLESS] {
            let mut one = browser.wire.h1("bank.localhost").await;
            streams.push(one.send_request(over_h1(browser, path)).await.unwrap().into_body());
            let response = h2.send_request(over_h2(browser, path)).await.unwrap();
            streams.push(response.into_body());
        }
        for stream in &mut streams {
            assert!(stream.frame().await.unwrap().unwrap().is_data());
        }
        let mut upload = browser.wire.h1("bank.localhost").await;
        let mut request = Request::post("/up").body(Body::from_stream(drops())).unwrap();
        browser.dress(&mut request);
        let upload = tokio::spawn(async move { upload.send_request(request).await.map(|a| a.status()) });
        while inside.program.backend.uploaded.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }

        revoke(&inside.program, which);
        let told = std::time::Instant::now();
        inside.program.backend.forget();
        must_end(&mut socket).await;
        for (n, stream) in streams.into_iter().enumerate() {
            must_break_off(n, stream).await;
        }
        println!(
            "tunnel, events and downloads were cut within {} ms of the command's return",
            told.elapsed().as_millis()
        );
        let upload = tokio::time::timeout(PATIENCE, upload).await.expect("the upload ends").unwrap();
        assert!(upload.is_err() || upload.as_ref().is_ok_and(|status| *status == 403), "{upload:?}");
        for answer in [
            h1.send_request(over_h1(browser, "/accounts")).await,
            h2.send_request(over_h2(browser, "/accounts")).await,
        ] {
            assert!(answer.is_err() || answer.as_ref().is_ok_and(|a| a.status() == 403), "{answer:?}");
        }
        let text = inside.program.backend.text();
        assert!(!text.contains(" HTTP/1.1\r\n"), "{text}");
        inside.program.backend.uploaded.store(0, std::sync::atomic::Ordering::SeqCst);
    }
    // Another device of the same person goes on.
    let (last, _) = devices.last().unwrap();
    last.open("/accounts").await.must_say("the bank's own page");
    inside.must_serve_the_honest().await;
}

fn over_h1(browser: &Browser, path: &str) -> Request<Body> {
    let mut request = navigation(path);
    browser.dress(&mut request);
    request
}

fn over_h2(browser: &Browser, path: &str) -> Request<Body> {
    let mut request = over_h1(browser, path);
    *request.uri_mut() = format!("https://{}{path}", browser.host).parse().unwrap();
    request.headers_mut().remove("host");
    request
}

/// A body without an end, a drop at a time.
fn drops() -> impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send {
    futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        Some((Ok(bytes::Bytes::from_static(b"drop")), ()))
    })
}

/// An answer that goes on to its end, or without one, is a failure.
async fn must_break_off(n: usize, mut stream: Incoming) {
    let broken = async {
        loop {
            match stream.frame().await {
                Some(Ok(_)) => {}
                Some(Err(_)) => return true,
                None => return false,
            }
        }
    };
    let broken = tokio::time::timeout(PATIENCE, broken).await;
    assert_eq!(broken.ok(), Some(true), "stream {n} breaks off");
}
