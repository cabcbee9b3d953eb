//! Headers by which a client could say who it is, or where its request goes.

use std::collections::BTreeSet;

use crate::frames::*;
use crate::inside::Inside;
use crate::recorder::Got;
use crate::support::PATIENCE;
use crate::support::browser::COOKIE;

/// The headers that the gate itself puts in.
const OURS: [&str; 8] = [
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "Forwarded",
    "X-Request-Id",
    "Client-Cert",
    "Portcullis-Assertion",
];

/// Others that backends of some make believe, and the host, which says where a request goes.
const BELIEVED: [&str; 20] = [
    "Client-Cert-Chain",
    "X-Client-Cert",
    "X-SSL-Client-Cert",
    "X-SSL-Client-Verify",
    "SSL-Client-S-DN",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Real-IP",
    "X-Auth-Request-User",
    "X-Remote-User",
    "Remote-User",
    "X-WebAuth-User",
    "X-Portcullis-Person",
    "Tailscale-User-Login",
    "X-Pomerium-Claim-Email",
    "Host",
    "Original-Host",
    "Auth-User",
    "XFCC",
];

fn spellings(name: &str) -> BTreeSet<String> {
    let dashed = if name.contains('-') { name.to_owned() } else { format!("-{name}") };
    [
        name.to_owned(),
        name.to_lowercase(),
        name.to_uppercase(),
        dashed.replace('-', "_"),
        dashed.to_uppercase().replace('-', "_"),
        dashed.replacen('-', "_", 1),
        dashed.replace('-', "."),
        dashed.replace('-', "--"),
        dashed.replace('-', "%2D"),
        dashed.replace('-', "-_"),
        format!("HTTP_{}", name.to_uppercase().replace('-', "_")),
        format!("HTTP_HTTP_{}", name.to_uppercase().replace('-', "_")),
        format!("http-{name}"),
        name.replace('-', ""),
        format!("_{name}"),
        format!("{name}_"),
        format!("-{name}"),
        format!("{name}-"),
        format!("%{:02X}{}", name.as_bytes()[0], &name[1..]),
    ]
    .into()
}

/// H-07. Exact, other case, `_`, `.`, escaped, in one word, as CGI variables, twice, as a list, with a blank before the colon, folded, over
/// both versions of HTTP and in trailers: the backend gets each of our headers once, and it is ours.
#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_an_identity_header_passes() {
    let (names, served, refused) = each_spelling(&Inside::open().await).await;
    println!("{names} spellings: {served} requests served without them, {refused} refused");
    assert!(names >= 150 && served >= 150 && refused >= 150, "{names} {served} {refused}");
}

/// Every spelling of every header; how many there are, and how many requests were served without them or refused.
pub(crate) async fn each_spelling(inside: &Inside) -> (usize, usize, usize) {
    let (mut served, mut refused, mut names) = (0, 0, BTreeSet::new());
    for name in OURS.into_iter().chain(BELIEVED) {
        let ours = OURS.contains(&name);
        let all = spellings(name);
        assert!(all.len() >= 12, "{name}: {all:?}");
        for spelling in all {
            let mut forms = vec![format!("{spelling}: evil\r\n")];
            if ours {
                forms.extend([
                    format!("{spelling}: a, evil\r\n{spelling}: evil\r\n"),
                    format!("{spelling} : evil\r\n"),
                    format!("{spelling}\t: evil\r\n"),
                    format!("{spelling}: a\r\n evil\r\n"),
                    format!("{spelling}:\r\n\tevil\r\n"),
                ]);
            }
            for form in forms {
                inside.recorder.forget();
                let heard = inside.h1.exchange(inside.last("GET", "/v", &form).as_bytes()).await;
                match heard.status() {
                    Some(200) => {
                        only_ours(inside, &inside.recorder.only_one(), &form);
                        served += 1;
                    }
                    Some(400) => {
                        assert_eq!(inside.recorder.count(), 0, "{form:?}");
                        refused += 1;
                    }
                    _ => panic!("{form:?}: {heard:?}"),
                }
            }
            if ours {
                in_trailers(inside, &spelling).await;
                over_http2(inside, &spelling).await;
            }
            names.insert(spelling);
        }
    }
    (names.len(), served, refused)
}

async fn in_trailers(inside: &Inside, spelling: &str) {
    inside.recorder.forget();
    let body = format!("5\r\nhello\r\n0\r\n{spelling}: evil\r\nX-A: evil\r\n\r\n");
    let more = format!("Trailer: {spelling}\r\nTransfer-Encoding: chunked\r\n");
    let heard = inside.h1.exchange((inside.last("POST", "/v", &more) + &body).as_bytes()).await;
    assert_eq!(heard.status(), Some(200), "{spelling}: {}", heard.text());
    let got = inside.recorder.only_one();
    assert_eq!(got.body, b"hello");
    only_ours(inside, &got, spelling);
}

