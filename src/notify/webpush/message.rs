//! What is pushed, sealed so that only the phone's browser reads it (RFC 8291 over RFC 8188, aes128gcm). Knows
//! neither push services nor our own key.

use zeroize::Zeroizing;

use crate::crypto::{self, Failed, OneAgreement};
use crate::domain::push::Subscription;
use crate::world::World;

/// The name of the encoding, in its header.
pub(super) const ENCODING: &str = "aes128gcm";

/// Says whose site asks, and nothing else: the phone comes to us for the rest.
pub(super) fn words(site: &str) -> String {
    serde_json::json!({ "site": site }).to_string()
}

/// Seals `words` for a subscription: the body of the POST. Every message of ours is equally long, so that its length
/// tells nothing.
pub(super) fn seal(world: &World, to: &Subscription, words: &str) -> Result<Vec<u8>, Failed> {
    let ours = OneAgreement::begin()?;
    let public = ours.public().to_vec();
    let agreed = ours.with(&to.p256dh)?;
    let mut padded = words.as_bytes().to_vec();
    padded.push(LAST_RECORD);
    padded.resize(padded.len().max(PADDED_BYTES), 0);
    Agreed { secret: &agreed, ours: &public, theirs: &to.p256dh, auth: &to.auth }
        .seal(&world.bytes(), &padded)
}

/// What both sides know once they have agreed.
struct Agreed<'a> {
    secret: &'a [u8; 32],
    ours: &'a [u8],
    theirs: &'a [u8],
    auth: &'a [u8],
}

impl Agreed<'_> {
    /// Header and one record; `record` ends with its delimiter and padding.
    fn seal(&self, salt: &[u8; 16], record: &[u8]) -> Result<Vec<u8>, Failed> {
        let info = [b"WebPush: info\0".as_slice(), self.theirs, self.ours].concat();
        let secret: Zeroizing<[u8; 32]> = crypto::hkdf_sha256(self.auth, self.secret, &info)?;
        let key: Zeroizing<[u8; 16]> =
            crypto::hkdf_sha256(salt, secret.as_slice(), b"Content-Encoding: aes128gcm\0")?;
        let nonce: Zeroizing<[u8; 12]> =
            crypto::hkdf_sha256(salt, secret.as_slice(), b"Content-Encoding: nonce\0")?;
        let sealed = crypto::seal_once_aes128(&key, *nonce, record)?;
        let named = u8::try_from(self.ours.len()).map_err(|_| Failed)?;
        Ok([salt.as_slice(), &RECORD_BYTES.to_be_bytes(), &[named], self.ours, &sealed].concat())
    }
}

/// After the words of the last record (RFC 8188 2).
const LAST_RECORD: u8 = 2;

/// One record holds all: push services take no message longer than this.
const RECORD_BYTES: u32 = 4096;

/// Room for a site's name of 200 characters, and far below what every push service takes.
const PADDED_BYTES: usize = 1024;

#[cfg(test)]
pub(super) mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
    }

    /// RFC 8291, appendix A: the agreed secret, and what comes of it.
    #[test]
    fn the_example_of_the_standard_comes_out_byte_for_byte() {
        let secret: [u8; 32] = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs").try_into().unwrap();
        let ours =
            bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let theirs =
            bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let auth = bytes("BTBZMqHH6r4Tts7J_aSIgg");
        let salt: [u8; 16] = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let agreed = Agreed { secret: &secret, ours: &ours, theirs: &theirs, auth: &auth };
        let sealed = agreed.seal(&salt, b"When I grow up, I want to be a watermelon\x02").unwrap();
        let wanted = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmY\
                      WAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexS\
                      gSxsj_Qulcy4a-fN";
        assert_eq!(BASE64URL_NOPAD.encode(&sealed), wanted);
    }

    #[test]
    fn a_message_holds_the_site_alone_and_is_as_long_as_any_other() {
        let value: serde_json::Value = serde_json::from_str(&words("Bank Muster & Cie")).unwrap();
        assert_eq!(value, serde_json::json!({ "site": "Bank Muster & Cie" }));
        let to = subscription();
        let world = World::real();
        let short = seal(&world, &to, &words("A")).unwrap();
        let long = seal(&world, &to, &words(&"n".repeat(200))).unwrap();
        assert_eq!(short.len(), long.len());
        assert!(short.len() < 4096);
        assert_ne!(seal(&world, &to, &words("A")).unwrap(), short, "never the same twice");
    }

    /// A phone's; nobody holds its private key.
    pub(in super::super) fn subscription() -> Subscription {
        use crate::domain::{PersonId, PhoneId, TenantId, Time};
        Subscription {
            tenant: TenantId::parse("bank").unwrap(),
            person: PersonId::parse("anna").unwrap(),
            phone: PhoneId::parse("phone-1").unwrap(),
            endpoint: "https://push.example.net/wpush/v1/secret".to_owned(),
            p256dh: OneAgreement::begin().unwrap().public().to_vec(),
            auth: vec![7; 16],
            key: vec![],
            since: Time(0),
        }
    }
}
