//! gRPC by its makers' library, on both sides of the gate: a client with Anna's certificate, a backend of h2c.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::rig::said;
use crate::support::desk::anna;
use crate::support::gate::Gate;
use crate::support::skipped::skipped;

const BY_CERTIFICATE: &str = r#"
[[rule]]
name  = "Echo"
paths = ["/bank.Echo/**"]
who   = ["group:clients"]
need  = ["certificate"]
"#;

/// The backend; it ends with this.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn python() -> Option<Command> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign");
    let program = here.join(".venv/bin/python");
    let there = program.exists()
        && Command::new(&program).args(["-c", "import grpc"]).status().is_ok_and(|status| status.success());
    if !there {
        skipped("Python with grpcio is not in tests/foreign/.venv");
        return None;
    }
    let mut command = Command::new(program);
    command.arg(here.join("grpc.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_every_kind_go_through_with_a_certificate() {
    let (Some(mut server), Some(mut client)) = (python(), python()) else { return };
    let mut server = server.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let _server = Server(server);
    let backend = format!("h2c://127.0.0.1:{}", port.trim());

    let gate = Gate::with(|plan| {
        plan.portal = BY_CERTIFICATE.to_owned();
        plan.backend = Some(backend);
    })
    .await;
    let handed = anna(&gate).await;
    gate.settle(&handed).await;
    let file = |name: &str, text: String| {
        let path = gate.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let chain = handed.identity.chain.iter().map(|der| portcullis::ca::pem_of(der)).collect();
    let key = pem::encode(&pem::Pem::new("PRIVATE KEY", handed.identity.key.clone()));
    let root = file("root.pem", portcullis::ca::pem_of(&gate.wire.root));
    let (chain, key) = (file("anna.crt", chain), file("anna.key", key));
    let client = client
        .args(["call", &gate.wire.address.to_string(), &gate.host("bank")])
        .args([root, chain, key])
        .stdin(Stdio::null());
    let mut client = std::mem::replace(client, Command::new("true"));
    let output = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();

    let unary = &told["unary"];
    assert_eq!(unary["request"], "hello");
    assert_eq!(unary["told"]["x-mine"], "mine");
    assert_eq!(unary["told"]["x-forwarded-for"], "127.0.0.1");
    assert!(unary["told"]["client-cert"].as_str().unwrap().starts_with(':'), "{unary}");
    assert!(unary["told"]["portcullis-assertion"].is_string(), "{unary}");
    assert_eq!(told["first"]["x-first"], "1");
    assert_eq!(told["last"]["x-checksum"], "7");
    assert_eq!(told["last"].get("set-cookie"), None, "{told}");
    assert_eq!(told["last"].get("portcullis-role"), None, "{told}");
    assert_eq!(told["fails"], json!(["NOT_FOUND", "no such account: ü", "8"]));
    assert_eq!(told["up"], 256 * 65536);
    assert_eq!(told["down"], 1000);
    assert_eq!(told["both"], json!(["one!", "two!", "three!"]));
    assert_eq!(told["cancelled"], "yes", "the backend hears of a call that was given up");
    assert_ne!(told["admin"], "let in");
}
