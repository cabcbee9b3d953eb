//! The files of the phone app, embedded; the service worker is told their hash, so that a new
//! release replaces the old shell as a whole. Knows no person: every phone gets the same bytes.

use std::io::Write;
use std::sync::LazyLock;

use axum::body::Body;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use crate::crypto;

/// One file of the app.
struct File {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($path:literal, $kind:expr;)*) => {
        &[$(File { path: concat!("/", $path), kind: $kind, bytes: include_bytes!(concat!("app/", $path)) }),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const WORDS: &str = "text/x-fluent; charset=utf-8";
const PNG: &str = "image/png";
const SVG: &str = "image/svg+xml";

/// All of them, the service worker apart.
const FILES: &[File] = files! {
    "index.html", HTML;
    "style.css", STYLE;
    "app.js", SCRIPT;
    "api.js", SCRIPT;
    "frozen.js", SCRIPT;
    "history.js", SCRIPT;
    "home-screen.js", SCRIPT;
    "keys.js", SCRIPT;
    "live.js", SCRIPT;
    "offline.js", SCRIPT;
    "pages.js", SCRIPT;
    "pair.js", SCRIPT;
    "passkey.js", SCRIPT;
    "push.js", SCRIPT;
    "question.js", SCRIPT;
    "scan.js", SCRIPT;
    "scan-worker.js", SCRIPT;
    "text.js", SCRIPT;
    "words.js", SCRIPT;
    "words/en.ftl", WORDS;
    "words/de.ftl", WORDS;
    "words/fr.ftl", WORDS;
    "words/it.ftl", WORDS;
    "vendor/fluent.js", SCRIPT;
    "vendor/fluent.LICENSE", TEXT;
    "vendor/jsqr.js", SCRIPT;
    "vendor/jsqr.LICENSE", TEXT;
    "manifest.webmanifest", "application/manifest+json";
    "icons/icon.svg", SVG;
    "icons/home-screen.svg", SVG;
    "icons/192.png", PNG;
    "icons/512.png", PNG;
    "icons/maskable.png", PNG;
    "icons/apple.png", PNG;
};

/// Where the service worker lives: at the top, so that its scope is the whole door.
const WORKER: &str = "/sw.js";

/// The service worker with the list of what it keeps and the hash of all of it.
static WORKER_SCRIPT: LazyLock<String> = LazyLock::new(|| worker_script(FILES));

fn worker_script(files: &[File]) -> String {
    let mut all = Vec::new();
    for file in files {
        all.extend_from_slice(file.path.as_bytes());
        all.extend_from_slice(&crypto::sha256(file.bytes));
    }
    let script = include_str!("app/sw.js");
    all.extend_from_slice(script.as_bytes());
    let kept = files.iter().filter(|file| file.kind != TEXT && file.kind != HTML).map(|file| file.path);
    let kept: Vec<&str> = std::iter::once("/").chain(kept).collect();
    format!("const VERSION = \"{}\";\nconst KEPT = {};\n{script}", hash(&all), serde_json::Value::from(kept))
}

/// A file as it travels: where the browser takes it, in a third of its bytes.
struct Parcel {
    path: &'static str,
    kind: &'static str,
    plain: Bytes,
    packed: Option<Bytes>,
    tag: String,
}

static PARCELS: LazyLock<Vec<Parcel>> = LazyLock::new(|| {
    let worker = File { path: WORKER, kind: SCRIPT, bytes: WORKER_SCRIPT.as_bytes() };
    FILES.iter().chain([&worker]).map(Parcel::of).collect()
});

impl Parcel {
    fn of(file: &File) -> Self {
        let packed = (file.kind != PNG).then(|| packed(file.bytes)).flatten();
        let (path, kind, plain) = (file.path, file.kind, Bytes::from_static(file.bytes));
        Self { path, kind, plain, packed, tag: hash(file.bytes) }
    }
}

/// None where it cannot be made: then the plain bytes travel.
fn packed(bytes: &[u8]) -> Option<Bytes> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).ok()?;
    packer.finish().ok().map(Bytes::from)
}

/// Whether the browser says that it unpacks; every one does.
fn unpacks(request: &Request<Body>) -> bool {
    let said = request.headers().get_all(ACCEPT_ENCODING).iter().filter_map(|one| one.to_str().ok());
    said.flat_map(|one| one.split(',')).any(|one| one.trim() == "gzip")
}

/// Serves a file of the app, or the app itself where a person comes.
pub(super) fn serve(request: &Request<Body>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET is answered here.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = match request.uri().path() {
        "/" | "/pair" => "/index.html",
        "/index.html" => return plain(StatusCode::NOT_FOUND, "The app is at /.\n"),
        path => path,
    };
    let Some(parcel) = PARCELS.iter().find(|parcel| parcel.path == path) else {
        return plain(StatusCode::NOT_FOUND, "There is nothing at this address. The app is at /.\n");
    };
    let packed = parcel.packed.clone().filter(|_| unpacks(request));
    let tag = format!("\"{}{}\"", parcel.tag, if packed.is_some() { "-gz" } else { "" });
    let known = request
        .headers()
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|known| known.to_str().is_ok_and(|known| known.split(',').any(|one| one.trim() == tag)));

    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(parcel.kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if packed.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else if request.method() != Method::HEAD {
        *response.body_mut() = Body::from(packed.unwrap_or_else(|| parcel.plain.clone()));
    }
    guarded(response)
}

