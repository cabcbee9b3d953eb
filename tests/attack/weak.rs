//! Certificates of our own CA that are too weak: signed over SHA-1 or MD5, or for keys of RSA-1024 and DSA.
//! openssl makes and shows them; each has a record and a session of its own.

use std::process::Command;

use portcullis::crypto::sha256;
use portcullis::domain::certificate::Certificate;

use crate::certificates::{Case, case};
use crate::inside::Inside;
use crate::openssl::{Openssl, words};
use crate::support::program::Start;
use crate::support::wire::Identity;

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is installed");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// T-17.
#[tokio::test(flavor = "multi_thread")]
async fn a_weak_certificate_of_ours_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            std::fs::write(file("ca.pem"), portcullis::ca::pem_of(gate.old_ca.der())).unwrap();
            let key = pem::encode(&pem::Pem::new("PRIVATE KEY", gate.old_ca.key()));
            std::fs::write(file("ca.key"), key).unwrap();
            let extensions = format!(
                "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n\
                 subjectAltName=URI:portcullis://bank/device/{}\n",
                laptop.device
            );
            std::fs::write(file("ext"), extensions).unwrap();
            openssl(&["dsaparam", "-genkey", "-out", &file("dsa.pem"), "1024"]);
            let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
            let dsa = file("dsa.pem");
            let kinds: [(&str, &[&str], &str, Option<&'static str>); 6] = [
                ("good", &ec, "-sha256", None),
                ("sha1", &ec, "-sha1", Some("")),
                ("md5", &["-newkey", "rsa:2048"], "-md5", Some("")),
                ("sha224", &ec, "-sha224", Some("")),
                ("rsa1024", &["-newkey", "rsa:1024"], "-sha256", Some("")),
                ("dsa1024", &["-key", &dsa], "-sha256", Some("")),
            ];
            let mut cases: Vec<Case> = Vec::new();
            for (name, new, digest, refused) in kinds {
                let (key, csr, der) = (file(&format!("{name}.key")), file("csr"), file("der"));
                let key_out: &[&str] = if name.starts_with("dsa") { &[] } else { &["-keyout", &key] };
                openssl(&[&["req", "-new", "-nodes", "-subj", "/CN=x", "-out", &csr], new, key_out].concat());
                let key = if name.starts_with("dsa") { dsa.clone() } else { key };
                let (ca, ca_key, ext) = (file("ca.pem"), file("ca.key"), file("ext"));
                // ECDSA over MD5 does not exist: that one a CA with an RSA key signs, in our CA's name.
                let signed_by = if name == "md5" { "rsa.key" } else { "ca.key" };
                if name == "md5" {
                    openssl(&["genrsa", "-out", &file("rsa.key"), "2048"]);
                    let forced = ["x509", "-in", &ca, "-key", &file("rsa.key"), "-out", &file("rsa.pem")];
                    openssl(&forced);
                }
                let (ca, ca_key) = match signed_by {
                    "rsa.key" => (file("rsa.pem"), file("rsa.key")),
                    _ => (ca, ca_key),
                };
                let serial = format!("0x{}", data_encoding::HEXLOWER.encode(&sha256(name.as_bytes())[..8]));
                openssl(&[
                    "x509", "-req", "-in", &csr, "-CA", &ca, "-CAkey", &ca_key, "-set_serial", &serial, "-days", "300",
                    digest, "-extfile", &ext, "-outform", "DER", "-out", &der,
                ]);
                let der = std::fs::read(&der).unwrap();
                let key = openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", &key, "-outform", "DER"]);
                let (_, read) = x509_parser::parse_x509_certificate(&der).unwrap();
                let (_, like) = gate.old_ca.leaf(laptop, |_| {});
                let record = Certificate {
                    serial: portcullis::ca::serial::text(read.raw_serial()),
                    fingerprint: sha256(&der),
                    der: der.clone(),
                    ..like
                };
                cases.push(case(gate, name, (Identity { chain: vec![der], key }, record), refused).await);
            }
            cases
        },
    )
    .await;
    let openssl = Openssl::to(inside.client.wire.address);
    for one in &cases {
        for version in ["-tls1_3", "-tls1_2"] {
            inside.recorder.forget();
            let mut arguments = openssl.showing(&one.what, &one.identity);
            arguments.extend(words(&format!("{version} -cipher ALL:@SECLEVEL=0")));
            let heard = openssl.say(Some("bank.localhost"), &arguments, &inside.asking(&one.cookie, "/v"));
            let served = heard.contains("HTTP/1.1 200 ");
            assert_eq!(served, one.refused.is_none(), "{} over {version}: {heard}", one.what);
            assert_eq!(inside.recorder.count() > 0, served, "{}", one.what);
        }
    }
    inside.must_serve_the_honest().await;
}
