//! What routes may reach from this machine: `[backends]` and `[[backend_tls]]`. Opens no file.

use std::path::{Path, PathBuf};

use super::mistake::Mistakes;
use super::sheet::Sheet;
use crate::domain::spelling::alike;
use crate::proxy::{Ca, Reach, Trust};

pub(super) fn reach(sheet: &mut Sheet<'_>, base: &Path, notes: &mut Mistakes) -> Reach {
    let mut reach = Reach::default();
    if let Some(mut section) = sheet.table("backends", notes) {
        for at in section.texts("socket_folders", notes) {
            if Path::new(&at.value).is_absolute() && at.value != "/" {
                reach.socket_folders.push(PathBuf::from(at.value));
            } else {
                notes.at(&at.span, "a folder of sockets is written whole, such as \"/run/app\"");
            }
        }
        section.done(notes);
    }
    for section in sheet.tables("backend_tls", notes) {
        reach.tls.extend(trust(section, base, notes));
    }
    reach
}

fn trust(mut section: Sheet<'_>, base: &Path, notes: &mut Mistakes) -> Option<Trust> {
    let span = section.span().clone();
    let hosts = section.texts("hosts", notes);
    if hosts.is_empty() {
        notes.at(&span, "[backend_tls] lacks `hosts`: write hosts = [\"app.internal:9443\"]");
    }
    for at in &hosts {
        let bare =
            http::uri::Authority::try_from(at.value.as_str()).is_ok_and(|host| !host.as_str().contains('@'));
        if !bare {
            notes.at(
                &at.span,
                format!("{:?} is no host: write it as in the route, without https://", at.value),
            );
        }
    }
    let ca = section.demand("ca", "/etc/portcullis/app-ca.pem", notes).map(|at| match at.value.as_str() {
        SYSTEM => Ca::Public,
        file => {
            if alike(SYSTEM, file) {
                let what = format!("{file:?}: did you mean {SYSTEM:?}? A file of that name is \"./{file}\"");
                notes.at(&at.span, what);
            }
            Ca::Pinned(base.join(file))
        }
    });
    let certificate = section.text("certificate", notes);
    let key = section.text("key", notes);
    let shows = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((base.join(certificate.value), base.join(key.value))),
        (None, None) => None,
        (Some(at), None) => {
            notes.at(&at.span, "the certificate needs its `key`: write key = \"FILE.key\" below it");
            None
        }
        (None, Some(at)) => {
            notes.at(&at.span, "the key needs its `certificate`: write certificate = \"FILE.crt\" above it");
            None
        }
    };
    let server_name = section.text("server_name", notes).and_then(|at| {
        let name = at.value.to_ascii_lowercase();
        if super::is_host(&name) {
            return Some(name);
        }
        notes.at(&at.span, format!("{:?} is no host name", at.value));
        None
    });
    section.done(notes);
    Some(Trust { hosts: hosts.into_iter().map(|at| at.value).collect(), ca: ca?, shows, server_name })
}

/// In place of a file: the CAs that browsers trust.
const SYSTEM: &str = "system";
