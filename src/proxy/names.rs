//! Names of headers by which a gateway tells a backend who is calling or where a message ends, in
//! every spelling a backend may take for one. Knows no values.

/// Whether backends of any make may take a header of this name, in this or a kindred
/// spelling, for a gateway's word on who is calling, from where, or for what.
pub(super) fn speaks_of_identity(name: &str) -> bool {
    let mut buffer = [0; NAME_CHARS_MAX];
    let plain = of_variable(plain_spelling(name, &mut buffer));
    TRUSTED.binary_search(&plain).is_ok()
        || TRUSTED_PREFIXES.iter().any(|prefix| plain.starts_with(prefix))
        || (!plain.contains('-') && speaks_in_one_word(plain))
}

/// The same of a name whose words are written together.
fn speaks_in_one_word(plain: &str) -> bool {
    // What is left of the name behind it.
    let behind = |name: &str| {
        name.bytes().filter(|byte| *byte != b'-').try_fold(plain, |rest, byte| {
            let first = rest.bytes().next()?;
            (first == byte).then(|| &rest[1..])
        })
    };
    TRUSTED.iter().any(|name| behind(name).is_some_and(str::is_empty))
        // Of the shortest too many words begin so.
        || TRUSTED_PREFIXES
            .iter()
            .filter(|prefix| prefix.len() > DASHED_CHARS_MAX)
            .any(|prefix| behind(prefix).is_some_and(|rest| !rest.is_empty() || !prefix.ends_with('-')))
}

/// A CGI variable's name, taken for a header, once or more often.
fn of_variable(mut plain: &str) -> &str {
    while let Some(rest) = plain.strip_prefix("http-") {
        plain = rest;
    }
    plain
}

/// Whether the gate alone may say something under this name, in either direction.
pub(super) fn is_ours(name: &str) -> bool {
    let mut buffer = [0; NAME_CHARS_MAX];
    let plain = plain_spelling(name, &mut buffer);
    plain.starts_with("portcullis") || plain.starts_with("x-portcullis")
}

/// Whether a lax backend may take a header of this name for one that says where the message ends. The
/// message's own are taken out and put in anew; what is left of the kind is another spelling.
pub(super) fn speaks_of_framing(name: &str) -> bool {
    let mut buffer = [0; NAME_CHARS_MAX];
    let plain = plain_spelling(name, &mut buffer);
    matches!(of_variable(plain), "content-length" | "transfer-encoding")
}

/// Whether it is a name that browsers send with most requests, and that says nothing of what is looked for in every
/// spelling: looking costs more than all else that is done with them.
pub(super) fn is_harmless(name: &str) -> bool {
    // Nearly all differ in length: no byte of them is looked at.
    HARMLESS.contains(&name)
}

/// The same of answers.
pub(super) fn is_usual(name: &str) -> bool {
    USUAL.contains(&name)
}

/// A name as the laxest backend reads it: lower case, every run of other characters one `-`,
/// percent signs decoded. Longer names are cut; all names that matter are shorter.
fn plain_spelling<'a>(name: &str, buffer: &'a mut [u8; NAME_CHARS_MAX]) -> &'a str {
    let decoded = percent_encoding::percent_decode_str(name);
    let mut length = 0;
    for byte in decoded {
        let byte = if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
        if byte == b'-' && (length == 0 || buffer[length - 1] == b'-') {
            continue;
        }
        if length == NAME_CHARS_MAX {
            break;
        }
        buffer[length] = byte;
        length += 1;
    }
    str::from_utf8(&buffer[..length]).unwrap_or_default().trim_end_matches('-')
}

/// What a browser sends, in order.
const HARMLESS: [&str; 25] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "content-type",
    "cookie",
    "dnt",
    "if-modified-since",
    "if-none-match",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "traceparent",
    "upgrade-insecure-requests",
    "user-agent",
];

/// What a server sends, in order.
const USUAL: [&str; 18] = [
    "accept-ranges",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "referrer-policy",
    "server",
    "set-cookie",
    "strict-transport-security",
    "vary",
    "x-content-type-options",
    "x-frame-options",
];

/// Longer than every name below.
const NAME_CHARS_MAX: usize = 64;

/// As long as prefixes that count in front of a dash alone.
const DASHED_CHARS_MAX: usize = 3;

