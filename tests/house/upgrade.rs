//! Another program takes over from the running one, and nobody is refused; sockets that somebody else holds outlive the
//! gate that listens on them.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::BodyExt as _;
use portcullis::domain::route::Route;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::PATIENCE;
use crate::support::browser::{Browser, navigation};
use crate::support::cashier::{Doing, route_to};
use crate::support::desk::{anna, anna_inside};
use crate::support::gate::Gate;
use crate::support::laid_out::PASSPHRASE;
use crate::support::load::Load;
use crate::support::payment::{approves, eventually, pays, sends};
use crate::support::program::{Program, Start};
use crate::support::tunnel::{must_end, websocket};
use crate::support::wire::whole;

/// A gate whose program lies in its own folder, and a client who has signed in.
async fn installed(environment: Vec<(String, String)>) -> (Program, Arc<Browser>) {
    installed_for(5, environment).await
}

/// The same, with so many seconds for what is under way when it stops.
async fn installed_for(drain_seconds: u32, environment: Vec<(String, String)>) -> (Program, Arc<Browser>) {
    let gate = Gate::with(|plan| plan.drain_seconds = drain_seconds).await;
    let laptop = anna(&gate).await;
    let client = Arc::new(gate.signed_in("bank", &laptop).await);
    (in_its_own_folder(gate, environment).await, client)
}

pub(crate) async fn in_its_own_folder(gate: Gate, environment: Vec<(String, String)>) -> Program {
    let program = program_of(gate.folder.path());
    std::fs::copy(env!("CARGO_BIN_EXE_portcullis"), &program).unwrap();
    let line = format!("shift; exec {} \"$@\"", program.display());
    let under = ["sh", "-c", &line, "sh"].map(str::to_owned).to_vec();
    let start = Start { under, environment, ..Start::default() };
    Program::started_so(gate, start).await
}

fn program_of(folder: &Path) -> PathBuf {
    folder.join("portcullis")
}

