//! Where a phone says that it wants to be woken, and whether we go there at all: the phone chooses the address, so
//! that nothing inside our own network may be reached by it. Sends nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;

/// An address that may be a push service's. Its path is a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    uri: Uri,
    host: String,
    port: u16,
}

/// Which addresses are gone to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those of the open internet, at the port of https.
    Public,
    /// Every one: for a push service of one's own, and for tests.
    Private,
}

/// Why an endpoint is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// It is no address.
    #[error("it is no https address")]
    NotHttps,
    /// It is one of ours, or could be.
    #[error("it does not lie on the open internet")]
    NotPublic,
}

impl Endpoint {
    /// Reads it. The names and addresses that can be seen to lie inside are refused here, the others when their
    /// addresses are known.
    pub(super) fn parse(text: &str, reach: Reach) -> Result<Self, BadEndpoint> {
        let plain =
            text.len() <= BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let uri: Uri =
            Some(text).filter(|_| plain).and_then(|text| text.parse().ok()).ok_or(BadEndpoint::NotHttps)?;
        if uri.scheme_str() != Some("https") {
            return Err(BadEndpoint::NotHttps);
        }
        let authority = uri.authority().ok_or(BadEndpoint::NotHttps)?;
        let host = authority.host().to_ascii_lowercase();
        let after_host = authority.as_str().get(host.len()..).unwrap_or_default();
        let port = match authority.port_u16() {
            Some(port) => port,
            None if after_host.is_empty() => 443,
            None => return Err(BadEndpoint::NotHttps),
        };
        if authority.as_str().contains('@') || host.is_empty() {
            return Err(BadEndpoint::NotHttps);
        }
        if reach == Reach::Public && !(port == 443 && is_public_name(&host)) {
            return Err(BadEndpoint::NotPublic);
        }
        Ok(Self { uri, host, port })
    }

    /// `push.example.net`, without a port.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// `push.example.net:443`.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What a token is made out to: scheme, host, and the port where it is not the usual one.
    pub(super) fn origin(&self) -> String {
        match self.port {
            443 => format!("https://{}", self.host),
            port => format!("https://{}:{port}", self.host),
        }
    }

    /// Path and query.
    pub(super) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The addresses that its name has and that are gone to.
    pub(super) async fn addresses(&self, reach: Reach) -> std::io::Result<Vec<SocketAddr>> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((host, self.port)).await?;
        let may: Vec<SocketAddr> =
            found.filter(|address| reach == Reach::Private || is_public(address.ip())).collect();
        if may.is_empty() {
            let why = "its name leads to no address of the open internet";
            return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why));
        }
        Ok(may)
    }
}

/// A name with a dot that is not kept for private use (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`).
fn is_public_name(host: &str) -> bool {
    let labels = host.trim_end_matches('.');
    let last = labels.rsplit('.').next().unwrap_or_default();
    let private = [
        "localhost",
        "local",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "private",
        "arpa",
        "test",
        "invalid",
    ];
    labels.contains('.')
        && !host.starts_with('[')
        && !private.contains(&last)
        // Whatever a resolver may take for a number: 127.1, 0x7f.1, 2130706433.
        && !last.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether an address lies on the open internet (the registries of RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let kept_back = match (a, b, c) {
        // This network, private, shared by carriers, loopback.
        (0 | 10 | 127, ..) | (100, 64..=127, _) | (172, 16..=31, _) | (192, 168, _) => true,
        // Link-local, protocol assignments, 6to4 relays, documentation, benchmarks.
        (169, 254, _)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224..=255, ..) => true,
        _ => false,
    };
    !kept_back
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inside) = address.to_ipv4_mapped() {
        return is_public_v4(inside);
    }
    let [a, b, ..] = address.segments();
    // Global unicast alone; of it not: Teredo and its like, documentation, 6to4.
    let global = (0x2000..=0x3fff).contains(&a);
    let kept_back =
        (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    global && !kept_back
}

/// The longest endpoints that browsers give have some 800 characters.
const BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<BadEndpoint> {
        Endpoint::parse(text, Reach::Public).err()
    }

    #[test]
    fn push_services_of_the_browsers_are_taken() {
        for (text, origin) in [
            ("https://fcm.googleapis.com/fcm/send/abc:def_-", "https://fcm.googleapis.com"),
            (
                "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
                "https://updates.push.services.mozilla.com",
            ),
            ("https://web.push.apple.com/QGuQ?x=1", "https://web.push.apple.com"),
            (
                "https://WNS2-par02p.notify.windows.com:443/w/?token=BQYA%3d",
                "https://wns2-par02p.notify.windows.com",
            ),
        ] {
            assert_eq!(Endpoint::parse(text, Reach::Public).unwrap().origin(), origin, "{text}");
        }
        let own = Endpoint::parse("https://127.0.0.1:8443/x", Reach::Private).unwrap();
        assert_eq!((own.origin().as_str(), own.path()), ("https://127.0.0.1:8443", "/x"));
    }

    /// a phone that names an address inside is not followed there.
    #[test]
    fn what_lies_inside_is_not_gone_to() {
        for text in [
            "http://push.example.net/x",
            "ftp://push.example.net/x",
            "https:///x",
            "https://",
            "/x",
            "",
            "https://user@push.example.net/x",
            "https://push.example.net/x#fragment",
            "https://push.example.net/x\r\nHost: other",
            "https://push.example.net:99999/x",
            &format!("https://push.example.net/{}", "x".repeat(2048)),
        ] {
            assert_eq!(refused(text), Some(BadEndpoint::NotHttps), "{text:?}");
        }
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "10.0.0.8",
            "169.254.169.254",
            "[::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "localhost",
            "bank.localhost",
            "LOCALHOST",
            "localhost.",
            "printer.local",
            "metadata.google.internal",
            "intranet",
            "push.example.net:8443",
            "push.example.net:22",
        ] {
            assert_eq!(refused(&format!("https://{host}/x")), Some(BadEndpoint::NotPublic), "{host}");
        }
    }

    #[test]
    fn addresses_of_the_open_internet_are_told_from_all_others() {
        for text in [
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "192.0.1.1",
            "2a00:1450::1",
            "2001:4860::8888",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.0.1",
            "64:ff9b::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    /// a name of the open internet that leads inside is not followed either.
    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        let endpoint = Endpoint::parse("https://localhost/x", Reach::Private).unwrap();
        assert!(endpoint.addresses(Reach::Private).await.is_ok());
        let refused = endpoint.addresses(Reach::Public).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    }
}
