//! Requests whose end could be read in two ways: a generator of spellings, each with the bodies that a
//! strict reading allows. Knows no connection.

/// What every request of a client carries.
#[derive(Clone)]
pub(crate) struct Carried {
    /// `Host` and `Cookie`, each with its end of line.
    pub(crate) lines: String,
}

/// One request, sent by itself.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) number: usize,
    /// What is odd about it.
    pub(crate) what: String,
    pub(crate) bytes: Vec<u8>,
    /// Bodies it may reach the backend with; none: it may not.
    pub(crate) bodies: Vec<Vec<u8>>,
}

/// Variants by number.
pub(crate) struct Variants {
    carried: Carried,
    all: Vec<Variant>,
}

/// How a header is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It says what it says.
    Right,
    /// Whoever acts upon it acts wrongly.
    Wrong,
    /// It is another header, of no meaning for the message's end.
    Other,
}

impl Variants {
    /// Every one.
    pub(crate) fn all(carried: Carried) -> Vec<Variant> {
        let mut variants = Self { carried, all: Vec::new() };
        variants.lengths_and_codings();
        variants.methods();
        variants.chunks();
        variants.lines();
        variants.bytes();
        variants.all
    }

    fn next(&self) -> usize {
        self.all.len()
    }

    /// A request that would be served if anybody took it for one.
    fn smuggled(&self) -> Vec<u8> {
        format!("GET /smuggled/{} HTTP/1.1\r\n{}\r\n", self.next(), self.carried.lines).into_bytes()
    }

    fn add(&mut self, what: String, line: &str, headers: &[u8], payload: &[u8], bodies: Vec<Vec<u8>>) {
        let number = self.next();
        let line = line.replace("{}", &format!("/v/{number}"));
        let head = format!("{line}\r\n{}", self.carried.lines);
        let bytes = [head.as_bytes(), headers, b"\r\n", payload].concat();
        self.all.push(Variant { number, what, bytes, bodies });
    }

    /// Every length beside every coding, in either order, in both versions of HTTP/1.
    fn lengths_and_codings(&mut self) {
        for version in ["1.1", "1.0"] {
            for n in 0..lengths(0).len() {
                for m in 0..CODINGS.len() {
                    self.length_and_coding(version, n, m, true);
                    if version == "1.1" && m > 1 {
                        self.length_and_coding(version, n, m, false);
                    }
                }
            }
        }
    }

    fn length_and_coding(&mut self, version: &str, n: usize, m: usize, length_first: bool) {
        let (coding, coding_kind) = CODINGS[m];
        let alone = coding_kind == Kind::Other;
        // Read by the coding, a request follows that nobody sent; read by the length, it is a body.
        let chunks: &[u8] = if alone { b"0\r\n\r\n" } else { CHUNKED };
        let mut payload = [chunks, &self.smuggled()].concat();
        if n + 1 == lengths(0).len() {
            // No length at all: what follows would be the client's own next request.
            payload = chunks.to_vec();
        }
        let (length, length_kind) = lengths(payload.len()).swap_remove(n);
        let bodies = match (coding_kind, length_kind) {
            (Kind::Other, Kind::Right) => vec![payload.clone()],
            (Kind::Other, Kind::Other) if version == "1.1" => vec![vec![]],
            // A length that is no length, and nothing else that says where the body ends.
            (Kind::Other, Kind::Wrong | Kind::Other) | (Kind::Wrong, _) => vec![],
            // A coding goes before a length (RFC 9112 6.3), in a version that has it.
            (Kind::Right, _) if version == "1.1" => vec![b"hello".to_vec()],
            (Kind::Right, _) => vec![],
        };
        let headers = if length_first { format!("{length}{coding}") } else { format!("{coding}{length}") };
        let what = format!("HTTP/{version} {headers:?}");
        self.add(what, &format!("POST {{}} HTTP/{version}"), headers.as_bytes(), &payload, bodies);
    }

