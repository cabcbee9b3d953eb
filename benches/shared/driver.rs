//! The driver: TLS 1.3 connections with a client certificate, never resumed; requests over HTTP/1.1
//! and HTTP/2, handshakes, idle connections. Every answer is read whole and must be a 200.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::crypto::tls_provider;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CipherSuite, ClientConfig, NamedGroup, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Failure;
use crate::support::wire::Identity;

/// Which protocol the handshake chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    H1,
    H2,
}

/// One way to a server, and what is asked there.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    /// `bank.localhost:8443`.
    pub(crate) host: String,
    pub(crate) cookie: Option<String>,
    pub(crate) path: String,
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
}

/// A connection after its handshake.
pub(crate) enum Line {
    H1(http1::SendRequest<Empty<Bytes>>),
    H2(http2::SendRequest<Empty<Bytes>>),
}

/// A connection and the task that drives it.
pub(crate) struct Held {
    pub(crate) line: Line,
    task: JoinHandle<()>,
}

impl Way {
    /// `group` is the only key exchange that is offered, so that every server does the same.
    pub(crate) fn new(
        address: SocketAddr,
        host: &str,
        root: &[u8],
        identity: Option<&Identity>,
        group: NamedGroup,
    ) -> Self {
        let (h1, h2) = (b"http/1.1".as_slice(), b"h2".as_slice());
        let config = |alpn| Arc::new(configuration(root, identity, group, alpn));
        let (host, path) = (host.to_owned(), "/accounts".to_owned());
        Self { address, host, cookie: None, path, h1: config(h1), h2: config(h2) }
    }

    /// The same way, signed in.
    pub(crate) fn signed_in(mut self, cookie: Option<String>) -> Self {
        self.cookie = cookie;
        self
    }

    /// The same way to another server.
    pub(crate) fn to(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The same way to another page.
    pub(crate) fn asking_for(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// The TLS configuration of a protocol.
    pub(crate) fn tls(&self, protocol: Protocol) -> Arc<ClientConfig> {
        Arc::clone(if protocol == Protocol::H1 { &self.h1 } else { &self.h2 })
    }

    /// The name that the handshake asks for.
    pub(crate) fn name(&self) -> Result<ServerName<'static>, Failure> {
        Ok(ServerName::try_from(self.host.split(':').next().unwrap_or_default().to_owned())?)
    }

    pub(crate) async fn connect(
        &self,
        protocol: Protocol,
        from: Ipv4Addr,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let stream = tcp(self.address, from).await?;
        Ok(TlsConnector::from(self.tls(protocol)).connect(self.name()?, stream).await?)
    }

    pub(crate) async fn open(&self, protocol: Protocol, from: Ipv4Addr) -> Result<Held, Failure> {
        let io = TokioIo::new(self.connect(protocol, from).await?);
        Ok(match protocol {
            Protocol::H1 => {
                let (line, connection) = http1::handshake(io).await?;
                Held { line: Line::H1(line), task: tokio::spawn(async { drop(connection.await) }) }
            }
            Protocol::H2 => {
                let (line, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                Held { line: Line::H2(line), task: tokio::spawn(async { drop(connection.await) }) }
            }
        })
    }

    fn request(&self, protocol: Protocol) -> Result<Request<Empty<Bytes>>, http::Error> {
        let uri = match protocol {
            Protocol::H1 => self.path.clone(),
            Protocol::H2 => format!("https://{}{}", self.host, self.path),
        };
        let mut request = Request::get(uri).header("user-agent", AGENT).header("accept", "*/*");
        if protocol == Protocol::H1 {
            request = request.header("host", &self.host);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("__Host-portcullis={cookie}"));
        }
        request.body(Empty::new())
    }

    /// Many requests over few connections; `streams` at a time over each.
    pub(crate) async fn requests(
        &self,
        protocol: Protocol,
        (connections, streams): (usize, usize),
        total: usize,
    ) -> Result<(), Failure> {
        let left = Arc::new(AtomicUsize::new(total));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let held = self.open(protocol, Ipv4Addr::LOCALHOST).await?;
            let lines = match held.line {
                Line::H1(line) => vec![Line::H1(line)],
                Line::H2(line) => (0..streams).map(|_| Line::H2(line.clone())).collect(),
            };
            for mut line in lines {
                let (way, left) = (self.clone(), Arc::clone(&left));
                tasks.spawn(async move {
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                        .is_ok()
                    {
                        line.get(&way).await?;
                    }
                    Ok::<_, Failure>(())
                });
            }
        }
        finished(tasks).await
    }

