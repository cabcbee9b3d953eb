//! Methods of HTTP as a bit set. Knows nothing of rules or paths.

use http::Method;

use crate::domain::Reason;

/// A set of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods(u32);

impl Methods {
    /// All of them, those that nobody has thought of yet included.
    pub const ALL: Self = Self((1 << (KNOWN.len() + 1)) - 1);
    /// None.
    pub const NONE: Self = Self(0);

    /// The set of one method. One outside the known list is in [`Methods::ALL`] only.
    #[must_use]
    pub fn of(method: &Method) -> Self {
        let bit = match *method {
            Method::GET => 0,
            Method::HEAD => 1,
            Method::POST => 2,
            Method::PUT => 3,
            Method::DELETE => 4,
            Method::PATCH => 5,
            Method::OPTIONS => 6,
            _ => KNOWN.iter().position(|name| *name == method.as_str()).unwrap_or(KNOWN.len()),
        };
        Self(1 << bit)
    }

    /// Refuses a method with small letters: it is none that a rule names (RFC 9110 9.1), and there are backends to which `post`
    /// is `POST`.
    ///
    /// # Errors
    /// [`Reason::BadRequest`].
    pub fn one_meaning(method: &Method) -> Result<(), Reason> {
        if method.as_str().bytes().any(|letter| letter.is_ascii_lowercase()) {
            return Err(Reason::BadRequest("the method has small letters"));
        }
        Ok(())
    }

    /// Reads one method of a rule. `GET` takes `HEAD` along: it asks for no more (RFC 9110 9.3.2).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let bit = KNOWN.iter().position(|known| *known == name)?;
        Some(Self(if bit == 0 { 0b11 } else { 1 << bit }))
    }

    /// Those in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that `other` has not.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One of them, for messages.
    #[must_use]
    pub fn sample(self) -> &'static str {
        KNOWN.get(self.0.trailing_zeros() as usize).copied().unwrap_or("any other method")
    }

    /// The names a rule may write.
    #[must_use]
    pub fn names() -> String {
        KNOWN.join(", ")
    }
}

/// RFC 9110, RFC 5789 and what WebDAV clients send (RFC 4918, 3253, 5323).
const KNOWN: [&str; 18] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_method_has_its_bit() {
        for name in KNOWN {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            assert!(!Methods::parse(name).unwrap().and(Methods::of(&method)).is_empty(), "{name}");
            assert_eq!(Methods::of(&method).sample(), name);
        }
        assert!(!Methods::parse("GET").unwrap().and(Methods::of(&Method::HEAD)).is_empty());
        assert!(Methods::parse("HEAD").unwrap().and(Methods::of(&Method::GET)).is_empty());
        assert_eq!(Methods::parse("get"), None);
    }

    #[test]
    fn an_unheard_of_method_is_in_all_only() {
        let brew = Methods::of(&Method::from_bytes(b"BREW").unwrap());
        assert!(!Methods::ALL.and(brew).is_empty());
        for name in KNOWN {
            assert!(Methods::parse(name).unwrap().and(brew).is_empty());
        }
    }
}
