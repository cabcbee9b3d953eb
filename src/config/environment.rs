//! The environment, read here and nowhere else. Gives values, judges none.

use std::path::PathBuf;

use crate::domain::Secret;

/// What the gate takes from its environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `PORTCULLIS_PASSPHRASE`: opens the keys of the CA.
    pub passphrase: Option<Secret>,
    /// `CREDENTIALS_DIRECTORY`: where systemd lays a service's credentials.
    pub credentials: Option<PathBuf>,
    /// `PORTCULLIS_CONFIG`: the configuration file, where no `--config` names it.
    pub config: Option<PathBuf>,
    /// `PORTCULLIS_LOG`: what is logged, as `info,portcullis::front=debug`.
    pub log: Option<String>,
    /// `HOME`, for the browsers that the demo prepares.
    pub home: Option<PathBuf>,
    /// `PATH`, where the demo looks for a browser.
    pub path: Vec<PathBuf>,
}

impl Environment {
    /// Reads it.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the place")]
    pub fn read() -> Self {
        let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            passphrase: std::env::var("PORTCULLIS_PASSPHRASE")
                .ok()
                .filter(|value| !value.is_empty())
                .map(Secret::new),
            credentials: folder("CREDENTIALS_DIRECTORY"),
            config: folder("PORTCULLIS_CONFIG"),
            log: std::env::var("PORTCULLIS_LOG").ok(),
            home: folder("HOME"),
            path: std::env::var_os("PATH")
                .map(|path| std::env::split_paths(&path).collect())
                .unwrap_or_default(),
        }
    }

    /// Where a program lies, by its name.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.path.iter().map(|folder| folder.join(name)).find(|file| file.is_file())
    }
}
