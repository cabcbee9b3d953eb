//! What stands around every page of ours: the tenant above, the gate's name and the request's
//! number below, and the headers that keep a page from being framed, sniffed, cached or
//! scripted. Knows no page's content.

use axum::body::Body;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::domain::Reason;
use crate::domain::tenant::Tenant;
use crate::web::visit::Visit;
use crate::web::{assets, brand};

/// What every page shows around its content.
#[derive(Clone, Debug)]
pub struct Head {
    /// The tenant's name; empty where the door is nobody's.
    pub tenant: String,
    /// One or two letters shown as the logo.
    pub monogram: String,
    /// Address to expect, with the port where one was written.
    pub host: String,
    /// Support's telephone, as people read it; empty where there is none.
    pub telephone: String,
    /// The same for a `tel:` link.
    pub telephone_link: String,
    /// The request's short number.
    pub request: String,
    /// Language of the page.
    pub language: &'static str,
    /// Address of the tenant's colours.
    pub brand: String,
    /// Where the first visit stands, on pages that belong to it.
    pub step: Option<Step>,
}

/// The five steps of a first visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The browser shows its certificate.
    Certificate,
    /// Support is called.
    Call,
    /// The phone is paired.
    Phone,
    /// The password is chosen.
    Password,
    /// The door is open.
    Done,
}

impl Step {
    const ALL: [Self; 5] = [Self::Certificate, Self::Call, Self::Phone, Self::Password, Self::Done];

    /// As the page names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "Certificate",
            Self::Call => "Call",
            Self::Phone => "Phone",
            Self::Password => "Password",
            Self::Done => "Done",
        }
    }
}

impl Head {
    /// For a visit.
    #[must_use]
    pub fn of(visit: &Visit) -> Self {
        let tenant: &Tenant = &visit.tenant;
        let monogram = if tenant.brand.monogram.is_empty() {
            tenant.name.chars().take(1).collect()
        } else {
            tenant.brand.monogram.clone()
        };
        Self {
            tenant: tenant.name.clone(),
            monogram,
            host: visit.host.clone(),
            telephone_link: telephone_link(&tenant.telephone),
            telephone: tenant.telephone.clone(),
            request: visit.request_id.clone(),
            language: visit.language,
            brand: assets::href(&brand::asset_name(tenant.brand.accent.as_deref())),
            step: None,
        }
    }

    /// For a request that reached nobody's door.
    #[must_use]
    pub fn nobody(request: impl Into<String>) -> Self {
        Self {
            tenant: String::new(),
            monogram: String::new(),
            host: String::new(),
            telephone: String::new(),
            telephone_link: String::new(),
            request: request.into(),
            language: "en",
            brand: assets::href(&brand::asset_name(None)),
            step: None,
        }
    }

    /// The same, at a step of the first visit.
    #[must_use]
    pub fn at(mut self, step: Step) -> Self {
        self.step = Some(step);
        self
    }

    /// The address of an asset.
    #[must_use]
    pub fn asset(&self, name: &str) -> String {
        assets::href(name)
    }

    /// The five steps, each with "done", "now" or "ahead"; empty outside the first visit.
    #[must_use]
    pub fn steps(&self) -> Vec<(&'static str, &'static str)> {
        let Some(now) = self.step else { return Vec::new() };
        let state = |step: Step| match step.cmp(&now) {
            std::cmp::Ordering::Less => "done",
            std::cmp::Ordering::Equal => "now",
            std::cmp::Ordering::Greater => "ahead",
        };
        Step::ALL.iter().map(|step| (step.name(), state(*step))).collect()
    }
}

/// A page as a response, with every header of [`secure`].
#[must_use]
pub fn respond(status: StatusCode, html: String, host: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    secure(response.headers_mut(), host);
    response
}

