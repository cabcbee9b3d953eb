//! The configuration file.

use std::collections::BTreeSet;
use std::path::Path;

use portcullis::config::Config;

use super::Heard;

/// What is taken is taken again, has doors of different names and starts its paths at its folder; an unknown
/// word anywhere is refused; each mistake is told with a line of the file.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let Ok(text) = std::str::from_utf8(data) else { return Heard::Refused };
    let file = Path::new("/etc/portcullis/portcullis.toml");
    let config = match Config::parse(text, file) {
        Ok(config) => config,
        Err(mistakes) => {
            assert!(!mistakes.list().is_empty(), "refused for no reason");
            let lines = text.split('\n').count();
            for mistake in mistakes.list() {
                assert!(!mistake.what.trim().is_empty());
                assert!(
                    mistake.line.is_none_or(|line| (1..=lines).contains(&line)),
                    "{mistake:?} of {lines}"
                );
            }
            assert!(!mistakes.to_string().is_empty());
            return Heard::Refused;
        }
    };
    let doors = config.doors();
    let names: BTreeSet<&str> = doors.iter().map(|door| door.host.as_str()).collect();
    assert_eq!(names.len(), doors.len(), "two doors of one name: {names:?}");
    for name in names {
        assert!(!name.is_empty() && name.len() <= 253, "{name:?}");
        assert!(!name.contains(|c: char| c.is_ascii_uppercase() || c.is_whitespace() || "/:@".contains(c)));
        assert!(config.origin(name).starts_with(&format!("https://{name}")));
    }
    assert!(config.data.is_absolute() && config.store.is_absolute(), "{:?} {:?}", config.data, config.store);
    assert!(config.secret_files().iter().all(|file| file.is_absolute()));
    assert!(config.control_socket().starts_with(&config.data));
    for unknown in ["zz_unknown = 1\n", "[zz_unknown]\n", "[[zz_unknown]]\nx = 1\n"] {
        let (before, after) = (format!("{unknown}{text}"), format!("{text}\n{unknown}"));
        assert!(Config::parse(&after, file).is_err(), "{unknown:?} after it was taken");
        if !unknown.starts_with('[') {
            assert!(Config::parse(&before, file).is_err(), "{unknown:?} before it was taken");
        }
    }
    assert!(Config::parse(&format!("{text}\n{text}"), file).is_err(), "everything twice");
    Heard::Accepted
}
