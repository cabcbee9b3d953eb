//! A running front with doors of every kind, clients for it, and what its handler saw.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::domain::TenantId;
use portcullis::front::accept::{Running, bind};
use portcullis::front::door::{DoorKind, DoorPlan};
use portcullis::front::tls::CertificateFiles;
use portcullis::front::{Door, Doors, Front, Live, Peer, Settings};
use portcullis::world::World;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

/// No step of a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A CA of the test.
pub(crate) struct Ca {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) der: CertificateDer<'static>,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der }
    }

    /// A leaf of any shape.
    pub(crate) fn leaf(&self, shape: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Anna Muster, laptop");
        shape(&mut params);
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Leaf { der, key }
    }
}

/// A certificate and its key.
pub(crate) struct Leaf {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: KeyPair,
}

impl Leaf {
    pub(crate) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

/// What the handler was given.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) peer: Arc<Peer>,
}

/// A running front.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    pub(crate) front: Front,
    pub(crate) live: Arc<Live>,
    pub(crate) stop: CancellationToken,
    pub(crate) running: Option<Running>,
    pub(crate) server_ca: Ca,
    pub(crate) devices: Ca,
    pub(crate) folder: tempfile::TempDir,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Gate {
    pub(crate) fn open() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { threads: 2, ..Settings::default() };
        change(&mut settings);
        let (server_ca, devices, folder) =
            (Ca::new("Test servers"), Ca::new("Test devices"), tempfile::tempdir().unwrap());
        let listeners = bind("127.0.0.1:0".parse().unwrap(), settings.threads).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let door = |kind, host: &str, tenant: Option<&str>| {
            Door::open(DoorPlan {
                kind,
                tenant: tenant.map(|tenant| TenantId::parse(tenant).unwrap()),
                hosts: vec![host.to_owned()],
                ports: vec![address.port()],
                files: write_certificate(&server_ca, folder.path(), host),
                client_cas: vec![devices.der.to_vec()],
            })
            .unwrap()
        };
        let doors = Doors::new([
            door(DoorKind::Portal, "bank.localhost", Some("bank")),
            door(DoorKind::Portal, "other.localhost", Some("other")),
            door(DoorKind::Console, "console.localhost", Some("staff")),
            door(DoorKind::Phone, "phone.localhost", None),
            door(DoorKind::Public, "start.localhost", None),
        ])
        .unwrap();
        let (live, stop, seen) = (Live::new(), CancellationToken::new(), Arc::default());
        let front = Front::new(doors, Arc::clone(&live), settings, World::real().clock, &stop);
        let running = {
            let seen: Arc<Mutex<Vec<Seen>>> = Arc::clone(&seen);
            front
                .start(listeners, move |_core| {
                    let seen = Arc::clone(&seen);
                    move |peer, request| answer(Arc::clone(&seen), peer, request)
                })
                .unwrap()
        };
        Self { address, front, live, stop, running: Some(running), server_ca, devices, folder, seen }
    }

    /// What reached the handler so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What the one request that came in carried.
    pub(crate) fn only_one(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    /// A device's certificate in force.
    pub(crate) fn device(&self) -> Leaf {
        self.devices.leaf(|_| {})
    }

    pub(crate) fn client(&self) -> Client<'_> {
        Client { gate: self, certificate: None, alpn: vec!["http/1.1"], tls12: false }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn write_certificate(ca: &Ca, folder: &std::path::Path, host: &str) -> CertificateFiles {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &ca.issuer).unwrap();
    let files = CertificateFiles {
        certificate: folder.join(format!("{host}.crt")),
        key: folder.join(format!("{host}.key")),
    };
    std::fs::write(&files.certificate, leaf.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

/// What the tests' handler does, by path; the door and the host are judged first, as `way` does.
async fn answer(seen: Arc<Mutex<Vec<Seen>>>, peer: Arc<Peer>, request: Request<Body>) -> Response<Body> {
    let host = match peer.door.matching(&request) {
        Ok(host) => host,
        Err(portcullis::domain::Reason::Misdirected(_)) => return status(421),
        Err(_) => return status(400),
    };
    let path = request.uri().path().to_owned();
    seen.lock().unwrap().push(Seen { peer: Arc::clone(&peer) });
    match path.as_str() {
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(600)).await;
            Response::new(Body::from("slow but done"))
        }
        "/never" => std::future::pending().await,
        "/panic" => panic!("on purpose"),
        "/echo" => match axum::body::to_bytes(request.into_body(), 1 << 24).await {
            Ok(bytes) => Response::new(Body::from(bytes)),
            Err(_) => status(408),
        },
        "/both" => Response::new(request.into_body()),
        "/endless" => {
            let pieces = futures_util::stream::repeat_with(|| {
                Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(&[b'x'; 16 * 1024]))
            });
            Response::new(Body::from_stream(pieces))
        }
        "/tunnel" => {
            let cancel = peer.cancel.clone();
            let upgrade = hyper::upgrade::on(request);
            tokio::spawn(async move {
                let mut io = TokioIo::new(upgrade.await.unwrap());
                let mut byte = [0];
                while let Some(Ok(1)) = cancel.run_until_cancelled(io.read(&mut byte)).await {
                    io.write_all(&byte).await.unwrap();
                    io.flush().await.unwrap();
                }
            });
            let mut response = status(101);
            response.headers_mut().insert("upgrade", "websocket".parse().unwrap());
            response.headers_mut().insert("connection", "upgrade".parse().unwrap());
            response
        }
        _ => Response::new(Body::from(format!("door of {}", host.as_str()))),
    }
}

