//! Frames without end that are no request: what one client may make the gate do is counted, and no more is done.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::flooding::{always, flood, kinds};
use crate::frames::*;
use crate::inside::Inside;
use crate::limits::resident_bytes;
use crate::support::program::Start;
use crate::support::raw::Raw;
use crate::talk::Talk;

/// H-19. Each kind ends with its connection, told why; whoever else is there goes on.
#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_no_request_end_their_connection() {
    let (inside, ops) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, _| {
            let ops = std::net::SocketAddr::from(([127, 0, 0, 1], gate.port + 1));
            let file = gate.folder.path().join("portcullis.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.replacen("[listen]", &format!("[listen]\nops = \"{ops}\""), 1))
                .unwrap();
            ops
        },
    )
    .await;
    let open = headers(1, &inside.fields("POST", "/v"), false);
    let mut before = 0;
    for round in 0..ROUNDS {
        for kind in kinds(&open) {
            inside.recorder.forget();
            let flooding = flood(Talk::open(&inside.h2).await, &kind.first, &kind.each, FRAMES);
            let (flooded, ()) = tokio::join!(flooding, inside.must_serve_the_honest());
            let (what, said) = (kind.what, &flooded.said);
            // The end of a connection on which more comes may overtake the word about it.
            assert!(matches!(said.goaway, Some(ENHANCE_YOUR_CALM) | None), "{what}: {:?}", said.goaway);
            assert!(said.is_over() && flooded.written < FRAMES, "{what}: {}", flooded.written);
            // What is counted is what was done.
            let answers = said.pongs.len().max(said.settings_acknowledged);
            assert!(answers < ANSWERS_MAX, "{what}: {answers} answers");
            assert!(inside.recorder.whole().len() <= 1, "{what}");
            if round == 0 {
                println!("{what}: {} written, told {:?}, {answers} answers", flooded.written, said.goaway);
            }
        }
        // And where nobody reads what comes back.
        for each in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
            let flooded = flood(Talk::deaf(&inside.h2).await, &[], always(each), FRAMES).await;
            assert!(flooded.written < FRAMES);
        }
        inside.must_serve_the_honest().await;
        if round == 0 {
            before = resident_bytes(inside.program.pid());
            let counted = ended_for_floods(ops).await;
            assert_eq!(counted, kinds(&open).len() + 2, "connections ended for floods");
        }
    }
    let grown = resident_bytes(inside.program.pid()).saturating_sub(before);
    println!("{} rounds of floods: memory grew by {} KiB", ROUNDS - 1, grown / 1024);
    assert!(grown < GROWN_BYTES_MAX, "memory grew by {grown} bytes");
    // Nor does anybody fill the log.
    let log = inside.program.log();
    assert!(!log.contains("panicked") && log.lines().count() < 100, "{}", &log[..log.len().min(10_000)]);
}

/// What the gate has counted.
async fn ended_for_floods(ops: std::net::SocketAddr) -> usize {
    let mut stream = tokio::net::TcpStream::connect(ops).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("portcullis_connections_cut_flood_total "));
    line.unwrap_or_else(|| panic!("{text}")).trim().parse().unwrap()
}

/// H-19. Streams that are opened and never read hold no more than their windows, and no place of others.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_not_drained_hold_nothing_but_themselves() {
    let inside = Inside::open().await;
    let shut = [&[0, 4][..], &[0; 4]].concat();
    let mut held = Vec::new();
    let mut before = 0;
    for n in 0..20 {
        let mut talk = Talk::open(&inside.h2).await;
        talk.say(&[PREFACE, &frame(SETTINGS, 0, 0, &shut)].concat()).await;
        for stream in 0..150 {
            talk.say(&headers(2 * stream + 1, &inside.fields("GET", "/v"), true)).await;
        }
        let said = talk.wait(|said| said.statuses.len() + said.resets.len() >= 150).await;
        assert_eq!((said.statuses.len(), said.resets.len(), said.data), (100, 50, 0), "{:?}", said.goaway);
        assert!(said.resets.values().all(|reason| *reason == REFUSED_STREAM));
        held.push(talk);
        if n == 0 {
            before = resident_bytes(inside.program.pid());
        }
    }
    let grown = resident_bytes(inside.program.pid()).saturating_sub(before);
    println!("1 900 answers that nobody takes: {} KiB", grown / 1024);
    assert!(grown < 24 << 20, "{grown}");
    inside.must_serve_the_honest().await;
}

