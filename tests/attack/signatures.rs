//! The one proof of a handshake: that whoever shows a certificate holds its key. Signed wrongly in any way, it
//! ends the handshake, and no door, page or backend hears of it.

use std::sync::Arc;

use portcullis::crypto::tls_provider::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::inside::Inside;
use crate::support::raw::Raw;

/// What is done to what is signed, and to the signature.
type Change = Arc<dyn Fn(&[u8], &dyn Signer) -> Vec<u8> + Send + Sync>;

type Transcript = fn(&[u8]) -> Vec<u8>;
type Length = fn(Vec<u8>) -> Vec<u8>;

/// A key that signs in its own way, perhaps under another scheme's name.
#[derive(Clone)]
struct Odd {
    key: Arc<dyn SigningKey>,
    calls_itself: Option<SignatureScheme>,
    change: Change,
}

impl std::fmt::Debug for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Odd(..)")
    }
}

impl SigningKey for Odd {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
}

impl Odd {
    fn real(&self) -> Box<dyn Signer> {
        self.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).expect("a key of P-256")
    }
}

impl Signer for Odd {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok((self.change)(message, &*self.real()))
    }
    fn scheme(&self) -> SignatureScheme {
        self.calls_itself.unwrap_or_else(|| self.real().scheme())
    }
}

fn loaded(key: &[u8]) -> Arc<dyn SigningKey> {
    let key = PrivateKeyDer::try_from(key.to_vec()).unwrap();
    default_provider().key_provider.load_private_key(key).unwrap()
}

/// T-18. Another key, another transcript, another scheme, a malformed signature and each bit of a right one, in
/// both versions of TLS.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_is_not_right_opens_nothing() {
    let inside = Inside::open().await;
    let identity = &inside.laptop.identity;
    let mine = loaded(&identity.key);
    let another = loaded(&rcgen::KeyPair::generate().unwrap().serialize_der());
    let rightly: Change = Arc::new(|message, signer| signer.sign(message).unwrap());
    let odd =
        |change: &Change| Odd { key: Arc::clone(&mine), calls_itself: None, change: Arc::clone(change) };
    let mut cases = vec![("another key".to_owned(), Odd { key: another, ..odd(&rightly) })];
    let transcripts: [(&str, Transcript); 6] = [
        ("a bit of it is another", |message| {
            [&message[..message.len() - 1], &[message[message.len() - 1] ^ 1]].concat()
        }),
        ("nothing of it", |_| Vec::new()),
        ("the second half of it", |message| message[message.len() / 2..].to_vec()),
        ("one byte too much", |message| [message, &[0]].concat()),
        ("the server's words for it", |message| {
            let text = String::from_utf8_lossy(&message[..message.len().min(98)]).replace("client", "server");
            [text.as_bytes(), message.get(98..).unwrap_or_default()].concat()
        }),
        ("twice", |message| message.repeat(2)),
    ];
    for (what, changed) in transcripts {
        let change: Change = Arc::new(move |message, signer| signer.sign(&changed(message)).unwrap());
        cases.push((format!("transcript: {what}"), odd(&change)));
    }
    for scheme in [
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::ECDSA_SHA1_Legacy,
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA1,
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::ED25519,
        SignatureScheme::ED448,
        SignatureScheme::Unknown(0),
        SignatureScheme::Unknown(0xfefe),
    ] {
        cases.push((format!("called {scheme:?}"), Odd { calls_itself: Some(scheme), ..odd(&rightly) }));
    }
    let malformed: [(&str, Vec<u8>); 8] = [
        ("empty", vec![]),
        ("one byte", vec![0x30]),
        ("zeros", vec![0; 71]),
        ("ones", vec![0xff; 71]),
        ("0 and 0", vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
        ("1 and 1", vec![0x30, 6, 2, 1, 1, 2, 1, 1]),
        ("negative", vec![0x30, 6, 2, 1, 0x80, 2, 1, 0x80]),
        ("16 000 bytes", vec![0x30; 16_000]),
    ];
    for (what, bytes) in malformed {
        let change: Change = Arc::new(move |_, _| bytes.clone());
        cases.push((format!("malformed: {what}"), odd(&change)));
    }
    let lengths: [(&str, Length); 2] =
        [("cut off", |mut right| right.split_off(1)), ("and a byte more", |right| [right, vec![0]].concat())];
    for (what, change) in lengths {
        let change: Change = Arc::new(move |message, signer| change(signer.sign(message).unwrap()));
        cases.push((format!("a right one, {what}"), odd(&change)));
    }
    for bit in (0..70 * 8).step_by(7) {
        let change: Change = Arc::new(move |message, signer| {
            let mut right = signer.sign(message).unwrap();
            let at = (bit / 8) % right.len();
            right[at] ^= 1 << (bit % 8);
            right
        });
        cases.push((format!("a right one but for bit {bit}"), odd(&change)));
    }
    let request = inside.last("GET", "/v", "");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let raw = |key: Odd| {
            let key = Arc::new(key);
            let config = inside.client.wire.config_signing(&identity.chain, key, &[version], &["http/1.1"]);
            Raw::with(&inside.client.wire, "bank.localhost", config)
        };
        inside.recorder.forget();
        let heard = raw(odd(&rightly)).exchange(request.as_bytes()).await;
        assert_eq!((heard.status(), inside.recorder.count()), (Some(200), 1), "{}", heard.text());
        inside.recorder.forget();
        for (what, key) in &cases {
            let heard = raw(key.clone()).exchange(request.as_bytes()).await;
            assert!(heard.ended && heard.bytes.is_empty(), "{version:?}, {what}: {}", heard.text());
            assert_eq!(inside.recorder.count(), 0, "{version:?}, {what}");
        }
    }
    println!("{} wrong signatures, in two versions of TLS: none opened anything", cases.len());
    inside.must_serve_the_honest().await;
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}
