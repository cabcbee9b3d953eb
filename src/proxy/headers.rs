//! What may not pass: headers of one connection (RFC 9110 7.6.1), every header by which a
//! client could say who it is, the gate's own cookie, and broken framing. Does not know who
//! the client is (`identity` does).

use std::net::IpAddr;

use axum::body::Body;
use http::header::{
    ALT_SVC, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, StatusCode, Version, response};

use super::forward::Origin;
use super::memory::{Remembered, Whence};
use super::names::{is_harmless, is_ours, is_usual, speaks_of_framing, speaks_of_identity};
use crate::domain::Reason;
use crate::domain::route::Route;

/// Refuses what no two servers are sure to read alike, and what is never forwarded.
///
/// # Errors
/// What is wrong with the request.
pub(super) fn check_request(request: &Request<Body>, route: &Route) -> Result<(), Reason> {
    let headers = request.headers();
    if *request.method() == Method::CONNECT || ["TRACE", "TRACK"].contains(&request.method().as_str()) {
        return Err(Reason::MethodNotAllowed);
    }
    one_end(request)?;
    if headers.get_all(HOST).iter().count() > 1 {
        return Err(Reason::BadRequest("the request names more than one host"));
    }
    let path = request.uri().path();
    if !path.starts_with('/') || path.bytes().any(|b| b <= b' ' || b >= 0x7f || b == b'\\') {
        return Err(Reason::BadRequest("the request's path cannot be forwarded"));
    }
    if asks_for_worker(headers) && (!route.service_worker || reaches_own_pages(path)) {
        return Err(Reason::PolicyDenied { rule: None });
    }
    Ok(())
}

/// Refuses a request whose end two servers could see in two places (RFC 9112 6.3), whoever answers it.
///
/// # Errors
/// [`Reason::BadRequest`]; nothing behind it may be heard on the same connection.
pub fn one_end(request: &Request<Body>) -> Result<(), Reason> {
    let headers = request.headers();
    let bodied = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if !bodied && !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let plain = |value: &HeaderValue| !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    if lengths > 1 || !headers.get_all(CONTENT_LENGTH).iter().all(plain) {
        return Err(Reason::BadRequest("the request has more than one length, or an odd one"));
    }
    if let Some(coding) = headers.get(TRANSFER_ENCODING) {
        let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        let once = headers.get_all(TRANSFER_ENCODING).iter().count() == 1;
        if lengths > 0 || !chunked || !once || request.version() != Version::HTTP_11 {
            return Err(Reason::BadRequest("the request's end can be read in two ways"));
        }
    }
    // In HTTP/1.0 what has a body has a length; others took the end of the connection for its end.
    if lengths == 0 && bodied && request.version() < Version::HTTP_11 {
        return Err(Reason::BadRequest("the request does not say how long it is"));
    }
    Ok(())
}

/// Refuses answers that no two clients are sure to read alike.
///
/// # Errors
/// What is wrong, for the log.
pub(super) fn check_answer(answer: &response::Parts, tunnel: bool) -> Result<(), &'static str> {
    let headers = &answer.headers;
    let codings = headers.get_all(TRANSFER_ENCODING).iter().count();
    if codings > 0 && headers.contains_key(CONTENT_LENGTH) {
        return Err("the backend's answer has both a length and a transfer coding");
    }
    let chunked =
        headers.get(TRANSFER_ENCODING).is_none_or(|v| v.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if codings > 1 || !chunked || (codings > 0 && answer.version != Version::HTTP_11) {
        return Err("the backend's answer has a transfer coding that is not spoken here");
    }
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return Err("the backend's answer has more than one length");
    }
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        let websocket = headers.get(UPGRADE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if !tunnel || !websocket {
            return Err("the backend switched to a protocol that was not asked for");
        }
    }
    Ok(())
}

/// Removes everything from a request's headers that may not reach a backend, or that is ours to say.
pub(super) fn clean_request(headers: &mut HeaderMap) {
    drop_named_by_connection(headers);
    headers.remove(HOST);
    // The gate itself answers 100, as soon as the backend takes the body.
    let unwanted = |name: &HeaderName| {
        let text = name.as_str();
        !is_harmless(text)
            && (is_hop_by_hop(name)
                || *name == EXPECT
                || *name == CONTENT_LENGTH
                || speaks_of_identity(text)
                || speaks_of_framing(text))
    };
    drop_where(headers, unwanted);
    keep_foreign_cookies(headers);
}