    /// Many connections, each for its handshake alone, or for one request as well.
    pub(crate) async fn handshakes(
        &self,
        at_once: usize,
        total: usize,
        with_request: bool,
    ) -> Result<(), Failure> {
        let left = Arc::new(AtomicUsize::new(total));
        let mut tasks = JoinSet::new();
        for _ in 0..at_once {
            let (way, left) = (self.clone(), Arc::clone(&left));
            tasks.spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                    way.visit(Ipv4Addr::LOCALHOST, with_request).await?;
                }
                Ok::<_, Failure>(())
            });
        }
        finished(tasks).await
    }

    /// One connection from its handshake to its end, which the server is waited for.
    pub(crate) async fn visit(&self, from: Ipv4Addr, with_request: bool) -> Result<(), Failure> {
        let mut stream = self.connect(Protocol::H1, from).await?;
        let mut answer = Vec::new();
        if with_request {
            let cookie = self.cookie.as_deref().unwrap_or_default();
            let head = format!(
                "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: {AGENT}\r\naccept: */*\r\n\
                 cookie: __Host-portcullis={cookie}\r\nconnection: close\r\n\r\n",
                self.path, self.host
            );
            stream.write_all(head.as_bytes()).await?;
            stream.read_to_end(&mut answer).await?;
            if !answer.starts_with(b"HTTP/1.1 200") {
                return Err(format!("not 200 but {}", String::from_utf8_lossy(&answer)).into());
            }
        }
        stream.shutdown().await?;
        // How it says goodbye is the server's affair; that it has done its part is what counts.
        drop(stream.read_to_end(&mut answer).await);
        Ok(())
    }

    /// Opens connections that stay, each after one request.
    pub(crate) async fn hold(&self, protocol: Protocol, count: usize) -> Result<Vec<Held>, Failure> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..OPENING_AT_ONCE {
            let (way, next) = (self.clone(), Arc::clone(&next));
            tasks.spawn(async move {
                let mut held = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<_, Failure>(held);
                    }
                    let mut one = way.open(protocol, source(number)).await?;
                    one.line.get(&way).await?;
                    held.push(one);
                }
            });
        }
        let mut all = Vec::new();
        while let Some(held) = tasks.join_next().await {
            all.extend(held??);
        }
        Ok(all)
    }
}

impl Line {
    /// One request; its answer is read to the end.
    pub(crate) async fn get(&mut self, way: &Way) -> Result<usize, Failure> {
        let answer = match self {
            Self::H1(line) => {
                line.ready().await?;
                line.send_request(way.request(Protocol::H1)?).await?
            }
            Self::H2(line) => line.send_request(way.request(Protocol::H2)?).await?,
        };
        whole(answer).await
    }
}

impl Held {
    /// Whether the server has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.task.is_finished()
    }
}

async fn whole(answer: Response<Incoming>) -> Result<usize, Failure> {
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    if status != 200 || body.is_empty() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(body.len())
}

async fn finished(mut tasks: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// A TCP connection from one of this machine's own addresses.
pub(crate) async fn tcp(to: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if from != Ipv4Addr::LOCALHOST {
        socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The address of the client with this number: a few hundred share one, as in an office.
pub(crate) fn source(number: usize) -> Ipv4Addr {
    let office = number / CLIENTS_PER_ADDRESS;
    let [.., high, low] = (office + 1).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

fn configuration(root: &[u8], identity: Option<&Identity>, group: NamedGroup, alpn: &[u8]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(root.to_vec())).expect("a root");
    let mut provider = tls_provider::default_provider();
    provider.kx_groups.retain(|one| one.name() == group);
    // Browsers put it first, and servers take what is first.
    provider.cipher_suites.sort_by_key(|one| one.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => {
            let chain = identity.chain.iter().cloned().map(CertificateDer::from).collect();
            let key = PrivateKeyDer::try_from(identity.key.clone()).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("an identity")
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36";

/// Handshakes under way while connections are opened that stay.
const OPENING_AT_ONCE: usize = 32;

/// Below the gate's own limit of 500.
const CLIENTS_PER_ADDRESS: usize = 250;
