//! The phone is woken by a real Firefox too: by a push service of the test's own, which speaks with the browser over its
//! WebSocket and takes what the gate posts, once its signature (VAPID) is right.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::TcpStream as Plain;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use data_encoding::BASE64URL_NOPAD;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portcullis::crypto::verify_es256_fixed;
use portcullis::world::World;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::device::{Device, run};
use crate::ports::free_ports;
use crate::push::demo_with;
use crate::push_service::{acceptor, certificates};
use crate::skipped::skipped;
use crate::walk;

/// Channels by id: the key that they are good for, and the browser that they lead to.
type Channels = Arc<Mutex<HashMap<String, (Option<String>, mpsc::UnboundedSender<Value>)>>>;

/// The service at `wss://localhost:PORT/`, its endpoints below `https://localhost:PORT/wpush/`.
struct PushService {
    port: u16,
    folder: tempfile::TempDir,
    /// What was posted: the status that it was answered with, and its length.
    posted: Arc<Mutex<Vec<(StatusCode, usize)>>>,
}

impl PushService {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        certificates(folder.path(), &["localhost"]);
        let acceptor = acceptor(folder.path());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (channels, posted) = (Channels::default(), Arc::<Mutex<Vec<_>>>::default());
        let writing = Arc::clone(&posted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, channels, posted) =
                    (acceptor.clone(), Arc::clone(&channels), Arc::clone(&writing));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let answer = service_fn(|request| answer(request, port, Arc::clone(&channels), &posted));
                    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                    let _ = connection.with_upgrades().await;
                });
            }
        });
        Self { port, folder, posted }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

async fn answer(
    request: Request<Incoming>,
    port: u16,
    channels: Channels,
    posted: &Mutex<Vec<(StatusCode, usize)>>,
) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Body::empty());
    if let Some(key) = request.headers().get("sec-websocket-key") {
        let accept = derive_accept_key(key.as_bytes());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, "upgrade".parse().expect("a header"));
        headers.insert(header::UPGRADE, "websocket".parse().expect("a header"));
        headers.insert("sec-websocket-accept", accept.parse().expect("a header"));
        if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
            headers.insert("sec-websocket-protocol", protocol.clone());
        }
        tokio::spawn(async move {
            let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            speak(socket, port, channels).await;
        });
        return Ok(response);
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|it| it.to_bytes()).unwrap_or_default();
    let id = parts.uri.path().trim_start_matches("/wpush/").to_owned();
    let channel = channels.lock().expect("not broken").get(&id).cloned();
    *response.status_mut() = match channel {
        None => StatusCode::NOT_FOUND,
        Some((key, _)) if !signed(&parts.headers, key.as_deref(), port) => StatusCode::UNAUTHORIZED,
        Some((_, browser)) => {
            let version = BASE64URL_NOPAD.encode(&World::real().bytes::<12>());
            let _ = browser.send(json!({
                "messageType": "notification",
                "channelID": id,
                "version": version,
                "data": BASE64URL_NOPAD.encode(&body),
                "headers": { "encoding": parts.headers["content-encoding"].to_str().expect("text") },
            }));
            StatusCode::CREATED
        }
    };
    posted.lock().expect("not broken").push((response.status(), body.len()));
    Ok(response)
}

/// RFC 8292: the token is signed by the key that the channel was made for, for this service, and not over.
fn signed(headers: &http::HeaderMap, key: Option<&str>, port: u16) -> bool {
    let read = || {
        let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (token, shown) = header.strip_prefix("vapid t=")?.split_once(", k=")?;
        let (text, signature) = token.rsplit_once('.')?;
        let raw = |text: &str| BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok();
        let shown = raw(shown)?;
        verify_es256_fixed(&shown, text.as_bytes(), &raw(signature)?).ok()?;
        let claims: Value = serde_json::from_slice(&raw(text.split_once('.')?.1)?).ok()?;
        let mine = key.is_none_or(|key| raw(key).as_ref() == Some(&shown));
        let here = claims["aud"] == json!(format!("https://localhost:{port}"));
        Some(mine && here && claims["exp"].as_i64()? > World::real().now().secs())
    };
    read().unwrap_or(false)
}

/// As Firefox's push service speaks with one browser.
async fn speak<S>(mut socket: WebSocketStream<S>, port: u16, channels: Channels)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (out, mut told) = mpsc::unbounded_channel::<Value>();
    loop {
        let say = tokio::select! {
            Some(say) = told.recv() => say,
            heard = socket.next() => {
                let Some(Ok(heard)) = heard else { return };
                let Message::Text(text) = heard else { continue };
                let heard: Value = serde_json::from_str(&text).unwrap_or_default();
                let id = heard["channelID"].as_str().unwrap_or_default().to_owned();
                match heard["messageType"].as_str() {
                    Some("hello") => json!({
                        "messageType": "hello", "uaid": "0123456789abcdef0123456789abcdef", "status": 200,
                        "use_webpush": true, "broadcasts": {},
                    }),
                    Some("register") => {
                        let key = heard["key"].as_str().map(str::to_owned);
                        channels.lock().expect("not broken").insert(id.clone(), (key, out.clone()));
                        json!({
                            "messageType": "register", "channelID": id, "status": 200,
                            "pushEndpoint": format!("https://localhost:{port}/wpush/{id}"),
                        })
                    }
                    Some("unregister") => {
                        channels.lock().expect("not broken").remove(&id);
                        json!({ "messageType": "unregister", "channelID": id, "status": 200 })
                    }
                    // A ping is an empty object; acknowledgements want no answer.
                    None => json!({}),
                    Some(_) => continue,
                }
            }
        };
        if socket.send(Message::text(say.to_string())).await.is_err() {
            return;
        }
    }
}

