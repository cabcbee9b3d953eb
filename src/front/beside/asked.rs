//! Which request another proxy asks about, byte for byte as its client sent it, and where that client is. What is
//! missing, said twice or read anew in any other way is refused.

use std::net::IpAddr;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

use super::{Errand, Kind};
use crate::domain::Reason;

/// Where it asks. No client's path is led here: what is led to us lies under `/.portcullis/`.
const ASK: &str = "/forward-auth";

/// Where nginx fetches the page for who was refused.
const PAGE: &str = "/forward-auth/page";

/// What a path asks for, where it asks.
pub(super) fn errand(kind: Kind, path: &str) -> Option<Errand> {
    match kind {
        Kind::Nginx if path == ASK => Some(Errand::Look),
        Kind::Nginx if path == PAGE => Some(Errand::Explain),
        Kind::Rfc9440 | Kind::Traefik if path == ASK => Some(Errand::Vouch),
        Kind::Envoy if path.strip_prefix(ASK).is_some_and(|rest| rest.starts_with('/')) => {
            Some(Errand::Vouch)
        }
        _ => None,
    }
}

/// The request that is asked about, without a body.
pub(super) fn question(kind: Kind, request: Request<Body>) -> Result<Request<Body>, Reason> {
    let headers = request.headers();
    let (method, host, target) = match kind {
        Kind::Nginx => {
            let url = said(headers, "x-original-url")?;
            let rest = url.strip_prefix("https://").ok_or(IN_CLEAR)?;
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            (method(said(headers, "x-original-method")?)?, &rest[..end], &rest[end..])
        }
        Kind::Rfc9440 | Kind::Traefik => {
            over_tls(headers)?;
            let method = method(said(headers, "x-forwarded-method")?)?;
            (method, said(headers, "x-forwarded-host")?, said(headers, "x-forwarded-uri")?)
        }
        Kind::Envoy => {
            over_tls(headers)?;
            let whole = request.uri().path_and_query().map_or("", |path| path.as_str());
            let target = whole.strip_prefix(ASK).ok_or(Reason::NotFound)?;
            (request.method().clone(), said(headers, HOST.as_str())?, target)
        }
    };
    // Nothing of it may be read otherwise than it was written.
    let uri: Uri = target.parse().map_err(|_| UNREADABLE)?;
    let same = uri.path_and_query().is_some_and(|read| read.as_str() == target);
    if !target.starts_with('/') || !same || uri.authority().is_some() {
        return Err(UNREADABLE);
    }
    let host = HeaderValue::try_from(host).map_err(|_| UNREADABLE)?;
    let (mut parts, _) = request.into_parts();
    for framing in [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT] {
        parts.headers.remove(framing);
    }
    parts.headers.insert(HOST, host);
    (parts.method, parts.uri) = (method, uri);
    Ok(Request::from_parts(parts, Body::empty()))
}

/// Where the client is: the last address, which the proxy itself put there. Of several lines nobody knows which is its.
pub(super) fn client(headers: &HeaderMap) -> Result<IpAddr, Reason> {
    let last = one(headers, "x-forwarded-for")?.and_then(|line| line.rsplit(',').next());
    let address = last.and_then(|last| last.trim().parse().ok());
    address.ok_or(Reason::BadRequest("the proxy in front does not say where the request comes from"))
}

/// The client came by TLS: else its cookies crossed a network for all to read.
pub(super) fn over_tls(headers: &HeaderMap) -> Result<(), Reason> {
    match said(headers, "x-forwarded-proto")? {
        "https" | "wss" => Ok(()),
        _ => Err(IN_CLEAR),
    }
}

/// The one value of a header, where there is one.
pub(super) fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Reason> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(|_| UNREADABLE),
        (Some(_), Some(_)) => Err(Reason::BadRequest("the proxy in front says one thing twice")),
    }
}

fn said<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Reason> {
    let missing = Reason::BadRequest("the proxy in front does not say which request it asks about");
    one(headers, name)?.filter(|text| !text.is_empty()).ok_or(missing)
}

fn method(name: &str) -> Result<Method, Reason> {
    Method::from_bytes(name.as_bytes()).map_err(|_| UNREADABLE)
}

