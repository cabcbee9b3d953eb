//! What RFC 9113 and RFC 7541 ask of a server, case by case, at the real door with a client's certificate. Where hyper
//! does otherwise, the case says what it does and why that harms nobody.
//!
//! - `connection`: preface, frames, streams, errors of the connection
//! - `carriers`: DATA, HEADERS, PRIORITY, RST_STREAM, CONTINUATION
//! - `control`: SETTINGS, PING, GOAWAY, windows, what may be ignored
//! - `messages`: requests, their fields and bodies
//! - `compression`: header blocks

mod carriers;
mod compression;
mod connection;
mod control;
mod messages;

use futures_util::StreamExt;

use crate::frames::*;
use crate::inside::Inside;
use crate::talk::{Said, Talk};

/// What a client says, and what is to come of it.
struct Case {
    section: &'static str,
    what: &'static str,
    /// Without preface and SETTINGS where it says its own.
    bytes: Vec<u8>,
    own_preface: bool,
    /// Said once the first stream has its whole answer.
    then: Vec<u8>,
    want: Want,
    /// What comes of it here instead, and why that is borne.
    here: Option<(Want, &'static str)>,
}

#[derive(Clone, Debug)]
enum Want {
    /// GOAWAY with one of these errors, and the end.
    Connection(&'static [u32]),
    /// The end, with or without a word.
    End,
    /// RST_STREAM with one of these errors, while the connection goes on.
    Stream(u32, &'static [u32]),
    /// Refused as a request that has no meaning (RFC 9113 8.1.1): RST_STREAM with PROTOCOL_ERROR, or a 4xx.
    Malformed(u32),
    /// A whole answer on this stream.
    Answer(u32, u16),
    /// So many bytes of answers, and no more.
    Data(usize),
    /// A PING is answered with its bytes.
    Pong([u8; 8]),
    /// So many SETTINGS are acknowledged.
    Acknowledged(usize),
    /// Nothing comes of it, the connection goes on.
    Ignored,
}

fn case(section: &'static str, what: &'static str, bytes: Vec<u8>, want: Want) -> Case {
    Case { section, what, bytes, own_preface: false, then: Vec::new(), want, here: None }
}

impl Case {
    /// What comes of it here instead, and why that is borne.
    fn here(self, instead: Want, because: &'static str) -> Self {
        Self { here: Some((instead, because)), ..self }
    }

    fn then(self, bytes: Vec<u8>) -> Self {
        Self { then: bytes, ..self }
    }

    async fn outcome(&self, inside: &Inside) -> Said {
        let mut talk = Talk::open(&inside.h2).await;
        let hello =
            if self.own_preface { Vec::new() } else { [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat() };
        talk.say(&[hello, self.bytes.clone()].concat()).await;
        if !self.then.is_empty() {
            talk.wait(|said| said.whole.contains(&1) || said.is_over()).await;
            talk.say(&self.then).await;
        }
        let wants = || std::iter::once(&self.want).chain(self.here.as_ref().map(|(want, _)| want));
        if wants().all(|want| matches!(want, Want::Connection(_) | Want::End)) {
            return talk.wait(|said| said.closed).await;
        }
        // What was said before it is read when this is answered.
        talk.say(&frame(PING, 0, 0, &PROBE)).await;
        let said = talk.wait(|said| said.pongs.iter().any(|pong| *pong == PROBE) || said.is_over()).await;
        if said.is_over() {
            return talk.wait(|said| said.closed).await;
        }
        talk.wait(|said| wants().any(|want| want.is_met(said)) || said.is_over()).await
    }
}

impl Want {
    fn is_met(&self, said: &Said) -> bool {
        let answered =
            |stream: &u32| said.statuses.get(stream).filter(|_| said.whole.contains(stream)).copied();
        let alive = !said.is_over() && said.pongs.iter().any(|pong| *pong == PROBE);
        match self {
            Self::Connection(errors) => {
                said.closed && said.goaway.is_some_and(|error| errors.contains(&error))
            }
            Self::End => said.closed,
            Self::Stream(stream, errors) => {
                alive && said.resets.get(stream).is_some_and(|error| errors.contains(error))
            }
            Self::Malformed(stream) => {
                let told = answered(stream).is_some_and(|status| (400..500).contains(&status));
                alive && (told || said.resets.get(stream) == Some(&PROTOCOL_ERROR))
            }
            Self::Answer(stream, status) => alive && answered(stream) == Some(*status),
            Self::Data(bytes) => alive && said.data == *bytes,
            Self::Pong(bytes) => alive && said.pongs.iter().any(|pong| pong == bytes),
            Self::Acknowledged(count) => alive && said.settings_acknowledged == *count,
            Self::Ignored => alive && said.resets.is_empty(),
        }
    }
}

/// What cases are made of.
struct Made<'a>(&'a Inside);

impl Made<'_> {
    /// A request that is sound.
    fn get(&self, stream: u32) -> Vec<u8> {
        headers(stream, &self.0.fields("GET", "/v"), true)
    }

    /// One whose body is to come.
    fn post(&self, stream: u32) -> Vec<u8> {
        headers(stream, &self.0.fields("POST", "/v"), false)
    }

    fn block(&self) -> Vec<u8> {
        block(&self.0.fields("GET", "/v"))
    }

    /// Fields of a request that must reach no backend.
    fn bad(&self) -> Vec<Field> {
        self.0.fields("GET", "/bad")
    }
}

fn setting(id: u8, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, id][..], &value.to_be_bytes()].concat())
}

fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

fn reset(stream: u32, error: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &error.to_be_bytes())
}

/// H-03, H-16, H-18, H-19. Every rule of the protocol that a client can break, and what it may do that looks odd.
#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_by_the_book() {
    let inside = Inside::open().await;
    let made = Made(&inside);
    let mut cases = connection::cases(&made);
    cases.extend(carriers::cases(&made));
    cases.extend(control::cases(&made));
    cases.extend(messages::cases(&made));
    cases.extend(compression::cases(&made));
    let outcomes: Vec<(usize, Said)> = futures_util::stream::iter(cases.iter().enumerate())
        .map(|(n, case)| {
            let inside = &inside;
            async move { (n, case.outcome(inside).await) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let (mut wrong, mut otherwise) = (Vec::new(), 0);
    for (n, said) in &outcomes {
        let case = &cases[*n];
        let name = format!("{} {}", case.section, case.what);
        // A server's preface (3.4).
        let first = said.frames.first().is_none_or(|(kind, flags, _)| *kind == SETTINGS && flags & ACK == 0);
        if !case.own_preface && !first {
            wrong.push(format!("{name}: its first frame is no SETTINGS"));
        }
        match &case.here {
            _ if case.want.is_met(said) => {}
            Some((here, because)) if here.is_met(said) => {
                println!("{name}: not {:?} but {here:?}: {because}", case.want);
                otherwise += 1;
            }
            _ => wrong.push(format!("{name}: wanted {:?}, heard {said:?}", case.want)),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    println!("{} cases, {otherwise} of them in another way than the book has it", cases.len());
    assert!(cases.len() >= 150, "{}", cases.len());
    assert!(
        inside.recorder.whole().iter().all(|got| got.target != "/bad"),
        "the backend got what is no request"
    );
    inside.must_serve_the_honest().await;
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}

/// Reasons why something else comes of a case, and is borne.
const HARSHER: &str = "hyper ends the connection, where the stream alone would do";
const OTHER_WORD: &str = "hyper has another word for it; the connection ends all the same";

const PROBE: [u8; 8] = *b"probing!";

const AT_ONCE: usize = 8;
