//! One POST to a push service over TLS, straight or through a proxy (CONNECT). Follows no redirect, reads no body,
//! and ends in time. Knows neither message nor key.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{Empty, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::endpoint::{Endpoint, Reach};
use super::{BadSettings, Settings};

/// The way to push services.
pub(super) struct Line {
    tls: TlsConnector,
    proxy: Option<String>,
    reach: Reach,
}

/// What a push service said: its status, and when it wants to be asked again.
pub(super) struct Heard {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<String>,
}

/// Why nothing was heard. Names no address beyond the host's.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("no connection: {0}")]
    Io(#[from] std::io::Error),
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    #[error("the proxy answered {0} to CONNECT")]
    Proxy(StatusCode),
    #[error("its host is no name for TLS")]
    Name,
    #[error("the request could not be built")]
    Request(#[from] http::Error),
    #[error("it did not answer within {} s", TIME_MAX.as_secs())]
    Slow,
}

impl Line {
    pub(super) fn new(settings: &Settings) -> Result<Self, BadSettings> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(file) = &settings.ca_file {
            let bad = || BadSettings::Ca(file.clone());
            for root in certificates(file)? {
                roots.add(root).map_err(|_| bad())?;
            }
        }
        let provider = Arc::new(crate::crypto::tls_provider::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|_| BadSettings::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(config).into(), proxy: settings.proxy.clone(), reach: settings.reach })
    }

    /// Posts, and hears the status.
    pub(super) async fn post(
        &self,
        to: &Endpoint,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Heard, LineError> {
        tokio::time::timeout(TIME_MAX, self.posted(to, headers, body)).await.map_err(|_| LineError::Slow)?
    }

    async fn posted(&self, to: &Endpoint, headers: HeaderMap, body: Vec<u8>) -> Result<Heard, LineError> {
        let bare: Box<dyn Wire> = match &self.proxy {
            Some(proxy) => through(proxy, to).await?,
            None => Box::new(self.straight(to).await?),
        };
        let host = to.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|_| LineError::Name)?;
        let stream = self.tls.connect(name, bare).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(to.path())
            .header(header::HOST, to.origin().trim_start_matches("https://"))
            .body(Full::new(Bytes::from(body)))?;
        request.headers_mut().extend(headers);
        let answered = sender.send_request(request);
        tokio::pin!(connection);
        let response = tokio::select! {
            response = answered => response?,
            ended = &mut connection => {
                ended?;
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        };
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|it| it.to_str().ok());
        // The connection goes with this, whatever the body would have been.
        Ok(Heard { status: response.status(), retry_after: retry_after.map(str::to_owned) })
    }

    async fn straight(&self, to: &Endpoint) -> Result<TcpStream, LineError> {
        // The addresses that were judged are those that are dialled: a name that changes meanwhile changes nothing.
        let addresses = to.addresses(self.reach).await?;
        Ok(dialled(TcpStream::connect(addresses.as_slice()).await?))
    }
}

/// Asks the proxy for a way. It resolves the name itself, and goes where its own rules let it.
async fn through(proxy: &str, to: &Endpoint) -> Result<Box<dyn Wire>, LineError> {
    let stream = dialled(TcpStream::connect(proxy).await?);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection.with_upgrades());
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(to.authority())
        .header(header::HOST, to.authority())
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        driving.abort();
        return Err(LineError::Proxy(response.status()));
    }
    Ok(Box::new(TokioIo::new(hyper::upgrade::on(response).await?)))
}

fn dialled(stream: TcpStream) -> TcpStream {
    // Not being able to say so costs a moment, no more.
    let _ = stream.set_nodelay(true);
    stream
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BadSettings> {
    let bad = || BadSettings::Ca(PathBuf::from(file));
    let blocks = std::fs::read(file).ok().and_then(|bytes| pem::parse_many(bytes).ok()).ok_or_else(bad)?;
    let found: Vec<_> = blocks
        .into_iter()
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(|block| CertificateDer::from(block.into_contents()))
        .collect();
    if found.is_empty() { Err(bad()) } else { Ok(found) }
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Name, connection, TLS, request and answer together.
const TIME_MAX: Duration = Duration::from_secs(10);
