//! Doors of the running gate whose certificate had to stay, for what lies in its place now cannot be used.

use std::fmt;

use super::Check;
use crate::console::command::Acts;
use crate::domain::Time;

/// A certificate that a door goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCertificate {
    /// The door's.
    pub host: String,
    /// What is wrong with the files.
    pub why: String,
    /// When the old one ends.
    pub until: Time,
}

impl fmt::Display for KeptCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, why, until } = self;
        write!(
            f,
            "the door {host} has no new certificate: {why}; the gate goes on with the certificate that it had, which ends \
             on {}",
            until.day()
        )
    }
}

impl Acts {
    pub(super) fn check_doors(&self) -> Vec<Check> {
        let kept = self.old_certificates.get().map(|kept| kept()).unwrap_or_default();
        let each = kept.iter().map(|one| {
            let name = format!("running door {}", one.host);
            Check::heed(&name, one.to_string(), "mend the files: they are read by themselves")
        });
        each.collect()
    }
}
