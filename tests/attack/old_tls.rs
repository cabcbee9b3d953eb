//! What TLS once was: old versions, weak suites, compression, heartbeats. At no door, with a client
//! certificate or without, is any of it spoken. Hellos by hand, and OpenSSL where it still can.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::inside::Inside;
use crate::openssl::{Openssl, words};
use crate::support::PATIENCE;

/// A `ClientHello` of TLS 1.2 and before (RFC 5246 7.4.1.2).
struct Hello<'a> {
    sni: &'a str,
    record: u16,
    version: u16,
    suites: &'a [u16],
    compressions: &'a [u8],
    /// In `supported_versions`; none: it is not there.
    versions: &'a [u16],
    heartbeat: bool,
}

impl<'a> Hello<'a> {
    fn to(sni: &'a str) -> Self {
        let (version, suites) = (0x0303, MODERN.as_slice());
        Self { sni, record: 0x0301, version, suites, compressions: &[0], versions: &[], heartbeat: false }
    }

    fn bytes(&self) -> Vec<u8> {
        let name = [&[0], &sized16(self.sni.as_bytes())[..]].concat();
        let mut extensions = vec![
            (0, sized16(&name)),
            (10, sized16(&[0, 23, 0, 29])),
            (11, vec![1, 0]),
            (13, sized16(&[4, 3, 8, 4, 4, 1, 2, 3, 2, 1])),
            (23, vec![]),
        ];
        if !self.versions.is_empty() {
            extensions.push((43, sized8(&wide(self.versions))));
        }
        if self.heartbeat {
            extensions.push((15, vec![1]));
        }
        let extensions: Vec<u8> = extensions
            .into_iter()
            .flat_map(|(kind, data): (u16, Vec<u8>)| [kind.to_be_bytes().to_vec(), sized16(&data)].concat())
            .collect();
        let body = [
            &self.version.to_be_bytes()[..],
            &[7; 32],
            &[0],
            &sized16(&wide(self.suites)),
            &sized8(self.compressions),
            &sized16(&extensions),
        ]
        .concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[1], &length[1..], &body].concat();
        [&[22][..], &self.record.to_be_bytes(), &sized16(&message)].concat()
    }
}

