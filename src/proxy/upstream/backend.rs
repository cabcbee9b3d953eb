//! What a route says of its backend, read in one place, and what this machine lets a route reach. Opens
//! nothing.

use std::fmt;
use std::path::{Component, Path, PathBuf};

/// Where a backend listens and what it speaks. The only addresses that are ever dialled are those of routes.
///
/// `http://host:port`, `https://host:port` (HTTP/2 or HTTP/1.1, as both like), `h2c://host:port` (HTTP/2
/// without TLS), `unix:/path/to.sock`, `unix+h2c:/path/to.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    pub(super) speaks: Speaks,
    pub(super) place: Place,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Speaks {
    /// HTTP/1.1 in clear.
    Http1,
    /// HTTP/2 in clear, known beforehand (RFC 9113 3.3).
    Http2,
    /// TLS, in which the two agree (RFC 7301).
    Tls,
}

/// Where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Host { name: String, port: u16 },
    Socket(PathBuf),
}

/// Why a text is no backend, or one that is not to be reached from here; ends with what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBackend {
    /// No URL of a kind that is known here.
    #[error(
        "it is no address of a backend: write http://, https:// or h2c:// with host and port, or unix:/path/to.sock"
    )]
    Odd,
    /// It holds a user's name.
    #[error("it holds a user's name: leave it out, backends are told who is calling by headers")]
    User,
    /// It holds a path or a query.
    #[error("it holds a path, and the request's own is used: end after the port")]
    Path,
    /// The path of a socket is not plain.
    #[error("the socket's path must be whole and plain: unix:/run/app/web.sock, without `..`")]
    SocketPath,
    /// TLS, and nobody said which CA is believed.
    #[error(
        "no [[backend_tls]] in portcullis.toml names {0}: write one with hosts = [\"{0}\"] and the `ca` that its certificate must come from, then type `portcullis reload`"
    )]
    NoCa(String),
    /// A socket outside the folders that the operator named.
    #[error(
        "{0} lies in no folder of [backends] socket_folders in portcullis.toml: name its folder there, then type `portcullis reload`"
    )]
    Folder(String),
}

impl Backend {
    /// Reads what a route says, with nothing but an optional `/` behind host and port.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadBackend> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(Speaks::Http1, path);
        }
        if let Some(path) = text.strip_prefix("unix+h2c:") {
            return socket(Speaks::Http2, path);
        }
        let uri: http::Uri = text.parse().map_err(|_| BadBackend::Odd)?;
        let (speaks, usual) = match uri.scheme_str() {
            Some("http") => (Speaks::Http1, 80),
            Some("h2c") => (Speaks::Http2, 80),
            Some("https") => (Speaks::Tls, 443),
            _ => return Err(BadBackend::Odd),
        };
        let authority = uri.authority().ok_or(BadBackend::Odd)?;
        if authority.as_str().contains('@') {
            return Err(BadBackend::User);
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(BadBackend::Path);
        }
        let host = authority.host();
        let name = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        // `host:` and `host:99999` are no ports, though a lax reader takes them for none.
        let rest = authority.as_str().get(host.len()..).unwrap_or_default();
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => usual,
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(BadBackend::Odd)?,
            None => return Err(BadBackend::Odd),
        };
        if name.is_empty() {
            return Err(BadBackend::Odd);
        }
        Ok(Self { speaks, place: Place::Host { name: name.to_ascii_lowercase(), port } })
    }

    /// Whether several requests may share one connection.
    pub(in crate::proxy) const fn may_share(&self) -> bool {
        !matches!(self.speaks, Speaks::Http1)
    }
}

fn socket(speaks: Speaks, path: &str) -> Result<Backend, BadBackend> {
    let path = Path::new(path);
    let plain = path.is_absolute()
        && path.file_name().is_some()
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        && !path.as_os_str().as_encoded_bytes().iter().any(|b| b.is_ascii_control() || *b == b' ');
    plain.then(|| Backend { speaks, place: Place::Socket(path.to_owned()) }).ok_or(BadBackend::SocketPath)
}

/// As it is written in a route; what was read from it reads the same.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.place, self.speaks) {
            (Place::Socket(path), Speaks::Http2) => write!(f, "unix+h2c:{}", path.display()),
            (Place::Socket(path), _) => write!(f, "unix:{}", path.display()),
            (Place::Host { .. }, Speaks::Http1) => write!(f, "http://{}", self.place),
            (Place::Host { .. }, Speaks::Http2) => write!(f, "h2c://{}", self.place),
            (Place::Host { .. }, Speaks::Tls) => write!(f, "https://{}", self.place),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { name, port } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What of this machine a route may use. It belongs to the configuration, not to routes: whoever edits a
