//! A .p12 by a one-time link: the operator makes it at the desk, the client opens it in a browser that holds no
//! certificate, mistypes, types right, saves the file, imports it in a fresh browser and reads out the code.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::demo::Demo;
use crate::device::{Device, Setup};
use crate::looks::judge;
use crate::walk;

/// Issue 4, sentence 4: delivery of a first .p12 by a link, and a renewal by the button.
#[tokio::test]
async fn a_first_file_comes_by_a_link() {
    let demo = Demo::start();
    let operator = walk::client(&demo, "operator.p12").await;
    operator.open(&demo.url("console", "/people/bank/anna-muster")).await;
    operator.type_into("#password", demo.password("operator")).await;
    operator.press("Continue").await;
    operator.sees("anna@muster.example").await;
    operator.press("Issue a device").await;
    operator.sees("How it reaches its owner").await;
    judge(&operator, "desk-issue").await;
    operator.type_into("#device", "notebook").await;
    operator.press("Go on").await;
    operator.sees("Pass on this link to Anna Muster").await;
    judge(&operator, "desk-link").await;
    let link = operator.find("#link").await.text().await.unwrap();
    let password =
        operator.find("#import-password").await.text().await.unwrap().replace(char::is_whitespace, "");
    assert!(link.starts_with(&demo.url("start", "/deliver/bank#")), "{link}");

    let root = demo.root();
    let setup = || Setup { root: Some(&root), size: (1280, 800), ..Setup::default() };
    let client = Device::start(setup()).await;
    let downloads = client.home().join("downloads");
    let allow = json!({"behavior": "allow", "downloadPath": downloads.to_str().unwrap()});
    client.cdp("Browser.setDownloadBehavior", allow).await;
    // Half a link is told from a whole one.
    client.open(&demo.url("start", "/deliver/bank")).await;
    client.sees("The end of your link is missing").await;
    judge(&client, "deliver-half").await;
    client.open("about:blank").await;
    client.open(&link).await;
    client.sees("Get the file for your device").await;
    judge(&client, "deliver").await;
    client.type_into("#password", "aaaaabbbbbcccccddddd").await;
    assert_eq!(
        client.script("return document.getElementById('password').value").await,
        "aaaaa-bbbbb-ccccc-ddddd"
    );
    client.press("Make the file and save it").await;
    client.sees("That is not the password we told you").await;
    client.sees("you have 4 more tries").await;
    judge(&client, "deliver-wrong").await;
    client.type_into("#password", &password.replace('-', "")).await;
    client.press("Make the file and save it").await;
    client.sees("Open the file. Then close the browser completely, and open it again.").await;
    client.sees("this link opens nothing any more").await;
    judge(&client, "deliver-done").await;
    let file = saved(&downloads).await;
    client.open("about:blank").await;
    client.open(&link).await;
    client.type_into("#password", &password).await;
    client.press("Make the file and save it").await;
    client.sees("This link opens nothing any more").await;
    judge(&client, "deliver-dead").await;

    let fresh = walk::holder(&demo, &file, &password).await;
    fresh.open(&demo.url("bank", "/")).await;
    fresh.sees("Call us and read out this number").await;
    fresh.close().await;
    // Its folder, with the file, goes with it.
    client.close().await;

    // Renewed by the button, the file taken along.
    operator.press("I have told it. Go to Anna Muster").await;
    operator.click("a[href$='/renew']").await;
    operator.sees("Renew").await;
    judge(&operator, "desk-renew").await;
    operator.click("#way-hand").await;
    operator.press("Go on").await;
    operator.sees("The file for").await;
    judge(&operator, "desk-issued").await;
    operator.close().await;
}

/// Waits for the whole file.
async fn saved(folder: &Path) -> PathBuf {
    let begun = Instant::now();
    loop {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(file) = { files }.find(|path| path.extension().is_some_and(|ending| ending == "p12")) {
            return file;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no file is saved in {}", folder.display());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
