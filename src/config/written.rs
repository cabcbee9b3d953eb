//! From what was written to what will be used: every key of `portcullis.toml` is read on this
//! page. Opens no file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::addresses::Addresses;
use super::mistake::Mistakes;
use super::sheet::{At, Sheet};
use super::{Approvals, Config, Door, DoorCertificate, Engine, Limits, Listen, Mail, Portal, Push, Secrets};
use crate::crypto;
use crate::domain::TenantId;

pub(super) fn read(text: &str, file: &Path) -> Result<Config, Mistakes> {
    let mut notes = Mistakes::of(&file.display().to_string(), text);
    let mut sheet = Sheet::whole(text, &mut notes);
    let base = file.parent().unwrap_or(Path::new("")).to_owned();
    let mut reader = Reader { base, notes, hosts: BTreeMap::new(), addresses: Addresses::default() };

    let data = sheet.demand("data", "data", &mut reader.notes).map(|at| reader.path(&at));
    let data = data.unwrap_or_default();
    let listen = reader.listen(&mut sheet);
    let (engine, store) = reader.store(&mut sheet, &data);
    let secrets = reader.secrets(&mut sheet, &data);
    let console = reader.own_door(&mut sheet, "console", "console.example.com");
    let phone = reader.own_door(&mut sheet, "phone", "phone.example.com");
    let public = reader.optional_door(&mut sheet, "public");
    let portals = reader.portals(&mut sheet);
    let mail = reader.mail(&mut sheet);
    let approvals = reader.approvals(&mut sheet);
    let push = reader.push(&mut sheet);
    let limits = reader.limits(&mut sheet);
    let (taken, notes) = (&mut reader.addresses, &mut reader.notes);
    let other_proxies = super::beside::plans(&mut sheet, &reader.base, &portals, taken, notes);
    let reach = super::backends::reach(&mut sheet, &reader.base, &mut reader.notes);
    let outside = super::outside::outside(&mut sheet, &reader.base, &mut reader.notes);
    sheet.done(&mut reader.notes);

    let nowhere = || Door { host: String::new(), certificate: DoorCertificate::Internal };
    reader.notes.none_or(Config {
        file: file.to_owned(),
        digest: crypto::sha256(text.as_bytes()),
        data,
        listen,
        engine,
        store,
        secrets,
        // A door that is missing has its mistake noted, so this stands in for it and is never used.
        console: console.unwrap_or_else(nowhere),
        phone: phone.unwrap_or_else(nowhere),
        public,
        portals,
        mail,
        approvals,
        push,
        limits,
        reach,
        outside,
        other_proxies,
    })
}

struct Reader {
    base: PathBuf,
    notes: Mistakes,
    hosts: BTreeMap<String, &'static str>,
    addresses: Addresses,
}

impl Reader {
    fn listen(&mut self, sheet: &mut Sheet<'_>) -> Listen {
        let everywhere = |port| SocketAddr::from(([0, 0, 0, 0], port));
        let Some(mut section) = sheet.table("listen", &mut self.notes) else {
            return Listen {
                tls: everywhere(443),
                plain: Some(everywhere(80)),
                ops: None,
                public_port: 443,
                public_plain_port: 80,
                proxy_protocol_from: Vec::new(),
            };
        };
        let tls =
            self.addresses.read(&mut section, "tls", &mut self.notes).map_or(everywhere(443), |at| at.value);
        let plain = self.addresses.read(&mut section, "plain", &mut self.notes).map(|at| at.value);
        let ops = self.addresses.read(&mut section, "ops", &mut self.notes);
        if let Some(at) = &ops
            && !at.value.ip().is_loopback()
        {
            self.notes.at(
                &at.span,
                "`ops` shows the inside of the gate and must stay on this machine: write ops = \"127.0.0.1:9100\"",
            );
        }
        let public_port = self.port(&mut section, "public_port", tls.port());
        let public_plain_port =
            self.port(&mut section, "public_plain_port", plain.map_or(80, |plain| plain.port()));
        let mut proxy_protocol_from = Vec::new();
        for at in section.texts("proxy_protocol_from", &mut self.notes) {
            match at.value.parse::<ipnet::IpNet>() {
                Ok(network) if network.prefix_len() == 0 => self.notes.at(
                    &at.span,
                    "`proxy_protocol_from` names everybody: then each client says itself where it comes from; name the balancers",
                ),
                Ok(network) => proxy_protocol_from.push(network),
                Err(_) => self
                    .notes
                    .at(&at.span, format!("{:?} is no network: write one such as \"10.0.0.5/32\"", at.value)),
            }
        }
        section.done(&mut self.notes);
        let ops = ops.map(|at| at.value);
        Listen { tls, plain, ops, public_port, public_plain_port, proxy_protocol_from }
    }

