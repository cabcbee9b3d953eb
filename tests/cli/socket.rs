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
