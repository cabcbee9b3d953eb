//! The demo before it runs: what it makes, that it goes on with it, and what it says when it cannot.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::gate::{command, portcullis};
use crate::ports::free_ports;

#[test]
fn a_taken_port_is_named_with_the_way_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let told =
        portcullis(folder.path(), &["demo", "--port", &port]).refused(2, &format!("port {port} is taken"));
    assert!(told.err.contains("portcullis demo --port"), "{}", told.err);
    assert!(!folder.path().join("portcullis-demo").exists());
    portcullis(folder.path(), &["demo", "--host", "192.0.2.7"]).refused(2, "a name with a dot");
}

/// Nothing takes over from a demo; who asks is told so at once, and whichever way they ask, it goes on.
#[test]
fn an_upgrade_is_nothing_for_a_demo() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_ports();
    let mut demo = command(folder.path())
        .args(["demo", "--port", &port.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let beside = |what: &[&str]| {
        portcullis(folder.path(), &[what, &["--config", "portcullis-demo/portcullis.toml"]].concat())
    };
    let socket = folder.path().join("portcullis-demo/data/control.sock");
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(demo.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(50));
    }
    beside(&["upgrade"]).refused(1, "was not started by `portcullis serve`");
    let pid = Pid::from_child(&demo);
    kill_process(pid, Signal::USR2).unwrap();
    beside(&["tenant", "list"]).well();
    // What it counts can be looked at, as its words say.
    let ops = std::net::SocketAddr::from(([127, 0, 0, 1], port + 2));
    let mut metrics = std::net::TcpStream::connect(ops).unwrap();
    std::io::Write::write_all(&mut metrics, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    assert!(std::io::read_to_string(metrics).unwrap().contains("portcullis_build_info"));
    kill_process(pid, Signal::TERM).unwrap();
    assert!(demo.wait().unwrap().success());
}

#[test]
fn it_makes_its_files_and_goes_on_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_ports().to_string();
    let made = ["demo", "--prepare", "--port", &port];
    portcullis(folder.path(), &made).well();
    let dir = folder.path().join("portcullis-demo");
    for name in ["client.p12", "tablet.p12", "agent.p12", "operator.p12", "passwords.txt", "passphrase"] {
        let mode = std::fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let root = std::fs::read(dir.join("ca/demo-root.crt")).unwrap();
    let root = pem::parse(&root).unwrap();
    let (_, root) = x509_parser::parse_x509_certificate(root.contents()).unwrap();
    let constraints = root.name_constraints().unwrap().expect("it may sign only the demo's names");
    assert!(constraints.critical);
    assert!(format!("{:?}", constraints.value.permitted_subtrees).contains("\"localhost\""));

    let passwords = std::fs::read(dir.join("passwords.txt")).unwrap();
    portcullis(folder.path(), &made).well();
    assert_eq!(std::fs::read(dir.join("passwords.txt")).unwrap(), passwords);
    // The usual commands work on it.
    let file = "portcullis-demo/portcullis.toml";
    let staff = portcullis(folder.path(), &["person", "list", "staff", "--config", file]).well();
    assert!(staff.out.contains("staff/sam-support") && staff.out.contains("active"), "{}", staff.out);
    portcullis(folder.path(), &["audit", "verify", "--config", file]).well();

    // What is half there is neither used nor written over.
    std::fs::remove_file(dir.join("passwords.txt")).unwrap();
    portcullis(folder.path(), &made).refused(2, "choose another --dir");
    assert!(dir.join("data/store.redb").is_file());
}