/// Removes everything from an answer's headers (or trailers) that may not reach a browser.
pub(super) fn clean_answer(headers: &mut HeaderMap) {
    drop_named_by_connection(headers);
    // Another address for this origin would lead past the gate; a wider scope would put the
    // backend's worker in front of our own pages.
    let unwanted = |name: &HeaderName| {
        let text = name.as_str();
        !is_usual(text)
            && (is_hop_by_hop(name)
                || *name == ALT_SVC
                || matches!(text, "service-worker-allowed" | "alt-used")
                || is_ours(text))
    };
    drop_where(headers, unwanted);
    drop_own_set_cookies(headers);
    narrow_clear_site_data(headers);
}

/// From where the request comes, as it was said last over its connection, or worked out anew.
///
/// # Errors
/// A host that is no header value.
pub(super) fn remember_whence(remembered: &mut Remembered, origin: Origin<'_>) -> Result<(), Reason> {
    let same = |whence: &Whence| whence.host == origin.host && whence.address == origin.address;
    if !remembered.whence.as_ref().is_some_and(same) {
        remembered.said = None;
        remembered.whence = Some(whence(origin)?);
    }
    Ok(())
}

fn whence(origin: Origin<'_>) -> Result<Whence, Reason> {
    let address = origin.address.to_canonical();
    let node = match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("\"[{v6}]\""),
    };
    if origin.host.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'"' | b'\\' | b',' | b';')) {
        return Err(Reason::BadRequest("the host cannot be forwarded"));
    }
    let port = origin.host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok());
    let host = value(origin.host)?;
    let forwarded = value(&format!("for={node};host=\"{}\";proto=https", origin.host))?;
    let lines = vec![
        (HOST, host.clone()),
        (X_FORWARDED_FOR, value(&address.to_string())?),
        (X_FORWARDED_PROTO, HeaderValue::from_static("https")),
        (X_FORWARDED_HOST, host),
        (X_FORWARDED_PORT, value(port.unwrap_or("443"))?),
        (FORWARDED, forwarded),
    ];
    Ok(Whence { host: origin.host.to_owned(), address: origin.address, lines })
}

fn value(text: &str) -> Result<HeaderValue, Reason> {
    HeaderValue::from_str(text).map_err(|_| Reason::BadRequest("the host cannot be forwarded"))
}

