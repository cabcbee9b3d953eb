//! The session's cookie among all cookies of a request: lines are `Cookie` headers.

use data_encoding::BASE64URL_NOPAD;
use portcullis::auth::session::{COOKIE, read_cookie};
use portcullis::crypto::sha256;

use super::Heard;

/// Only one whole cookie of our name is a session's, whatever stands around it.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let text = String::from_utf8_lossy(data).into_owned();
    let headers: Vec<&str> = text.split('\n').collect();
    let found = read_cookie(headers.iter().copied());

    let mut values = Vec::new();
    for header in &headers {
        for pair in header.split(';') {
            if let Some(value) = pair.trim().strip_prefix(COOKIE).and_then(|rest| rest.strip_prefix('=')) {
                values.push(value.to_owned());
            }
        }
    }
    let Some(hash) = found else {
        let whole = |value: &String| value.len() == 43 && BASE64URL_NOPAD.decode(value.as_bytes()).is_ok();
        assert!(!(values.len() == 1 && whole(&values[0])), "a whole cookie was not taken");
        return Heard::Refused;
    };
    assert_eq!(values.len(), 1, "taken among several");
    let bits = BASE64URL_NOPAD.decode(values[0].as_bytes()).expect("only base64url is taken");
    assert_eq!((values[0].len(), bits.len(), sha256(&bits)), (43, 32, hash));
    assert_eq!(BASE64URL_NOPAD.encode(&bits), values[0], "one spelling");

    // A second one of the name spoils it, however it came; others beside it do not.
    let tossed = format!("{COOKIE}=x");
    assert_eq!(read_cookie(headers.iter().copied().chain([tossed.as_str()])), None);
    assert_eq!(read_cookie([tossed.as_str()].into_iter().chain(headers.iter().copied())), None);
    let others = ["a=b; c", "__Host-portcullis2=x", "portcullis=y"];
    assert_eq!(read_cookie(others.into_iter().chain(headers.iter().copied())), Some(hash));
    Heard::Accepted
}
