//! The proxy between a real client socket and a real backend socket. The oracle is always
//! what the backend received, byte for byte.

mod checks;
mod faults;
mod grpc;
mod identity;
mod interim;
mod links;
mod node;
mod peer;
mod peers;
mod pressure;
mod several;
mod spoofing;
mod streaming;
mod total;
mod tunnel;
mod why;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Destination, Memory, Origin, Proxy, Reach, Settings};
use crate::auth::evidence::{CertificateEvidence, Evidence, ProvedCertificate, ProvedSession};
use crate::crypto::{self, Signer};
use crate::domain::certificate::{Certificate, CertificateState};
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::{Person, Role, Standing};
use crate::domain::route::Route;
use crate::domain::session::Session;
use crate::domain::{DeviceId, Fault, IssuerId, PersonId, Reason, TenantId, Time};
use crate::policy::Permit;
use crate::world::{HeldClock, SystemEntropy, World};

pub(crate) const HOST: &str = "bank.localhost:8443";
pub(crate) const NOW: Time = Time(1_795_292_244_000);
pub(crate) const DER: &[u8] = b"not really a certificate, but bytes";

/// A gate with one route, open to its one client.
pub(crate) struct Gate {
    pub(crate) proxy: Proxy,
    pub(crate) route: Route,
    pub(crate) clock: Arc<HeldClock>,
    pub(crate) cancel: CancellationToken,
    /// What was last told of a backend that gave no answer; taken out of the reason, so that this can be compared.
    pub(super) fault: Mutex<Fault>,
}

fn fault(reason: &mut Reason) -> Option<&mut Fault> {
    match reason {
        Reason::BackendDown(fault) | Reason::BackendSlow(fault) | Reason::BackendBroken(fault) => Some(fault),
        _ => None,
    }
}

pub(super) fn down() -> Reason {
    Reason::BackendDown(Box::default())
}

pub(super) fn slow() -> Reason {
    Reason::BackendSlow(Box::default())
}

pub(super) fn broken() -> Reason {
    Reason::BackendBroken(Box::default())
}

impl Gate {
    pub(crate) fn before(backend: SocketAddr) -> Self {
        Self::with(backend, Settings::default())
    }

    pub(crate) fn with(backend: SocketAddr, settings: Settings) -> Self {
        Self::reaching(&format!("http://{backend}"), settings, Reach::default())
    }

    pub(super) fn reaching(backend: &str, settings: Settings, reach: Reach) -> Self {
        let clock = Arc::new(HeldClock::at(NOW));
        let world = World { clock: clock.clone(), entropy: Arc::new(SystemEntropy) };
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        let mut route = Route::to(&bank(), "portal", "/", backend);
        route.client_cert = true;
        route.first_byte_ms_max = 0;
        let proxy = Proxy::reaching(world, signer, settings, reach).unwrap();
        Self { proxy, route, clock, cancel: CancellationToken::new(), fault: Mutex::default() }
    }

    pub(super) fn permit(&self) -> Permit {
        Permit::for_tests(&evidence(), &self.cancel)
    }

    pub(crate) async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, Reason> {
        self.forward_by(self.permit(), request).await
    }

    pub(super) async fn forward_by(
        &self,
        permit: Permit,
        request: Request<Body>,
    ) -> Result<Response<Body>, Reason> {
        let route = self.proxy.prepare(&Arc::new(self.route.clone()));
        self.forward_to(&route, permit, request).await
    }

    pub(super) async fn forward_to(
        &self,
        route: &Destination,
        permit: Permit,
        request: Request<Body>,
    ) -> Result<Response<Body>, Reason> {
        let address = Ipv4Addr::new(192, 0, 2, 7).into();
        let origin = Origin { host: HOST, address, request_id: "4711", memory: &Memory::default() };
        self.proxy.forward(permit, route, origin, Box::new(request)).await.map_err(|mut reason| {
            if let Some(fault) = fault(&mut reason) {
                *self.fault.lock().unwrap() = std::mem::take(fault);
            }
            reason
        })
    }

    /// Listens as the front does, without TLS.
    pub(crate) async fn listen(self: &Arc<Self>, h2: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let gate = Arc::clone(&gate);
                        async move { Ok::<_, std::convert::Infallible>(gate.serve(request).await) }
                    });
                    let io = TokioIo::new(stream);
                    if h2 {
                        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .serve_connection(io, service)
                            .await;
                    } else {
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(io, service)
                            .with_upgrades()
                            .await;
                    }
                });
            }
        });
        address
    }

    async fn serve(&self, request: Request<Incoming>) -> Response<Body> {
        match self.forward(request.map(Body::new)).await {
            Ok(response) => response,
            Err(reason) => {
                let status = match reason {
                    Reason::BadRequest(_) => StatusCode::BAD_REQUEST,
                    Reason::CrossSite | Reason::PolicyDenied { .. } => StatusCode::FORBIDDEN,
                    Reason::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
                    Reason::BackendSlow(_) => StatusCode::GATEWAY_TIMEOUT,
                    Reason::BackendDown(_) | Reason::BackendBroken(_) => StatusCode::BAD_GATEWAY,
                    Reason::BackendBusy(_) | Reason::Maintenance { .. } => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                Response::builder().status(status).body(Body::from(format!("{reason:?}"))).unwrap()
            }
        }
    }
}

