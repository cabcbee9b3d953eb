//! Signing in leads back to where the browser wanted to go, and nowhere else, however that is written. The
//! oracle is the address that a browser makes of each answer.

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, COOKIE};
use crate::support::desk::*;
use crate::support::gate::{Gate, Plan};
use crate::support::program::Program;

/// No phone, so that each of them can be followed to its end.
const TWO_LOCKS: &str = r#"
[[rule]]
name  = "All of it"
paths = ["/**"]
who   = ["group:clients"]
need  = ["certificate", "password"]
"#;

/// A-21. More than 200 spellings of a way out: none leads off the door, at any step.
#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_leads_off_the_door() {
    let gate = Gate::with(|plan: &mut Plan| plan.portal = TWO_LOCKS.to_owned()).await;
    let laptop = anna(&gate).await;
    gate.settle(&laptop).await;
    let program = Program::instead_of(gate).await;
    let payloads = payloads();
    assert!(payloads.len() >= 200, "{}", payloads.len());
    let (mut refused, mut followed) = (0, 0);
    for payload in &payloads {
        let browser = program.browser("bank", &laptop);
        let first = raw(&browser, payload).await;
        if first.status != StatusCode::SEE_OTHER {
            assert!(first.status.is_client_error(), "{payload}: {}", first.status);
            assert_eq!(first.location, None, "{payload}");
            refused += 1;
            continue;
        }
        // What was asked for is kept here, not in the address.
        assert_eq!(first.location.as_deref(), Some("/.portcullis/sign-in/"), "{payload}");
        browser.set_cookie(COOKIE, &first.cookie.unwrap());
        let page = browser.open("/.portcullis/sign-in/").await;
        let form = page.form("/password");
        let pairs = [form.hidden, vec![("password".to_owned(), PASSWORD.to_owned())]].concat();
        let stepped = browser.send(browser.posting(&form.action, &pairs)).await;
        assert_eq!(stepped.status, 303, "{payload}: {}", stepped.text());
        must_stay(&browser, payload, stepped.header("location"));
        let last = raw(&browser, "/.portcullis/sign-in/").await;
        assert_eq!(last.status, StatusCode::SEE_OTHER, "{payload}");
        must_stay(&browser, payload, &last.location.unwrap());
        followed += 1;
    }
    println!("{} spellings: {refused} refused, {followed} followed to the end", payloads.len());
    assert!(refused > 0 && followed > 0, "{refused} {followed}");
}

/// As a browser reads a `Location` (WHATWG URL): same scheme, host and port, and nobody's name in it.
fn must_stay(browser: &Browser, payload: &str, location: &str) {
    let door = Url::parse(&browser.origin()).unwrap();
    let to = door.join(location).unwrap_or_else(|error| panic!("{payload}: {location}: {error}"));
    assert_eq!(to.origin(), door.origin(), "{payload} leads to {location}");
    assert!(to.username().is_empty() && to.password().is_none(), "{payload} leads to {location}");
    assert!(location.starts_with('/') && !location.starts_with("//"), "{payload} leads to {location}");
    assert!(!location.bytes().any(|b| b.is_ascii_control() || b == b'\\'), "{payload} leads to {location}");
}

/// Every target as a path, inside a path, and in the parameters that others read; and every address that is
/// none of ours in the headers that others believe.
fn payloads() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for target in TARGETS {
        let encoded = percent(target);
        all.push(format!("/{target}"));
        all.push(format!("/{encoded}"));
        all.push((*target).to_owned());
        all.push(format!("/accounts/{target}"));
        for name in ["return_to", "next", "url", "continue", "redirect_uri"] {
            all.push(format!("/?{name}={encoded}"));
        }
        all.push(format!("/.portcullis/sign-in/?return_to={encoded}"));
    }
    all.retain(|payload| !payload.contains(' '));
    all.sort();
    all.dedup();
    all
}

fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

struct Head {
    status: StatusCode,
    location: Option<String>,
    cookie: Option<String>,
}

/// A request line as it stands, which no client library would send; poisoned headers beside it.
async fn raw(browser: &Browser, target: &str) -> Head {
    let mut tls = browser.wire.tls("bank.localhost", "http/1.1").await.unwrap();
    let cookie = browser.cookie().map(|cookie| format!("Cookie: {COOKIE}={cookie}\r\n")).unwrap_or_default();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n\
         Referer: https://evil.example/\r\nX-Forwarded-Host: evil.example\r\nX-Original-URL: //evil.example/\r\n\
         X-Forwarded-Prefix: //evil.example\r\nForwarded: host=evil.example;proto=http\r\n{cookie}\
         Connection: close\r\n\r\n",
        browser.host
    );
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses may close without saying so in TLS.
    let _ =
        tokio::time::timeout(crate::support::PATIENCE, tls.read_to_end(&mut answer)).await.expect("an end");
    let text = String::from_utf8_lossy(&answer).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let header = |name: &str| {
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.to_owned())
    };
    let status = head.split(' ').nth(1).unwrap_or_else(|| panic!("{target}: {text:?}"));
    let cookie = header("set-cookie").filter(|value| value.starts_with(COOKIE));
    Head {
        status: status.parse().unwrap(),
        location: header("location"),
        cookie: cookie.map(|value| value[COOKIE.len() + 1..].split(';').next().unwrap().to_owned()),
    }
}

/// Addresses elsewhere, as browsers and libraries have been known to misread them.
const TARGETS: &[&str] = &[
    "//evil.example/",
    "///evil.example/",
    "////evil.example",
    "/\\evil.example/",
    "\\\\evil.example/",
    "\\/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example/",
    "http://evil.example/",
    "HTTPS://EVIL.EXAMPLE",
    "https:///evil.example",
    "https:\\\\evil.example",
    "//evil.example\\@bank.localhost/",
    "//bank.localhost@evil.example/",
    "@evil.example/",
    ".evil.example",
    ":443@evil.example/",
    "https://bank.localhost:8443@evil.example/",
    "https://bank.localhost.evil.example/",
    "%09//evil.example",
    "%09/evil.example",
    "%0a//evil.example",
    "%0d%0aLocation:%20https://evil.example/",
    "%0d%0aSet-Cookie:%20a=b",
    "%2f%2fevil.example",
    "%252f%252fevil.example",
    "%5cevil.example",
    "%5c%5cevil.example",
    "/%2fevil.example",
    "/%09/evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/a/..//evil.example",
    ";@evil.example",
    "?@evil.example",
    "#@evil.example",
    "//evil%E3%80%82example/",
    "//evil\u{3002}example/",
    "//\u{ff45}vil.example/",
    "//evil.example%00.bank.localhost/",
    "//0x7f000001/",
    "//2130706433/",
    "//[::1]/",
    "javascript:alert(1)",
    "javascript://bank.localhost/%0aalert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "ftp://evil.example/",
    "blob:https://evil.example/1",
    "\tjavascript:alert(1)",
    "//evil.example:8443/",
    "//evil.example/%2e%2e",
    "https://evil.example?bank.localhost",
    "https://evil.example#bank.localhost",
    "/redirect?to=//evil.example",
    "<>//evil.example",
    "//google.com/%2f..",
];
