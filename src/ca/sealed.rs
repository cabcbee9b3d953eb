//! Private keys of CAs at rest: one file for each, sealed under the passphrase.
//! Knows not what a key signs. A file is three lines: its format, how the passphrase becomes a
//! key (Argon2id and its salt), and nonce, ciphertext and tag of AES-256-GCM in base64. The first
//! two lines and the issuer's name are bound to the third.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::CaError;
use crate::crypto;
use crate::domain::Secret;
use crate::world::World;

/// Seals keys under one passphrase; Argon2 runs once.
pub(super) struct Sealer {
    header: Header,
    key: Zeroizing<[u8; 32]>,
}

impl Sealer {
    /// Derives the key under a new salt.
    pub(super) fn new(passphrase: &Secret, cost: Cost, world: &World) -> Result<Self, CaError> {
        if passphrase.expose().trim().is_empty() {
            return Err(CaError::NoPassphrase);
        }
        let header = Header { cost, salt: world.bytes() };
        let key = header.derive(passphrase).ok_or(CaError::Crypto("derived a key from the passphrase"))?;
        Ok(Self { header, key })
    }

    /// Writes a new file; refuses where there is one.
    pub(super) fn seal(&self, dir: &Path, name: &str, key: &[u8], world: &World) -> Result<PathBuf, CaError> {
        let path = path(dir, name);
        write_new(&path, self.text(name, key, world)?.as_bytes())?;
        Ok(path)
    }

    /// What a file holds that seals the key of `name`.
    pub(super) fn text(&self, name: &str, key: &[u8], world: &World) -> Result<String, CaError> {
        let header = self.header.line();
        let sealed = crypto::seal(&self.key, world.bytes(), &label(&header, name), key)
            .map_err(|_| CaError::Crypto("sealed a key"))?;
        Ok(format!("{FORMAT}\n{header}\n{}\n", BASE64.encode(&sealed)))
    }
}

/// Opens keys sealed under one passphrase; Argon2 runs once for keys made together.
pub(super) struct Opener<'a> {
    passphrase: &'a Secret,
    derived: BTreeMap<String, Zeroizing<[u8; 32]>>,
}

impl<'a> Opener<'a> {
    /// Takes the passphrase; nothing is tried yet.
    pub(super) fn new(passphrase: &'a Secret) -> Result<Self, CaError> {
        if passphrase.expose().trim().is_empty() {
            return Err(CaError::NoPassphrase);
        }
        Ok(Self { passphrase, derived: BTreeMap::new() })
    }

    /// Opens the key of `name`.
    pub(super) fn open(&mut self, dir: &Path, name: &str) -> Result<Zeroizing<Vec<u8>>, CaError> {
        let path = path(dir, name);
        let text = fs::read_to_string(&path).map_err(CaError::file("read", &path))?;
        self.open_text(&text, name, &path)
    }

    /// Opens the key of `name` from what its file holds, which came from `path`.
    pub(super) fn open_text(
        &mut self,
        text: &str,
        name: &str,
        path: &Path,
    ) -> Result<Zeroizing<Vec<u8>>, CaError> {
        let (header, sealed) = parts(text, path)?;
        let key = self.derive(header, path)?;
        crypto::open(key, &label(header, name), &sealed)
            .map_err(|_| CaError::WrongPassphrase(path.to_owned()))
    }

    /// Seals under the same passphrase, salt and cost as the key of `name`, which must open.
    pub(super) fn sealer_like(&mut self, dir: &Path, name: &str) -> Result<Sealer, CaError> {
        let path = path(dir, name);
        let text = fs::read_to_string(&path).map_err(CaError::file("read", &path))?;
        self.open_text(&text, name, &path)?;
        let (line, _) = parts(&text, &path)?;
        let key = self.derive(line, &path)?.clone();
        let header = Header::parse(line).ok_or_else(|| unreadable_header(&path))?;
        Ok(Sealer { header, key })
    }

    fn derive(&mut self, line: &str, path: &Path) -> Result<&Zeroizing<[u8; 32]>, CaError> {
        if !self.derived.contains_key(line) {
            let header = Header::parse(line).ok_or_else(|| unreadable_header(path))?;
            let key =
                header.derive(self.passphrase).ok_or(CaError::Crypto("derived a key from the passphrase"))?;
            self.derived.insert(line.to_owned(), key);
        }
        self.derived.get(line).ok_or(CaError::Crypto("derived a key from the passphrase"))
    }
}

/// Second and third line of a sealed key.
fn parts<'t>(text: &'t str, path: &Path) -> Result<(&'t str, Vec<u8>), CaError> {
    let broken = |why| CaError::KeyFile { path: path.to_owned(), why };
    let mut lines = text.lines();
    let (Some(FORMAT), Some(header), Some(sealed), None) =
        (lines.next(), lines.next(), lines.next(), lines.next())
    else {
        return Err(broken("it is not a sealed key of this release"));
    };
    if Header::parse(header).is_none() {
        return Err(unreadable_header(path));
    }
    let sealed = BASE64.decode(sealed.as_bytes()).map_err(|_| broken("its third line is not base64"))?;
    Ok((header, sealed))
}

fn unreadable_header(path: &Path) -> CaError {
    CaError::KeyFile { path: path.to_owned(), why: "its second line cannot be read" }
}

/// What a guess of the passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    memory_kib: u32,
    passes: u32,
}

impl Cost {
    /// 64 MiB and three passes, the second choice of RFC 9106 4; once per start, so well above
    /// what a sign-in may cost.
    pub(super) const FULL: Self = Self { memory_kib: 64 * 1024, passes: 3 };
    /// For tests of what is not the cost.
    #[cfg(test)]
    pub(super) const LITTLE: Self = Self { memory_kib: 64, passes: 1 };
}