    /// One header alone, or none, under methods that seldom have a body.
    fn methods(&mut self) {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get"] {
            for version in ["1.1", "1.0"] {
                let line = format!("{method} {{}} HTTP/{version}");
                let payload = self.smuggled();
                let length = format!("Content-Length: {}\r\n", payload.len());
                self.add(
                    format!("{line} {length:?}"),
                    &line,
                    length.as_bytes(),
                    &payload,
                    vec![payload.clone()],
                );
                for (coding, kind) in CODINGS {
                    let bodies = match kind {
                        Kind::Right if version == "1.1" => vec![b"hello".to_vec()],
                        Kind::Right | Kind::Wrong => vec![],
                        // Where no length says otherwise there is no body, and what follows is no request.
                        Kind::Other if version == "1.1" || !method.starts_with('P') => vec![vec![]],
                        // In HTTP/1.0 what has a body has a length (RFC 1945 8.3); others end it by closing.
                        Kind::Other => vec![],
                    };
                    let kept = if method == "PROPFIND" && bodies.is_empty() { vec![vec![]] } else { bodies };
                    let bodies = if kind == Kind::Other {
                        kept
                    } else {
                        kept.into_iter().filter(|b| !b.is_empty()).collect()
                    };
                    self.add(format!("{line} {coding:?}"), &line, coding.as_bytes(), CHUNKED, bodies);
                }
            }
        }
    }

    /// Every byte in every place of the two headers that say where a body ends.
    fn bytes(&mut self) {
        for byte in 0..=255_u8 {
            for place in 0..4 {
                let payload = [b"0\r\n\r\n".as_slice(), &self.smuggled()].concat();
                let length = payload.len().to_string();
                let headers = placed(byte, place, "Content-Length", &length);
                let bodies = length_bodies(byte, place, &payload);
                let what = format!("{byte:#04x} at {place} of Content-Length");
                self.add(what, "POST {} HTTP/1.1", &headers, &payload, bodies);

                // The places left out are those where both are read alike.
                if place == 1 || place == 3 {
                    continue;
                }
                let headers = placed(byte, place, "Transfer-Encoding", "chunked");
                let bodies = coding_bodies(byte, place);
                let what = format!("{byte:#04x} at {place} of Transfer-Encoding");
                self.add(what, "POST {} HTTP/1.1", &headers, CHUNKED, bodies);
            }
        }
    }

    /// Chunks, one part of them at a time spelled in every way; the others in every right one.
    fn chunks(&mut self) {
        for (size, size_kind) in SIZES {
            for (end, end_kind) in DATA_ENDS {
                for (last, last_kind) in LASTS {
                    let body = format!("{size}hello{end}{last}");
                    let parts = [size_kind, end_kind, last_kind];
                    let wrong = parts.iter().filter(|kind| **kind != Kind::Right).count();
                    if wrong > 1 {
                        continue;
                    }
                    let bodies = if wrong == 0 { vec![b"hello".to_vec()] } else { vec![] };
                    let headers = "Transfer-Encoding: chunked\r\n";
                    let what = format!("chunks {body:?}");
                    self.add(what, "POST {} HTTP/1.1", headers.as_bytes(), body.as_bytes(), bodies);
                }
            }
        }
    }

    /// Lines before, between and behind.
    fn lines(&mut self) {
        let long = "x".repeat(20_000);
        for (extra, bodies) in [
            ("X: a\r\n b\r\nContent-Length: 5\r\n".to_owned(), vec![]),
            ("X: a\r\n\tContent-Length: 5\r\n".to_owned(), vec![]),
            (" Content-Length: 5\r\n".to_owned(), vec![]),
            ("X: a\rContent-Length: 5\r\n".to_owned(), vec![]),
            ("X: a\nContent-Length: 5\r\n".to_owned(), vec![b"hello".to_vec()]),
            ("X: a\0\r\nContent-Length: 5\r\n".to_owned(), vec![]),
            (": a\r\nContent-Length: 5\r\n".to_owned(), vec![]),
            ("\0: a\r\nContent-Length: 5\r\n".to_owned(), vec![]),
            ("X\r\nContent-Length: 5\r\n".to_owned(), vec![]),
            (format!("X: {long}{long}\r\nContent-Length: 5\r\n"), vec![]),
            ("Content-Length: 5\r\nConnection: Content-Length\r\n".to_owned(), vec![b"hello".to_vec()]),
            ("Content-Length: 5\r\nConnection: close, Transfer-Encoding\r\n".to_owned(), vec![b"hello".to_vec()]),
            ("Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 5\r\n".to_owned(), vec![b"hello".to_vec()]),
            ("Content-Length: 5\r\nTrailer: Content-Length\r\n".to_owned(), vec![b"hello".to_vec()]),
            ("Content-Length: 5\r\nExpect: 100-continue\r\n".to_owned(), vec![b"hello".to_vec()]),
            ("Content-Length: 5\r\nExpect: 200-ok\r\n".to_owned(), vec![b"hello".to_vec()]),
            ("Content-Length: 5\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n".to_owned(), vec![b"hello".to_vec()]),
            ("Content-Encoding: chunked\r\nContent-Length: 5\r\n".to_owned(), vec![b"hello".to_vec()]),
            ("TE: chunked\r\nContent-Length: 5\r\n".to_owned(), vec![b"hello".to_vec()]),
        ] {
            for line in [
                "POST {} HTTP/1.1",
                "POST  {} HTTP/1.1",
                "POST {} HTTP/1.1 ",
                "POST\t{} HTTP/1.1",
                "POST {}\tHTTP/1.1",
                "POST {} http/1.1",
                "POST {} HTTP/1.2",
                "POST {} HTTP/2.0",
                "POST {} HTTP/0.9",
                "POST {} HTTP/1.1\r",
                "POST {}",
                " POST {} HTTP/1.1",
                "\r\n\r\nPOST {} HTTP/1.1",
                "\nPOST {} HTTP/1.1",
                "\0POST {} HTTP/1.1",
                "PO ST {} HTTP/1.1",
            ] {
                let plain = matches!(line, "POST {} HTTP/1.1" | "\r\n\r\nPOST {} HTTP/1.1" | "\nPOST {} HTTP/1.1");
                let bodies = if plain { bodies.clone() } else { vec![] };
                let cut: String = extra.chars().take(60).collect();
                self.add(format!("{line:?} {cut:?}"), line, extra.as_bytes(), b"hello", bodies);
            }
        }
    }
}

