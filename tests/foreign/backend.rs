//! Strangers at a running gate: curl and Node come in with our .p12, and Python's and Node's JOSE libraries
//! judge what the backend was told, by the key set that the gate publishes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use portcullis::crypto::{Signer, sha256};
use serde_json::{Value, json};

use crate::rig::{openssl, said, text};
use crate::strangers::{command, node, node_with_jose, python};
use crate::support::browser::program;
use crate::support::desk::anna;
use crate::support::gate::{Gate, Handed};

const BY_CERTIFICATE: &str = r#"
[[rule]]
name  = "News"
paths = ["/news/**"]
who   = ["group:clients"]
need  = ["certificate"]
"#;

/// A gate that lets Anna's certificate in by itself, and her two files: modern, then compatible.
async fn gate() -> (Gate, Vec<(PathBuf, Handed)>) {
    let gate = Gate::with(|plan| plan.portal = BY_CERTIFICATE.to_owned()).await;
    let modern = anna(&gate).await;
    gate.settle(&modern).await;
    let compatible = gate.renewed(&modern).await;
    std::fs::write(root(&gate), portcullis::ca::pem_of(&gate.wire.root)).unwrap();
    let files = [("modern", modern), ("compatible", compatible)].map(|(name, handed)| {
        let path = gate.folder.path().join(format!("{name}.p12"));
        std::fs::write(&path, &handed.p12).unwrap();
        (path, handed)
    });
    (gate, files.into())
}

