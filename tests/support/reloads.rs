//! One reload after another of the running program: each brings another server certificate, other rules, another
//! revocation list, other settings.

use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use super::program::Program;

/// What the rounds begin with.
pub(crate) struct Reloads {
    /// The configuration as it was.
    written: String,
    /// The portal's rules as they were.
    rules: String,
    /// Devices that are switched off one by one: `bank/anna/ID`.
    devices: Vec<String>,
}

impl Reloads {
    pub(crate) fn of(program: &Program, devices: Vec<String>) -> Self {
        done(program, &["policy", "export", "rules"]);
        let read = |file: &str| std::fs::read_to_string(program.folder.path().join(file)).unwrap();
        Self { written: read("portcullis.toml"), rules: read("rules/bank.toml"), devices }
    }

    /// The rules that the portal has after a round.
    pub(crate) const fn opens_vault(round: usize) -> bool {
        round % 2 == 1
    }

    /// Changes everything, and has it taken up: by the signal and by the command in turns.
    pub(crate) fn round(&self, program: &Program, round: usize) {
        let folder = program.folder.path();
        // What the built-in CA made for the portal, under names that come and go.
        for end in ["crt", "key"] {
            let (from, to) = (format!("data/doors/bank.localhost.{end}"), format!("portal-{round}.{end}"));
            std::fs::copy(folder.join(from), folder.join(to)).unwrap();
        }
        let own = "host = \"bank.localhost\"\ncertificate = \"internal\"";
        let files = format!(
            "host = \"bank.localhost\"\ncertificate = \"portal-{round}.crt\"\nkey = \"portal-{round}.key\""
        );
        let mut text = self.written.replacen(own, if round.is_multiple_of(3) { own } else { &files }, 1);
        let limits = format!("[limits]\nidle_seconds = {}\nconnections = {}\n", 60 + round, 5000 + round);
        text = text.replacen("[limits]\n", &limits, 1);
        text.push_str(&format!("[approvals]\nseconds = {}\n", 100 + round));
        if round.is_multiple_of(2) {
            text.push_str(&format!("[access_log]\nfile = \"access-{round}.log\"\n"));
        }
        std::fs::write(folder.join("portcullis.toml"), text).unwrap();

        let shut = || self.rules.replacen("\"/**\"", "\"/accounts\", \"/open/**\"", 1);
        let rules = if Self::opens_vault(round) { self.rules.clone() } else { shut() };
        assert!(Self::opens_vault(round) || rules != self.rules);
        std::fs::write(folder.join("rules/bank.toml"), rules).unwrap();
        done(program, &["policy", "apply", "rules/bank.toml", "--tenant", "bank"]);
        if let Some(device) = self.devices.get(round) {
            done(program, &["device", "revoke", device, "--reason", "superseded", "--yes"]);
        }
        let before = program.told_of("settings.reloaded");
        if round.is_multiple_of(2) {
            let pid = Pid::from_raw(program.pid().cast_signed()).unwrap();
            kill_process(pid, Signal::HUP).unwrap();
            while program.told_of("settings.reloaded") == before {
                assert_eq!(program.told_of("settings.refused"), 0, "{}", program.log());
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        } else {
            let told = program.json(&["reload"]);
            assert!(told["changed"].to_string().contains("[approvals] seconds"), "{told}");
            assert_eq!(told["next_start"], serde_json::json!([]), "{told}");
        }
    }

    /// Where the lines of requests went in a round.
    pub(crate) fn access_log(program: &Program, round: usize) -> PathBuf {
        program.folder.path().join(format!("access-{round}.log"))
    }
}

fn done(program: &Program, command: &[&str]) {
    let output = program.cli(command);
    assert!(output.status.success(), "{command:?}: {output:?}");
}
