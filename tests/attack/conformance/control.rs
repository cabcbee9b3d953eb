//! Frames of the connection itself (RFC 9113 6.5 to 6.9), errors (7), and settings of WebSockets (RFC 8441).

use super::Want::{Acknowledged, Answer, Connection, Data, Ignored, Pong, Stream};
use super::*;

pub(super) fn cases(made: &Made<'_>) -> Vec<Case> {
    [settings(made), pings(made), goodbyes(made), windows(made)].into_iter().flatten().collect()
}

fn settings(made: &Made<'_>) -> Vec<Case> {
    let broken = &[PROTOCOL_ERROR];
    let size = &[FRAME_SIZE_ERROR];
    let served = |what, frames: Vec<u8>| case("6.5.2", what, [frames, made.get(1)].concat(), Answer(1, 200));
    let two = [&[0, 4, 0, 0, 0, 1][..], &[0, 4, 0, 0, 0xff, 0xff]].concat();
    vec![
        case(
            "6.5",
            "an ACK that says something",
            frame(SETTINGS, ACK, 0, &[0, 3, 0, 0, 0, 1]),
            Connection(size),
        )
        .here(Connection(broken), OTHER_WORD),
        case("6.5", "SETTINGS of a stream", frame(SETTINGS, 0, 1, &[]), Connection(broken)),
        case("6.5", "SETTINGS of five bytes", frame(SETTINGS, 0, 0, &[0; 5]), Connection(size))
            .here(Connection(broken), OTHER_WORD),
        case("6.5.2", "ENABLE_PUSH of two", setting(2, 2), Connection(broken)),
        case("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", setting(4, 1 << 31), Connection(&[FLOW_CONTROL_ERROR]))
            .here(Connection(broken), OTHER_WORD),
        case("6.5.2", "MAX_FRAME_SIZE of 16 383", setting(5, 16_383), Connection(broken)),
        case("6.5.2", "MAX_FRAME_SIZE of 2^24", setting(5, 1 << 24), Connection(broken)),
        case("RFC 8441 3", "ENABLE_CONNECT_PROTOCOL of two", setting(8, 2), Connection(broken)),
        served("no table", setting(1, 0)),
        served("a table of 4 GiB", setting(1, u32::MAX)),
        served("no push", setting(2, 0)),
        served("no streams of ours", setting(3, 0)),
        served("the largest window", setting(4, 0x7fff_ffff)),
        served("the largest frames", setting(5, 0xff_ffff)),
        served("a list of nothing", setting(6, 0)),
        served("a setting of no known name", setting(0xfe, 7)),
        served("a value twice: the last one counts", frame(SETTINGS, 0, 0, &two)),
        case(
            "6.5.3",
            "each is acknowledged",
            [setting(3, 1), setting(3, 2), setting(3, 3)].concat(),
            Acknowledged(4),
        ),
    ]
}

fn pings(made: &Made<'_>) -> Vec<Case> {
    let broken = &[PROTOCOL_ERROR];
    let size = &[FRAME_SIZE_ERROR];
    vec![
        case("6.7", "PING", frame(PING, 0, 0, b"\0\x01\xfe\xffabcd"), Pong(*b"\0\x01\xfe\xffabcd")),
        case(
            "6.7",
            "an answer to no PING",
            [frame(PING, ACK, 0, &[9; 8]), made.get(1)].concat(),
            Answer(1, 200),
        ),
        case("6.7", "PING of a stream", frame(PING, 0, 1, &[0; 8]), Connection(broken)),
        case("6.7", "PING of seven bytes", frame(PING, 0, 0, &[0; 7]), Connection(size))
            .here(Connection(broken), OTHER_WORD),
        case("6.7", "PING of nine bytes", frame(PING, 0, 0, &[0; 9]), Connection(size))
            .here(Connection(broken), OTHER_WORD),
        case(
            "6.6",
            "PUSH_PROMISE of a client",
            {
                let promise = [&[0, 0, 0, 2][..], &made.block()].concat();
                [made.post(1), frame(PUSH_PROMISE, END_HEADERS, 1, &promise)].concat()
            },
            Connection(broken),
        ),
        case(
            "6.6",
            "PUSH_PROMISE on stream 0",
            frame(PUSH_PROMISE, END_HEADERS, 0, &[0, 0, 0, 2]),
            Connection(broken),
        ),
    ]
}