/// H-17. Without end, empty, or full of what would be headers.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_block_without_end_ends_the_connection() {
    let inside = Inside::open().await;
    let block = block(&inside.fields("GET", "/v"));
    let begun = frame(HEADERS, END_STREAM, 1, &block);
    let many = super::frames::block(&vec![field("x-a", "y".repeat(50)); 250]);
    let before = resident_bytes(inside.program.pid());
    for (what, first, each) in [
        ("nothing", &begun, frame(CONTINUATION, 0, 1, &[])),
        ("a byte", &begun, frame(CONTINUATION, 0, 1, &[0x80])),
        ("headers", &begun, frame(CONTINUATION, 0, 1, &many)),
        ("one header of which no end comes", &begun, {
            frame(CONTINUATION, 0, 1, &[&[0, 0x7f, 0xff, 0xff, 0x7f][..], &[b'a'; 16_000]].concat())
        }),
    ] {
        inside.recorder.forget();
        let flooding = flood(Talk::open(&inside.h2).await, first, |_| each.clone(), 1_000_000);
        let (flooded, ()) = tokio::join!(flooding, inside.must_serve_the_honest());
        let said = flooded.said;
        println!("CONTINUATION of {what}: {} written, told {:?}", flooded.written, said.goaway);
        assert!(said.is_over() && flooded.written < 1_000_000, "{what}: {}", flooded.written);
        assert_ne!(said.goaway, Some(NO_ERROR), "{what}");
        assert!(inside.recorder.whole().iter().all(|got| got.target != "/v"), "{what}");
    }
    let grown = resident_bytes(inside.program.pid()).saturating_sub(before);
    assert!(grown < GROWN_BYTES_MAX, "{grown}");
}

/// H-18. A few bytes that stand for many, a table that is thrown away and made anew, codes that end wrongly.
#[tokio::test(flavor = "multi_thread")]
async fn no_header_block_grows_beyond_its_limit() {
    let inside = Inside::open().await;
    let of = |block: &[u8], stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, block);
    // An entry as large as the table allows; then one byte for each time.
    let mut literal = vec![0x40, 3];
    literal.extend_from_slice(b"x-a");
    literal.extend_from_slice(&[0x7f, 0xa1, 0x1e]);
    literal.extend_from_slice(&[b'y'; 4000]);
    let mut entry = block(&inside.fields("GET", "/v"));
    entry.extend_from_slice(&literal);
    // Allowed in a sound request; as many as fit into the longest block that is read.
    let sound = block(&inside.fields("GET", "/sizes"));
    let sizes = [&[0x20, 0x3f, 0xe1, 0x1f].repeat(2_000)[..], &sound, &literal].concat();
    let mut before = 0;
    for round in 0..5 {
        for (what, first, each) in [
            ("4 000 for one, 14 000 times", of(&entry, 1), vec![0xbe; 14_000]),
            (
                "4 000 for one, twelve times",
                of(&entry, 1),
                [block(&inside.fields("GET", "/v")), vec![0xbe; 12]].concat(),
            ),
            ("sizes of the table by turns", Vec::new(), sizes.clone()),
            (
                "sizes of the table between headers",
                Vec::new(),
                [&entry[..], &[0x20, 0x3f, 0xe1, 0x1f]].concat(),
            ),
            (
                "Huffman's code with eight bits of padding",
                Vec::new(),
                [&entry[..], &[0, 0x82, 0x1f, 0xff, 1, b'a']].concat(),
            ),
            (
                "Huffman's code with the end in it",
                Vec::new(),
                [&entry[..], &[0, 0x84, 255, 255, 255, 255, 1, b'a']].concat(),
            ),
        ] {
            inside.recorder.forget();
            let each = |n: usize| of(&each, 2 * n as u32 + 3);
            let flooding = flood(Talk::open(&inside.h2).await, &first, each, FRAMES);
            let (flooded, ()) = tokio::join!(flooding, inside.must_serve_the_honest());
            let said = flooded.said;
            if round == 0 {
                println!(
                    "{what}: {} written, told {:?}, {} answers",
                    flooded.written,
                    said.goaway,
                    said.statuses.len()
                );
            }
            assert!(said.is_over() && flooded.written < FRAMES, "{what}: {}", flooded.written);
            // None of them is a request; the one before them may be.
            let of_it = inside.recorder.whole().iter().filter(|got| got.target == "/v").count();
            assert!(of_it <= 1, "{what}: {of_it}");
        }
        if round == 0 {
            before = resident_bytes(inside.program.pid());
        }
    }
    let grown = resident_bytes(inside.program.pid()).saturating_sub(before);
    println!("four rounds of bombs: memory grew by {} KiB", grown / 1024);
    assert!(grown < GROWN_BYTES_MAX, "{grown}");
    inside.must_serve_the_honest().await;
}