/// Where geckodriver lies, if anywhere: `tests/run` builds it.
fn geckodriver() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/geckodriver");
    let runs = |program: &Path| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    [built, PathBuf::from("geckodriver")].into_iter().find(|program| runs(program))
}

/// A phone with Firefox on it, which trusts these roots and goes to this push service.
async fn firefox(driver: &Path, roots: &[&Path], push_port: u16) -> Device {
    let home = tempfile::tempdir().expect("a folder");
    let profile = home.path().join("profile");
    std::fs::create_dir_all(&profile).expect("a folder");
    let db = format!("sql:{}", profile.display());
    run("certutil", &["-d", &db, "-N", "--empty-password"]);
    for (at, root) in roots.iter().enumerate() {
        run(
            "certutil",
            &[
                "-d",
                &db,
                "-A",
                "-t",
                "C,,",
                "-n",
                &format!("root-{at}"),
                "-i",
                root.to_str().expect("a path"),
            ],
        );
    }
    let port = free_ports();
    let process = Command::new(driver)
        .args(["--port", &port.to_string(), "--websocket-port", &(port + 1).to_string()])
        .env("HOME", home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("geckodriver starts");
    let options = json!({
        "args": ["-headless", "-profile", profile],
        "prefs": {
            "dom.push.serverURL": format!("wss://localhost:{push_port}/"),
            "dom.push.connection.enabled": true,
            "dom.push.testing.ignorePermission": false,
            "permissions.default.desktop-notification": 1,
            "alerts.useSystemBackend": false,
            "security.webauth.webauthn_enable_softtoken": true,
            "security.webauth.webauthn_enable_usbtoken": false,
        },
    });
    let wishes = json!({ "browserName": "firefox", "moz:firefoxOptions": options });
    let wishes = wishes.as_object().expect("an object").clone();
    let device = Device::driven(port, wishes.into(), process, home).await;
    device.resize(412, 839).await;
    authenticator(port, &device).await;
    device
}

/// A platform authenticator that verifies its user, by geckodriver's own call for it.
async fn authenticator(port: u16, device: &Device) {
    let session = device.driver.session_id().to_string();
    let body = json!({
        "protocol": "ctap2_1", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
        "isUserConsenting": true, "isUserVerified": true,
    })
    .to_string();
    let mut stream = Plain::connect(("127.0.0.1", port)).expect("geckodriver listens");
    let request = format!(
        "POST /session/{session}/webauthn/authenticator HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firefox_is_woken_too() {
    let Some(driver) = geckodriver() else {
        return skipped("push in Firefox: there is no geckodriver (cargo install --locked geckodriver)");
    };
    let service = PushService::start().await;
    let demo = demo_with(&format!("private_services = true\nca_file = {:?}\n", service.root()));
    let client = walk::client(&demo, "client.p12").await;
    let agent = walk::sign_in_agent(&demo).await;
    walk::call_support(&client, &agent, &demo, false).await;

    // Paired by the link, since this phone has no camera.
    client.sees("Point your phone’s camera at this square").await;
    let link = client.script("return document.querySelector('#link').href").await;
    let phone = firefox(&driver, &[&demo.root(), &service.root()], service.port).await;
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("Scan the square").await;
    // Firefox's virtual authenticator verifies its user and yet is none of the platform's.
    phone
        .script(
            "const make = navigator.credentials.create.bind(navigator.credentials);
            navigator.credentials.create = (wish) => {
                delete wish.publicKey.authenticatorSelection.authenticatorAttachment;
                return make(wish);
            };",
        )
        .await;
    phone.click("summary").await;
    phone.type_into("input#link", link.as_str().expect("a link")).await;
    phone.press("Go on with the link").await;
    phone.sees("Are you Anna Muster?").await;
    phone.press("Yes, go on").await;
    phone.sees("Does your computer show").await;
    client.press("Yes, the same words").await;
    phone.sees("This phone is paired").await;
    phone.press("Done").await;
    phone.sees("This phone rings when you sign in").await;
    client.type_into("#password", walk::PASSWORD).await;
    client.press("Save the password").await;
    walk::put_away(&client, false).await;
    client.sees("Good day, Anna Muster").await;

    // The app is closed, and the phone rings: sealed by the gate, opened by Firefox.
    phone.open(&demo.url("phone", "/vendor/jsqr.LICENSE")).await;
    walk::asks_for_phone(&demo, &client).await;
    let begun = Instant::now();
    while crate::push::rung(&phone).await.is_empty() {
        let posted = service.posted.lock().expect("not broken").clone();
        assert!(begun.elapsed() < Duration::from_secs(20), "the phone was not woken; posted: {posted:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let shown = crate::push::rung(&phone).await;
    assert_eq!(shown[0]["title"], "Bank Muster & Cie asks for your answer");
    assert_eq!(service.posted.lock().expect("not broken")[0].0, StatusCode::CREATED);
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("Type the six digits").await;
    // Signing is Chromium's test: this authenticator forgets its key with the page that made it.
    for device in [client, agent, phone] {
        device.close().await;
    }
}