/// The headers that keep the app to itself.
fn guarded(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    guarded(response)
}

fn hash(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(&crypto::sha256(bytes)[..15])
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; manifest-src 'self'; worker-src 'self'; media-src 'self' blob:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
const PERMISSIONS: &str = "camera=(self), publickey-credentials-get=(self), \
    publickey-credentials-create=(self), microphone=(), geolocation=(), payment=(), usb=()";

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn get(path: &str) -> Response<Body> {
        serve(&Request::get(path).body(Body::empty()).unwrap())
    }

    async fn text(response: Response<Body>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_shell_names_only_files_that_are_there() {
        let shell = text(get("/")).await;
        assert_eq!(shell, text(get("/pair")).await);
        for part in shell.split(['"', '\'']).filter(|part| part.starts_with('/') && part.len() > 1) {
            assert_eq!(get(part).status(), StatusCode::OK, "{part}");
        }
        let handler = shell.split_whitespace().find(|word| word.starts_with("on") && word.contains('='));
        assert!(!shell.contains("<script>") && !shell.contains("<style") && handler.is_none());
        let manifest: serde_json::Value =
            serde_json::from_str(&text(get("/manifest.webmanifest")).await).unwrap();
        for icon in manifest["icons"].as_array().unwrap() {
            assert_eq!(get(icon["src"].as_str().unwrap()).status(), StatusCode::OK);
        }
        assert_eq!(get("/index.html").status(), StatusCode::NOT_FOUND);
        assert_eq!(get("/../Cargo.toml").status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn the_worker_keeps_every_file_and_knows_its_version() {
        let worker = text(get(WORKER)).await;
        assert!(worker.starts_with("const VERSION = \""));
        for file in FILES.iter().filter(|file| file.kind == SCRIPT || file.kind == WORDS) {
            assert!(worker.contains(&format!("\"{}\"", file.path)), "{}", file.path);
        }
    }

    #[test]
    fn one_byte_more_is_a_new_version_of_the_whole_shell() {
        let style = |bytes| File { path: "/style.css", kind: STYLE, bytes };
        let version = |file| worker_script(&[file]).lines().next().map(str::to_owned);
        assert_eq!(version(style(b"a{}")), version(style(b"a{}")));
        assert_ne!(version(style(b"a{}")), version(style(b"a{} ")));
    }

    /// What a phone downloads once, the decoder of squares apart.
    #[test]
    fn the_app_is_small() {
        let travels = |parcel: &Parcel| parcel.packed.as_ref().unwrap_or(&parcel.plain).len();
        let sizes: Vec<(&str, usize)> = PARCELS
            .iter()
            .filter(|parcel| !parcel.path.starts_with("/vendor/jsqr") && parcel.kind != TEXT)
            .map(|parcel| (parcel.path, travels(parcel)))
            .collect();
        let all: usize = sizes.iter().map(|(_, size)| size).sum();
        assert!(all < 150_000, "{all} bytes: {sizes:?}");
    }

    #[tokio::test]
    async fn what_travels_packed_is_the_same_file() {
        let asked = Request::get("/app.js").header(ACCEPT_ENCODING, "br, gzip").body(Body::empty()).unwrap();
        let response = serve(&asked);
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        assert_ne!(response.headers()[ETAG], get("/app.js").headers()[ETAG]);
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text).unwrap();
        assert_eq!(text, include_str!("app/app.js"));
        assert!(get("/app.js").headers().get(CONTENT_ENCODING).is_none());
        let picture = Request::get("/icons/192.png").header(ACCEPT_ENCODING, "gzip").body(Body::empty());
        assert!(serve(&picture.unwrap()).headers().get(CONTENT_ENCODING).is_none());
    }

    #[test]
    fn a_file_known_by_its_hash_is_not_sent_again() {
        let tag = get("/app.js").headers()[ETAG].clone();
        let again = Request::get("/app.js").header(IF_NONE_MATCH, tag).body(Body::empty()).unwrap();
        assert_eq!(serve(&again).status(), StatusCode::NOT_MODIFIED);
        let post = Request::post("/").body(Body::empty()).unwrap();
        assert_eq!(serve(&post).status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn nothing_from_elsewhere_runs_in_the_app() {
        let shell = get("/");
        let policy = shell.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self';") && policy.contains("connect-src 'self';"));
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert!(shell.headers()["permissions-policy"].to_str().unwrap().contains("camera=(self)"));
    }
}