    fn store(&mut self, sheet: &mut Sheet<'_>, data: &Path) -> (Engine, PathBuf) {
        let mut section = sheet.table("store", &mut self.notes);
        let mut text = |key| section.as_mut().and_then(|section| section.text(key, &mut self.notes));
        let (engine, path) = (text("engine"), text("path"));
        let named =
            engine.map_or(Ok(Engine::default()), |at| Engine::named(&at.value).map_err(|what| (at, what)));
        let engine = named.unwrap_or_else(|(at, what)| {
            self.notes.at(&at.span, what);
            Engine::default()
        });
        let path = path.map_or_else(|| data.join(format!("store.{}", engine.name())), |at| self.path(&at));
        if let Some(section) = section {
            section.done(&mut self.notes);
        }
        (engine, path)
    }

    fn secrets(&mut self, sheet: &mut Sheet<'_>, data: &Path) -> Secrets {
        let (pepper, jwt, push) = (data.join("pepper"), data.join("jwt.key"), data.join("push.key"));
        let Some(mut section) = sheet.table("secrets", &mut self.notes) else {
            let passphrase_file = None;
            return Secrets { passphrase_file, pepper_file: pepper, jwt_key_file: jwt, push_key_file: push };
        };
        let passphrase = section.text("passphrase_file", &mut self.notes).map(|at| self.path(&at));
        let pepper = section.text("pepper_file", &mut self.notes).map_or(pepper, |at| self.path(&at));
        let jwt = section.text("jwt_key_file", &mut self.notes).map_or(jwt, |at| self.path(&at));
        let push = section.text("push_key_file", &mut self.notes).map_or(push, |at| self.path(&at));
        section.done(&mut self.notes);
        Secrets { passphrase_file: passphrase, pepper_file: pepper, jwt_key_file: jwt, push_key_file: push }
    }

    fn own_door(&mut self, sheet: &mut Sheet<'_>, name: &'static str, example: &str) -> Option<Door> {
        match sheet.table(name, &mut self.notes) {
            Some(section) => self.door(section, name, example),
            None => {
                self.notes
                    .general(&format!("there is no section [{name}]: write it with host = \"{example}\""));
                None
            }
        }
    }

    fn optional_door(&mut self, sheet: &mut Sheet<'_>, name: &'static str) -> Option<Door> {
        let section = sheet.table(name, &mut self.notes)?;
        self.door(section, name, "start.example.com")
    }

    fn portals(&mut self, sheet: &mut Sheet<'_>) -> Vec<Portal> {
        let mut portals = Vec::new();
        for mut section in sheet.tables("portal", &mut self.notes) {
            let tenant =
                section.demand("tenant", "bank", &mut self.notes).and_then(|at| {
                    match TenantId::parse(&at.value) {
                        Ok(tenant) if tenant.is_staff() => {
                            self.notes
                                .at(&at.span, "the door of `staff` is the [console]: name another tenant");
                            None
                        }
                        Ok(tenant) => Some(tenant),
                        Err(error) => {
                            self.notes.at(&at.span, error.to_string());
                            None
                        }
                    }
                });
            let door = self.door(section, "portal", "portal.example.com");
            if let (Some(tenant), Some(door)) = (tenant, door) {
                portals.push(Portal { tenant, door });
            }
        }
        portals
    }

