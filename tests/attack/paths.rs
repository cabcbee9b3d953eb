//! Where a request goes: a path that could be read as another reaches no backend, what is forwarded is
//! forwarded byte for byte, and only the configured backend is ever dialled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;

use crate::frames::*;
use crate::inside::Inside;
use crate::recorder::Got;
use crate::support::PATIENCE;

/// Everything for the clients, but `/admin` for nobody.
pub(crate) const NO_ADMIN: &str = r#"
[[rule]]
name   = "No administration from outside"
paths  = ["/admin/**"]
who    = ["everyone"]
effect = "deny"

[[rule]]
name  = "Portal"
paths = ["/**"]
who   = ["group:clients"]
need  = ["certificate", "password", "phone"]
"#;

const BEFORE: [&str; 34] = [
    "/",
    "//",
    "///",
    "/./",
    "/.//",
    "/x/../",
    "/x//../",
    "/%2e/",
    "/%2E/",
    "/x/%2e%2e/",
    "/x/.%2e/",
    "/x/%2e./",
    "/x/..%2f",
    "/x%2f../",
    "/x%2f..%2f",
    "/%2f",
    "/%2F",
    "/\\",
    "/%5c",
    "/x\\..\\",
    "/x/..\\",
    "/x%5c..%5c",
    "/;/",
    "/;a=b/",
    "/x;y/../",
    "/x/..;/",
    "/.;/",
    "/%00/",
    "/x/%252e%252e/",
    "/%252f",
    "/%c0%ae%c0%ae/",
    "/%c0%af",
    "/x/%u002e%u002e/",
    "/%ef%bc%8f",
];

const NAMES: [&str; 14] = [
    "admin",
    "Admin",
    "ADMIN",
    "%61dmin",
    "adm%69n",
    "%61%64%6d%69%6e",
    "%2561dmin",
    "admin%",
    "a%64min",
    "adm\u{131}n",
    "\u{ff41}dmin",
    "%ef%bd%81dmin",
    "admi\u{200b}n",
    "%c1%a1dmin",
];

const BEHIND: [&str; 20] = [
    "",
    "/",
    "/x",
    "/.",
    "/..",
    "/../admin",
    ".",
    "..",
    "%20",
    "%09",
    "%00",
    "%00.png",
    ";x",
    ";",
    "%3b",
    "?x",
    "/?x=/v",
    "%2f",
    "%5c",
    "#",
];

/// Raw targets, each of which some backend could take for `/admin`.
pub(crate) fn targets() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for before in BEFORE {
        all.extend(BEHIND.iter().map(|behind| format!("{before}admin{behind}")));
        all.extend(NAMES[1..].iter().map(|name| format!("{before}{name}")));
    }
    for name in NAMES {
        all.extend(BEHIND.iter().map(|behind| format!("/{name}{behind}")));
    }
    all.extend(ORDINARY.map(str::to_owned));
    all.sort_unstable();
    all.dedup();
    all
}

/// H-10. Over HTTP/1.1 and over HTTP/2.
#[tokio::test(flavor = "multi_thread")]
async fn rules_and_backend_see_the_same_path() {
    let inside = Inside::with(|plan| plan.portal = NO_ADMIN.to_owned()).await;
    let all = targets();
    assert!(all.len() >= 400, "{}", all.len());
    let sent = AtomicUsize::new(0);
    futures_util::stream::iter(all.iter().enumerate())
        .for_each_concurrent(AT_ONCE, |(n, target)| {
            let (inside, sent) = (&inside, &sent);
            async move {
                let status = over_http1(inside, n, target).await;
                let right = [200, 303, 400, 403].map(Some).contains(&status);
                assert!(right, "{target:?}: {status:?}");
                over_http2(inside, n, target).await;
                sent.fetch_add(2, Ordering::SeqCst);
            }
        })
        .await;
    let whole = inside.recorder.whole();
    let mut arrived = 0;
    for (n, target) in all.iter().enumerate() {
        let number = n.to_string();
        let these: Vec<&Got> = whole.iter().filter(|got| got.all("x-number") == [number.as_str()]).collect();
        assert!(these.len() <= 2, "{target:?}: {these:?}");
        for got in &these {
            let without_fragment = target.split('#').next().unwrap();
            assert_eq!(got.target, without_fragment, "the backend got other bytes than were judged");
            let read = another_reading(&got.target);
            assert!(read != "admin" && !read.starts_with("admin/"), "{target:?} may be read as /{read}");
            arrived += 1;
        }
        if target.trim_end_matches('/') == "/admin" || target == "/admin/x" {
            assert!(these.is_empty(), "{target} is denied");
        }
        if ORDINARY.contains(&target.as_str()) {
            assert!(!these.is_empty(), "{target} is an ordinary path");
        }
    }
    let sent = sent.load(Ordering::SeqCst);
    println!("{} paths, {sent} requests: {arrived} arrived as they were judged", all.len());
    assert!(arrived > ORDINARY.len() && sent > 1600, "{arrived} of {sent}");
}

