//! One request as our own pages see it: whose door, from where, in which language. Proves
//! nothing: names of browsers are what the client says.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};

use crate::domain::Time;
use crate::domain::tenant::Tenant;
use crate::web::language::Words;
use crate::world::World;

/// One request at a tenant's door.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Whose door.
    pub tenant: Arc<Tenant>,
    /// Host, with the port where the browser wrote one.
    pub host: String,
    /// Network address of the client.
    pub address: IpAddr,
    /// Short number, shown on the page and read out to support: `QF-308-122`.
    pub request_id: String,
    /// "Chrome on Linux", as the client says.
    pub browser: String,
    /// Language of the page, a tag that [`Words`] has.
    pub language: &'static str,
    /// When it came.
    pub now: Time,
    /// Whether the client would rather have JSON than a page.
    pub json: bool,
    /// Whether a session came along in which the password was right.
    pub signed_in: bool,
    /// Whether it is somebody of ours: by such a session, or a certificate that we issued.
    pub known: bool,
    /// Where "Try again" leads: the path asked for, where it was asked for by GET, else `/`.
    pub again: String,
    /// `https://start.example.com`, where there is a public door.
    pub public_origin: Option<Arc<str>>,
}

impl Visit {
    /// From what was seen of a request. `host` is the door's host as the browser wrote it.
    #[must_use]
    pub fn new(
        tenant: Arc<Tenant>,
        host: impl Into<String>,
        seen: &Seen,
        address: IpAddr,
        request_id: impl Into<String>,
        now: Time,
    ) -> Self {
        Self {
            language: Words::choose(text(seen.languages.as_ref()), &tenant.language),
            tenant,
            host: host.into(),
            address,
            request_id: request_id.into(),
            browser: browser(text(seen.agent.as_ref())),
            now,
            json: prefers_json(text(seen.accept.as_ref())),
            signed_in: false,
            known: false,
            again: again(seen),
            public_origin: None,
        }
    }

    /// The same, where there is a public door.
    #[must_use]
    pub fn beside(mut self, public_origin: Option<Arc<str>>) -> Self {
        self.public_origin = public_origin;
        self
    }

    /// Where somebody whose certificate ended gets a new one without showing it; none where there is no public
    /// door, or the tenant has its clients call.
    #[must_use]
    pub fn expired(&self) -> Option<String> {
        let offered = !self.tenant.id.is_staff() && self.tenant.certificates.expired_grace_days > 0;
        let origin = self.public_origin.as_ref().filter(|_| offered)?;
        Some(format!("{origin}/expired/{}/", self.tenant.id))
    }

    /// `https://bank.example.com:8443`
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://{}", self.host)
    }
}

/// What a page needs of a request's head. Most requests go on to a backend and need no page: this costs them
/// next to nothing.
#[derive(Clone, Debug)]
pub struct Seen {
    method: Method,
    uri: Uri,
    languages: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    accept: Option<HeaderValue>,
}

impl Seen {
    /// Of a request.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Self {
        let header = |name: HeaderName| request.headers().get(name).cloned();
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            languages: header(ACCEPT_LANGUAGE),
            agent: header(USER_AGENT),
            accept: header(ACCEPT),
        }
    }

    /// The path asked for.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }
}

/// Gives each request a short number: two letters and six digits, none of them easily misheard, written so that
/// nobody takes it for the code on the page. No secret: the first is drawn, and the others follow, each of a hundred
/// million once before any comes again.
#[derive(Debug)]
pub struct RequestNumbers(AtomicU64);

/// Number of one request: `QF-308-122`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestNumber([u8; 10]);

impl RequestNumbers {
    /// Begins somewhere.
    #[must_use]
    pub fn begin(world: &World) -> Self {
        Self(AtomicU64::new(u64::from_be_bytes(world.bytes())))
    }

    /// The next.
    #[must_use]
    pub fn next(&self) -> RequestNumber {
        let n = self.0.fetch_add(1, Ordering::Relaxed) % NUMBERS;
        // As each factor is prime to the modulus, every number comes once before any comes again.
        let n = (n * STRIDE) % NUMBERS;
        let (letters, digits) = (n / 1_000_000, n % 1_000_000);
        let letter = |n: u64| LETTERS[(n % LETTERS.len() as u64) as usize];
        let digit = |place: u64| b'0' + (digits / place % 10) as u8;
        RequestNumber([
            letter(letters / LETTERS.len() as u64),
            letter(letters),
            b'-',
            digit(100_000),
            digit(10_000),
            digit(1_000),
            b'-',
            digit(100),
            digit(10),
            digit(1),
        ])
    }
}

