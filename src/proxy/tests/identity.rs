//! What the backend is told, and that it can be verified.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{Backend, Gate, OK, Then, get, read};
use crate::crypto;

async fn told(gate: &Gate, backend: &Backend) -> (String, String) {
    backend.forget();
    read(gate.forward(get("/")).await.unwrap()).await.unwrap();
    let text = backend.text();
    let header = |name: &str| {
        text.split(&format!("\r\n{name}: ")).nth(1).map(|rest| rest.split("\r\n").next().unwrap().to_owned())
    };
    (header("portcullis-assertion").unwrap(), header("client-cert").unwrap_or_default())
}

fn verified(gate: &Gate, token: &str) -> Value {
    let jwks = gate.proxy.jwks();
    let key = &jwks["keys"][0];
    let (text, signature) = token.rsplit_once('.').unwrap();
    let (head, claims) = text.split_once('.').unwrap();
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
    let head: Value = serde_json::from_slice(&decode(head)).unwrap();
    assert_eq!(head, json!({ "alg": "ES256", "kid": key["kid"], "typ": "JWT" }));
    let mut point = vec![4];
    point.extend(decode(key["x"].as_str().unwrap()));
    point.extend(decode(key["y"].as_str().unwrap()));
    crypto::verify_es256_fixed(&point, text.as_bytes(), &decode(signature)).unwrap();
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, key["x"], key["y"]);
    assert_eq!(key["kid"], BASE64URL_NOPAD.encode(&crypto::sha256(canonical.as_bytes())));
    serde_json::from_slice(&decode(claims)).unwrap()
}

#[tokio::test]
async fn the_assertion_verifies_and_says_who_and_how() {
    let backend = Backend::answering(OK, Then::Stay).await;
    let gate = Gate::before(backend.address);
    let (token, certificate) = told(&gate, &backend).await;
    let mut claims = verified(&gate, &token);
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    claims.as_object_mut().unwrap().remove("jti");
    let now = super::NOW.secs();
    assert_eq!(
        claims,
        json!({
            "iss": "https://bank.localhost:8443", "aud": "bank/portal", "sub": "anna", "tenant": "bank",
            "name": "Anna Müster \"}", "device": "laptop-1", "device_name": "laptop",
            "groups": ["clients"], "roles": ["support"], "amr": ["swk", "pwd", "mca", "mfa"],
            "auth_time": now - 5, "iat": now, "nbf": now, "exp": now + 30,
            "cnf": { "x5t#S256": BASE64URL_NOPAD.encode(&crypto::sha256(super::DER)) },
        })
    );
    assert_eq!(certificate, format!(":{}:", data_encoding::BASE64.encode(super::DER)));
}

#[tokio::test]
async fn a_token_serves_for_seconds_and_never_near_its_end() {
    let backend = Backend::answering(OK, Then::Stay).await;
    let mut gate = Gate::before(backend.address);
    let first = told(&gate, &backend).await.0;
    gate.clock.advance(Duration::from_millis(4_999));
    assert_eq!(told(&gate, &backend).await.0, first);
    gate.clock.advance(Duration::from_millis(1));
    let second = told(&gate, &backend).await.0;
    assert_ne!(second, first);
    gate.route.name = "other".to_owned();
    gate.route.client_cert = false;
    let (other, certificate) = told(&gate, &backend).await;
    assert_eq!(verified(&gate, &other)["aud"], "bank/other");
    assert_eq!(certificate, "");
}