pub(super) fn bank() -> TenantId {
    TenantId::parse("bank").unwrap()
}

pub(super) fn evidence() -> Evidence {
    let person = PersonId::parse("anna").unwrap();
    let device = DeviceId::parse("laptop-1").unwrap();
    let fingerprint = crypto::sha256(DER);
    let certificate = Certificate {
        serial: "7f".to_owned(),
        tenant: bank(),
        person: person.clone(),
        device: device.clone(),
        issuer: IssuerId::parse("devices").unwrap(),
        profile: "device".to_owned(),
        der: DER.to_vec(),
        fingerprint,
        not_before: Time(0),
        not_after: Time(i64::MAX),
        state: CertificateState::Active,
        issued_by: "gate".to_owned(),
    };
    let session = Session {
        token: [7; 32],
        tenant: bank(),
        person: person.clone(),
        device: device.clone(),
        serial: "7f".to_owned(),
        fingerprint,
        password: Some(Time(NOW.0 - 9_000)),
        phone: Some(Time(NOW.0 - 5_000)),
        created: Time(0),
        last_seen: NOW,
        idle_secs: 300,
        absolute_end: Time(i64::MAX),
        return_to: None,
    };
    let device = Device {
        tenant: bank(),
        person: person.clone(),
        id: device,
        name: "laptop".to_owned(),
        state: DeviceState::Active,
        issued_by: "gate".to_owned(),
        delivered_by: None,
        released_by: None,
        created: Time(0),
    };
    let person = Person {
        tenant: bank(),
        id: person,
        name: "Anna Müster \"}".to_owned(),
        emails: vec![],
        telephone: None,
        standing: Standing::Active,
        groups: ["clients".to_owned()].into(),
        roles: [Role::Support].into(),
        created: Time(0),
    };
    let proved = ProvedCertificate::for_tests(Arc::new(certificate), Arc::new(device), Arc::new(person));
    Evidence::gather(
        CertificateEvidence::Proved(proved),
        Some(ProvedSession::for_tests(Arc::new(session))),
        Ipv4Addr::LOCALHOST.into(),
    )
}

/// A backend that writes down every byte it gets.
#[derive(Clone)]
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    pub(super) received: Arc<Mutex<Vec<u8>>>,
    pub(super) connections: Arc<AtomicUsize>,
}

/// What a backend does once it has read a whole request.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// Waits for the next one.
    Stay,
    /// Closes.
    Close,
    /// Resets.
    Reset,
    /// Keeps writing down what comes, answering no more.
    Listen,
}

impl Backend {
    /// Answers each request with `answer`.
    pub(super) async fn answering(answer: &'static [u8], then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            connections: Arc::default(),
        };
        let backend = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                backend.connections.fetch_add(1, Ordering::SeqCst);
                let backend = backend.clone();
                tokio::spawn(async move { backend.talk(stream, answer, then).await });
            }
        });
        this
    }

    async fn talk(&self, mut stream: TcpStream, answer: &[u8], then: Then) {
        let mut pending = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let Ok(n @ 1..) = stream.read(&mut buffer).await else { return };
            self.received.lock().unwrap().extend_from_slice(&buffer[..n]);
            pending.extend_from_slice(&buffer[..n]);
            while let Some(length) = request_length(&pending) {
                pending.drain(..length);
                if stream.write_all(answer).await.is_err() {
                    return;
                }
                match then {
                    Then::Stay => {}
                    Then::Close => return,
                    Then::Reset => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
                        return;
                    }
                    Then::Listen => {
                        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                            self.received.lock().unwrap().extend_from_slice(&buffer[..n]);
                        }
                        return;
                    }
                }
            }
        }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }

    pub(super) fn forget(&self) {
        self.received.lock().unwrap().clear();
    }

    pub(super) fn requests(&self) -> usize {
        self.text().matches(" HTTP/1.1\r\n").count()
    }
}

/// Length of the request that `bytes` begin with, once it is whole.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    if text.contains("\r\ntransfer-encoding: chunked") {
        let end = bytes[head..].windows(5).position(|w| w == b"0\r\n\r\n")?;
        return Some(head + end + 5);
    }
    let length = text
        .split("\r\ncontent-length: ")
        .nth(1)
        .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
    (bytes.len() >= head + length).then_some(head + length)
}

/// Sends raw bytes and reads until the other side closes, or says nothing for a while.
pub(super) async fn exchange(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let mut wait = Duration::from_secs(5);
    while let Ok(Ok(n @ 1..)) = tokio::time::timeout(wait, stream.read(&mut buffer)).await {
        all.extend_from_slice(&buffer[..n]);
        wait = Duration::from_millis(if all.windows(4).any(|w| w == b"\r\n\r\n") { 30 } else { 5_000 });
    }
    String::from_utf8_lossy(&all).into_owned()
}

pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

pub(super) async fn read(response: Response<Body>) -> Result<Vec<u8>, axum::Error> {
    axum::body::to_bytes(response.into_body(), usize::MAX).await.map(|bytes| bytes.to_vec())
}
