//! Where a request of HTTP/2 ends: lengths that lie, headers that HTTP/2 does not have, bodies of every shape.

use std::time::Duration;

use futures_util::StreamExt;

use crate::frames::*;
use crate::inside::Inside;
use crate::recorder::Got;
use crate::support::PATIENCE;

/// H-01. Lengths, connection headers and shapes of bodies over HTTP/2.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_http2_is_one_request_or_none() {
    let inside = Inside::open().await;
    let variants = variants(&inside);
    assert!(variants.len() >= 500, "{}", variants.len());
    send_all(&inside, &variants).await;
    let served = must_be_one_or_none(&variants, &inside.recorder.whole());
    let sound = variants.iter().filter(|variant| variant.body.is_some()).count();
    println!(
        "{} variants over HTTP/2 ({sound} sound): {served} arrived as one request, none became two",
        variants.len()
    );
    assert!(served > 50, "{served}");
}

/// Sends each on a connection of its own, and a sound request behind it.
pub(crate) async fn send_all(inside: &Inside, variants: &[Shaped]) {
    futures_util::stream::iter(variants)
        .for_each_concurrent(AT_ONCE, |variant| async {
            let mut h2 = H2::open(&inside.h2).await;
            h2.send(&variant.frames).await;
            h2.listen(1, if variant.body.is_some() { PATIENCE } else { SILENCE }).await;
            let n = variant.number;
            h2.send(&headers(5, &inside.fields("GET", &format!("/behind/{n}")), true)).await;
            h2.listen(5, SILENCE).await;
            if n.is_multiple_of(4) {
                inside.must_serve_the_honest().await;
            }
        })
        .await;
}

/// Each arrived once with its own body, or not at all; how many did.
#[track_caller]
pub(crate) fn must_be_one_or_none(variants: &[Shaped], whole: &[Got]) -> usize {
    let mut served = 0;
    for variant in variants {
        let n = variant.number;
        let of = |path: String| whole.iter().filter(|got| got.target == path).collect::<Vec<_>>();
        let (itself, smuggled) = (of(format!("/v/{n}")), of(format!("/smuggled/{n}")));
        assert!(smuggled.is_empty() && itself.len() <= 1, "{}: {itself:?} {smuggled:?}", variant.what);
        assert!(of(format!("/behind/{n}")).len() <= 1, "{}", variant.what);
        for got in itself {
            assert_eq!(Some(&got.body), variant.body.as_ref(), "{}", variant.what);
            served += 1;
        }
    }
    served
}

/// One request, sent by itself.
pub(crate) struct Shaped {
    pub(crate) number: usize,
    pub(crate) what: String,
    pub(crate) frames: Vec<u8>,
    /// The body it may arrive with.
    body: Option<Vec<u8>>,
}

/// Every one.
pub(crate) fn variants(inside: &Inside) -> Vec<Shaped> {
    let mut all = Vec::new();
    for payload in 0..3 {
        for shape in 0..SHAPES {
            for length in 0..lengths(0).len() {
                all.push(variant(inside, all.len(), payload, shape, length, None));
            }
            for (name, value, kept) in EXTRAS {
                all.push(variant(inside, all.len(), payload, shape, 0, Some((name, value, kept))));
            }
        }
    }
    all
}

fn variant(
    inside: &Inside,
    number: usize,
    payload: usize,
    shape: usize,
    length: usize,
    extra: Option<(&str, &str, bool)>,
) -> Shaped {
    let smuggled = format!("GET /smuggled/{number} HTTP/1.1\r\n{}\r\n", inside.lines());
    let body = match payload {
        0 => Vec::new(),
        1 => b"hello".to_vec(),
        _ => format!("0\r\n\r\n{smuggled}").into_bytes(),
    };
    let (values, length_right) = lengths(body.len()).swap_remove(length);
    let mut fields = inside.fields("POST", &format!("/v/{number}"));
    fields.extend(values.iter().map(|value| field("content-length", value)));
    fields.extend(extra.map(|(name, value, _)| field(name, value)));
    let (frames, shape_right) = shaped(shape, &fields, &body);
    let right = length_right && shape_right && extra.is_none_or(|(_, _, kept)| kept);
    let what = format!("{} bytes, shape {shape}, length {values:?}, {extra:?}", body.len());
    Shaped { number, what, frames, body: right.then_some(body) }
}

/// Lengths that a body of `n` bytes may be said to have, and whether that may be believed.
fn lengths(n: usize) -> Vec<(Vec<String>, bool)> {
    let one = |value: String| vec![value];
    vec![
        (vec![], true),
        (one(format!("{n}")), true),
        (one(format!("0{n}")), true),
        (vec![format!("{n}"), format!("{n}")], true),
        (one(format!("{}", n + 1)), false),
        (one(format!("{}", n + 1000)), false),
        (one(n.checked_sub(1).map_or_else(|| "7".to_owned(), |less| less.to_string())), false),
        (one(format!("+{n}")), false),
        (one(format!("-{n}")), false),
        (one(format!("{n}, {}", n + 1)), false),
        (one(format!("{n} 1")), false),
        (one(format!("0x{n:x}")), false),
        (one(String::new()), false),
        (vec![format!("{n}"), format!("{}", n + 1)], false),
        (vec![format!("{}", n + 1), format!("{n}")], false),
        (one(format!("{}", u128::from(u64::MAX) + 1 + n as u128)), false),
    ]
}

/// Headers of a connection, which HTTP/2 does not have, and some that may stay.
const EXTRAS: [(&str, &str, bool); 16] = [
    ("transfer-encoding", "chunked", false),
    ("transfer-encoding", "identity", false),
    ("connection", "close", false),
    ("connection", "transfer-encoding", false),
    ("keep-alive", "5", false),
    ("proxy-connection", "keep-alive", false),
    ("upgrade", "websocket", false),
    ("te", "chunked", false),
    ("te", "trailers", true),
    ("host", "evil.example", false),
    ("http2-settings", "AAMAAABkAAQAAP__", true),
    ("expect", "100-continue", true),
    ("content-encoding", "chunked", true),
    ("trailer", "content-length", true),
    ("transfer_encoding", "chunked", true),
    ("content_length", "99", true),
];

/// Ways to send a head and a body, and whether each is sound.
const SHAPES: usize = 6;

fn shaped(shape: usize, fields: &[Field], body: &[u8]) -> (Vec<u8>, bool) {
    let open = headers(1, fields, false);
    match shape {
        0 => ([open, data(1, body, true)].concat(), true),
        1 => {
            let mut frames = open;
            for byte in body {
                frames.extend(data(1, &[*byte], false));
            }
            frames.extend(data(1, &[], true));
            (frames, true)
        }
        2 => {
            let padded = [&[9], body, &[0; 9]].concat();
            ([open, frame(DATA, PADDED | END_STREAM, 1, &padded)].concat(), true)
        }
        3 => {
            let trailers = headers(1, &[field("x-a", "b"), field("transfer-encoding-x", "chunked")], true);
            ([open, data(1, body, false), trailers].concat(), true)
        }
        4 => {
            // Whatever trailers say, they end here.
            let trailers = headers(1, &[field(":path", "/smuggled")], true);
            ([open, data(1, body, false), trailers].concat(), true)
        }
        _ => {
            // More after the end.
            let late = data(1, b"GET /smuggled HTTP/1.1\r\n\r\n", true);
            ([open, data(1, body, true), late].concat(), true)
        }
    }
}

const AT_ONCE: usize = 16;

const SILENCE: Duration = Duration::from_millis(400);
