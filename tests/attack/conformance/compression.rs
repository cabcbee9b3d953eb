//! Header blocks (RFC 7541): indices, sizes of the table, integers, and Huffman's code.

use super::Want::{Answer, Connection};
use super::*;

pub(super) fn cases(made: &Made<'_>) -> Vec<Case> {
    let sound = made.block();
    let bad = block(&made.bad());
    let of = |block: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
    let broken = |section, what, bytes: Vec<u8>| {
        case(section, what, of(&bytes), Connection(&[COMPRESSION_ERROR]))
            .here(Connection(&[PROTOCOL_ERROR]), OTHER_WORD)
    };
    let behind = |more: &[u8]| [&bad, more].concat();
    let before = |more: &[u8]| [more, &sound].concat();
    let served = |section, what, bytes: Vec<u8>| case(section, what, of(&bytes), Answer(1, 200));
    // `x-a: b`, kept at the head of the table, which is index 62.
    let kept = [&[0x40, 3][..], b"x-a", &[1, b'b']].concat();
    let next = |block: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 3, block);
    let shrunk = [&[0x20, 0x3f, 0xe1, 0x1f][..], &sound].concat();
    vec![
        broken("2.3.3", "an index beyond both tables", behind(&[0xc6])),
        broken("2.3.3", "an index far beyond", behind(&[0xff, 0xff, 0xff, 0xff, 0x07])),
        broken("2.3.3", "a name's index beyond both tables", behind(&[0x7f, 0x07, 1, b'b'])),
        served("2.3.2", "an entry that was kept", [&sound[..], &kept, &[0xbe]].concat()),
        case(
            "2.3.2",
            "an entry that an earlier request kept",
            [of(&[&sound[..], &kept].concat()), next(&[&sound[..], &[0xbe]].concat())].concat(),
            Answer(3, 200),
        ),
        case(
            "4.3",
            "an entry that was thrown out",
            [of(&[&sound[..], &kept].concat()), next(&[&[0x20][..], &bad, &[0xbe]].concat())].concat(),
            Connection(&[COMPRESSION_ERROR]),
        )
        .here(Connection(&[PROTOCOL_ERROR]), OTHER_WORD),
        served("4.2", "no table, then the largest", shrunk),
        served("4.2", "a smaller table", before(&[0x3f, 0x45])),
        broken("4.2", "a table's size behind a field", behind(&[0x20])),
        broken("6.3", "a table larger than allowed", [&[0x3f, 0xe2, 0x1f][..], &bad].concat()),
        broken("6.3", "a table of 4 GiB", [&[0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f][..], &bad].concat()),
        served("5.1", "an integer longer than it need be", before(&[0x3f, 0x80, 0x00])),
        broken(
            "5.1",
            "an integer without end",
            behind(&[0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ),
        broken("5.1", "an integer that breaks off", behind(&[0, 0x7f, 0xff])),
        broken("5.2", "a name longer than the block", behind(&[0, 20, b'x'])),
        broken("5.2", "a value longer than the block", behind(&[0, 1, b'x', 20, b'y'])),
        broken("5.2", "a value that is not there", behind(&[0, 1, b'x'])),
        served("5.2", "Huffman's code", [&sound[..], &[0, 0x81, 0x1f, 0x81, 0x1f]].concat()),
        broken(
            "5.2",
            "Huffman's code with its own end in it",
            behind(&[0, 0x84, 255, 255, 255, 255, 1, b'b']),
        ),
        broken("5.2", "Huffman's code padded with eight bits", behind(&[0, 0x82, 0x1f, 0xff, 1, b'b'])),
        broken("5.2", "Huffman's code padded with zeros", behind(&[0, 0x81, 0x18, 1, b'b'])),
        broken("6.1", "index 0", behind(&[0x80])),
        served("6.1", "indices of the static table", [&sound[..], &[0x90]].concat()),
        served("6.2.1", "a literal that is kept", [&sound[..], &kept].concat()),
        served("6.2.2", "a literal with a name by its index", [&sound[..], &[0x0f, 0x04, 1, b'b']].concat()),
        served("6.2.3", "a literal that is never kept", [&sound[..], &[0x10, 1, b'x', 1, b'b']].concat()),
    ]
}
