//! `openssl s_client` as a client: it names any host in the handshake, keeps sessions in files, and does not
//! mind what time the server's certificate is for.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::wire::Identity;

/// Where its files lie.
pub(crate) struct Openssl {
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Openssl {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), address }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Arguments that show a certificate.
    pub(crate) fn showing(&self, name: &str, identity: &Identity) -> Vec<String> {
        let (crt, key) = (self.file(&format!("{name}.crt")), self.file(&format!("{name}.key")));
        let pem = |tag: &str, der: &[u8]| pem::encode(&pem::Pem::new(tag, der.to_vec()));
        let chain: String = identity.chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        std::fs::write(&crt, chain).unwrap();
        std::fs::write(&key, pem("PRIVATE KEY", &identity.key)).unwrap();
        let path = |file: PathBuf| file.to_str().unwrap().to_owned();
        [
            "-cert".to_owned(),
            path(crt.clone()),
            "-cert_chain".to_owned(),
            path(crt),
            "-key".to_owned(),
            path(key),
        ]
        .to_vec()
    }

    /// All that it says of one connection on which it sends `request`, which must end it.
    pub(crate) fn say(&self, sni: Option<&str>, arguments: &[String], request: &str) -> String {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &self.address.to_string()]);
        match sni {
            Some(name) => command.args(["-servername", name]),
            None => command.arg("-noservername"),
        };
        let child =
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().expect("openssl is installed");
        // It ends with the connection, once the answer, and tickets before it, were read.
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(request.as_bytes());
        let _ = stdin.flush();
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}

/// Arguments of the command line.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What openssl tells of a .p12 that opens under a password: ciphers, MAC and rounds.
pub(crate) fn p12_info(file: &[u8], password: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["pkcs12", "-info", "-noout", "-passin", &format!("pass:{password}")])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    child.stdin.take().unwrap().write_all(file).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    told
}
