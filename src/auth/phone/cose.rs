//! Reads the one kind of public key we take: COSE EC2 on P-256 for ES256 (RFC 9053 2.1, 7.1.1).
//! Knows nothing of what the key signs.

use ciborium::Value;

/// A P-256 point, SEC1 uncompressed: 4, x, y.
pub type PublicKey = [u8; 65];

/// Why bytes are no key we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the phone's key is no P-256 key for ES256")]
pub struct BadKey;

/// Reads a COSE key as WebAuthn carries it.
///
/// # Errors
/// Anything but an EC2 key on P-256 for ES256 with both coordinates in full.
pub fn read(key: &Value) -> Result<PublicKey, BadKey> {
    let map = key.as_map().ok_or(BadKey)?;
    let field = |label: i64| {
        let mut found = map.iter().filter(|(name, _)| as_i64(name) == Some(label)).map(|(_, value)| value);
        // A label that stands twice could be read in two ways: neither is taken.
        found.next().filter(|_| found.next().is_none()).ok_or(BadKey)
    };
    let numbers = [(KTY, KTY_EC2), (ALG, ALG_ES256), (CRV, CRV_P256)];
    for (label, wanted) in numbers {
        if as_i64(field(label)?) != Some(wanted) {
            return Err(BadKey);
        }
    }
    let coordinate = |label| -> Result<&[u8; 32], BadKey> {
        let bytes = field(label)?.as_bytes().ok_or(BadKey)?;
        bytes.as_slice().try_into().map_err(|_| BadKey)
    };
    let mut point = [4; 65];
    point[1..33].copy_from_slice(coordinate(X)?);
    point[33..].copy_from_slice(coordinate(Y)?);
    Ok(point)
}

/// Takes a point as WebCrypto exports it ("raw"): SEC1 uncompressed. Whether it lies on the
/// curve shows when a signature is verified with it.
///
/// # Errors
/// Anything but 65 bytes that begin with 4.
pub fn point(bytes: &[u8]) -> Result<PublicKey, BadKey> {
    let point: PublicKey = bytes.try_into().map_err(|_| BadKey)?;
    if point[0] == 4 { Ok(point) } else { Err(BadKey) }
}

fn as_i64(value: &Value) -> Option<i64> {
    value.as_integer().and_then(|number| i64::try_from(number).ok())
}

const KTY: i64 = 1;
const ALG: i64 = 3;
const CRV: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
const KTY_EC2: i64 = 2;
const ALG_ES256: i64 = -7;
const CRV_P256: i64 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(pairs: &[(i64, Value)]) -> Value {
        Value::Map(pairs.iter().map(|(label, value)| (Value::from(*label), value.clone())).collect())
    }

    fn good() -> Vec<(i64, Value)> {
        vec![
            (KTY, Value::from(KTY_EC2)),
            (ALG, Value::from(ALG_ES256)),
            (CRV, Value::from(CRV_P256)),
            (X, Value::Bytes(vec![1; 32])),
            (Y, Value::Bytes(vec![2; 32])),
        ]
    }

    #[test]
    fn only_p256_for_es256_is_read() {
        let point = read(&key(&good())).unwrap();
        assert_eq!((point[0], point[1], point[33]), (4, 1, 2));
        for i in 0..5 {
            let mut missing = good();
            missing.remove(i);
            assert_eq!(read(&key(&missing)), Err(BadKey));
            let mut twice = good();
            twice.push(twice[i].clone());
            assert_eq!(read(&key(&twice)), Err(BadKey));
            let mut other = good();
            other[i].1 = if i < 3 { Value::from(3) } else { Value::Bytes(vec![1; 31]) };
            assert_eq!(read(&key(&other)), Err(BadKey));
        }
        assert_eq!(read(&Value::Null), Err(BadKey));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = ciborium::from_reader::<Value, _>(bytes.as_slice()) {
                let _ = read(&value);
            }
            let _ = point(&bytes);
        }
    }
}
