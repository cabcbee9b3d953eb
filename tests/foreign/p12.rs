//! NSS, Java, Python, Node and the `p12` crate open our .p12 files: each finds the key that belongs to the
//! leaf and all three certificates, and opens nothing with another password.

use data_encoding::HEXLOWER;
use portcullis::ca::{Encoding, Issued, pem_of};
use portcullis::domain::Secret;

use crate::rig::{Ca, openssl, openssl_with, said, text};
use crate::strangers::{command, node, python, run};

const BOTH: [Encoding; 2] = [Encoding::Modern, Encoding::Compatible];
const WRONG: &str = "x7kd4-m2qpa-x7kd4-m2qpa";

#[test]
fn nss_imports_both_and_uses_the_key() {
    let (Some(pk12util), Some(certutil)) = (command("pk12util"), command("certutil")) else { return };
    let ca = Ca::new();
    for encoding in BOTH {
        let (path, password, issued) = ca.wrapped(encoding);
        let db = format!("sql:{}", text(&ca.path(&format!("{}-nss", encoding.as_str()))));
        std::fs::create_dir(db.trim_start_matches("sql:")).unwrap();
        let made = run(&certutil, "", &["-N", "--empty-password", "-d", &db]);
        assert!(made.status.success(), "{}", said(&made));
        let import = |word: &str| run(&pk12util, "", &["-i", text(&path), "-d", &db, "-W", word, "-K", ""]);
        assert!(!import(WRONG).status.success(), "{encoding:?}");
        let keys = |db: &str| said(&run(&certutil, "", &["-K", "-d", db]));
        assert!(!keys(&db).contains(&issued.common_name), "a wrong password left something behind");
        let imported = import(password.expose());
        assert!(imported.status.success(), "{encoding:?}: {}", said(&imported));
        assert!(keys(&db).contains(&issued.common_name), "{encoding:?}: {}", keys(&db));
        let nick = shown_as(&issued);
        let leaf = run(&certutil, "", &["-L", "-d", &db, "-n", &nick, "-r"]);
        assert_eq!(leaf.stdout, issued.certificate.der, "{encoding:?}");

        // What NSS exports again holds the same key.
        let again = ca.path("again.p12");
        let exported =
            run(&pk12util, "", &["-o", text(&again), "-n", &nick, "-d", &db, "-W", "again", "-K", ""]);
        assert!(exported.status.success(), "{}", said(&exported));
        let key =
            openssl_with("again", &["pkcs12", "-in", text(&again), "-passin", "env:P", "-nodes", "-nocerts"]);
        assert_eq!(public_of_key(&ca, &key.stdout), public_of_leaf(&ca, &issued), "{encoding:?}");
    }
}

#[test]
fn java_lists_both_and_signs_with_the_key() {
    let Some(keytool) = command("keytool") else { return };
    let ca = Ca::new();
    for encoding in BOTH {
        let (path, password, issued) = ca.wrapped(encoding);
        let ask = |word: &str, verb: &[&str]| {
            let store = ["-storetype", "PKCS12", "-keystore", text(&path), "-storepass:env", "P"];
            run(&keytool, word, &[verb, &store].concat())
        };
        let refused = ask(WRONG, &["-list"]);
        assert!(!refused.status.success(), "{encoding:?}: {}", said(&refused));
        let listed = said(&ask(password.expose(), &["-list", "-rfc"]));
        assert!(listed.contains("Your keystore contains 1 entry"), "{encoding:?}: {listed}");
        assert!(listed.contains("PrivateKeyEntry") && listed.contains("chain length: 3"), "{listed}");
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        for der in &issued.chain {
            assert!(bare(&listed).contains(&bare(&pem_of(der))), "{encoding:?}: a certificate is missing");
        }
        // Java writes aliases in small letters.
        let alias = issued.common_name.to_lowercase();
        let request = ask(password.expose(), &["-certreq", "-alias", &alias]);
        assert!(request.status.success(), "{encoding:?}: {}", said(&request));
        let file = ca.write("java.csr", &request.stdout);
        let public = openssl(&["req", "-in", text(&file), "-verify", "-noout", "-pubkey"]);
        assert!(public.status.success(), "{}", said(&public));
        assert_eq!(String::from_utf8(public.stdout).unwrap(), public_of_leaf(&ca, &issued), "{encoding:?}");
    }
}

