//! Serial numbers: 128 random bits, and their one spelling in the store.
//! Knows no certificate.

use data_encoding::HEXLOWER;

use super::CaError;
use crate::domain::certificate::Serial;
use crate::world::World;

/// A new serial of 128 random bits; never zero (RFC 5280 4.1.2.2), 17 octets in DER at most.
pub(super) fn draw(world: &World) -> [u8; 16] {
    loop {
        let bits: [u8; 16] = world.bytes();
        if bits != [0; 16] {
            return bits;
        }
    }
}

/// As the store keeps it: lower-case hex without leading zeros, whatever zeros DER put before.
#[must_use]
pub fn text(bytes: &[u8]) -> Serial {
    let hex = HEXLOWER.encode(bytes);
    let digits = hex.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
}

/// The bytes of what [`text`] wrote.
pub(super) fn bytes(serial: &str) -> Result<Vec<u8>, CaError> {
    let even = if serial.len().is_multiple_of(2) { serial.to_owned() } else { format!("0{serial}") };
    HEXLOWER.decode(even.as_bytes()).map_err(|_| CaError::BadSerial(serial.chars().take(64).collect()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn one_spelling_and_back() {
        assert_eq!(text(&[0, 0x0a, 0xbc]), "abc");
        assert_eq!(text(&[0x80, 0x01]), "8001");
        assert_eq!(bytes("abc").unwrap(), [0x0a, 0xbc]);
        assert!(bytes("xyz").is_err());
    }

    #[test]
    fn all_128_bits_are_random() {
        let world = World::real();
        let drawn: HashSet<[u8; 16]> = (0..4000).map(|_| draw(&world)).collect();
        assert_eq!(drawn.len(), 4000);
        for bit in 0..128 {
            let ones = drawn.iter().filter(|bits| bits[bit / 8] >> (bit % 8) & 1 == 1).count();
            // Five standard deviations around the half.
            assert!((1842..=2158).contains(&ones), "bit {bit}: {ones}");
        }
    }
}
