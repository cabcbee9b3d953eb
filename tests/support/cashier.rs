//! A backend that has payments confirmed: answers 428 to what comes without a receipt, and does with a receipt
//! what a test tells it to. Keeps every request as it came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portcullis::domain::route::Route;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::gate::{Gate, id};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What it does with a request that carries a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Sees the payer on to a page.
    Pays,
    /// Answers with this status and a text.
    Says(u16),
    /// Answers 201, after a while.
    Late,
    /// The same, after longer than an upgrade waits for others.
    Tardy,
    /// Answers nothing, ever.
    Hangs,
    /// Ends the connection.
    HangsUp,
    /// Wants something else confirmed.
    AsksAgain,
}

/// A running cashier.
#[derive(Clone)]
pub(crate) struct Cashier {
    pub(crate) address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    wants: Arc<Mutex<Value>>,
    doing: Arc<Mutex<Doing>>,
}

impl Cashier {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            arrived: Arc::default(),
            wants: Arc::new(Mutex::new(invoice())),
            doing: Arc::new(Mutex::new(Doing::Pays)),
        };
        let cashier = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let cashier = cashier.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let cashier = cashier.clone();
                        async move { cashier.answer(request).await }
                    });
                    let io = TokioIo::new(stream);
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                });
            }
        });
        this
    }

    /// Every request so far.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// Those that came with a receipt.
    pub(crate) fn confirmed(&self) -> Vec<Arrived> {
        let all = self.arrived().into_iter();
        all.filter(|one| one.headers.contains_key("portcullis-confirmation")).collect()
    }

    pub(crate) fn forget(&self) {
        self.arrived.lock().unwrap().clear();
    }

    /// What it wants confirmed from now on.
    pub(crate) fn wants(&self, wanted: Value) {
        *self.wants.lock().unwrap() = wanted;
    }

    /// What it does with a receipt from now on.
    pub(crate) fn does(&self, doing: Doing) {
        *self.doing.lock().unwrap() = doing;
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
        let (Parts { method, uri, headers, .. }, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes().to_vec();
        let confirmed = headers.contains_key("portcullis-confirmation");
        let get = method == "GET";
        let arrived = Arrived { method: method.to_string(), target: uri.to_string(), headers, body };
        self.arrived.lock().unwrap().push(arrived);
        let doing = *self.doing.lock().unwrap();
        Ok(match (get, confirmed, doing) {
            (true, ..) => said(200, "text/plain", "the cashier's page"),
            (false, true, Doing::Pays) => {
                let mut response = said(303, "text/plain", "");
                response.headers_mut().insert("location", "/payments/paid".parse().unwrap());
                response
            }
            (false, true, Doing::Says(status)) => said(status, "text/plain", "the cashier has spoken"),
            (false, true, Doing::Late) => {
                tokio::time::sleep(std::time::Duration::from_millis(700)).await;
                said(201, "text/plain", "late, but paid")
            }
            (false, true, Doing::Tardy) => {
                tokio::time::sleep(std::time::Duration::from_secs(6)).await;
                said(201, "text/plain", "very late, but paid")
            }
            (false, true, Doing::Hangs) => std::future::pending().await,
            (false, true, Doing::HangsUp) => return Err(std::io::Error::other("hung up")),
            (false, true, Doing::AsksAgain) | (false, false, _) => {
                let mut response = said(428, CONFIRM, &self.wants.lock().unwrap().to_string());
                response.headers_mut().append("set-cookie", "basket=7; Path=/".parse().unwrap());
                response
            }
        })
    }
}

impl Gate {
    /// Has the bank's payments go to a cashier, by a route that keeps requests.
    pub(crate) async fn cashier(&self) -> Cashier {
        let cashier = Cashier::start().await;
        self.put(&Route { confirm: true, ..route_to(&cashier) }).await;
        cashier
    }
}

/// The route of payments, which keeps nothing.
pub(crate) fn route_to(cashier: &Cashier) -> Route {
    let mut route = Route::to(&id("bank"), "payments", "/payments", format!("http://{}", cashier.address));
    route.first_byte_ms_max = 1500;
    route
}

/// What is usually wanted.
pub(crate) fn invoice() -> Value {
    json!({
        "title": "Pay an invoice",
        "rows": [
            { "label": "Amount", "value": "CHF 1’200.00" },
            { "label": "To", "value": "Müller & Söhne <AG>" },
            { "label": "Account", "value": "CH93 0076 2011 6238 5295 7" },
        ],
        "stake": "The money leaves your account today.",
        "expires_in": 300,
    })
}

fn said(status: u16, kind: &str, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", kind.parse().unwrap());
    response
}

pub(crate) const CONFIRM: &str = "application/vnd.portcullis.confirm+json";
