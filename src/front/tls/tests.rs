//! A door's TLS beside files that come and go.

use super::*;

/// How many CAs it is to ask for.
fn wanted(tls: &Tls) -> usize {
    tls.made_of.lock().unwrap().client_cas.as_ref().map_or(0, Vec::len)
}

#[test]
fn cas_that_came_while_the_files_could_not_be_used_are_asked_for_once_they_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let files = CertificateFiles { certificate: path("door.crt"), key: path("door.key") };
    let put = |until: i32| {
        let mut params = rcgen::CertificateParams::new(vec!["bank.localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(path("door.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(path("door.key"), key.serialize_pem()).unwrap();
    };
    let ca = || {
        let params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    };
    let now = Time::from_secs(1_795_000_000);
    let (old, new) = (ca(), ca());
    put(2100);
    let tls = Tls::open(files, &["bank.localhost".to_owned()], Some(std::slice::from_ref(&old))).unwrap();
    put(2021);
    assert!(matches!(tls.refresh(now), Err(TlsError::Ended { .. })));
    let before = tls.config();
    assert!(tls.ask_for(&[old, new], now).is_err());
    assert!(Arc::ptr_eq(&before, &tls.config()), "it goes on as it was");
    put(2100);
    assert!(tls.refresh(now).unwrap());
    assert_eq!((wanted(&tls), tls.kept()), (2, None));
    assert!(!Arc::ptr_eq(&before, &tls.config()));
}