fn wide(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn sized16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn sized8(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

/// Records that come back to these bytes, each with its type, until an alert, the end of the server's first
/// words, or the end.
fn records(to: SocketAddr, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut socket = TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = socket.write_all(bytes);
    let mut records = Vec::new();
    loop {
        let mut head = [0; 5];
        if socket.read_exact(&mut head).is_err() {
            return records;
        }
        let mut data = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        socket.read_exact(&mut data).unwrap();
        let last = head[0] == 21 || has_message(&data, SERVER_HELLO_DONE);
        records.push((head[0], data));
        if last {
            return records;
        }
    }
}

/// Whether a record of whole messages of a handshake has one of this kind.
fn has_message(mut data: &[u8], kind: u8) -> bool {
    while let [first, a, b, c, ..] = *data {
        let length = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
        if first == kind {
            return true;
        }
        data = data.get(length..).unwrap_or_default();
    }
    false
}

/// What the server said first: random, suite, compression, and the extensions' numbers.
fn server_hello(records: &[(u8, Vec<u8>)]) -> Option<([u8; 32], u16, u8, Vec<u16>)> {
    let (22, data) = records.first()? else { return None };
    let body = data.get(4..).filter(|_| data[0] == 2)?;
    let random = body[2..34].try_into().unwrap();
    let rest = &body[35 + usize::from(body[34])..];
    let mut extensions = &rest[5..5 + usize::from(u16::from_be_bytes([rest[3], rest[4]]))];
    let mut kinds = Vec::new();
    while let [a, b, c, d, ..] = *extensions {
        kinds.push(u16::from_be_bytes([a, b]));
        extensions = &extensions[4 + usize::from(u16::from_be_bytes([c, d]))..];
    }
    Some((random, u16::from_be_bytes([rest[0], rest[1]]), rest[2], kinds))
}

/// A fatal alert and nothing else.
#[track_caller]
fn must_be_refused(records: &[(u8, Vec<u8>)], alerts: &[u8], what: &str) {
    let refused = matches!(records, [(21, alert)] if alert[0] == 2 && alerts.contains(&alert[1]));
    assert!(refused, "{what}: {records:?}");
}

/// T-23. SSL 2.0 and 3.0, TLS 1.0 and 1.1, said in each place in which a version is said.
#[tokio::test(flavor = "multi_thread")]
async fn no_version_before_1_2_is_spoken() {
    let inside = Inside::open().await;
    let address = inside.client.wire.address;
    let openssl = Openssl::to(address);
    for sni in DOORS {
        let hello = Hello::to(sni).bytes();
        assert!(
            server_hello(&records(address, &hello)).is_some(),
            "TLS 1.2 is spoken, so the rest shows something"
        );
        for version in [0x0002, 0x0200, 0x0300, 0x0301, 0x0302] {
            for record in [0x0300, 0x0301, version] {
                let hello = Hello { version, record, ..Hello::to(sni) }.bytes();
                let what = format!("{sni} {version:#06x} in a record of {record:#06x}");
                must_be_refused(
                    &records(address, &hello),
                    &[PROTOCOL_VERSION, DECODE_ERROR, ILLEGAL_PARAMETER],
                    &what,
                );
            }
            let hello = Hello { versions: &[version, 0x0301], ..Hello::to(sni) }.bytes();
            must_be_refused(&records(address, &hello), &[PROTOCOL_VERSION], &format!("{sni} {version:#06x}"));
        }
        // A hello of SSL 2.0 that offers more.
        let body = [&[1, 3, 3][..], &[0, 3, 0, 0, 0, 16], &[0, 0xc0, 0x2b], &[7; 16]].concat();
        let answer = records(address, &[&[0x80, u8::try_from(body.len()).unwrap()], &body[..]].concat());
        assert!(matches!(&answer[..], [] | [(21, _)]), "{answer:?}");
        for version in ["-tls1", "-tls1_1"] {
            let arguments = words(&format!("{version} -cipher ALL:@SECLEVEL=0"));
            let heard = openssl.say(Some(sni), &arguments, "");
            let refused =
                heard.contains("alert protocol version") || heard.contains("alert handshake failure");
            assert!(refused && heard.contains("Cipher is (NONE)"), "{sni} {version}: {heard}");
        }
    }
    inside.must_serve_the_honest().await;
}

/// T-23. Suites without secrecy, without a key of their own or of another age.
#[tokio::test(flavor = "multi_thread")]
async fn no_weak_suite_is_chosen() {
    let inside = Inside::open().await;
    let address = inside.client.wire.address;
    for sni in DOORS {
        for suite in WEAK {
            let hello = Hello { suites: &[suite], ..Hello::to(sni) }.bytes();
            must_be_refused(&records(address, &hello), &[HANDSHAKE_FAILURE], &format!("{sni} {suite:#06x}"));
        }
        // Named first, they are not preferred.
        let suites = [&WEAK[..], &MODERN].concat();
        let answer = records(address, &Hello { suites: &suites, ..Hello::to(sni) }.bytes());
        let (_, suite, _, _) = server_hello(&answer).expect("a suite");
        assert!(MODERN.contains(&suite), "{sni}: {suite:#06x}");
        // TLS 1.3's suites without encryption, and with a short tag.
        for suite in [0xc0b4, 0xc0b5, 0x1304, 0x1305] {
            let hello = Hello { suites: &[suite], versions: &[0x0304], ..Hello::to(sni) }.bytes();
            let alerts = [HANDSHAKE_FAILURE, MISSING_EXTENSION, ILLEGAL_PARAMETER];
            must_be_refused(&records(address, &hello), &alerts, &format!("{sni} {suite:#06x}"));
        }
    }
    inside.must_serve_the_honest().await;
}

/// T-23. No compression (CRIME), no heartbeats (CVE-2014-0160), and who is led down from TLS 1.3 can see it
/// (RFC 8446 4.1.3).
#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_of_old_is_taken_up() {
    let inside = Inside::open().await;
    let address = inside.client.wire.address;
    for sni in DOORS {
        let hello = Hello { compressions: &[1, 64, 0], heartbeat: true, ..Hello::to(sni) }.bytes();
        let answer = records(address, &hello);
        let (random, _, compression, extensions) = server_hello(&answer).expect("a server's hello");
        assert_eq!(compression, 0, "{sni}");
        assert!(!extensions.contains(&15), "{sni}: {extensions:?}");
        assert_eq!(&random[24..], b"DOWNGRD\x01", "{sni}: nobody sees that it was led down");
        let hello = Hello { compressions: &[1], ..Hello::to(sni) }.bytes();
        must_be_refused(
            &records(address, &hello),
            &[HANDSHAKE_FAILURE, ILLEGAL_PARAMETER, DECODE_ERROR],
            "only compressed",
        );
        // A heartbeat that asks for more than it brings, before, behind and within the handshake.
        let heartbeat = [24, 3, 3, 0, 3, 1, 0x40, 0];
        let hello = Hello { heartbeat: true, ..Hello::to(sni) }.bytes();
        for bytes in [
            heartbeat.to_vec(),
            [&heartbeat[..], &hello].concat(),
            [&hello[..], &heartbeat].concat(),
            [&hello[..30], &heartbeat, &hello[30..]].concat(),
        ] {
            let answer = records(address, &bytes);
            assert!(
                answer.iter().all(|(kind, data)| *kind != 24 && data.len() < 16_000),
                "{sni}: {answer:?}"
            );
        }
    }
    inside.must_serve_the_honest().await;
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}

/// One that asks for a certificate, and one that does not.
const DOORS: [&str; 2] = ["bank.localhost", "phone.localhost"];

/// What TLS 1.2 may be spoken with.
const MODERN: [u16; 6] = [0xc02b, 0xc02c, 0xcca9, 0xc02f, 0xc030, 0xcca8];

/// NULL, EXPORT, RC4, DES, 3DES, anonymous, CBC, a static key, SHA-1, CCM with a short tag, PSK, SRP.
const WEAK: [u16; 48] = [
    0x0001, 0x0002, 0x003b, 0xc006, 0xc010, 0x0003, 0x0006, 0x0008, 0x000b, 0x000e, 0x0011, 0x0014, 0x0017,
    0x0019, 0x0060, 0x0064, 0x0004, 0x0005, 0xc007, 0xc011, 0x0009, 0x000a, 0x0016, 0xc008, 0xc012, 0x0018,
    0x001b, 0x0034, 0x006c, 0xc015, 0xc018, 0xc019, 0x002f, 0x0035, 0x003c, 0xc009, 0xc013, 0xc014, 0xc023,
    0xc027, 0x009c, 0x009d, 0x009e, 0x0033, 0xc0ae, 0xc0a8, 0x00a8, 0xc01d,
];

const SERVER_HELLO_DONE: u8 = 14;
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;
const PROTOCOL_VERSION: u8 = 70;
const MISSING_EXTENSION: u8 = 109;