const UNREADABLE: Reason = Reason::BadRequest("what the proxy in front says cannot be read");
const IN_CLEAR: Reason = Reason::BadRequest("the proxy in front took the request in without TLS");

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(kind: Kind, path: &str, headers: &[(&str, &str)]) -> Result<(Method, String, String), Reason> {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let asked = question(kind, request.body(Body::empty()).unwrap())?;
        let host = asked.headers()[HOST].to_str().unwrap().to_owned();
        Ok((asked.method().clone(), host, asked.uri().to_string()))
    }

    fn post(target: &str) -> Result<(Method, String, String), Reason> {
        Ok((Method::POST, "bank.example:8443".to_owned(), target.to_owned()))
    }

    #[test]
    fn each_proxy_is_read_as_it_speaks() {
        let nginx = [
            ("host", "gate"),
            ("x-original-method", "POST"),
            ("x-original-url", "https://bank.example:8443/a%20b?c=/d"),
        ];
        assert_eq!(asking(Kind::Nginx, ASK, &nginx), post("/a%20b?c=/d"));
        let forwarded = [
            ("host", "bank.example:8443"),
            ("x-forwarded-method", "POST"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "bank.example:8443"),
            ("x-forwarded-uri", "/a%20b?c=/d"),
        ];
        assert_eq!(asking(Kind::Rfc9440, ASK, &forwarded), post("/a%20b?c=/d"));
        assert_eq!(asking(Kind::Traefik, ASK, &forwarded), post("/a%20b?c=/d"));
        let envoy = [("host", "bank.example:8443"), ("x-forwarded-proto", "https")];
        let asked = asking(Kind::Envoy, "/forward-auth/a%20b?c=/d", &envoy).unwrap();
        assert_eq!(asked, (Method::GET, "bank.example:8443".to_owned(), "/a%20b?c=/d".to_owned()));
    }

    #[test]
    fn what_is_missing_twofold_or_in_clear_is_refused() {
        let whole = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "bank.example"),
            ("x-forwarded-uri", "/"),
        ];
        assert!(asking(Kind::Traefik, ASK, &whole).is_ok());
        for left_out in 0..whole.len() {
            let mut some = whole.to_vec();
            some.remove(left_out);
            assert!(asking(Kind::Traefik, ASK, &some).is_err(), "{some:?}");
            let twice = [whole.as_slice(), &[whole[left_out]]].concat();
            assert!(asking(Kind::Traefik, ASK, &twice).is_err(), "{twice:?}");
        }
        for (at, bad) in [
            (0, "GET /x"),
            (1, "http"),
            (3, ""),
            (3, "x"),
            (3, "//evil.example/"),
            (3, "/a#b"),
            (3, "/a b"),
            (3, "https://evil.example/"),
            (3, "*"),
        ] {
            let mut other = whole.to_vec();
            other[at].1 = bad;
            let asked = asking(Kind::Rfc9440, ASK, &other);
            // Two slashes are a path of their own, which the rules refuse.
            assert!(asked.is_err() || asked.as_ref().unwrap().2 == bad, "{bad:?}: {asked:?}");
            assert!(bad.starts_with("//") || asked.is_err(), "{bad:?}: {asked:?}");
        }
        for url in [
            "http://bank.example/",
            "https://bank.example",
            "https://bank.example?/admin",
            "https://bank.example#/admin",
            "/",
            "HTTPS://bank.example/",
        ] {
            let nginx = [("x-original-method", "GET"), ("x-original-url", url)];
            assert!(asking(Kind::Nginx, ASK, &nginx).is_err(), "{url}");
        }
    }

    #[test]
    fn only_its_own_path_asks() {
        assert_eq!(errand(Kind::Nginx, "/forward-auth"), Some(Errand::Look));
        assert_eq!(errand(Kind::Nginx, "/forward-auth/page"), Some(Errand::Explain));
        assert_eq!(errand(Kind::Envoy, "/forward-auth/page"), Some(Errand::Vouch));
        for path in ["/", "/forward-auth/", "/forward-authx", "/.portcullis/forward-auth", "//forward-auth"] {
            assert_eq!(errand(Kind::Nginx, path), None, "{path}");
            assert_eq!(errand(Kind::Rfc9440, path), None, "{path}");
        }
        assert_eq!(errand(Kind::Envoy, "/forward-auth"), None);
        assert_eq!(errand(Kind::Traefik, "/forward-auth/page"), None);
    }

    #[test]
    fn a_client_is_where_the_proxy_saw_it() {
        let at = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            client(&headers).ok().map(|address| address.to_string())
        };
        assert_eq!(at(&["192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(at(&["10.0.0.1, 192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(at(&["10.0.0.1,2001:db8::1"]).as_deref(), Some("2001:db8::1"));
        // Which of two lines the proxy wrote, and which its client, is not to be seen.
        for none in [&[][..], &[""], &["unix:"], &["192.0.2.7,"], &["192.0.2.7", "10.0.0.1"]] {
            assert_eq!(at(none), None, "{none:?}");
        }
    }
}
