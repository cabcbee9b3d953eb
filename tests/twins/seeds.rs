//! Where the corpus begins: inputs that say in their names whether they are taken. `UPDATE_CORPUS=1` writes
//! them beside what fuzzing has found since, whose names are hashes.

use ciborium::Value;
use data_encoding::{BASE64, BASE64_MIME, BASE64URL_NOPAD};
use portcullis::auth::session::COOKIE;
use portcullis::crypto::sha256;
use portcullis::policy::shipped;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use crate::corpus;
use crate::properties::assertion::challenge;
use crate::properties::est::ROOM;
use crate::properties::{ALL, Heard};

type Seeds = Vec<(&'static str, &'static str, Vec<u8>)>;

#[test]
#[allow(clippy::disallowed_methods, reason = "whoever runs the test says whether to write the seeds anew")]
fn seeds_are_what_their_names_say() {
    let seeds = [phones(), certificates(), enrolments(), texts(), requests()].concat();
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        for (target, name, input) in &seeds {
            let folder = corpus::folder().join(target);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), input).unwrap();
        }
    }
    for (target, name, _) in &seeds {
        let (_, holds) = ALL.into_iter().find(|(other, _)| other == target).unwrap();
        let committed = corpus::of(target).into_iter().find(|(file, _)| file == name);
        let (_, input) = committed.unwrap_or_else(|| panic!("UPDATE_CORPUS=1 writes {target}/{name}"));
        let heard = holds(&input);
        // "either": RFC 9112 6.1 leaves it open, and what comes of it is the property's to judge.
        if !name.starts_with("either") {
            assert_eq!(heard, Heard::accepted_if(name.starts_with("taken")), "{target}/{name}");
        }
    }
}