/// Asks the backend for a WebSocket.
pub(super) fn set_upgrade(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// All that `Connection` names, but for what says where the message ends. Ours are put in afterwards, so that
/// nobody names them away.
fn drop_named_by_connection(headers: &mut HeaderMap) {
    let Some(one) = headers.get(CONNECTION) else { return };
    let usual =
        one.as_bytes().eq_ignore_ascii_case(b"keep-alive") || one.as_bytes().eq_ignore_ascii_case(b"close");
    if usual && headers.get_all(CONNECTION).iter().nth(1).is_none() {
        // They name nothing that is not taken out anyway.
        headers.remove(CONNECTION);
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !FRAMING.contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// What belongs to one connection alone.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name) || name.as_str().starts_with("proxy-")
}

fn drop_where(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Puts the cookies of all lines on one, without any piece that names ours in any way.
pub(super) fn keep_foreign_cookies(headers: &mut HeaderMap) {
    let all = headers.get_all(COOKIE);
    let mut lines = all.iter().map(HeaderValue::as_bytes);
    match (lines.next(), lines.next()) {
        (None, _) => return,
        (Some(line), None) if !mentions_own_cookie(line) => return,
        _ => {}
    }
    let mut kept = Vec::new();
    let lines = all.iter().map(HeaderValue::as_bytes);
    for cookie in lines.flat_map(|line| line.split(|b| *b == b';')).map(<[u8]>::trim_ascii) {
        if cookie.is_empty() || mentions_own_cookie(cookie) {
            continue;
        }
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(cookie);
    }
    headers.remove(COOKIE);
    if !kept.is_empty()
        && let Ok(value) = HeaderValue::from_bytes(&kept)
    {
        headers.insert(COOKIE, value);
    }
}

/// A backend may not set, overwrite or empty our cookie, not even by a cookie without a name
/// whose value reads like ours.
fn drop_own_set_cookies(headers: &mut HeaderMap) {
    let own = |value: &HeaderValue| {
        mentions_own_cookie(value.as_bytes().split(|b| *b == b';').next().unwrap_or_default())
    };
    if !headers.get_all(SET_COOKIE).iter().any(own) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|value| !own(value)).cloned().collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

fn mentions_own_cookie(text: &[u8]) -> bool {
    text.windows(OWN_COOKIE.len()).any(|part| part.eq_ignore_ascii_case(OWN_COOKIE))
}

/// A backend may clear its caches and storage, but not cookies: ours is one, and signing out
/// is the gate's page.
fn narrow_clear_site_data(headers: &mut HeaderMap) {
    const NAME: HeaderName = HeaderName::from_static("clear-site-data");
    if !headers.contains_key(NAME) {
        return;
    }
    let asked = |what: &[u8]| {
        headers
            .get_all(NAME)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .any(|item| item.trim_ascii() == what)
    };
    let all = asked(b"\"*\"");
    let kept = [("\"cache\"", all || asked(b"\"cache\"")), ("\"storage\"", all || asked(b"\"storage\""))];
    let kept: Vec<&str> = kept.into_iter().filter_map(|(what, wanted)| wanted.then_some(what)).collect();
    headers.remove(NAME);
    if let Ok(value) = HeaderValue::try_from(kept.join(", "))
        && !kept.is_empty()
    {
        headers.insert(NAME, value);
    }
}

/// Whether a browser fetches this to run it as a service worker.
fn asks_for_worker(headers: &HeaderMap) -> bool {
    headers.contains_key(SERVICE_WORKER)
        || headers
            .get(SEC_FETCH_DEST)
            .is_some_and(|dest| dest.as_bytes().eq_ignore_ascii_case(b"serviceworker"))
}

/// Whether a worker at this path would by its place alone stand in front of our own pages:
/// its scope is the folder it lies in, and a wider one is never allowed.
fn reaches_own_pages(path: &str) -> bool {
    let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
    OWN_PAGES.starts_with(folder) || folder.starts_with(OWN_PAGES)
}

const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers of the message's own shape, which `Connection` may not name away.
const FRAMING: [HeaderName; 3] = [TRANSFER_ENCODING, CONTENT_LENGTH, CONNECTION];

const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("proxy-connection"),
];

/// The gate's cookie, as lax a parser would find it.
const OWN_COOKIE: &[u8] = b"__Host-portcullis";

const OWN_PAGES: &str = "/.portcullis/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cookie_is_taken_out_and_others_stay() {
        for (lines, left) in [
            (&["a=1; __Host-portcullis=x; b=2"][..], Some("a=1; b=2")),
            (&["__Host-portcullis=x"], None),
            (&["a=1", "__host-PORTCULLIS=x", "b=2"], Some("a=1; b=2")),
            (&["__Host-portcullis=x; __Host-portcullis=y; a=1"], Some("a=1")),
            (&["a=\"1; __Host-portcullis=x\"; b=2"], Some("a=\"1; b=2")),
            (&["  __Host-portcullis =x;a=1;"], Some("a=1")),
            (&["a=1, __Host-portcullis=x"], None),
            (&["=__Host-portcullis=x; c=3"], Some("c=3")),
            (&["__Host-portcullis-old=x; c=3"], Some("c=3")),
            (&["a=1; b=2"], Some("a=1; b=2")),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            clean_request(&mut headers);
            let all: Vec<_> = headers.get_all(COOKIE).iter().map(|v| v.to_str().unwrap()).collect();
            assert_eq!(all, left.into_iter().collect::<Vec<_>>(), "{lines:?}");
        }
    }

    #[test]
    fn a_backend_cannot_touch_our_cookie_or_widen_its_worker() {
        let mut headers = HeaderMap::new();
        for value in [
            "a=1; Path=/",
            "__Host-portcullis=; Max-Age=0; Path=/; Secure",
            "=__Host-portcullis=x",
            " __HOST-Portcullis =x",
            "b=__host; Path=/",
        ] {
            headers.append(SET_COOKIE, HeaderValue::from_static(value));
        }
        headers.insert("service-worker-allowed", HeaderValue::from_static("/"));
        headers.insert(ALT_SVC, HeaderValue::from_static("h3=\":443\""));
        headers.insert("clear-site-data", HeaderValue::from_static("\"*\""));
        clean_answer(&mut headers);
        let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(left, ["a=1; Path=/", "b=__host; Path=/"]);
        assert_eq!(headers.get("clear-site-data").unwrap(), "\"cache\", \"storage\"");
        assert_eq!(headers.keys_len(), 2);
        headers.insert("clear-site-data", HeaderValue::from_static("\"cookies\""));
        clean_answer(&mut headers);
        assert!(!headers.contains_key("clear-site-data"));
    }

    #[test]
    fn a_worker_never_stands_before_our_pages() {
        for path in ["/sw.js", "/", "/.portcullis/sw.js", "/.portcullis/a/sw.js"] {
            assert!(reaches_own_pages(path), "{path}");
        }
        for path in ["/app/sw.js", "//sw.js", "/.portcullis-app/sw.js", "/app/"] {
            assert!(!reaches_own_pages(path), "{path}");
        }
    }
}
