//! Roots whose keys lie on no machine of the gate: the bundle that is taken away, the request that goes to it, the
//! certificate that comes back. Knows no store; where the bundle is there is neither store nor configuration.
//!
//! A bundle is PEM: each root's certificate, and behind it a block `PORTCULLIS SEALED KEY` with the root's name
//! in a header and the very text of its key file. A request is PKCS #10, signed by the new CA's key; two URIs in
//! its subject alternative name say which CA is to be made and below which root.

use std::fs;
use std::path::{Path, PathBuf};

use pem::Pem;
use rcgen::{CertificateParams, CertificateSigningRequestParams, PublicKeyData as _, SanType};

use super::folder::{CLIENT_ROOT, KeyFolder, SERVER_ROOT, root_name};
use super::issuing::{self, Issuing};
use super::keys::{CaKey, NewKey, ProvenKey};
use super::profile::{Curve, Profiles};
use super::rotate::{Rotated, current};
use super::sealed::{self, Cost, Opener, Sealer};
use super::{BadRequest, CaError, build, chain, key_name, pem_of};
use crate::crypto::sha256;
use crate::domain::certificate::{Issuer, IssuerKind};
use crate::domain::{IssuerId, Secret};
use crate::world::World;

/// Roots with their sealed keys, as they are taken away.
pub struct RootBundle {
    roots: Vec<Root>,
}

struct Root {
    name: String,
    der: Vec<u8>,
    sealed: String,
}

impl RootBundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// [`OfflineError::NoBundle`].
    pub fn parse(text: &str) -> Result<Self, OfflineError> {
        let blocks = pem::parse_many(text).map_err(|_| OfflineError::NoBundle)?;
        let mut roots = Vec::new();
        for pair in blocks.chunks(2) {
            let [certificate, key] = pair else { return Err(OfflineError::NoBundle) };
            let name = key.headers().get(NAME).unwrap_or_default().to_owned();
            let sealed = String::from_utf8(key.contents().to_vec()).map_err(|_| OfflineError::NoBundle)?;
            let known = [CLIENT_ROOT, SERVER_ROOT].contains(&name.as_str());
            if certificate.tag() != "CERTIFICATE" || key.tag() != SEALED_KEY || !known {
                return Err(OfflineError::NoBundle);
            }
            roots.push(Root { name, der: certificate.contents().to_vec(), sealed });
        }
        if roots.is_empty() { Err(OfflineError::NoBundle) } else { Ok(Self { roots }) }
    }

    /// As [`RootBundle::parse`] reads it.
    ///
    /// # Errors
    /// Where a header cannot be written, which these can.
    pub fn text(&self) -> Result<String, CaError> {
        let mut text = BUNDLE_HEAD.to_owned();
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        for root in &self.roots {
            let mut key = Pem::new(SEALED_KEY, root.sealed.as_bytes());
            key.headers_mut().add(NAME, &root.name).map_err(|_| CaError::Crypto("wrote the bundle"))?;
            text.push_str(&format!("{}{}", pem_of(&root.der), pem::encode_config(&key, config)));
        }
        Ok(text)
    }

    /// The same under another passphrase.
    ///
    /// # Errors
    /// A wrong passphrase, or an empty new one.
    pub fn resealed(&self, old: &Secret, new: &Secret, from: &Path, world: &World) -> Result<Self, CaError> {
        let mut opener = Opener::new(old)?;
        let sealer = Sealer::new(new, Cost::FULL, world)?;
        let mut roots = Vec::new();
        for root in &self.roots {
            let key = opener.open_text(&root.sealed, &root.name, from)?;
            let sealed = sealer.text(&root.name, &key, world)?;
            roots.push(Root { name: root.name.clone(), der: root.der.clone(), sealed });
        }
        Ok(Self { roots })
    }

    /// Signs what a request asks for, as the profile of issuing CAs says. `from` is where the bundle lies.
    ///
    /// # Errors
    /// A wrong passphrase, a request below another root, and a root that has ended.
    pub fn sign(
        &self,
        passphrase: &Secret,
        request: &Request,
        from: &Path,
        world: &World,
    ) -> Result<String, CaError> {
        let name = root_name(request.kind);
        let root = self
            .roots
            .iter()
            .find(|root| root.name == name && sha256(&root.der) == request.root)
            .ok_or(OfflineError::OtherRoot)?;
        let key = CaKey::from_pkcs8(&Opener::new(passphrase)?.open_text(&root.sealed, name, from)?)?;
        let certificate = chain::read(&root.der).map_err(CaError::Root)?;
        if certificate.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
            return Err(CaError::OtherKey { path: from.to_owned(), issuer: request.id.clone() });
        }
        let signer = rcgen::Issuer::from_ca_cert_der(&root.der.as_slice().into(), key)?;
        let by = (root.der.as_slice(), &signer);
        let which = (request.kind, request.number);
        Ok(pem_of(&issuing::signed(&Profiles::shipped()?, which, &request.key.public, by, world)?))
    }
}

