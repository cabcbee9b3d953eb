//! The command line: one noun, one file. Parses, reaches a running server or opens the store
//! itself, prints. What a command does is in `console::command`.

mod arguments;
mod bulk;
mod ca;
mod certificate;
pub mod demo;
mod device;
mod doctor;
mod failure;
mod found;
mod init;
mod policy;
mod presence;
mod print;
mod reach;
mod reload;
mod revoke;
mod route;
mod serve;
mod shield;
mod upgrade;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Act, Arguments};
use failure::Failure;
use print::Printer;
use reach::Reach;

use crate::config::Environment;
use crate::console::command::Command;

/// Does what the command line says. 0: done; 1: not done, or something is wrong; 2: the command
/// itself was wrong.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let typed: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&typed) {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            // Where even this cannot be printed, the code still says it.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let environment = Environment::read();
    serve::log(&arguments.act, environment.log.as_deref());
    shield::raise();
    let printer = Printer { json: arguments.json };
    if matches!(arguments.act, Act::Serve)
        && let Err(failure) = shield::shed_passphrase(&environment, &typed)
    {
        printer.failure(&failure);
        return ExitCode::from(failure.exit_code());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(act(arguments, &typed, &environment, printer));
            // All that matters has ended by now; a read that a closed window left behind must not keep us.
            runtime.shutdown_timeout(LEFT_BEHIND);
            done
        }
        Err(error) => Err(Failure::System(error)),
    };
    match done {
        Ok(well) => ExitCode::from(u8::from(!well)),
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Whether all was well.
async fn act(
    arguments: Arguments,
    typed: &[OsString],
    environment: &Environment,
    printer: Printer,
) -> Result<bool, Failure> {
    let file = arguments.config;
    let reach = || Reach::open(file.as_deref(), environment);
    let command = match arguments.act {
        Act::Init(init) => return init::run(init, environment, printer).await,
        Act::Demo(demo) => return demo::run(demo, environment, printer).await,
        Act::Serve => return serve::run(reach()?.config()?, environment, typed, printer).await,
        Act::Doctor => return doctor::run(file.as_deref(), environment, printer).await,
        Act::Reload => return reload::run(file.as_deref(), environment, printer).await,
        Act::Device { command } => return device::run(command, &reach()?, printer).await,
        Act::Certificate { command } => return certificate::run(command, &reach()?, printer).await,
        Act::Ca { command } => return ca::run(command, reach, environment, printer).await,
        Act::Policy { command } => return policy::run(command, reach, printer).await,
        Act::Tenant { command } => Command::Tenant(command),
        Act::Route { command } => Command::Route(command.read()?),
        Act::Person { command } => Command::Person(command),
        Act::Code { command } => Command::Code(command),
        Act::Push { command } => Command::Push(command),
        Act::Upgrade => Command::Upgrade,
        Act::Audit { command } => Command::Audit(command),
    };
    let output = reach()?.run(command).await?;
    printer.output(&output)
}

/// What is still under way after a command has this long.
const LEFT_BEHIND: std::time::Duration = std::time::Duration::from_secs(2);
