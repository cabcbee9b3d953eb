//! The doors as a scanner of TLS sees them: sslyze looks for old versions, weak suites and the known faults.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rig::said;
use crate::support::gate::Gate;
use crate::support::skipped::skipped;

/// T-19, T-23. At a door that asks for no certificate, and at one that asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_finds_nothing_of_old() {
    let interpreter = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/sslyze/.venv/bin/python");
    let mut asked = Command::new(&interpreter);
    asked.args(["-c", "import sslyze"]).stderr(Stdio::null());
    if !asked.status().is_ok_and(|status| status.success()) {
        return skipped("Python with sslyze is not in tests/foreign/sslyze/.venv");
    }
    let gate = Gate::open().await;
    for door in ["phone", "bank"] {
        let told = scan(&interpreter, &gate, door).await;
        let result = |name: &str| {
            let one = &told[name];
            assert_eq!(one["status"], "COMPLETED", "{door} {name}: {one}");
            one["result"].clone()
        };
        for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
            let suites = result(&format!("{version}_cipher_suites"));
            assert_eq!(suites["accepted_cipher_suites"], Value::Array(vec![]), "{door} {version}");
        }
        for version in ["tls_1_2", "tls_1_3"] {
            let suites = result(&format!("{version}_cipher_suites"));
            let accepted = suites["accepted_cipher_suites"].as_array().unwrap();
            let names: Vec<&str> =
                accepted.iter().map(|suite| suite["cipher_suite"]["name"].as_str().unwrap()).collect();
            let modern = |name: &&str| {
                let sealed = name.contains("GCM") || name.contains("CHACHA20");
                sealed && (name.starts_with("TLS_ECDHE_") || version == "tls_1_3")
            };
            assert!(!names.is_empty() && names.iter().all(modern), "{door}: {names:?}");
        }
        assert_eq!(result("tls_compression")["supports_compression"], false, "{door}");
        let again = result("session_renegotiation");
        assert_eq!(again["is_vulnerable_to_client_renegotiation_dos"], false, "{door}: {again}");
        assert_eq!(again["supports_secure_renegotiation"], true, "{door}: {again}");
        assert_eq!(result("heartbleed")["is_vulnerable_to_heartbleed"], false, "{door}");
        assert_eq!(result("openssl_ccs_injection")["is_vulnerable_to_ccs_injection"], false, "{door}");
        assert_eq!(result("tls_1_3_early_data")["supports_early_data"], false, "{door}");
        assert_eq!(result("tls_extended_master_secret")["supports_ems_extension"], true, "{door}");
        let robot = result("robot");
        assert!(robot["robot_result"].as_str().unwrap().starts_with("NOT_VULNERABLE"), "{door}: {robot}");
        if door == "bank" {
            let resumed = result("session_resumption");
            for way in ["session_id_resumption_result", "tls_ticket_resumption_result"] {
                assert_eq!(resumed[way], "NOT_SUPPORTED", "{resumed}");
            }
        }
    }
}

/// What it finds at one door.
async fn scan(interpreter: &Path, gate: &Gate, door: &str) -> Value {
    let file = gate.folder.path().join(format!("{door}.json"));
    let mut scanner = Command::new(interpreter);
    scanner.args(["-m", "sslyze", "--mozilla_config=disable"]);
    for what in [
        "sslv2",
        "sslv3",
        "tlsv1",
        "tlsv1_1",
        "tlsv1_2",
        "tlsv1_3",
        "compression",
        "reneg",
        "resum",
        "early_data",
        "heartbleed",
        "openssl_ccs",
        "robot",
        "ems",
    ] {
        scanner.arg(format!("--{what}"));
    }
    scanner.arg(format!("--json_out={}", file.display()));
    scanner.arg(format!("{door}.localhost:{}{{127.0.0.1}}", gate.wire.address.port()));
    let output =
        tokio::task::spawn_blocking(move || scanner.stdin(Stdio::null()).output().unwrap()).await.unwrap();
    let json = std::fs::read(&file).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    let told: Value = serde_json::from_slice(&json).unwrap();
    let server = &told["server_scan_results"][0];
    assert_eq!(server["scan_status"], "COMPLETED", "{server}; {}", said(&output));
    server["scan_result"].clone()
}
