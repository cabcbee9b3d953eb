//! A backend that speaks HTTP/2 or HTTP/1.1, in clear, in TLS or over a Unix socket, and writes down what
//! it was asked. Its CA is its own.

use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use http::Version;
use hyper::server::conn::{http1, http2};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::proxy::{Ca, Trust};

/// What a request looked like from there.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) version: Version,
    pub(super) target: String,
    pub(super) headers: http::HeaderMap,
}

type Answering = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// The backend.
#[derive(Clone)]
pub(super) struct Peer {
    answering: Answering,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
    pub(super) connections: Arc<AtomicUsize>,
    /// Certificates that clients showed, leaf of each connection.
    pub(super) shown: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
    pub(super) streams_max: Option<u32>,
    /// The window of a connection of HTTP/2, where it is not its usual one.
    pub(super) window: Option<u32>,
}

impl Peer {
    pub(super) fn answering<F, R>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        Self {
            answering: Arc::new(move |request| Box::pin(answer(request))),
            asked: Arc::default(),
            connections: Arc::default(),
            shown: Arc::default(),
            streams_max: None,
            window: None,
        }
    }

    pub(super) fn ok() -> Self {
        Self::answering(|_| async { Response::new(Body::from("ok")) })
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// In clear, over TCP.
    pub(super) async fn listen(&self, h2: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let this = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(stream, h2));
            }
        });
        address
    }

    /// At a path.
    pub(super) fn listen_at(&self, path: &Path, h2: bool) {
        let listener = UnixListener::bind(path).unwrap();
        let this = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(stream, h2));
            }
        });
    }

    /// In TLS.
    pub(super) async fn listen_tls(&self, config: ServerConfig) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (this, acceptor) = (self.clone(), TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (this, acceptor) = (this.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let connection = stream.get_ref().1;
                    let leaf = connection.peer_certificates().map(|chain| chain[0].to_vec());
                    let h2 = connection.alpn_protocol() == Some(b"h2");
                    this.shown.lock().unwrap().push(leaf);
                    this.serve(stream, h2).await;
                });
            }
        });
        address
    }

    async fn serve(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, h2: bool) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let this = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            this.asked.lock().unwrap().push(Asked {
                version: request.version(),
                target: request.uri().to_string(),
                headers: request.headers().clone(),
            });
            let answer = (this.answering)(request);
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        let io = TokioIo::new(io);
        if h2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(self.streams_max);
            builder.initial_connection_window_size(self.window);
            let _ = builder.serve_connection(io, service).await;
        } else {
            let _ = http1::Builder::new().serve_connection(io, service).with_upgrades().await;
        }
    }
}

/// A CA with files in a folder of its own.
pub(super) struct TestCa {
    pub(super) folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

impl TestCa {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Backends");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key), der: certificate.der().clone() }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn leaf(&self, name: &str) -> (CertificateDer<'static>, KeyPair, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key, certificate.pem())
    }

    /// A server's configuration; `demands`: a certificate of this CA.
    pub(super) fn server(&self, name: &str, alpn: &[&str], demands: bool) -> ServerConfig {
        let (leaf, key, _) = self.leaf(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(crypto::tls_provider::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let builder = if demands {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(vec![leaf], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// Writes a certificate and its key into the folder.
    pub(super) fn write(&self, file: &str, name: &str) -> (PathBuf, PathBuf, Vec<u8>) {
        let (leaf, key, pem) = self.leaf(name);
        let at = |end: &str| self.folder.path().join(format!("{file}.{end}"));
        std::fs::write(at("crt"), pem).unwrap();
        std::fs::write(at("key"), key.serialize_pem()).unwrap();
        (at("crt"), at("key"), leaf.to_vec())
    }

    pub(super) fn trust(&self, name: &str) -> Trust {
        Trust {
            hosts: vec!["127.0.0.1".to_owned()],
            ca: Ca::Pinned(self.file()),
            shows: None,
            server_name: Some(name.to_owned()),
        }
    }
}

pub(super) fn reach(trust: Trust) -> Reach {
    Reach { tls: vec![trust], socket_folders: vec![] }
}
