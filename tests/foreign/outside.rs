//! The running program with openssl and curl beside it, in the program's folder. Knows no protocol.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use portcullis::domain::certificate::IssuerKind;

use crate::rig::{openssl, said, text};
use crate::support::gate::Gate;
use crate::support::program::Program;

/// A program, and its folder full of keys and requests.
pub(crate) struct Outside {
    pub(crate) program: Program,
}

impl Outside {
    /// Starts the program on a gate's folder; the CA certificates lie beside it as openssl wants them.
    pub(crate) async fn of(gate: Gate) -> Self {
        let program = Program::instead_of(gate).await;
        let write = |name: &str, der: &[u8]| {
            std::fs::write(program.folder.path().join(name), portcullis::ca::pem_of(der)).unwrap();
        };
        let devices = program.issuers.iter().find(|issuer| issuer.kind == IssuerKind::Devices).unwrap();
        write("root.pem", &program.wire.root);
        write("devices.pem", &devices.der);
        write("devices-root.pem", &devices.root_der);
        Self { program }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.program.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// `NAME.key` and `NAME.csr`, as openssl makes them by these words.
    pub(crate) fn request(&self, name: &str, key: &[&str], more: &[&str]) -> PathBuf {
        let (private, file) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.csr")));
        let base = ["req", "-new", "-nodes", "-keyout", text(&private), "-out", text(&file)];
        let subject: &[&str] = if more.contains(&"-subj") { &[] } else { &["-subj", "/CN=whatever"] };
        let made = openssl(&[&base, key, subject, more].concat());
        assert!(made.status.success(), "{name}: {}", said(&made));
        file
    }

    /// A request with a good key.
    pub(crate) fn good_request(&self, name: &str) -> PathBuf {
        self.request(name, P256, &[])
    }

    /// `openssl verify` of the first certificate of a file below our CA for devices.
    #[track_caller]
    pub(crate) fn must_verify(&self, file: &Path) {
        let (root, issuing) = (self.path("devices-root.pem"), self.path("devices.pem"));
        let verified = openssl(&[
            "verify",
            "-x509_strict",
            "-purpose",
            "sslclient",
            "-CAfile",
            text(&root),
            "-untrusted",
            text(&issuing),
            text(file),
        ]);
        assert!(verified.status.success(), "{}", said(&verified));
    }

    /// What openssl prints of the first certificate of a file.
    pub(crate) fn printed(&self, file: &Path) -> String {
        said(&openssl(&["x509", "-in", text(file), "-noout", "-text", "-nameopt", "utf8"]))
    }

    /// curl to a door, by its own command line; prints the answer's head and body.
    pub(crate) fn curl(&self, door: &str, path: &str, more: &[&str]) -> Heard {
        let host = self.program.host(door);
        let (url, resolve) = (format!("https://{host}{path}"), format!("{host}:127.0.0.1"));
        let root = self.path("root.pem");
        let output: Output = Command::new("curl")
            .args(["--disable", "--silent", "--show-error", "--include", "--max-time", "60"])
            .args(["--cacert", text(&root), "--resolve", &resolve])
            .args(more)
            .arg(url)
            .current_dir(self.program.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("curl is installed");
        let all = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
        let errors = String::from_utf8_lossy(&output.stderr);
        Heard { status, head: format!("{head}{errors}").to_lowercase(), body: body.to_owned() }
    }
}

/// What curl heard.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// How openssl makes the key that everybody should have.
pub(crate) const P256: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
