//! Looks whether a start would succeed, as far as can be seen while another process has the store.

use super::{AppError, doors, ground, mail, push, rooms};
use crate::ca::KeyFolder;
use crate::config::{Config, DoorCertificate, Environment};
use crate::crypto::Signer;
use crate::front::door::{DoorKind, DoorPlan};
use crate::front::tls::CertificateFiles;
use crate::notify::webpush::Keys;
use crate::proxy::{self, Proxy};
use crate::world::World;

/// Reads every secret and every file that the configuration names, and opens the keys of the CA.
///
/// # Errors
/// What a start would say.
pub fn judge(config: &Config, environment: &Environment, world: &World) -> Result<(), AppError> {
    ground::look(config)?;
    config.secrets.pepper()?;
    let passphrase = config.secrets.passphrase(environment)?.secret;
    KeyFolder::at(config.data.join("ca")).try_all(&passphrase)?;
    let key = config.secrets.jwt_key()?;
    let signer =
        Signer::from_pkcs8(&key).map_err(|_| AppError::JwtKey(config.secrets.jwt_key_file.clone()))?;
    Keys::open(&config.secrets.push_key_file)?;
    push::way(config)?;
    rooms::terms(config)?;
    mail::post(config)?;
    Proxy::reaching(world.clone(), signer, proxy::Settings::default(), config.reach.clone())?;
    for plan in doors::plans(config) {
        if let DoorCertificate::Files { certificate, key } = plan.door.certificate {
            // As the one kind of door that asks for no certificate, and so for no CA: those are in the store.
            crate::front::Door::open(DoorPlan {
                kind: DoorKind::Phone,
                tenant: None,
                hosts: vec![plan.door.host],
                ports: vec![],
                files: CertificateFiles { certificate, key },
                client_cas: vec![],
            })?;
        }
    }
    Ok(())
}
