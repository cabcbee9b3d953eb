//! A real Chromium opens the bank's WebSocket within the HTTP/2 connection that it has (RFC 8441).

use crate::demo::Demo;
use crate::device::{Device, Setup};
use crate::walk::{first_visit, sign_in_agent};

#[tokio::test]
async fn the_ticker_is_a_stream_of_http2() {
    let demo = Demo::start();
    let folder = tempfile::tempdir().unwrap();
    // Chromium writes down what goes over its connections, names of headers among it.
    let log = folder.path().join("net.json");
    let arguments =
        [format!("--log-net-log={}", log.display()), "--net-log-capture-mode=Everything".to_owned()];
    let (root, file) = (demo.root(), demo.file("client.p12"));
    let laptop = Device::start(Setup {
        root: Some(&root),
        p12: Some((&file, demo.password("client.p12"))),
        size: (1280, 800),
        arguments: &arguments,
        ..Setup::default()
    })
    .await;
    let agent = sign_in_agent(&demo).await;
    let phone = first_visit(&demo, &laptop, &agent, false).await;
    laptop.find("#ticker[data-state=live]").await;
    for device in [laptop, agent, phone] {
        device.close().await;
    }
    let mut text = String::new();
    for _ in 0..100 {
        // The log is whole once the browser is gone.
        text = std::fs::read_to_string(&log).unwrap_or_default();
        if text.contains(":protocol: websocket") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(text.contains(":protocol: websocket"), "{} bytes of log name no extended CONNECT", text.len());
    assert!(text.contains(":path: /ws/ticker"));
}
