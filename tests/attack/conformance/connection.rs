//! Preface, frames, states of streams (RFC 9113 3 to 5).

use super::Want::{Answer, Connection, End, Ignored, Stream};
use super::*;

pub(super) fn cases(made: &Made<'_>) -> Vec<Case> {
    [preface(made), frames(made), states(made), numbers(made)].into_iter().flatten().collect()
}

fn preface(made: &Made<'_>) -> Vec<Case> {
    let own =
        |section, what, bytes: Vec<u8>, want| Case { own_preface: true, ..case(section, what, bytes, want) };
    let ping = frame(PING, 0, 0, &[0; 8]);
    let http1 = b"GET /bad HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    vec![
        own("3.4", "another preface", b"INVALID CONNECTION PREFACE\r\n\r\n".to_vec(), End),
        own("3.4", "HTTP/1.1", http1, End),
        own(
            "3.4",
            "half a preface, then frames",
            [&PREFACE[..12], &frame(SETTINGS, 0, 0, &[])].concat(),
            End,
        ),
        own("3.4", "frames without a preface", [frame(SETTINGS, 0, 0, &[]), made.get(1)].concat(), End),
        own("3.4", "PING before SETTINGS", [PREFACE, &ping].concat(), Connection(&[PROTOCOL_ERROR]))
            .here(Ignored, NO_SETTINGS),
        own(
            "3.4",
            "a request before SETTINGS",
            [PREFACE, &made.get(1)].concat(),
            Connection(&[PROTOCOL_ERROR]),
        )
        .here(Answer(1, 200), NO_SETTINGS),
        own(
            "3.4",
            "SETTINGS with values",
            [PREFACE, &setting(3, 100), &made.get(1)].concat(),
            Answer(1, 200),
        ),
    ]
}

fn frames(made: &Made<'_>) -> Vec<Case> {
    let half = made.block()[..20].to_vec();
    let open = frame(HEADERS, END_STREAM, 1, &half);
    let broken = &[PROTOCOL_ERROR];
    let too_long = &[FRAME_SIZE_ERROR];
    vec![
        case(
            "4.1",
            "a frame of no known kind",
            [frame(0xbe, 0, 0, b"x"), made.get(1)].concat(),
            Answer(1, 200),
        ),
        case(
            "4.1",
            "flags that have no meaning",
            frame(PING, 0xfe, 0, b"12345678"),
            Want::Pong(*b"12345678"),
        ),
        case("4.1", "the reserved bit", frame(PING, 0, 1 << 31, b"12345678"), Want::Pong(*b"12345678")),
        case(
            "4.1",
            "the reserved bit of a request",
            {
                let mut get = made.get(1);
                get[5] |= 0x80;
                get
            },
            Answer(1, 200),
        ),
        case(
            "4.2",
            "DATA of 16 384",
            [made.post(1), data(1, &[b'x'; 16_384], true)].concat(),
            Answer(1, 200),
        ),
        case(
            "4.2",
            "DATA of 16 385",
            [made.post(1), data(1, &[b'x'; 16_385], true)].concat(),
            Connection(too_long),
        ),
        case("4.2", "HEADERS of 16 385", frame(HEADERS, 5, 1, &[0; 16_385]), Connection(too_long)),
        case("4.2", "SETTINGS of 16 386", frame(SETTINGS, 0, 0, &[0; 16_386]), Connection(too_long)),
        case("4.2", "no known kind, of 16 385", frame(0xbe, 0, 0, &[0; 16_385]), Connection(too_long)),
        case(
            "4.3",
            "PRIORITY within a header block",
            [open.clone(), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])].concat(),
            Connection(broken),
        ),
        case(
            "4.3",
            "PING within a header block",
            [open.clone(), frame(PING, 0, 0, &[0; 8])].concat(),
            Connection(broken),
        ),
        case(
            "4.3",
            "DATA within a header block",
            [open.clone(), data(1, b"x", true)].concat(),
            Connection(broken),
        ),
        case(
            "4.3",
            "HEADERS of another stream within a header block",
            [open.clone(), made.get(3)].concat(),
            Connection(broken),
        ),
        case(
            "5.5",
            "no known kind within a header block",
            [open.clone(), frame(0xbe, 0, 1, b"x")].concat(),
            Connection(broken),
        ),
        case(
            "5.5",
            "no known kind on an idle stream",
            [frame(0xbe, 0, 7, b"x"), made.get(1)].concat(),
            Answer(1, 200),
        ),
        case(
            "5.5",
            "no known kind on an open stream",
            [made.post(1), frame(0xbe, 0xff, 1, b"x"), data(1, b"x", true)].concat(),
            Answer(1, 200),
        ),
        case("5.4.1", "half a header block and no more", open, Ignored)
            .here(Connection(broken), "the PING that looks whether the connection goes on is what ends it"),
    ]
}