async fn over_http2(inside: &Inside, spelling: &str) {
    inside.recorder.forget();
    let name = spelling.to_lowercase();
    let mut fields = inside.fields("POST", "/v");
    fields.extend([field(&name, "evil"), field(&name, "a, evil")]);
    let mut h2 = H2::open(&inside.h2).await;
    let trailers = headers(1, &[field(&name, "evil")], true);
    h2.send(&[headers(1, &fields, false), data(1, b"hello", false), trailers].concat()).await;
    let heard = h2.listen(1, PATIENCE).await;
    assert_eq!(heard.status, Some(200), "{name}: {heard:?}");
    let got = inside.recorder.only_one();
    assert_eq!(got.body, b"hello");
    only_ours(inside, &got, &name);
}

/// Each of our headers once, under one name only, and with what the gate knows.
#[track_caller]
pub(crate) fn only_ours(inside: &Inside, got: &Got, what: &str) {
    assert!(!got.text().contains("evil"), "{what} reached the backend: {}", got.text());
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '.', '%'], "-");
    for name in OURS {
        let like = got.headers.iter().filter(|(known, _)| plain(known) == name.to_ascii_lowercase());
        assert_eq!((like.count(), got.all(name).len()), (1, 1), "{name} after {what}: {}", got.text());
    }
    let leaf = data_encoding::BASE64.encode(&inside.laptop.identity.chain[0]);
    assert_eq!(got.all("client-cert"), [format!(":{leaf}:")]);
    assert_eq!(got.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(got.all("x-forwarded-host"), [inside.host.as_str()]);
    assert_eq!(got.all("host"), [inside.host.as_str()]);
    let token = got.all("portcullis-assertion")[0].split('.').nth(1).unwrap();
    let claims = data_encoding::BASE64URL_NOPAD.decode(token.as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["sub"], &claims["tenant"]), (&"anna".into(), &"bank".into()));
}

/// H-06. `Connection` names nothing away that the gate puts in, and names away what is the client's.
#[tokio::test(flavor = "multi_thread")]
async fn connection_names_none_of_our_headers_away() {
    let inside = Inside::open().await;
    let mut tried = 0;
    for name in
        OURS.into_iter().chain(["Host", "Cookie", "Content-Length", "Transfer-Encoding", "Connection"])
    {
        for line in [
            format!("Connection: close, {name}\r\n"),
            format!("Connection: {name}\r\nConnection: close\r\n"),
            format!("Connection: close,,{},\t{name} ,\r\n", name.to_uppercase()),
            format!("Connection: close, {name}\r\nProxy-Connection: {name}\r\nKeep-Alive: {name}\r\n"),
        ] {
            inside.recorder.forget();
            let bytes = format!(
                "POST /v HTTP/1.1\r\n{}{line}Content-Length: 5\r\nX-Secret-Of-One-Hop: 1\r\nConnection: X-Secret-Of-One-Hop\r\n\r\nhello",
                inside.lines()
            );
            let heard = inside.h1.exchange(bytes.as_bytes()).await;
            assert_eq!(heard.status(), Some(200), "{line:?}: {}", heard.text());
            let got = inside.recorder.only_one();
            only_ours(&inside, &got, &line);
            assert_eq!(got.body, b"hello", "{line:?}");
            for gone in
                ["x-secret-of-one-hop", "connection", "proxy-connection", "keep-alive", "te", "upgrade"]
            {
                assert!(got.all(gone).is_empty(), "{gone} after {line:?}: {}", got.text());
            }
            tried += 1;
        }
    }
    assert_eq!(tried, 52);
}

