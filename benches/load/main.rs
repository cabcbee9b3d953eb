//! Loads on the real gate: ten thousand idle connections, slow clients, a flood of bad handshakes, floods of frames, sign-ins and
//! approvals in flight; and whether answers tell by their time who is known. Prints figures and what was missed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on must stop, and says what it measured"
)]

mod approvals;
mod bulk;
mod flood;
#[path = "../../tests/attack/flooding.rs"]
#[allow(dead_code, reason = "tests share it and use the rest")]
mod flooding;
mod floods;
#[path = "../../tests/attack/frames.rs"]
#[allow(dead_code, reason = "tests share it and use the rest")]
mod frames;
mod idle;
mod reload;
#[path = "../shared/mod.rs"]
#[allow(dead_code, reason = "the other bench shares it and uses the rest")]
mod shared;
mod sign_ins;
mod slow;
mod soak;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests share it and use the rest")]
mod support;
#[path = "../../tests/attack/talk.rs"]
#[allow(dead_code, reason = "tests share it and use the rest")]
mod talk;
mod uniform;
mod wakes;

use std::fmt::Write as _;
use std::path::PathBuf;

use shared::{Failure, report};

/// How much of each load.
#[derive(Clone)]
pub(crate) struct Scale {
    /// The optimized program.
    pub(crate) gate: PathBuf,
    /// All of it, or a hundredth to see that the bench works.
    pub(crate) small: bool,
}

impl Scale {
    /// `whole`, or a smaller share of it.
    pub(crate) fn of(&self, whole: usize) -> usize {
        if self.small { (whole / 100).max(8) } else { whole }
    }

    /// Seconds: `whole`, or a few.
    pub(crate) fn seconds(&self, whole: u64) -> std::time::Duration {
        std::time::Duration::from_secs(if self.small { whole.min(5) } else { whole })
    }
}

/// What a load showed: a table, and which targets were missed.
#[derive(Default)]
pub(crate) struct Shown {
    text: String,
    missed: Vec<String>,
}

impl Shown {
    /// One row: what, how much.
    pub(crate) fn row(&mut self, what: &str, figure: impl std::fmt::Display) {
        println!("{what}: {figure}");
        writeln!(self.text, "| {what} | {figure} |").expect("writing to memory");
    }

    /// One row with its target.
    pub(crate) fn must(&mut self, what: &str, figure: impl std::fmt::Display, met: bool) {
        let verdict = if met { "met" } else { "MISSED" };
        self.row(what, format!("{figure}: **{verdict}**"));
        if !met {
            self.missed.push(what.to_owned());
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).filter(|one| one != "--bench");
    let usage = "say which program and which loads: load PROGRAM [idle|slow|flood|floods|sign-ins|approvals|uniform|bulk|reload|soak ...] [--small]";
    let gate = PathBuf::from(arguments.next().ok_or(usage)?).canonicalize()?;
    let (flags, mut wanted): (Vec<_>, Vec<_>) = arguments.partition(|one| one.starts_with("--"));
    let scale = Scale { gate, small: flags.iter().any(|flag| flag == "--small") };
    // Two hours are asked for by name.
    if wanted.is_empty() {
        wanted = ["slow", "flood", "floods", "sign-ins", "approvals", "uniform", "bulk", "reload", "idle"]
            .map(str::to_owned)
            .to_vec();
    }
    let mut missed = Vec::new();
    for load in wanted {
        println!("== {load}");
        let busy = report::busy();
        let mut shown = match load.as_str() {
            "idle" => idle::run(&scale).await?,
            "soak" => soak::run(&scale).await?,
            "slow" => slow::run(&scale).await?,
            "flood" => flood::run(&scale).await?,
            "floods" => floods::run(&scale).await?,
            "sign-ins" => sign_ins::run(&scale).await?,
            "approvals" => approvals::run(&scale).await?,
            "bulk" => bulk::run(&scale).await?,
            "reload" => reload::run(&scale).await?,
            "uniform" => uniform::run(&scale).await?,
            _ => return Err(usage.into()),
        };
        shown.row("load average of the machine before and after", format!("{busy}, {}", report::busy()));
        if !scale.small {
            report::publish(&load, &format!("| | |\n|---|---|\n{}", shown.text))?;
        }
        missed.extend(shown.missed.into_iter().map(|what| format!("{load}: {what}")));
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", missed.join("; ")).into()) }
}