#[test]
fn python_opens_both_and_signs_with_the_key() {
    let Some(python) = python() else { return };
    let ca = Ca::new();
    for encoding in BOTH {
        let (path, password, issued) = ca.wrapped(encoding);
        let opened = python.ask(password.expose(), &["p12", text(&path)]).unwrap();
        assert_eq!(opened["name"], shown_as(&issued), "{encoding:?}");
        let chain: Vec<String> = issued.chain.iter().map(|der| HEXLOWER.encode(der)).collect();
        assert_eq!(opened["chain"], serde_json::json!(chain), "{encoding:?}");
        let refused = python.ask(WRONG, &["p12", text(&path)]).unwrap_err();
        assert!(refused.contains("Invalid password"), "{encoding:?}: {refused}");
    }
}

#[test]
fn node_opens_both() {
    let Some(node) = node() else { return };
    let ca = Ca::new();
    for encoding in BOTH {
        let (path, password, _) = ca.wrapped(encoding);
        node.ask(password.expose(), &["p12", text(&path)]).unwrap();
        let refused = node.ask(WRONG, &["p12", text(&path)]).unwrap_err();
        assert!(refused.contains("mac verify failure"), "{encoding:?}: {refused}");
    }
}

/// The `p12` crate knows 3DES and SHA-1 alone.
#[test]
fn the_p12_crate_opens_the_compatible_one_and_not_the_modern() {
    let ca = Ca::new();
    let opened = |encoding: Encoding| -> (Vec<u8>, Secret, Issued) {
        let (path, password, issued) = ca.wrapped(encoding);
        (std::fs::read(path).unwrap(), password, issued)
    };
    let (bytes, password, issued) = opened(Encoding::Compatible);
    let file = p12::PFX::parse(&bytes).unwrap();
    assert!(file.verify_mac(password.expose()) && !file.verify_mac(WRONG));
    let mut certificates = file.cert_x509_bags(password.expose()).unwrap();
    let mut chain = issued.chain.clone();
    certificates.sort();
    chain.sort();
    assert_eq!(certificates, chain);
    let keys = file.key_bags(password.expose()).unwrap();
    assert_eq!(keys.len(), 1);
    let key = pem::encode(&pem::Pem::new("PRIVATE KEY", keys[0].clone()));
    assert_eq!(public_of_key(&ca, key.as_bytes()), public_of_leaf(&ca, &issued));
    assert!(file.key_bags(WRONG).is_err());

    let (bytes, password, _) = opened(Encoding::Modern);
    if let Ok(file) = p12::PFX::parse(&bytes) {
        assert!(!file.verify_mac(password.expose()), "it takes a SHA-256 MAC now: say so above");
        assert!(file.key_bags(password.expose()).is_err(), "it opens PBES2 now: say so above");
    }
}

/// What the certificate in a .p12 is called: its subject. The key beside it has the common name alone.
fn shown_as(issued: &Issued) -> String {
    format!("CN={}, O=Bank Muster & Cie", issued.common_name)
}

fn public_of_leaf(ca: &Ca, issued: &Issued) -> String {
    let leaf = ca.write("leaf-of-p12.pem", pem_of(&issued.certificate.der).as_bytes());
    let public = openssl(&["x509", "-in", text(&leaf), "-noout", "-pubkey"]);
    assert!(public.status.success(), "{}", said(&public));
    String::from_utf8(public.stdout).unwrap()
}

fn public_of_key(ca: &Ca, pem: &[u8]) -> String {
    let key = ca.write("key-of-p12.pem", pem);
    let public = openssl(&["pkey", "-in", text(&key), "-pubout"]);
    std::fs::remove_file(&key).unwrap();
    assert!(public.status.success(), "{}", said(&public));
    String::from_utf8(public.stdout).unwrap()
}
