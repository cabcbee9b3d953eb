//! A session of TLS brings nobody in: at doors that ask for certificates none is resumed, whatever became of
//! the certificate, and sessions of other doors are good for those alone.

use crate::dates::clock_moved;
use crate::inside::Inside;
use crate::openssl::{Openssl, words};
use crate::support::browser::COOKIE;
use crate::support::program::Start;

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// A client that keeps its sessions in a file.
struct Client<'a> {
    openssl: &'a Openssl,
    showing: &'a [String],
    version: &'a str,
}

impl Client<'_> {
    fn file(&self) -> String {
        self.openssl.file("session").to_str().unwrap().to_owned()
    }

    /// The first visit; whether there is a session to come again with.
    fn first(&self, door: &str, request: &str) -> (String, bool) {
        let _ = std::fs::remove_file(self.file());
        let more = words(&format!("{} -sess_out {}", self.version, self.file()));
        let said = self.openssl.say(Some(door), &[self.showing, &more].concat(), request);
        (said, std::path::Path::new(&self.file()).exists())
    }

    fn again(&self, door: &str, more: &str, request: &str) -> String {
        let more = words(&format!("{} -sess_in {} {more}", self.version, self.file()));
        self.openssl.say(Some(door), &[self.showing, &more].concat(), request)
    }
}

