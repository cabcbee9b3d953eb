//! Opens a sealed CA key as somebody would who has the passphrase and reads the format from the file: by another
//! hand than the program's.

use portcullis::crypto;

/// PKCS #8 of the key that a file (given by its text) seals for `name`.
pub(crate) fn unsealed(text: &str, name: &str, passphrase: &str) -> Option<Vec<u8>> {
    let lines: Vec<&str> = text.lines().collect();
    let [format, header, sealed] = lines.as_slice() else { return None };
    let mut fields = header.split(' ').skip(1).map(|field| field.split_once('=').unwrap().1);
    let mut number = || fields.next().unwrap().parse::<u32>().unwrap();
    let (memory, passes, lanes) = (number(), number(), number());
    let salt = data_encoding::BASE64.decode(header.split_once("salt=").unwrap().1.as_bytes()).unwrap();
    let params = argon2::Params::new(memory, passes, lanes, Some(32)).unwrap();
    let mut key = [0; 32];
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &salt, &mut key)
        .unwrap();
    let sealed = data_encoding::BASE64.decode(sealed.as_bytes()).ok()?;
    let label = format!("{format}\n{header}\n{name}");
    crypto::open(&key, label.as_bytes(), &sealed).ok().map(|plain| plain.to_vec())
}

/// The number that is the private key.
pub(crate) fn scalar(pkcs8: &[u8]) -> Vec<u8> {
    let at = pkcs8.windows(4).position(|four| four == [0x02, 0x01, 0x01, 0x04]).unwrap();
    assert_eq!(pkcs8[at + 4], 0x20);
    pkcs8[at + 5..at + 37].to_vec()
}
