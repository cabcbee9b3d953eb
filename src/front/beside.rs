//! Other proxies: those that ask the gate about each request and forward it themselves, and those that stand in
//! front and end TLS. One listener for each, heard from named addresses alone, and by a secret: at an address, this
//! machine's above all, more may run than the proxy.
//!
//! Whoever is heard here is believed on one thing: which certificate's key a client proved to hold, and where that
//! client is. What the certificate is worth, whose session it is and what the rules say is judged as on a connection of
//! our own, by the same way. Any other address is closed before a byte is read.

mod asked;
mod secret;
mod shown;
mod told;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use axum::body::Body;
use http::header::{CACHE_CONTROL, CONNECTION, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use ipnet::IpNet;
use tokio::net::TcpListener;

use super::accept::{Front, pause_after};
use super::connection;
use super::door::{Door, DoorKind, Target, authority};
use super::house::House;
use super::limits::Caps;
use super::outside::Trip;
use super::peer::Peer;
use super::seldom::Seldom;
use super::way;
use crate::domain::Reason;
use crate::policy::Permit;
use crate::proxy::{Memory, Origin, one_end};
use crate::web::{Visit, refusal};

pub use secret::SharedSecret;
pub use told::Told;

/// One listener for another proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How it says which certificate and which request.
    pub kind: Kind,
    /// Where it finds us.
    pub listen: SocketAddr,
    /// Where it comes from; nobody else is heard.
    pub from: Vec<IpNet>,
    /// The file of its secret.
    pub secret_file: PathBuf,
    /// What that file held: a request that does not say it is not read.
    pub secret: SharedSecret,
    /// Host names of the portal doors that it speaks for.
    pub hosts: Vec<String>,
    /// What it gets.
    pub serves: Serves,
}

/// How a proxy says which certificate a client showed, and which request it asks about. Each kind is read by its own
/// headers and no others, so that what it does not set itself is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Client-Cert`, as in RFC 9440 or as nginx's escaped PEM; `X-Original-Method`, `X-Original-URL`. It hears a status.
    Nginx,
    /// `Client-Cert` as in RFC 9440; `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri`. Caddy, and HAProxy in front.
    Rfc9440,
    /// `X-Forwarded-Tls-Client-Cert`; `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri`.
    Traefik,
    /// `X-Forwarded-Client-Cert`; the request itself, its path behind `/forward-auth`.
    Envoy,
}

/// What another proxy gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// An answer about each request, and the gate's own pages; it forwards by itself.
    ForwardAuth,
    /// All that the door has: it stands in front.
    Door,
}

/// What is done for a request, by where it was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Errand {
    /// It is served, or goes to its backend.
    #[default]
    Serve,
    /// Another proxy asks, and hands our answer on where it is no yes.
    Vouch,
    /// Another proxy asks, and hears a status alone.
    Look,
    /// That status was a no, and its client shall read why.
    Explain,
}

/// Marks the one answer that means yes.
#[derive(Clone, Copy, Debug)]
struct Vouched;

impl Plan {
    fn hears(&self, address: SocketAddr) -> bool {
        let address = address.ip().to_canonical();
        self.from.iter().any(|network| network.contains(&address))
    }

    /// Whether what comes from there, with these headers, is read at all.
    fn admits(&self, from: SocketAddr, headers: &HeaderMap) -> Result<(), Reason> {
        if !self.hears(from) {
            return Err(Reason::Misdirected(
                "no other proxy is configured at this address any more".to_owned(),
            ));
        }
        if self.secret.is_said(headers) { Ok(()) } else { Err(NO_SECRET) }
    }

    /// What is asked for, where the proxy asks.
    fn asked(&self, request: &Request<Body>) -> Option<Errand> {
        let asks = self.serves == Serves::ForwardAuth;
        asks.then(|| asked::errand(self.kind, request.uri().path())).flatten()
    }

    /// What is to be done, and for which request.
    fn errand(&self, request: Request<Body>) -> Result<(Errand, Request<Body>), Reason> {
        if self.serves == Serves::ForwardAuth {
            if let Some(errand) = self.asked(&request) {
                return Ok((errand, asked::question(self.kind, request)?));
            }
            if !request.uri().path().starts_with(OWN_PAGES) {
                return Err(Reason::NotFound);
            }
        }
        asked::over_tls(request.headers())?;
        Ok((Errand::Serve, request))
    }
}

