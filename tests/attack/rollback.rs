//! The store put back to an older state, and revocation lists that are handed to the gate: what was revoked stays
//! revoked, and nothing is revoked on a stranger's word.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use portcullis::domain::grant::Grant;
use portcullis::domain::session::Session;

use crate::inside::Inside;
use crate::support::PATIENCE;
use crate::support::browser::Browser;
use crate::support::list::{List, fetched};
use crate::support::program::Start;

/// A client whose laptop and tablet are signed in.
struct Put {
    inside: Inside,
    with_tablet: Browser,
    plain: SocketAddr,
    aside: tempfile::TempDir,
}

impl Put {
    async fn new() -> Self {
        let (mut inside, with_tablet) = Inside::after(
            |_| {},
            Start::default(),
            async |gate, _| {
                let tablet = gate.device("bank", "anna", "tablet").await;
                gate.signed_in("bank", &tablet).await
            },
        )
        .await;
        let plain = inside.program.config.listen.plain.unwrap();
        let aside = tempfile::tempdir().unwrap();
        assert_eq!(inside.program.stop(), Some(0));
        Self { inside, with_tablet, plain, aside }
    }

    fn file(&self) -> PathBuf {
        self.inside.program.config.store.clone()
    }

    /// One that an older store knows nothing of, revoked as well.
    async fn later(&self) -> String {
        let out = self.aside.path().join("later.p12");
        let arguments = ["device", "issue", "bank/anna", "--name", "later", "--out", out.to_str().unwrap()];
        let later = self.inside.program.json(&arguments);
        let later = later["certificate"]["serial"].as_str().unwrap().to_owned();
        self.inside.program.json(&["certificate", "revoke", "--serial", &later, "--yes"]);
        later
    }

