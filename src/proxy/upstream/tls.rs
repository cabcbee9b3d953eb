//! TLS towards backends: which CA is believed, which certificate the gate shows, and files that are read
//! again when they change. Knows no backend but by its place in the configuration.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::backend::{Ca, Trust};

/// Why a `[[backend_tls]]` cannot be used. The text never holds a part of a key.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read.
    #[error(
        "{file} of [[backend_tls]] cannot be read as PEM ({why}): check the path, its rights, and that it is PEM"
    )]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        why: String,
    },
    /// No certificate in a file.
    #[error("{0} of [[backend_tls]] holds no certificate: put one there, PEM")]
    Empty(String),
    /// rustls says no.
    #[error("the files of [[backend_tls]] for {hosts} cannot be used: {why}")]
    Unusable {
        /// For which backends.
        hosts: String,
        /// What rustls says.
        why: String,
    },
}

/// One section's configuration, which follows its files.
pub(super) struct Tls {
    trust: Trust,
    made: ArcSwap<Made>,
    seen: Mutex<Vec<Option<(SystemTime, u64)>>>,
}

/// With HTTP/2 offered, and without it, for tunnels.
struct Made {
    both: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TrustError`].
    pub(super) fn open(trust: Trust) -> Result<Self, TrustError> {
        let seen = Mutex::new(stamps(&trust));
        Ok(Self { made: ArcSwap::from_pointee(make(&trust)?), seen, trust })
    }

    /// Reads the files again where one changed. What is wrong with them is said once, and the old ones count on.
    ///
    /// # Errors
    /// [`TrustError`].
    pub(super) fn refresh(&self) -> Result<bool, TrustError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.trust);
        if *seen == now {
            return Ok(false);
        }
        *seen = now;
        self.made.store(Arc::new(make(&self.trust)?));
        Ok(true)
    }

    /// Shakes hands; whether HTTP/2 was chosen.
    pub(super) async fn connect<I>(
        &self,
        io: I,
        host: &str,
        http1_only: bool,
    ) -> std::io::Result<(TlsStream<I>, bool)>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.trust.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(std::io::Error::other)?;
        let made = self.made.load_full();
        let config = if http1_only { &made.http1 } else { &made.both };
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, io).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((stream, http2))
    }
}

/// Whether no TLS came about because the server's own certificate is marked as one of a CA.
pub(super) fn is_marked_as_ca(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other))) => {
            matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

fn make(trust: &Trust) -> Result<Made, TrustError> {
    let unusable = |why: &dyn std::fmt::Display| TrustError::Unusable {
        hosts: trust.hosts.join(", "),
        why: why.to_string(),
    };
    let mut roots = RootCertStore::empty();
    match &trust.ca {
        Ca::Pinned(file) => {
            for root in certificates(file)? {
                roots.add(root).map_err(|why| unusable(&why))?;
            }
        }
        Ca::Public => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(crate::crypto::tls_provider::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|why| unusable(&why))?
        .with_root_certificates(roots);
    let mut both = match &trust.shows {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|why| unreadable(key, &why))?;
            builder.with_client_auth_cert(chain, key).map_err(|why| unusable(&why))?
        }
    };
    let mut http1 = both.clone();
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    both.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Made { both: Arc::new(both), http1: Arc::new(http1) })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let all: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|why| unreadable(file, &why))?;
    if all.is_empty() {
        return Err(TrustError::Empty(file.display().to_string()));
    }
    Ok(all)
}

fn unreadable(file: &Path, why: &dyn std::fmt::Display) -> TrustError {
    TrustError::Unreadable { file: file.display().to_string(), why: why.to_string() }
}

/// What tells that a file was changed.
fn stamps(trust: &Trust) -> Vec<Option<(SystemTime, u64)>> {
    let ca = match &trust.ca {
        Ca::Pinned(file) => Some(file),
        Ca::Public => None,
    };
    let own = trust.shows.as_ref().map(|(certificate, key)| [certificate, key]);
    let of = |path: &PathBuf| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    ca.into_iter().chain(own.into_iter().flatten()).map(of).collect()
}
