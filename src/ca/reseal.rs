//! Another passphrase for all keys at once. Knows no store.
//!
//! The keys are sealed anew in a folder beside, and the two folders change places in one step of the file system.
//! Killed before it, the old passphrase opens all keys; killed after it, the new one does; there is no third state.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::CaError;
use super::folder::KeyFolder;
use super::offline::WAITING;
use super::sealed::{self, Cost, Opener, Sealer};
use crate::domain::Secret;
use crate::world::World;

impl KeyFolder {
    /// Seals all keys under `new`; returns how many. A guess costs afterwards what this release asks for.
    ///
    /// # Errors
    /// A key that `old` does not open, and what the file system refuses; then nothing has changed.
    pub fn reseal(&self, old: &Secret, new: &Secret, world: &World) -> Result<usize, CaError> {
        let count = self.prepare(old, &Sealer::new(new, Cost::FULL, world)?, new, world)?;
        self.exchange()?;
        self.remove_beside()?;
        Ok(count)
    }

    /// Where the keys are sealed anew, and after the exchange the former ones lie.
    fn beside(&self) -> PathBuf {
        self.dir.with_extension("resealed")
    }

    /// Lays all that the folder holds out beside it, sealed anew, on the disk.
    fn prepare(&self, old: &Secret, sealer: &Sealer, new: &Secret, world: &World) -> Result<usize, CaError> {
        self.remove_beside()?;
        let beside = self.beside();
        DirBuilder::new().mode(0o700).create(&beside).map_err(CaError::file("made", &beside))?;
        let (mut opener, mut check) = (Opener::new(old)?, Opener::new(new)?);
        let mut count = 0;
        for entry in fs::read_dir(&self.dir).map_err(CaError::file("read", &self.dir))? {
            let from = entry.map_err(CaError::file("read", &self.dir))?.path();
            let (Some(name), Some(ending)) = (
                from.file_stem().and_then(|name| name.to_str()),
                from.extension().and_then(|ending| ending.to_str()),
            ) else {
                continue;
            };
            if !["key", WAITING].contains(&ending) {
                continue;
            }
            let text = fs::read_to_string(&from).map_err(CaError::file("read", &from))?;
            let key = opener.open_text(&text, name, &from)?;
            let to = beside.join(format!("{name}.{ending}"));
            sealed::write_new(&to, sealer.text(name, &key, world)?.as_bytes())?;
            // Read back before the old one goes.
            let text = fs::read_to_string(&to).map_err(CaError::file("read", &to))?;
            if *check.open_text(&text, name, &to)? != *key {
                return Err(CaError::Crypto("sealed a key anew"));
            }
            count += 1;
        }
        self.sync_parent()?;
        Ok(count)
    }

    /// The one step.
    fn exchange(&self) -> Result<(), CaError> {
        renameat_with(CWD, self.beside(), CWD, &self.dir, RenameFlags::EXCHANGE).map_err(
            |error| match error {
                rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS => CaError::NoExchange(self.dir.clone()),
                other => CaError::file("exchanged", &self.dir)(other.into()),
            },
        )?;
        self.sync_parent()
    }

    /// Removes what a reseal that was killed has left, of either passphrase.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn remove_beside(&self) -> Result<(), CaError> {
        let beside = self.beside();
        match fs::remove_dir_all(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(CaError::file("removed", &beside)(error))
            }
            _ => Ok(()),
        }
    }

    fn sync_parent(&self) -> Result<(), CaError> {
        for dir in self.dir.parent().into_iter().chain([self.dir.as_path()]) {
            let dir = if dir.as_os_str().is_empty() { std::path::Path::new(".") } else { dir };
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(CaError::file("written", dir))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::tests::{House, passphrase};

    fn opens(keys: &KeyFolder, passphrase: &Secret) -> bool {
        let mut opener = Opener::new(passphrase).unwrap();
        let all: Vec<bool> = ["devices", "staff", "server", "root", "server-root"]
            .into_iter()
            .map(|name| opener.open(keys.path(), name).is_ok())
            .collect();
        assert!(all.iter().all(|one| *one == all[0]), "some open and some do not: {all:?}");
        all[0]
    }

    #[test]
    fn whatever_it_was_killed_at_one_passphrase_opens_all_and_it_can_be_done_again() {
        let house = House::new();
        let data = house.dir.path().join("data");
        fs::create_dir(&data).unwrap();
        let (old, new) = (passphrase(), Secret::new("another passphrase altogether"));
        let fresh = || {
            let _ = fs::remove_dir_all(&data);
            fs::create_dir_all(data.join("ca")).unwrap();
            for entry in fs::read_dir(house.dir.path()).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    fs::copy(entry.path(), data.join("ca").join(entry.file_name())).unwrap();
                }
            }
            KeyFolder::at(data.join("ca"))
        };
        let sealer = Sealer::new(&new, Cost::LITTLE, &house.world).unwrap();
        // Killed while the keys were sealed anew, with none to all of them written, the last one by half.
        for written in 0..=5 {
            let keys = fresh();
            assert_eq!(keys.prepare(&old, &sealer, &new, &house.world).unwrap(), 5);
            let mut beside: Vec<_> =
                fs::read_dir(keys.beside()).unwrap().map(|entry| entry.unwrap().path()).collect();
            beside.sort();
            for file in &beside[written..] {
                fs::remove_file(file).unwrap();
            }
            if let Some(last) = written.checked_sub(1).map(|last| &beside[last]) {
                fs::write(last, "portcullis sealed k").unwrap();
            }
            assert!(opens(&keys, &old) && !opens(&keys, &new), "{written}");
            keys.reseal(&old, &new, &house.world).unwrap();
            assert!(!opens(&keys, &old) && opens(&keys, &new) && !keys.beside().exists());
        }
        // Killed before and after the exchange, and while the former keys were removed.
        let keys = fresh();
        keys.prepare(&old, &sealer, &new, &house.world).unwrap();
        assert!(opens(&keys, &old) && !opens(&keys, &new));
        keys.exchange().unwrap();
        assert!(!opens(&keys, &old) && opens(&keys, &new));
        fs::remove_file(keys.beside().join("devices.key")).unwrap();
        assert!(matches!(keys.reseal(&old, &new, &house.world), Err(CaError::WrongPassphrase(_))));
        assert!(opens(&keys, &new));
        keys.reseal(&new, &old, &house.world).unwrap();
        assert!(opens(&keys, &old) && !keys.beside().exists());
        // What a guess costs is raised on the way.
        let text = fs::read_to_string(keys.path().join("devices.key")).unwrap();
        assert!(text.contains("argon2id m=65536 t=3"), "{text}");
    }

    #[test]
    fn a_wrong_or_empty_passphrase_changes_nothing() {
        let house = House::new();
        let keys = KeyFolder::at(house.dir.path());
        let before = fs::read(house.dir.path().join("devices.key")).unwrap();
        let refused = keys.reseal(&Secret::new("wrong"), &Secret::new("new"), &house.world);
        assert!(matches!(refused, Err(CaError::WrongPassphrase(_))));
        let refused = keys.reseal(&passphrase(), &Secret::new(" "), &house.world);
        assert!(matches!(refused, Err(CaError::NoPassphrase)));
        assert_eq!(fs::read(house.dir.path().join("devices.key")).unwrap(), before);
    }
}
