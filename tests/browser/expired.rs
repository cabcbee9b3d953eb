//! Somebody whose certificate expired, as they see it: the browser hides it, the page leads on, the desk releases,
//! password and phone, a new file, and in again with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis::world::World;
use serde_json::json;

use crate::bad::TestCa;
use crate::demo::Demo;
use crate::device::{Device, Setup};
use crate::looks::judge;
use crate::walk::{self, approve_on, client, sign_in_agent};

#[tokio::test]
async fn an_expired_certificate_is_renewed_by_way_of_the_desk() {
    let mut demo = Demo::start();
    let first = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    let phone = walk::first_visit(&demo, &first, &agent, false).await;
    first.close().await;
    agent.close().await;
    let (ca, now, day) = (TestCa::new(), World::real().now(), Duration::from_secs(86400));
    demo.while_stopped(async |folder: &Path| {
        let ended = ca.of_laptop(&folder.join("ended.pem"), now.minus(740 * day), now.minus(10 * day));
        ca.trusted_in(&folder.join("data/store.redb"), &[ended]).await;
    })
    .await;

    let (root, agent) = (demo.root(), sign_in_agent(&demo).await);
    let caller = Device::start(Setup { root: Some(&root), size: (1280, 800), ..Setup::default() }).await;
    caller.open(&demo.url("bank", "/")).await;
    caller.sees("Please close the browser completely, and open it again").await;
    judge(&caller, "no-certificate").await;
    caller.press("Get a new certificate").await;
    caller.sees("Has your certificate expired?").await;
    judge(&caller, "expired-ask").await;
    caller.type_into("#email", "anna@muster.example").await;
    caller.press("Continue").await;
    caller.sees("Call us and read out this number").await;
    judge(&caller, "expired-code").await;
    let digits = caller.find(".digits").await.text().await.expect("digits");
    agent.open(&demo.url("console", "/people/?q=muster")).await;
    agent.press("Anna Muster").await;
    agent.sees("anna@muster.example").await;
    agent.open(&demo.url("console", "/")).await;
    agent.sees("no device is shown").await;
    judge(&agent, "desk-expired-waits").await;
    agent.type_into("#code", &digits).await;
    agent.press("Look it up").await;
    agent.sees("This is the renewal of an expired certificate").await;
    judge(&agent, "desk-expired-code").await;
    let word = agent.find(".word").await.text().await.expect("the word");
    caller.sees("Which word did our colleague say to you?").await;
    caller.press(&word).await;
    caller.sees("That is the right word").await;
    agent.sees("chose it on the screen").await;
    for line in 0..3 {
        agent.click(&format!("#check-{line}")).await;
    }
    agent.click("#release button").await;
    agent.sees("the renewal is released").await;
    judge(&agent, "desk-expired-released").await;

    // The page moves on by itself.
    caller.sees("The one you sign in with").await;
    judge(&caller, "expired-password").await;
    caller.type_into("#password", walk::PASSWORD).await;
    caller.press("Continue").await;
    caller.sees("Type this number on your phone").await;
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("Type the six digits").await;
    judge(&phone, "phone-expired").await;
    approve_on(&phone, &caller).await;
    caller.sees("Then close the browser completely and open it again").await;
    judge(&caller, "expired-ready").await;
    let password = caller.script("return document.getElementById('import-password').textContent").await;
    let password: String = password.as_str().expect("a password").split_whitespace().collect();

    let folder = caller.home().join("downloads");
    std::fs::create_dir_all(&folder).expect("a folder");
    let allow = json!({"behavior": "allow", "downloadPath": folder.display().to_string()});
    caller.cdp("Browser.setDownloadBehavior", allow).await;
    caller.press("Create and save the file").await;
    let file = downloaded(&folder).await;
    let kept = demo.file("renewed.p12");
    std::fs::copy(&file, &kept).expect("copied");
    caller.close().await;

    // Closed and opened again, with the new certificate.
    let again = walk::holder(&demo, &kept, &password).await;
    again.open(&demo.url("bank", "/")).await;
    again.sees("Your password").await;
    again.type_into("#password", walk::PASSWORD).await;
    again.press("Continue").await;
    again.sees("Type this number on your phone").await;
    phone.sees("Type the six digits").await;
    approve_on(&phone, &again).await;
    again.sees("Good day, Anna Muster").await;
    for device in [again, agent, phone] {
        device.close().await;
    }
}

async fn downloaded(folder: &Path) -> PathBuf {
    for _ in 0..200 {
        let files = std::fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").path());
        if let Some(file) = files.into_iter().find(|file| file.extension().is_some_and(|end| end == "p12")) {
            return file;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing was saved in {}", folder.display());
}
