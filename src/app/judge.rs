//! Looks whether a start would succeed, as far as can be seen while another process has the store. Makes nothing.

use super::{AppError, ground, mail, outside, push, rooms};
use crate::ca::KeyFolder;
use crate::config::{Config, Door, DoorCertificate, Environment, SecretError};
use crate::crypto::Signer;
use crate::front::door::{DoorKind, DoorPlan};
use crate::front::tls::{CertificateFiles, Term};
use crate::notify::webpush::Keys;
use crate::proxy::{self, Proxy};
use crate::world::World;

/// Reads every secret and every file that the configuration names, and opens the keys of the CA.
///
/// # Errors
/// What a start would say.
pub fn judge(config: &Config, environment: &Environment, world: &World) -> Result<(), AppError> {
    ground::look(config)?;
    let named = |error: SecretError| AppError::from(error).named(&config.file);
    let passphrase = config.secrets.passphrase(environment).map_err(named)?.secret;
    KeyFolder::at(config.data.join("ca")).try_all(&passphrase)?;
    for (_, judged) in files(config, world) {
        judged?;
    }
    for door in config.doors() {
        certificate(config, door).transpose()?;
    }
    Ok(())
}

/// What a start would say of a door's certificate, and when it counts; `None` where the built-in CA makes it then.
#[must_use]
pub fn certificate(config: &Config, door: &Door) -> Option<Result<Term, AppError>> {
    let DoorCertificate::Files { certificate, key } = door.certificate.clone() else { return None };
    // As the one kind of door that asks for no certificate, and so for no CA: those are in the store.
    let opened = crate::front::Door::open(DoorPlan {
        kind: DoorKind::Phone,
        tenant: None,
        hosts: vec![door.host.clone()],
        ports: vec![],
        files: CertificateFiles { certificate, key },
        client_cas: vec![],
    });
    Some(opened.map(|door| door.tls().term()).map_err(|error| AppError::from(error).named(&config.file)))
}

/// Each kind of file that the configuration names but for the keys of the CA and the doors' own, and what a start would
/// say of it.
#[must_use]
pub fn files(config: &Config, world: &World) -> Vec<(&'static str, Result<(), AppError>)> {
    let signer = config.secrets.jwt_key().map_err(AppError::from).and_then(|key| {
        Signer::from_pkcs8(&key).map_err(|_| AppError::JwtKey(config.secrets.jwt_key_file.clone()))
    });
    let (signing, backends) = match signer {
        Err(error) => (Err(error), Ok(())),
        Ok(signer) => {
            let settings = proxy::Settings::default();
            let proxy = Proxy::reaching(world.clone(), signer, settings, config.reach.clone());
            (Ok(()), proxy.map(drop).map_err(AppError::from))
        }
    };
    let all = [
        ("data files", ground::writable(config)),
        ("pepper", config.secrets.pepper().map(drop).map_err(AppError::from)),
        ("signing key", signing),
        ("backends", backends),
        ("push keys", Keys::open(&config.secrets.push_key_file).map(drop).map_err(AppError::from)),
        ("push", push::way(config).map(drop)),
        ("approvals", rooms::terms(config).map(drop)),
        ("mail", mail::post(config).map(drop)),
        ("access log", outside::judge(config)),
    ];
    all.map(|(name, judged)| (name, judged.map_err(|error| error.named(&config.file)))).into()
}
