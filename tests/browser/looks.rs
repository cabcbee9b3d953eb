//! How a page looks: screenshots in three widths and both themes, and what axe finds.

use std::path::PathBuf;

use serde_json::json;

use crate::device::Device;

/// Takes screenshots into `target/screenshots/` and fails on any violation that axe finds, light and dark.
pub(crate) async fn judge(device: &Device, name: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&folder).expect("a folder");
    for theme in ["light", "dark"] {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        device.cdp("Emulation.setEmulatedMedia", media).await;
        for (width, height, scale) in [(1280, 800, 1.0), (412, 839, 2.625), (320, 640, 2.0)] {
            let metrics =
                json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500});
            device.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
            let overflow = device
                .script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                .await;
            assert!(overflow.as_i64().unwrap_or(0) <= 0, "{name} is wider than {width} px by {overflow}");
            let file = folder.join(format!("{name}-{theme}-{width}.png"));
            let shot = json!({"format": "png", "captureBeyondViewport": true});
            let shot = device.cdp("Page.captureScreenshot", shot).await;
            let png = shot["data"].as_str().expect("a picture");
            let png = data_encoding::BASE64.decode(png.as_bytes()).expect("base64");
            std::fs::write(file, png).expect("a file");
        }
        let found = violations(device).await;
        assert!(found.is_empty(), "axe on {name}, {theme}:\n{}", found.join("\n"));
    }
    device.cdp("Emulation.clearDeviceMetricsOverride", json!({})).await;
    device.cdp("Emulation.setEmulatedMedia", json!({"features": []})).await;
}

/// How the page comes out of a printer: a screenshot, and nothing of the screen's own on it.
pub(crate) async fn judge_print(device: &Device, name: &str) {
    device.cdp("Emulation.setEmulatedMedia", json!({"media": "print"})).await;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    let shot =
        device.cdp("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true})).await;
    let png =
        data_encoding::BASE64.decode(shot["data"].as_str().expect("a picture").as_bytes()).expect("base64");
    std::fs::write(folder.join(format!("{name}-print.png")), png).expect("a file");
    let text = device.text().await;
    assert!(!text.contains("Download") && !text.contains("This page is always at"), "on paper: {text}");
    device.cdp("Emulation.setEmulatedMedia", json!({"media": "", "features": []})).await;
}

/// What axe finds on the page, one line each. Its script goes in past the page's own policy, through
/// the debugger, so that the policy need not be weakened for the test.
pub(crate) async fn violations(device: &Device) -> Vec<String> {
    let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("axe-core is installed by ./tests/run");
    device.cdp("Runtime.evaluate", json!({"expression": axe})).await;
    let run = "axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations.map(v => \
               v.id + ': ' + v.help + ' at ' + v.nodes.map(n => n.target.join(' ')).join(', '))))";
    let run = json!({"expression": run, "awaitPromise": true, "returnByValue": true});
    let answer = device.cdp("Runtime.evaluate", run).await;
    let text = answer["result"]["value"].as_str().unwrap_or_else(|| panic!("axe did not run: {answer}"));
    serde_json::from_str(text).expect("a list")
}

/// Text at twice its size on phones: nothing is cut and nothing must be scrolled sideways.
pub(crate) async fn judge_large(device: &Device, name: &str) {
    device.script("document.documentElement.style.fontSize = '36px'").await;
    for (width, height) in [(412, 839), (320, 640)] {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 2.0, "mobile": true});
        device.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        let cut = device.script(
            "const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth; \
             const cut = [...document.querySelectorAll('body *:not(.unseen)')].filter((it) => { \
                 const { left, right, width } = it.getBoundingClientRect(); \
                 const hides = getComputedStyle(it).overflowX !== 'visible' || it.matches('input'); \
                 return width && (right > innerWidth + 1 || left < -1 || (hides && it.scrollWidth > it.clientWidth + 1)); }); \
             return [wide, ...cut.map((it) => `${it.tagName} ${it.className} ${it.textContent.slice(0, 40)}`)]",
        );
        assert_eq!(cut.await, json!([0]), "{name} at {width} px and twice the text");
        photograph(device, &format!("{name}-large-{width}")).await;
    }
    device.script("document.documentElement.style.fontSize = ''").await;
    device.cdp("Emulation.clearDeviceMetricsOverride", json!({})).await;
}

pub(crate) async fn photograph(device: &Device, name: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&folder).expect("a folder");
    let shot = device.cdp("Page.captureScreenshot", json!({"format": "png"})).await;
    let png = data_encoding::BASE64.decode(shot["data"].as_str().expect("a picture").as_bytes());
    std::fs::write(folder.join(format!("{name}.png")), png.expect("base64")).expect("a file");
}
