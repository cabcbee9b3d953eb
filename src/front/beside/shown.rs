//! Which certificate a client showed to another proxy, in that proxy's spelling. Knows nothing of its worth.

use data_encoding::BASE64;
use http::HeaderMap;

use super::Kind;
use super::asked::one;
use crate::domain::Reason;

/// The leaf, DER; none where the client showed none. A header that cannot be read is no "none".
pub(super) fn certificate(kind: Kind, headers: &HeaderMap) -> Result<Option<Vec<u8>>, Reason> {
    let Some(text) = one(headers, header(kind))?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let der = match kind {
        Kind::Rfc9440 => byte_sequence(text),
        Kind::Nginx if text.starts_with(':') => byte_sequence(text),
        Kind::Nginx => escaped_pem(text),
        Kind::Traefik => bare_pem(text),
        Kind::Envoy => element(text).and_then(escaped_pem),
    };
    let der =
        der.ok_or(Reason::BadRequest("the certificate that the proxy in front passes on cannot be read"))?;
    Ok(Some(der).filter(|der| !der.is_empty()))
}

/// Takes away what is read here: it is for us alone.
pub(super) fn forget(kind: Kind, headers: &mut HeaderMap) {
    headers.remove(header(kind));
}

fn header(kind: Kind) -> &'static str {
    match kind {
        Kind::Nginx | Kind::Rfc9440 => "client-cert",
        Kind::Traefik => "x-forwarded-tls-client-cert",
        Kind::Envoy => "x-forwarded-client-cert",
    }
}

/// `:base64:` (RFC 9440 2.2, RFC 8941 3.3.5). Without a certificate a template leaves it empty.
fn byte_sequence(text: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(':')?.strip_suffix(':')?;
    BASE64.decode(inner.as_bytes()).ok()
}

/// One certificate in PEM, percent-encoded.
fn escaped_pem(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
    let pieces = pem::parse_many(text).ok()?;
    let [leaf] = pieces.as_slice() else { return None };
    (leaf.tag() == "CERTIFICATE").then(|| leaf.contents().to_vec())
}

/// The body of a PEM block, percent-encoded or not; those of the chain's others follow after commas.
fn bare_pem(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
    let leaf = text.split(|byte| *byte == b',').next()?;
    BASE64.decode(leaf).ok().filter(|der| !der.is_empty())
}

/// What `Cert` says in the one element of Envoy's header: of several, which one its client proved is a guess.
fn element(text: &str) -> Option<&str> {
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    let mut found = None;
    for (at, byte) in text.bytes().chain([b';']).enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return None,
            b';' if !quoted => {
                let pair = text[start..at].trim();
                start = at + 1;
                if let Some((name, value)) = pair.split_once('=')
                    && name.eq_ignore_ascii_case("cert")
                    && found.replace(value.trim_matches('"')).is_some()
                {
                    return None;
                }
            }
            _ => {}
        }
    }
    found.filter(|_| !quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DER: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0xfb, 0xff, 0xfe];

    fn read(kind: Kind, values: &[&str]) -> Result<Option<Vec<u8>>, Reason> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header(kind), value.parse().unwrap());
        }
        certificate(kind, &headers)
    }

    fn escaped() -> String {
        let text = pem::encode(&pem::Pem::new("CERTIFICATE", DER)).replace("\r\n", "\n");
        percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string()
    }

    #[test]
    fn each_proxy_is_read_in_its_spelling() {
        let base64 = BASE64.encode(DER);
        let whole = Ok(Some(DER.to_vec()));
        assert_eq!(read(Kind::Rfc9440, &[&format!(":{base64}:")]), whole);
        assert_eq!(read(Kind::Nginx, &[&format!(":{base64}:")]), whole);
        assert_eq!(read(Kind::Nginx, &[&escaped()]), whole);
        assert_eq!(read(Kind::Traefik, &[&base64]), whole);
        assert_eq!(read(Kind::Traefik, &[&format!("{base64},{base64}")]), whole);
        let percent = percent_encoding::utf8_percent_encode(&base64, percent_encoding::NON_ALPHANUMERIC);
        assert_eq!(read(Kind::Traefik, &[&percent.to_string()]), whole);
        let element =
            format!(r#"By=spiffe://a;Hash=00ff;Subject="CN=\"a;b\",O=c";Cert="{}";URI="#, escaped());
        assert_eq!(read(Kind::Envoy, &[&element]), whole);
    }

    #[test]
    fn nothing_shown_is_nothing() {
        for kind in [Kind::Nginx, Kind::Rfc9440, Kind::Traefik, Kind::Envoy] {
            assert_eq!(read(kind, &[]), Ok(None));
            assert_eq!(read(kind, &[""]), Ok(None));
        }
        assert_eq!(read(Kind::Rfc9440, &["::"]), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_is_not_nothing() {
        let base64 = format!(":{}:", BASE64.encode(DER));
        let pem = escaped();
        let twice = format!("{pem}{pem}");
        let other = pem.replace("CERTIFICATE", "PRIVATE%20KEY");
        let (one, two) = (format!("Cert=\"{pem}\""), format!("Cert=\"{pem}\";cert=\"{pem}\""));
        let several = format!("{one},{one}");
        for (kind, values) in [
            (Kind::Rfc9440, &[base64.as_str(), base64.as_str()][..]),
            (Kind::Rfc9440, &[base64.trim_matches(':')]),
            (Kind::Rfc9440, &[pem.as_str()]),
            (Kind::Rfc9440, &[":?:"]),
            (Kind::Nginx, &["x"]),
            (Kind::Nginx, &[twice.as_str()]),
            (Kind::Nginx, &[other.as_str()]),
            (Kind::Traefik, &[","]),
            (Kind::Traefik, &["?"]),
            (Kind::Envoy, &[two.as_str()]),
            (Kind::Envoy, &[several.as_str()]),
            (Kind::Envoy, &["Hash=00ff"]),
            (Kind::Envoy, &["Cert=\"x"]),
        ] {
            assert!(read(kind, values).is_err(), "{kind:?} {values:?}");
        }
    }
}