/// Serves until the front closes.
///
/// # Errors
/// Where the listener cannot be used by this runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    plan: Arc<ArcSwap<Plan>>,
    house: Arc<House>,
    front: Front,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let draining = front.draining().clone();
    let most = front.shared().settings.connections_max;
    let caps = Caps::new(most, most);
    front.waits_for(&caps);
    let (lately, complaints) = (told::Lately::default(), Seldom::of(COMPLAINTS_MAX));
    let beside = Arc::new(Beside { plan, house, front, lately, complaints });
    let next = || beside.front.descriptors.accept(&listener);
    while let Some(accepted) = draining.run_until_cancelled(next()).await {
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        if !beside.plan.load().hears(address) {
            tracing::debug!(%address, "closed: no other proxy is configured at this address");
            continue;
        }
        let shared = beside.front.shared();
        caps.limit(shared.settings.connections_max, shared.settings.connections_max);
        let Ok(place) = caps.admit(address.ip()) else { continue };
        let _ = stream.set_nodelay(true);
        let (beside, cut) = (Arc::clone(&beside), beside.front.cut());
        tokio::spawn(async move {
            let handle = move |request| Arc::clone(&beside).answer(address, request);
            connection::serve(stream, false, place, &cut, &shared, handle).await;
        });
    }
    Ok(())
}

struct Beside {
    /// As it is now: a connection may outlive what the operator wrote when it came.
    plan: Arc<ArcSwap<Plan>>,
    house: Arc<House>,
    front: Front,
    lately: told::Lately,
    complaints: Seldom,
}

impl Beside {
    async fn answer(self: Arc<Self>, from: SocketAddr, request: Request<Body>) -> Response<Body> {
        let plan = self.plan.load_full();
        if let Err(reason) = plan.admits(from, request.headers()) {
            if reason == NO_SECRET && self.complaints.is_due(from.ip()) {
                tracing::warn!(
                    address = %from.ip().to_canonical(), secret_file = %plan.secret_file.display(),
                    "what comes to a listener of [[other_proxy]] does not say its secret: have the proxy send what \
                     secret_file holds, or see who else runs at its address; told once a minute"
                );
            }
            return self.refuse(from, &reason, None, Errand::Serve);
        }
        let errand = plan.asked(&request).unwrap_or_default();
        let told = if errand == Errand::Explain { self.lately.take(request.headers()) } else { None };
        match self.read(&plan, told, request) {
            Ok((peer, host, request)) => {
                let mut response = way::walk(&self.house, &peer, request).await;
                let told = response.extensions_mut().remove::<Told>();
                let mut answer = said(peer.errand, &host, response);
                if let Some(told) = told {
                    self.lately.keep(told, answer.headers_mut());
                }
                answer
            }
            Err(reason) => self.refuse(from, &reason, told, errand),
        }
    }

