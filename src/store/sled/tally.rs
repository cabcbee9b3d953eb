//! A checksum of everything that is kept, which a commit brings up to date by what it changes
//! alone. Against chance, not against an attacker: that is the audit trail's. Knows no engine.

use crate::crypto::Sha256;

/// The sum of a hash of each record; the order in which they came does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally(u128);

impl Tally {
    pub(super) fn add(&mut self, key: &[u8], bytes: &[u8]) {
        self.0 = self.0.wrapping_add(hash(key, bytes));
    }

    pub(super) fn take(&mut self, key: &[u8], bytes: &[u8]) {
        self.0 = self.0.wrapping_sub(hash(key, bytes));
    }

    pub(super) const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

fn hash(key: &[u8], bytes: &[u8]) -> u128 {
    let mut hash = Sha256::new();
    hash.update(&(key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(bytes);
    let whole = hash.finish();
    whole.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_depends_on_what_is_kept_and_on_nothing_else() {
        let of = |records: &[(&str, &str)]| {
            let mut tally = Tally::default();
            for (key, bytes) in records {
                tally.add(key.as_bytes(), bytes.as_bytes());
            }
            tally
        };
        let both = of(&[("a", "1"), ("b", "2")]);
        assert_eq!(both, of(&[("b", "2"), ("a", "1")]));
        assert_ne!(both, of(&[("a", "2"), ("b", "1")]));
        assert_ne!(of(&[("ab", "c")]), of(&[("a", "bc")]));
        let mut back = both;
        back.take(b"b", b"2");
        assert_eq!(back, of(&[("a", "1")]));
        back.take(b"a", b"1");
        assert_eq!(back, Tally::default());
    }
}
