//! The shipped profiles are good, and each that asks too much is refused with the reason.

use super::*;

const DEVICE: &str = include_str!("../../../certs/device.toml");
const OCSP: &str = include_str!("../../../certs/ocsp.toml");

#[test]
fn shipped_profiles_are_good_and_say_two_years() {
    let profiles = Profiles::shipped().unwrap();
    let now = Time::from_secs(1_795_292_244);
    let (first, last) = profiles.device.validity(now).unwrap();
    assert_eq!((first.to_string(), last.to_string()).0, "2026-11-21T20:12:24Z");
    assert_eq!(last.to_string(), "2028-11-21T20:12:24Z");
    assert_eq!(profiles.issuing.crl_next_update(now).unwrap().to_string(), "2026-11-28T20:17:24Z");
    assert!(profiles.client("device").is_some() && profiles.client("staff").is_some());
    assert!(profiles.client("server").is_none() && profiles.client("root").is_none());
}

#[test]
fn a_profile_that_asks_too_much_is_refused() {
    for (from, to, why) in [
        ("[\"client-auth\"]", "[\"client-auth\", \"server-auth\"]", "client-auth"),
        ("[\"client-auth\"]", "[]", "client-auth"),
        ("[\"digital-signature\"]", "[\"digital-signature\", \"key-cert-sign\"]", "key-cert-sign"),
        ("\"identity-uri\"", "\"dns\"", "identity-uri"),
        ("crl-url = true", "crl-url = false", "crl-url"),
        ("crl-url = true", "crl-url = true\nclients-exclude = [\"dns\"]", "clients-exclude"),
        ("ocsp-url = true", "ocsp-url = false", "ocsp-url"),
        ("ocsp-url = true", "ocsp-url = true\nocsp-no-check = true", "ocsp-no-check"),
        ("ocsp-url = true", "ocsp-url = true\nanswer-valid = \"1 hour\"", "answer-valid"),
        ("[\"client-auth\"]", "[\"ocsp-signing\"]", "client-auth"),
        ("\"2 years\"", "\"-2 years\"", "lifetime"),
        ("crl-url = true", "crl-url = true\nca = true", "unknown field"),
        ("\"devices\"", "\"root\"", "path-length"),
        ("[\"P-256\", \"P-384\"]", "[\"P-192\"]", "P-192"),
        ("[\"P-256\", \"P-384\"]", "[]", "keys"),
    ] {
        assert!(DEVICE.contains(from), "{from}");
        let error = Profile::read("device", &DEVICE.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("certs/device.toml"), "{error}");
    }
    for (from, to, why) in [
        ("[\"ocsp-signing\"]", "[\"ocsp-signing\", \"server-auth\"]", "ocsp-signing"),
        ("[\"ocsp-signing\"]", "[]", "ocsp-signing"),
        ("ocsp-no-check = true", "ocsp-no-check = false", "ocsp-no-check"),
        ("answer-valid = \"1 hour\"", "", "answer-valid"),
        ("\"1 hour\"", "\"-1 hour\"", "answer-valid"),
        ("\"issuing\"", "\"server\"", "names"),
    ] {
        assert!(OCSP.contains(from), "{from}");
        let error = Profile::read("ocsp", &OCSP.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("certs/ocsp.toml"), "{error}");
    }
}
