//! Paths with one meaning.

use percent_encoding::percent_decode_str;
use portcullis::policy::path::canonical;

use super::Heard;

/// A path that is taken means the same to a browser's parser, to one that unescapes once, and to one that
/// unescapes twice.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let Ok(raw) = std::str::from_utf8(data) else { return Heard::Refused };
    let Ok(path) = canonical(raw) else { return Heard::Refused };
    assert_eq!(path.as_str(), raw, "forwarded as it came");
    assert!(raw.starts_with('/') && raw.bytes().all(|byte| byte.is_ascii_graphic()), "{raw:?}");
    assert!(!raw.contains(['?', '#', '\\', ';']), "{raw:?}");

    let parsed = url::Url::parse(&format!("https://bank.localhost{raw}")).expect("a browser reads it");
    assert_eq!((parsed.path(), parsed.query(), parsed.fragment()), (raw, None, None));

    let once = percent_decode_str(raw).decode_utf8().expect("its escapes are UTF-8").into_owned();
    assert!(!once.chars().any(|c| c.is_control() || matches!(c, '\\' | ';')), "{once:?}");
    let segments = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(segments(&once).len(), segments(raw).len(), "no slash comes out of an escape: {raw:?}");
    let within = segments(&once);
    let (last, between) = within[1..].split_last().expect("there is a segment");
    assert!(between.iter().all(|segment| !segment.is_empty()), "{raw:?}");
    for segment in between.iter().chain(Some(last)) {
        assert!(!segment.ends_with(['.', ' ']), "{raw:?}");
    }
    let twice = percent_decode_str(&once).decode_utf8_lossy().into_owned();
    assert_eq!(twice, once, "escaped twice: {raw:?}");
    Heard::Accepted
}
