//! TLS connections to the gate, with a client certificate or without, as HTTP/1.1 or HTTP/2. Every
//! host name leads to the gate's own address.

use std::net::SocketAddr;
use std::sync::Arc;

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
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.root.clone())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Some(identity) => {
                let chain = identity.chain.iter().cloned().map(CertificateDer::from).collect();
                let key = PrivateKeyDer::try_from(identity.key.clone()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
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
        let mut sender = self.h1(sni).await;
        let response = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
        whole(response.expect("an answer in time").unwrap()).await
    }
}

/// Reads an answer to its end.
pub(crate) async fn whole(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await.expect("the end in time");
    Answer { status: parts.status, headers: parts.headers, body: body.unwrap().to_bytes().to_vec() }
}