async fn over_http1(inside: &Inside, n: usize, target: &str) -> Option<u16> {
    inside.h1.exchange(inside.last("GET", target, &format!("X-Number: {n}\r\n")).as_bytes()).await.status()
}

async fn over_http2(inside: &Inside, n: usize, target: &str) {
    let mut fields = inside.fields("GET", target);
    fields.push(field("x-number", n.to_string()));
    let mut h2 = H2::open(&inside.h2).await;
    h2.send(&headers(1, &fields, true)).await;
    let heard = h2.listen(1, PATIENCE).await;
    assert!(heard.refused() || heard.whole, "{target:?}: {heard:?}");
}

/// What the laxest backend does with a path before it looks at it.
pub(crate) fn another_reading(target: &str) -> String {
    let mut path = target.split(['?', '#']).next().unwrap().as_bytes().to_vec();
    loop {
        let decoded: Vec<u8> = percent_encoding::percent_decode(&path).collect();
        if decoded == path {
            break;
        }
        path = decoded;
    }
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        let cut = segment.split(|byte| matches!(byte, b';' | 0)).next().unwrap_or_default().trim_ascii();
        match cut {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            name => {
                let end = name.iter().rposition(|byte| *byte != b'.').map_or(0, |at| at + 1);
                segments.push(name[..end].to_vec());
            }
        }
    }
    String::from_utf8_lossy(&segments.join(&b'/')).into_owned()
}

/// H-11.
#[tokio::test(flavor = "multi_thread")]
async fn other_forms_of_a_target_lead_nowhere_else() {
    let inside = Inside::open().await;
    let host = inside.host.clone();
    let long = format!("/{}", "x".repeat(64 * 1024));
    let refused = [
        ("GET http://evil.example/v HTTP/1.1".to_owned(), vec![400, 421]),
        ("GET https://other.localhost/v HTTP/1.1".to_owned(), vec![400, 421]),
        ("GET http://127.0.0.1:80/v HTTP/1.1".to_owned(), vec![400, 421]),
        (format!("GET https://evil.example@{host}/v HTTP/1.1"), vec![400, 421]),
        (format!("GET https://{host}@evil.example/v HTTP/1.1"), vec![400, 421]),
        ("GET evil.example:443 HTTP/1.1".to_owned(), vec![400, 421]),
        (format!("GET {host} HTTP/1.1"), vec![400, 421]),
        ("GET //evil.example/v HTTP/1.1".to_owned(), vec![400]),
        ("GET v HTTP/1.1".to_owned(), vec![400]),
        ("GET * HTTP/1.1".to_owned(), vec![400]),
        ("GET ?v HTTP/1.1".to_owned(), vec![400]),
        ("GET file:///etc/passwd HTTP/1.1".to_owned(), vec![400, 421]),
        ("GET javascript:alert(1) HTTP/1.1".to_owned(), vec![400, 421]),
        ("OPTIONS * HTTP/1.1".to_owned(), vec![400, 405]),
        (format!("CONNECT {host} HTTP/1.1"), vec![400, 405]),
        ("CONNECT 127.0.0.1:22 HTTP/1.1".to_owned(), vec![400, 405]),
        ("CONNECT / HTTP/1.1".to_owned(), vec![400, 405]),
        ("TRACE / HTTP/1.1".to_owned(), vec![405]),
        ("TRACK / HTTP/1.1".to_owned(), vec![405]),
        ("trace / HTTP/1.1".to_owned(), vec![400]),
        ("G@T / HTTP/1.1".to_owned(), vec![400]),
        ("\u{fc} / HTTP/1.1".to_owned(), vec![400]),
        (" / HTTP/1.1".to_owned(), vec![400]),
        (format!("GET {long} HTTP/1.1"), vec![400, 414, 431]),
        (format!("GET /?{long} HTTP/1.1"), vec![400, 414, 431]),
        (format!("{} / HTTP/1.1", "X".repeat(64 * 1024)), vec![400, 405, 414, 431]),
        ("PRI * HTTP/2.0".to_owned(), vec![400, 405]),
        ("post /v HTTP/1.1".to_owned(), vec![400]),
        ("Delete /v HTTP/1.1".to_owned(), vec![400]),
    ];
    for (line, allowed) in &refused {
        inside.recorder.forget();
        let bytes = format!("{line}\r\n{}Connection: close\r\n\r\n", inside.lines());
        let heard = inside.h1.exchange(bytes.as_bytes()).await;
        let shown: String = line.chars().take(80).collect();
        match heard.status() {
            Some(status) => assert!(allowed.contains(&status), "{shown}: {}", heard.text()),
            // Refused while it was still being written, or in a way that has no status line.
            None => assert!(heard.ended && inside.recorder.count() == 0, "{shown}: {heard:?}"),
        }
        if allowed.contains(&200) {
            continue;
        }
        assert_eq!(inside.recorder.count(), 0, "{shown}");
    }
    // What names our own host in full is the same as the path alone; a strange method is the backend's affair, as long
    // as no backend can take it for another.
    for (line, method) in [
        (format!("GET https://{host}/v HTTP/1.1"), "GET"),
        ("BREW /v HTTP/1.1".to_owned(), "BREW"),
        ("M-SEARCH /v HTTP/1.1".to_owned(), "M-SEARCH"),
    ] {
        inside.recorder.forget();
        let bytes = format!("{line}\r\n{}Connection: close\r\n\r\n", inside.lines());
        let heard = inside.h1.exchange(bytes.as_bytes()).await;
        assert_eq!(heard.status(), Some(200), "{line}: {}", heard.text());
        let got = inside.recorder.only_one();
        assert_eq!((got.method.as_str(), got.target.as_str()), (method, "/v"), "{line}");
        assert_eq!(got.all("host"), [host.as_str()], "{line}");
    }
    inside.must_serve_the_honest().await;
}

