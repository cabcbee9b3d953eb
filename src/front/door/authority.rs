//! Which host a request names, where it names one as a browser does.

use std::net::Ipv4Addr;

use http::{HeaderMap, Method, Uri, header};

use crate::domain::Reason;

/// The one authority that a request names, where it is written as a browser does.
pub(in crate::front) fn authority<'a>(
    method: &Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
) -> Result<(&'a str, Option<u16>), Reason> {
    named(method, uri, headers).and_then(parsed)
}

/// The one authority that a request names, in its target or its Host header (RFC 9112 3.2,
/// RFC 9113 8.3.1), however it is written. Where it stands twice, both must say the same.
pub(super) fn named<'a>(method: &Method, uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Reason> {
    if method == Method::CONNECT || uri.path().is_empty() || !uri.path().starts_with('/') {
        return Err(Reason::BadRequest("the request's target is not a path"));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            Some(host.to_str().map_err(|_| Reason::BadRequest("the Host header is no text"))?)
        }
        (None, _) => None,
        (Some(_), Some(_)) => return Err(Reason::BadRequest("the request has several Host headers")),
    };
    match (uri.authority().map(http::uri::Authority::as_str), host) {
        (None, None) => Err(Reason::BadRequest("the request names no host")),
        (Some(target), Some(host)) if !target.eq_ignore_ascii_case(host) => {
            Err(Reason::BadRequest("the request names two hosts"))
        }
        (Some(named), _) | (None, Some(named)) => Ok(named),
    }
}

/// Name and port.
pub(super) fn parsed(authority: &str) -> Result<(&str, Option<u16>), Reason> {
    parse_authority(authority).ok_or(Reason::BadRequest("the host is not written as a browser writes it"))
}

/// `name` or `name:port`, as a browser writes it and nothing else.
fn parse_authority(text: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => {
            let digits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
            (name, Some(port.parse().ok().filter(|_| digits)?))
        }
        None => (text, None),
    };
    is_dns_name(name).then_some((name, port))
}

/// Labels of letters, digits, `-` and `_`, and no number at the end, which browsers take for
/// an address (WHATWG URL 3.5).
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit())
        || last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    name.len() <= 253 && name.split('.').all(label) && !number && name.parse::<Ipv4Addr>().is_err()
}

/// A door's name, as the configuration must write it.
pub(super) fn is_host_name(name: &str) -> bool {
    is_dns_name(name) && !name.bytes().any(|b| b.is_ascii_uppercase())
}
