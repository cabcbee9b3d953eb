//! nginx as a backend, in every manner that a route can name: TLS with a CA of its own and a certificate that it
//! demands of the gate, HTTP/2 with and without TLS, a Unix socket.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use portcullis::console::command::{self, Command as Act, route};
use portcullis::proxy::{Ca, Reach, Trust};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use crate::rig::text;
use crate::strangers::command;
use crate::support::browser::program;
use crate::support::desk::anna;
use crate::support::gate::{Gate, id};
use crate::support::laid_out::free_port;

const BY_CERTIFICATE: &str = r#"
[[rule]]
name  = "All"
paths = ["/**"]
who   = ["group:clients"]
need  = ["certificate"]
"#;

/// A running nginx, with its CA; it ends with this.
struct Nginx {
    child: Child,
    folder: tempfile::TempDir,
    /// HTTPS with HTTP/2; HTTPS without; h2c.
    ports: [u16; 3],
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn issued(folder: &Path, ca: &Issuer<'_, KeyPair>, name: &str) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca).unwrap();
    std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

impl Nginx {
    fn start() -> Option<Self> {
        let program = command("nginx")?;
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Backends");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(at.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        let ca = Issuer::new(params, key);
        issued(at, &ca, "app.internal");
        issued(at, &ca, "gate.internal");
        std::fs::write(at.join("page.txt"), "0123456789".repeat(1000)).unwrap();

        let ports = [free_port(), free_port(), free_port()];
        let [h2, h1, h2c] = ports;
        let folder_text = text(at);
        let tls = format!(
            "ssl_certificate {folder_text}/app.internal.crt; ssl_certificate_key {folder_text}/app.internal.key;\n\
             ssl_client_certificate {folder_text}/ca.pem; ssl_verify_client on;\n"
        );
        let mut servers = String::new();
        for (listen, more) in [
            (format!("127.0.0.1:{h2} ssl http2"), tls.as_str()),
            (format!("127.0.0.1:{h1} ssl"), tls.as_str()),
            (format!("127.0.0.1:{h2c} http2"), ""),
            (format!("unix:{folder_text}/web.sock"), ""),
        ] {
            let _ = write!(
                servers,
                "server {{ listen {listen}; {more} root {folder_text}; default_type text/plain;\n\
                 location /who {{ return 200 \"$server_protocol|$ssl_client_verify|$ssl_client_s_dn|$host|$http_x_forwarded_for\"; }}\n\
                 }}\n"
            );
        }
        let config = format!(
            "daemon off; master_process off; pid {folder_text}/pid; error_log {folder_text}/error.log;\n\
             events {{}}\nhttp {{ access_log off; client_body_temp_path {folder_text}/body;\n\
             proxy_temp_path {folder_text}/p; fastcgi_temp_path {folder_text}/f; uwsgi_temp_path {folder_text}/u;\n\
             scgi_temp_path {folder_text}/s;\n{servers}}}\n"
        );
        std::fs::write(at.join("nginx.conf"), config).unwrap();
        let log = std::fs::File::create(at.join("started.log")).unwrap();
        let child = Command::new(program)
            .args(["-c", &format!("{folder_text}/nginx.conf"), "-p", folder_text])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let nginx = Self { child, folder, ports };
        for _ in 0..500 {
            if ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
                return Some(nginx);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("nginx did not start: {}", std::fs::read_to_string(nginx.file("started.log")).unwrap());
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn reach(&self) -> Reach {
        let trust = Trust {
            hosts: vec!["127.0.0.1".to_owned()],
            ca: Ca::Pinned(self.file("ca.pem")),
            shows: Some((self.file("gate.internal.crt"), self.file("gate.internal.key"))),
            server_name: Some("app.internal".to_owned()),
        };
        Reach { tls: vec![trust], socket_folders: vec![self.folder.path().to_owned()] }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_is_reached_in_every_manner_and_sees_the_gates_certificate() {
    let Some(nginx) = Nginx::start() else { return };
    let gate = Gate::with(|plan| {
        plan.portal = BY_CERTIFICATE.to_owned();
        plan.reach = nginx.reach();
    })
    .await;
    let handed = anna(&gate).await;
    gate.settle(&handed).await;
    let client = gate.browser("bank", &handed);
    let [h2, h1, h2c] = nginx.ports;
    let socket = nginx.file("web.sock");
    for (backend, told) in [
        (format!("https://127.0.0.1:{h2}"), "HTTP/2.0|SUCCESS|CN=gate.internal|bank.localhost|127.0.0.1"),
        (format!("https://127.0.0.1:{h1}"), "HTTP/1.1|SUCCESS|CN=gate.internal|bank.localhost|127.0.0.1"),
        (format!("h2c://127.0.0.1:{h2c}"), "HTTP/2.0|||bank.localhost|127.0.0.1"),
        (format!("unix:{}", text(&socket)), "HTTP/1.1|||bank.localhost|127.0.0.1"),
    ] {
        gate.put(&portcullis::domain::route::Route::to(&id("bank"), "portal", "/", backend.clone())).await;
        for _ in 0..3 {
            let answer = client.send(program("/who")).await;
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, told), "{backend}");
        }
        let whole = client.send(program("/page.txt")).await;
        assert_eq!((whole.status.as_u16(), whole.body.len()), (200, 10_000), "{backend}");
        let mut part = program("/page.txt");
        part.headers_mut().insert("range", "bytes=9998-".parse().unwrap());
        let part = client.send(part).await;
        assert_eq!((part.status.as_u16(), part.text().as_str()), (206, "89"), "{backend}");
        assert_eq!(part.header("content-range"), "bytes 9998-9999/10000");
        let mut again = program("/page.txt");
        again.headers_mut().insert("if-none-match", whole.header("etag").parse().unwrap());
        assert_eq!(client.send(again).await.status, 304, "{backend}");
        let mut head = program("/page.txt");
        *head.method_mut() = http::Method::HEAD;
        let head = client.send(head).await;
        assert_eq!((head.status.as_u16(), head.header("content-length"), head.body.len()), (200, "10000", 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_chooses_neither_whom_the_gate_believes_nor_its_sockets() {
    let Some(nginx) = Nginx::start() else { return };
    let gate = Gate::with(|plan| plan.portal = BY_CERTIFICATE.to_owned()).await;
    let handed = anna(&gate).await;
    gate.settle(&handed).await;
    let client = gate.browser("bank", &handed);
    let tls = format!("https://127.0.0.1:{}", nginx.ports[0]);
    let socket = format!("unix:{}", text(&nginx.file("web.sock")));
    for (backend, said) in [(&tls, "[[backend_tls]]"), (&socket, "socket_folders")] {
        let set = serde_json::json!({
            "tenant": "bank", "backends": [backend], "name": "portal", "path": "/", "first_byte_seconds": 60,
        });
        let set: route::Set = serde_json::from_value(set).unwrap();
        let refused = gate.acts().run("local:1000", Act::Route(route::Command::Set(Box::new(set)))).await;
        let refused = refused.err().unwrap();
        assert_eq!(refused.kind, command::Kind::Usage);
        assert!(refused.what.contains(said), "{}", refused.what);
        // Nor is one reached that came into the store some other way.
        gate.put(&portcullis::domain::route::Route::to(&id("bank"), "portal", "/", backend.clone())).await;
        assert_eq!(client.send(program("/who")).await.status, 502, "{backend}");
    }
}
