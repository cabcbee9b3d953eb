//! systemd's own tools: its sockets, handed over as it hands them, and its judgement of the units in `deploy/`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::said;
use crate::strangers::command;
use crate::support::desk::anna;
use crate::support::gate::Gate;
use crate::support::laid_out::free_port;
use crate::support::program::{Program, Start};

/// The first connection starts the gate, which serves it; the sockets go on through an upgrade.
#[tokio::test(flavor = "multi_thread")]
async fn systemds_own_sockets_are_served() {
    let Some(activate) = command("systemd-socket-activate") else { return };
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let client = gate.signed_in("bank", &laptop).await;
    let (tls, plain) = (client.wire.address, gate.config.listen.plain.unwrap());
    let nobodys = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut program = Program::instead_of(gate).await;
    program.stop();
    // Sockets that a unit gives no names have the unit's.
    let unit = std::fs::read_to_string(deploy().join("portcullis.socket")).unwrap();
    assert!(!unit.contains("FileDescriptorName"), "{unit}");
    let names = ["portcullis.socket"; 3].join(":");
    let mut under = vec![activate.display().to_string(), format!("--fdname={names}")];
    under.extend([tls, plain, nobodys].map(|address| format!("--listen={address}")));
    under.push("--setenv=PORTCULLIS_PASSPHRASE".to_owned());
    program.start_next_so(Start { under, ..Start::default() });
    program.spawn();
    while TcpStream::connect(plain).is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
    assert_eq!(status(plain), 308);
    // What is not in the configuration is closed; nothing else is, and nothing is opened twice.
    let log = program.log();
    assert_eq!(log.matches("closed a socket that was handed over").count(), 1, "{log}");
    assert!(log.contains(&nobodys.to_string()), "{log}");

    let new = tokio::task::block_in_place(|| program.json(&["upgrade"]));
    let new = Pid::from_raw(i32::try_from(new["pid"].as_u64().unwrap()).unwrap()).unwrap();
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
    assert_eq!(status(plain), 308);
    kill_process(new, Signal::TERM).unwrap();
}

/// Of a page in clear.
fn status(address: SocketAddr) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bank.localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Every line of the units is understood, and what they leave open is little.
#[test]
fn systemd_finds_no_fault_in_the_units() {
    let Some(analyze) = command("systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, spoil: &str| {
        let text = std::fs::read_to_string(deploy().join(name)).unwrap();
        // The program must be there.
        let text = text.replace("/usr/bin/portcullis", env!("CARGO_BIN_EXE_portcullis"));
        std::fs::write(folder.path().join(name), text + spoil).unwrap();
    };
    let asked = |arguments: &[&str]| -> Output {
        let mut command = Command::new(&analyze);
        command.args(arguments).current_dir(folder.path()).stdin(Stdio::null()).output().unwrap()
    };
    let verify =
        ["verify", "--man=no", "--recursive-errors=no", "./portcullis.service", "./portcullis.socket"];
    write("portcullis.socket", "");
    write("portcullis.service", "");
    let found = asked(&verify);
    assert!(found.status.success() && said(&found).is_empty(), "{}", said(&found));
    // In tenths, of ten: what has 2 systemd calls OK, and without any of it the unit would have 9.
    let security = ["security", "--offline=true", "--no-pager", "--threshold=16", "./portcullis.service"];
    let found = asked(&security);
    assert!(found.status.success(), "{}", said(&found));
    // It would have said so.
    write("portcullis.service", "Nonsense=yes\n");
    assert!(said(&asked(&verify)).contains("Nonsense"));
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}
