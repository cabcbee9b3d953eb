//! `portcullis doctor`: looks at what lies outside the store (configuration, permissions,
//! passphrase, certificates of doors, ports, clock) and has the rest looked at by the operations.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::failure::Failure;
use super::print::Printer;
use super::reach::{Reach, config_file};
use crate::app::{self, AppError};
use crate::ca::KeyFolder;
use crate::config::{Config, Door, Environment, SecretError, share};
use crate::console::command::doctor::{Check, RUNNING_SETTINGS, told};
use crate::console::command::{Command, Output};
use crate::domain::Time;
use crate::front::tls::Term;
use crate::store::StoreError;
use crate::world::World;

pub(super) async fn run(
    file: Option<&Path>,
    environment: &Environment,
    printer: Printer,
) -> Result<bool, Failure> {
    let path = config_file(file, environment)?;
    let reach = match Reach::open(Some(&path), environment) {
        Ok(reach) => reach,
        Err(Failure::Config(mistakes)) => return printer.output(&told(&[mistaken(&mistakes)])),
        Err(other) => return Err(other),
    };
    let beside = reach.beside(&Command::Doctor).await;
    let serves = !matches!(beside, Ok(None));
    let within = match beside {
        Ok(None) if reach.config().is_ok() => reach.alone(Command::Doctor).await,
        Ok(None) => Ok(told(&[])),
        Ok(Some(output)) => Ok(output),
        Err(failure) => Err(failure),
    };
    let listens = within.as_ref().ok().and_then(listens_of);
    let within = within.map(|output| checks_of(&output));
    let config = match reach.config() {
        Ok(config) => config,
        // A gate that runs goes by what it read before, and can be looked at all the same.
        Err(mistakes) if serves => {
            let mut within = within.unwrap_or_else(|failure| vec![unopened(&failure)]);
            // A reload refuses the file as it is.
            for settings in within.iter_mut().filter(|check| check.name == RUNNING_SETTINGS) {
                settings.next = Some("once it is corrected, type `portcullis reload`".to_owned());
            }
            return printer.output(&told(&[vec![mistaken(&mistakes), gate(serves)], within].concat()));
        }
        Err(mistakes) => return printer.output(&told(&[mistaken(&mistakes)])),
    };
    // A gate that is just starting, or has nearly stopped, has its ports and its store and answers nobody.
    let held = !serves && reach.gate_lives()
        || matches!(within, Err(Failure::App(ref error)) if matches!(**error, AppError::Store(StoreError::InUse(_))));
    let mut checks = vec![
        Check::well("configuration", format!("{} has no mistakes", path.display())),
        data_folder(&config.data),
        passphrase(config, environment, serves),
        clock(World::real().now()),
        if held { between() } else { gate(serves) },
    ];
    checks
        .extend(config.doors().into_iter().filter_map(|door| certificate(config, door, World::real().now())));
    match listens {
        Some(listens) => checks.extend(ports(config, &listens)),
        None if !serves && !held => checks.extend(ports(config, &[])),
        None => {}
    }
    let unusable = files(config);
    if unusable.iter().all(|check| check.name != "mail") {
        checks.push(mail(config));
    }
    checks.extend(unusable);
    match within {
        _ if held => {}
        Ok(within) => checks.extend(within),
        Err(failure) => checks.push(unopened(&failure)),
    }
    printer.output(&told(&checks))
}

fn mistaken(mistakes: &dyn std::fmt::Display) -> Check {
    Check::bad("configuration", mistakes.to_string(), "correct the file, then run `portcullis doctor` again")
}

/// What the operations say.
fn checks_of(output: &Output) -> Vec<Check> {
    serde_json::from_value(output.json["checks"].clone()).unwrap_or_default()
}

/// Where the gate that answered listens; `None` where it is this process.
fn listens_of(output: &Output) -> Option<Vec<SocketAddr>> {
    serde_json::from_value(output.json.get("listens")?.clone()).ok()
}

fn unopened(failure: &Failure) -> Check {
    Check::bad("store", failure.to_string(), "correct it, then run `portcullis doctor` again")
}

fn between() -> Check {
    Check::heed(
        "gate",
        "another process has the store and answers nobody: a gate that is just starting or stopping, as in an \
         upgrade, or a command that goes on without one",
        "run `portcullis doctor` again in half a minute; where it says the same, look at the gate's log",
    )
}

fn data_folder(data: &Path) -> Check {
    let name = "data folder";
    match std::fs::metadata(data) {
        Err(error) => {
            Check::bad(name, format!("{}: {error}", data.display()), "make a gate with `portcullis init`")
        }
        Ok(found) if found.permissions().mode() & 0o077 != 0 => Check::bad(
            name,
            format!("{} may be entered by others", data.display()),
            format!("type `chmod 700 {}`", data.display()),
        ),
        Ok(_) => Check::well(name, format!("{}, for its owner alone", data.display())),
    }
}

