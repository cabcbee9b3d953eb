//! A gate that lives and is not heard for a moment, as between the two processes of an upgrade.

use std::time::Duration;

use crate::gate::Gate;

#[test]
fn a_gate_that_is_silent_for_a_moment_is_waited_for() {
    let mut gate = Gate::made();
    gate.serve();
    let (socket, hidden) = (gate.socket(), gate.dir().join("hidden.sock"));
    for command in [&["tenant", "list"][..], &["reload"], &["doctor"]] {
        std::fs::rename(&socket, &hidden).unwrap();
        let back = std::thread::spawn({
            let (hidden, socket) = (hidden.clone(), socket.clone());
            move || {
                std::thread::sleep(Duration::from_millis(2500));
                std::fs::rename(hidden, socket).unwrap();
            }
        });
        let done = gate.run(command).well();
        back.join().unwrap();
        assert!(!done.out.contains("does not run"), "{command:?}: {}", done.out);
    }
    // A second upgrade would cut what is still under way in the first process.
    std::fs::rename(&socket, &hidden).unwrap();
    let done = gate.run(&["upgrade"]).refused(1, "another process takes over already");
    for wrong in ["no gate runs", "portcullis serve", "stop it"] {
        assert!(!done.err.contains(wrong), "{wrong}: {}", done.err);
    }
    std::fs::rename(&hidden, &socket).unwrap();
    assert_eq!(gate.stop(), Some(0));
    for command in ["upgrade", "reload"] {
        gate.run(&[command]).refused(1, "no gate runs on this data");
    }
}
