//! A session is never resumed at a door that asks for certificates (T-07, T-08).

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::gate::Gate;

/// What openssl says about one connection, with a session to resume where there is one.
fn openssl(gate: &Gate, host: &str, version: &str, extra: &[&str]) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &gate.address.to_string(), "-servername", host, version])
        .args(extra)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    // openssl ends with the connection, once the answer, and tickets before it, were read.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(request.as_bytes()).unwrap();
    stdin.flush().unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn second_visit(gate: &Gate, from: &str, to: &str, version: &str, certificate: &[&str]) -> Option<String> {
    let session = gate.folder.path().join("session");
    let _ = std::fs::remove_file(&session);
    let path = session.to_str().unwrap();
    let first = openssl(gate, from, version, &[certificate, &["-sess_out", path]].concat());
    assert!(first.contains("200 OK"), "{first}");
    Path::exists(&session).then(|| openssl(gate, to, version, &[certificate, &["-sess_in", path]].concat()))
}

#[tokio::test(flavor = "multi_thread")]
async fn guarded_doors_never_resume() {
    let gate = Gate::open();
    let device = gate.device();
    let (crt, key) = (gate.folder.path().join("device.crt"), gate.folder.path().join("device.key"));
    std::fs::write(&crt, pem::encode(&pem::Pem::new("CERTIFICATE", device.der.to_vec()))).unwrap();
    std::fs::write(&key, device.key.serialize_pem()).unwrap();
    let certificate = ["-cert", crt.to_str().unwrap(), "-key", key.to_str().unwrap()];
    let mut visits = 0;
    for host in ["bank.localhost", "console.localhost"] {
        for version in ["-tls1_2", "-tls1_3"] {
            for certificate in [&certificate[..], &[]] {
                visits += 1;
                if let Some(second) = second_visit(&gate, host, host, version, certificate) {
                    visits += 1;
                    assert!(!second.contains("Reused"), "{host} {version}: {second}");
                    assert!(second.contains("200 OK"), "{second}");
                }
            }
        }
    }
    // With a certificate, each connection showed it anew.
    let shown = gate.seen().iter().filter(|seen| !seen.peer.chain.is_empty()).count();
    assert_eq!(gate.seen().len(), visits);
    assert_eq!(shown * 2, visits);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_doors_resume_their_own_sessions_and_no_other_doors() {
    let gate = Gate::open();
    for version in ["-tls1_2", "-tls1_3"] {
        // Without this the test above would prove nothing.
        let again = second_visit(&gate, "phone.localhost", "phone.localhost", version, &[]).unwrap();
        assert!(again.contains("Reused"), "{version}: {again}");
        for to in ["start.localhost", "bank.localhost", "console.localhost"] {
            let other = second_visit(&gate, "phone.localhost", to, version, &[]).unwrap();
            assert!(!other.contains("Reused"), "{version} {to}: {other}");
        }
    }
}