    /// The laptop is revoked, and the list tells of it.
    async fn revokes(&self) -> List {
        let which = format!("bank/anna/{}", self.inside.laptop.device);
        let done =
            self.inside.program.cli(&["device", "revoke", &which, "--reason", "key-compromise", "--yes"]);
        assert!(done.status.success(), "{done:?}");
        let begun = Instant::now();
        loop {
            let list = fetched(self.plain).await.unwrap();
            if list.tells_of(&self.inside.laptop.serial) {
                return list;
            }
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// As the list tells it, though a while has passed.
    async fn must_be_shut_out(&self) {
        self.inside.recorder.forget();
        let page = self.inside.client.open("/accounts").await;
        assert_eq!(page.status, 403, "{}", page.words());
        page.must_say("This certificate was switched off on");
        assert_eq!(self.inside.recorder.count(), 0);
        let shown = self.inside.program.json(&["certificate", "list", &self.inside.laptop.serial]);
        let one = &shown["certificates"][0];
        assert_eq!((&one["state"], &one["reason"]), (&"revoked".into(), &"key-compromise".into()), "{one}");
    }
}

fn copied(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

/// S-06. The store's file is put back from before a revocation, beside the rest of the folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_put_back_brings_no_certificate_back() {
    let mut put = Put::new().await;
    let (file, older) = (put.file(), put.aside.path().join("older"));
    // A link that may be used, or taken back, after the copy.
    put.inside.program.json(&["device", "deliver", "bank/anna", "--name", "phone"]);
    copied(&file, &older);
    put.inside.program.start();
    let later = put.later().await;
    let before = put.revokes().await;
    assert!(before.tells_of(&later));
    let kept = put.inside.program.config.data.join("lists/devices.crl");
    let begun = Instant::now();
    while std::fs::read(&kept).ok().as_deref() != Some(&before.der) {
        assert!(begun.elapsed() < PATIENCE, "the list is kept on the disk");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    put.inside.program.kill();

    std::fs::remove_file(&file).unwrap();
    copied(&older, &file);
    put.inside.program.start();
    put.must_be_shut_out().await;
    for alarm in ["alarm: what the last list told as revoked counted again", "alarm: this store is older"] {
        assert!(put.inside.program.log().contains(alarm), "{alarm}");
    }
    let told = put.inside.program.lines_of("certificate.revoked");
    assert!(told.iter().any(|line| line["who"] == "gate"), "{told:?}");
    let after = fetched(put.plain).await.unwrap();
    assert!(after.number > before.number && after.tells_of(&put.inside.laptop.serial));
    assert!(after.tells_of(&later), "nor does it leave the list with its record");
    // Others go on, and prove anew who they are: what was open in the older store may have ended since.
    put.with_tablet.open("/accounts").await.must_say("Your password");

    // Once is enough, and it stays so.
    assert_eq!(put.inside.program.stop(), Some(0));
    assert_eq!(put.inside.program.kept::<Grant>().await.len(), 0);
    assert_eq!(
        put.inside.program.kept::<Session>().await.iter().filter(|one| one.password.is_some()).count(),
        0
    );
    let before = put.inside.program.log().len();
    put.inside.program.start();
    assert!(!put.inside.program.log()[before..].contains("alarm"));
    put.must_be_shut_out().await;
}

/// S-06. All of the folder is put back, its lists too: the one that somebody fetched tells it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_fetched_outlives_the_whole_folder() {
    let mut put = Put::new().await;
    let (data, older) = (put.inside.program.config.data.clone(), put.aside.path().join("older"));
    copied(&data, &older);
    put.inside.program.start();
    let later = put.later().await;
    let list = put.revokes().await;
    assert!(list.tells_of(&later));
    put.inside.program.kill();
    std::fs::remove_dir_all(&data).unwrap();
    copied(&older, &data);
    put.inside.program.start();
    assert_eq!(put.inside.client.open("/accounts").await.status, 200, "nobody here knows");

    let file = put.aside.path().join("fetched.crl");
    std::fs::write(&file, &list.der).unwrap();
    let told = put.inside.program.json(&["ca", "import-crl", file.to_str().unwrap()]);
    assert_eq!(told["revoked"], serde_json::json!([put.inside.laptop.serial]), "{told}");
    put.must_be_shut_out().await;
    assert_eq!(put.with_tablet.open("/accounts").await.status, 200, "others go on");
    // Armoured, and without a server, and again: nothing is left to do.
    assert_eq!(put.inside.program.stop(), Some(0));
    std::fs::write(&file, pem::encode(&pem::Pem::new("X509 CRL", list.der.clone()))).unwrap();
    let told = put.inside.program.json(&["ca", "import-crl", file.to_str().unwrap()]);
    let counts = (&told["told"], &told["unknown"], &told["revoked"]);
    assert_eq!(counts, (&2.into(), &1.into(), &serde_json::json!([])), "{told}");
    // And the gate's own lists tell on of what no record tells of.
    put.inside.program.start();
    assert!(fetched(put.plain).await.unwrap().tells_of(&later));
}

/// T-26. Lists that are forged, cut short or not ours revoke nothing, neither handed over nor put where the gate
/// keeps its own.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_strangers_list_nothing_is_revoked() {
    let mut put = Put::new().await;
    put.inside.program.start();
    let list = fetched(put.plain).await.unwrap();
    let forged = forged(&put.inside.laptop.serial, &put.inside.program);
    let cut = &list.der[..list.der.len() - 1];
    let mut changed = list.der.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let more = [list.der.clone(), b"more".to_vec()].concat();
    let file = put.aside.path().join("foreign.crl");
    let length = put.inside.program.lines_of("certificate.revoked").len();
    for (bad, why) in [
        (&forged[..], "no CA of this gate signed it"),
        (cut, "it is no revocation list, or not a whole one"),
        (&changed[..], "it"),
        (&more[..], "it is no revocation list, or not a whole one"),
        (&b""[..], "it is no revocation list, or not a whole one"),
    ] {
        std::fs::write(&file, bad).unwrap();
        let refused = put.inside.program.cli(&["ca", "import-crl", file.to_str().unwrap()]);
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && words.contains("this list is not taken"), "{words}");
        assert!(words.contains(why) && words.contains("/crl/CA.crl"), "{words}");
    }
    assert_eq!(put.inside.client.open("/accounts").await.status, 200);
    assert_eq!(put.inside.program.lines_of("certificate.revoked").len(), length);

    // Where it keeps its own, it believes none of it, says so and does not open.
    assert_eq!(put.inside.program.stop(), Some(0));
    let kept = put.inside.program.config.data.join("lists/devices.crl");
    let own = std::fs::read(&kept).unwrap();
    std::fs::write(&kept, &forged).unwrap();
    put.inside.program.spawn();
    let begun = Instant::now();
    let ended = loop {
        match put.inside.program.ended() {
            Some(status) => break status,
            None => assert!(begun.elapsed() < PATIENCE),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(!ended.success());
    let log = put.inside.program.log();
    assert!(log.contains("cannot be believed: no CA of this gate signed it"), "{log}");
    put.inside.program.kill();
    std::fs::write(&kept, own).unwrap();
    put.inside.program.start();
    assert_eq!(put.inside.client.open("/accounts").await.status, 200);
}

/// A list with our CA's name, by another key.
fn forged(serial: &str, gate: &crate::support::gate::Gate) -> Vec<u8> {
    use rcgen::*;
    let key = KeyPair::generate().unwrap();
    let ca = gate.issuers.iter().find(|issuer| issuer.id.as_str() == "devices").unwrap();
    let ca = Issuer::from_ca_cert_der(&ca.der.clone().into(), key).unwrap();
    let hex = if serial.len().is_multiple_of(2) { serial.to_owned() } else { format!("0{serial}") };
    let revoked = RevokedCertParams {
        serial_number: data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().into(),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2036, 1, 1),
        crl_number: 1_u64.into(),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(&ca).unwrap().der().to_vec()
}
