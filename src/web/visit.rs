//! One request as our own pages see it: whose door, from where, in which language. Proves
//! nothing: names of browsers are what the client says.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, USER_AGENT};
use http::request::Parts;

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
    /// Where "Try again" leads: the path asked for, where it was asked for by GET, else `/`.
    pub again: String,
    /// `https://start.example.com`, where there is a public door.
    pub public_origin: Option<Arc<str>>,
}

impl Visit {
    /// From the head of a request. `host` is the door's host as the browser wrote it.
    #[must_use]
    pub fn new(
        tenant: Arc<Tenant>,
        host: impl Into<String>,
        parts: &Parts,
        address: IpAddr,
        request_id: impl Into<String>,
        now: Time,
    ) -> Self {
        let languages = text(&parts.headers, ACCEPT_LANGUAGE.as_str());
        Self {
            language: Words::choose(languages, &tenant.language),
            tenant,
            host: host.into(),
            address,
            request_id: request_id.into(),
            browser: browser(text(&parts.headers, USER_AGENT.as_str())),
            now,
            json: prefers_json(text(&parts.headers, ACCEPT.as_str())),
            again: again(parts),
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

/// A new short number for a request: two letters and six digits, none of them easily
/// misheard, written so that nobody takes it for the code on the page.
#[must_use]
pub fn request_number(world: &World) -> String {
    let letter = || char::from(LETTERS[world.below(LETTERS.len() as u32) as usize]);
    let digits = world.six_digits();
    format!("{}{}-{}-{}", letter(), letter(), &digits[..3], &digits[3..])
}

/// Letters that are told apart on the telephone.
const LETTERS: &[u8] = b"AFHKLQRXYZ";

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
fn again(parts: &Parts) -> String {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let ours = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    if parts.method == http::Method::GET && ours && path.len() <= AGAIN_CHARS_MAX {
        path.to_owned()
    } else {
        "/".to_owned()
    }
}

/// Longer ones are not worth a link.
const AGAIN_CHARS_MAX: usize = 2048;

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
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
        let request = http::Request::get("/accounts?year=2026").header(ACCEPT, "text/html").body(()).unwrap();
        Visit::new(
            Arc::new(tenant()),
            "bank.localhost:8443",
            &request.into_parts().0,
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
            again(&http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0)
        };
        assert_eq!(path("GET", "/a?b=c"), "/a?b=c");
        assert_eq!(path("GET", "//evil.example/"), "/");
        assert_eq!(path("GET", "/\\evil.example"), "/");
        assert_eq!(path("POST", "/transfer"), "/");
    }

    #[test]
    fn request_numbers_read_well() {
        let number = request_number(&World::real());
        assert_eq!(number.len(), 10);
        assert_eq!(&number[2..3], "-");
    }
}
