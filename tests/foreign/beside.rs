//! nginx and Caddy beside the gate: they end TLS, ask the gate about each request and forward by themselves. They run the
//! configuration that docs/forward-auth.md prints, with a real client certificate and a backend that writes
//! down what it gets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use axum::body::Body;
use http::Request;
use portcullis::crypto::{sha256, verify_es256_fixed};
use portcullis::domain::certificate::{Certificate, CertificateState, RevocationReason};
use portcullis::front::beside::{Kind, Plan, Serves, SharedSecret};
use serde_json::Value;

use crate::strangers::command;
use crate::support::PATIENCE;
use crate::support::browser::{Browser, COOKIE, navigation, program};
use crate::support::desk::{anna, first_visit, later_visit, sam};
use crate::support::gate::{Gate, Handed};
use crate::support::laid_out::free_port;
use crate::support::raw::Raw;
use crate::support::wire::Wire;

pub(crate) const SECRET: &str = "5f1d3c0a9b7e46288c4d2f60a1b3e597";

pub(crate) const GUIDE: &str = include_str!("../../docs/forward-auth.md");

/// Another proxy beside a gate, and a backend behind it.
pub(crate) struct Rig {
    gate: Gate,
    /// Where it takes browsers in.
    address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

/// What becomes of a path before the gate is asked.
#[derive(PartialEq)]
pub(crate) enum Paths {
    AsWritten,
    Cleaned,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Rig {
    async fn with(name: &str, kind: Kind) -> Option<Self> {
        let binary = command(name)?;
        Some(
            Self::of(kind, |gate, folder, ours, theirs| match name {
                "nginx" => nginx(&binary, folder, &filled(gate, "nginx", folder, ours, theirs)),
                _ => caddy(&binary, folder, &filled(gate, "caddyfile", folder, ours, theirs)),
            })
            .await,
        )
    }

    /// With a proxy that is started in a folder, finds the gate at one port, and is found at another.
    pub(crate) async fn of(kind: Kind, start: impl FnOnce(&Gate, &Path, u16, u16) -> Child) -> Self {
        let (ours, theirs) = (free_port(), free_port());
        let gate = Gate::with(|gate| gate.other_proxies = vec![plan(kind, ours)]).await;
        let folder = tempfile::tempdir().unwrap();
        let child = start(&gate, folder.path(), ours, theirs);
        let address = SocketAddr::from(([127, 0, 0, 1], theirs));
        let rig = Self { gate, address, child, _folder: folder };
        let begun = Instant::now();
        let wire = rig.through(&rig.gate.stranger("bank")).wire;
        // Traefik listens before it has read which certificate is whose.
        while wire.tls("bank.localhost", "http/1.1").await.is_err() {
            let log = std::fs::read_to_string(rig._folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "{kind:?} does not come up: {log}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        rig
    }

    /// The same browser, led to the other proxy.
    fn through(&self, browser: &Browser) -> Browser {
        let wire = Wire { address: self.address, ..browser.wire.clone() };
        let there = Browser::new(wire, browser.host.clone());
        if let Some(cookie) = browser.cookie() {
            there.set_cookie(COOKIE, &cookie);
        }
        there
    }

    /// Nothing of this reached the backend.
    fn untouched(&self, what: &str) {
        assert_eq!(self.gate.backend.bytes(), 0, "{what}: {}", self.gate.backend.text());
    }
}

/// Where the gate hears it.
pub(crate) fn plan(kind: Kind, ours: u16) -> Plan {
    Plan {
        kind,
        listen: SocketAddr::from(([127, 0, 0, 1], ours)),
        from: vec!["127.0.0.1/32".parse().unwrap()],
        secret_file: "other-proxy.secret".into(),
        secret: SharedSecret::parse(SECRET).unwrap(),
        hosts: vec!["bank.localhost".to_owned()],
        serves: Serves::ForwardAuth,
    }
}

/// As the guide has it.
pub(crate) fn printed(language: &str) -> String {
    let (_, rest) = GUIDE.split_once(&format!("```{language}\n")).expect("a configuration in the guide");
    rest.split("\n```").next().unwrap().to_owned()
}

/// The portal's own certificate (`crt`) or its key (`key`).
pub(crate) fn door(gate: &Gate, ending: &str) -> String {
    let door = gate.config.data.join("doors/bank.localhost");
    door.with_extension(format!("localhost.{ending}")).display().to_string()
}

/// The guide's configuration with this test's addresses and files.
pub(crate) fn filled(gate: &Gate, language: &str, folder: &Path, ours: u16, theirs: u16) -> String {
    let line = match language {
        "nginx" => format!("proxy_set_header Portcullis-Secret {SECRET};\n"),
        _ => format!("header_up Portcullis-Secret {SECRET}\n"),
    };
    let secret = folder.join("secret").display().to_string();
    std::fs::write(&secret, line).unwrap();
    let file = |ending| door(gate, ending);
    let mut text = printed(language);
    for (from, to) in [
        ("127.0.0.1:9180", format!("127.0.0.1:{ours}")),
        // The tests' backend tries to set the gate's cookie, from which nobody keeps it here: the guide says so.
        ("http://127.0.0.1:9000;", "http://127.0.0.1:9000;\nproxy_hide_header Set-Cookie;".to_owned()),
        ("127.0.0.1:9000 {", "127.0.0.1:9000 {\nheader_down -Set-Cookie".to_owned()),
        ("127.0.0.1:9000", gate.backend.address.to_string()),
        ("listen 443 ssl", format!("listen 127.0.0.1:{theirs} ssl")),
        ("portal.example.com {", format!("https://bank.localhost:{theirs} {{\n\tbind 127.0.0.1")),
        ("portal.example.com", "bank.localhost".to_owned()),
        ("/etc/nginx/portal.crt", file("crt")),
        ("/etc/nginx/portal.key", file("key")),
        ("/etc/caddy/portal.crt", file("crt")),
        ("/etc/caddy/portal.key", file("key")),
        ("/etc/nginx/portcullis-secret.conf", secret.clone()),
        ("/etc/caddy/portcullis-secret", secret),
    ] {
        text = text.replace(from, &to);
    }
    text
}

pub(crate) fn nginx(binary: &Path, folder: &Path, server: &str) -> Child {
    let at = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .collect();
    let whole = format!(
        "daemon off;\npid {at}/pid;\nerror_log {at}/log;\nworker_processes 1;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{server}\n}}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, whole).unwrap();
    started(Command::new(binary).arg("-c").arg(file).arg("-p").arg(folder), folder)
}

fn caddy(binary: &Path, folder: &Path, site: &str) -> Child {
    let file = folder.join("Caddyfile");
    let global = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n";
    std::fs::write(&file, format!("{global}{site}\n")).unwrap();
    let mut command = Command::new(binary);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    started(command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder), folder)
}

pub(crate) fn started(command: &mut Command, folder: &Path) -> Child {
    let log = |name: &str| std::fs::File::create(PathBuf::from(folder).join(name)).unwrap();
    command.stdin(Stdio::null()).stdout(log("out")).stderr(log("log")).spawn().unwrap()
}

/// The claims of an assertion, verified by the gate's keys, that names this device.
fn verified(gate: &Gate, handed: &Handed, jwt: &str) -> Value {
    let decode = |part: &str| data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
    let parts: Vec<&str> = jwt.split('.').collect();
    let key = &gate.started().jwks["keys"][0];
    let coordinate = |name: &str| decode(key[name].as_str().unwrap());
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let signed = format!("{}.{}", parts[0], parts[1]);
    verify_es256_fixed(&point, signed.as_bytes(), &decode(parts[2])).unwrap();
    let claims: Value = serde_json::from_slice(&decode(parts[1])).unwrap();
    let leaf = sha256(&handed.identity.chain[0]);
    assert_eq!(claims["cnf"]["x5t#S256"], data_encoding::BASE64URL_NOPAD.encode(&leaf));
    claims
}

/// H-07, H-09, H-10: what a client says under the proxy's names, and paths with two meanings, meet the real one.
#[tokio::test(flavor = "multi_thread")]
async fn nginx_asks_and_the_backend_knows_who_calls() {
    if let Some(rig) = Rig::with("nginx", Kind::Nginx).await {
        all_of_it(rig, Paths::AsWritten).await;
    }
}

/// H-07, H-09, H-10: the same.
#[tokio::test(flavor = "multi_thread")]
async fn caddy_asks_and_the_backend_knows_who_calls() {
    if let Some(rig) = Rig::with("caddy", Kind::Rfc9440).await {
        all_of_it(rig, Paths::AsWritten).await;
    }
}

pub(crate) async fn all_of_it(rig: Rig, paths: Paths) {
    let gate = &rig.gate;
    let agent = sam(gate).await;
    let laptop = anna(gate).await;

    // Nobody: our page, and a program is told in its own way.
    let nobody = rig.through(&gate.stranger("bank"));
    let answer = nobody.send(navigation("/accounts")).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("+41 44 555 01 77"), "{}", answer.text());
    let answer = nobody.send(program("/accounts")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (403, "application/problem+json"));
    let answer = nobody.send(Request::post("/transfer").body(Body::from("all of it")).unwrap()).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    rig.untouched("without a certificate");

    // A first visit and a later one, all of it through the other proxy.
    let (_, phone) = first_visit(gate, &agent, &laptop).await;
    gate.backend.forget();
    let client = rig.through(&gate.browser("bank", &laptop));
    let answer = client.send(navigation("/accounts?of=anna")).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(answer.header("location"), format!("{}/.portcullis/sign-in/", client.origin()));
    assert!(client.cookie().is_some(), "signing in has begun");
    let answer = client.send(program("/accounts")).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    rig.untouched("before the sign-in");
    let page = later_visit(&client, &phone, "/accounts?of=anna").await;
    page.must_say("the bank's own page at /accounts");
    assert!(gate.backend.text().contains("GET /accounts?of=anna HTTP/1.1"), "{}", gate.backend.text());

    // Who calls, verified; nothing that the client wrote under those names; not the gate's cookie.
    gate.backend.forget();
    client.set_cookie("theme", "dark");
    let mut request = navigation("/spoofed");
    for (name, value) in [
        ("portcullis-assertion", "e30.e30.e30"),
        ("portcullis-confirmation", "e30.e30.e30"),
        ("client-cert", ":AAAA:"),
        ("x-request-id", "forged"),
        ("x-forwarded-for", "198.51.100.9"),
        ("x-forwarded-uri", "/harmless"),
        ("x-forwarded-host", "other.localhost"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-original-url", "https://bank.localhost/harmless"),
        ("x-original-method", "OPTIONS"),
        ("portcullis-secret", "guessed"),
    ] {
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let answer = client.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let heard = gate.backend.text();
    let lines = |name: &str| {
        let start = format!("{name}: ");
        heard.lines().filter(|line| line.to_ascii_lowercase().starts_with(&start)).count()
    };
    assert_eq!(
        (lines("portcullis-assertion"), lines("client-cert"), lines("x-request-id")),
        (1, 1, 1),
        "{heard}"
    );
    let claims = verified(gate, &laptop, &gate.backend.header("portcullis-assertion").unwrap());
    assert_eq!((&claims["sub"], &claims["aud"]), (&"anna".into(), &"bank/portal".into()));
    assert_eq!(claims["iss"], client.origin());
    let leaf = data_encoding::BASE64.encode(&laptop.identity.chain[0]);
    assert_eq!(gate.backend.header("client-cert"), Some(format!(":{leaf}:")));
    assert_eq!(gate.backend.header("portcullis-confirmation").unwrap_or_default(), "");
    assert!(!heard.contains("e30.e30.e30") && !heard.contains("forged"), "{heard}");
    assert!(!heard.contains(SECRET), "{heard}");
    assert!(!heard.contains(COOKIE) && heard.contains("theme=dark"), "{heard}");

    // A thief of the cookie, without its certificate or with a certificate that is only claimed, is nobody.
    let thief = rig.through(&gate.stranger("bank"));
    gate.backend.forget();
    let mut request = navigation("/accounts");
    request.headers_mut().insert("client-cert", format!(":{leaf}:").parse().unwrap());
    let answer = thief.send(request).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    for page in ["/.portcullis/settings/", "/.portcullis/sign-in/"] {
        let mut request = navigation(page);
        request.headers_mut().insert("client-cert", format!(":{leaf}:").parse().unwrap());
        assert_eq!(thief.send(request).await.status, 403, "{page}");
    }

    // Paths that can be read in two ways reach nobody, or were cleaned before the gate was asked. What asks is no page
    // for browsers.
    let raw = Raw::new(&client.wire, "bank.localhost", &["http/1.1"]);
    for (path, cleaned) in [
        ("//accounts", "/accounts"),
        ("/a/./b", "/a/b"),
        ("/a/%2e%2e/accounts", "/accounts"),
        ("/a/../b", "/b"),
        ("/a%2fb", ""),
        ("/accounts;x", ""),
        ("/a%00b", ""),
    ] {
        let cookie = client.cookie().unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {COOKIE}={cookie}\r\nConnection: close\r\n\r\n",
            client.host
        );
        let heard = String::from_utf8_lossy(&raw.exchange(head.as_bytes()).await.bytes).into_owned();
        if paths == Paths::Cleaned && !cleaned.is_empty() {
            assert!(heard.starts_with("HTTP/1.1 200 "), "{path}: {heard}");
            let line = format!("GET {cleaned} HTTP/1.1\r\n");
            assert!(gate.backend.text().starts_with(&line), "{path}: {}", gate.backend.text());
            gate.backend.forget();
            continue;
        }
        assert!(heard.starts_with("HTTP/1.1 400 "), "{path}: {heard}");
    }
    rig.untouched("paths with two meanings");
    for path in ["/.portcullis/../forward-auth", "/.portcullis/forward-auth", "/gate-ask"] {
        let answer = client.send(navigation(path)).await;
        assert!(answer.headers.get("portcullis-assertion").is_none(), "{path}");
    }
    gate.backend.forget();

    // Switched off: the very next request is refused, on the connection that is open.
    let mut open = client.wire.h1("bank.localhost").await;
    let ask = || {
        let mut request = navigation("/accounts");
        client.dress(&mut request);
        request
    };
    let answer = crate::support::wire::whole(open.send_request(ask()).await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    gate.backend.forget();
    let mut certificate =
        gate.all::<Certificate>().await.into_iter().find(|one| one.serial == laptop.serial).unwrap();
    let (at, reason) = (gate.world.now(), RevocationReason::KeyCompromise);
    certificate.state = CertificateState::Revoked { at, reason };
    gate.put(&certificate).await;
    open.ready().await.unwrap();
    let answer = crate::support::wire::whole(open.send_request(ask()).await.unwrap()).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    rig.untouched("after the certificate was switched off");
}
