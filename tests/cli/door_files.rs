//! The files of a door's certificate: what the doctor says of them is what a start, a reload and an upgrade make of them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use crate::doctor::tenant;
use crate::gate::Gate;

/// A certificate and a key, PEM.
struct Pair(String, String);

fn made(host: &str, begins: i32, ends: i32) -> Pair {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(begins, 1, 1), rcgen::date_time_ymd(ends, 1, 1));
    let key = KeyPair::generate().unwrap();
    Pair(params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn write(dir: &Path, Pair(certificate, key): &Pair) {
    std::fs::write(dir.join("bank.crt"), certificate).unwrap();
    let file = dir.join("bank.key");
    std::fs::write(&file, key).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A gate whose portal has its certificate from files.
fn with_files() -> Gate {
    let gate = Gate::made();
    tenant(&gate, "bank");
    gate.run(&["route", "set", "bank", "--backend", "http://127.0.0.1:9"]).well();
    let file = gate.dir().join("portcullis.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let at = text.find("[[portal]]").unwrap();
    let (before, portal) = text.split_at(at);
    let internal = "certificate = \"internal\"";
    assert!(portal.contains(internal), "{portal}");
    let portal = portal.replacen(internal, "certificate = \"bank.crt\"\nkey = \"bank.key\"", 1);
    std::fs::write(&file, format!("{before}{portal}")).unwrap();
    gate
}

#[test]
fn what_no_start_would_take_is_bad_before() {
    let gate = with_files();
    let (good, other) = (made("bank.localhost", 2020, 4000), made("other.localhost", 2020, 4000));
    write(gate.dir(), &good);
    let told = gate.run(&["doctor"]).well();
    assert!(told.out.lines().any(|line| line.starts_with("well  door bank.localhost")), "{}", told.out);
    for (pair, says, starts) in [
        (&other, "is not for bank.localhost", false),
        (&Pair(good.0.clone(), other.1.clone()), "bank.key is another's", false),
        (&Pair("none".to_owned(), good.1.clone()), "bank.crt", false),
        (&Pair(good.0.clone(), "none".to_owned()), "bank.key", false),
        (&made("bank.localhost", 2020, 2021), "ended on 1 January 2021", true),
        (&made("bank.localhost", 3900, 4000), "only counts from 1 January 3900", true),
    ] {
        write(gate.dir(), pair);
        let told = gate.run(&["doctor"]).refused(1, says);
        let bad = |line: &str| line.starts_with("BAD   door bank.localhost") && line.contains(says);
        assert!(told.out.lines().any(bad), "{says}: {}", told.out);
        if !starts {
            gate.run(&["serve"]).refused(1, says);
        }
    }
}

#[test]
fn a_running_gate_tells_which_certificate_it_goes_on_with() {
    let mut gate = with_files();
    write(gate.dir(), &made("bank.localhost", 2020, 3999));
    gate.serve();
    let kept = "the gate goes on with the certificate that it had, which ends on 1 January 3999";
    assert!(!gate.run(&["doctor"]).well().out.contains(kept));
    write(gate.dir(), &made("other.localhost", 2020, 4000));
    let told = gate.run(&["reload"]).well();
    assert!(told.out.contains("is not for bank.localhost") && told.out.contains(kept), "{}", told.out);
    let told = gate.run(&["doctor"]).refused(1, kept);
    assert!(told.out.contains("BAD   door bank.localhost"), "{}", told.out);
    // One that ended is left alone, one that does not count yet is taken up, and neither without a word.
    let log = || std::fs::read_to_string(gate.dir().join("serve.log")).unwrap();
    for (begins, ends, says, level, stays) in [
        (2020, 2021, "ended on 1 January 2021", "ERROR", true),
        (3900, 4001, "only counts from 1 January 3900", "WARN", false),
    ] {
        write(gate.dir(), &made("bank.localhost", begins, ends));
        let told = gate.run(&["reload"]).well();
        assert!(told.out.contains(says) && told.out.contains(kept) == stays, "{}", told.out);
        assert!(log().lines().any(|line| line.contains(level) && line.contains(says)), "{says}: {}", log());
        let told = gate.run(&["doctor"]).refused(1, "door bank.localhost");
        assert_eq!(told.out.contains(kept), stays, "{}", told.out);
    }
    write(gate.dir(), &made("bank.localhost", 2020, 4002));
    gate.run(&["reload"]).well();
    gate.run(&["doctor"]).well();
}
