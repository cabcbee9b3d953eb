//! TLS: the door is chosen by SNI while the handshake runs, and the client's certificate is
//! asked for where the door says so. The only file of the front that names rustls.
//!
//! It proves that the client holds the key of the leaf it shows, and that the leaf can be
//! read. Whether that certificate counts, `auth::certificate` decides, so that each bad one
//! gets its page.

mod error;
mod files;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{Acceptor, NoServerSessionStorage};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, ProtocolVersion, ServerConfig,
    SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::LazyConfigAcceptor;

pub use error::TlsError;
pub use files::CertificateFiles;
use files::Stamp;

use super::door::{Door, Doors};
use crate::domain::Time;

/// A connection after its handshake.
pub type Stream<I> = tokio_rustls::server::TlsStream<I>;

/// A door's TLS configuration, which follows its files.
pub struct Tls {
    files: CertificateFiles,
    hosts: Vec<String>,
    config: ArcSwap<ServerConfig>,
    made_of: Mutex<MadeOf>,
}

/// What the configuration was made of.
struct MadeOf {
    seen: Option<Stamp>,
    client_cas: Option<Vec<Vec<u8>>>,
    term: Term,
    /// Why the files, as they lie there now, are not what it was made of.
    kept: Option<String>,
}

/// From when to when a leaf counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// From this moment on.
    pub since: Time,
    /// Until then.
    pub until: Time,
}

impl Term {
    /// Why no browser goes on now, with the next step.
    #[must_use]
    pub fn fault(self, now: Time) -> Option<String> {
        let (since, until) = (self.since.day(), self.until.day());
        if self.until <= now {
            return Some(format!("ended on {until}: put a new one there"));
        }
        (self.since > now).then(|| {
            format!(
                "only counts from {since}: put one there that counts now, or set the machine's clock (NTP)"
            )
        })
    }
}

/// What a handshake led to.
pub struct Shaken<I> {
    /// The connection.
    pub stream: Stream<I>,
    /// The door it is at.
    pub door: Arc<Door>,
    /// The name asked for, lower case.
    pub sni: String,
    /// DER, leaf first; empty where the client showed none.
    pub chain: Vec<Vec<u8>>,
    /// Whether both chose HTTP/2.
    pub http2: bool,
    /// Which TLS: `TLSv1.3`.
    pub version: &'static str,
}

/// Why a handshake led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// No door has this name, or no name was said.
    #[error("no door is named {0:?}")]
    UnknownName(Option<String>),
    /// TLS went wrong, or the client went away.
    #[error("the handshake broke off: {0}")]
    Broken(#[from] std::io::Error),
}

/// Reads the `ClientHello` however it is cut up, finds its door, and shakes hands as that door
/// does. No handshake ever runs on another door's configuration, and none on a default one.
///
/// # Errors
/// [`HandshakeError`]; the alert was sent.
pub async fn shake<I>(io: I, doors: &Doors) -> Result<Shaken<I>, HandshakeError>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
    let sni = start.client_hello().server_name().map(str::to_ascii_lowercase);
    let Some(door) = sni.as_deref().and_then(|name| doors.named(name)).map(Arc::clone) else {
        let mut io = start.io;
        io.write_all(&ALERT_UNRECOGNIZED_NAME).await?;
        io.shutdown().await?;
        return Err(HandshakeError::UnknownName(sni));
    };
    let stream = start.into_stream(door.tls().config()).await?;
    let (_, connection) = stream.get_ref();
    let chain = connection.peer_certificates().unwrap_or_default().iter().map(|c| c.to_vec()).collect();
    let http2 = connection.alpn_protocol() == Some(b"h2");
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    };
    Ok(Shaken { stream, door, sni: sni.unwrap_or_default(), chain, http2, version })
}

impl Tls {
    /// Reads the files. `client_cas`: `None` asks for no client certificate; otherwise the
    /// hints name these (DER).
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(
        files: CertificateFiles,
        hosts: &[String],
        client_cas: Option<&[Vec<u8>]>,
    ) -> Result<Self, TlsError> {
        let seen = Stamp::of(&files);
        let (config, term) = configure(&files, hosts, client_cas)?;
        let client_cas = client_cas.map(<[_]>::to_vec);
        let made_of = Mutex::new(MadeOf { seen, client_cas, term, kept: None });
        Ok(Self { files, hosts: hosts.to_vec(), config: ArcSwap::new(config), made_of })
    }

    /// From when to when its certificate counts.
    #[must_use]
    pub fn term(&self) -> Term {
        self.made_of.lock().unwrap_or_else(PoisonError::into_inner).term
    }

    /// Why the files, as they lie there now, cannot be used, so that the old certificate stays.
    #[must_use]
    pub fn kept(&self) -> Option<String> {
        self.made_of.lock().unwrap_or_else(PoisonError::into_inner).kept.clone()
    }

