//! Floods of frames: what is sent, how it is sent, and what comes of it.

use crate::frames::*;
use crate::talk::{Said, Talk};

/// What came of one.
pub(crate) struct Flooded {
    /// How many could be written; not all were read.
    pub(crate) written: usize,
    pub(crate) said: Said,
}

/// Begins with `first`, then says `each` as often as it can, at most `most` times.
pub(crate) async fn flood(
    mut talk: Talk,
    first: &[u8],
    each: impl Fn(usize) -> Vec<u8>,
    most: usize,
) -> Flooded {
    talk.say(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), first].concat()).await;
    let mut written = 0;
    while written < most {
        let mut piece = Vec::new();
        while piece.len() < 8_000 && written < most {
            piece.extend(each(written));
            written += 1;
        }
        if talk.sees(Said::is_over) || !talk.say(&piece).await {
            break;
        }
    }
    let said = if talk.hears() { talk.wait(Said::is_over).await } else { talk.said() };
    Flooded { written, said }
}

pub(crate) type Each = Box<dyn Fn(usize) -> Vec<u8> + Send + Sync>;

/// The same again.
pub(crate) fn always(frame: Vec<u8>) -> Each {
    Box::new(move |_| frame.clone())
}

/// A flood.
pub(crate) struct Kind {
    pub(crate) what: &'static str,
    /// Said before.
    pub(crate) first: Vec<u8>,
    pub(crate) each: Each,
}

/// Frames of every kind; `open` is the head of a request on stream 1.
pub(crate) fn kinds(open: &[u8]) -> Vec<Kind> {
    let one = 1_u32.to_be_bytes();
    let setting = |id: u8, value: u32| [&[0, id], &value.to_be_bytes()[..]].concat();
    let kind = |what, first: &[u8], each| Kind { what, first: first.to_vec(), each };
    let window = setting(4, 1);
    vec![
        kind("PING", &[], always(frame(PING, 0, 0, &[7; 8]))),
        kind("answers to no PING", &[], always(frame(PING, ACK, 0, &[7; 8]))),
        kind("SETTINGS of nothing", &[], always(frame(SETTINGS, 0, 0, &[]))),
        kind(
            "SETTINGS of two windows by turns, beside an open stream",
            open,
            Box::new(move |n| {
                frame(SETTINGS, 0, 0, if n % 2 == 0 { &window } else { &[0, 4, 0, 0, 0xff, 0xff] })
            }),
        ),
        kind("SETTINGS of two tables by turns", &[], {
            let tables = [setting(1, 0), setting(1, 65_536)];
            Box::new(move |n| frame(SETTINGS, 0, 0, &tables[n % 2]))
        }),
        kind("SETTINGS as long as may be", &[], always(frame(SETTINGS, 0, 0, &setting(9, 1).repeat(2_730)))),
        kind(
            "PRIORITY of idle streams",
            &[],
            Box::new(|n| frame(PRIORITY, 0, 2 * (n as u32 % 10_000) + 101, &[0, 0, 0, 0, 16])),
        ),
        kind("WINDOW_UPDATE of the connection", &[], always(frame(WINDOW_UPDATE, 0, 0, &one))),
        kind("WINDOW_UPDATE of a stream", open, always(frame(WINDOW_UPDATE, 0, 1, &one))),
        kind("DATA of nothing", open, always(data(1, &[], false))),
        kind(
            "DATA of padding alone",
            open,
            always(frame(DATA, PADDED, 1, &[vec![200], vec![0; 200]].concat())),
        ),
        kind("frames of no known kind", &[], always(frame(0xbe, 0, 0, &[1; 20]))),
        kind("frames of no known kind, as long as may be", &[], always(frame(0xbe, 0, 0, &[1; 16_384]))),
        kind("PRIORITY_UPDATE", &[], always(frame(0x10, 0, 0, b"\0\0\0\x01u=1"))),
        kind(
            "RST_STREAM of a stream that was reset",
            &[open, &frame(RST_STREAM, 0, 1, &one)].concat(),
            always(frame(RST_STREAM, 0, 1, &one)),
        ),
        // With a request that is under way: else the gate says goodbye as well, and all is said.
        kind("GOAWAY", open, always(frame(GOAWAY, 0, 0, &[0; 8]))),
        kind("a little of everything", &[], {
            let all = [
                frame(PING, 0, 0, &[7; 8]),
                frame(SETTINGS, 0, 0, &[]),
                frame(WINDOW_UPDATE, 0, 0, &one),
                frame(PRIORITY, 0, 101, &[0, 0, 0, 0, 16]),
                frame(0xbe, 0, 0, &[]),
            ];
            Box::new(move |n| all[n % 5].clone())
        }),
    ]
}
