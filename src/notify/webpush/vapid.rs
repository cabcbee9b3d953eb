//! Who pushes: our key, by which a push service knows that it is always the same one (RFC 8292, VAPID), kept in a
//! file of its own beside the other keys. Knows no subscription.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use crate::crypto::{Failed, Signer};
use crate::domain::Time;

/// One key, and the public half that apps subscribe with.
pub struct Key {
    signer: Signer,
}

/// Every key that still counts: the newest, with which apps subscribe, and those before, whose subscriptions go on.
pub struct Keys {
    file: PathBuf,
    held: ArcSwap<Vec<Arc<Key>>>,
    rotating: Mutex<()>,
}

/// Why the keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file.
    #[error("{file} cannot be read or written: {source}; look at its owner and mode", file = .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error(
        "{0} does not hold P-256 keys as PKCS #8 in PEM: restore it from your backup, or move it away and make a new \
         key with `portcullis push rotate-key`"
    )]
    Broken(PathBuf),
    /// No random bits.
    #[error("the system gives no random bits: try again")]
    NoChance,
}

/// What becomes of the subscriptions under the keys so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// They go on until their apps have subscribed anew.
    GoesOn,
    /// They end at once: for a key that somebody else may have.
    Ends,
}

impl Keys {
    /// Reads the file. Where there is none there are no keys, and nothing is pushed.
    ///
    /// # Errors
    /// A file that is there and cannot be used.
    pub fn open(file: &Path) -> Result<Self, KeysError> {
        let held = read(file)?.iter().map(|der| key(der, file)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { file: file.to_owned(), held: ArcSwap::from_pointee(held), rotating: Mutex::new(()) })
    }

    /// The key that apps subscribe with; `None` where push was never switched on.
    #[must_use]
    pub fn newest(&self) -> Option<Arc<Key>> {
        self.held.load().first().cloned()
    }

    /// The key with this public half, where it still counts.
    #[must_use]
    pub fn of(&self, public: &[u8]) -> Option<Arc<Key>> {
        self.held.load().iter().find(|key| key.public() == public).cloned()
    }

    /// How many keys there are: the newest and those before it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.held.load().len()
    }

    /// Makes a new key, the first where there is none. It is in the file when this returns.
    ///
    /// # Errors
    /// The file's; then nothing has changed.
    pub fn rotate(&self, before: Before) -> Result<Arc<Key>, KeysError> {
        let _one_at_a_time = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let der = Signer::generate().map_err(|_| KeysError::NoChance)?.to_vec();
        let mut all = vec![der];
        if before == Before::GoesOn {
            all.extend(read(&self.file)?.into_iter().take(KEYS_BEFORE_MAX));
        }
        let held = all.iter().map(|der| key(der, &self.file)).collect::<Result<Vec<_>, _>>()?;
        let newest = held.first().cloned().ok_or(KeysError::NoChance)?;
        write(&self.file, &all)?;
        self.held.store(Arc::new(held));
        Ok(newest)
    }
}

impl Key {
    /// SEC1 uncompressed, 65 bytes: the app's `applicationServerKey`.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        self.signer.public()
    }

    /// As the app takes it.
    #[must_use]
    pub fn public_text(&self) -> String {
        BASE64URL_NOPAD.encode(self.public())
    }

    /// The header by which the push service at `origin` knows us: good for one service, and not for long.
    pub(super) fn authorization(&self, origin: &str, contact: &str, now: Time) -> Result<String, Failed> {
        let signed = claims(origin, contact, now.plus(TOKEN_LIVES));
        let signature = BASE64URL_NOPAD.encode(&self.signer.sign(signed.as_bytes())?);
        Ok(format!("vapid t={signed}.{signature}, k={}", self.public_text()))
    }
}

fn claims(origin: &str, contact: &str, until: Time) -> String {
    let header = r#"{"typ":"JWT","alg":"ES256"}"#;
    let claims = json!({ "aud": origin, "exp": until.millis() / 1000, "sub": contact }).to_string();
    format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()))
}

fn key(der: &[u8], file: &Path) -> Result<Arc<Key>, KeysError> {
    let signer = Signer::from_pkcs8(der).map_err(|_| KeysError::Broken(file.to_owned()))?;
    Ok(Arc::new(Key { signer }))
}