    fn door(&mut self, mut section: Sheet<'_>, name: &'static str, example: &str) -> Option<Door> {
        let host = section.demand("host", example, &mut self.notes).and_then(|at| self.host(&at, name));
        let certificate = section.text("certificate", &mut self.notes);
        let key = section.text("key", &mut self.notes);
        let certificate = match (certificate, key) {
            (None, None) => DoorCertificate::Internal,
            (Some(at), None) if at.value == "internal" => DoorCertificate::Internal,
            (Some(at), Some(_)) if at.value == "internal" => {
                self.notes.at(&at.span, "the built-in CA keeps its own keys: leave `key` out");
                DoorCertificate::Internal
            }
            (Some(certificate), Some(key)) => {
                DoorCertificate::Files { certificate: self.path(&certificate), key: self.path(&key) }
            }
            (Some(at), None) => {
                self.notes.at(&at.span, "the certificate needs its `key`: write key = \"FILE.key\" below it");
                DoorCertificate::Internal
            }
            (None, Some(at)) => {
                self.notes.at(
                    &at.span,
                    "the key needs its `certificate`: write certificate = \"FILE.crt\" above it",
                );
                DoorCertificate::Internal
            }
        };
        section.done(&mut self.notes);
        host.map(|host| Door { host, certificate })
    }

    fn host(&mut self, at: &At<String>, name: &'static str) -> Option<String> {
        let host = at.value.to_ascii_lowercase();
        if !is_host(&host) {
            self.notes.at(
                &at.span,
                format!("{:?} is no host name: write it without a scheme, a port or a path", at.value),
            );
            return None;
        }
        if let Some(other) = self.hosts.insert(host.clone(), name) {
            self.notes.at(
                &at.span,
                format!("{host} is the host of [{other}] already: each door needs a name of its own"),
            );
            return None;
        }
        Some(host)
    }

    fn mail(&mut self, sheet: &mut Sheet<'_>) -> Option<Mail> {
        let mut section = sheet.table("mail", &mut self.notes)?;
        let smtp = section.demand("smtp", "smtps://user@mail.example.com", &mut self.notes);
        let from = section.demand("from", "Portcullis <gate@example.com>", &mut self.notes);
        let password = section.text("password_file", &mut self.notes).map(|at| self.path(&at));
        let ca_file = section.text("ca_file", &mut self.notes).map(|at| self.path(&at));
        let tls = section.text("tls", &mut self.notes);
        if let Some(at) = &tls {
            let address = smtp.as_ref().map_or("", |at| at.value.as_str());
            if at.value != "none" {
                self.notes.at(&at.span, "`tls` is \"none\", for a mail server without it, or is left out");
            } else if address.starts_with("smtps://") || ca_file.is_some() {
                self.notes.at(
                    &at.span,
                    "`tls = \"none\"` and smtps:// or `ca_file` do not go together: leave one out",
                );
            } else if address.contains('@') || password.is_some() {
                self.notes.at(&at.span, "with `tls = \"none\"` a password would leave in clear: log in nowhere, or leave `tls` out");
            }
        }
        if let Some(at) = &smtp {
            let known = at.value.starts_with("smtp://") || at.value.starts_with("smtps://");
            if !known {
                self.notes.at(&at.span, "`smtp` begins with smtps:// or, for STARTTLS, smtp://");
            } else if at
                .value
                .split("://")
                .nth(1)
                .and_then(|rest| rest.split_once('@'))
                .is_some_and(|(user, _)| user.contains(':'))
            {
                self.notes
                    .at(&at.span, "leave the password out of `smtp` and name its file in `password_file`");
            }
        }
        if let Some(at) = &from
            && !at.value.contains('@')
        {
            self.notes.at(&at.span, format!("{:?} is no e-mail address", at.value));
        }
        section.done(&mut self.notes);
        Some(Mail {
            smtp: smtp?.value,
            in_clear: tls.is_some(),
            password_file: password,
            ca_file,
            from: from?.value,
        })
    }

