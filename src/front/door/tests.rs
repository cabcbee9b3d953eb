//! Which door a request is meant for.

use super::*;

fn said(uri: &str, hosts: &[&str]) -> Result<(String, Option<u16>), Reason> {
    let mut request = Request::get(uri);
    for host in hosts {
        request = request.header("host", *host);
    }
    let request = request.body(()).unwrap();
    authority(request.method(), request.uri(), request.headers()).map(|(name, port)| (name.to_owned(), port))
}

#[test]
fn only_what_a_browser_writes_is_a_host() {
    assert_eq!(said("/", &["bank.localhost"]), Ok(("bank.localhost".to_owned(), None)));
    assert_eq!(said("/", &["bank.localhost:8443"]), Ok(("bank.localhost".to_owned(), Some(8443))));
    let same = said("https://bank.localhost/x", &["bank.localhost"]);
    assert_eq!(same, Ok(("bank.localhost".to_owned(), None)));
    for bad in [
        "",
        " ",
        ":8443",
        "bank.localhost.",
        "bank..localhost",
        ".bank.localhost",
        "bank.localhost:",
        "bank.localhost:+443",
        "bank.localhost:99999",
        "bank.localhost:0443000",
        "bank.localhost:1:2",
        "user@bank.localhost",
        "127.0.0.1",
        "127.0.0.1:8443",
        "[::1]",
        "[::1]:8443",
        "2130706433",
        "0x7f000001",
        "bank.0x7f",
        "bank.localhost, evil",
        "bank.localhost/x",
        "bank.localhost\t",
        "bänk.localhost",
        "*.localhost",
    ] {
        assert!(matches!(said("/", &[bad]), Err(Reason::BadRequest(_))), "{bad:?}");
    }
    assert!(said("/", &[]).is_err());
    assert!(said("/", &["bank.localhost", "bank.localhost"]).is_err());
    assert!(said("https://evil.localhost/", &["bank.localhost"]).is_err());
    assert!(said("https://u@bank.localhost/", &["bank.localhost"]).is_err());
    assert!(said("https://u@bank.localhost/", &["u@bank.localhost"]).is_err());
}

#[test]
fn targets_are_paths() {
    let asked = |method: &str, uri: &str| {
        let request = Request::builder().method(method).uri(uri).header("host", "a.b").body(()).unwrap();
        authority(request.method(), request.uri(), request.headers()).is_ok()
    };
    assert!(asked("GET", "/"));
    assert!(!asked("OPTIONS", "*"));
    assert!(!asked("CONNECT", "a.b:443"));
    assert!(!asked("GET", "a.b:443"));
}
