//! Commands that open the store themselves, since no server runs: killed at every write of theirs. What a command
//! printed was acknowledged, and it prints once all is written.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::facts::{self, Fact};
use crate::ground::Ground;
use crate::support::laid_out::PASSPHRASE;
use crate::tally::{self, How};
use crate::trace::{self, At};
use crate::{ENGINES, Engine, full};

/// S-01. Without a server.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_killed_at_its_writes_is_done_or_not() {
    if !trace::works() {
        tally::say("SKIPPED: strace cannot trace here: no command killed at its writes");
        return;
    }
    for engine in ENGINES {
        let mut ground = Ground::new(*engine).await;
        let lost = format!("bank/anna/{}", ground.lost.device);
        let commands: [&[&str]; 3] = [
            &["device", "issue", "bank/anna", "--name", "tablet", "--out", "data/tablet.p12"],
            &["device", "revoke", &lost, "--reason", "key-compromise", "--yes"],
            &["person", "lock", "bank/anna", "--why", "asked by telephone", "--yes"],
        ];
        let (mut killed, mut missed) = (0, 0);
        for command in commands {
            ground.put_back().await;
            let done = run(&ground, &At::Nothing, command);
            assert!(done.status.success(), "{done:?}");
            facts::must_hold(&acknowledged(&done), &ground.state().await, &ground.before);
            let calls = trace::calls(&ground.calls());
            assert!(calls.len() > 5, "{calls:?}");
            for call in trace::spread(&calls, if full() { usize::MAX } else { POINTS }) {
                ground.put_back().await;
                let output = run(&ground, &At::Kill(call.clone()), command);
                if output.status.success() {
                    // Of sled it differs which thread does what, of redb how many pages random keys touch: this
                    // time no thread came so far.
                    assert!(
                        !trace::calls(&ground.calls()).contains(&call),
                        "{call:?} of {command:?} was made"
                    );
                    missed += 1;
                    continue;
                }
                assert_eq!(output.status.signal(), Some(9), "{call:?} of {command:?}: {output:?}");
                killed += 1;
                assert!(output.stdout.is_empty(), "it tells of nothing before all is written: {output:?}");
                facts::must_hold(&[], &ground.state().await, &ground.before);
                // What was cut short can be done again, or was done.
                let again = run(&ground, &At::Nothing, command);
                let words = String::from_utf8_lossy(&again.stdout).into_owned()
                    + &String::from_utf8_lossy(&again.stderr);
                assert!(again.status.success() || words.contains("already"), "{call:?}: {words}");
                tally::counted(How::Kill);
            }
        }
        assert!(missed <= killed, "{missed} of {killed} were missed");
    }
    tally::say_sum();
}

/// What the command told.
fn acknowledged(output: &Output) -> Vec<Fact> {
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    if let Some(serial) = told["certificate"].get("serial") {
        return vec![Fact::Issued { serial: text(serial) }];
    }
    if let Some(serials) = told["revoked"].as_array() {
        return serials.iter().map(|serial| Fact::Revoked { serial: text(serial) }).collect();
    }
    assert_eq!(told["standing"], "locked", "{told}");
    vec![Fact::Locked { person: "anna" }]
}

fn run(ground: &Ground, at: &At, arguments: &[&str]) -> Output {
    let under = trace::line(&ground.engine, &ground.data(), &ground.calls(), at);
    spawned(&under, ground.program.folder.path(), &[&["--json"], arguments].concat())
}

/// Makes a new gate, as the operator does.
pub(crate) fn init(engine: &Engine, under: &[String], dir: &Path) {
    let text = dir.to_str().unwrap();
    let arguments: &[&str] = &[
        "init",
        "--engine",
        engine.name,
        "--dir",
        text,
        "--organization",
        "Bank Muster",
        "--telephone",
        "+41 44 555 01 00",
        "--console-host",
        "console.localhost",
        "--phone-host",
        "phone.localhost",
        "--portal",
        "bank=bank.localhost",
        "--owner-name",
        "Olga Owner",
        "--owner-email",
        "olga@bank.example",
    ];
    let output = spawned(under, dir.parent().unwrap(), arguments);
    assert!(output.status.success(), "{output:?}");
}

fn spawned(under: &[String], folder: &Path, arguments: &[&str]) -> Output {
    let mut line = under.to_vec();
    line.push(env!("CARGO_BIN_EXE_portcullis").to_owned());
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env("PORTCULLIS_PASSPHRASE", PASSPHRASE).output().unwrap()
}

/// Of `./tests/run`, for each command.
const POINTS: usize = 6;