fn read(file: &Path) -> Result<Vec<Vec<u8>>, KeysError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => zeroize::Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(KeysError::File { file: file.to_owned(), source }),
    };
    let blocks = pem::parse_many(text.as_bytes()).unwrap_or_default();
    if blocks.is_empty() || blocks.iter().any(|block| block.tag() != PRIVATE_KEY) {
        return Err(KeysError::Broken(file.to_owned()));
    }
    Ok(blocks.into_iter().map(pem::Pem::into_contents).collect())
}

/// Whole or not at all, for its owner alone, and still there after a power cut.
fn write(file: &Path, all: &[Vec<u8>]) -> Result<(), KeysError> {
    let failed = |source| KeysError::File { file: file.to_owned(), source };
    let text: String = all.iter().map(|der| pem::encode(&pem::Pem::new(PRIVATE_KEY, der.clone()))).collect();
    let text = zeroize::Zeroizing::new(text);
    let beside = file.with_extension("new");
    // What a killed rotation left behind.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    let mut handle = options.write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
    handle.write_all(text.as_bytes()).and_then(|()| handle.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, file).map_err(failed)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

const PRIVATE_KEY: &str = "PRIVATE KEY";

/// A phone whose app was not opened through so many rotations is woken no more until it is.
const KEYS_BEFORE_MAX: usize = 2;

/// RFC 8292 allows a day; a clock that is off by hours must still do.
const TOKEN_LIVES: Duration = Duration::from_secs(12 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::verify_es256_fixed;

    /// RFC 8292, section 2.4: header and claims byte for byte, and its signature as ours would be checked.
    #[test]
    fn the_example_of_the_standard_is_ours() {
        let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0N\
                     TM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK\
                     2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA";
        let key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
        let (signed, signature) = token.rsplit_once('.').unwrap();
        assert_eq!(
            claims("https://push.example.net", "mailto:push@example.com", Time(1_453_523_768_000)),
            signed
        );
        let raw = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        assert_eq!(verify_es256_fixed(&raw(key), signed.as_bytes(), &raw(signature)), Ok(()));
    }

    #[test]
    fn a_token_is_for_one_service_and_half_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(&folder.path().join("push.key")).unwrap();
        assert!(keys.newest().is_none());
        let key = keys.rotate(Before::GoesOn).unwrap();
        let header =
            key.authorization("https://push.example.net", "mailto:a@b.example", Time(1_000_000)).unwrap();
        let (token, public) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let raw = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        assert_eq!(raw(public), key.public());
        assert_eq!(verify_es256_fixed(key.public(), signed.as_bytes(), &raw(signature)), Ok(()));
        let claims: serde_json::Value =
            serde_json::from_slice(&raw(signed.split_once('.').unwrap().1)).unwrap();
        assert_eq!(
            claims,
            json!({ "aud": "https://push.example.net", "exp": 1000 + 12 * 3600, "sub": "mailto:a@b.example" })
        );
    }

    #[test]
    fn a_rotation_keeps_what_goes_on_and_ends_what_must_end() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("push.key");
        let keys = Keys::open(&file).unwrap();
        let made: Vec<_> = (0..4).map(|_| keys.rotate(Before::GoesOn).unwrap()).collect();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Keys::open(&file).unwrap();
        assert_eq!(again.newest().unwrap().public(), made[3].public());
        assert!(again.of(made[2].public()).is_some() && again.of(made[1].public()).is_some());
        assert!(again.of(made[0].public()).is_none(), "the oldest counts no more");
        let only = again.rotate(Before::Ends).unwrap();
        assert!(again.of(made[3].public()).is_none() && again.count() == 1);
        assert_eq!(Keys::open(&file).unwrap().newest().unwrap().public(), only.public());
        std::fs::write(&file, "no key").unwrap();
        assert!(matches!(Keys::open(&file), Err(KeysError::Broken(_))));
        assert!(
            matches!(keys.rotate(Before::GoesOn), Err(KeysError::Broken(_))),
            "a broken file is not written over"
        );
    }
}
