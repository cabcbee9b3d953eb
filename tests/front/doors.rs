//! SNI chooses the door, Host must name the same one (T-20, T-21, T-22).

use std::io::{Read, Write};
use std::net::TcpStream;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;

use portcullis::front::{Room, Target};
use portcullis::policy::permit::Area;

use crate::gate::{Gate, h2_get, read_all, status_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_no_door_is_refused_in_the_handshake() {
    let gate = Gate::open();
    for name in ["unknown.localhost", "localhost", "x.bank.localhost", "bank.localhost.evil"] {
        let error = gate.client().connect(name).await.unwrap_err();
        assert!(error.to_string().contains("UnrecognisedName"), "{name}: {error}");
    }
    // An address is never sent as SNI: no name at all.
    let error = gate.client().connect("127.0.0.1").await.unwrap_err();
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    assert!(gate.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sni_is_not_case_sensitive() {
    let gate = Gate::open();
    assert_eq!(gate.client().get("BANK.localhost", "Bank.LOCALHOST", "/").await, Some(200));
    assert_eq!(&*gate.only_one().peer.sni, "bank.localhost");
}

#[tokio::test(flavor = "multi_thread")]
async fn host_must_name_the_door_that_sni_chose() {
    let gate = Gate::open();
    let port = gate.address.port();
    let doors =
        ["bank.localhost", "other.localhost", "console.localhost", "phone.localhost", "start.localhost"];
    for sni in doors {
        for host in doors {
            let expected = if sni == host { 200 } else { 421 };
            assert_eq!(gate.client().get(sni, host, "/").await, Some(expected), "{sni} {host}");
            let with_port = format!("{host}:{port}");
            assert_eq!(gate.client().get(sni, &with_port, "/").await, Some(expected), "{sni} {with_port}");
        }
    }
    assert_eq!(gate.seen().len(), 2 * doors.len());
    for host in [
        "bank.localhost.",
        "bank.localhost:1",
        "bank.localhost:443:443",
        "evil.example",
        "user@bank.localhost",
        "127.0.0.1",
        "[::1]",
        "",
        "bank.localhost\r\nHost: bank.localhost",
        "bank.localhost, other.localhost",
    ] {
        let status = gate.client().get("bank.localhost", host, "/").await;
        assert!(matches!(status, Some(400 | 421)), "{host:?} {status:?}");
    }
    assert_eq!(gate.seen().len(), 2 * doors.len());
    assert!(gate.seen().iter().all(|seen| *seen.peer.door.hosts()[0] == *seen.peer.sni));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_may_not_say_otherwise_than_host() {
    let gate = Gate::open();
    for head in [
        "GET https://other.localhost/ HTTP/1.1\r\nHost: bank.localhost",
        "GET http://other.localhost/ HTTP/1.1\r\nHost: bank.localhost",
        "GET https://bank.localhost/ HTTP/1.1\r\nHost: other.localhost",
        "GET / HTTP/1.1\r\nX: y",
        "GET / HTTP/1.0",
        "OPTIONS * HTTP/1.1\r\nHost: bank.localhost",
        "CONNECT other.localhost:443 HTTP/1.1\r\nHost: bank.localhost",
    ] {
        let mut stream = gate.client().connect("bank.localhost").await.unwrap();
        stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let status = status_of(&read_all(&mut stream).await);
        assert!(matches!(status, Some(400 | 405 | 421)), "{head:?} {status:?}");
    }
    assert!(gate.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coalesced_h2_request_is_misdirected() {
    let gate = Gate::open();
    let mut sender = gate.client().alpn(&["h2"]).http2("bank.localhost").await;
    assert_eq!(h2_get(&mut sender, "https://bank.localhost/").await.unwrap().status(), 200);
    for uri in ["https://other.localhost/", "https://console.localhost/", "https://evil.example/"] {
        assert_eq!(h2_get(&mut sender, uri).await.unwrap().status(), 421, "{uri}");
    }
    assert!(gate.only_one().peer.http2);
}

#[tokio::test(flavor = "multi_thread")]
async fn protocols_we_do_not_speak_are_refused() {
    let gate = Gate::open();
    for alpn in ["acme-tls/1", "http/1.0", "spdy/3", "smtp"] {
        let error = gate.client().alpn(&[alpn]).connect("bank.localhost").await.unwrap_err();
        assert!(error.to_string().contains("NoApplicationProtocol"), "{alpn}: {error}");
    }
    assert_eq!(gate.client().alpn(&[]).get("bank.localhost", "bank.localhost", "/").await, Some(200));
    // HTTP/1.1 where HTTP/2 was chosen, and the reverse.
    for (alpn, bytes) in [
        ("h2", &b"GET / HTTP/1.1\r\nHost: bank.localhost\r\nConnection: close\r\n\r\n"[..]),
        ("http/1.1", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
        ("http/1.1", b"EHLO bank.localhost\r\nMAIL FROM:<a@b>\r\n"),
    ] {
        let mut stream = gate.client().alpn(&[alpn]).connect("bank.localhost").await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"), "{alpn}");
    }
    assert_eq!(gate.seen().len(), 1);
}

/// The record of the `ClientHello`, cut into records of `size` bytes, sent byte by byte.
fn say_hello(gate: &Gate, sni: &str, size: usize) -> Result<String, String> {
    let name = ServerName::try_from(sni.to_owned()).unwrap();
    let mut client = ClientConnection::new(gate.client().config(), name).unwrap();
    let mut socket = TcpStream::connect(gate.address).unwrap();
    socket.set_nodelay(true).unwrap();
    let mut hello = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut hello).unwrap();
    }
    let message = &hello[5..];
    for piece in message.chunks(size) {
        let mut record = vec![22, 3, 1];
        record.extend_from_slice(&u16::try_from(piece.len()).unwrap().to_be_bytes());
        record.extend_from_slice(piece);
        for byte in record {
            socket.write_all(&[byte]).unwrap();
        }
    }
    let mut tls = rustls::Stream::new(&mut client, &mut socket);
    let request = format!("GET / HTTP/1.1\r\nHost: {sni}\r\nConnection: close\r\n\r\n");
    tls.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = String::new();
    tls.read_to_string(&mut answer).map_err(|error| error.to_string())?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_in_pieces_meets_the_same_door() {
    let gate = Gate::open();
    for size in [1, 7, 400, 16_000] {
        assert!(say_hello(&gate, "bank.localhost", size).unwrap().contains("door of bank.localhost"));
        let refused = say_hello(&gate, "unknown.localhost", size).unwrap_err();
        assert!(refused.contains("UnrecognisedName"), "{refused}");
    }
    assert_eq!(gate.seen().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_path_has_its_room_and_what_is_not_open_by_name_is_guarded() {
    let gate = Gate::open();
    let doors = gate.front.doors().load_full();
    let own = Target::Own;
    // One path of a portal is the tenant's to give away, and nothing beside it.
    for (door, path, gives) in [
        ("bank", "/.well-known/est/simplereenroll", true),
        ("bank", "/.well-known/est/simplereenroll/", false),
        ("bank", "/.well-known/est/bank/simplereenroll", false),
        ("bank", "/.well-known/est/SimpleReenroll", false),
        ("bank", "/.well-known/est/simpleenroll", false),
        ("bank", "/.well-known/est/cacerts", false),
        ("bank", "/.well-known/", false),
        ("console", "/.well-known/est/simplereenroll", false),
    ] {
        let door = doors.named(&format!("{door}.localhost")).unwrap();
        assert_eq!(door.area(path, false), Area::Guarded, "{path}");
        assert_ne!(door.target(path, false), own(Room::Est), "{path}");
        let (target, area) = (door.target(path, true), door.area(path, true));
        assert_eq!((target == own(Room::Est), area == Area::Reenrol), (gives, gives), "{path}");
    }
    for (door, path, target, area) in [
        ("bank", "/", Target::Backend, Area::Guarded),
        ("bank", "/accounts", Target::Backend, Area::Guarded),
        ("bank", "/.portcullisx/assets/a.css", Target::Backend, Area::Guarded),
        ("bank", "/x/.portcullis/assets/a.css", Target::Backend, Area::Guarded),
        ("bank", "/.portcullis/assets/a.css", own(Room::Assets), Area::Open),
        ("bank", "/.portcullis/jwks.json", own(Room::Portal), Area::Open),
        ("bank", "/.portcullis/jwks.json/", own(Room::Portal), Area::Guarded),
        ("bank", "/.portcullis/sign-in", own(Room::SignIn), Area::SignIn),
        ("bank", "/.portcullis/sign-in/code", own(Room::SignIn), Area::SignIn),
        ("bank", "/.portcullis/renew", own(Room::Renewal), Area::Renewal),
        ("bank", "/.portcullis/renew/password", own(Room::Renewal), Area::Renewal),
        ("bank", "/.portcullis/renewal", own(Room::Portal), Area::Guarded),
        ("console", "/.portcullis/renew/", own(Room::Portal), Area::Guarded),
        ("bank", "/.portcullis/sign-inx", own(Room::Portal), Area::Guarded),
        ("bank", "/.portcullis/sign-out", own(Room::Portal), Area::SignIn),
        ("bank", "/.portcullis", own(Room::Portal), Area::Guarded),
        ("bank", "/.portcullis/", own(Room::Portal), Area::Guarded),
        ("bank", "/.portcullis/settings", own(Room::Portal), Area::Guarded),
        ("console", "/", own(Room::Console), Area::Guarded),
        ("console", "/.portcullis/sign-in/code", own(Room::SignIn), Area::SignIn),
        ("console", "/.portcullis/settings", own(Room::Portal), Area::Guarded),
        ("phone", "/api/me", own(Room::Phone), Area::Open),
        ("phone", "/.portcullis/sign-in", own(Room::Phone), Area::Open),
        ("phone", "/.portcullis/assets/a.css", own(Room::Assets), Area::Open),
        ("start", "/", own(Room::Public), Area::Open),
        ("start", "/.well-known/est/simpleenroll", own(Room::Est), Area::Open),
        ("start", "/.well-known/estx", own(Room::Public), Area::Open),
    ] {
        let door = doors.named(&format!("{door}.localhost")).unwrap();
        assert_eq!((door.target(path, false), door.area(path, false)), (target, area), "{path}");
        assert_eq!((door.target(path, true), door.area(path, true)), (target, area), "{path}");
    }
}
