//! A question of OCSP, which anybody may send over plain HTTP.

use portcullis::ca::ocsp::{BYTES_MAX, Question};

use super::Heard;

/// What is read is bounded, and says of each certificate what its own bytes say: read again by itself, and
/// with the same nonce, it is the same question.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let Ok(question) = Question::read(data) else { return Heard::Refused };
    assert!(data.len() <= BYTES_MAX);
    assert!((1..=32).contains(&question.asked.len()));
    let mut list = Vec::new();
    for asked in &question.asked {
        assert_eq!(asked.id.first(), Some(&0x30), "a CertID is a SEQUENCE");
        // What is echoed came from there, byte for byte.
        assert!(data.windows(asked.id.len()).any(|window| window == asked.id.as_slice()));
        if let Some(serial) = &asked.serial {
            let digits = serial.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            assert!(digits && (serial == "0" || !serial.starts_with('0')), "{serial}");
        }
        list.extend(tlv(0x30, &asked.id));
    }
    let nonce = question.nonce.as_ref().map(|nonce| {
        assert!((3..=131).contains(&nonce.len()) && nonce[0] == 4, "an OCTET STRING of 1 to 128");
        let extension = tlv(0x30, &[NONCE, &tlv(0x04, nonce)].concat());
        tlv(0xa2, &tlv(0x30, &extension))
    });
    let tbs = tlv(0x30, &[tlv(0x30, &list), nonce.unwrap_or_default()].concat());
    let again = Question::read(&tlv(0x30, &tbs)).expect("the same without what says nothing");
    assert_eq!(again, question);
    Heard::Accepted
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
            out.push(0x80 | u8::try_from(bytes.len() - start).unwrap_or(0));
            out.extend_from_slice(&bytes[start..]);
        }
    }
    out.extend_from_slice(content);
    out
}

/// The OBJECT IDENTIFIER of the nonce.
const NONCE: &[u8] = &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02];