struct Header {
    cost: Cost,
    salt: [u8; 16],
}

impl Header {
    fn line(&self) -> String {
        let Cost { memory_kib, passes } = self.cost;
        format!("argon2id m={memory_kib} t={passes} p=1 salt={}", BASE64.encode(&self.salt))
    }

    /// Reads exactly what [`Header::line`] writes, within bounds that no file can use to eat the machine.
    fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("argon2id m=")?;
        let (memory, rest) = rest.split_once(" t=")?;
        let (passes, salt) = rest.split_once(" p=1 salt=")?;
        let cost = Cost { memory_kib: memory.parse().ok()?, passes: passes.parse().ok()? };
        let salt = BASE64.decode(salt.as_bytes()).ok()?.try_into().ok()?;
        let bounded =
            (8..=MEMORY_KIB_MAX).contains(&cost.memory_kib) && (1..=PASSES_MAX).contains(&cost.passes);
        bounded.then_some(Self { cost, salt })
    }

    fn derive(&self, passphrase: &Secret) -> Option<Zeroizing<[u8; 32]>> {
        let params = Params::new(self.cost.memory_kib, self.cost.passes, 1, Some(32)).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose().as_bytes(), &self.salt, key.as_mut())
            .ok()?;
        Some(key)
    }
}

/// Where the sealed key of `name` lies.
pub(super) fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.key"))
}

/// What is bound to the ciphertext: a file under another name, or with another header, does not open.
fn label(header: &str, name: &str) -> Vec<u8> {
    format!("{FORMAT}\n{header}\n{name}").into_bytes()
}

pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CaError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(
        |error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => CaError::AlreadyThere(path.to_owned()),
            _ => CaError::file("made", path)(error),
        },
    )?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    });
    written.map_err(|error| {
        // Half a key would keep the next `init` from beginning; what cannot be removed it will name.
        let _ = fs::remove_file(path);
        CaError::file("written", path)(error)
    })
}

const FORMAT: &str = "portcullis sealed key 1";

/// 1 GiB: sixteen times what we write.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;

/// Ten times what we write, and some.
const PASSES_MAX: u32 = 32;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn sealed() -> (tempfile::TempDir, Secret) {
        let dir = tempfile::tempdir().unwrap();
        let passphrase = Secret::new("correct horse");
        let world = World::real();
        let sealer = Sealer::new(&passphrase, Cost::LITTLE, &world).unwrap();
        sealer.seal(dir.path(), "devices", b"the key itself", &world).unwrap();
        (dir, passphrase)
    }

    fn open(dir: &Path, name: &str, passphrase: &Secret) -> Result<Zeroizing<Vec<u8>>, CaError> {
        Opener::new(passphrase).unwrap().open(dir, name)
    }

    #[test]
    fn opens_with_the_passphrase_alone_and_says_what_to_do() {
        let (dir, passphrase) = sealed();
        assert_eq!(open(dir.path(), "devices", &passphrase).unwrap().as_slice(), b"the key itself");
        let error = open(dir.path(), "devices", &Secret::new("correct horsf")).unwrap_err();
        assert!(matches!(error, CaError::WrongPassphrase(_)));
        assert!(error.to_string().starts_with("the passphrase does not open the CA keys"), "{error}");
        assert!(!error.to_string().contains("horsf"));
    }

    #[test]
    fn an_empty_passphrase_is_refused() {
        for empty in ["", " ", "\n"] {
            let secret = Secret::new(empty);
            assert!(matches!(Sealer::new(&secret, Cost::LITTLE, &World::real()), Err(CaError::NoPassphrase)));
            assert!(matches!(Opener::new(&secret), Err(CaError::NoPassphrase)));
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let (dir, passphrase) = sealed();
        let path = path(dir.path(), "devices");
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let opened = open(dir.path(), "devices", &passphrase);
            assert!(opened.is_err(), "byte {at} of {}", String::from_utf8_lossy(&good));
        }
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(open(dir.path(), "devices", &passphrase).is_err());
    }

    #[test]
    fn a_key_under_another_name_does_not_open() {
        let (dir, passphrase) = sealed();
        fs::rename(path(dir.path(), "devices"), path(dir.path(), "staff")).unwrap();
        assert!(matches!(open(dir.path(), "staff", &passphrase), Err(CaError::WrongPassphrase(_))));
    }

    #[test]
    fn the_file_is_the_owners_alone_and_never_overwritten() {
        let (dir, passphrase) = sealed();
        let path = path(dir.path(), "devices");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read(&path).unwrap();
        assert!(!text.windows(7).any(|window| window == b"the key"));
        let again = Sealer::new(&passphrase, Cost::LITTLE, &World::real()).unwrap();
        assert!(matches!(
            again.seal(dir.path(), "devices", b"other", &World::real()),
            Err(CaError::AlreadyThere(_))
        ));
    }

    #[test]
    fn a_header_cannot_ask_for_the_whole_machine() {
        for line in [
            "argon2id m=4294967295 t=3 p=1 salt=AAAAAAAAAAAAAAAAAAAAAA==",
            "argon2id m=64 t=4294967295 p=1 salt=AAAAAAAAAAAAAAAAAAAAAA==",
            "argon2id m=64 t=0 p=1 salt=AAAAAAAAAAAAAAAAAAAAAA==",
            "argon2id m=64 t=1 p=1 salt=AAAA",
            "argon2i m=64 t=1 p=1 salt=AAAAAAAAAAAAAAAAAAAAAA==",
        ] {
            assert!(Header::parse(line).is_none(), "{line}");
        }
    }
}
