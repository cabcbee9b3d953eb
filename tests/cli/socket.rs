//! The control socket: who is heard, and what is left of a server that died.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};

use crate::gate::Gate;

#[test]
fn one_server_at_a_time_and_a_dead_ones_socket_is_no_hindrance() {
    let mut gate = Gate::made();
    // Left behind by a server that was killed.
    drop(UnixListener::bind(gate.socket()).unwrap());
    gate.run(&["tenant", "list"]).well();
    gate.serve();
    assert_eq!(std::fs::metadata(gate.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    gate.run(&["serve"]).refused(1, "runs already");
    gate.run(&["tenant", "list"]).well();

    nonsense_is_answered_and_harms_nobody(&gate);
    assert_eq!(gate.stop(), Some(0));
}

/// Who is at the desk at two in the morning may have half a change in the file.
#[test]
fn a_mistake_in_the_file_stops_no_command_that_the_running_gate_does() {
    let mut gate = Gate::made();
    let file = gate.dir().join("portcullis.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let mistaken = format!("{written}\n[limits]\nidle_seconds = \"long\"\n");
    gate.serve();
    for (text, says) in [(&mistaken, "idle_seconds"), (&format!("{written}\n[[[\n"), "this is no TOML")] {
        std::fs::write(&file, text).unwrap();
        for command in
            [&["tenant", "list"][..], &["device", "list", "staff"], &["route", "list"], &["audit", "verify"]]
        {
            gate.run(command).well();
        }
        gate.run(&[
            "device",
            "issue",
            "staff/olga-owner",
            "--name",
            says.split(' ').next().unwrap(),
            "--out",
            "x.p12",
        ])
        .well();
        std::fs::remove_file(gate.dir().join("x.p12")).unwrap();
        let told = gate.run(&["doctor"]).refused(1, says);
        assert!(told.out.contains("runs, and answers") && told.out.contains("audit trail"), "{}", told.out);
        // The gate itself judges the file, and goes on with what it had.
        let told = gate.run(&["reload"]).refused(1, says);
        assert!(told.err.contains("nothing changed"), "{}", told.err);
        // The next step is no part of the line that is shown.
        assert!(told.err.ends_with("\nMend it, and reload once more\n"), "{}", told.err);
        let log = std::fs::read_to_string(gate.dir().join("serve.log")).unwrap();
        assert!(log.contains("going on with the old one") && log.contains(says), "{log}");
        gate.run(&["serve"]).refused(1, says);
    }
    let refused = gate.json(&["audit", "list", "--event", "settings.refused"]);
    assert_eq!(refused["lines"].as_array().unwrap().len(), 2);
    assert_eq!(gate.stop(), Some(0));
    // Where no gate runs, what is wrong with the file is in the way of all.
    gate.run(&["tenant", "list"]).refused(1, "this is no TOML");
    gate.run(&["reload"]).refused(1, "this is no TOML");
}

fn nonsense_is_answered_and_harms_nobody(gate: &Gate) {
    let too_long = vec![b'x'; 5 << 20];
    for sent in [&b"\n"[..], b"{}\n", b"{\"version\":99,\"command\":\"doctor\"}\n", b"\xff\xfe\n", &too_long]
    {
        let mut stream = UnixStream::connect(gate.socket()).unwrap();
        // A server that has heard enough may close before all is sent.
        let _ = stream.write_all(sent);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.is_empty() || answer.contains("failed"), "{answer}");
    }
    gate.run(&["tenant", "list"]).well();
}