fn root(gate: &Gate) -> PathBuf {
    gate.folder.path().join("root.pem")
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_comes_in_with_either_p12() {
    let Some(curl) = command("curl") else { return };
    let (gate, files) = gate().await;
    let host = gate.host("bank");
    let get = |path: &str, identity: Option<(&Path, &str)>| {
        let mut settings = format!(
            "silent\nshow-error\nfail-with-body\nheader = \"accept: application/json\"\nurl = \"https://{host}{path}\"\n\
             resolve = \"{host}:127.0.0.1\"\ncacert = \"{}\"\n",
            text(&root(&gate))
        );
        if let Some((file, password)) = identity {
            settings += &format!("cert-type = P12\ncert = \"{}\"\npass = \"{password}\"\n", text(file));
        }
        let mut child = Command::new(&curl)
            .args(["--disable", "--config", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(settings.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    for (file, handed) in &files {
        gate.backend.forget();
        let answer = away(|| get("/news/today", Some((file, &handed.import_password))));
        assert_eq!(said(&answer), "the bank's own page at /news/today");
        must_be_told_of(&gate, handed);
        let wrong = away(|| get("/news/today", Some((file, "wrong"))));
        assert_eq!(wrong.status.code(), Some(58), "{}", said(&wrong));
        gate.backend.forget();
        let closed = away(|| get("/secret", Some((file, &handed.import_password))));
        assert_eq!(closed.status.code(), Some(22), "{}", said(&closed));
        assert!(said(&closed).contains("urn:portcullis:refusal:policy-denied"), "{}", said(&closed));
    }
    let bare = away(|| get("/news/today", None));
    assert_eq!(bare.status.code(), Some(22), "{}", said(&bare));
    assert_eq!(gate.backend.bytes(), 0, "nothing without a certificate, nothing that no rule names");
}

#[tokio::test(flavor = "multi_thread")]
async fn node_comes_in_with_either_p12() {
    let Some(node) = node() else { return };
    let (gate, files) = gate().await;
    let port = gate.port.to_string();
    let get = |file: &Path, password: &str, path: &str| {
        let root = root(&gate);
        let arguments = ["fetch", text(file), text(&root), &port, "bank.localhost", path];
        away(|| node.ask(password, &arguments))
    };
    for (file, handed) in &files {
        gate.backend.forget();
        let answer = get(file, &handed.import_password, "/news/today").unwrap();
        assert_eq!(answer, json!({ "status": 200, "body": "the bank's own page at /news/today" }));
        must_be_told_of(&gate, handed);
        gate.backend.forget();
        assert_eq!(get(file, &handed.import_password, "/secret").unwrap()["status"], 403);
        get(file, "wrong", "/news/today").unwrap_err();
        assert_eq!(gate.backend.bytes(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jose_libraries_verify_what_the_backend_is_told() {
    let judges = [("PyJWT", python()), ("jose", node_with_jose())];
    let (gate, files) = gate().await;
    let handed = &files[0].1;
    let page = gate.browser("bank", handed).send(program("/news/today")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let token = gate.backend.header("portcullis-assertion").unwrap();
    let told = gate.wire.bare().send(&gate.host("bank"), program("/.portcullis/jwks.json")).await;
    let keys: Value = serde_json::from_slice(&told.body).unwrap();
    let (issuer, audience) = (format!("https://{}", gate.host("bank")), "bank/portal");
    let claims: Value = serde_json::from_slice(&decoded(token.split('.').nth(1).unwrap())).unwrap();
    let (from, to) = (claims["nbf"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());

    for (name, judge) in judges.iter().filter_map(|(name, judge)| Some((name, judge.as_ref()?))) {
        let verify = |token: &str, keys: &Value, issuer: &str, audience: &str, now: i64| {
            let file = |name: &str, content: &str| {
                let path = gate.folder.path().join(name);
                std::fs::write(&path, content).unwrap();
                path
            };
            let (token, keys) = (file("token", token), file("keys.json", &keys.to_string()));
            let words = ["jwt", text(&token), text(&keys), issuer, audience, &now.to_string()];
            away(|| judge.ask("", &words))
        };
        for now in [from, to - 1] {
            let claims = verify(&token, &keys, &issuer, audience, now).unwrap();
            for (claim, value) in [("sub", "anna"), ("tenant", "bank"), ("name", "Anna Muster")] {
                assert_eq!(claims[claim], value, "{name}: {claims}");
            }
            assert_eq!(claims["cnf"]["x5t#S256"], thumbprint(handed), "{name}");
        }
        for now in [from - 1, to] {
            verify(&token, &keys, &issuer, audience, now).unwrap_err();
        }
        for (issuer, audience) in [("https://evil.example", audience), (issuer.as_str(), "other/portal")] {
            verify(&token, &keys, issuer, audience, from).unwrap_err();
        }
        verify(&token, &another_key(&keys), &issuer, audience, from).unwrap_err();
        for (how, forged) in forgeries(&token, &keys) {
            let taken = verify(&forged, &keys, &issuer, audience, from);
            assert!(taken.is_err(), "{name} takes a token with {how}: {taken:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_reads_the_certificate_that_the_backend_is_told() {
    let (gate, files) = gate().await;
    let handed = &files[0].1;
    gate.browser("bank", handed).send(program("/news/today")).await;
    let header = gate.backend.header("client-cert").unwrap();
    let base64 = header.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).unwrap();
    let file = gate.folder.path().join("told.der");
    std::fs::write(&file, BASE64.decode(base64.as_bytes()).unwrap()).unwrap();
    let read = openssl(&["x509", "-inform", "DER", "-in", text(&file), "-noout", "-fingerprint", "-sha256"]);
    let printed = said(&read).replace(':', "").to_lowercase();
    assert!(printed.contains(&HEXLOWER.encode(&sha256(&handed.identity.chain[0]))), "{printed}");
}

/// Tokens that nobody may take.
fn forgeries(token: &str, keys: &Value) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = token.split('.').collect();
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let decode = |part: &str| -> Value { serde_json::from_slice(&decoded(part)).unwrap() };
    let head = |algorithm: &str| {
        let mut head = decode(parts[0]);
        head["alg"] = json!(algorithm);
        encode(&head)
    };
    let mut claims = decode(parts[1]);
    claims["sub"] = json!("ben");
    let mut signature = decoded(parts[2]);
    signature[40] ^= 1;
    let zeros = BASE64URL_NOPAD.encode(&[0; 64]);
    let stranger = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
    let by_stranger = stranger.sign(format!("{}.{}", parts[0], parts[1]).as_bytes()).unwrap();
    // The public key taken for an HMAC's secret, as RFC 8725 2.1 warns.
    let hmac_head = head("HS256");
    let secret = keys["keys"][0]["x"].as_str().unwrap();
    let hmac = hmac(secret, &format!("{hmac_head}.{}", parts[1]));
    vec![
        ("other claims", format!("{}.{}.{}", parts[0], encode(&claims), parts[2])),
        ("a changed signature", format!("{}.{}.{}", parts[0], parts[1], BASE64URL_NOPAD.encode(&signature))),
        ("half a signature", format!("{}.{}.{}", parts[0], parts[1], &parts[2][..43])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("a signature of zeros", format!("{}.{}.{zeros}", parts[0], parts[1])),
        (
            "another's signature",
            format!("{}.{}.{}", parts[0], parts[1], BASE64URL_NOPAD.encode(&by_stranger)),
        ),
        ("no algorithm", format!("{}.{}.", head("none"), parts[1])),
        ("an HMAC", format!("{hmac_head}.{}.{}", parts[1], BASE64URL_NOPAD.encode(&hmac))),
        ("another algorithm's name", format!("{}.{}.{}", head("ES384"), parts[1], parts[2])),
    ]
}

/// HMAC-SHA-256, by openssl.
fn hmac(secret: &str, message: &str) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), message).unwrap();
    let made = openssl(&["dgst", "-sha256", "-hmac", secret, "-binary", text(file.path())]);
    assert_eq!(made.stdout.len(), 32, "{}", said(&made));
    made.stdout
}

/// The key set with another key under the same name.
fn another_key(keys: &Value) -> Value {
    let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
    let mut keys = keys.clone();
    keys["keys"][0]["x"] = json!(BASE64URL_NOPAD.encode(&signer.public()[1..33]));
    keys["keys"][0]["y"] = json!(BASE64URL_NOPAD.encode(&signer.public()[33..]));
    keys
}

#[track_caller]
fn must_be_told_of(gate: &Gate, handed: &Handed) {
    let token = gate.backend.header("portcullis-assertion").expect("the backend is told who it is");
    let claims: Value = serde_json::from_slice(&decoded(token.split('.').nth(1).unwrap())).unwrap();
    assert_eq!(claims["cnf"]["x5t#S256"], thumbprint(handed), "{claims}");
}

fn decoded(part: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()
}

fn thumbprint(handed: &Handed) -> String {
    BASE64URL_NOPAD.encode(&sha256(&handed.identity.chain[0]))
}

/// Waits for a command without holding up the gate, which runs in the same process.
fn away<T>(run: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(run)
}
