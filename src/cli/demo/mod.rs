//! `portcullis demo`: a whole gate with a small bank behind it, on this machine, for one person to
//! try alone. Everything is the real thing but the people; what it does for ease, it says.

mod authenticator;
pub mod bank;
mod browsers;
mod house;
mod steps;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::print::Printer;
use super::serve::stop_on_signal;
use crate::app;
use crate::auth::password;
use crate::config::{Config, Environment};
use crate::console::command::{Command, route};
use crate::control::{self, CallError};
use crate::world::World;

use house::Place;

#[derive(clap::Args)]
pub(super) struct Demo {
    /// Folder of the demo's data; started again, the demo goes on with it
    #[arg(long, default_value = "portcullis-demo")]
    dir: PathBuf,
    /// Port of all doors [default: 8443, or the one of the time before]; the next two serve plain HTTP and metrics
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=65533))]
    port: Option<u16>,
    /// Prepare Chromium windows for client, agent and phone, and open them
    #[arg(long)]
    browser: bool,
    /// A name under which a real phone on your network finds this machine: laptop.lan
    #[arg(long, value_name = "NAME", value_parser = host)]
    host: Option<String>,
    /// Make everything and stop: what a test or a package wants
    #[arg(long, hide = true)]
    prepare: bool,
}

pub(super) async fn run(demo: Demo, environment: &Environment, printer: Printer) -> Result<bool, Failure> {
    let before = before(&demo)?;
    let port = demo.port.or_else(|| before.as_ref().map(|config| config.listen.tls.port())).unwrap_or(PORT);
    let place =
        Place { dir: demo.dir, port, host: demo.host.or_else(|| before.as_ref().and_then(phone_name)) };
    if let Some(config) = &before {
        refuse_second(config).await?;
    }
    free(port, place.host.is_some())?;
    free(port + 1, place.host.is_some())?;
    free(port + 2, false)?;
    let config = match &before {
        Some(_) => house::again(&place)?,
        None => {
            printer.say("Making the demo: CA, bank, people, their files ...")?;
            house::first(&place, environment).await?
        }
    };
    if demo.prepare {
        return Ok(true);
    }
    let stop = stop_on_signal()?;
    // Nothing takes over from a demo: who asks is told so, and the signal, which would end it, is caught.
    let _upgrade = signal(SignalKind::user_defined2()).map_err(Failure::System)?;
    let mut started =
        app::start(&config, environment, World::real(), password::Settings::default(), &stop).await?;
    started.upgrades.close();
    let bank = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Failure::System)?;
    let backend = format!("http://{}", bank.local_addr().map_err(Failure::System)?);
    let serving = tokio::spawn(bank::serve(bank, started.jwks.clone(), stop.clone()));
    let route = |name: &str, path: &str, confirm| -> Result<route::Set, Failure> {
        Ok(route::Set {
            backends: vec![backend.clone()],
            path: Some(path.to_owned()),
            switches: route::Switches { client_cert: true, confirm, ..Default::default() },
            ..route::Set::of(house::bank_id()?, name.to_owned())
        })
    };
    // Payments are confirmed on the phone: their requests are kept.
    let (portal, payments) = (route("portal", "/", false)?, route("payments", "/payments", true)?);
    for set in [portal, payments] {
        let set = Command::Route(route::Command::Set(Box::new(set)));
        control::call(&config.control_socket(), &set).await?;
    }

    let opened = if demo.browser { Some(browsers::open(&place, &config, environment)?) } else { None };
    for line in steps::text(&place, &config, before.is_none(), opened.as_ref())? {
        printer.say(&line)?;
    }
    if printer.json {
        printer.line(&format!("{:#}", steps::json(&place, &config)))?;
    }
    stop.cancelled().await;
    printer.say("Stopping the demo. Started again, it goes on with the same data.")?;
    drop(opened);
    started.closed().await;
    // The bank follows the same stop; what a browser still holds open there must not keep us.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), serving).await;
    Ok(true)
}

/// The configuration of an earlier start, where there was one.
fn before(demo: &Demo) -> Result<Option<Config>, Failure> {
    let file = super::found::config_in(&demo.dir);
    let finished = house::passwords_file(&demo.dir).is_file();
    if file.is_file() && finished { Ok(Some(Config::load(&file)?)) } else { Ok(None) }
}

fn phone_name(config: &Config) -> Option<String> {
    (!config.phone.host.ends_with("localhost")).then(|| config.phone.host.clone())
}

async fn refuse_second(config: &Config) -> Result<(), Failure> {
    let list = Command::Route(route::Command::List { tenant: None });
    match control::call(&config.control_socket(), &list).await {
        Err(CallError::Nobody(_)) => Ok(()),
        _ => Err(Failure::Usage(format!(
            "this demo runs already (its doors are at port {}): use it, stop it, or choose another --dir and --port",
            config.listen.tls.port()
        ))),
    }
}

/// Whether a port can be had, said before anything is made.
fn free(port: u16, everywhere: bool) -> Result<(), Failure> {
    let ip = if everywhere { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
    match TcpListener::bind(SocketAddr::from((ip, port))) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(Failure::Usage(format!(
            "port {port} is taken by another program (perhaps another demo): choose three free ones in a row, \
             such as `portcullis demo --port {}`",
            if port >= 65_000 { PORT + 1000 } else { port.saturating_add(1000) }
        ))),
        Err(error) => Err(Failure::Usage(format!(
            "nothing can listen on port {port} ({error}): choose one above 1023, such as `portcullis demo --port {PORT}`"
        ))),
    }
}

/// A name, since neither certificates' name constraints nor WebAuthn take an address.
fn host(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    if crate::config::is_host(&name) && name.contains('.') && !name.ends_with("localhost") {
        Ok(name)
    } else {
        Err("write a name with a dot, such as laptop.lan; phones take no address here".to_owned())
    }
}

/// Where the demo's doors are.
const PORT: u16 = 8443;