fn phones() -> Seeds {
    let client = |kind: &str, more: &str| {
        let challenge = BASE64URL_NOPAD.encode(&challenge());
        format!(
            r#"{{"type":"webauthn.{kind}","challenge":"{challenge}","origin":"https://phone.localhost:8443"{more}}}"#
        )
    };
    let said = |host: &str, flags: u8, count: u32, more: &[u8]| {
        [&sha256(host.as_bytes())[..], &[flags], &count.to_be_bytes(), more].concat()
    };
    let joined = |client: &str, rest: &[u8]| {
        let length = u16::try_from(client.len()).unwrap().to_be_bytes();
        [&length[..], client.as_bytes(), rest].concat()
    };
    let assertion = |last: u8, client: &str, said: &[u8]| [vec![last], joined(client, said)].concat();
    let get = client("get", "");
    let here = "phone.localhost";
    let extension = [0xa1, 0x61, b'x', 0xf5];

    let pair = |label: i64, value: Value| (Value::from(label), value);
    let coordinate = |byte: u8| Value::Bytes(vec![byte; 32]);
    let key = |algorithm: i64| {
        let numbers = [pair(1, 2.into()), pair(3, algorithm.into()), pair(-1, 1.into())];
        let point = [pair(-2, coordinate(7)), pair(-3, coordinate(9))];
        cbor(&Value::Map([&numbers[..], &point[..]].concat()))
    };
    let attested = |length: u16, key: &[u8]| {
        [&[0; 16][..], &length.to_be_bytes(), &vec![5; usize::from(length)], key].concat()
    };
    let object = |said: Vec<u8>| {
        let text = |text: &str| Value::Text(text.to_owned());
        cbor(&Value::Map(vec![
            (text("fmt"), text("none")),
            (text("attStmt"), Value::Map(vec![])),
            (text("authData"), Value::Bytes(said)),
        ]))
    };
    let create = client("create", "");
    let made = |flags: u8, length: u16, key: &[u8]| object(said(here, flags, 0, &attested(length, key)));
    let header = |time: &str, phone: &str| {
        let (nonce, signature) = (BASE64URL_NOPAD.encode(&[3; 16]), BASE64URL_NOPAD.encode(&[4; 64]));
        format!("phone={phone};time={time};nonce={nonce};sig={signature}").into_bytes()
    };
    vec![
        ("assertion", "taken", assertion(0, &get, &said(here, 0x05, 1, &[]))),
        ("assertion", "taken-synced", assertion(0, &get, &said(here, 0x1d, 0, &[]))),
        ("assertion", "taken-extension", assertion(7, &get, &said(here, 0x85, 8, &extension))),
        (
            "assertion",
            "taken-not-crossed",
            assertion(0, &client("get", r#","crossOrigin":false"#), &said(here, 0x05, 1, &[])),
        ),
        ("assertion", "refused-counter", assertion(9, &get, &said(here, 0x05, 9, &[]))),
        ("assertion", "refused-unlocked", assertion(0, &get, &said(here, 0x01, 1, &[]))),
        ("assertion", "refused-elsewhere", assertion(0, &get, &said("evil.localhost", 0x05, 1, &[]))),
        ("assertion", "refused-created", assertion(0, &create, &said(here, 0x05, 1, &[]))),
        (
            "assertion",
            "refused-crossed",
            assertion(0, &client("get", r#","crossOrigin":true"#), &said(here, 0x05, 1, &[])),
        ),
        ("attestation", "taken", joined(&create, &made(0x45, 16, &key(-7)))),
        ("attestation", "taken-synced", joined(&create, &made(0x5d, 1023, &key(-7)))),
        ("attestation", "refused-key", joined(&create, &made(0x45, 16, &key(-257)))),
        ("attestation", "refused-no-id", joined(&create, &made(0x45, 0, &key(-7)))),
        ("attestation", "refused-no-key", joined(&create, &object(said(here, 0x05, 0, &[])))),
        ("proof", "taken-new", header("1795292244000", "new")),
        ("proof", "taken-phone", header("1795292244000", "bank.anna.aaaaaaaaaaaaaaaaaaaaaaaaaa")),
        ("proof", "taken-zero", header("0", "new")),
        ("proof", "refused-more", [&header("0", "new")[..], b";x=y"].concat()),
        ("proof", "refused-time", header("1795292244000000", "new")),
        ("proof", "refused-phone", header("1795292244000", "bank.anna")),
    ]
}

/// What the CA of `fuzz/properties/certificate.rs` is asked to sign.
fn certificates() -> Seeds {
    let mut ca = rcgen::CertificateParams::default();
    ca.distinguished_name = rcgen::DistinguishedName::new();
    ca.distinguished_name.push(rcgen::DnType::CommonName, "Fuzz CA");
    let ca = rcgen::Issuer::new(ca, rcgen::KeyPair::generate().unwrap());
    let uri = |text: &str| rcgen::SanType::URI(text.try_into().unwrap());
    let leaf = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![uri("portcullis://bank/device/laptop-1")];
        change(&mut params);
        params.signed_by(&rcgen::KeyPair::generate().unwrap(), &ca).unwrap().der().to_vec()
    };
    let said = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let der = leaf(change);
        let (_, read) = x509_parser::parse_x509_certificate(&der).unwrap();
        [&[1], read.tbs_certificate.as_ref()].concat()
    };
    let server = rcgen::ExtendedKeyUsagePurpose::ServerAuth;
    let unsigned = [vec![0], leaf(&|_| {})].concat();
    vec![
        ("certificate", "taken", said(&|_| {})),
        (
            "certificate",
            "taken-short",
            said(&|it| it.subject_alt_names = vec![uri("portcullis://b/device/d")]),
        ),
        ("certificate", "refused-server", said(&|it| it.extended_key_usages.push(server.clone()))),
        ("certificate", "refused-two", said(&|it| it.subject_alt_names.push(uri("portcullis://b/device/d")))),
        (
            "certificate",
            "refused-spelling",
            said(&|it| it.subject_alt_names = vec![uri("portcullis://BANK/device/x")]),
        ),
        (
            "certificate",
            "refused-ca",
            said(&|it| it.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
        ),
        ("certificate", "refused-unsigned", unsigned),
    ]
}

/// Bodies as they came, and what the key of `fuzz/properties/est.rs` is asked to sign.
fn enrolments() -> Seeds {
    let request = |algorithm| {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let params = rcgen::CertificateParams::new(vec!["wish.example".to_owned()]).unwrap();
        (params.serialize_request(&key).unwrap().der().to_vec(), key)
    };
    let (p256, key) = request(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (p384, _) = request(&rcgen::PKCS_ECDSA_P384_SHA384);
    let (ed25519, _) = request(&rcgen::PKCS_ED25519);
    let came = |body: String| [&[0], body.as_bytes()].concat();
    let (_, read) = X509CertificationRequest::from_der(&p256).unwrap();
    let mut said = read.certification_request_info.raw.to_vec();
    let point = key.public_key_raw();
    let at = said.windows(point.len()).position(|window| window == point).unwrap();
    said[at..at + point.len()].copy_from_slice(ROOM);
    vec![
        ("est", "taken", [&[1], said.as_slice()].concat()),
        ("est", "taken-one-line", came(BASE64.encode(&p256))),
        ("est", "taken-lines", came(BASE64_MIME.encode(&p384))),
        ("est", "refused-kind", came(BASE64.encode(&ed25519))),
        ("est", "refused-blank", came(format!(" {}", BASE64.encode(&p256)))),
        ("est", "refused-armour", came(pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", p256.clone())))),
        ("est", "refused-unsigned", [&[1], &said[..said.len() - 1]].concat()),
    ]
}

fn texts() -> Seeds {
    let token = BASE64URL_NOPAD.encode(&[9; 32]);
    let shown = |digits: &str, site: &str| {
        let fields =
            [site, "bank.localhost", "Anna", "laptop", "Chrome on Linux", "192.0.2.7", digits, "Ben"];
        fields.join("\0").into_bytes()
    };
    let ruled = |path: &str, shipped: shipped::Shipped| format!("{path}\0{}", shipped.rules).into_bytes();
    let small =
        "data = \"data\"\n[console]\nhost = \"console.example.com\"\n[phone]\nhost = \"phone.example.com\"\n";
    let portal = "[[portal]]\ntenant = \"bank\"\nhost = \"bank.example.com\"\n[limits]\ndrain_seconds = 5\n";
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("approval", "taken", shown("482913", "Bank Muster & Cie")),
        ("approval", "taken-lines", shown("000000", "Bank\nverdict: approve\r\u{85}\u{2028}")),
        ("approval", "refused-digits", shown("48291\n", "Bank")),
        ("approval", "refused-not-me", shown("", &"x".repeat(200))),
        ("config", "taken-small", text(small)),
        ("config", "taken-portal", text(&format!("{small}{portal}"))),
        ("config", "refused-twice", text(&small.replace("phone.example", "console.example"))),
        ("config", "refused-word", text(&format!("{small}drain = 5\n"))),
        ("cookie", "taken", text(&format!("a=b; {COOKIE}={token}; c=d"))),
        ("cookie", "taken-lines", text(&format!("a=b\n{COOKIE}={token}\nc"))),
        ("cookie", "refused-two", text(&format!("{COOKIE}={token}; {COOKIE}={token}"))),
        ("cookie", "refused-short", text(&format!("{COOKIE}={}", &token[1..]))),
        ("form", "taken", text("password=+z%C3%BCri+%26+&code=482+913&tick=&a=1&a=2&code=4-8-2.913")),
        ("form", "taken-empty", text("&&=&x&=y")),
        ("form", "refused-bytes", text("a=%ff")),
        ("form", "refused-many", text(&"a=1&".repeat(64))),
        ("names", "taken-uri", text("portcullis://bank/device/laptop-1")),
        ("names", "taken-handle", text("bank.anna.aaaaaaaaaaaaaaaaaaaaaaaaaa")),
        ("names", "taken-id", text("bank-2")),
        ("names", "refused-uri", text("portcullis://Bank/device/laptop-1")),
        ("names", "refused-handle", text("bank.anna.a.b")),
        ("path", "taken", text("/accounts/1/")),
        ("path", "taken-escapes", text("/z%C3%BCrich/a%20b/~x.y")),
        ("path", "refused-dots", text("/a/../b")),
        ("path", "refused-twice", text("/a/%252e%252e/b")),
        ("rules", "taken-portal", ruled("/accounts/1", shipped::PORTAL)),
        ("rules", "taken-desk", ruled("/people/bank/anna", shipped::DEMO_CONSOLE)),
        ("rules", "taken-fresh", text(&format!("/pay\0{FRESH}"))),
        ("rules", "refused-word", text(&format!("/\0{}", FRESH.replace("need", "needs")))),
        ("rules", "refused-empty", text("/\0")),
    ]
}

const FRESH: &str = r#"[[rule]]
name  = "Pay"
paths = ["/pay/**"]
methods = ["POST"]
who   = ["group:clients"]
whence = ["192.0.2.0/24"]
hours = "Mon-Fri 07:00-19:00 Europe/Zurich"
need  = ["certificate", "password", "phone < 5m"]

[[rule]]
name  = "News"
paths = ["/news/*"]
who   = ["group:clients"]
need  = ["certificate"]
"#;

fn requests() -> Seeds {
    let h1 = |kind: u8, text: &str| [&[kind], text.as_bytes()].concat();
    let h2 = |kind: u8, frames: &[Vec<u8>]| [vec![kind | 8], frames.concat()].concat();
    let get = "GET /news HTTP/1.1\r\nhost: bank.localhost\r\naccept: application/json\r\n";
    let post = "POST /news HTTP/1.1\r\nhost: bank.localhost\r\n";
    let pair = "POST /api/pair/begin HTTP/1.1\r\nhost: phone.localhost\r\ncontent-type: application/json\r\n";
    let (end, more) = (0x5, 0x4);
    vec![
        ("front", "taken-get", h1(16, &format!("{get}\r\n"))),
        ("front", "taken-two", h1(16, &format!("{get}\r\n{get}cookie: a=b\r\nforwarded: for=1\r\n\r\n"))),
        ("front", "taken-length", h1(16, &format!("{post}content-length: 3\r\n\r\na=b"))),
        (
            "front",
            "taken-chunks",
            h1(16, &format!("{post}transfer-encoding: chunked\r\n\r\n3;x=y\r\na=b\r\n0\r\nt: u\r\n\r\n")),
        ),
        ("front", "taken-head", h1(16, "HEAD /news HTTP/1.1\r\nhost: bank.localhost\r\n\r\n")),
        ("front", "taken-h2", h2(16, &[headers(1, end, b"\x82", "/news", "bank.localhost", &[])])),
        (
            "front",
            "taken-h2-body",
            h2(16, &[headers(1, more, b"\x83", "/news", "bank.localhost", &[]), frame(0, 1, 1, b"a=b")]),
        ),
        ("front", "refused-bare", h1(0, &format!("{get}\r\n"))),
        (
            "front",
            "either-both",
            h1(
                16,
                &format!(
                    "{post}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
                ),
            ),
        ),
        (
            "front",
            "refused-claims",
            h1(0, &format!("{get}portcullis-assertion: x.y.z\r\nclient_cert: :AAAA:\r\n\r\n")),
        ),
        (
            "front",
            "taken-claims",
            h1(
                16,
                &format!(
                    "{get}portcullis_assertion: x.y.z\r\nClient_Cert: :AAAA:\r\nHTTP_CLIENT_CERT: x\r\n\r\n"
                ),
            ),
        ),
        ("front", "refused-elsewhere", h1(17, "GET /news HTTP/1.1\r\nhost: other.localhost\r\n\r\n")),
        ("front", "refused-phone", h1(3, &format!("{pair}content-length: 2\r\n\r\n{{}}"))),
        ("front", "refused-desk", h1(2, "GET /people HTTP/1.1\r\nhost: console.localhost\r\n\r\n")),
        ("front", "refused-words", h1(4, "\x16\x03\x01 what\r\n\r\n")),
        (
            "front",
            "refused-h2-te",
            h2(
                16,
                &[headers(1, end, b"\x82", "/news", "bank.localhost", &[("transfer-encoding", "chunked")])],
            ),
        ),
        ("front", "refused-h2-bare", h2(0, &[headers(1, end, b"\x82", "/news", "bank.localhost", &[])])),
    ]
}

/// A HEADERS frame (RFC 9113 6.2), its fields literal and not indexed (RFC 7541 6.2.2).
fn headers(stream: u8, flags: u8, method: &[u8], path: &str, host: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let mut block = [method, b"\x87\x04", &text(path), b"\x01", &text(host)].concat();
    for (name, value) in more {
        block.extend([vec![0], text(name), text(value)].concat());
    }
    frame(1, flags, stream, &block)
}

fn frame(kind: u8, flags: u8, stream: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], content].concat()
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}
