//! nginx and HAProxy set up for the same work: mutual TLS with a certificate demanded, one core, no
//! resumption, no access log, the same backend over kept connections, the client's name in headers.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};

use crate::shared::Failure;
use crate::shared::house::{bound, end, nginx, until_it_listens};
use crate::support::ports;

/// One of the others.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    kind: Kind,
    folder: tempfile::TempDir,
    text: String,
    child: Option<Child>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nginx,
    Haproxy,
}

/// Files that both read, PEM.
pub(crate) struct Files<'a> {
    /// The door's certificate and its chain, and its key: the gate's very own.
    pub(crate) door: &'a str,
    pub(crate) key: &'a str,
    /// What client certificates are checked against.
    pub(crate) client_cas: &'a str,
    pub(crate) backend: SocketAddr,
}

impl Peer {
    pub(crate) fn nginx(files: &Files<'_>) -> Result<Self, Failure> {
        let (folder, address) = place(files)?;
        let text = format!(
            "user root; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_timeout 3600s; keepalive_requests 1000000000;
  upstream bank {{
    server {backend}; keepalive 64; keepalive_requests 1000000000; keepalive_timeout 60s;
  }}
  server {{
    listen {address} ssl http2;
    server_name bank.localhost;
    ssl_certificate {dir}/door.crt; ssl_certificate_key {dir}/door.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off; ssl_session_tickets off;
    ssl_client_certificate {dir}/clients.crt; ssl_verify_client on; ssl_verify_depth 2;
    location / {{
      proxy_pass http://bank;
      proxy_http_version 1.1;
      proxy_max_temp_file_size 0;
      proxy_set_header Connection \"\";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Client-Subject $ssl_client_s_dn;
      proxy_set_header X-Client-Fingerprint $ssl_client_fingerprint;
    }}
  }}
}}
",
            dir = folder.path().display(),
            backend = files.backend,
        );
        Ok(Self { address, kind: Kind::Nginx, folder, text, child: None })
    }

    pub(crate) fn haproxy(files: &Files<'_>) -> Result<Self, Failure> {
        let (folder, address) = place(files)?;
        let text = format!(
            "global
  nbthread 1
  maxconn 8000
  tune.ssl.cachesize 0
  ssl-default-bind-options no-tls-tickets prefer-client-ciphers ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 3s
  timeout client 3600s
  timeout server 60s
  timeout http-keep-alive 3600s
  timeout http-request 10s
  http-reuse always
frontend doors
  bind {address} ssl crt {dir}/door.pem ca-file {dir}/clients.crt verify required alpn h2,http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Client-Subject %{{+Q}}[ssl_c_s_dn]
  http-request set-header X-Client-Fingerprint %[ssl_c_sha1,hex]
  default_backend bank
backend bank
  server one {backend}
",
            dir = folder.path().display(),
            backend = files.backend,
        );
        Ok(Self { address, kind: Kind::Haproxy, folder, text, child: None })
    }

    pub(crate) fn start(&mut self, core: usize) -> Result<(), Failure> {
        let folder = self.folder.path();
        self.child = Some(match self.kind {
            Kind::Nginx => nginx(folder, &self.text, Some(core))?,
            Kind::Haproxy => {
                let file = folder.join("haproxy.cfg");
                std::fs::write(&file, &self.text)?;
                bound(&format!("haproxy -q -db -f {}", file.display()), Some(core))?
            }
        });
        until_it_listens(self.address)
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            end(&mut child);
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Name and version, as the program itself says.
    pub(crate) fn version(&self) -> String {
        let (program, flag) = if self.kind == Kind::Nginx { ("nginx", "-v") } else { ("haproxy", "-v") };
        let said = Command::new(program).arg(flag).output();
        let said = said.map(|out| [out.stdout, out.stderr].concat()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        let number = said.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        let number = number.map(|part| part.trim_matches('.')).find(|part| part.contains('.'));
        let name = if self.kind == Kind::Nginx { "nginx" } else { "HAProxy" };
        format!("{name} {}", number.unwrap_or_default())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn place(files: &Files<'_>) -> Result<(tempfile::TempDir, SocketAddr), Failure> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| std::fs::write(Path::new(folder.path()).join(name), text);
    write("door.crt", files.door)?;
    write("door.key", files.key)?;
    write("door.pem", &format!("{}\n{}", files.door, files.key))?;
    write("clients.crt", files.client_cas)?;
    Ok((folder, SocketAddr::from(([127, 0, 0, 1], ports::free_ports()))))
}
