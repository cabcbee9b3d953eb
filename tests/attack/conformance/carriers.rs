//! The frames that carry requests (RFC 9113 6.1 to 6.4, 6.10).

use super::Want::{Answer, Connection, Stream};
use super::*;

pub(super) fn cases(made: &Made<'_>) -> Vec<Case> {
    let broken = &[PROTOCOL_ERROR];
    let short: &[u32] = &[FRAME_SIZE_ERROR, PROTOCOL_ERROR];
    let whole = END_HEADERS | END_STREAM;
    let block = made.block();
    let padded = [&[5][..], &block, &[0; 5]].concat();
    let weighed = [&[0, 0, 0, 0, 200][..], &block].concat();
    let both = [&[5, 0x80, 0, 0, 3, 200][..], &block, &[0; 5]].concat();
    let (first, rest) = block.split_at(20);
    let (second, third) = rest.split_at(20);
    let begun = frame(HEADERS, END_STREAM, 1, first);
    let size = |kind, stream, length| frame(kind, 0, stream, &vec![0; length]);
    vec![
        case("6.1", "DATA on stream 0", data(0, b"x", true), Connection(broken)),
        case(
            "6.1",
            "DATA padded beyond its end",
            [made.post(1), frame(DATA, 9, 1, &[9, 1, 1])].concat(),
            Connection(broken),
        ),
        case(
            "6.1",
            "DATA padded as long as it is",
            [made.post(1), frame(DATA, 9, 1, &[3, 0, 0])].concat(),
            Connection(broken),
        ),
        case(
            "6.1",
            "DATA padded, without a length",
            [made.post(1), frame(DATA, 9, 1, &[])].concat(),
            Connection(short),
        ),
        case(
            "6.1",
            "DATA padded",
            [made.post(1), frame(DATA, 9, 1, &[2, b'x', 0, 0])].concat(),
            Answer(1, 200),
        ),
        case(
            "6.1",
            "DATA of padding alone",
            [made.post(1), frame(DATA, 9, 1, &[2, 0, 0])].concat(),
            Answer(1, 200),
        ),
        case(
            "6.1",
            "DATA of nothing at the end",
            [made.post(1), data(1, &[], true)].concat(),
            Answer(1, 200),
        ),
        case("6.2", "HEADERS on stream 0", made.get(0), Connection(broken)),
        case("6.2", "HEADERS padded", frame(HEADERS, whole | PADDED, 1, &padded), Answer(1, 200)),
        case(
            "6.2",
            "HEADERS padded beyond their end",
            frame(HEADERS, whole | PADDED, 1, &[255, 0, 0]),
            Connection(broken),
        ),
        case(
            "6.2",
            "HEADERS padded, without a length",
            frame(HEADERS, whole | PADDED, 1, &[]),
            Connection(short),
        ),
        case(
            "6.2",
            "HEADERS with a weight",
            frame(HEADERS, whole | WITH_PRIORITY, 1, &weighed),
            Answer(1, 200),
        ),
        case(
            "6.2",
            "HEADERS with half a weight",
            frame(HEADERS, whole | WITH_PRIORITY, 1, &[0, 0]),
            Connection(short),
        ),
        case(
            "6.2",
            "HEADERS padded, with a weight",
            frame(HEADERS, whole | WITH_PRIORITY | PADDED, 1, &both),
            Answer(1, 200),
        ),
        case("6.3", "PRIORITY on stream 0", size(PRIORITY, 0, 5), Connection(broken)),
        case(
            "6.3",
            "PRIORITY of four bytes",
            [made.post(1), size(PRIORITY, 1, 4)].concat(),
            Stream(1, &[FRAME_SIZE_ERROR]),
        )
        .here(Connection(broken), HARSHER),
        case(
            "6.3",
            "PRIORITY of six bytes",
            [made.post(1), size(PRIORITY, 1, 6)].concat(),
            Stream(1, &[FRAME_SIZE_ERROR]),
        )
        .here(Connection(broken), HARSHER),
        case("6.4", "RST_STREAM on stream 0", reset(0, 8), Connection(broken)),
        case(
            "6.4",
            "RST_STREAM of three bytes",
            [made.post(1), size(RST_STREAM, 1, 3)].concat(),
            Connection(&[FRAME_SIZE_ERROR]),
        )
        .here(Connection(broken), OTHER_WORD),
        case(
            "6.4",
            "RST_STREAM of five bytes",
            [made.post(1), size(RST_STREAM, 1, 5)].concat(),
            Connection(&[FRAME_SIZE_ERROR]),
        )
        .here(Connection(broken), OTHER_WORD),
        case(
            "6.10",
            "CONTINUATION twice",
            {
                [begun.clone(), frame(CONTINUATION, 0, 1, second), frame(CONTINUATION, END_HEADERS, 1, third)]
                    .concat()
            },
            Answer(1, 200),
        ),
        case(
            "6.10",
            "CONTINUATION of nothing at the end",
            [frame(HEADERS, END_STREAM, 1, &block), frame(CONTINUATION, END_HEADERS, 1, &[])].concat(),
            Answer(1, 200),
        ),
        case(
            "6.10",
            "CONTINUATION on stream 0",
            [begun.clone(), frame(CONTINUATION, END_HEADERS, 0, rest)].concat(),
            Connection(broken),
        ),
        case(
            "6.10",
            "CONTINUATION on another stream",
            [begun, frame(CONTINUATION, END_HEADERS, 3, rest)].concat(),
            Connection(broken),
        ),
        case(
            "6.10",
            "CONTINUATION behind the end of headers",
            [made.post(1), frame(CONTINUATION, END_HEADERS, 1, rest)].concat(),
            Connection(broken),
        ),
        case(
            "6.10",
            "CONTINUATION behind DATA",
            [made.post(1), data(1, b"x", false), frame(CONTINUATION, END_HEADERS, 1, rest)].concat(),
            Connection(broken),
        ),
    ]
}
