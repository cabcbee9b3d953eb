//! A push service that does as the test bids: answers with any status, late, or never. And a proxy before it. What came
//! is written down; what it means is opened by the browser's side of RFC 8291 in `open_push.mjs`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::PATIENCE;

/// A push that came.
#[derive(Clone, Debug)]
pub(crate) struct Pushed {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// When all of it was there.
    pub(crate) at: Instant,
}

/// How it answers the next push; the last one said goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    Status(u16),
    After(u16, &'static str),
    MovedTo(&'static str),
    Nothing,
}

/// The service, at `https://localhost:PORT`.
pub(crate) struct PushService {
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    heard: Arc<Mutex<Vec<Pushed>>>,
    says: Arc<Mutex<VecDeque<Says>>>,
}

impl PushService {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path(), &["localhost", "push.example.net"]);
        let acceptor = acceptor(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::<Mutex<Vec<Pushed>>>::default();
        let says = Arc::new(Mutex::new(VecDeque::from([Says::Status(201)])));
        let (writing, saying) = (Arc::clone(&heard), Arc::clone(&says));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, writing, saying) =
                    (acceptor.clone(), Arc::clone(&writing), Arc::clone(&saying));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let answer = service_fn(|request| answer(request, &writing, &saying));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { port, folder, heard, says }
    }

    /// The root that vouches for it.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.port)
    }

    /// From now on, in this order.
    pub(crate) fn will_say(&self, says: &[Says]) {
        *self.says.lock().unwrap() = says.iter().copied().collect();
    }

    /// What came to a path.
    pub(crate) fn heard(&self, path: &str) -> Vec<Pushed> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|one| one.path == format!("/{path}")).cloned().collect()
    }

    /// Waits for so many pushes to a path.
    pub(crate) async fn hears(&self, path: &str, count: usize) -> Vec<Pushed> {
        let begun = Instant::now();
        loop {
            let heard = self.heard(path);
            if heard.len() >= count {
                return heard;
            }
            assert!(begun.elapsed() < PATIENCE, "{} of {count} pushes to {path}", heard.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    heard: &Mutex<Vec<Pushed>>,
    says: &Mutex<VecDeque<Says>>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    assert_eq!(parts.method, "POST");
    let Ok(body) = body.collect().await else { return Ok(Response::new(Body::empty())) };
    let path = parts.uri.path().to_owned();
    let now = {
        let mut says = says.lock().unwrap();
        if says.len() > 1 { says.pop_front() } else { says.front().copied() }
    };
    // Only when it is settled what this one is answered: the test says the next after it has heard of this.
    let pushed = Pushed { path, headers: parts.headers, body: body.to_bytes(), at: Instant::now() };
    heard.lock().unwrap().push(pushed);
    let answer = Response::builder();
    let answer = match now.unwrap_or(Says::Status(201)) {
        Says::Status(status) => answer.status(status),
        Says::After(status, after) => answer.status(status).header("retry-after", after),
        Says::MovedTo(place) => answer.status(307).header("location", place),
        Says::Nothing => std::future::pending().await,
    };
    Ok(answer.body(Body::from("nobody reads this")).unwrap())
}

/// A root of its own, and what serves under it: `ca.pem`, `server.crt` and `server.key` in a folder.
pub(crate) fn certificates(folder: &Path, names: &[&str]) {
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    root.distinguished_name.push(DnType::CommonName, "Push services of the tests");
    let root_certificate = root.self_signed(&root_key).unwrap();
    let issuer = Issuer::new(root, root_key);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.not_before = rcgen::date_time_ymd(2024, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(2090, 1, 1);
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("ca.pem"), root_certificate.pem()).unwrap();
    std::fs::write(folder.join("server.crt"), leaf.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
}

/// Serves with the certificate of a folder.
pub(crate) fn acceptor(folder: &Path) -> TlsAcceptor {
    let read = |name: &str| pem::parse(std::fs::read(folder.join(name)).unwrap()).unwrap().into_contents();
    let provider = Arc::new(portcullis::crypto::tls_provider::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![read("server.crt").into()], PrivateKeyDer::Pkcs8(read("server.key").into()))
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// An HTTP proxy that leads every CONNECT to one address, and remembers what it was asked for.
pub(crate) struct Proxy {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Leads to `port` of this machine; refuses everything where there is none.
    pub(crate) async fn to(port: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let writing = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connect(stream, port, Arc::clone(&writing)));
            }
        });
        Self { address, asked }
    }

    /// First lines of what was asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn connect(mut stream: TcpStream, port: Option<u16>, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    asked.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
    let Some(port) = port else {
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        return;
    };
    let Ok(mut onward) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    if stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
    }
}

/// The browser's side of a subscription: its keys, which open what is pushed. By Node's cryptography, not ours.
pub(crate) struct BrowserSide {
    keys: Value,
}

impl BrowserSide {
    pub(crate) fn new() -> Self {
        Self { keys: node(&json!({ "make": true })) }
    }

    /// As the app sends it to the gate.
    pub(crate) fn subscription(&self, endpoint: &str, our_key: &str) -> Value {
        json!({
            "endpoint": endpoint,
            "keys": { "p256dh": self.keys["p256dh"], "auth": self.keys["auth"] },
            "key": our_key,
        })
    }

    /// What was pushed, in clear, padding and all taken off.
    pub(crate) fn opens(&self, pushed: &Pushed) -> String {
        let body = data_encoding::BASE64URL_NOPAD.encode(&pushed.body);
        node(&json!({ "open": body, "keys": self.keys }))["text"].as_str().unwrap().to_owned()
    }
}

fn node(asked: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/open_push.mjs");
    let out = Command::new("node")
        .arg(script)
        .arg(asked.to_string())
        .stdin(Stdio::null())
        .output()
        .expect("node runs (tests/run installs it)");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}