fn goodbyes(made: &Made<'_>) -> Vec<Case> {
    let broken = &[PROTOCOL_ERROR];
    let odd = 0xdead_beef;
    vec![
        case("6.8", "GOAWAY of a stream", frame(GOAWAY, 0, 1, &[0; 8]), Connection(broken)),
        case("6.8", "GOAWAY of seven bytes", frame(GOAWAY, 0, 0, &[0; 7]), Connection(&[FRAME_SIZE_ERROR]))
            .here(Connection(broken), OTHER_WORD),
        case(
            "6.8",
            "what was begun before GOAWAY is answered",
            [made.post(1), frame(GOAWAY, 0, 0, &[0; 8]), data(1, b"x", true)].concat(),
            Answer(1, 200),
        )
        .here(Want::End, "answered, and then there is nothing more to go on with"),
        case("7", "RST_STREAM for no known reason", [made.post(1), reset(1, odd)].concat(), Ignored),
        case("7", "RST_STREAM for no reason", [made.post(1), reset(1, NO_ERROR)].concat(), Ignored),
    ]
}

fn windows(made: &Made<'_>) -> Vec<Case> {
    let broken = &[PROTOCOL_ERROR];
    let size = &[FRAME_SIZE_ERROR];
    let flow = &[FLOW_CONTROL_ERROR];
    let narrow = |window, then: Vec<u8>| [setting(4, window), made.get(1), then].concat();
    let length = "the bank's own page at /v".len();
    vec![
        case("6.9", "a window that grows by nothing", window(0, 0), Connection(broken)),
        case(
            "6.9",
            "a stream's window that grows by nothing",
            [made.post(1), window(1, 0)].concat(),
            Stream(1, broken),
        )
        .here(Connection(broken), HARSHER),
        case("6.9", "WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), Connection(size))
            .here(Connection(broken), OTHER_WORD),
        case("6.9", "WINDOW_UPDATE of five bytes", frame(WINDOW_UPDATE, 0, 0, &[1; 5]), Connection(size))
            .here(Connection(broken), OTHER_WORD),
        case(
            "6.9",
            "the reserved bit of a window",
            [window(0, (1 << 31) + 5), made.get(1)].concat(),
            Answer(1, 200),
        ),
        case("6.9.1", "a window beyond 2^31-1", window(0, 0x7fff_ffff), Connection(flow)),
        case(
            "6.9.1",
            "a window beyond 2^31-1, in two steps",
            [window(0, 0x4000_0000), window(0, 0x4000_0000)].concat(),
            Connection(flow),
        ),
        case(
            "6.9.1",
            "a stream's window beyond 2^31-1",
            [made.post(1), window(1, 0x7fff_ffff)].concat(),
            Stream(1, flow),
        ),
        case("6.9.1", "a window of one", narrow(1, Vec::new()), Data(1)),
        case("6.9.1", "no window", narrow(0, Vec::new()), Data(0)),
        case("6.9.1", "a window of one, and three more", narrow(1, window(1, 3)), Data(4)),
        case("6.9.1", "a window of one, and more than there is", narrow(1, window(1, 1000)), Data(length)),
        case("6.9.2", "a window that SETTINGS widen", narrow(0, setting(4, 7)), Data(7)),
        case(
            "6.9.2",
            "a window that SETTINGS narrow, and two more",
            narrow(3, [setting(4, 2), window(1, 2)].concat()),
            Data(4),
        ),
        case(
            "6.9.2",
            "windows that SETTINGS make overflow",
            [made.post(1), window(1, 0x7fff_0000), setting(4, 0x7fff_ffff)].concat(),
            Connection(flow),
        ),
    ]
}
