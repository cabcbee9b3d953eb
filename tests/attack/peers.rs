//! nginx and HAProxy as backends: each reads what the gate sends it in its own way, writes down what it read,
//! and sends it on to the strict backend. Knows no attack.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::installed::command;
use crate::support::ports::free_ports;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    Nginx,
    Haproxy,
}

/// A running one; it ends with this.
pub(crate) struct Peer {
    child: Child,
    folder: tempfile::TempDir,
    /// Where it takes HTTP/1.1 and HTTP/2 in.
    pub(crate) urls: [String; 2],
}

/// What it read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) method: String,
    /// Raw.
    pub(crate) target: String,
    /// The path once it is decoded and its dots are followed.
    pub(crate) path: String,
    pub(crate) host: String,
    /// What it answered; less than nothing where nobody asked.
    pub(crate) status: i64,
    /// Where it tells.
    pub(crate) body: Option<String>,
    /// All that came, where it tells.
    bytes: Option<u64>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    /// Before a backend at this address; says so where it is not installed.
    pub(crate) fn before(make: Make, backend: &str) -> Option<Self> {
        let program = command(if make == Make::Nginx { "nginx" } else { "haproxy" })?;
        let folder = tempfile::tempdir().unwrap();
        let (at, first) = (folder.path(), free_ports());
        let ports = [first, first + 1];
        let text = match make {
            Make::Nginx => nginx(at, ports, backend),
            Make::Haproxy => haproxy(ports, backend),
        };
        let (file, at) = (at.join("its.conf"), at.to_str().unwrap());
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let arguments = match make {
            Make::Nginx => vec!["-c", file, "-p", at],
            Make::Haproxy => vec!["-db", "-f", file],
        };
        let log = |name: &str| File::create(folder.path().join(name)).unwrap();
        let mut starting = Command::new(program);
        starting.args(arguments).stdin(Stdio::null()).stderr(log("said.log"));
        starting.stdout(if make == Make::Haproxy { Stdio::from(log("read.log")) } else { Stdio::null() });
        let child = starting.spawn().unwrap();
        let peer = Self {
            child,
            urls: [format!("http://127.0.0.1:{first}"), format!("h2c://127.0.0.1:{}", first + 1)],
            folder,
        };
        let begun = Instant::now();
        while !ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
            let said = std::fs::read_to_string(peer.folder.path().join("said.log")).unwrap();
            assert!(begun.elapsed() < PATIENCE, "{make:?} does not come up: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(peer)
    }

    /// Whatever it took for a request, in the order in which it was done with them.
    pub(crate) fn read(&self) -> Vec<Read> {
        let log = std::fs::read(self.folder.path().join("read.log")).unwrap();
        // Of a request that the gate gives up before a word is written, a connection is left that says nothing.
        String::from_utf8_lossy(&log).lines().map(line).filter(|read| read.bytes != Some(0)).collect()
    }

    /// What nginx says of requests that it cannot read. It knows no methods in small letters.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = std::fs::read(self.folder.path().join("error.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let said = log.lines().filter(|line| line.contains("client sent"));
        said.filter(|line| !line.contains("client sent invalid method")).map(str::to_owned).collect()
    }
}

fn line(line: &str) -> Read {
    let told: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    Read {
        method: text("method"),
        target: text("target"),
        path: text("path"),
        host: text("host"),
        status: told["status"].as_i64().unwrap(),
        body: told["body"].as_str().map(str::to_owned),
        bytes: told["bytes"].as_u64(),
    }
}

fn nginx(at: &Path, ports: [u16; 2], backend: &str) -> String {
    let [h1, h2] = ports;
    let at = at.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .concat();
    format!(
        r#"
daemon off; master_process off; pid {at}/pid; error_log {at}/error.log info;
events {{ worker_connections 2000; }}
http {{
{temporary}
log_format read escape=json '{{"method":"$request_method","target":"$request_uri","path":"$uri","host":"$http_host","status":$status,"body":"$request_body"}}';
access_log {at}/read.log read;
client_body_buffer_size 256k; client_max_body_size 0; large_client_header_buffers 8 64k;
server {{
listen 127.0.0.1:{h1}; listen 127.0.0.1:{h2} http2;
location / {{ proxy_pass {backend}; proxy_http_version 1.1; proxy_set_header Host $http_host; }}
}}
}}
"#
    )
}

fn haproxy(ports: [u16; 2], backend: &str) -> String {
    let [h1, h2] = ports;
    let backend = backend.strip_prefix("http://").unwrap();
    format!(
        r#"
global
  log stdout format raw local0
  expose-experimental-directives
defaults
  mode http
  log global
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend gate
  bind 127.0.0.1:{h1}
  bind 127.0.0.1:{h2} proto h2
  http-request set-var(txn.target) pathq
  http-request set-var(txn.host) hdr(host)
  http-request normalize-uri percent-decode-unreserved
  http-request normalize-uri path-strip-dot
  http-request normalize-uri path-strip-dotdot full
  http-request normalize-uri path-merge-slashes
  http-request set-var(txn.path) path,url_dec
  http-request set-pathq %[var(txn.target)]
  log-format '{{"method":"%[capture.req.method,json(utf8s)]","target":"%[var(txn.target),json(utf8s)]","path":"%[var(txn.path),json(utf8s)]","host":"%[var(txn.host),json(utf8s)]","status":%ST,"bytes":%U}}'
  default_backend strict
backend strict
  server strict {backend}
"#
    )
}
