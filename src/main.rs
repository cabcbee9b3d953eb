//! The program: parse, run, exit code.

use std::process::ExitCode;

/// Requests make and drop many small things: it costs less for them than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    portcullis::cli::run(std::env::args_os())
}