    /// What has no door, or cannot be read.
    fn refuse(
        &self,
        from: SocketAddr,
        reason: &Reason,
        told: Option<Told>,
        errand: Errand,
    ) -> Response<Body> {
        let number = told.map_or_else(|| self.house.numbers.next(), |told| told.number);
        let (now, this) = (self.house.world.now(), Told { number, key: refusal::manner(reason).key });
        let mut response = match told == Some(this) {
            true => refusal::explain_to_nobody(reason, number.as_str(), now, false),
            // Who its client is nobody has said, or nobody who is believed: the peer alone is known.
            false => {
                let peer = from.ip().to_canonical();
                refusal::respond_to_nobody(reason, number.as_str(), peer, now, false)
            }
        };
        if errand == Errand::Look {
            response = said(errand, "", response);
            self.lately.keep(this, response.headers_mut());
        }
        // Clients share this connection: nothing behind what cannot be read is heard on it.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// Who asks, at which host, and for what.
    fn read(
        &self,
        plan: &Plan,
        told: Option<Told>,
        request: Request<Body>,
    ) -> Result<(Peer, String, Request<Body>), Reason> {
        one_end(&request)?;
        let leaf = shown::certificate(plan.kind, request.headers())?;
        let address = asked::client(request.headers())?;
        let (errand, mut request) = plan.errand(request)?;
        let host = authority(request.method(), request.uri(), request.headers())?;
        let (name, host) = (
            host.0.to_ascii_lowercase(),
            host.1.map_or_else(|| host.0.to_owned(), |port| format!("{}:{port}", host.0)),
        );
        shown::forget(plan.kind, request.headers_mut());
        secret::forget(request.headers_mut());
        told::forget(request.headers_mut());
        let door = self.door(plan, &name)?;
        let live = &self.house.live;
        let cut = self.front.cut();
        let held = leaf.as_ref().map(|leaf| Arc::new(live.enter(leaf, &cut)));
        let peer = Peer {
            door,
            fingerprint: held.as_ref().and_then(|held| held.fingerprint()),
            chain: Arc::new(leaf.into_iter().collect()),
            presented: OnceLock::new(),
            address: SocketAddr::new(address, 0),
            cancel: held.as_ref().map_or(cut, |held| held.token().clone()),
            draining: self.front.draining().clone(),
            http2: false,
            tls: "",
            sni: name,
            errand,
            told,
            held,
            attended: Mutex::default(),
            memory: Memory::default(),
        };
        Ok((peer, host, request))
    }

    fn door(&self, plan: &Plan, name: &str) -> Result<Arc<Door>, Reason> {
        if !plan.hosts.iter().any(|host| host == name) {
            return Err(Reason::Misdirected(format!("{name} is not among the hosts of this other proxy")));
        }
        let doors = self.front.doors().load();
        let door = doors.named(name).filter(|door| door.kind() == DoorKind::Portal);
        door.cloned().ok_or_else(|| Reason::Misdirected(format!("{name} is no portal's host name")))
    }
}

impl House {
    /// Says yes to another proxy, with what it is to tell its backend.
    ///
    /// # Errors
    /// For what the gate serves itself, and what it would not forward.
    pub(super) fn vouch(
        &self,
        errand: Errand,
        (permit, target): (&Permit, Target),
        visit: &Visit,
        request: &Request<Body>,
        trip: &mut Trip<'_>,
    ) -> Result<Response<Body>, Reason> {
        if target != Target::Backend {
            return Err(Reason::NotFound);
        }
        let (tenant, path) = (&visit.tenant.id, request.uri().path());
        let route = self.proxy.destination(tenant, &self.view.routes(tenant), &visit.host, path)?;
        trip.fits(&route);
        let memory = &Memory::default();
        let origin =
            Origin { host: &visit.host, address: visit.address, request_id: &visit.request_id, memory };
        let told = self.proxy.vouch(permit, &route, origin, request)?;
        let mut response = Response::new(Body::empty());
        if errand == Errand::Explain {
            // It was a no a moment ago: once more, where asking again changes nothing.
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let path = HeaderValue::try_from(path).map_err(|_| Reason::Internal)?;
            if request.method() != Method::GET {
                return Err(Reason::Busy);
            }
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(LOCATION, path);
            return Ok(response);
        }
        *response.headers_mut() = told;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(Vouched);
        Ok(response)
    }
}

/// The answer as the other proxy understands it: none but a yes of [`House::vouch`] reads as one.
fn said(errand: Errand, host: &str, mut response: Response<Body>) -> Response<Body> {
    if errand == Errand::Serve || response.extensions_mut().remove::<Vouched>().is_some() {
        return response;
    }
    if errand == Errand::Look {
        let mut no = Response::new(Body::empty());
        *no.status_mut() = match response.status() {
            StatusCode::UNAUTHORIZED => StatusCode::UNAUTHORIZED,
            _ => StatusCode::FORBIDDEN,
        };
        return no;
    }
    if response.status().is_success() || response.status().is_informational() {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    // Traefik reads a path as one of the listener's own.
    let path = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    if let Some(path) = path.filter(|path| path.starts_with('/'))
        && let Ok(whole) = HeaderValue::try_from(format!("https://{host}{path}"))
    {
        response.headers_mut().insert(LOCATION, whole);
    }
    response
}

/// Addresses that are told of in one minute.
const COMPLAINTS_MAX: usize = 64;

const OWN_PAGES: &str = "/.portcullis/";

const NO_SECRET: Reason = Reason::BadRequest("the proxy in front does not say its secret");