/// Puts another file in the program's place, as a package manager does.
fn install(folder: &Path, text: Option<&str>) {
    let fresh = folder.join("portcullis.new");
    match text {
        None => drop(std::fs::copy(env!("CARGO_BIN_EXE_portcullis"), &fresh).unwrap()),
        Some(text) => {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::write(&fresh, text).unwrap();
            std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    std::fs::rename(fresh, program_of(folder)).unwrap();
}

/// The process that took over, which is nobody's child here.
pub(crate) struct Successor(Pid);

impl Successor {
    pub(crate) fn of(pid: u64) -> Self {
        Self(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap())
    }

    pub(crate) fn dies(&self) {
        kill_process(self.0, Signal::KILL).unwrap();
    }

    pub(crate) fn lives(&self) -> bool {
        test_kill_process(self.0).is_ok()
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never {what}");
}

/// The whole of it: new connections and kept ones, a download that is under way, what systemd hears.
#[tokio::test(flavor = "multi_thread")]
async fn another_program_takes_over_and_nobody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let systemd = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    systemd.set_nonblocking(true).unwrap();
    let mut told = String::new();
    let mut hears = |what: &str| {
        let mut buffer = [0; 4096];
        while let Ok(n) = systemd.recv(&mut buffer) {
            told.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        }
        told.contains(what)
    };
    let socket = folder.path().join("notify").display().to_string();
    let (mut program, client) = installed(vec![("NOTIFY_SOCKET".to_owned(), socket)]).await;
    until("ready", || hears("READY=1")).await;
    program.json(&["reload"]);
    until("read again", || hears("RELOADING=1") && hears("MONOTONIC_USEC=")).await;
    let old = program.pid();

    let load = Load::begin(&client, "/accounts");
    load.reach(500).await;
    let download = tokio::spawn({
        let client = Arc::clone(&client);
        async move {
            let mut request = navigation(&format!("/down?{DOWNLOAD}"));
            client.dress(&mut request);
            let mut line = client.wire.h1("bank.localhost").await;
            let mut body = line.send_request(request).await.unwrap().into_body();
            let mut length = 0;
            while let Some(frame) = body.frame().await {
                length += frame.unwrap().data_ref().map_or(0, |data| data.len() as u64);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            length
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    install(program.folder.path(), None);
    let answer = tokio::task::block_in_place(|| program.json(&["upgrade"]));
    let new = Successor::of(answer["pid"].as_u64().unwrap());
    assert_ne!(new.0.as_raw_nonzero().get().cast_unsigned(), old);
    assert!(!download.is_finished(), "it was under way");
    until("gone", || program.ended().is_some()).await;
    assert!(program.ended().unwrap().success(), "{}", program.log());
    assert_eq!(download.await.unwrap(), DOWNLOAD, "it came whole");
    let before = load.answered();
    load.reach(before + 500).await;
    let (_, _, again, failed) = load.end().await;
    assert_eq!(failed, Vec::<String>::new(), "{again} asked again: {}", program.log());
    assert!(new.lives());
    until("the new one", || hears(&format!("MAINPID={}", answer["pid"])) && hears("STOPPING=1")).await;
    assert_eq!(program.told_of("house.started"), 3, "in the test's process, the old one, the new one");
    assert_eq!(program.lines_of("house.handed-over")[0]["details"]["process"], answer["pid"].to_string());
    // And once more, by the signal, from the one that took over.
    let _ = kill_process(new.0, Signal::USR2);
    until("gone, too", || !new.lives()).await;
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
    let entries = program.lines_of("house.handed-over");
    assert_eq!(entries[1]["who"], "signal");
    let last = entries[1]["details"]["process"].as_str().unwrap().parse().unwrap();
    assert!(Successor::of(last).lives());
}

/// O-05: one who sends slowly, one whose tunnel never ends, one whose backend never answers: the old process waits for
/// them, and nobody else does. What the new one is told ends them there, too.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_old_process_holds_no_newcomer() {
    let (mut program, client) = installed_for(DRAIN_LONG, vec![]).await;
    let (to, from) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let pieces = futures_util::stream::unfold(from, async |mut from| Some((from.recv().await?, from)));
    let mut upload = Request::post("/up").body(Body::from_stream(pieces)).unwrap();
    client.dress(&mut upload);
    upload.headers_mut().insert("origin", client.origin().parse().unwrap());
    let mut line = client.wire.h1("bank.localhost").await;
    let upload = tokio::spawn(async move { whole(line.send_request(upload).await.unwrap()).await });
    let mut never = navigation("/never");
    client.dress(&mut never);
    let mut line = client.wire.h1("bank.localhost").await;
    let never = tokio::spawn(async move { line.send_request(never).await.map(|answer| answer.status()) });
    let mut tunnel = websocket(&client).await;
    to.send(Ok(Bytes::from_static(b"begun"))).await.unwrap();
    until("sent", || program.backend.uploaded.load(Ordering::SeqCst) == 5).await;

    let old = Pid::from_raw(program.pid().cast_signed()).unwrap();
    let new =
        Successor::of(tokio::task::block_in_place(|| program.json(&["upgrade"]))["pid"].as_u64().unwrap());
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
    assert!(
        new.lives() && program.ended().is_none(),
        "a newcomer was served beside the old one: {}",
        program.log()
    );
    // Whatever the operator types meanwhile is done, by the one or the other; nothing says that no gate runs.
    for _ in 0..40 {
        tokio::task::block_in_place(|| program.json(&["tenant", "list"]));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The operator's commands reach the new one, and it can be asked to read its files again.
    tokio::task::block_in_place(|| program.json(&["reload"]));
    for _ in 0..3 {
        to.send(Ok(Bytes::from_static(b"on and on"))).await.unwrap();
        tunnel.send(Message::text("still there")).await.unwrap();
        assert_eq!(tunnel.next().await.unwrap().unwrap(), Message::text("still there"));
        client.open("/accounts").await.must_say("the bank's own page at /accounts");
    }
    drop(to);
    let answer = tokio::time::timeout(PATIENCE, upload).await.unwrap().unwrap();
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "32"), "it came whole");
    assert!(test_kill_process(old).is_ok() && program.ended().is_none(), "{}", program.log());

    // Said to the new one, heard by the old one.
    let revoked =
        program.cli(&["device", "revoke", "bank/anna/laptop", "--reason", "key-compromise", "--yes"]);
    assert!(revoked.status.success(), "{revoked:?}");
    must_end(&mut tunnel).await;
    let never = tokio::time::timeout(PATIENCE, never).await.expect("it is cut").unwrap();
    assert!(never.is_err() || never.is_ok_and(|status| status == 403));
    until("gone", || program.ended().is_some()).await;
    assert!(program.ended().unwrap().success(), "{}", program.log());
    assert!(new.lives());
    assert!(program.cli(&["audit", "verify"]).status.success());
}

/// A confirmed payment that is on its way when the gate is upgraded has its outcome written down by who sent it.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_on_its_way_is_not_left_without_an_outcome() {
    let gate = Gate::with(|plan| plan.drain_seconds = DRAIN_LONG).await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    gate.put(&Route { confirm: true, first_byte_ms_max: 30_000, ..route_to(&cashier) }).await;
    let mut program = in_its_own_folder(gate, vec![]).await;
    let _tunnel = websocket(&client).await;
    cashier.does(Doing::Tardy);
    let waiting = pays(&client).await;
    approves(&phone, &waiting).await;
    let confirmed = client.open(&waiting.path).await;
    let (sent, new) = tokio::join!(sends(&client, &confirmed), async {
        eventually(async || cashier.confirmed().len() == 1).await;
        tokio::task::block_in_place(|| program.json(&["upgrade"]))
    });
    let new = Successor::of(new["pid"].as_u64().unwrap());
    assert_eq!(sent.status, 201, "{}", sent.text());
    client.open(&waiting.path).await.must_say("It was sent, and taken");
    assert!(new.lives() && program.ended().is_none(), "the tunnel goes on: {}", program.log());
    assert_eq!(cashier.confirmed().len(), 1);
}

/// O-05: what is open in the old process is judged by what the new one tells; where that is silent for good, it is cut.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_process_still_serves_does_not_outlive_the_new_one() {
    let (mut program, client) = installed_for(DRAIN_LONG, vec![]).await;
    let mut tunnel = websocket(&client).await;
    let new =
        Successor::of(tokio::task::block_in_place(|| program.json(&["upgrade"]))["pid"].as_u64().unwrap());
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
    tunnel.send(Message::text("still there")).await.unwrap();
    assert_eq!(tunnel.next().await.unwrap().unwrap(), Message::text("still there"));
    kill_process(new.0, Signal::KILL).unwrap();
    must_end(&mut tunnel).await;
    until("gone", || program.ended().is_some()).await;
}

/// What cannot take over does not, and the old one goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_or_a_configuration_that_is_broken_leaves_the_old_one_serving() {
    let (mut program, client) = installed(vec![]).await;
    let load = Load::begin(&client, "/accounts");
    for broken in ["#!/bin/sh\nexit 3\n", "no program at all\n", "#!/bin/sh\nexec sleep 0.2\n"] {
        install(program.folder.path(), Some(broken));
        let output = tokio::task::block_in_place(|| program.cli(&["upgrade"]));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("the gate goes on as it was"), "{output:?}");
    }
    install(program.folder.path(), None);
    let file = program.config.file.clone();
    let written = std::fs::read_to_string(&file).unwrap();
    let pid = Pid::from_raw(program.pid().cast_signed()).unwrap();
    let key = program.folder.path().join("data/jwt.key");
    let (no_key, moved) = (std::fs::read(&key).unwrap(), key.with_extension("moved"));
    let no_folder = "[access_log]\nfile = \"nowhere/access.log\"\n";
    for (round, spoil) in ["nonsense = 1\n", no_folder, ""].iter().enumerate() {
        std::fs::write(&file, format!("{written}{spoil}")).unwrap();
        if spoil.is_empty() {
            std::fs::rename(&key, &moved).unwrap();
        }
        kill_process(pid, Signal::USR2).unwrap();
        let count = || program.log().matches("the gate goes on as it was").count();
        until("told", || count() == 4 + round).await;
    }
    assert!(program.log().contains("nowhere/access.log cannot be written"), "{}", program.log());
    std::fs::rename(&moved, &key).unwrap();
    assert_eq!(std::fs::read(&key).unwrap(), no_key);
    load.reach(load.answered() + 100).await;
    let (_, _, again, failed) = load.end().await;
    assert_eq!((again, failed), (0, vec![]), "nobody noticed: {}", program.log());
    assert!(program.ended().is_none());
    assert_eq!(program.told_of("house.handed-over"), 0);
}

