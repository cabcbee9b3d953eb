//! The program's revocation list while its wall clock is moved: openssl takes it at every moment of the program's.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, UNIX_EPOCH};

use portcullis::ca::pem_of;

use crate::support::desk::anna;
use crate::support::faketime::Faketime;
use crate::support::gate::Gate;
use crate::support::list::fetched;
use crate::support::program::Program;

const HOUR_MS: i64 = 3_600_000;

/// T-26. Weeks pass, at once or one by one, and the clock is set back: no list is past its end while the program
/// lives, each is less than half old, and what is revoked and in force never leaves it.
#[tokio::test(flavor = "multi_thread")]
async fn no_list_is_past_its_end_while_the_program_lives() {
    let gate = Gate::with(|plan| plan.ago = Duration::from_secs(3600)).await;
    let Some(clock) = Faketime::within(gate.folder.path(), "the lists of a program whose clock is moved")
    else {
        return;
    };
    let laptop = anna(&gate).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    let folder = gate.folder.path().to_owned();
    for issuer in gate.issuers.iter().filter(|issuer| issuer.id.as_str() == "devices") {
        let both = pem_of(&issuer.der) + &pem_of(&issuer.root_der);
        std::fs::write(folder.join("ca.pem"), both).unwrap();
    }
    for (name, handed) in [("good.pem", &laptop), ("bad.pem", &tablet)] {
        std::fs::write(folder.join(name), pem_of(&handed.identity.chain[0])).unwrap();
    }
    let program = Program::started_so(gate, clock.start()).await;
    let which = format!("bank/anna/{}", tablet.device);
    program.json(&["device", "revoke", &which, "--reason", "key-compromise", "--yes"]);
    let plain = program.config.listen.plain.unwrap();
    let since = Instant::now();
    while !fetched(plain).await.unwrap().tells_of(&tablet.serial) {
        assert!(since.elapsed() < Duration::from_secs(1), "the list follows within a second");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (mut wall, mut ahead, mut last) = (0, 0, 0);
    for hours in [0, 1, 83, 85, 169, -24, 24 * 30, 24 * 100] {
        clock.jump(hours * HOUR_MS);
        wall += hours * HOUR_MS;
        // Set back, the program's time goes on from where it had come.
        ahead = ahead.max(wall);
        let list = fetched(plain).await.expect("a list that counts");
        // The program's time, once it has answered.
        let now = (UNIX_EPOCH.elapsed().unwrap().as_millis() as i64 + ahead) / 1000;
        assert!(list.from <= now && now < list.until, "{hours} h: {} to {} at {now}", list.from, list.until);
        assert!(list.until - now > 84 * 3600 - 60, "{hours} h: it is more than half old");
        assert!(list.number >= last, "its number never falls");
        last = list.number;
        assert!(list.tells_of(&tablet.serial) && !list.tells_of(&laptop.serial));
        std::fs::write(folder.join("list.pem"), pem::encode(&pem::Pem::new("X509 CRL", list.der))).unwrap();
        assert!(verified(&folder, "good.pem", now).contains("good.pem: OK"));
        assert!(verified(&folder, "bad.pem", now).contains("certificate revoked"));
    }
}

fn verified(folder: &Path, leaf: &str, now: i64) -> String {
    let output = Command::new("openssl")
        .args([
            "verify",
            "-crl_check",
            "-CAfile",
            "ca.pem",
            "-CRLfile",
            "list.pem",
            "-attime",
            &now.to_string(),
        ])
        .arg(leaf)
        .current_dir(folder)
        .output()
        .expect("openssl is installed");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