/// A request for an issuing CA, whose key's possession is proved.
pub struct Request {
    /// Which CA is to be made.
    pub id: IssuerId,
    /// SHA-256 over its public key: to be compared on both machines.
    pub fingerprint: [u8; 32],
    kind: IssuerKind,
    number: u32,
    root: [u8; 32],
    key: ProvenKey,
}

impl Request {
    /// Reads a request as `ca rotate --request` wrote it.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub fn parse(text: &str) -> Result<Self, OfflineError> {
        let key = ProvenKey::from_request(text.as_bytes())?;
        if key.curve != Curve::P256 {
            return Err(OfflineError::OtherRequest);
        }
        let read = CertificateSigningRequestParams::from_pem(text).map_err(|_| OfflineError::OtherRequest)?;
        let mut parts = read.params.subject_alt_names.iter().map(|name| match name {
            SanType::URI(uri) => Some(uri.as_str()),
            _ => None,
        });
        let (Some(Some(ca)), Some(Some(root)), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(OfflineError::OtherRequest);
        };
        let which = ca.strip_prefix(CA_URI).and_then(which).ok_or(OfflineError::OtherRequest)?;
        let root = root
            .strip_prefix(ROOT_URI)
            .and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(OfflineError::OtherRequest)?;
        let id = issuing::id(which.0, which.1).map_err(|_| OfflineError::OtherRequest)?;
        let fingerprint = sha256(key.public.der_bytes());
        Ok(Self { id, fingerprint, kind: which.0, number: which.1, root, key })
    }
}

