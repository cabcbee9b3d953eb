//! Addresses to listen at, each given once: two listeners at one address would share its connections, or the second
//! one would not open. Opens none.

use std::net::SocketAddr;
use std::ops::Range;

use super::mistake::Mistakes;
use super::sheet::{At, Sheet};

/// Those given so far, each with the key that names it.
#[derive(Default)]
pub(super) struct Addresses(Vec<(&'static str, SocketAddr)>);

impl Addresses {
    /// One that a key of a section names.
    pub(super) fn read(
        &mut self,
        section: &mut Sheet<'_>,
        key: &'static str,
        notes: &mut Mistakes,
    ) -> Option<At<SocketAddr>> {
        let At { value, span } = section.text(key, notes)?;
        let Ok(address) = value.parse() else {
            notes.at(
                &span,
                format!(
                    "{value:?} is no address with a port: write one such as \"0.0.0.0:443\" or \"[::]:443\""
                ),
            );
            return None;
        };
        self.give(key, address, &span, notes);
        Some(At { value: address, span })
    }

    /// Another one, which must be none of these.
    pub(super) fn give(
        &mut self,
        key: &'static str,
        address: SocketAddr,
        span: &Range<usize>,
        notes: &mut Mistakes,
    ) {
        if let Some((before, taken)) = self.0.iter().find(|(_, taken)| share(*taken, address)) {
            notes.at(
                span,
                format!(
                    "{address} is given twice: `{before}` listens at {taken}; write another port for `{key}`"
                ),
            );
        }
        self.0.push((key, address));
    }
}

/// Whether two listeners would meet there. Whoever listens everywhere in IPv6 listens in IPv4 as well.
pub(crate) fn share(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |a: SocketAddr, b: SocketAddr| {
        a.ip() == b.ip() || a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4())
    };
    // A free one is taken for 0, another each time.
    one.port() == other.port() && one.port() != 0 && (covers(one, other) || covers(other, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_listens_there_too() {
        let meet = |a: &str, b: &str| {
            let (a, b) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!(share(a, b), share(b, a));
            share(a, b)
        };
        for (a, b, wanted) in [
            ("127.0.0.1:443", "127.0.0.1:443", true),
            ("127.0.0.1:443", "127.0.0.1:444", false),
            ("127.0.0.1:443", "127.0.0.2:443", false),
            ("0.0.0.0:443", "127.0.0.1:443", true),
            ("[::]:443", "127.0.0.1:443", true),
            ("[::]:443", "0.0.0.0:443", true),
            ("0.0.0.0:443", "[::1]:443", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(meet(a, b), wanted, "{a} {b}");
        }
    }
}
