//! Believes what the gate signed, and nothing else: how any backend learns who is calling.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::HeaderMap;
use serde_json::Value;

use crate::crypto;
use crate::domain::Time;

/// The gate, as far as a backend knows it: its public keys.
pub(super) struct Gate {
    /// Key id and SEC1 point.
    keys: Vec<(String, Vec<u8>)>,
}

/// Who is calling, as the gate signed it.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) host: String,
    pub(super) person: String,
    pub(super) name: String,
    pub(super) device: String,
    pub(super) factors: Vec<&'static str>,
    pub(super) signed_in: Option<Time>,
    /// SHA-256 of the client's certificate, in hex.
    pub(super) thumbprint: String,
    /// Subject of that certificate, where the gate forwards it.
    pub(super) subject: Option<String>,
    pub(super) claims: Value,
}

/// The request does not carry the gate's signature for this moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotFromTheGate;

impl Gate {
    /// Takes the P-256 keys of a JWK set; others are of no use here.
    pub(super) fn from_jwks(jwks: &Value) -> Self {
        let key = |key: &Value| {
            let text = |name: &str| key.get(name).and_then(Value::as_str);
            if text("kty") != Some("EC") || text("crv") != Some("P-256") {
                return None;
            }
            let mut point = vec![4];
            point.extend(decoded(text("x")?)?);
            point.extend(decoded(text("y")?)?);
            Some((text("kid")?.to_owned(), point))
        };
        Self { keys: jwks["keys"].as_array().into_iter().flatten().filter_map(key).collect() }
    }

    /// Who is calling. Signature, times, issuer and audience must all be right, and a
    /// forwarded certificate must be the one that the token is bound to.
    pub(super) fn caller(&self, headers: &HeaderMap, now: Time) -> Result<Caller, NotFromTheGate> {
        self.read(headers, now).ok_or(NotFromTheGate)
    }

    fn read(&self, headers: &HeaderMap, now: Time) -> Option<Caller> {
        let token = only(headers, "portcullis-assertion")?;
        let host = only(headers, "host")?;
        let claims = self.verified(token)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let time = |name: &str| claims.get(name).and_then(Value::as_i64);
        let in_time = time("nbf")? - SKEW_SECS <= now.secs() && now.secs() < time("exp")?;
        let ours = text("iss")? == format!("https://{host}")
            && text("aud")?.split_once('/').is_some_and(|(tenant, _)| Some(tenant) == text("tenant"));
        if !in_time || !ours {
            return None;
        }
        let thumbprint = decoded(claims["cnf"]["x5t#S256"].as_str()?)?;
        let subject = match headers.get("client-cert") {
            None => None,
            Some(_) => Some(subject(only(headers, "client-cert")?, &thumbprint)?),
        };
        let amr = claims["amr"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Some(Caller {
            host: host.to_owned(),
            person: text("sub")?.to_owned(),
            name: text("name")?.to_owned(),
            device: text("device_name")?.to_owned(),
            factors: amr.filter_map(factor).collect(),
            signed_in: time("auth_time").map(Time::from_secs),
            thumbprint: data_encoding::HEXLOWER.encode(&thumbprint),
            subject,
            claims,
        })
    }

    /// What a receipt says, where it is the gate's own, for us, and just signed. Whether it is for the request
    /// that brings it is the caller's to see.
    pub(super) fn receipt(&self, headers: &HeaderMap, now: Time) -> Result<Value, NotFromTheGate> {
        self.read_receipt(headers, now).ok_or(NotFromTheGate)
    }

    fn read_receipt(&self, headers: &HeaderMap, now: Time) -> Option<Value> {
        let token = only(headers, super::payments::RECEIPT)?;
        let head: Value = serde_json::from_slice(&decoded(token.split('.').next()?)?).ok()?;
        let claims = self.verified(token)?;
        let time = |name: &str| claims.get(name).and_then(Value::as_i64);
        let in_time = time("iat")? - SKEW_SECS <= now.secs() && now.secs() < time("exp")? + SKEW_SECS;
        let ours = claims["iss"] == format!("https://{}", only(headers, "host")?)
            && claims["aud"].as_str()?.split_once('/').map(|(tenant, _)| tenant) == claims["tenant"].as_str();
        (head["typ"] == "portcullis-confirmation+jwt" && in_time && ours).then_some(claims)
    }

    /// The claims of a token that one of the keys signed (RFC 7515, ES256 only).
    fn verified(&self, token: &str) -> Option<Value> {
        let (text, signature) = token.rsplit_once('.')?;
        let (head, claims) = text.split_once('.')?;
        let head: Value = serde_json::from_slice(&decoded(head)?).ok()?;
        if head["alg"] != "ES256" {
            return None;
        }
        let (_, key) = self.keys.iter().find(|(id, _)| head["kid"] == *id)?;
        crypto::verify_es256_fixed(key, text.as_bytes(), &decoded(signature)?).ok()?;
        serde_json::from_slice(&decoded(claims)?).ok()
    }
}

/// Common name of the certificate in a `Client-Cert` (RFC 9440), if it is the right one.
fn subject(header: &str, thumbprint: &[u8]) -> Option<String> {
    let der = BASE64.decode(header.strip_prefix(':')?.strip_suffix(':')?.as_bytes()).ok()?;
    if !crypto::same(&crypto::sha256(&der), thumbprint) {
        return None;
    }
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}

/// RFC 8176, in words.
fn factor(method: &str) -> Option<&'static str> {
    match method {
        "swk" | "hwk" => Some("certificate on this device"),
        "pwd" => Some("password"),
        "mca" => Some("approval on your phone"),
        _ => None,
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

/// Two clocks on one machine or one network differ by less.
const SKEW_SECS: i64 = 5;
