//! `portcullis serve`: runs the gate until it is told to stop, or until another one takes over. Opening it is `app`'s.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::arguments::Act;
use super::failure::Failure;
use super::presence::Presence;
use super::print::Printer;
use super::upgrade::{Given, Origin, take_over};
use crate::app::{self, Sockets, Started, service};
use crate::audit::{Entry, Event};
use crate::auth::password;
use crate::config::{Config, Environment};
use crate::console::command::upgrade::{Asked, NotFollowed};
use crate::console::command::{Command, ca};
use crate::control::{self, CallError};
use crate::world::World;

pub(super) async fn run(
    config: &Config,
    environment: &Environment,
    typed: &[OsString],
    printer: Printer,
) -> Result<bool, Failure> {
    // Before the gate that gives way, if there is one, is told to go.
    let _lives = Presence::on(&config.control_socket());
    let Given { listeners, before, passphrase } = Given::take(environment)?;
    let environment = &Environment {
        passphrase: passphrase.or_else(|| environment.passphrase.clone()),
        ..environment.clone()
    };
    let origin = Origin::of(typed, environment)?;
    let mut upgrade = signal(SignalKind::user_defined2()).map_err(Failure::System)?;
    let stop = stop_on_signal()?;
    let (sockets, lines) = match before {
        None => {
            refuse_second(config).await?;
            (if listeners.is_empty() { None } else { Some(Sockets::open(config, listeners)?) }, Vec::new())
        }
        Some(before) => {
            app::judge(config, environment, &World::real())?;
            let sockets = Sockets::open(config, listeners)?;
            // Told to stop meanwhile, it does so where it would have begun.
            let lines = take_over(before).await?;
            (Some(sockets), lines)
        }
    };
    let (world, hashing) = (World::real(), password::Settings::default());
    let started = app::start_on(config, environment, world, hashing, &stop, sockets).await;
    let mut started = started.map_err(|error| error.named(&config.file))?;
    started.tells(lines);
    printer.say(&listens(started.tls, started.plain, config.listen.ops))?;
    for door in config.doors() {
        printer.say(&format!("  {}/", config.origin(&door.host)))?;
    }
    service::ready();
    let mut gives_way = None;
    loop {
        let (actor, answer) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(()) = upgrade.recv() => ("signal".to_owned(), None),
            Some(Asked { actor, answer }) = started.upgrades.recv() => (actor, Some(answer)),
        };
        let followed = hand_over(&started, &origin, &stop, &actor).await;
        let (told, successor) = match followed {
            Ok((pid, line)) => (Ok(pid), Some((pid, line))),
            Err(_) if stop.is_cancelled() => (Err(NotFollowed::Stopping), None),
            Err(why) => (Err(NotFollowed::GoesOn(why)), None),
        };
        if let Some(answer) = answer {
            let _ = answer.send(told);
        }
        if let Some((pid, line)) = successor {
            turn_away(&mut started, pid);
            gives_way = Some(line);
            break;
        }
    }
    let lost = started.lost_its_store();
    service::stopping();
    printer.say("Stopping; requests under way may finish.")?;
    match gives_way {
        Some(line) => started.closed_for(line).await,
        None => started.closed().await,
    }
    if lost {
        return Err(Failure::Other(
            "the store failed, and the log says how: see that its disk works and has room, then start again"
                .to_owned(),
        ));
    }
    Ok(true)
}

fn listens(tls: SocketAddr, plain: Option<SocketAddr>, ops: Option<SocketAddr>) -> String {
    let mut line = format!("Portcullis listens at {tls}");
    if let Some(plain) = plain {
        line += &format!(", for plain HTTP at {plain}");
    }
    if let Some(ops) = ops {
        line += &format!(", for health and metrics at {ops}");
    }
    line + "."
}

/// Another process takes over, once this one has stopped. Which, or why this one goes on.
async fn hand_over(
    started: &Started,
    origin: &Origin,
    stop: &CancellationToken,
    actor: &str,
) -> Result<(u32, UnixStream), String> {
    let followed = match started.sockets.copies() {
        Ok(sockets) => origin.follow_up(&sockets, stop).await,
        Err(error) => Err(error.to_string()),
    };
    match &followed {
        Ok((pid, _)) => {
            let entry = Entry::new(actor, Event::HouseHandedOver).detail("process", pid.to_string());
            if let Err(error) = started.house.ledger.record(entry, vec![]).await {
                tracing::error!(%error, "it was not written down that another process takes over");
            }
            tracing::info!(pid, "another process takes over");
            service::goes_on_as(*pid);
            stop.cancel();
        }
        Err(why) if stop.is_cancelled() => tracing::warn!(why, "no other process takes over"),
        Err(why) => tracing::error!(why, "the gate goes on as it was"),
    }
    followed
}

/// Whoever asks from now on comes too late: there is one successor.
fn turn_away(started: &mut Started, pid: u32) {
    let mut late = std::mem::replace(&mut started.upgrades, mpsc::channel(1).1);
    tokio::spawn(async move {
        while let Some(Asked { answer, .. }) = late.recv().await {
            let _ = answer.send(Err(NotFollowed::Already(pid)));
        }
    });
}

/// Two gates on one store would be refused by the store; this says it better.
async fn refuse_second(config: &Config) -> Result<(), Failure> {
    let socket = config.control_socket();
    match control::call(&socket, &Command::Ca(ca::Command::Show { pem: None })).await {
        Err(CallError::Nobody(_)) => Ok(()),
        _ => Err(Failure::Other(format!(
            "a gate runs already on this data and answers at {}: use that one, or stop it first",
            socket.display()
        ))),
    }
}

/// Cancelled by SIGTERM or Ctrl-C. A second one ends the process at once.
pub(super) fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::System)?;
    let told = stop.clone();
    tokio::spawn(async move {
        for round in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if round > 0 {
                std::process::exit(1);
            }
            told.cancel();
        }
    });
    Ok(stop)
}

/// Where log events go: to the error stream. A server tells what it does, a command only what is wrong.
pub(super) fn log(act: &Act, wanted: Option<&str>) {
    use tracing::Level;
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let usual = match act {
        Act::Serve => "info",
        Act::Demo(_) => "warn,portcullis::store::view=off",
        // Its view is cut off from the store when a command ends, which is no error there.
        _ => "error,portcullis::store::view=off",
    };
    let filter = wanted.map_or_else(|| EnvFilter::new(usual), EnvFilter::new);
    // At their lowest levels the libraries write whole headers, cookies among them, and frames; h2 warns as often as a
    // client likes.
    let own = tracing_subscriber::filter::filter_fn(|of| {
        let most = if of.target().starts_with("h2::") { Level::ERROR } else { Level::INFO };
        *of.level() <= most || of.target().starts_with(env!("CARGO_PKG_NAME"))
    });
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let json = matches!(act, Act::Serve) && !terminal;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    // Another subscriber is there only where a test set one.
    let _ = if json {
        builder.json().finish().with(own).try_init()
    } else {
        builder.with_target(false).finish().with(own).try_init()
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_told() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let all = listens(at("0.0.0.0:443"), Some(at("0.0.0.0:80")), Some(at("127.0.0.1:9100")));
        assert_eq!(
            all,
            "Portcullis listens at 0.0.0.0:443, for plain HTTP at 0.0.0.0:80, for health and metrics at 127.0.0.1:9100."
        );
        assert_eq!(listens(at("[::]:443"), None, None), "Portcullis listens at [::]:443.");
    }
}