/// route chooses neither a CA that is believed nor a socket of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// How backends with TLS are known.
    pub tls: Vec<Trust>,
    /// Folders whose sockets a route may name.
    pub socket_folders: Vec<PathBuf>,
}

/// How backends with TLS are known, and how the gate shows itself to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// `app.internal` at any port, or `app.internal:9443`.
    pub hosts: Vec<String>,
    /// Which CA their certificates must come from.
    pub ca: Ca,
    /// The gate's own certificate with its key, PEM, where they ask for one.
    pub shows: Option<(PathBuf, PathBuf)>,
    /// The name in their certificates, where it is not the host's.
    pub server_name: Option<String>,
}

/// Which CA is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ca {
    /// Those in a PEM file and no other.
    Pinned(PathBuf),
    /// Those that browsers trust.
    Public,
}

impl Reach {
    /// Whether what a route says is a backend that is to be reached from here.
    ///
    /// # Errors
    /// What is wrong with it, or what the configuration lacks.
    pub fn admit(&self, text: &str) -> Result<(), BadBackend> {
        self.check(&Backend::parse(text)?)
    }

    /// Whether a backend is to be reached from here.
    ///
    /// # Errors
    /// What the configuration lacks.
    pub fn check(&self, backend: &Backend) -> Result<(), BadBackend> {
        match &backend.place {
            Place::Socket(path) if !self.socket_folders.iter().any(|folder| path.starts_with(folder)) => {
                Err(BadBackend::Folder(path.display().to_string()))
            }
            place if backend.speaks == Speaks::Tls && self.trusted(place).is_none() => {
                Err(BadBackend::NoCa(place.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// The first that names the place.
    pub(super) fn trusted(&self, place: &Place) -> Option<usize> {
        let Place::Host { name, .. } = place else { return None };
        let with_port = place.to_string();
        let names = |host: &String| {
            host.eq_ignore_ascii_case(&with_port) || host.trim_matches(['[', ']']).eq_ignore_ascii_case(name)
        };
        self.tls.iter().position(|trust| trust.hosts.iter().any(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_reads_and_writes_itself() {
        for (text, shown) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://app.internal/", "http://app.internal:80"),
            ("https://App.internal", "https://app.internal:443"),
            ("https://[::1]:9443/", "https://[::1]:9443"),
            ("h2c://127.0.0.1:50051", "h2c://127.0.0.1:50051"),
            ("unix:/run/app/web.sock", "unix:/run/app/web.sock"),
            ("unix+h2c:/run/app/grpc.sock", "unix+h2c:/run/app/grpc.sock"),
        ] {
            let backend = Backend::parse(text).unwrap();
            assert_eq!(backend.to_string(), shown);
            assert_eq!(Backend::parse(shown).unwrap(), backend);
        }
    }

    #[test]
    fn what_is_odd_is_refused() {
        for text in [
            "",
            "127.0.0.1:9000",
            "ftp://x",
            "http://",
            "http:///",
            "http://u@h",
            "https://h/path",
            "http://h?q",
            "http://h:",
            "http://h:0",
            "http://h:99999",
            "http://h:1:2",
            "unix:",
            "unix:/",
            "unix:run/a.sock",
            "unix:/run/../etc/a.sock",
            "unix:/run/a b.sock",
            "unix:/run/a\n.sock",
            "unix+tls:/run/a.sock",
        ] {
            assert!(Backend::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn tls_wants_a_ca_and_a_socket_its_folder() {
        let trust = |hosts: &[&str]| Trust {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            ca: Ca::Public,
            shows: None,
            server_name: None,
        };
        let reach = Reach {
            tls: vec![trust(&["one.internal", "two.internal:9443", "[::1]"])],
            socket_folders: vec!["/run/app".into()],
        };
        let check = |text: &str| reach.check(&Backend::parse(text).unwrap());
        for good in [
            "http://anything:1",
            "h2c://anything:1",
            "https://one.internal:7",
            "https://ONE.internal",
            "https://two.internal:9443",
            "https://[::1]:1",
            "unix:/run/app/web.sock",
            "unix+h2c:/run/app/deep/er.sock",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check("https://two.internal:1"), Err(BadBackend::NoCa("two.internal:1".to_owned())));
        assert!(check("https://three.internal").unwrap_err().to_string().contains("[[backend_tls]]"));
        for bad in
            ["unix:/run/application/web.sock", "unix:/run/app.sock", "unix:/var/lib/portcullis/control"]
        {
            assert!(matches!(check(bad), Err(BadBackend::Folder(_))), "{bad}");
        }
    }
}
