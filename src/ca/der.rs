//! The few shapes of DER (X.690) that we write by hand: a tag, a length, contents. Knows no meaning.

/// SEQUENCE and SEQUENCE OF.
pub(super) const SEQUENCE: u8 = 0x30;
/// SET and SET OF.
pub(super) const SET: u8 = 0x31;
/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(super) const OCTETS: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub(super) const OID: u8 = 0x06;
/// UTCTime.
pub(super) const UTC_TIME: u8 = 0x17;
/// GeneralizedTime.
pub(super) const GENERALIZED_TIME: u8 = 0x18;
/// `[0]` around something else.
pub(super) const CONTEXT_0: u8 = 0xA0;

/// Tag, length in the shortest form, contents (X.690 8.1.3, 10.1).
pub(super) fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = contents.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let digits = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
            // A length has eight bytes at most.
            out.push(0x80 | digits.len() as u8);
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// Several, one after the other, under one tag.
pub(super) fn around(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    tagged(tag, &parts.concat())
}

/// The contents of a SET OF, in the order that DER wants: ascending by encoding (X.690 11.6).
pub(super) fn sorted(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        assert_eq!(tagged(OCTETS, &[7]), [4, 1, 7]);
        assert_eq!(tagged(OCTETS, &[0; 127])[..2], [4, 127]);
        assert_eq!(tagged(OCTETS, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tagged(OCTETS, &[0; 65_536])[..5], [4, 0x83, 1, 0, 0]);
    }

    #[test]
    fn sets_are_in_order() {
        assert_eq!(sorted(vec![vec![3, 1], vec![2, 9], vec![3]]), [2, 9, 3, 3, 1]);
    }
}
