//! A browser at one door: keeps cookies, follows 303, says where a request comes from, sends the
//! forms of the page it shows. Runs no script.

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, header};

use super::page::Page;
use super::wire::{Answer, Identity, Wire};

/// Name of the gate's cookie.
pub(crate) const COOKIE: &str = "__Host-portcullis";

/// A browser.
pub(crate) struct Browser {
    pub(crate) wire: Wire,
    /// `bank.localhost:8443`.
    pub(crate) host: String,
    cookies: Mutex<BTreeMap<String, String>>,
    /// What it says in every request, beside what browsers say.
    more: Mutex<Vec<(HeaderName, HeaderValue)>>,
}

impl Browser {
    pub(crate) fn new(wire: Wire, host: impl Into<String>) -> Self {
        Self { wire, host: host.into(), cookies: Mutex::default(), more: Mutex::default() }
    }

    /// Another browser with the same certificate and no cookie.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.wire.clone(), self.host.clone())
    }

    /// A browser with this one's cookies and another certificate, or none: a thief's.
    pub(crate) fn stolen_by(&self, identity: Option<&Identity>) -> Self {
        let wire = Wire { identity: identity.cloned(), ..self.wire.clone() };
        let thief = Self::new(wire, self.host.clone());
        thief.cookies.lock().unwrap().clone_from(&self.cookies.lock().unwrap());
        thief
    }

    pub(crate) fn origin(&self) -> String {
        format!("https://{}", self.host)
    }

    /// The gate's cookie.
    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookies.lock().unwrap().get(COOKIE).cloned()
    }

    /// Any cookie.
    pub(crate) fn cookie_of(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    /// Puts a header on every request from now on.
    pub(crate) fn always_says(&self, name: &str, value: &str) {
        self.more.lock().unwrap().push((name.parse().unwrap(), value.parse().unwrap()));
    }

    pub(crate) fn forget_cookies(&self) {
        self.cookies.lock().unwrap().clear();
    }

    /// Types an address, and follows.
    pub(crate) async fn open(&self, path: &str) -> Page {
        let answer = self.send(navigation(path)).await;
        self.follow(path, answer).await
    }

    /// Sends the page's form whose action ends so, with these fields beside the hidden ones.
    #[track_caller]
    pub(crate) fn submit(
        &self,
        page: &Page,
        action_end: &str,
        fields: &[(&str, &str)],
    ) -> impl Future<Output = Page> {
        let form = page.form(action_end);
        let mut pairs = form.hidden.clone();
        pairs.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        async move {
            let answer = self.send(self.posting(&form.action, &pairs)).await;
            self.follow(&form.action, answer).await
        }
    }

    /// A form as the browser would send it.
    pub(crate) fn posting(&self, action: &str, pairs: &[(String, String)]) -> Request<Body> {
        let body: url::form_urlencoded::Serializer<'_, String> =
            url::form_urlencoded::Serializer::new(String::new());
        let body = pairs.iter().fold(body, |mut body, (name, value)| {
            body.append_pair(name, value);
            body
        });
        with(
            Request::post(action)
                .header(header::ORIGIN, self.origin())
                .header("sec-fetch-site", "same-origin")
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", "document")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
            Body::from({ body }.finish()),
        )
    }

    /// One request with the cookies; takes up those that are set.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        self.dress(&mut request);
        let answer = self.wire.send(&self.host, request).await;
        self.take_up(&answer);
        answer
    }

    /// Puts the cookies and what browsers say of themselves on a request.
    pub(crate) fn dress(&self, request: &mut Request<Body>) {
        let cookies = self.cookies.lock().unwrap();
        let line: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = request.headers_mut();
        if !line.is_empty() {
            headers.insert(header::COOKIE, line.join("; ").parse().unwrap());
        }
        headers.entry(header::ACCEPT).or_insert("text/html,*/*;q=0.8".parse().unwrap());
        headers.entry(header::USER_AGENT).or_insert(AGENT.parse().unwrap());
        headers.entry(header::HOST).or_insert(self.host.parse().unwrap());
        headers.extend(self.more.lock().unwrap().iter().cloned());
    }

    pub(crate) fn take_up(&self, answer: &Answer) {
        let mut cookies = self.cookies.lock().unwrap();
        for value in answer.headers.get_all(header::SET_COOKIE) {
            let text = value.to_str().unwrap();
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if name == COOKIE {
                for wanted in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
                    assert!(attributes.split(';').any(|one| one.trim() == wanted), "{text}");
                }
                assert!(!attributes.contains("Domain"), "{text}");
            }
            if attributes.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    async fn follow(&self, path: &str, mut answer: Answer) -> Page {
        let mut path = path.to_owned();
        for _ in 0..REDIRECTS_MAX {
            if answer.status != 303 {
                return Page::of(&path, answer);
            }
            let to = answer.header("location");
            path = to.strip_prefix(&self.origin()).unwrap_or(to).to_owned();
            answer = self.send(navigation(&path)).await;
        }
        panic!("sent in circles, last to {path}");
    }
}

/// A navigation of the whole window.
pub(crate) fn navigation(path: &str) -> Request<Body> {
    with(
        Request::builder()
            .method(Method::GET)
            .uri(path)
            .header("sec-fetch-site", "none")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document"),
        Body::empty(),
    )
}

/// What a program asks.
pub(crate) fn program(path: &str) -> Request<Body> {
    with(Request::get(path).header(header::ACCEPT, "application/json"), Body::empty())
}

fn with(builder: http::request::Builder, body: Body) -> Request<Body> {
    builder.body(body).unwrap()
}

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36";

/// More than any way through our pages.
const REDIRECTS_MAX: usize = 8;
