//! Names that come from outside: identifiers, the identity URI of a certificate, a phone's handle.

use portcullis::auth::phone::proof::Handle;
use portcullis::domain::TenantId;
use portcullis::domain::certificate::Identity;

use super::Heard;

/// What is read is printed just as it was written: there is no second spelling of anybody.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let text = String::from_utf8_lossy(data).into_owned();
    let mut heard = false;
    if let Some(identity) = Identity::parse(&text) {
        assert_eq!(identity.uri(), text);
        heard = true;
    }
    if let Ok(handle) = text.parse::<Handle>() {
        assert_eq!(handle.to_string(), text);
        assert_eq!(text.matches('.').count(), 2);
        heard = true;
    }
    if let Ok(id) = TenantId::parse(&text) {
        assert_eq!(id.as_str(), text);
        assert!((1..=64).contains(&text.len()));
        assert!(
            !text.contains(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-'),
            "{text:?}"
        );
        heard = true;
    }
    Heard::accepted_if(heard)
}