    /// Reads the files again where they changed. Whatever is wrong with them is said once, and
    /// the old configuration stays; so it does where their certificate has ended, and its own has not.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn refresh(&self, now: Time) -> Result<bool, TlsError> {
        let stamp = Stamp::of(&self.files);
        let mut made_of = self.made_of.lock().unwrap_or_else(PoisonError::into_inner);
        if made_of.seen == stamp {
            return Ok(false);
        }
        made_of.seen = stamp;
        let made = self.again(made_of.term, made_of.client_cas.as_deref(), now);
        made_of.kept = made.as_ref().err().map(ToString::to_string);
        let (config, term) = made?;
        self.config.store(config);
        made_of.term = term;
        Ok(true)
    }

    /// From the next handshake on the hints name these CAs (DER); at a door that asks for no certificate
    /// nothing changes.
    ///
    /// # Errors
    /// [`TlsError`]; then the hints stay as they were until the files can be used.
    pub fn ask_for(&self, client_cas: &[Vec<u8>], now: Time) -> Result<(), TlsError> {
        let mut made_of = self.made_of.lock().unwrap_or_else(PoisonError::into_inner);
        if made_of.client_cas.as_deref().is_none_or(|before| before == client_cas) {
            return Ok(());
        }
        made_of.client_cas = Some(client_cas.to_vec());
        // Where they cannot be used now, the next look at them tries again.
        made_of.seen = None;
        let (config, term) = self.again(made_of.term, Some(client_cas), now)?;
        self.config.store(config);
        made_of.term = term;
        Ok(())
    }

    fn again(
        &self,
        before: Term,
        client_cas: Option<&[Vec<u8>]>,
        now: Time,
    ) -> Result<(Arc<ServerConfig>, Term), TlsError> {
        let made = configure(&self.files, &self.hosts, client_cas)?;
        let until = made.1.until;
        if until <= now && now < before.until {
            return Err(TlsError::Ended { file: self.files.certificate.display().to_string(), until });
        }
        Ok(made)
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

fn configure(
    files: &CertificateFiles,
    hosts: &[String],
    client_cas: Option<&[Vec<u8>]>,
) -> Result<(Arc<ServerConfig>, Term), TlsError> {
    let file = files.certificate.display().to_string();
    let unusable = |why: rustls::Error| TlsError::Unusable {
        file: file.clone(),
        why: match why {
            rustls::Error::InconsistentKeys(_) => format!("the key in {} is another's", files.key.display()),
            why => why.to_string(),
        },
    };
    let chain = read_chain(files)?;
    let key_unreadable = |why: rustls::pki_types::pem::Error| TlsError::Unreadable {
        file: files.key.display().to_string(),
        why: why.to_string(),
    };
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(key_unreadable)?;
    let leaf = chain.first().ok_or_else(|| TlsError::Empty(file.clone()))?;
    names_all(leaf, hosts, &file)?;
    let term = match x509_parser::parse_x509_certificate(leaf) {
        Ok((_, read)) => Term {
            since: Time::from_secs(read.validity().not_before.timestamp()),
            until: Time::from_secs(read.validity().not_after.timestamp()),
        },
        Err(why) => return Err(TlsError::Unusable { file, why: why.to_string() }),
    };

    let provider = Arc::new(crate::crypto::tls_provider::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unusable)?;
    let builder = match client_cas {
        Some(cas) => builder.with_client_cert_verifier(Arc::new(Possession::new(&provider, cas)?)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.max_early_data_size = 0;
    config.max_fragment_size = Some(RECORD_BYTES_MAX);
    if client_cas.is_some() {
        // A resumed session would bring back a certificate that nobody looked at again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok((Arc::new(config), term))
}

fn read_chain(files: &CertificateFiles) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |why: rustls::pki_types::pem::Error| TlsError::Unreadable {
        file: files.certificate.display().to_string(),
        why: why.to_string(),
    };
    CertificateDer::pem_file_iter(&files.certificate)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)
}

fn names_all(leaf: &CertificateDer<'_>, hosts: &[String], file: &str) -> Result<(), TlsError> {
    let unusable = |why: String| TlsError::Unusable { file: file.to_owned(), why };
    let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|why| unusable(why.to_string()))?;
    for host in hosts {
        let wrong = || TlsError::WrongName { file: file.to_owned(), host: host.clone() };
        let name = ServerName::try_from(host.as_str()).map_err(|_| wrong())?;
        leaf.verify_is_valid_for_subject_name(&name).map_err(|_| wrong())?;
    }
    Ok(())
}

/// What is sent in one record. A large answer costs a quarter less in these than in the 16 KiB that there may be at most
/// (`benches/RESULTS.md`), and a client can begin to read it earlier; 22 bytes in 4 096 are the price.
const RECORD_BYTES_MAX: usize = 4096;

/// Asks for a certificate and proves possession of its key, no more. A connection without one
/// goes on: the page that helps needs a connection to be shown on.
#[derive(Debug)]
struct Possession {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Possession {
    fn new(provider: &CryptoProvider, cas: &[Vec<u8>]) -> Result<Self, TlsError> {
        let hint = |der: &Vec<u8>| {
            let der = CertificateDer::from(der.as_slice());
            let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|_| TlsError::BadCa)?;
            Ok(DistinguishedName::in_sequence(&anchor.subject))
        };
        let hints = cas.iter().map(hint).collect::<Result<_, _>>()?;
        Ok(Self { hints, algorithms: provider.signature_verification_algorithms })
    }
}

impl ClientCertVerifier for Possession {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let bytes = end_entity.len() + intermediates.iter().map(|der| der.len()).sum::<usize>();
        let readable = std::iter::once(end_entity).chain(intermediates).all(is_certificate);
        if intermediates.len() >= CHAIN_CERTIFICATES_MAX || bytes > CHAIN_BYTES_MAX || !readable {
            return Err(CertificateError::BadEncoding.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// One X.509 certificate and nothing behind it.
fn is_certificate(der: &CertificateDer<'_>) -> bool {
    matches!(x509_parser::parse_x509_certificate(der), Ok((rest, _)) if rest.is_empty())
}

/// A fatal alert `unrecognized_name` (RFC 6066 3, RFC 8446 6) in a record of its own: before
/// the `ServerHello` there is no key to send it under.
const ALERT_UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Leaf, issuing CA, root, and as much again while CAs change.
const CHAIN_CERTIFICATES_MAX: usize = 6;

/// Far above any chain of ours (3 KB), far below what would cost time to parse.
const CHAIN_BYTES_MAX: usize = 32 * 1024;

/// How often the files are looked at.
pub const FILES_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