/// `name: value` with one byte more.
fn placed(byte: u8, place: usize, name: &str, value: &str) -> Vec<u8> {
    let mut parts: [Vec<u8>; 4] = [name.into(), b": ".to_vec(), value.into(), b"\r\n".to_vec()];
    let (part, at) = [(0, 0), (1, 0), (2, 0), (3, 0)][place];
    parts[part].insert(at, byte);
    parts.concat()
}

fn length_bodies(byte: u8, place: usize, payload: &[u8]) -> Vec<Vec<u8>> {
    match (place, byte) {
        // The blank line comes early: no length was said, and what follows is no request.
        (0, b'\n') => vec![vec![]],
        (0 | 1, byte) if is_token(byte) => vec![vec![]],
        (2 | 3, b' ' | b'\t') | (2, b'0') => vec![payload.to_vec()],
        // The blank line comes early, and the body begins with what was left of it.
        (3, b'\n') => vec![[b"\r\n", &payload[..payload.len() - 2]].concat()],
        // An empty element of a list says nothing (RFC 9110 5.6.1).
        (2 | 3, b',') => vec![payload.to_vec()],
        _ => vec![],
    }
}

fn coding_bodies(byte: u8, place: usize) -> Vec<Vec<u8>> {
    match (place, byte) {
        (0, b'\n') => vec![vec![]],
        (0 | 1, byte) if is_token(byte) => vec![vec![]],
        (2 | 3, b' ' | b'\t' | b',') => vec![b"hello".to_vec()],
        _ => vec![],
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Lengths of a body of `n` bytes.
fn lengths(n: usize) -> Vec<(String, Kind)> {
    let line = |value: String| format!("Content-Length: {value}\r\n");
    vec![
        (line(format!("{n}")), Kind::Right),
        (line(format!("  {n}\t ")), Kind::Right),
        (line(format!("00{n}")), Kind::Right),
        (line(format!("{n}")).to_uppercase(), Kind::Right),
        (line(format!("{n}")).replace(": ", ":"), Kind::Right),
        (line(format!("{n}, {n}")), Kind::Right),
        (line(format!("{n}")).repeat(2), Kind::Right),
        (line(format!("+{n}")), Kind::Wrong),
        (line(format!("-{n}")), Kind::Wrong),
        (line(format!("{n},{}", n + 1)), Kind::Wrong),
        (line(format!("{n}")) + &line("5".to_owned()), Kind::Wrong),
        (line("0".to_owned()) + &line(format!("{n}")), Kind::Wrong),
        (line(String::new()), Kind::Wrong),
        (line(format!("0x{n:x}")), Kind::Wrong),
        (line(format!("{n}.0")), Kind::Wrong),
        (line(format!("{n}e0")), Kind::Wrong),
        (line(format!("{n} 1")), Kind::Wrong),
        (line(format!("{n};a=b")), Kind::Wrong),
        (line(format!("\"{n}\"")), Kind::Wrong),
        (line(format!("\u{ff15}{n}")), Kind::Wrong),
        (line(format!("{}", u128::from(u64::MAX) + 1 + n as u128)), Kind::Wrong),
        (line(format!("{n}")).replace(": ", " : "), Kind::Wrong),
        (format!("Content-Length:\r\n {n}\r\n"), Kind::Wrong),
        (format!("Content_Length: {n}\r\n"), Kind::Other),
    ]
}

const CODINGS: [(&str, Kind); 25] = [
    ("", Kind::Other),
    ("Transfer_Encoding: chunked\r\n", Kind::Other),
    ("Transfer-Encoding: chunked\r\n", Kind::Right),
    ("transfer-encoding:CHUNKED\r\n", Kind::Right),
    ("Transfer-Encoding: \t chunked \t\r\n", Kind::Right),
    ("Transfer-Encoding: xchunked\r\n", Kind::Wrong),
    ("Transfer-Encoding: chunkedx\r\n", Kind::Wrong),
    ("Transfer-Encoding: identity\r\n", Kind::Wrong),
    ("Transfer-Encoding: chunked, identity\r\n", Kind::Wrong),
    ("Transfer-Encoding: identity, chunked\r\n", Kind::Wrong),
    ("Transfer-Encoding: gzip, chunked\r\n", Kind::Wrong),
    ("Transfer-Encoding: chunked, chunked\r\n", Kind::Wrong),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Kind::Wrong),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Kind::Wrong),
    ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", Kind::Wrong),
    ("Transfer-Encoding: \"chunked\"\r\n", Kind::Wrong),
    ("Transfer-Encoding: chunked;q=1\r\n", Kind::Wrong),
    ("Transfer-Encoding:\r\n", Kind::Wrong),
    ("Transfer-Encoding:\r\n chunked\r\n", Kind::Wrong),
    ("Transfer-Encoding : chunked\r\n", Kind::Wrong),
    (" Transfer-Encoding: chunked\r\n", Kind::Wrong),
    ("Transfer-Encoding:\x0bchunked\r\n", Kind::Wrong),
    ("Transfer-Encoding: chun\u{212a}ed\r\n", Kind::Wrong),
    ("Transfer-Encoding: ch\0unked\r\n", Kind::Wrong),
    ("X: a\rTransfer-Encoding: chunked\r\n", Kind::Wrong),
];

