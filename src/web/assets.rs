//! Style sheet, icon and scripts, compiled in, each cached for ever under the hash of its
//! bytes. Knows no page: only names and bytes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};

use crate::crypto::sha256;
use crate::web::brand;

/// Where the assets lie, on every door.
pub const PATH: &str = "/.portcullis/assets/";

/// One file that is compiled in.
struct Asset {
    bytes: &'static [u8],
    kind: &'static str,
    hash: String,
}

macro_rules! assets {
    ($($name:literal => $kind:expr),* $(,)?) => {
        [$(($name, include_bytes!(concat!("assets/", $name)).as_slice(), $kind)),*]
    };
}

static ASSETS: LazyLock<BTreeMap<&'static str, Asset>> = LazyLock::new(|| {
    assets! {
        "codes.css" => STYLE,
        "confirm.js" => SCRIPT,
        "copy.js" => SCRIPT,
        "countdown.js" => SCRIPT,
        "deliver.js" => SCRIPT,
        "fields.js" => SCRIPT,
        "icon.svg" => "image/svg+xml",
        "password.js" => SCRIPT,
        "print.js" => SCRIPT,
        "request.js" => SCRIPT,
        "send.js" => SCRIPT,
        "settings.css" => STYLE,
        "sheet.js" => SCRIPT,
        "style.css" => STYLE,
        "table.js" => SCRIPT,
        "wait.js" => SCRIPT,
    }
    .into_iter()
    .map(|(name, bytes, kind)| (name, Asset { bytes, kind, hash: short_hash(bytes) }))
    .collect()
});

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The address of an asset, with its hash; for [`brand`]'s sheets too.
#[must_use]
pub fn href(name: &str) -> String {
    let hash = ASSETS.get(name).map(|asset| asset.hash.clone());
    let hash = hash.or_else(|| brand::sheet(name).map(|css| short_hash(css.as_bytes())));
    format!("{PATH}{name}?v={}", hash.unwrap_or_default())
}

/// The asset called `name`; `None` where there is none. `version` is the query's `v`: only
/// under the right one is the answer cached for ever, so that nobody keeps an old file under a
/// new name.
#[must_use]
pub fn serve(name: &str, version: Option<&str>) -> Option<Response<Body>> {
    let (bytes, kind, hash) = match ASSETS.get(name) {
        Some(asset) => (asset.bytes.to_vec(), asset.kind, asset.hash.clone()),
        None => {
            let css = brand::sheet(name)?;
            let hash = short_hash(css.as_bytes());
            (css.into_bytes(), STYLE, hash)
        }
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("content-security-policy", HeaderValue::from_static("default-src 'none'; sandbox"));
    let caching =
        if version == Some(hash.as_str()) { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    Some(response)
}

/// Names of all compiled assets.
pub fn names() -> impl Iterator<Item = &'static str> {
    ASSETS.keys().copied()
}

/// 64 bits suffice: it names a version of our own, it proves nothing.
fn short_hash(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&sha256(bytes)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_cached_only_under_their_hash() {
        for name in names().chain(["brand-14532d.css"]) {
            let href = href(name);
            let version = href.split_once("?v=").unwrap().1;
            assert_eq!(version.len(), 16, "{name}");
            let fresh = serve(name, Some(version)).unwrap();
            assert!(fresh.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable"));
            let stale = serve(name, Some("0")).unwrap();
            assert_eq!(stale.headers()[CACHE_CONTROL], "no-cache");
        }
        assert!(serve("../mod.rs", None).is_none());
    }

    #[test]
    fn the_style_sheet_is_small() {
        assert!(ASSETS["style.css"].bytes.len() < 20_000);
    }

    #[test]
    fn no_script_reaches_for_what_the_policy_forbids() {
        for name in names().filter(|name| name.ends_with(".js")) {
            let text = std::str::from_utf8(ASSETS[name].bytes).unwrap();
            for word in ["innerHTML", "eval(", "document.write", "http://", "https://", ".style"] {
                assert!(!text.contains(word), "{name} holds {word}");
            }
        }
    }
}
