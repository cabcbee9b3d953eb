//! What lies in the data folder after a life with clients: no key, no password, no code, no cookie of theirs.

use std::path::Path;

use crate::support::PASSWORD;
use crate::support::desk::*;
use crate::support::gate::Gate;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_clients_secrets_is_kept() {
    let mut gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    let page = calls_support(&agent, &client, &page).await;
    let link = page.pairing_link();
    let phone = gate.phone();
    let page = pairs(&client, &phone, &page).await;
    client.submit(&page, "/new-password", &[("password", PASSWORD)]).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    let renewed = gate.renewed(&laptop).await;
    gate.must_verify().await;

    let mut secrets: Vec<(&str, Vec<u8>)> = vec![
        ("the password", PASSWORD.into()),
        ("the cookie", client.cookie().unwrap().into()),
        ("the pairing's secret", link.rsplit('.').next().unwrap().into()),
    ];
    for handed in [&laptop, &tablet, &renewed] {
        // PKCS #8 of a P-256 key: the scalar is its bytes 36 to 68.
        secrets.push(("a client's key", handed.identity.key[36..68].to_vec()));
        secrets.push(("an import password", handed.import_password.clone().into()));
        secrets.push(("a .p12", handed.p12[..64].to_vec()));
    }
    gate.close().await;
    let mut files = 0;
    look(&gate.config.data, &mut |path, bytes| {
        files += 1;
        for (what, secret) in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{what} lies in {}", path.display());
        }
    });
    assert!(files > 5, "{files}");
}

fn look(folder: &Path, at: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look(&path, at);
        } else if let Ok(bytes) = std::fs::read(&path) {
            at(&path, &bytes);
        }
    }
}