impl RequestNumber {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Letters that are told apart on the telephone.
const LETTERS: &[u8] = b"AFHKLQRXYZ";

/// Two letters and six digits.
const NUMBERS: u64 = 100_000_000;

/// Prime, and about the golden share of them, so that neighbours lie far apart.
const STRIDE: u64 = 61_803_399;

/// "Chrome on Linux" from a User-Agent; "a browser" where it tells nothing.
#[must_use]
pub fn browser(agent: &str) -> String {
    let name = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]
    .into_iter()
    .find(|(mark, _)| agent.contains(mark))
    .map(|(_, name)| name);
    let system = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]
    .into_iter()
    .find(|(mark, _)| agent.contains(mark))
    .map(|(_, name)| name);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(system)) => format!("a browser on {system}"),
        (None, None) => "a browser".to_owned(),
    }
}

/// Whether `application/json` or `application/problem+json` is asked for before `text/html`.
/// A wildcard alone is a page: people paste addresses into tools too.
#[must_use]
pub fn prefers_json(accept: &str) -> bool {
    let mut best = [0.0_f32; 2];
    for part in accept.split(',') {
        let mut fields = part.split(';').map(str::trim);
        let kind = fields.next().unwrap_or_default().to_ascii_lowercase();
        let weight = fields
            .find_map(|field| field.strip_prefix("q="))
            .map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
        let slot = match kind.as_str() {
            "application/json" | "application/problem+json" => 0,
            "text/html" | "application/xhtml+xml" => 1,
            _ => continue,
        };
        best[slot] = best[slot].max(weight);
    }
    best[0] > best[1]
}

/// The path and query asked for, where a link to it stays on this origin and repeats nothing.
fn again(seen: &Seen) -> String {
    let path = seen.uri.path_and_query().map_or("/", |path| path.as_str());
    let ours = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    if seen.method == Method::GET && ours && path.len() <= AGAIN_CHARS_MAX {
        path.to_owned()
    } else {
        "/".to_owned()
    }
}

/// Longer ones are not worth a link.
const AGAIN_CHARS_MAX: usize = 2048;

fn text(header: Option<&HeaderValue>) -> &str {
    header.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::TenantId;
    use crate::domain::tenant::{Brand, CertificateTerms, SessionProfile};

    /// A tenant to show pages of.
    pub(crate) fn tenant() -> Tenant {
        Tenant {
            id: TenantId::parse("bank").unwrap(),
            name: "Bank Muster & Cie".to_owned(),
            hosts: vec!["bank.localhost".to_owned()],
            telephone: "+41 44 555 01 77".to_owned(),
            language: "en".to_owned(),
            brand: Brand { accent: Some("#14532d".to_owned()), monogram: "M".to_owned() },
            profile: SessionProfile::Strict,
            identified_on_incoming_call: false,
            certificates: CertificateTerms::default(),
            synced_passkeys: crate::domain::tenant::SyncedPasskeys::Accept,
            created: Time::default(),
        }
    }

    /// A visit to show pages to.
    pub(crate) fn visit() -> Visit {
        let request = Request::get("/accounts?year=2026").header(ACCEPT, "text/html").body(()).unwrap();
        Visit::new(
            Arc::new(tenant()),
            "bank.localhost:8443",
            &Seen::of(&request),
            IpAddr::from([127, 0, 0, 1]),
            "QF-308-122",
            Time::from_secs(1_795_292_244),
        )
    }

    #[test]
    fn browsers_are_named() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome on Linux");
        assert_eq!(browser(&format!("{chrome} Edg/156.0")), "Edge on Linux");
        assert_eq!(browser("curl/8.1"), "curl");
        assert_eq!(browser("<script>"), "a browser");
    }

    #[test]
    fn json_only_where_it_is_preferred() {
        assert!(prefers_json("application/json"));
        assert!(prefers_json("application/problem+json, text/html;q=0.5"));
        assert!(!prefers_json("text/html, application/json;q=0.9"));
        assert!(!prefers_json("*/*"));
        assert!(!prefers_json(""));
    }

    #[test]
    fn again_never_leads_away() {
        let path = |method: &str, uri: &str| {
            again(&Seen::of(&Request::builder().method(method).uri(uri).body(()).unwrap()))
        };
        assert_eq!(path("GET", "/a?b=c"), "/a?b=c");
        assert_eq!(path("GET", "//evil.example/"), "/");
        assert_eq!(path("GET", "/\\evil.example"), "/");
        assert_eq!(path("POST", "/transfer"), "/");
    }

    #[test]
    fn request_numbers_read_well_and_come_once() {
        let numbers = RequestNumbers::begin(&World::real());
        let some: std::collections::HashSet<_> =
            (0..10_000).map(|_| numbers.next().as_str().to_owned()).collect();
        assert_eq!(some.len(), 10_000);
        for number in some {
            let parts: Vec<&str> = number.split('-').collect();
            assert!(parts[0].bytes().all(|letter| LETTERS.contains(&letter)), "{number}");
            assert!(parts[1..].iter().all(|part| part.len() == 3 && part.parse::<u32>().is_ok()), "{number}");
        }
        let (stride, all) = (STRIDE, NUMBERS);
        assert!(stride % 2 == 1 && stride % 5 != 0 && all == 10_u64.pow(8), "prime to each other");
    }
}
