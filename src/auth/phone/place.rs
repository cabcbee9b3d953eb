//! Where about a network address is, from a file that the operator put there: roughly, for a person who
//! asks whether this is they. Nothing is fetched, and nothing is decided by it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use maxminddb::{Reader, geoip2};

/// A file in MaxMind's format (DB-IP and others write it too), by city or by country.
pub struct Places {
    reader: Reader<Vec<u8>>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file} cannot be used: {source}; name a city or country database in MaxMind's format (.mmdb)")]
pub struct BadFile {
    /// Which.
    pub file: PathBuf,
    source: maxminddb::MaxMindDbError,
}

impl Places {
    /// Reads the file whole.
    ///
    /// # Errors
    /// [`BadFile`].
    pub fn open(file: &Path) -> Result<Self, BadFile> {
        let reader = Reader::open_readfile(file);
        Ok(Self { reader: reader.map_err(|source| BadFile { file: file.to_owned(), source })? })
    }

    /// "near Zürich, Switzerland", "Switzerland"; nothing for an address that is in no public place, or of
    /// which the file knows nothing.
    #[must_use]
    pub fn near(&self, address: IpAddr) -> Option<String> {
        let found = self.reader.lookup(address.to_canonical()).ok()?;
        let city = found.decode::<geoip2::City<'_>>().ok()??;
        match (city.city.names.english, city.country.names.english) {
            (Some(city), Some(country)) => Some(format!("near {city}, {country}")),
            (Some(city), None) => Some(format!("near {city}")),
            (None, Some(country)) => Some(country.to_owned()),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with three networks of documentation (RFC 5737, RFC 3849), written by another hand.
    fn places() -> Places {
        Places::open(Path::new("tests/support/places.mmdb")).unwrap()
    }

    #[test]
    fn a_place_is_rough_and_may_be_unknown() {
        let near = |address: &str| places().near(address.parse().unwrap());
        assert_eq!(near("192.0.2.7").as_deref(), Some("near Zürich, Switzerland"));
        assert_eq!(near("::ffff:192.0.2.7").as_deref(), Some("near Zürich, Switzerland"));
        assert_eq!(near("2001:db8::1").as_deref(), Some("Italy"));
        assert_eq!(near("203.0.113.9"), None, "a network without a name");
        assert_eq!(near("127.0.0.1"), None);
    }

    #[test]
    fn another_file_is_refused_by_name() {
        let Err(error) = Places::open(Path::new("Cargo.toml")) else { panic!("not a database") };
        assert!(error.to_string().contains("Cargo.toml cannot be used"), "{error}");
        assert!(Places::open(Path::new("no/such/file")).is_err());
    }
}
