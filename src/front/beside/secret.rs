//! The secret by which another proxy is told from whatever else runs at its address. Knows its digests alone.

use std::fmt;

use http::HeaderMap;

use crate::crypto;

/// What a proxy must say with each request: one secret, or two while one takes the place of the other. Kept as
/// SHA-256, which a long random text needs no more than; the default is said by nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SharedSecret {
    digests: Vec<[u8; 32]>,
}

impl SharedSecret {
    /// Reads one to a line.
    ///
    /// # Errors
    /// What the text should hold.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut digests = Vec::new();
        for line in lines {
            if line.len() < LENGTH_MIN || !line.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(WANTED);
            }
            digests.push(crypto::sha256(line.as_bytes()));
        }
        match digests.len() {
            1..=SECRETS_MAX => Ok(Self { digests }),
            _ => Err(WANTED),
        }
    }

    /// Whether a request says it, once. How long that takes tells nothing of the secret.
    pub(super) fn is_said(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let said = crypto::sha256(value.as_bytes());
        self.digests.iter().fold(false, |found, digest| found | crypto::same(digest, &said))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// Takes it away: it is for us alone.
pub(super) fn forget(headers: &mut HeaderMap) {
    headers.remove(HEADER);
}

const HEADER: &str = "portcullis-secret";

/// 32 letters and digits, of 16 signs (`openssl rand -hex`) at the least: 128 bits.
const LENGTH_MIN: usize = 32;

/// The one in use, and the next.
const SECRETS_MAX: usize = 2;

const WANTED: &str =
    "a secret of 32 letters and digits or more (two, a line each, while one takes the place of the other)";

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const TWO: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    fn says(secret: &SharedSecret, values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        secret.is_said(&headers)
    }

    #[test]
    fn it_is_said_once_and_whole() {
        let both = SharedSecret::parse(&format!("{ONE}\r\n\n{TWO}\n")).unwrap();
        assert!(says(&both, &[ONE]) && says(&both, &[TWO]));
        let longer = format!("{ONE}0");
        let list = format!("{ONE}, {ONE}");
        for bad in [&[][..], &[""], &[&ONE[1..]], &[&longer], &[&list], &[ONE, ONE], &[ONE, "x"], &["x", ONE]]
        {
            assert!(!says(&both, bad), "{bad:?}");
        }
        assert!(!says(&SharedSecret::parse(ONE).unwrap(), &[TWO]));
        assert_eq!(format!("{both:?}"), "SharedSecret(..)");
    }

    #[test]
    fn what_is_no_secret_lets_nobody_in() {
        let three = format!("{ONE}\n{TWO}\n{ONE}1");
        for bad in ["", "\n", "short", &ONE[1..], &format!("{ONE} {TWO}"), &format!("{ONE}\nshort"), &three] {
            assert!(SharedSecret::parse(bad).is_err(), "{bad:?}");
        }
        for said in [&[][..], &[""], &[ONE]] {
            assert!(!says(&SharedSecret::default(), said));
        }
    }
}
