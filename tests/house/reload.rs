//! SIGHUP: everything is read again, nobody notices, and a mistake is told without harm.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::gate::Gate;
use crate::support::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_the_files_again_and_harms_nobody() {
    let gate = Gate::open().await;
    let file = gate.config.file.clone();
    let program = Program::instead_of(gate).await;
    let hangup = || kill_process(Pid::from_raw(program.pid().cast_signed()).unwrap(), Signal::HUP).unwrap();
    let written = std::fs::read_to_string(&file).unwrap();
    let asked = tokio::spawn({
        let browser = program.stranger("bank");
        async move {
            // On one connection and on new ones, none fails.
            for _ in 0..300 {
                assert_eq!(browser.open("/").await.status, 403);
            }
        }
    });
    hangup();
    told(&program, "read the files again").await;
    std::fs::write(&file, format!("{written}\nnonsense = 1\n")).unwrap();
    hangup();
    told(&program, "going on with the old one").await;
    assert!(program.log().contains("nonsense"), "{}", program.log());
    let other = written.replacen("drain_seconds = ", "drain_seconds = 1", 1);
    assert_ne!(other, written);
    std::fs::write(&file, other).unwrap();
    hangup();
    told(&program, "counts from the next start").await;
    asked.await.unwrap();
}

async fn told(program: &Program, what: &str) {
    for _ in 0..200 {
        if program.log().contains(what) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never told {what}: {}", program.log());
}