impl KeyFolder {
    /// The roots whose keys lie here, for taking away; each opens with the passphrase.
    ///
    /// # Errors
    /// A wrong passphrase, and keys that are away already.
    pub fn bundle(&self, passphrase: &Secret, issuers: &[Issuer]) -> Result<RootBundle, CaError> {
        let mut opener = Opener::new(passphrase)?;
        let mut roots = Vec::new();
        for kind in [IssuerKind::Devices, IssuerKind::Server] {
            let (name, issuer) = (root_name(kind), current(issuers, kind)?);
            let path = sealed::path(&self.dir, name);
            if !path.exists() {
                continue;
            }
            let sealed = fs::read_to_string(&path).map_err(CaError::file("read", &path))?;
            let key = CaKey::from_pkcs8(&opener.open_text(&sealed, name, &path)?)?;
            let certificate = chain::read(&issuer.root_der).map_err(CaError::Root)?;
            if certificate.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
                return Err(CaError::OtherKey { path, issuer: issuer.id.clone() });
            }
            roots.push(Root { name: name.to_owned(), der: issuer.root_der.clone(), sealed });
        }
        if roots.is_empty() { Err(OfflineError::Away.into()) } else { Ok(RootBundle { roots }) }
    }

    /// Removes the keys of the roots that lie in `bundle` as they lie here; returns how many.
    ///
    /// # Errors
    /// A bundle that holds other keys: nothing is removed that is nowhere else.
    pub fn take_root_away(&self, bundle: &RootBundle) -> Result<usize, CaError> {
        let mut there = Vec::new();
        for root in &bundle.roots {
            let path = sealed::path(&self.dir, &root.name);
            match fs::read_to_string(&path) {
                Ok(text) if text == root.sealed => there.push(path),
                Ok(_) => return Err(OfflineError::OtherBundle.into()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(CaError::file("read", &path)(error)),
            }
        }
        for path in &there {
            fs::remove_file(path).map_err(CaError::file("removed", path))?;
        }
        self.sync()?;
        Ok(there.len())
    }

    /// A request for the successor of the issuing CA of `kind`, with a key made and kept here. Asked for again it
    /// is the same key's.
    ///
    /// # Errors
    /// A wrong passphrase, and what the file system refuses.
    pub fn request(
        &self,
        passphrase: &Secret,
        issuers: &[Issuer],
        kind: IssuerKind,
        world: &World,
    ) -> Result<String, CaError> {
        let current = current(issuers, kind)?;
        let mut opener = Opener::new(passphrase)?;
        let sealer = opener.sealer_like(&self.dir, &key_name(&current.id))?;
        let number = issuing::next_number(kind, issuers);
        let id = issuing::id(kind, number)?;
        let (name, waiting) = (key_name(&id), self.waiting(&id));
        let key = if waiting.exists() {
            CaKey::from_pkcs8(&self.open_waiting(&mut opener, &id)?)?
        } else {
            let key = NewKey::make()?;
            self.put(&waiting, &sealer.text(&name, key.pkcs8(), world)?)?;
            CaKey::from_pkcs8(key.pkcs8())?
        };
        let root = chain::read(&current.root_der).map_err(CaError::Root)?;
        let organization = issuing::organization(&root);
        let mut params = CertificateParams::default();
        params.distinguished_name =
            build::name(issuing::common_name(kind, number, &organization), organization);
        let root = data_encoding::HEXLOWER.encode(&sha256(&current.root_der));
        params.subject_alt_names = vec![
            SanType::URI(format!("{CA_URI}{id}").try_into()?),
            SanType::URI(format!("{ROOT_URI}{root}").try_into()?),
        ];
        Ok(params.serialize_request(&key)?.pem()?)
    }

    /// Takes up the certificate that the root signed for a request of ours.
    ///
    /// # Errors
    /// A certificate for another key, of another root, with other constraints or dates than such a CA has.
    pub fn accept(
        &self,
        passphrase: &Secret,
        issuers: &[Issuer],
        kind: IssuerKind,
        certificate: &str,
        world: &World,
    ) -> Result<Rotated, CaError> {
        let current = current(issuers, kind)?;
        let mut opener = Opener::new(passphrase)?;
        opener.open(&self.dir, &key_name(&current.id))?;
        let number = issuing::next_number(kind, issuers);
        let id = issuing::id(kind, number)?;
        if !self.waiting(&id).exists() {
            return Err(OfflineError::NothingWaits(kind).into());
        }
        let key = CaKey::from_pkcs8(&self.open_waiting(&mut opener, &id)?)?;
        let der = match pem::parse_many(certificate).map_err(|_| OfflineError::NoCertificate)?.as_slice() {
            [block] if block.tag() == "CERTIFICATE" => block.contents().to_vec(),
            _ => return Err(OfflineError::NoCertificate.into()),
        };
        let read = chain::read(&der).map_err(|_| OfflineError::NoCertificate)?;
        if read.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
            return Err(OfflineError::OtherKey.into());
        }
        let not_after = chain::validity(&read).1;
        let root_der = current.root_der.clone();
        let root = chain::read(&root_der).map_err(CaError::Root)?;
        chain::check_issuing(&read, &root, kind)?;
        let name = issuing::common_name(kind, number, &issuing::organization(&root));
        if !read.subject().iter_common_name().any(|found| found.as_str() == Ok(&name)) {
            return Err(OfflineError::OtherName(name).into());
        }
        let issuer = Issuer { id, kind, der, root_der: current.root_der.clone(), not_after, issues: true };
        chain::check(&issuer, world.now())
            .map_err(|source| CaError::Chain { issuer: issuer.id.clone(), source })?;
        let path = sealed::path(&self.dir, &key_name(&issuer.id));
        let waiting = self.waiting(&issuer.id);
        self.put(&path, &fs::read_to_string(&waiting).map_err(CaError::file("read", &waiting))?)?;
        Ok(Rotated { issuing: Issuing::with(&issuer, key, &path)? })
    }

    /// The key of a CA whose certificate is not here yet.
    pub(super) fn waiting(&self, id: &IssuerId) -> PathBuf {
        self.dir.join(format!("{id}.{WAITING}"))
    }

    /// Forgets the request of a CA that is in force; the next reseal would otherwise meet it again.
    pub fn forget_request(&self, id: &IssuerId) {
        let waiting = self.waiting(id);
        match fs::remove_file(&waiting) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %waiting.display(), "a request that is answered could not be removed");
            }
            _ => {}
        }
    }

    fn open_waiting(
        &self,
        opener: &mut Opener<'_>,
        id: &IssuerId,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, CaError> {
        let waiting = self.waiting(id);
        let text = fs::read_to_string(&waiting).map_err(CaError::file("read", &waiting))?;
        opener.open_text(&text, &key_name(id), &waiting)
    }
}

