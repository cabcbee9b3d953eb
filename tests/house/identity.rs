//! What the backend is told of the client, judged as a backend would: by the key set at the door.

use data_encoding::BASE64URL_NOPAD;
use portcullis::crypto::{sha256, verify_es256_fixed};
use serde_json::Value;

use crate::support::gate::{Gate, Handed};

/// Verifies the assertion by the key set, and that it names this client and no other.
pub(crate) fn check_assertion(gate: &Gate, handed: &Handed, jwt: &str) -> Value {
    let parts: Vec<&str> = jwt.split('.').collect();
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
    let head: Value = serde_json::from_slice(&decode(parts[0])).unwrap();
    let claims: Value = serde_json::from_slice(&decode(parts[1])).unwrap();
    assert_eq!(head["alg"], "ES256");
    let keys = gate.started().jwks["keys"].as_array().unwrap().clone();
    let key = keys.iter().find(|key| key["kid"] == head["kid"]).unwrap();
    let coordinate = |name: &str| decode(key[name].as_str().unwrap());
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let signed = format!("{}.{}", parts[0], parts[1]);
    verify_es256_fixed(&point, signed.as_bytes(), &decode(parts[2])).unwrap();
    let leaf = sha256(&handed.identity.chain[0]);
    assert_eq!(claims["cnf"]["x5t#S256"], BASE64URL_NOPAD.encode(&leaf), "{claims}");
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 30, "{claims}");
    claims
}
