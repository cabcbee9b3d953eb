//! TLS connections to the gate, with a client certificate or without, as HTTP/1.1 or HTTP/2. Every
//! host name leads to the gate's own address.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;

/// A client certificate with its key, as it lies in a .p12.
#[derive(Clone)]
pub(crate) struct Identity {
    /// Leaf first, DER.
    pub(crate) chain: Vec<Vec<u8>>,
    /// PKCS #8.
    pub(crate) key: Vec<u8>,
}

tokio::task_local! {
    /// What the gate answered a task, in order, where a test asks afterwards.
    pub(crate) static HEARD: Arc<Mutex<Vec<Heard>>>;
}

/// An answer, as it is remembered.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) what: String,
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

/// Which way to the gate.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    pub(crate) root: Vec<u8>,
    pub(crate) identity: Option<Identity>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem that a program is told.
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Wire {
    /// The same way without a certificate.
    pub(crate) fn bare(&self) -> Self {
        Self { identity: None, ..self.clone() }
    }

    /// The same way with another certificate.
    pub(crate) fn showing(&self, identity: &Identity) -> Self {
        Self { identity: Some(identity.clone()), ..self.clone() }
    }

    pub(crate) async fn tls(&self, sni: &str, alpn: &str) -> std::io::Result<TlsStream<TcpStream>> {
        self.tls_so(sni, Arc::new(self.config(&[alpn]))).await
    }

    /// A connection with a configuration that a test has changed.
    pub(crate) async fn tls_so(
        &self,
        sni: &str,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        TlsConnector::from(config).connect(name, stream).await
    }

    /// What the client's side of a handshake goes by.
    pub(crate) fn config(&self, alpn: &[&str]) -> ClientConfig {
        let builder = self.unarmed(rustls::DEFAULT_VERSIONS);
        let config = match &self.identity {
            Some(identity) => {
                let chain = identity.chain.iter().cloned().map(CertificateDer::from).collect();
                let key = PrivateKeyDer::try_from(identity.key.clone()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        speaking(config, alpn)
    }

    /// The same, with a chain shown that need not belong to the key that signs.
    pub(crate) fn config_showing(
        &self,
        chain: &[Vec<u8>],
        key: &[u8],
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[&str],
    ) -> ClientConfig {
        let provider = portcullis::crypto::tls_provider::default_provider();
        let key = PrivateKeyDer::try_from(key.to_vec()).unwrap();
        self.config_signing(chain, provider.key_provider.load_private_key(key).unwrap(), versions, alpn)
    }

    /// The same, with a key that signs as the test likes.
    pub(crate) fn config_signing(
        &self,
        chain: &[Vec<u8>],
        key: Arc<dyn rustls::sign::SigningKey>,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[&str],
    ) -> ClientConfig {
        let chain = chain.iter().cloned().map(CertificateDer::from).collect();
        let shown = Arc::new(Shows(Arc::new(rustls::sign::CertifiedKey::new(chain, key))));
        speaking(self.unarmed(versions).with_client_cert_resolver(shown), alpn)
    }

    fn unarmed(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.root.clone())).unwrap();
        let provider = Arc::new(portcullis::crypto::tls_provider::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
    }

    /// A connection of HTTP/1.1 that may be upgraded.
    pub(crate) async fn h1(&self, sni: &str) -> http1::SendRequest<Body> {
        let io = TokioIo::new(self.tls(sni, "http/1.1").await.unwrap());
        let (sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        sender
    }

    /// A connection of HTTP/2.
    pub(crate) async fn h2(&self, sni: &str) -> http2::SendRequest<Body> {
        let io = TokioIo::new(self.tls(sni, "h2").await.unwrap());
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// One request on a connection of its own; `host` is what the Host header says.
    pub(crate) async fn send(&self, host: &str, mut request: Request<Body>) -> Answer {
        let sni = host.split(':').next().unwrap();
        if !request.headers().contains_key("host") {
            request.headers_mut().insert("host", host.parse().unwrap());
        }
        let what = format!("{} {host}{}", request.method(), request.uri());
        let mut sender = self.h1(sni).await;
        let response = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
        let answer = whole(response.expect("an answer in time").unwrap()).await;
        let _ = HEARD.try_with(|heard| {
            let (status, content_type) = (answer.status, answer.header("content-type").to_owned());
            heard.lock().unwrap().push(Heard { what, status, content_type, text: answer.text() });
        });
        answer
    }
}

fn speaking(mut config: ClientConfig, alpn: &[&str]) -> ClientConfig {
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// Shows this chain and signs with this key, whether they belong together or not.
#[derive(Debug)]
struct Shows(Arc<rustls::sign::CertifiedKey>);

impl rustls::client::ResolvesClientCert for Shows {
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

/// Reads an answer to its end.
pub(crate) async fn whole(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await.expect("the end in time");
    Answer { status: parts.status, headers: parts.headers, body: body.unwrap().to_bytes().to_vec() }
}
