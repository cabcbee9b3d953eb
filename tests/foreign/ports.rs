//! One address for the gate's own doors and for another proxy's: HAProxy hands connections on by name, as
//! docs/forward-auth.md prints it, to nginx and to the gate.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::time::Instant;

use portcullis::front::beside::Kind;

use crate::beside::{GUIDE, filled, nginx, plan, started};
use crate::strangers::command;
use crate::support::PATIENCE;
use crate::support::desk::{anna, first_visit, sam};
use crate::support::gate::Gate;
use crate::support::laid_out::free_port;

/// From where HAProxy comes, so that nobody takes it for its client.
const RELAY: &str = "127.0.0.9";

struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_door_is_reached_by_name_at_one_address() {
    let (Some(haproxy), Some(nginx_)) = (command("haproxy"), command("nginx")) else { return };
    let (ours, inner, outer) = (free_port(), free_port(), free_port());
    let mut gate = Gate::with(|gate| {
        gate.balancers = vec!["127.0.0.9/32"];
        gate.other_proxies = vec![plan(Kind::Nginx, ours)];
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (listens, relayed) = (
        format!("listen 127.0.0.1:{inner} ssl;"),
        format!(
            "listen 127.0.0.1:{inner} ssl proxy_protocol;\nset_real_ip_from {RELAY};\nreal_ip_header proxy_protocol;"
        ),
    );
    let server = filled(&gate, "nginx", folder.path(), ours, inner);
    assert!(server.contains(&listens), "{server}");
    let child = nginx(&nginx_, folder.path(), &server.replace(&listens, &relayed));
    let mut running = Running(vec![child]);

    let (_, rest) = GUIDE.split_once("such as HAProxy:\n\n```\n").expect("a configuration in the guide");
    let mut by_name = rest.split("\n```").next().unwrap().to_owned();
    for (from, to) in [
        ("bind :443", format!("bind 127.0.0.1:{outer}")),
        ("portal.example.com", "bank.localhost".to_owned()),
        ("127.0.0.1:8443", format!("127.0.0.1:{inner} source {RELAY}")),
        ("127.0.0.1:9443", format!("{} source {RELAY}", gate.wire.address)),
    ] {
        assert!(by_name.contains(from), "{from}: {by_name}");
        by_name = by_name.replace(from, &to);
    }
    let beside = folder.path().join("haproxy");
    std::fs::create_dir(&beside).unwrap();
    let file = beside.join("haproxy.cfg");
    std::fs::write(&file, by_name + "\n").unwrap();
    running.0.push(started(Command::new(&haproxy).arg("-db").arg("-f").arg(&file), &beside));
    let address = SocketAddr::from(([127, 0, 0, 1], outer));
    let begun = Instant::now();
    while [outer, inner].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
        let log = |folder: &std::path::Path| std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(begun.elapsed() < PATIENCE, "{} {}", log(folder.path()), log(&beside));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    // From here on everybody comes to HAProxy, whichever door they want.
    gate.wire.address = address;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let (client, _phone) = first_visit(&gate, &agent, &laptop).await;
    gate.backend.forget();
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
    assert_eq!(gate.backend.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(agent.open("/").await.status, 200);
    let trail = gate.trail().await;
    let whence: Vec<&str> = trail.iter().filter_map(|line| line.whence.as_deref()).collect();
    assert!(whence.contains(&"127.0.0.1") && !whence.contains(&RELAY), "{whence:?}");
}
