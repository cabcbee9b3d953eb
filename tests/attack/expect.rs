//! Wishes of a client that concern how it is answered: to be told to go on, parts of an answer, codings. None of them
//! moves the end of a request, and none costs more than it brings.

use std::time::Duration;

use crate::frames::*;
use crate::inside::Inside;
use crate::support::PATIENCE;

/// Spellings of the wish.
const EXPECTED: [&str; 12] = [
    "Expect: 100-continue\r\n",
    "expect:100-CONTINUE\r\n",
    "Expect: 100-continue, 100-continue\r\n",
    "Expect: 100-continue\r\nExpect: 100-continue\r\n",
    "Expect: 100-continue\r\nExpect: nothing\r\n",
    "Expect: 200-ok\r\n",
    "Expect: 100-continue;q=1\r\n",
    "Expect: 100\r\n",
    "Expect:\r\n",
    "Expect: 100-continue\r\nConnection: Expect\r\n",
    "Expect : 100-continue\r\n",
    "Expect: 100-continue\r\n Content-Length: 0\r\n",
];

/// H-23. The body comes at once, after a while, or another request in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_be_told_moves_no_end() {
    let inside = Inside::open().await;
    let smuggled = format!("GET /smuggled HTTP/1.1\r\n{}\r\n", inside.lines());
    let mut served = 0;
    for expected in EXPECTED {
        for (method, version) in [("POST", "1.1"), ("PUT", "1.1"), ("GET", "1.1"), ("POST", "1.0")] {
            for waits in [false, true] {
                inside.recorder.forget();
                let head = format!(
                    "{method} /v HTTP/{version}\r\n{}{expected}Content-Length: {}\r\n\r\n",
                    inside.lines(),
                    smuggled.len()
                );
                let mut line = inside.h1.open().await.unwrap();
                line.send(head.as_bytes()).await;
                if waits {
                    let _ = tokio::time::timeout(Duration::from_millis(100), line.more()).await;
                }
                line.send(smuggled.as_bytes()).await;
                line.send(inside.last("GET", "/behind", "").as_bytes()).await;
                let heard = line.listen(Duration::from_secs(2)).await.text();
                let what = format!("{method} {version} {expected:?} {waits}: {heard}");
                assert!(!heard.contains("at /smuggled"), "{what}");
                let whole = inside.recorder.whole();
                let targets: Vec<&str> = whole.iter().map(|got| got.target.as_str()).collect();
                let right = [&[][..], &["/v"], &["/v", "/behind"]].contains(&&targets[..]);
                assert!(right, "{what}: {targets:?}");
                if let Some(got) = whole.first() {
                    assert_eq!(got.body, smuggled.as_bytes(), "{what}");
                    assert!(got.all("expect").is_empty(), "{what}: {}", got.text());
                    served += 1;
                }
            }
        }
    }
    // Refused, it is not told to go on; and what it says then is no request.
    for head in [
        format!("TRACE /v HTTP/1.1\r\n{}", inside.lines()),
        format!("POST /v HTTP/1.1\r\nHost: {}\r\n", inside.host),
        format!("POST /%00 HTTP/1.1\r\n{}", inside.lines()),
    ] {
        inside.recorder.forget();
        let mut line = inside.h1.open().await.unwrap();
        line.send(
            format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", smuggled.len()).as_bytes(),
        )
        .await;
        let _ = tokio::time::timeout(PATIENCE, line.more()).await;
        assert!(!String::from_utf8_lossy(&line.unread).starts_with("HTTP/1.1 100"), "{head}");
        line.send(smuggled.as_bytes()).await;
        line.listen(Duration::from_millis(300)).await;
        assert_eq!(inside.recorder.count(), 0, "{head}");
    }
    // Over HTTP/2.
    inside.recorder.forget();
    let mut fields = inside.fields("POST", "/v");
    fields.push(field("expect", "100-continue"));
    let mut h2 = H2::open(&inside.h2).await;
    h2.send(&[headers(1, &fields, false), data(1, smuggled.as_bytes(), true)].concat()).await;
    let heard = h2.listen(1, PATIENCE).await;
    assert_eq!((heard.before, heard.status), (vec![100], Some(200)));
    let got = inside.recorder.only_one();
    assert_eq!((got.body.as_slice(), got.all("expect").len()), (smuggled.as_bytes(), 0));
    // Refused, it is not told to go on; nor is who does not ask.
    let mut fields = inside.fields("POST", "/%00");
    fields.push(field("expect", "100-continue"));
    h2.send(&headers(3, &fields, false)).await;
    let heard = h2.listen(3, PATIENCE).await;
    assert_eq!((heard.before, heard.status), (vec![], Some(400)));
    h2.send(&[headers(5, &inside.fields("POST", "/v"), false), data(5, b"a=b", true)].concat()).await;
    let heard = h2.listen(5, PATIENCE).await;
    assert_eq!((heard.before, heard.status), (vec![], Some(200)));
    println!("{served} requests with such a wish arrived, each as one");
    assert!(served >= 40, "{served}");
    inside.must_serve_the_honest().await;
}

/// H-23. A thousand ranges and codings: the backend is asked once, in the same words; what we answer ourselves grows
/// by none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_ranges_cost_no_more_than_one() {
    let inside = Inside::open().await;
    let ranges: String = (0..1000).map(|n| format!(",{n}-")).collect();
    let codings: String = (0..1000).map(|n| format!(", x{n};q=0.{n:03}")).collect();
    let floods = [
        format!("Range: bytes=0-{ranges}\r\n"),
        format!("Range: bytes=0-18446744073709551615{ranges}\r\n"),
        "Range: bytes=-1,-2,5-1,x\r\n".to_owned(),
        "Range: bytes=0-0\r\n".repeat(50),
        format!("Accept-Encoding: gzip{codings}\r\n"),
        "Accept-Encoding: gzip;q=0, *;q=0, identity;q=0\r\n".to_owned(),
        format!("If-None-Match: \"a\"{}\r\n", ", W/\"b\"".repeat(1000)),
    ];
    for flood in &floods {
        inside.recorder.forget();
        let heard = inside.h1.exchange(inside.last("GET", "/v", flood).as_bytes()).await;
        assert!(matches!(heard.status(), Some(200 | 400 | 431)), "{flood:.60}: {}", heard.text());
        for got in inside.recorder.whole() {
            let (name, value) = flood.split_once(": ").unwrap();
            assert_eq!(got.all(name)[0], value.lines().next().unwrap(), "{flood:.60}");
        }
        assert_eq!(inside.recorder.count(), usize::from(heard.status() == Some(200)), "{flood:.60}");
    }
    let page = crate::support::settings::LIST;
    let text = inside.h1.exchange(inside.last("GET", page, "").as_bytes()).await.text();
    let (_, rest) = text.split_once("=\"/.portcullis/assets/").unwrap_or_else(|| panic!("{text}"));
    let asset = format!("/.portcullis/assets/{}", rest.split(['"', ' ', ';']).next().unwrap());
    for path in [page, &asset, "/.portcullis/assets/"] {
        let plain = inside.h1.exchange(inside.last("GET", path, "").as_bytes()).await;
        for flood in &floods {
            let heard = inside.h1.exchange(inside.last("GET", path, flood).as_bytes()).await;
            let status = heard.status().unwrap();
            assert!(status < 500, "{path} {flood:.60}: {}", heard.text());
            assert!(heard.bytes.len() <= plain.bytes.len().max(8_000) + 1000, "{path} {flood:.60}");
        }
    }
    inside.must_serve_the_honest().await;
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}