    fn approvals(&mut self, sheet: &mut Sheet<'_>) -> Approvals {
        let default = Approvals::default();
        let Some(mut section) = sheet.table("approvals", &mut self.notes) else { return default };
        let span = section.span().clone();
        let seconds = section.number("seconds", default.seconds, &mut self.notes);
        if seconds > Approvals::SECONDS_MAX {
            let most = Approvals::SECONDS_MAX;
            self.notes.at(&span, format!("`seconds` is {seconds}: a question may wait for {most} at most"));
        }
        let places_file = section.text("places_file", &mut self.notes).map(|at| self.path(&at));
        section.done(&mut self.notes);
        Approvals { seconds, places_file }
    }

    fn push(&mut self, sheet: &mut Sheet<'_>) -> Push {
        let Some(mut section) = sheet.table("push", &mut self.notes) else { return Push::default() };
        let contact = section.text("contact", &mut self.notes);
        if let Some(at) = &contact
            && !is_contact(&at.value)
        {
            self.notes.at(&at.span, "`contact` is written mailto:name@example.com or https://example.com/");
        }
        let proxy = section.text("proxy", &mut self.notes).and_then(|at| {
            let proxy = proxy(&at.value);
            if proxy.is_none() {
                self.notes.at(
                    &at.span,
                    "`proxy` is written http://proxy.example.com:3128, without a user or a path",
                );
            }
            proxy
        });
        let ca_file = section.text("ca_file", &mut self.notes).map(|at| self.path(&at));
        let private_services = section.yes_or_no("private_services", false, &mut self.notes);
        section.done(&mut self.notes);
        Push { contact: contact.map(|at| at.value), proxy, ca_file, private_services }
    }

    fn limits(&mut self, sheet: &mut Sheet<'_>) -> Limits {
        let default = Limits::default();
        let Some(mut section) = sheet.table("limits", &mut self.notes) else { return default };
        let mut number = |key, usual| section.number(key, usual, &mut self.notes);
        let limits = Limits {
            connections: number("connections", default.connections),
            connections_per_address: number("connections_per_address", default.connections_per_address),
            handshake_seconds: number("handshake_seconds", default.handshake_seconds),
            headers_seconds: number("headers_seconds", default.headers_seconds),
            idle_seconds: number("idle_seconds", default.idle_seconds),
            body_stall_seconds: number("body_stall_seconds", default.body_stall_seconds),
            drain_seconds: number("drain_seconds", default.drain_seconds),
        };
        section.done(&mut self.notes);
        limits
    }

    fn port(&mut self, section: &mut Sheet<'_>, key: &'static str, usual: u16) -> u16 {
        let span = section.span().clone();
        let number = section.number(key, usual.into(), &mut self.notes);
        u16::try_from(number).unwrap_or_else(|_| {
            self.notes.at(&span, format!("`{key}` is no port: it must lie between 1 and 65535"));
            usual
        })
    }

    fn path(&self, at: &At<String>) -> PathBuf {
        self.base.join(&at.value)
    }
}

/// RFC 8292 2.1.
fn is_contact(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let address = text.strip_prefix("mailto:").is_some_and(|address| address.contains('@'));
    plain && (address || text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty()))
}

/// `http://host:port` as `host:port`.
fn proxy(text: &str) -> Option<String> {
    let uri: http::Uri = text.parse().ok()?;
    let bare = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
    let authority = uri.authority().filter(|authority| bare && !authority.as_str().contains('@'))?;
    Some(format!("{}:{}", authority.host(), authority.port_u16()?))
}

/// Labels of letters, digits and hyphens (RFC 1123 2.1), no wildcard, no address.
pub(crate) fn is_host(host: &str) -> bool {
    host.len() <= 253
        && host.parse::<std::net::IpAddr>().is_err()
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}
