//! Where the strangers are and how they are asked. Knows none of our files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::rig::said;
pub(crate) use crate::support::installed::command;
use crate::support::skipped::skipped;

/// Python with the packages of `requirements.txt`, running `strangers.py`; says so where it is absent.
pub(crate) fn python() -> Option<Stranger> {
    let program = here().join(".venv/bin/python");
    if program.exists() {
        return Some(Stranger { program, script: "strangers.py" });
    }
    skipped("Python with cryptography and PyJWT is not in tests/foreign/.venv");
    None
}

/// Node, running `strangers.mjs`; says so where it is absent.
pub(crate) fn node() -> Option<Stranger> {
    command("node").map(|program| Stranger { program, script: "strangers.mjs" })
}

/// Node with the packages of `package.json`.
pub(crate) fn node_with_jose() -> Option<Stranger> {
    if !here().join("node_modules/jose").exists() {
        skipped("the npm package jose is not in tests/foreign/node_modules");
        return None;
    }
    node()
}

/// An interpreter of another language with its script beside this file.
pub(crate) struct Stranger {
    program: PathBuf,
    script: &'static str,
}

impl Stranger {
    /// What it says, as JSON; `None` where it refuses. `password` is in its environment, as P.
    pub(crate) fn ask(&self, password: &str, arguments: &[&str]) -> Result<Value, String> {
        let mut command = Command::new(&self.program);
        command.arg(here().join(self.script)).args(arguments).env("P", password);
        let output = command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).output().unwrap();
        if !output.status.success() {
            return Err(said(&output));
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    }
}

/// Runs a command of the system with a password in its environment, as P.
pub(crate) fn run(program: &Path, password: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).env("P", password).stdin(Stdio::null()).output().unwrap()
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign")
}
