//! Certificates, whosever they are: found, shown, exported, switched off.

use serde::{Deserialize, Serialize};

use super::history::Format;
use super::output::Output;
use super::revoke::Revoke;
use super::search::Search;
use super::{Acts, CommandError};

/// What to do with certificates.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Find certificates.
    List {
        /// Which.
        search: Search,
        /// At most so many.
        most: usize,
    },
    /// Show one and its history.
    Show {
        /// The beginning of its serial number or fingerprint.
        number: String,
    },
    /// Take the issue history away as a file.
    Export {
        /// Which.
        search: Search,
        /// How it is written.
        format: Format,
    },
    /// Show what ends.
    Expiring(super::expiring::Expiring),
    /// Switch certificates off for good.
    Revoke(Revoke),
}

impl Acts {
    pub(super) async fn certificate(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::List { search, most } => Ok(self.list_certificates(&search, most)),
            Command::Show { number } => self.show_certificate(&number).await,
            Command::Export { search, format } => self.export_certificates(actor, &search, format).await,
            Command::Expiring(expiring) => self.expiring(&expiring).await,
            Command::Revoke(revoke) => self.revoke(actor, &revoke).await,
        }
    }
}