/// Why roots, requests and certificates do not fit.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// Not a bundle.
    #[error("this is no root bundle: name the file that `portcullis ca init --offline-root` wrote")]
    NoBundle,
    /// The keys are away.
    #[error(
        "the keys of the roots are not here any more: they lie in the bundle that was taken away. Copy that one, where \
         it is kept, instead of writing another"
    )]
    Away,
    /// Another bundle than the keys here.
    #[error("the bundle does not hold the keys that lie here: write it again to another file")]
    OtherBundle,
    /// Not a request.
    #[error(transparent)]
    Request(#[from] BadRequest),
    /// A request for something else.
    #[error(
        "this request is not for an issuing CA: name the file that `portcullis ca rotate CA --request FILE` wrote"
    )]
    OtherRequest,
    /// Below another root.
    #[error("the request is for a CA below another root than this bundle's: bring the bundle of that house")]
    OtherRoot,
    /// Nothing was asked for.
    #[error(
        "no request waits for this certificate: write one first with `portcullis ca rotate {} --request FILE`",
        .0.as_str()
    )]
    NothingWaits(IssuerKind),
    /// A request waits.
    #[error(
        "a request waits for its certificate ({}): take that up with `--certificate FILE`, or remove the file to \
         give the request up", .0.display()
    )]
    Waits(PathBuf),
    /// Not one certificate.
    #[error("the file does not hold one certificate in PEM: name the one that `sign-intermediate` wrote")]
    NoCertificate,
    /// For another key.
    #[error("the certificate is for another key than the request that waits here: have that request signed")]
    OtherKey,
    /// Named otherwise.
    #[error("the certificate is not for {0:?}: have the request signed as it is")]
    OtherName(String),
    /// Constraints.
    #[error(
        "the certificate is not what an issuing CA of this house is: {0}; have the request signed as it is"
    )]
    OtherShape(&'static str),
}

/// `devices-2`: what and the how manyth.
fn which(id: &str) -> Option<(IssuerKind, u32)> {
    let (name, number) = id.rsplit_once('-')?;
    let kind = [IssuerKind::Devices, IssuerKind::Staff, IssuerKind::Server]
        .into_iter()
        .find(|kind| kind.as_str() == name)?;
    let number = number.parse().ok().filter(|number| *number > 1)?;
    (issuing::id(kind, number).ok()?.as_str() == id).then_some((kind, number))
}

const BUNDLE_HEAD: &str = "\
The root keys of a Portcullis gate, sealed under the passphrase of its CA, each behind its certificate.
Keep this file off the gate, in two places. It is needed for `portcullis ca sign-intermediate` alone.
";

const SEALED_KEY: &str = "PORTCULLIS SEALED KEY";
const NAME: &str = "Name";
const CA_URI: &str = "portcullis:issuing-ca:";
const ROOT_URI: &str = "portcullis:root:";
/// Ending of the file of a key whose certificate is not here yet.
pub(super) const WAITING: &str = "waiting";
