//! Traefik and Envoy beside the gate, as docs/forward-auth.md has them. No package of Debian or npm holds either, so
//! `tests/run` fetches them for `--full` alone: elsewhere these tests are skipped aloud.

use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis::domain::certificate::IssuerKind;
use portcullis::front::beside::Kind;

use crate::beside::{Paths, Rig, SECRET, all_of_it, door, printed, started};
use crate::support::gate::Gate;
use crate::support::skipped::skipped;

fn fetched(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/proxies/.venv/bin");
    let found = Some(here.join(name)).filter(|path| path.is_file());
    if found.is_none() {
        skipped(&format!("{name} is not in tests/foreign/proxies/.venv: ./tests/run --full fetches it"));
    }
    found
}

/// H-07, H-09, H-10: what a client says under the proxy's names, and paths with two meanings, meet the real one.
#[tokio::test(flavor = "multi_thread")]
async fn traefik_asks_and_the_backend_knows_who_calls() {
    let Some(binary) = fetched("traefik") else { return };
    let start = |gate: &Gate, folder: &Path, ours: u16, theirs: u16| {
        let file = folder.join("dynamic.yml");
        std::fs::write(&file, filled(gate, "traefik", folder, ours, theirs)).unwrap();
        let fixed = format!(
            "global: {{ checkNewVersion: false, sendAnonymousUsage: false }}\n\
             entryPoints: {{ websecure: {{ address: '127.0.0.1:{theirs}' }} }}\n\
             providers: {{ file: {{ filename: '{}' }} }}\n",
            file.display()
        );
        let static_file = folder.join("traefik.yml");
        std::fs::write(&static_file, fixed).unwrap();
        let argument = format!("--configFile={}", static_file.display());
        started(Command::new(&binary).arg(argument).env("PORTCULLIS_SECRET", SECRET), folder)
    };
    all_of_it(Rig::of(Kind::Traefik, start).await, Paths::Cleaned).await;
}

/// H-07, H-09, H-10: the same.
#[tokio::test(flavor = "multi_thread")]
async fn envoy_asks_and_the_backend_knows_who_calls() {
    let Some(binary) = fetched("envoy") else { return };
    let start = |gate: &Gate, folder: &Path, ours: u16, theirs: u16| {
        let file = folder.join("envoy.yaml");
        std::fs::write(&file, filled(gate, "envoy", folder, ours, theirs)).unwrap();
        let mut command = Command::new(&binary);
        command.arg("-c").arg(file).args([
            "--use-dynamic-base-id",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
        ]);
        started(&mut command, folder)
    };
    all_of_it(Rig::of(Kind::Envoy, start).await, Paths::AsWritten).await;
}

/// The guide's configuration with this test's addresses and files.
fn filled(gate: &Gate, language: &str, folder: &Path, ours: u16, theirs: u16) -> String {
    let devices = gate.issuers.iter().find(|issuer| issuer.kind == IssuerKind::Devices).unwrap();
    let file = folder.join("devices.pem");
    std::fs::write(&file, portcullis::ca::pem_of(&devices.root_der)).unwrap();
    let backend = gate.backend.address;
    let mut text = printed(language);
    for (from, to) in [
        ("127.0.0.1:9180", format!("127.0.0.1:{ours}")),
        ("127.0.0.1:9000", backend.to_string()),
        ("address: 0.0.0.0, port_value: 443", format!("address: 127.0.0.1, port_value: {theirs}")),
        ("port_value: 9180", format!("port_value: {ours}")),
        ("port_value: 9000", format!("port_value: {}", backend.port())),
        ("0123...", SECRET.to_owned()),
        // Browsers say the gate's own port here, and the gate looks at it.
        ("\"portal.example.com\"", "\"*\"".to_owned()),
        ("portal.example.com", "bank.localhost".to_owned()),
        ("/etc/traefik/portal.crt", door(gate, "crt")),
        ("/etc/traefik/portal.key", door(gate, "key")),
        ("/etc/envoy/portal.crt", door(gate, "crt")),
        ("/etc/envoy/portal.key", door(gate, "key")),
        ("/etc/envoy/devices.pem", file.display().to_string()),
        // The tests' backend tries to set the gate's cookie, from which nobody keeps it here: the guide says so.
        (
            "request_headers_to_remove: [x-forwarded-client-cert]",
            "request_headers_to_remove: [x-forwarded-client-cert]\n                          \
             response_headers_to_remove: [set-cookie]"
                .to_owned(),
        ),
        (
            "\"\", X-Forwarded-Tls-Client-Cert: \"\" } }",
            "\"\", X-Forwarded-Tls-Client-Cert: \"\" }, customResponseHeaders: { Set-Cookie: \"\" } }"
                .to_owned(),
        ),
    ] {
        text = text.replace(from, &to);
    }
    text
}