fn passphrase(config: &Config, environment: &Environment, serves: bool) -> Check {
    match config.secrets.passphrase(environment) {
        // Tried, whether or not a gate runs that was given it: the next start needs it.
        Ok(found) => match KeyFolder::at(config.data.join("ca")).try_all(&found.secret) {
            Ok(keys) => {
                Check::well("passphrase", format!("from {}, opens all {keys} keys of the CA", found.source))
            }
            Err(error) => Check::bad(
                "passphrase",
                format!("from {}: {error}", found.source),
                "put the passphrase there that opens the keys; after `portcullis ca reseal` that is the new one",
            ),
        },
        Err(SecretError::NoPassphrase) if serves => Check::well(
            "passphrase",
            "the running gate has it, and this terminal needs none; the next start wants it again from where that gate \
             had it",
        ),
        Err(error) => Check::heed(
            "passphrase",
            AppError::from(error).named(&config.file).to_string(),
            "without it nothing can be issued or served from here",
        ),
    }
}

/// Whether mail leaves, and how.
fn mail(config: &Config) -> Check {
    match &config.mail {
        Some(mail) if mail.in_clear => Check::heed(
            "mail",
            format!("leaves by {} in clear: whoever is on the way reads it, links too", mail.smtp),
            "leave `tls = \"none\"` out of [mail] where the server is not on this machine",
        ),
        Some(mail) => Check::well("mail", format!("leaves by {}", mail.smtp)),
        None => {
            Check::heed("mail", "none is sent, so nobody is told of a new device", "write a [mail] section")
        }
    }
}

/// What else the configuration names and a start could not use.
fn files(config: &Config) -> Vec<Check> {
    let judged = app::files(config, &World::real()).into_iter();
    let wrong = judged.filter_map(|(name, judged)| Some((name, judged.err()?)));
    let next = "mend that: neither a start nor an upgrade gets past it";
    wrong.map(|(name, error)| Check::bad(name, error.to_string(), next)).collect()
}

/// A clock far off would make every certificate seem expired or not yet valid.
fn clock(now: Time) -> Check {
    if now < RELEASED {
        return Check::bad(
            "clock",
            format!("says {now}, before this release was made"),
            "set the machine's clock (NTP)",
        );
    }
    Check::well("clock", format!("says {now}"))
}

fn gate(serves: bool) -> Check {
    if serves {
        Check::well("gate", "runs, and answers on its control socket")
    } else {
        Check::heed("gate", "does not run", "start it: `portcullis serve`")
    }
}

/// The certificate of a door from PEM files; those of the built-in CA are made at each start.
fn certificate(config: &Config, door: &Door, now: Time) -> Option<Check> {
    let name = format!("door {}", door.host);
    let new = "put a new one there; it is read by itself";
    Some(match app::certificate(config, door)? {
        Err(why) => Check::bad(
            &name,
            why.to_string(),
            "mend that: no start, upgrade or reload takes that certificate",
        ),
        Ok(Term { until, .. }) if until <= now => {
            Check::bad(&name, format!("its certificate ended on {}", until.day()), new)
        }
        Ok(Term { since, .. }) if since > now => Check::bad(
            &name,
            format!("its certificate only counts from {} on", since.day()),
            "put one there that counts now, or set the machine's clock (NTP)",
        ),
        Ok(Term { until, .. }) if until < now.plus(SOON) => {
            Check::heed(&name, format!("its certificate ends on {}", until.day()), new)
        }
        Ok(Term { until, .. }) => Check::well(&name, format!("certificate good until {}", until.day())),
    })
}

/// Addresses that the next start wants must be free, but for those that the running gate has itself.
fn ports(config: &Config, listens: &[SocketAddr]) -> Vec<Check> {
    let wanted = config.listeners().filter(|(_, address)| !listens.contains(address));
    wanted.filter_map(|(name, address)| port(name, address, listens)).collect()
}

fn port(name: &str, address: SocketAddr, listens: &[SocketAddr]) -> Option<Check> {
    let label = format!("port {}", address.port());
    // Where the running gate is in the way itself, only the machine's address can be tried.
    let own = listens.iter().any(|own| share(*own, address));
    let tried = if own { SocketAddr::new(address.ip(), 0) } else { address };
    Some(match std::net::TcpListener::bind(tried) {
        Ok(_) if own => return None,
        Ok(_) => Check::well(&label, format!("{name}: free")),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Check::bad(
            &label,
            format!("{name}: this user may not listen there"),
            "run as the service does (portcullis.service gives CAP_NET_BIND_SERVICE), or choose a port above 1023",
        ),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Check::bad(
            &label,
            format!("{name}: this machine has no address {}", address.ip()),
            "write one that it has (`ip address` shows them), or 0.0.0.0 for all of them",
        ),
        Err(error) => Check::bad(
            &label,
            format!("{name}: {error}"),
            format!("stop what listens at {address}, or change [listen]"),
        ),
    })
}

/// 1 November 2026.
const RELEASED: Time = Time::from_secs(1_793_491_200);

/// What ends within this is named.
const SOON: Duration = Duration::from_secs(21 * 24 * 3600);