/// T-07. Nothing to come again with is given, nor taken: with the certificate as it was, revoked, and past its end.
#[tokio::test(flavor = "multi_thread")]
async fn no_certificate_comes_back_with_a_session() {
    let (mut inside, tablet) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, _| {
            let handed = gate.device("bank", "anna", "tablet").await;
            let browser = gate.signed_in("bank", &handed).await;
            (handed, browser.cookie().unwrap())
        },
    )
    .await;
    let (handed, cookie) = tablet;
    let openssl = Openssl::to(inside.client.wire.address);
    let laptop = openssl.showing("laptop", &inside.laptop.identity);
    let tablet = openssl.showing("tablet", &handed.identity);
    let (own, theirs) = (format!("Cookie: {}\r\n", inside.cookie), format!("Cookie: {COOKIE}={cookie}\r\n"));
    let asking = |door: &str, cookie: &str| {
        format!(
            "GET /v HTTP/1.1\r\nHost: {door}\r\n{cookie}Accept: application/json\r\nConnection: close\r\n\r\n"
        )
    };
    let mut tried = 0;
    for door in ["bank.localhost", "console.localhost"] {
        for version in VERSIONS {
            for (showing, cookie) in [(&laptop[..], own.as_str()), (&[], "")] {
                let client = Client { openssl: &openssl, showing, version };
                let request = asking(door, cookie);
                let (first, kept) = client.first(door, &request);
                assert!(first.contains("\nNew, TLSv1."), "{door} {version}: {first}");
                assert!(!first.contains("New Session Ticket arrived"), "{door} {version}: {first}");
                assert!(!kept, "{door} {version} gave a session to come again with");
                // One of another door of the same program, since there is none of this.
                assert!(client.first("phone.localhost", &asking("phone.localhost", "")).1);
                let again = client.again(door, "", &request);
                let resumed = again.contains("Reused");
                assert!(again.contains("\nNew, TLSv1.") && !resumed, "{door} {version}: {again}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 8);

    // It counted when the session was made; then it is revoked.
    let request = asking("bank.localhost", &theirs);
    for version in VERSIONS {
        let client = Client { openssl: &openssl, showing: &tablet, version };
        assert!(client.first("bank.localhost", &request).0.contains("the bank's own page at /v"));
    }
    let which = format!("bank/anna/{}", handed.device);
    assert!(inside.program.cli(&["device", "revoke", &which, "--yes"]).status.success());
    inside.recorder.forget();
    let must_be_refused = |showing: &[String], request: &str, why: &str| {
        for version in VERSIONS {
            let client = Client { openssl: &openssl, showing, version };
            client.first("phone.localhost", &asking("phone.localhost", ""));
            for said in
                [client.again("bank.localhost", "", request), client.first("bank.localhost", request).0]
            {
                assert!(said.contains(why) && !said.contains("Reused"), "{version}: {said}");
            }
        }
    };
    must_be_refused(&tablet, &request, "certificate-revoked");
    // And past its end, by the gate's clock.
    inside.program.stop();
    inside.program.start_next_so(clock_moved("+3y"));
    inside.program.start();
    must_be_refused(&laptop, &asking("bank.localhost", &own), "certificate-expired");
    assert_eq!(inside.recorder.count(), 0);
}

/// T-07. Early data, sent for real: a session is changed so that openssl believes the server would take it.
#[tokio::test(flavor = "multi_thread")]
async fn early_data_is_never_taken() {
    let inside = Inside::open().await;
    let openssl = Openssl::to(inside.client.wire.address);
    let laptop = openssl.showing("laptop", &inside.laptop.identity);
    let early = openssl.file("early");
    std::fs::write(&early, inside.last("POST", "/early", "Content-Length: 0\r\n")).unwrap();
    for door in ["phone.localhost", "start.localhost", "bank.localhost", "console.localhost"] {
        let client = Client { openssl: &openssl, showing: &laptop, version: "-tls1_3" };
        // Portal and console give none: there another door's is all that one can come with.
        let from = if door == "start.localhost" { door } else { "phone.localhost" };
        let request = format!("GET / HTTP/1.1\r\nHost: {from}\r\nConnection: close\r\n\r\n");
        assert!(client.first(from, &request).1, "{from} keeps sessions");
        let session = pem::parse(std::fs::read(client.file()).unwrap()).unwrap();
        let changed = with_early_data(session.contents(), door);
        std::fs::write(client.file(), pem::encode(&pem::Pem::new(session.tag(), changed))).unwrap();
        let request = inside.last("GET", "/v", "");
        let said = client.again(door, &format!("-early_data {}", early.display()), &request);
        assert!(said.contains("Early data was rejected"), "{door}: {said}");
        let guarded = ["bank.localhost", "console.localhost"].contains(&door);
        assert_eq!(said.contains("Reused"), !guarded, "{door}: {said}");
    }
    let got = inside.recorder.only_one();
    assert_eq!(got.target, "/v", "the request after the handshake, and not the one before it");
    inside.must_serve_the_honest().await;
}

/// A session as openssl writes it (ASN.1), for another host name and with 16 kB of early data allowed.
fn with_early_data(session: &[u8], host: &str) -> Vec<u8> {
    let (_, mut body) = element(session);
    let mut fields: Vec<(u8, Vec<u8>)> = Vec::new();
    while !body.is_empty() {
        let (length, content) = element(body);
        fields.push((body[0], content.to_vec()));
        body = &body[length..];
    }
    // [6] is the host name, [15] how much early data there may be.
    fields.retain(|(tag, _)| ![0xa6, 0xaf].contains(tag));
    fields.push((0xa6, wrapped(4, host.as_bytes())));
    fields.push((0xaf, vec![2, 2, 0x40, 0]));
    // Those without a number come first, in their order.
    fields.sort_by_key(|(tag, _)| if *tag >= 0xa0 { *tag } else { 0 });
    let fields: Vec<u8> = fields.iter().flat_map(|(tag, content)| wrapped(*tag, content)).collect();
    wrapped(0x30, &fields)
}

/// Length of the first element of DER, and what is in it.
fn element(der: &[u8]) -> (usize, &[u8]) {
    let long = usize::from(der[1].saturating_sub(0x80));
    let length = if der[1] < 0x80 {
        usize::from(der[1])
    } else {
        der[2..2 + long].iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
    };
    (2 + long + length, &der[2 + long..2 + long + length])
}

fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..0x80 => vec![tag, length[1]],
        0x80..0x100 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [head, content.to_vec()].concat()
}

/// T-08. From door to door, and over a restart. Between nodes: the work on many machines.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_good_for_its_own_door_and_program() {
    let mut inside = Inside::open().await;
    let openssl = Openssl::to(inside.client.wire.address);
    let laptop = openssl.showing("laptop", &inside.laptop.identity);
    let asking = |door: &str| format!("GET / HTTP/1.1\r\nHost: {door}\r\nConnection: close\r\n\r\n");
    for version in VERSIONS {
        let client = Client { openssl: &openssl, showing: &laptop, version };
        for own in ["phone.localhost", "start.localhost"] {
            // Without this the test would prove nothing.
            assert!(client.first(own, &asking(own)).1, "{own} keeps sessions");
            assert!(client.again(own, "", &asking(own)).contains("\nReused, TLSv1."), "{own} {version}");
            for to in [
                "phone.localhost",
                "start.localhost",
                "bank.localhost",
                "other.localhost",
                "console.localhost",
            ] {
                client.first(own, &asking(own));
                let there = client.again(to, "", &asking(to));
                assert_eq!(there.contains("Reused"), to == own, "{version} {own} {to}: {there}");
                // The name in the handshake and in the request are judged as ever.
                client.first(own, &asking(own));
                let mixed = client.again(own, "", &inside.last("GET", "/v", ""));
                assert!(mixed.contains("HTTP/1.1 421 "), "{version} {own}: {mixed}");
            }
        }
        let own = "phone.localhost";
        client.first(own, &asking(own));
        inside.program.stop();
        inside.program.start();
        let after = client.again(own, "", &asking(own));
        assert!(after.contains("\nNew, TLSv1.") && !after.contains("Reused"), "{version}: {after}");
    }
    assert_eq!(inside.recorder.count(), 0);
    inside.must_serve_the_honest().await;
}

/// T-09. The session of one certificate, and another certificate shown with it.
#[tokio::test(flavor = "multi_thread")]
async fn identity_is_what_this_handshake_showed() {
    let (inside, (handed, cookie)) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, _| {
            let handed = gate.device("bank", "anna", "tablet").await;
            let browser = gate.signed_in("bank", &handed).await;
            (handed, browser.cookie().unwrap())
        },
    )
    .await;
    let openssl = Openssl::to(inside.client.wire.address);
    let laptop = openssl.showing("laptop", &inside.laptop.identity);
    let tablet = openssl.showing("tablet", &handed.identity);
    let first = inside.last("GET", "/v", "");
    let second = format!(
        "GET /v HTTP/1.1\r\nHost: {}\r\nCookie: {COOKIE}={cookie}\r\nConnection: close\r\n\r\n",
        inside.host
    );
    let base64 = |der: &[u8]| data_encoding::BASE64.encode(der);
    for version in VERSIONS {
        inside.recorder.forget();
        let before = Client { openssl: &openssl, showing: &laptop, version };
        let kept = before.first("bank.localhost", &first).1;
        assert_eq!(
            inside.recorder.only_one().all("client-cert"),
            [format!(":{}:", base64(&inside.laptop.identity.chain[0]))]
        );
        inside.recorder.forget();
        let after = Client { openssl: &openssl, showing: &tablet, version };
        let said = if kept {
            after.again("bank.localhost", "", &second)
        } else {
            after.first("bank.localhost", &second).0
        };
        assert!(said.contains("\nNew, TLSv1."), "{said}");
        assert_eq!(
            inside.recorder.only_one().all("client-cert"),
            [format!(":{}:", base64(&handed.identity.chain[0]))]
        );
        // Two requests on one connection are of one certificate, whatever the cookie says.
        inside.recorder.forget();
        let mut line = inside.h1.open().await.unwrap();
        line.send(format!("GET /v HTTP/1.1\r\n{}\r\n", inside.lines()).as_bytes()).await;
        assert!(line.answer().await.unwrap().starts_with("HTTP/1.1 200 "));
        line.send(second.replace(&cookie, "nobody").as_bytes()).await;
        assert!(!line.answer().await.unwrap().starts_with("HTTP/1.1 200 "));
        assert_eq!(inside.recorder.whole().len(), 1);
    }
}