fn states(made: &Made<'_>) -> Vec<Case> {
    let broken = &[PROTOCOL_ERROR];
    let closed: &[u32] = &[STREAM_CLOSED];
    let trailers = |stream| headers(stream, &[field("x-a", "b")], true);
    let more = |stream| frame(CONTINUATION, END_HEADERS, stream, &block(&[field("x-a", "b")]));
    let priority = |stream| frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 16]);
    let with_end = |frames: Vec<u8>| [made.get(1), frames].concat();
    let with_reset = |frames: Vec<u8>| [made.post(1), reset(1, 8), frames].concat();
    let late = |section, what, frames, want| case(section, what, made.get(1), want).then(frames);
    vec![
        case("5.1", "idle: DATA", data(1, b"x", true), Connection(broken)),
        case("5.1", "idle: RST_STREAM", reset(1, 8), Connection(broken)),
        case("5.1", "idle: WINDOW_UPDATE", window(1, 100), Connection(broken)),
        case("5.1", "idle: CONTINUATION", more(1), Connection(broken)),
        case("5.1", "idle: PRIORITY", [priority(1), made.get(1)].concat(), Answer(1, 200)),
        case("5.1", "half closed: DATA", with_end(data(1, b"x", true)), Stream(1, closed))
            .here(Connection(broken), HARSHER),
        case("5.1", "half closed: HEADERS", with_end(trailers(1)), Stream(1, closed))
            .here(Connection(broken), HARSHER),
        case("5.1", "half closed: CONTINUATION", with_end(more(1)), Connection(broken)),
        case("5.1", "half closed: WINDOW_UPDATE", with_end(window(1, 100)), Answer(1, 200)),
        case("5.1", "half closed: PRIORITY", with_end(priority(1)), Answer(1, 200)),
        case("5.1", "half closed: RST_STREAM", with_end(reset(1, 8)), Ignored),
        case("5.1", "reset: DATA", with_reset(data(1, b"x", true)), Stream(1, closed)),
        case("5.1", "reset: HEADERS", with_reset(trailers(1)), Connection(closed))
            .here(Connection(broken), OTHER_WORD),
        case("5.1", "reset: CONTINUATION", with_reset(more(1)), Connection(broken)),
        case("5.1", "reset: WINDOW_UPDATE", with_reset(window(1, 100)), Ignored),
        case("5.1", "reset: PRIORITY", with_reset(priority(1)), Ignored),
        case("5.1", "reset: RST_STREAM", with_reset(reset(1, 8)), Ignored),
        late("5.1", "closed: DATA", data(1, b"x", true), Connection(closed))
            .here(Stream(1, closed), "milder: hyper does not remember how a stream ended"),
        late("5.1", "closed: HEADERS", trailers(1), Connection(closed)).here(Connection(broken), OTHER_WORD),
        late("5.1", "closed: CONTINUATION", more(1), Connection(broken)),
        late("5.1", "closed: WINDOW_UPDATE", window(1, 100), Ignored),
        late("5.1", "closed: PRIORITY", priority(1), Ignored),
        late("5.1", "closed: RST_STREAM", reset(1, 8), Ignored),
    ]
}

fn numbers(made: &Made<'_>) -> Vec<Case> {
    let broken = &[PROTOCOL_ERROR];
    let many: Vec<u8> = (0..=100).flat_map(|n| made.post(2 * n + 1)).collect();
    let alone = |stream: u32| frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[16]].concat());
    let itself = [&[0, 0, 0, 1, 16][..], &made.block()].concat();
    vec![
        case("5.1.1", "an even number", made.get(2), Connection(broken)),
        case("5.1.1", "a number below the last", [made.get(5), made.get(3)].concat(), Connection(broken)),
        case(
            "5.1.1",
            "a number twice",
            [made.get(5), made.get(5)].concat(),
            Connection(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        ),
        case("5.1.1", "numbers left out", [made.get(1), made.get(101)].concat(), Answer(101, 200)),
        case("5.1.1", "the last number", made.get(0x7fff_ffff), Answer(0x7fff_ffff, 200)),
        case("5.1.2", "a hundred and one streams", many, Stream(201, &[REFUSED_STREAM, PROTOCOL_ERROR])),
        case("5.3.1", "PRIORITY on itself", [made.post(1), alone(1)].concat(), Stream(1, broken)),
        case(
            "5.3.1",
            "HEADERS that depend on themselves",
            frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &itself),
            Stream(1, broken),
        ),
    ]
}

const NO_SETTINGS: &str = "hyper waits for none: until they come the defaults hold";
