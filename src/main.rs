//! The program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis::cli::run(std::env::args_os())
}
