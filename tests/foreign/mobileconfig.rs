//! What openssl and Python make of our configuration profiles: the signature, who signed, what is inside, and
//! that the .p12 in it opens. No Apple device was at hand: what is shown here is the form, not that one takes it.

use std::fs;
use std::process::{Command, Output};

use portcullis::ca::{Encoding, NewKey, ProfileWords, p12};

use crate::rig::{Ca, open_p12, openssl, said, text};
use crate::strangers::command;

const WORDS: ProfileWords<'_> = ProfileWords {
    organization: "Bank <Muster> & Cie",
    common_name: "Änna Muster, laptop, until 2028-11",
    device: "laptop",
    host: "bank.localhost",
    file_name: "laptop.p12",
};

fn verify(ca: &Ca, file: &str, root: &str) -> Output {
    let (file, root, list) = (ca.path(file), ca.path(root), ca.path("profile.plist"));
    let _ = fs::remove_file(&list);
    openssl(&[
        "cms",
        "-verify",
        "-inform",
        "DER",
        "-binary",
        "-in",
        text(&file),
        "-CAfile",
        text(&root),
        "-purpose",
        "any",
        "-signer",
        text(&ca.path("signer.pem")),
        "-out",
        text(&list),
    ])
}

#[test]
fn a_profile_is_signed_by_the_issuing_ca_and_holds_a_p12_that_opens() {
    let ca = Ca::new();
    let key = NewKey::make().unwrap();
    let issued = ca.issue(key.prove().unwrap()).unwrap();
    let file = p12::wrap(key, &issued, Encoding::Compatible, &ca.world).unwrap();
    let signed = ca.authority.mobileconfig(&file, &issued.certificate, WORDS, ca.world.now()).unwrap();
    ca.write("a.mobileconfig", &signed);

    let good = verify(&ca, "a.mobileconfig", "devices-root.pem");
    assert!(good.status.success(), "{}", said(&good));
    let signer = pem::parse(fs::read(ca.path("signer.pem")).unwrap()).unwrap();
    let devices = pem::parse(fs::read(ca.path("devices.pem")).unwrap()).unwrap();
    assert_eq!(signer.contents(), devices.contents(), "the CA that issued the certificate signed");
    let list = fs::read_to_string(ca.path("profile.plist")).unwrap();
    assert!(!list.contains(file.password.expose()), "the password is in it");

    // Another root does not vouch for it, and no byte of it may change.
    let foreign = verify(&ca, "a.mobileconfig", "server-root.pem");
    assert!(!foreign.status.success(), "{}", said(&foreign));
    let at = signed.windows(6).position(|window| window == b"laptop").unwrap();
    let mut forged = signed.clone();
    forged[at] = b'L';
    ca.write("forged.mobileconfig", &forged);
    let bad = verify(&ca, "forged.mobileconfig", "devices-root.pem");
    assert!(!bad.status.success() && said(&bad).contains("verification failure"), "{}", said(&bad));

    let Some(python) = command("python3") else { return };
    ca.write("profile.plist", list.as_bytes());
    let script = "import plistlib,sys,json\n\
                  p=plistlib.load(open(sys.argv[1],'rb'))\n\
                  c=p['PayloadContent'][0]\n\
                  open(sys.argv[2],'wb').write(c['PayloadContent'])\n\
                  print(json.dumps([p['PayloadType'],p['PayloadDisplayName'],p['PayloadIdentifier'],\
                  c['PayloadType'],c['PayloadDisplayName'],c['PayloadCertificateFileName'],\
                  'Password' in c,len(p['PayloadContent']),len(p['PayloadUUID'])]))";
    let out = Command::new(python)
        .args(["-c", script, text(&ca.path("profile.plist")), text(&ca.path("inside.p12"))])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", said(&out));
    let told: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let wanted = serde_json::json!([
        "Configuration",
        "Bank <Muster> & Cie: certificate for laptop",
        "portcullis.bank.laptop-1",
        "com.apple.security.pkcs12",
        "Änna Muster, laptop, until 2028-11",
        "laptop.p12",
        false,
        1,
        36
    ]);
    assert_eq!(told, wanted);
    let opened = open_p12(&ca.path("inside.p12"), file.password.expose());
    assert!(opened.status.success() && said(&opened).contains("BEGIN PRIVATE KEY"), "{}", said(&opened));
}
