//! Opens the doors: which there are, with which certificates, and what lies before them in the clear.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::lists::Lists;
use super::{AppError, Core};
use crate::ca::Authority;
use crate::config::{Config, Door, DoorCertificate};
use crate::console::command::doctor::KeptCertificate;
use crate::domain::certificate::IssuerKind;
use crate::domain::{TenantId, Time};
use crate::front::door::{DoorKind, DoorPlan, Doors};
use crate::front::outside::Outside;
use crate::front::plain;
use crate::front::tls::CertificateFiles;
use crate::store::view::View;

/// One door, as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    kind: DoorKind,
    tenant: Option<TenantId>,
    pub(super) door: Door,
}

/// Every door.
pub(super) fn plans(config: &Config) -> Vec<Plan> {
    let plan = |kind, tenant, door: &Door| Plan { kind, tenant, door: door.clone() };
    let mut plans = vec![
        plan(DoorKind::Console, Some(TenantId::staff()), &config.console),
        plan(DoorKind::Phone, None, &config.phone),
    ];
    plans.extend(config.public.as_ref().map(|door| plan(DoorKind::Public, None, door)));
    let portals = config.portals.iter();
    plans.extend(portals.map(|portal| plan(DoorKind::Portal, Some(portal.tenant.clone()), &portal.door)));
    plans
}

/// Opens one.
pub(super) fn open(
    plan: &Plan,
    config: &Config,
    core: &Core,
    authority: &Authority,
) -> Result<Arc<crate::front::Door>, AppError> {
    let client_cas = hints(&core.view, plan.kind);
    let files = door_files(config, &plan.door, authority, core.world.now())?;
    let ports = vec![config.listen.tls.port(), config.listen.public_port];
    let (kind, tenant, hosts) = (plan.kind, plan.tenant.clone(), vec![plan.door.host.clone()]);
    let door = crate::front::Door::open(DoorPlan { kind, tenant, hosts, ports, files, client_cas })?;
    door.heed_term(core.world.now());
    Ok(door)
}

/// Opens all.
pub(super) fn doors(config: &Config, core: &Core, authority: &Authority) -> Result<Doors, AppError> {
    let doors = plans(config).iter().map(|plan| open(plan, config, core, authority)).collect::<Vec<_>>();
    Ok(Doors::new(doors.into_iter().collect::<Result<Vec<_>, _>>()?)?)
}

/// Those whose files cannot be used, so that they go on with the certificate that they had.
pub(super) fn kept(doors: &Doors) -> Vec<KeptCertificate> {
    let kept = doors.all().filter_map(|door| {
        let (why, until) = (door.tls().kept()?, door.tls().term().until);
        Some(KeptCertificate { host: door.hosts().first()?.to_string(), why, until })
    });
    let mut kept: Vec<_> = kept.collect();
    kept.sort_by(|one, other| one.host.cmp(&other.host));
    kept
}

/// What is wrong with certificates that are shown all the same.
pub(super) fn out_of_term(doors: &Doors, now: Time) -> Vec<String> {
    let each = doors.all().filter_map(|door| Some((door.hosts().first()?, door.tls().term().fault(now)?)));
    let mut told: Vec<String> =
        each.map(|(host, fault)| format!("the certificate of {host} {fault}")).collect();
    told.sort();
    told
}

/// CAs that a door asks for certificates of: those that issue, and those whose certificates still count.
/// Browsers offer no other certificate than theirs.
pub(super) fn hints(view: &View, door: DoorKind) -> Vec<Vec<u8>> {
    let kind = match door {
        DoorKind::Console => IssuerKind::Staff,
        DoorKind::Portal => IssuerKind::Devices,
        DoorKind::Phone | DoorKind::Public => return vec![],
    };
    let issuers = view.issuers();
    issuers.iter().filter(|issuer| issuer.kind == kind).map(|issuer| issuer.der.clone()).collect()
}

/// Makes the certificates of the doors that use the built-in CA anew; the doors take them up by themselves.
pub(super) fn issue_again(config: &Config, authority: &Authority, now: Time) -> Result<(), AppError> {
    for door in config.doors() {
        if matches!(door.certificate, DoorCertificate::Internal) {
            door_files(config, door, authority, now)?;
        }
    }
    Ok(())
}

/// The files of a door's certificate; from the built-in server CA they are made anew at each start.
fn door_files(
    config: &Config,
    door: &Door,
    authority: &Authority,
    now: Time,
) -> Result<CertificateFiles, AppError> {
    match &door.certificate {
        DoorCertificate::Files { certificate, key } => {
            Ok(CertificateFiles { certificate: certificate.clone(), key: key.clone() })
        }
        DoorCertificate::Internal => {
            let folder = config.data.join("doors");
            let made = authority.issue_server(std::slice::from_ref(&door.host), now)?;
            let certificate = folder.join(format!("{}.crt", door.host));
            let key = folder.join(format!("{}.key", door.host));
            write_private(&folder, &certificate, made.chain_pem.as_bytes())?;
            write_private(&folder, &key, made.key_pem.expose().as_bytes())?;
            Ok(CertificateFiles { certificate, key })
        }
    }
}

fn write_private(folder: &Path, path: &Path, bytes: &[u8]) -> Result<(), AppError> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let wrong = |source| AppError::File { path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(wrong)?;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(wrong)?;
    file.write_all(bytes).map_err(wrong)
}

pub(super) fn plain_files(
    config: &Config,
    core: &Core,
    lists: &Arc<Lists>,
    outside: &Arc<Outside>,
) -> plain::Plain {
    let (lists, answering, view) = (Arc::clone(lists), Arc::clone(lists), Arc::clone(&core.view));
    plain::Plain {
        ocsp: Arc::new(move |question| answering.answer(question)),
        crl: Arc::new(move |id| lists.served(id)),
        ca: Arc::new(move |name| {
            let issuers = view.issuers();
            let (name, root) = name.strip_suffix("-root").map_or((name, false), |name| (name, true));
            let issuer =
                issuers.iter().find(|issuer| issuer.id.as_str() == name || issuer.kind.as_str() == name)?;
            Some(Bytes::from(if root { issuer.root_der.clone() } else { issuer.der.clone() }))
        }),
        https_port: config.listen.public_port,
        outside: Arc::clone(outside),
        clock: Arc::clone(&core.world.clock),
    }
}