/// Names that gateways set and backends believe, spelled plainly, in order. The message's own `Host` is taken out and
/// put in anew: what is left of the kind is another spelling.
const TRUSTED: [&str; 62] = [
    "akamai-origin-hop",
    "auth-user",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "early-data",
    "fastly-client-ip",
    "fastly-ssl",
    "forwarded",
    "from-user",
    "front-end-https",
    "host",
    "https",
    "kong-user",
    "original-host",
    "proxy",
    "proxy-user",
    "sm-user",
    "true-client-ip",
    "user",
    "username",
    "verified-user",
    "www-user",
    "x-arr-clientcert",
    "x-arr-ssl",
    "x-azure-clientip",
    "x-cert",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-custom-ip-authorization",
    "x-email",
    "x-endpoint-api-userinfo",
    "x-groups",
    "x-haproxy-client-cn",
    "x-host",
    "x-http-destinationurl",
    "x-http-host-override",
    "x-http-method",
    "x-id-token",
    "x-identity",
    "x-idp-token",
    "x-iisnode-auth-user",
    "x-jwt-assertion",
    "x-method-override",
    "x-middleware-subrequest",
    "x-okta-user",
    "x-originating-ip",
    "x-override-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-role",
    "x-roles",
    "x-scheme",
    "x-script-name",
    "x-subject",
    "x-tenant",
    "x-token-subject",
    "x-trusted-user",
    "x-url-scheme",
    "x-vouch-user",
    "xfcc",
];

/// The same, by how they begin. By `X-Accel-Mapping` and `X-Sendfile-Type` a backend would let its front read files.
const TRUSTED_PREFIXES: [&str; 43] = [
    "cf-",
    "client-cert-",
    "iv-",
    "oidc-",
    "portcullis",
    "remote-",
    "shib-",
    "sm-",
    "ssl-",
    "tailscale-",
    "x-accel-",
    "x-amzn-oidc-",
    "x-apigateway-",
    "x-appengine-",
    "x-auth-",
    "x-authenticated-",
    "x-authentik-",
    "x-cert-",
    "x-client-cert",
    "x-client-dn",
    "x-client-s-dn",
    "x-client-verify",
    "x-consumer-",
    "x-credential-",
    "x-envoy-",
    "x-forwarded",
    "x-goog-authenticated-",
    "x-goog-iap-",
    "x-http-method-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-oidc-",
    "x-original-",
    "x-pomerium-",
    "x-portcullis",
    "x-proxy",
    "x-real-",
    "x-remote-",
    "x-sendfile-",
    "x-ssl-",
    "x-tls-",
    "x-user",
    "x-webauth-",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_every_name_fits() {
        assert!(TRUSTED.is_sorted());
        assert!(TRUSTED.iter().chain(&TRUSTED_PREFIXES).all(|name| name.len() < NAME_CHARS_MAX));
    }

    #[test]
    fn what_is_not_looked_at_hides_nothing() {
        assert!(HARMLESS.is_sorted() && USUAL.is_sorted());
        for name in HARMLESS {
            assert!(!speaks_of_identity(name) && !speaks_of_framing(name) && !is_ours(name), "{name}");
        }
        for name in USUAL {
            assert!(!is_ours(name), "{name}");
        }
        for name in ["connection", "te", "upgrade", "expect", "keep-alive", "proxy-connection", "alt-svc"] {
            assert!(!is_harmless(name) && !is_usual(name), "{name}");
        }
        assert!(!is_harmless("content-length") && !is_harmless("transfer-encoding"));
        assert!(!is_usual("transfer-encoding") && !is_usual("service-worker-allowed"));
    }

    #[test]
    fn no_spelling_of_a_length_passes() {
        for name in [
            "content_length",
            "transfer_encoding",
            "content.length",
            "http_content_length",
            "_content-length",
        ] {
            assert!(speaks_of_framing(name), "{name}");
        }
        for name in ["content-type", "content-encoding", "x-content-length", "te"] {
            assert!(!speaks_of_framing(name), "{name}");
        }
    }

    #[test]
    fn no_spelling_of_who_is_calling_or_of_the_host_passes() {
        for name in [
            "_host",
            "host_",
            "host-",
            "http_host",
            "http-host",
            "http_http_host",
            "original-host",
            "authuser",
            "xforwardedfor",
            "xfcc",
            "x_sendfile_type",
            "x-accel-mapping",
            "xoriginatingip",
            "xclientcert",
            "remoteuser",
            "http_http_portcullis_assertion",
            "HTTP_HTTP_HTTP_CLIENT_CERT",
        ] {
            assert!(speaks_of_identity(name), "{name}");
        }
    }

    #[test]
    fn ordinary_headers_pass() {
        for name in [
            "accept",
            "accept-language",
            "authorization",
            "cache-control",
            "content-type",
            "cookie",
            "idempotency-key",
            "if-none-match",
            "origin",
            "range",
            "referer",
            "sec-fetch-mode",
            "sec-websocket-key",
            "traceparent",
            "user-agent",
            "via",
            "x-csrf-token",
            "x-requested-with",
            "client",
            "remote",
            "forwarding",
            "hostname",
            "cfo",
            "smile",
            "depth",
            "destination",
        ] {
            assert!(!speaks_of_identity(name), "{name}");
        }
    }
}
