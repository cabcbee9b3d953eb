//! The backend of the attacks on framing: reads every byte strictly by RFC 9112 and tells apart whole
//! requests, requests that broke off, and bytes that are none. Shares no code with the gate's own parser.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running backend.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Whole(Got),
    /// A request, and the end of the connection before its own.
    Unfinished,
    Malformed(&'static str, Vec<u8>),
}

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names as they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Every byte of it.
    pub(crate) bytes: Vec<u8>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let recorder = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let recorder = recorder.clone();
                tokio::spawn(async move { recorder.attend(stream).await });
            }
        });
        this
    }

    async fn attend(&self, mut stream: TcpStream) {
        let mut unread = Vec::new();
        loop {
            match read(&unread) {
                Read::More => {
                    let mut piece = [0; 16 * 1024];
                    match stream.read(&mut piece).await {
                        Ok(0) | Err(_) if unread.is_empty() => return,
                        Ok(0) | Err(_) => return self.note(Seen::Unfinished),
                        Ok(n) => unread.extend_from_slice(&piece[..n]),
                    }
                }
                Read::Bad(why) => return self.note(Seen::Malformed(why, unread)),
                Read::Whole(got, length) => {
                    unread.drain(..length);
                    let body = format!("the bank's own page at {}", got.target);
                    // `/to/PORT` sends the client elsewhere.
                    let status = match got.target.strip_prefix("/to/") {
                        Some(port) => format!("302 Found\r\nLocation: http://127.0.0.1:{port}/"),
                        None => "200 OK".to_owned(),
                    };
                    let mut answer =
                        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
                    if got.method != "HEAD" {
                        answer.extend_from_slice(body.as_bytes());
                    }
                    self.note(Seen::Whole(got));
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn note(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The whole requests; anything that is no request fails.
    #[track_caller]
    pub(crate) fn whole(&self) -> Vec<Got> {
        let whole = |seen| match seen {
            Seen::Whole(got) => Some(got),
            Seen::Unfinished => None,
            Seen::Malformed(why, bytes) => {
                panic!("the backend got what is no request ({why}): {}", String::from_utf8_lossy(&bytes))
            }
        };
        self.seen().into_iter().filter_map(whole).collect()
    }

    /// The one request that arrived.
    #[track_caller]
    pub(crate) fn only_one(&self) -> Got {
        let mut whole = self.whole();
        assert_eq!(whole.len(), 1, "{whole:?}");
        whole.remove(0)
    }

    /// How much arrived, of any kind.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

impl Got {
    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

enum Read {
    Whole(Got, usize),
    More,
    Bad(&'static str),
}

/// The first request of `bytes`.
fn read(bytes: &[u8]) -> Read {
    let Some(end) = position(bytes, b"\r\n\r\n") else { return Read::More };
    let mut lines = Vec::new();
    let mut rest = &bytes[..end];
    while let Some(at) = position(rest, b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    if lines.iter().any(|line| line.iter().any(|b| (*b < b' ' && *b != b'\t') || *b == 0x7f)) {
        return Read::Bad("a control character in the head");
    }
    let first = String::from_utf8_lossy(lines[0]).into_owned();
    let parts: Vec<&str> = first.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else { return Read::Bad("no request line") };
    if !is_token(method.as_bytes()) || !target.bytes().all(|b| b.is_ascii_graphic()) || target.is_empty() {
        return Read::Bad("an odd request line");
    }
    let mut headers = Vec::new();
    for line in &lines[1..] {
        let Some(colon) = line.iter().position(|b| *b == b':') else { return Read::Bad("no header") };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) {
            return Read::Bad("an odd header name");
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
        headers.push((text(name), text(value)));
    }
    let named = |name: &str| -> Vec<&str> {
        let of = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        of.map(|(_, value)| value.as_str()).collect()
    };
    if named("host").len() != 1 {
        return Read::Bad("not one host");
    }
    // A backend whose framework turns dashes into underscores knows no difference.
    let lax = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
    let lengths = headers.iter().filter(|(name, _)| FRAMING.contains(&lax(name).as_str())).count();
    if lengths != named("content-length").len() + named("transfer-encoding").len() {
        return Read::Bad("another length, in another spelling");
    }
    let head = end + 4;
    let body = match (&named("content-length")[..], &named("transfer-encoding")[..]) {
        ([], []) => Some((Vec::new(), 0)),
        ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            let Ok(length) = length.parse::<usize>() else { return Read::Bad("too long a length") };
            bytes.get(head..head.saturating_add(length)).map(|body| (body.to_vec(), length))
        }
        ([], ["chunked"]) => match chunked(&bytes[head..]) {
            Ok(body) => body,
            Err(why) => return Read::Bad(why),
        },
        _ => return Read::Bad("two ends, or none"),
    };
    let Some((body, length)) = body else { return Read::More };
    let (method, target) = (method.to_owned(), target.to_owned());
    let whole = head + length;
    Read::Whole(Got { method, target, headers, body, bytes: bytes[..whole].to_vec() }, whole)
}

/// Body and length of a chunked message; nothing where it is not all there.
fn chunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = position(&bytes[at..], b"\r\n") else { return Ok(None) };
        let size = &bytes[at..at + line];
        if size.is_empty() || size.len() > 8 || !size.iter().all(u8::is_ascii_hexdigit) {
            return Err("an odd chunk size");
        }
        let size = usize::from_str_radix(&String::from_utf8_lossy(size), 16).map_err(|_| "no chunk size")?;
        at += line + 2;
        let Some(data) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !data.ends_with(b"\r\n") {
            return Err("a chunk that does not end");
        }
        body.extend_from_slice(&data[..size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// What says where a message ends.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_strictly() {
        let whole =
            |text: &str| matches!(read(text.as_bytes()), Read::Whole(_, length) if length == text.len());
        assert!(whole("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(whole("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"));
        assert!(whole(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
        ));
        for bad in [
            "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer_Encoding: chunked\r\n\r\nab",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nab",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        ] {
            assert!(matches!(read(bad.as_bytes()), Read::Bad(_)), "{bad:?}");
        }
        assert!(matches!(read(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na"), Read::More));
    }
}
