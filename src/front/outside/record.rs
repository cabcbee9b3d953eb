//! One request as it is written down: never a header, a cookie or a body, and of our own pages no more of the
//! path than their route. Writes nothing itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Uri, header};

use super::trace::Trace;
use crate::domain::Time;
use crate::front::door::{Door, Room, Target};
use crate::front::peer::Peer;
use crate::proxy::{Destination, Whereto};
use crate::web::routes::{self, Routes};
use crate::{console, phone, portal, public, renewal, sign_in};

/// One request.
pub(super) struct Record {
    pub(super) time: Time,
    pub(super) number: String,
    /// None where nobody's page was asked for.
    pub(super) door: Option<Arc<Door>>,
    pub(super) host: String,
    pub(super) room: &'static str,
    pub(super) route: Option<Arc<Destination>>,
    pub(super) whereto: Whereto,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) status: u16,
    pub(super) refused: Option<&'static str>,
    pub(super) bytes: u64,
    /// Whether the client was sent all of it.
    pub(super) complete: bool,
    pub(super) took: Duration,
    pub(super) upstream: Option<Duration>,
    pub(super) address: IpAddr,
    pub(super) serial: Option<String>,
    pub(super) person: Option<String>,
    pub(super) http2: bool,
    /// Empty without it.
    pub(super) tls: &'static str,
    pub(super) agent: Option<HeaderValue>,
    pub(super) trace: Option<Trace>,
}

impl Record {
    pub(super) fn begin<B>(peer: &Peer, request: &Request<B>, time: Time) -> Self {
        let target = shown(&peer.door, request.uri());
        Self {
            door: Some(Arc::clone(&peer.door)),
            host: peer.sni.clone(),
            http2: peer.http2,
            tls: peer.tls,
            ..Self::of(target, peer.address.ip(), request, time)
        }
    }

    /// Of one without TLS.
    pub(super) fn plain<B>(
        door: Option<(String, &Arc<Door>)>,
        from: IpAddr,
        request: &Request<B>,
        time: Time,
    ) -> Self {
        let path = request.uri().path();
        let target = match &door {
            _ if FILES.iter().any(|files| path.starts_with(files)) => (path, None),
            Some((_, door)) => shown(door, request.uri()),
            None => (HIDDEN, None),
        };
        let plain = Self::of(target, from, request, time);
        let Some((host, door)) = door else { return plain };
        Self { door: Some(Arc::clone(door)), host, ..plain }
    }

    fn of<B>((path, query): (&str, Option<&str>), from: IpAddr, request: &Request<B>, time: Time) -> Self {
        Self {
            time,
            number: String::new(),
            door: None,
            host: String::new(),
            room: GATE,
            route: None,
            whereto: Whereto::default(),
            method: request.method().clone(),
            path: short(path),
            query: query.map(short),
            status: 0,
            refused: None,
            bytes: 0,
            complete: false,
            took: Duration::ZERO,
            upstream: None,
            address: from.to_canonical(),
            serial: None,
            person: None,
            http2: false,
            tls: "",
            agent: request.headers().get(header::USER_AGENT).cloned(),
            trace: None,
        }
    }

    /// Nothing is known of a path that was meant for another host.
    pub(super) fn hide(&mut self) {
        HIDDEN.clone_into(&mut self.path);
        self.query = None;
    }
}

/// What of a path, and of a query, is written down.
fn shown<'a>(door: &Door, uri: &'a Uri) -> (&'a str, Option<&'a str>) {
    match door.target(uri.path(), true) {
        Target::Backend => (uri.path(), uri.query()),
        // What our own pages have in their paths may be secret, and their queries too.
        Target::Own(room) => (routes::of(table(room), uri.path()).unwrap_or(HIDDEN), None),
    }
}

/// A room's name in metrics and logs.
pub(super) const fn name(room: Room) -> &'static str {
    match room {
        Room::SignIn => "sign-in",
        Room::Renewal => "renewal",
        Room::Confirm => "confirm",
        Room::Portal => "settings",
        Room::Phone => "phone",
        Room::Console => "console",
        Room::Public => "public",
        Room::Est => "est",
        Room::Assets => "assets",
    }
}

const fn table(room: Room) -> Routes {
    match room {
        Room::SignIn => sign_in::ROUTES,
        Room::Renewal => renewal::ROUTES,
        Room::Confirm => portal::confirmations::ROUTES,
        Room::Portal => portal::ROUTES,
        Room::Phone => phone::ROUTES,
        Room::Console => console::ROUTES,
        Room::Public => public::ROUTES,
        Room::Est => public::est::ROUTES,
        Room::Assets => ASSETS,
    }
}

fn short(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

/// What the gate answers before any room does: refusals, and the way to signing in.
pub(super) const GATE: &str = "gate";

/// What a tenant's backend answers.
pub(super) const BACKEND: &str = "backend";

/// What is answered without TLS.
pub(super) const PLAIN: &str = "plain";

const HIDDEN: &str = "*";

/// What the plain listener tells everybody.
const FILES: [&str; 3] = ["/crl/", "/ca/", "/ocsp"];

const ASSETS: Routes = &[("GET", "/.portcullis/assets/*")];

/// A queue of records must not hold megabytes of paths.
const TEXT_BYTES_MAX: usize = 2048;
