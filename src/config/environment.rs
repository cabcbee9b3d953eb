//! The environment, read here and nowhere else. Gives values, judges none.

use std::io::Read as _;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::domain::Secret;

/// What the gate takes from its environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `PORTCULLIS_PASSPHRASE`: opens the keys of the CA.
    pub passphrase: Option<Secret>,
    /// Whether it stands in the environment, where `/proc` shows it.
    pub exposes_passphrase: bool,
    /// Whether a running gate started this one, to take over from it.
    pub takes_over: bool,
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
        let exposed = std::env::var(PASSPHRASE).ok().filter(|value| !value.is_empty()).map(Secret::new);
        let exposes_passphrase = exposed.is_some();
        let handed = || std::env::var_os(PASSPHRASE_ON_STDIN).and_then(|_| handed_over());
        Self {
            passphrase: exposed.or_else(handed),
            exposes_passphrase,
            takes_over: std::env::var_os(TAKES_OVER).is_some(),
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

/// What a process that shed its environment left for itself, read to the end once.
fn handed_over() -> Option<Secret> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().read_to_string(&mut text).ok()?;
    Some(Secret::new(text.as_str())).filter(|secret| !secret.expose().is_empty())
}

/// Holds the passphrase.
pub const PASSPHRASE: &str = "PORTCULLIS_PASSPHRASE";

/// Says that the sockets come from a gate that gives way.
pub const TAKES_OVER: &str = "PORTCULLIS_TAKES_OVER";

/// Says that the passphrase comes on standard input.
pub const PASSPHRASE_ON_STDIN: &str = "PORTCULLIS_PASSPHRASE_ON_STDIN";