/// A body in chunks.
const CHUNKED: &[u8] = b"5\r\nhello\r\n0\r\n\r\n";

/// Lines that give a chunk's size.
const SIZES: [(&str, Kind); 26] = [
    ("5\r\n", Kind::Right),
    ("05\r\n", Kind::Right),
    ("0000000000000005\r\n", Kind::Right),
    ("5;a\r\n", Kind::Right),
    ("5;a=b;c=\"d\"\r\n", Kind::Right),
    // Blanks before the end, as many servers write them.
    ("5 \r\n", Kind::Right),
    ("5\t\r\n", Kind::Right),
    ("5 ;a\r\n", Kind::Right),
    (" 5\r\n", Kind::Wrong),
    ("+5\r\n", Kind::Wrong),
    ("-5\r\n", Kind::Wrong),
    ("0x5\r\n", Kind::Wrong),
    ("5h\r\n", Kind::Wrong),
    ("5 5\r\n", Kind::Wrong),
    ("5,\r\n", Kind::Wrong),
    ("5\n", Kind::Wrong),
    ("5\r", Kind::Wrong),
    ("5\r\r\n", Kind::Wrong),
    ("5\x0b\r\n", Kind::Wrong),
    ("5\0\r\n", Kind::Wrong),
    ("5;a\n\r\n", Kind::Wrong),
    ("5;a\rb\r\n", Kind::Wrong),
    ("\r\n", Kind::Wrong),
    ("g\r\n", Kind::Wrong),
    ("10000000000000005\r\n", Kind::Wrong),
    ("fffffffffffffffb\r\n", Kind::Wrong),
];

/// What ends a chunk's data.
const DATA_ENDS: [(&str, Kind); 6] = [
    ("\r\n", Kind::Right),
    ("\n", Kind::Wrong),
    ("\r", Kind::Wrong),
    ("", Kind::Wrong),
    ("\r\r\n", Kind::Wrong),
    ("x\r\n", Kind::Wrong),
];

/// The last chunk, with trailers and the blank line.
const LASTS: [(&str, Kind); 8] = [
    ("0\r\n\r\n", Kind::Right),
    ("000\r\n\r\n", Kind::Right),
    ("0;a\r\nX: y\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n", Kind::Right),
    // A line may end with LF alone (RFC 9112 2.2); the backend gets CRLF in any case.
    ("0\r\n\n", Kind::Right),
    ("0\n\n", Kind::Wrong),
    ("-0\r\n\r\n", Kind::Wrong),
    ("0\r\nX\r\n\r\n", Kind::Wrong),
    ("0\r\nX: y\r\n z\r\n\r\n", Kind::Wrong),
];