/// H-08.
#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_is_not_one_whole_cookie_is_none() {
    let inside = Inside::open().await;
    let good = inside.client.cookie().unwrap();
    let other = data_encoding::BASE64URL_NOPAD.encode(&[7; 32]);
    let mut lines: Vec<Vec<u8>> = [
        String::new(),
        COOKIE.to_owned(),
        format!("{COOKIE}="),
        format!("{COOKIE}={other}"),
        format!("{COOKIE}={good}x"),
        format!("{COOKIE}={}", &good[1..]),
        format!("{COOKIE}={good}="),
        format!("{COOKIE}=\"{good}\""),
        format!("{COOKIE}=%{:02x}{}", good.as_bytes()[0], &good[1..]),
        format!("{COOKIE}={}", good.to_uppercase()),
        format!("{COOKIE}={} {}", &good[..20], &good[20..]),
        format!("{COOKIE}={good}, {COOKIE}={good}"),
        format!("{COOKIE}={good}; {COOKIE}={good}"),
        format!("{COOKIE}={good}; {COOKIE}={other}"),
        format!("{COOKIE}={other}; {COOKIE}={good}"),
        format!("{COOKIE}={good}\r\nCookie: {COOKIE}={other}"),
        format!("{COOKIE}={other}\r\nCookie: {COOKIE}={good}"),
        format!("{}={good}", COOKIE.to_lowercase().replace("host", "HOST")),
        format!("{}={good}", COOKIE.to_uppercase()),
        format!("portcullis={good}"),
        format!("__Secure-portcullis={good}"),
        format!("{COOKIE}x={good}"),
        format!("x{COOKIE}={good}"),
        format!("{COOKIE}[]={good}"),
        format!("{COOKIE}={good}{}", "A".repeat(30_000)),
        format!("{COOKIE}=../../{good}"),
        format!("{COOKIE}=' or '1'='1"),
        format!("{COOKIE}={{}}"),
        format!("a=\"{COOKIE}={good}\""),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    lines.push([COOKIE.as_bytes(), b"=", good.as_bytes(), b"\xff"].concat());
    lines.push([b"a=\xff; ", COOKIE.as_bytes(), b"=", good.as_bytes()].concat());
    lines.push([COOKIE.as_bytes(), b"=", good.as_bytes(), b"\t\xa0"].concat());
    inside.recorder.forget();
    for line in &lines {
        let head = format!("GET /v HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: ", inside.host);
        let heard = inside.h1.exchange(&[head.as_bytes(), line, b"\r\n\r\n"].concat()).await;
        let shown = String::from_utf8_lossy(&line[..line.len().min(120)]).into_owned();
        assert!(matches!(heard.status(), Some(303 | 400 | 401 | 431)), "{shown}: {}", heard.text());
        assert_eq!(inside.recorder.count(), 0, "{shown} was forwarded");
    }
    assert!(lines.len() >= 30, "{}", lines.len());
    // None of this has ended the session, and among other cookies ours is found.
    for line in [format!("a=1; {COOKIE}={good}; b=2"), format!("a=1\r\nCookie: {COOKIE}={good}")] {
        inside.recorder.forget();
        let bytes = format!(
            "GET /v HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {line}\r\n\r\n",
            inside.host
        );
        assert_eq!(inside.h1.exchange(bytes.as_bytes()).await.status(), Some(200), "{line}");
        let got = inside.recorder.only_one();
        assert!(!got.text().contains("portcullis=") && !got.text().contains(&good), "{}", got.text());
    }
}

/// H-09. Where a request goes stands in its own line and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn no_header_says_where_a_request_goes() {
    let inside = Inside::with(|plan| plan.portal = crate::paths::NO_ADMIN.to_owned()).await;
    let mut tried = 0;
    for (name, asked, denied) in [
        ("X-Forwarded-Uri", "/v", "/admin"),
        ("X-Forwarded-Path", "/v", "/admin"),
        ("X-Forwarded-Prefix", "/v", "/admin"),
        ("X-Forwarded-Method", "GET", "DELETE"),
        ("X-Original-URL", "/v", "/admin"),
        ("X-Original-Uri", "/v", "/admin"),
        ("X-Original-Method", "GET", "DELETE"),
        ("X-Rewrite-URL", "/v", "/admin"),
        ("X-Envoy-Original-Path", "/v", "/admin"),
        ("X-HTTP-Method-Override", "GET", "DELETE"),
        ("X-HTTP-Method", "GET", "DELETE"),
        ("X-Method-Override", "GET", "DELETE"),
        ("X-Forwarded-Host", "bank.localhost", "other.localhost"),
        ("X-Host", "bank.localhost", "other.localhost"),
        ("X-Forwarded-Server", "bank.localhost", "other.localhost"),
        ("X-HTTP-Host-Override", "bank.localhost", "other.localhost"),
        ("X-Forwarded-Scheme", "https", "http"),
        ("X-Url-Scheme", "https", "http"),
        ("Forwarded", "host=bank.localhost", "host=other.localhost;for=10.0.0.1"),
    ] {
        inside.recorder.forget();
        let more = format!("{name}: {denied}\r\n");
        let heard = inside.h1.exchange(inside.last("GET", "/v", &more).as_bytes()).await;
        assert_eq!(heard.status(), Some(200), "{name}: {}", heard.text());
        let got = inside.recorder.only_one();
        assert_eq!((got.method.as_str(), got.target.as_str()), ("GET", "/v"), "{name}");
        assert!(!got.all(name).contains(&denied), "{name} reached the backend: {}", got.text());
        inside.recorder.forget();
        let more = format!("{name}: {asked}\r\n");
        let heard = inside.h1.exchange(inside.last("GET", "/admin", &more).as_bytes()).await;
        assert_eq!((heard.status(), inside.recorder.count()), (Some(403), 0), "{name}");
        tried += 2;
    }
    assert_eq!(tried, 38);
}
