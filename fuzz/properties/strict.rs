//! A backend that forgives nothing: it reads requests by the letter of RFC 9112 and writes down whatever is not
//! as the gate promises. Each connection is read by itself, byte for byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use portcullis::crypto::verify_es256_fixed;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A running backend.
#[derive(Clone, Default)]
pub(crate) struct Strict {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Requests that were as promised.
    requests: usize,
    faults: Vec<String>,
    promise: Option<Promise>,
}

/// What every request must say of who is calling.
#[derive(Clone)]
pub(crate) struct Promise {
    /// SEC1 uncompressed.
    pub(crate) key: Vec<u8>,
    pub(crate) audience: String,
    pub(crate) person: String,
    pub(crate) certificate: Vec<u8>,
}

impl Strict {
    pub(crate) async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let this = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = this.clone();
                tokio::spawn(async move {
                    if let Err(fault) = this.attend(stream).await {
                        this.seen().faults.push(fault);
                    }
                });
            }
        });
        address
    }

    pub(crate) fn expect(&self, promise: Promise) {
        self.seen().promise = Some(promise);
    }

    /// How many requests were as promised; panics where one was not.
    pub(crate) fn requests(&self) -> usize {
        let seen = self.seen();
        assert!(seen.faults.is_empty(), "the backend was sent what it must not be: {:#?}", seen.faults);
        seen.requests
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Until the gate hangs up, in the middle of a request or between two.
    async fn attend(&self, stream: TcpStream) -> Result<(), String> {
        let mut stream = BufReader::new(stream);
        while let Some(request) = line(&mut stream).await? {
            let method = request_line(&request)?;
            let mut headers = Vec::new();
            loop {
                match line(&mut stream).await? {
                    None => return Ok(()),
                    Some(line) if line.is_empty() => break,
                    Some(line) => headers.push(header(&line)?),
                }
            }
            let promise = self.seen().promise.clone().ok_or("a request before any was expected")?;
            promise.kept(&headers).map_err(|fault| format!("{fault}: {request:?} {headers:?}"))?;
            if !body(&mut stream, &headers).await? {
                return Ok(());
            }
            self.seen().requests += 1;
            let answer = if method == "HEAD" { &b"HTTP/1.1 204 No Content\r\n\r\n"[..] } else { ANSWER };
            if stream.get_mut().write_all(answer).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Promise {
    fn kept(&self, headers: &[(String, String)]) -> Result<(), String> {
        one(headers, "host")?;
        let token = one(headers, "portcullis-assertion")?;
        let parts: Vec<&str> = token.split('.').collect();
        let &[head, claims, signature] = parts.as_slice() else { return Err("no JWT".to_owned()) };
        let decoded = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|error| error.to_string());
        let signed = format!("{head}.{claims}");
        verify_es256_fixed(&self.key, signed.as_bytes(), &decoded(signature)?)
            .map_err(|_| "not the gate's signature".to_owned())?;
        let claims: Value = serde_json::from_slice(&decoded(claims)?).map_err(|error| error.to_string())?;
        if claims["aud"] != self.audience || claims["sub"] != self.person {
            return Err(format!("signed for another: {claims}"));
        }
        if one(headers, "client-cert")? != format!(":{}:", BASE64.encode(&self.certificate)) {
            return Err("another certificate".to_owned());
        }
        Ok(())
    }
}

/// A line without its CRLF; `None` at the end of the connection.
async fn line(stream: &mut BufReader<TcpStream>) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    if stream.read_until(b'\n', &mut bytes).await.is_err() || !bytes.ends_with(b"\n") {
        return Ok(None);
    }
    let text = bytes.strip_suffix(b"\r\n").ok_or_else(|| format!("a line ends without CR: {bytes:?}"))?;
    if text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(format!("CR, LF or NUL inside a line: {text:?}"));
    }
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}

fn request_line(line: &str) -> Result<String, String> {
    let parts: Vec<&str> = line.split(' ').collect();
    let &[method, target, "HTTP/1.1"] = parts.as_slice() else { return Err(format!("no request: {line:?}")) };
    if !is_token(method) || !target.starts_with('/') || !target.bytes().all(|byte| byte > b' ' && byte != 127)
    {
        return Err(format!("no request: {line:?}"));
    }
    Ok(method.to_owned())
}

fn header(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| format!("no header: {line:?}"))?;
    if !is_token(name) {
        return Err(format!("no header's name: {line:?}"));
    }
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn all<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
}

/// The one header of the name, in any of the spellings that a backend could take for it.
fn one<'a>(headers: &'a [(String, String)], name: &str) -> Result<&'a str, String> {
    let alike = |other: &str| other.replace(['_', '.'], "-").trim_start_matches("http-") == name;
    let found: Vec<_> = headers.iter().filter(|(other, _)| alike(other)).collect();
    match found.as_slice() {
        [(spelled, value)] if spelled == name => Ok(value),
        _ => Err(format!("not exactly one {name}")),
    }
}

/// Reads a body as the headers frame it; whether all of it came.
async fn body(stream: &mut BufReader<TcpStream>, headers: &[(String, String)]) -> Result<bool, String> {
    let (lengths, codings) = (all(headers, "content-length"), all(headers, "transfer-encoding"));
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(true),
        ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let length = length.parse().map_err(|_| format!("a length of {length}"))?;
            Ok(skip(stream, length).await)
        }
        ([], ["chunked"]) => chunks(stream).await,
        _ => Err(format!("framed in two ways: {lengths:?} {codings:?}")),
    }
}

async fn chunks(stream: &mut BufReader<TcpStream>) -> Result<bool, String> {
    loop {
        let Some(size) = line(stream).await? else { return Ok(false) };
        let length = u64::from_str_radix(&size, 16).map_err(|_| format!("no chunk's size: {size:?}"))?;
        if length > 0 && !skip(stream, length).await {
            return Ok(false);
        }
        if length > 0 {
            match line(stream).await? {
                None => return Ok(false),
                Some(end) if end.is_empty() => continue,
                Some(end) => return Err(format!("a chunk goes on: {end:?}")),
            }
        }
        loop {
            match line(stream).await? {
                None => return Ok(false),
                Some(end) if end.is_empty() => return Ok(true),
                Some(trailer) => drop(header(&trailer)?),
            }
        }
    }
}

async fn skip(stream: &mut BufReader<TcpStream>, length: u64) -> bool {
    let mut some = stream.take(length);
    tokio::io::copy(&mut some, &mut tokio::io::sink()).await.is_ok_and(|read| read == length)
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