/// However many ask, and by whichever way, while the first upgrade is under way.
#[tokio::test(flavor = "multi_thread")]
async fn one_process_takes_over_and_who_asks_too_late_is_told_so() {
    let (mut program, client) = installed(vec![]).await;
    let folder = program.folder.path().to_owned();
    let real = env!("CARGO_BIN_EXE_portcullis");
    let slow = format!("#!/bin/sh\necho $$ >> {0}/begun\nsleep 1\nexec {real} \"$@\"\n", folder.display());
    install(&folder, Some(&slow));
    let begun = || std::fs::read_to_string(folder.join("begun")).unwrap_or_default();
    let old = Pid::from_raw(program.pid().cast_signed()).unwrap();
    let (first, second) = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let first = scope.spawn(|| program.json(&["upgrade"]));
            while begun().is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let second = scope.spawn(|| program.cli(&["upgrade"]));
            // The command has asked by then, and waits.
            std::thread::sleep(Duration::from_millis(300));
            kill_process(old, Signal::USR2).unwrap();
            (first.join().unwrap(), second.join().unwrap())
        })
    });
    let new = Successor::of(first["pid"].as_u64().unwrap());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("takes over already"), "{said}");
    until("gone", || program.ended().is_some()).await;
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
    assert!(new.lives());
    assert_eq!(begun().lines().count(), 1, "{}", program.log());
    assert_eq!(program.told_of("house.handed-over"), 1);
}

