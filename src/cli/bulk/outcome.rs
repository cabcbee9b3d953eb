//! What an issue in bulk leaves in its folder: a .p12 for each device, the manifest, the passwords in an age file
//! (age-encryption.org/v1). Each appears whole or not at all, for its owner alone.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use age::secrecy::SecretString;
use age::x25519::Recipient;
use zeroize::Zeroizing;

use super::journal::Journal;
use crate::cli::failure::Failure;
use crate::console::command::history::tame;
use crate::domain::Secret;

/// What was issued; no password.
pub(super) const MANIFEST: &str = "manifest.csv";

/// The passwords, encrypted.
pub(super) const PASSWORDS: &str = "passwords.csv.age";

/// Who can open the file of passwords.
pub(super) enum Lock {
    /// Holders of these keys.
    Recipients(Vec<Recipient>),
    /// Whoever knows this.
    Passphrase(Secret),
}

impl Lock {
    pub(super) fn for_recipients(written: &[String]) -> Result<Self, Failure> {
        let recipients = written.iter().map(|one| {
            one.trim().parse::<Recipient>().map_err(|_| {
                // It may be the secret key by mistake, so it is not repeated.
                Failure::Usage(
                    "--recipient is no age recipient: write the line `age1...` that `age-keygen` shows, never the secret key"
                        .to_owned(),
                )
            })
        });
        Ok(Self::Recipients(recipients.collect::<Result<_, _>>()?))
    }

    /// How it is opened, for people.
    pub(super) fn opens(&self) -> &'static str {
        match self {
            Self::Recipients(_) => "open it with `age -d -i KEY`",
            Self::Passphrase(_) => "open it with `age -d` and the passphrase",
        }
    }

    fn close(&self, plain: &[u8]) -> Result<Vec<u8>, Failure> {
        let failed =
            || Failure::Other("the file of passwords could not be encrypted: repeat the command".to_owned());
        let encryptor = match self {
            Self::Recipients(some) => {
                let some = some.iter().map(|one| one as &dyn age::Recipient);
                age::Encryptor::with_recipients(some).map_err(|_| failed())?
            }
            Self::Passphrase(secret) => {
                age::Encryptor::with_user_passphrase(SecretString::from(secret.expose().to_owned()))
            }
        };
        let mut closed = Vec::new();
        let mut writer = encryptor.wrap_output(&mut closed).map_err(|_| failed())?;
        writer.write_all(plain).and_then(|()| writer.finish().map(drop)).map_err(|_| failed())?;
        Ok(closed)
    }
}

/// Writes manifest and passwords of all that is done, in place of those that an earlier run wrote.
pub(super) fn write(folder: &Path, journal: &Journal, lock: &Lock) -> Result<(), Failure> {
    let issued = journal.issued()?;
    let failed = |_| Failure::Other("a table could not be written: repeat the command".to_owned());
    let mut manifest = table();
    manifest.write_record(MANIFEST_COLUMNS).map_err(failed)?;
    let mut passwords = table();
    passwords.write_record(["file", "tenant", "person", "device", "password"]).map_err(failed)?;
    for (entry, done, password) in &issued {
        let row = &entry.row;
        let (line, encoding) = (row.line.to_string(), row.encoding.as_str());
        let whose = [row.tenant.as_str(), row.person.as_str()];
        let name = row.new.as_ref().map_or("", |new| new.name.as_str());
        let cells = [&line, whose[0], whose[1], name, &row.device, &done.device, &done.serial, &entry.file];
        let cells = cells.into_iter().chain([done.sha256.as_str(), encoding, &done.until]);
        manifest.write_record(cells.map(tame)).map_err(failed)?;
        let cells = [entry.file.as_str(), whose[0], whose[1], &row.device, password.expose()];
        let cells = cells.map(|cell| Zeroizing::new(tame(cell)));
        passwords.write_record(cells.iter().map(|cell| cell.as_bytes())).map_err(failed)?;
    }
    let whole =
        |table: csv::Writer<Vec<u8>>| table.into_inner().map_err(|error| failed(error.into_error().into()));
    let passwords = Zeroizing::new(whole(passwords)?);
    keep(folder, MANIFEST, &whole(manifest)?)?;
    keep(folder, PASSWORDS, &lock.close(&passwords)?)?;
    settle(folder)
}

fn table() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new())
}

/// Puts a file on disk, whole or not at all, in place of one that a run before left.
pub(super) fn keep(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let (fresh, path) = (folder.join(format!(".{name}.new")), folder.join(name));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&fresh, &path));
    written.map_err(Failure::written(path))
}

/// The names in a folder are on disk.
pub(super) fn settle(folder: &Path) -> Result<(), Failure> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Failure::written(folder))
}

const MANIFEST_COLUMNS: [&str; 11] = [
    "line",
    "tenant",
    "person",
    "name",
    "device",
    "device_id",
    "serial",
    "file",
    "sha256",
    "encoding",
    "until",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(closed: &[u8], with: &dyn age::Identity) -> Result<Vec<u8>, age::DecryptError> {
        let mut plain = Vec::new();
        let mut reader = age::Decryptor::new(closed)?.decrypt(std::iter::once(with))?;
        std::io::Read::read_to_end(&mut reader, &mut plain)?;
        Ok(plain)
    }

    #[test]
    fn what_is_closed_opens_for_each_recipient_and_for_nobody_else() {
        let [one, two, other] = std::array::from_fn(|_| age::x25519::Identity::generate());
        let written = [&one, &two].map(|key| key.to_public().to_string());
        let closed = Lock::for_recipients(&written).unwrap().close(b"file,password").unwrap();
        assert_eq!(opened(&closed, &one).unwrap(), b"file,password");
        assert_eq!(opened(&closed, &two).unwrap(), b"file,password");
        assert!(opened(&closed, &other).is_err());
        let lock = Lock::Passphrase(Secret::new("lanterns beside otters"));
        let closed = lock.close(b"file,password").unwrap();
        let with = |text: &str| age::scrypt::Identity::new(SecretString::from(text.to_owned()));
        assert_eq!(opened(&closed, &with("lanterns beside otters")).unwrap(), b"file,password");
        assert!(opened(&closed, &with("lanterns beside otter")).is_err());
    }

    #[test]
    fn a_secret_key_given_by_mistake_is_not_repeated() {
        use age::secrecy::ExposeSecret as _;
        let key = age::x25519::Identity::generate().to_string().expose_secret().to_owned();
        let Err(refused) = Lock::for_recipients(std::slice::from_ref(&key)) else { panic!("taken") };
        assert!(!refused.to_string().contains(&key[20..30]), "{refused}");
    }
}