/// H-20. What has no TLS, or was not agreed on in it, is no HTTP/2.
#[tokio::test(flavor = "multi_thread")]
async fn http2_without_tls_is_spoken_at_no_door() {
    let inside = Inside::open().await;
    let knowing =
        [PREFACE, &frame(SETTINGS, 0, 0, &[]), &headers(1, &inside.fields("GET", "/v"), true)].concat();
    let asking = inside.last("GET", "/v", "").replace(
        "Connection: close",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    );
    let knowing_after = [asking.as_bytes(), &knowing].concat();
    let wire = &inside.client.wire;
    for door in ["bank.localhost", "console.localhost", "phone.localhost", "start.localhost"] {
        for bytes in [&knowing, &knowing_after] {
            let heard = Raw::new(wire, door, &["http/1.1"]).exchange(bytes).await;
            assert!(heard.ended && heard.status() != Some(101), "{door}: {}", heard.text());
            assert!(!heard.text().contains("h2c"), "{door}: {}", heard.text());
        }
    }
    // As a request of HTTP/1.1 it is one, and what follows it none.
    assert!(inside.recorder.whole().iter().all(|got| got.all("upgrade").is_empty()));
    assert!(inside.recorder.whole().len() <= 1);
    let plain = inside.program.config.listen.plain.unwrap();
    for (place, address) in [("the port of TLS", wire.address), ("the plain port", plain)] {
        for bytes in [&knowing, &knowing_after] {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let _ = stream.shutdown().await;
            let mut heard = Vec::new();
            let _ =
                tokio::time::timeout(crate::support::PATIENCE, stream.read_to_end(&mut heard)).await.unwrap();
            let text = String::from_utf8_lossy(&heard);
            assert!(!text.contains(" 101 ") && !text.contains("200 OK"), "{place}: {text}");
            // Nor the first frame of a server.
            assert!(heard.get(3) != Some(&SETTINGS), "{place}: {heard:?}");
        }
    }
    inside.must_serve_the_honest().await;
}

/// More than lies ready on the way.
const FRAMES: usize = 1_000_000;

const ROUNDS: usize = 3;

/// The credit of a connection, what its answers pay back, and what a slow machine's seconds add.
const ANSWERS_MAX: usize = 12_000;

/// What an allocator may keep of a burst.
const GROWN_BYTES_MAX: u64 = 8 << 20;