/// Who stops a gate does not want another in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_an_upgrade_stops_the_gate_and_what_it_started() {
    let (mut program, _) = installed(vec![]).await;
    let begun = program.folder.path().join("begun");
    let hangs = format!("#!/bin/sh\necho $$ > {0}.new; mv {0}.new {0}\nexec sleep 600\n", begun.display());
    install(program.folder.path(), Some(&hangs));
    let old = Pid::from_raw(program.pid().cast_signed()).unwrap();
    kill_process(old, Signal::USR2).unwrap();
    until("begun", || begun.exists()).await;
    let new = Successor::of(std::fs::read_to_string(&begun).unwrap().trim().parse().unwrap());
    assert!(new.lives());
    assert_eq!(tokio::task::block_in_place(|| program.stop()), Some(0), "{}", program.log());
    assert!(!new.lives());
}

/// The line breaks in both cases; what was said on it before decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_died_before_it_handed_over_has_no_successor() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let client = gate.signed_in("bank", &laptop).await;
    let mut program = Program::started_so(gate, Start::default()).await;
    program.stop();
    for (round, waits_for_it) in [false, true].into_iter().enumerate() {
        let (mut next, mut line) = begun(&program);
        if waits_for_it {
            line.read_exact(&mut [0; 6]).unwrap();
        }
        drop(line);
        assert!(!next.wait().unwrap().success());
        let told = program.log().matches("ended before it handed over").count();
        assert_eq!(told, round + 1, "{}", program.log());
    }
    let (next, mut line) = begun(&program);
    let next = Successor::of(next.id().into());
    let mut said = [0; 6];
    line.read_exact(&mut said).unwrap();
    assert_eq!(said, *b"ready\n");
    line.write_all(b"go\n").unwrap();
    drop(line);
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
    assert!(next.lives());
}

/// The next gate of a gate that is played here, which hands it the passphrase and no socket.
fn begun(program: &Program) -> (Child, UnixStream) {
    let (mut line, theirs) = UnixStream::pair().unwrap();
    let log = std::fs::OpenOptions::new().append(true).open(program.log_file()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.arg("serve").current_dir(program.folder.path()).stdin(OwnedFd::from(theirs));
    command.env("PORTCULLIS_TAKES_OVER", "1").env_remove("PORTCULLIS_PASSPHRASE");
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let child = command.spawn().unwrap();
    line.write_all(format!("\n{PASSPHRASE}").as_bytes()).unwrap();
    (child, line)
}

/// As `systemctl restart` does with `portcullis.socket`: who comes in between waits.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_no_gate_runs_waits_on_sockets_that_outlive_it() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let client = Arc::new(gate.signed_in("bank", &laptop).await);
    let address = client.wire.address;
    let mut program = Program::started_so(gate, Start::default()).await;
    program.stop();
    let held = Arc::new(std::net::TcpListener::bind(address).unwrap());
    // As systemd hands sockets over: from 3 on.
    let line = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"";
    let under = ["sh", "-c", line, "sh"].map(str::to_owned).to_vec();
    program.start_next_so(Start { under, socket: Some(Arc::clone(&held)), ..Start::default() });
    program.start();
    let load = Load::begin(&client, "/accounts");
    for _ in 0..2 {
        load.reach(load.answered() + 200).await;
        assert_eq!(tokio::task::block_in_place(|| program.stop()), Some(0));
        // Nobody is there; the socket is.
        std::net::TcpStream::connect(address).unwrap();
        tokio::task::block_in_place(|| program.start());
    }
    load.reach(load.answered() + 200).await;
    let (_, _, _, failed) = load.end().await;
    assert_eq!(failed, Vec::<String>::new(), "{}", program.log());
    assert_eq!(program.json(&["reload"]), json!({ "changed": [], "next_start": [] }));
    assert!(tokio::time::timeout(PATIENCE, client.open("/accounts")).await.unwrap().status == 200);
}

/// Longer than any test.
pub(crate) const DRAIN_LONG: u32 = 600;

/// Read slowly, it takes a second or two.
const DOWNLOAD: u64 = 16 << 20;