/// H-12. A listener that nobody may reach stands beside the backend; whatever the client names, it is not rung.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_configured_backend_is_dialled() {
    let inside = Inside::open().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trap = listener.local_addr().unwrap();
    let rung = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&rung);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let port = trap.port();
    let mut tried = 0;
    for place in [
        format!("{trap}"),
        format!("localhost:{port}"),
        format!("bank.localhost:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f.1:{port}"),
        format!("127.1:{port}"),
        "169.254.169.254".to_owned(),
        format!("{}@{trap}", inside.host),
        format!("{trap}#{}", inside.host),
        format!("{},{trap}", inside.host),
    ] {
        for head in [
            format!("GET /v HTTP/1.1\r\nHost: {place}\r\nCookie: {}\r\n", inside.cookie),
            format!("GET http://{place}/v HTTP/1.1\r\n{}", inside.lines()),
            format!("GET http://{place}/v HTTP/1.1\r\nHost: {place}\r\nCookie: {}\r\n", inside.cookie),
            format!("CONNECT {place} HTTP/1.1\r\n{}", inside.lines()),
            format!("GET @{place}/v HTTP/1.1\r\n{}", inside.lines()),
            format!("GET :{port}/v HTTP/1.1\r\n{}", inside.lines()),
        ] {
            inside.recorder.forget();
            let heard = inside.h1.exchange(format!("{head}Connection: close\r\n\r\n").as_bytes()).await;
            assert!(matches!(heard.status(), None | Some(400 | 405 | 421)), "{head:?}: {}", heard.text());
            assert_eq!(inside.recorder.count(), 0, "{head:?}");
            tried += 1;
        }
        // Said in headers and parameters it goes to the one backend, which may do with it what it likes.
        for head in [
            format!("GET /to/{port} HTTP/1.1\r\n{}", inside.lines()),
            format!("GET /v?url=http://{place}/ HTTP/1.1\r\n{}", inside.lines()),
            format!(
                "GET /v HTTP/1.1\r\n{}X-Forwarded-Host: {place}\r\nX-Backend: http://{place}\r\n",
                inside.lines()
            ),
        ] {
            inside.recorder.forget();
            let heard = inside.h1.exchange(format!("{head}Connection: close\r\n\r\n").as_bytes()).await;
            assert!(matches!(heard.status(), Some(200 | 302 | 400)), "{head:?}: {}", heard.text());
            assert!(inside.recorder.whole().iter().all(|got| got.all("host") == [inside.host.as_str()]));
            tried += 1;
        }
    }
    assert_eq!(tried, 99);
    assert_eq!(rung.load(Ordering::SeqCst), 0, "somebody rang where no backend is");
    inside.must_serve_the_honest().await;
}

const ORDINARY: [&str; 11] = [
    "/",
    "/v",
    "/v/",
    "/a/b.c",
    "/caf%c3%a9",
    "/a%20b",
    "/administrator",
    "/x/admin",
    "/v?path=/admin",
    "/100%25",
    "/~a/@b:c",
];

const AT_ONCE: usize = 16;