fn status(code: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

/// A client under construction.
pub(crate) struct Client<'a> {
    gate: &'a Gate,
    certificate: Option<Arc<dyn ResolvesClientCert>>,
    alpn: Vec<&'static str>,
    tls12: bool,
}

/// Shows this chain and signs with this key, whether they belong together or not.
#[derive(Debug)]
struct Shows(Arc<rustls::sign::CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
    fn has_certs(&self) -> bool {
        true
    }
}

impl Client<'_> {
    pub(crate) fn showing(self, leaf: &Leaf) -> Self {
        self.showing_chain(vec![leaf.der.clone()], leaf)
    }

    pub(crate) fn showing_chain(mut self, chain: Vec<CertificateDer<'static>>, signer: &Leaf) -> Self {
        let provider = portcullis::crypto::tls_provider::default_provider();
        let key = provider.key_provider.load_private_key(signer.key_der()).unwrap();
        self.certificate = Some(Arc::new(Shows(Arc::new(rustls::sign::CertifiedKey::new(chain, key)))));
        self
    }

    pub(crate) fn alpn(mut self, alpn: &[&'static str]) -> Self {
        self.alpn = alpn.to_vec();
        self
    }

    pub(crate) fn tls12(mut self) -> Self {
        self.tls12 = true;
        self
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.gate.server_ca.der.clone()).unwrap();
        let versions: &[_] = if self.tls12 { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
        let provider = Arc::new(portcullis::crypto::tls_provider::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.certificate {
            Some(shown) => builder.with_client_cert_resolver(Arc::clone(shown)),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    pub(crate) async fn connect(&self, sni: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.gate.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        TlsConnector::from(self.config()).connect(name, stream).await
    }

    /// One request on a connection of its own; the status, where there is an answer.
    pub(crate) async fn get(&self, sni: &str, host: &str, path: &str) -> Option<u16> {
        let mut stream = self.connect(sni).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        status_of(&read_all(&mut stream).await)
    }

    /// An HTTP/2 connection.
    pub(crate) async fn http2(&self, sni: &str) -> hyper::client::conn::http2::SendRequest<Body> {
        let stream = self.connect(sni).await.unwrap();
        let io = TokioIo::new(stream);
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

pub(crate) async fn h2_get(
    sender: &mut hyper::client::conn::http2::SendRequest<Body>,
    uri: &str,
) -> hyper::Result<Response<Incoming>> {
    sender.send_request(Request::get(uri).body(Body::empty()).unwrap()).await
}

/// Everything until the connection ends, however it ends.
pub(crate) async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the end of it");
    all
}

/// Reads the head and body of one answer with a Content-Length.
pub(crate) async fn read_answer(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let mut piece = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut piece)).await.expect("an answer");
        match read {
            Ok(0) | Err(_) => return text,
            Ok(n) => all.extend_from_slice(&piece[..n]),
        }
    }
}

pub(crate) fn status_of(answer: &[u8]) -> Option<u16> {
    String::from_utf8_lossy(answer).split_whitespace().nth(1)?.parse().ok()
}