/// 303: after a form, go there by GET. `path` is one of our own.
#[must_use]
pub fn see_other(path: &str) -> Response<Body> {
    let ours = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    let location = HeaderValue::from_str(if ours { path } else { "/" });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location.unwrap_or(HeaderValue::from_static("/")));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// The headers of every page of ours.
///
/// Scripts, styles and images come from the assets' own folder, not from the whole origin: the
/// backend shares the origin. `Referrer-Policy` is `same-origin`, not `no-referrer`, because
/// under the latter browsers send `Origin: null` with our own forms.
pub fn secure(headers: &mut HeaderMap, host: &str) {
    let fixed = [
        (CACHE_CONTROL.as_str(), "no-store"),
        (X_CONTENT_TYPE_OPTIONS.as_str(), "nosniff"),
        (X_FRAME_OPTIONS.as_str(), "DENY"),
        (REFERRER_POLICY.as_str(), "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
             magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = HeaderValue::from_str(&content_policy(host));
    let strictest = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, policy.unwrap_or(strictest));
}

fn content_policy(host: &str) -> String {
    let plain = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'));
    let ours = if plain { format!("https://{host}{}", assets::PATH) } else { "'self'".to_owned() };
    format!(
        "default-src 'none'; script-src {ours}; style-src {ours}; img-src {ours}; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )
}

/// Lets a page of ours be asked for only by a navigation of the whole window, where the browser
/// says what it is: the backend's scripts share the origin and must not read our pages.
///
/// # Errors
/// [`Reason::CrossSite`].
pub fn only_navigations(headers: &HeaderMap) -> Result<(), Reason> {
    let is = |name: &str, wanted: &str| headers.get_all(name).iter().all(|value| value == wanted);
    if is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document") {
        Ok(())
    } else {
        Err(Reason::CrossSite)
    }
}

/// `+41445550177` from "+41 44 555 01 77".
#[must_use]
pub fn telephone_link(telephone: &str) -> String {
    telephone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
}

/// Groups of three from the left: `482 913`.
#[must_use]
pub fn grouped(digits: &str) -> String {
    let digits: Vec<char> = digits.chars().collect();
    let groups: Vec<String> = digits.chunks(3).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::visit::tests::visit;

    #[test]
    fn pages_cannot_be_framed_or_scripted_from_outside_the_assets() {
        let response = respond(StatusCode::OK, String::new(), "bank.localhost:8443");
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src https://bank.localhost:8443/.portcullis/assets/;"));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(response.headers()[X_FRAME_OPTIONS], "DENY");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }

    #[test]
    fn a_strange_host_cannot_widen_the_policy() {
        for host in ["", "a; script-src *", "a b", "*"] {
            assert!(content_policy(host).contains("script-src 'self';"), "{host}");
        }
    }

    #[test]
    fn only_whole_windows_are_served() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(n, v)| (http::HeaderName::from_static(n), HeaderValue::from_static(v)))
                .collect()
        };
        assert!(only_navigations(&headers(&[])).is_ok());
        assert!(
            only_navigations(&headers(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]))
                .is_ok()
        );
        for bad in [("sec-fetch-mode", "cors"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "iframe")] {
            assert_eq!(only_navigations(&headers(&[bad])), Err(Reason::CrossSite), "{bad:?}");
        }
    }

    #[test]
    fn see_other_never_leads_away() {
        for (path, location) in
            [("/a?b", "/a?b"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/\n", "/")]
        {
            assert_eq!(see_other(path).headers()[LOCATION], location);
        }
    }

    #[test]
    fn heads_speak_of_the_tenant() {
        let head = Head::of(&visit()).at(Step::Phone);
        assert_eq!(head.telephone_link, "+41445550177");
        assert_eq!(head.steps()[1], ("Call", "done"));
        assert_eq!(head.steps()[2], ("Phone", "now"));
        assert_eq!(head.steps()[3], ("Password", "ahead"));
        assert_eq!(grouped("482913"), "482 913");
    }
}
