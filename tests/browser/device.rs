//! A device with a browser on it: its own home, certificate store, profile and driver process.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use thirtyfour::Capabilities;
use thirtyfour::prelude::*;

/// A device with a browser on it; both end when it is dropped.
pub(crate) struct Device {
    pub(crate) driver: WebDriver,
    process: Child,
    home: tempfile::TempDir,
}

/// What a device is made with.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// PEM of the root its owner trusts.
    pub(crate) root: Option<&'a Path>,
    /// A .p12 and its import password.
    pub(crate) p12: Option<(&'a Path, &'a str)>,
    /// What its camera sees (Y4M).
    pub(crate) camera: Option<&'a Path>,
    /// Whether it has a platform authenticator that verifies its user.
    pub(crate) authenticator: bool,
    /// Width and height of its window.
    pub(crate) size: (u32, u32),
    /// PEM of another root that it trusts.
    pub(crate) another_root: Option<&'a Path>,
    /// What else its browser is started with.
    pub(crate) arguments: &'a [String],
}

impl Device {
    /// Starts it.
    pub(crate) async fn start(setup: Setup<'_>) -> Self {
        choose_certificates_without_asking();
        let home = tempfile::tempdir().expect("a folder");
        let nssdb = home.path().join(".pki/nssdb");
        std::fs::create_dir_all(&nssdb).expect("a folder");
        let db = format!("sql:{}", nssdb.display());
        run("certutil", &["-d", &db, "-N", "--empty-password"]);
        if let Some(root) = setup.root {
            run("certutil", &["-d", &db, "-A", "-t", "C,,", "-n", "root", "-i", path(root)]);
        }
        if let Some(root) = setup.another_root {
            run("certutil", &["-d", &db, "-A", "-t", "C,,", "-n", "another", "-i", path(root)]);
        }
        if let Some((file, password)) = setup.p12 {
            run("pk12util", &["-d", &db, "-i", path(file), "-W", password, "-K", ""]);
        }
        let port = crate::ports::free_ports();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut caps = DesiredCapabilities::chrome();
        let profile = format!("--user-data-dir={}", home.path().join("profile").display());
        let (width, height) = setup.size;
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--window-size={width},{height}"),
            profile,
        ];
        if let Some(camera) = setup.camera {
            arguments.push("--use-fake-device-for-media-stream".to_owned());
            arguments.push("--use-fake-ui-for-media-stream".to_owned());
            arguments.push(format!("--use-file-for-fake-video-capture={}", path(camera)));
        }
        arguments.extend_from_slice(setup.arguments);
        for argument in &arguments {
            caps.add_arg(argument).expect("an argument");
        }
        let device = Self::driven(port, caps.into(), process, home).await;
        if setup.authenticator {
            device.add_authenticator().await;
        }
        device
    }

    /// One whose driver has been started and listens on a port.
    pub(crate) async fn driven(
        port: u16,
        wishes: Capabilities,
        process: Child,
        home: tempfile::TempDir,
    ) -> Self {
        Self { driver: connect(port, wishes).await, process, home }
    }

    /// Another size of its window.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        self.driver.set_window_rect(0, 0, width, height).await.expect("another size");
    }

    /// Closes the browser; the process ends with the value.
    pub(crate) async fn close(self) {
        let _ = self.driver.clone().quit().await;
    }

    /// Its home folder.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Opens an address.
    pub(crate) async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Waits until an element is there and gives it.
    pub(crate) async fn find(&self, css: &str) -> WebElement {
        let started = Instant::now();
        loop {
            if let Ok(element) = self.driver.find(By::Css(css)).await
                && element.is_displayed().await.unwrap_or(false)
            {
                return element;
            }
            if started.elapsed() > PATIENCE {
                panic!("no {css} on the page:\n{}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the page shows a text.
    pub(crate) async fn sees(&self, text: &str) {
        let started = Instant::now();
        loop {
            let shown = self.text().await;
            if shown.contains(text) {
                return;
            }
            if started.elapsed() > PATIENCE {
                let at = self.driver.current_url().await.map(|url| url.to_string()).unwrap_or_default();
                panic!("{at} never shows {text:?}; it shows:\n{shown}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The text of the page.
    pub(crate) async fn text(&self) -> String {
        match self.driver.find(By::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Clicks.
    pub(crate) async fn click(&self, css: &str) {
        let element = self.find(css).await;
        let _ = element.scroll_into_view().await;
        element.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Presses the button or link with this text.
    pub(crate) async fn press(&self, text: &str) {
        let quoted = format!("\"{text}\"");
        let path = format!("//button[normalize-space()={quoted}] | //a[normalize-space()={quoted}]");
        let started = Instant::now();
        loop {
            if let Ok(element) = self.driver.find(By::XPath(&path)).await
                && element.is_displayed().await.unwrap_or(false)
            {
                let _ = element.scroll_into_view().await;
                if element.click().await.is_ok() {
                    return;
                }
            }
            if started.elapsed() > PATIENCE {
                panic!("nothing to press named {text:?}:\n{}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Opens what hides behind this line.
    pub(crate) async fn press_summary(&self, text: &str) {
        self.sees(text).await;
        let path = format!("//summary[normalize-space()=\"{text}\"]");
        let element = self.driver.find(By::XPath(&path)).await;
        let element = element.unwrap_or_else(|error| panic!("{text}: {error}"));
        let _ = element.scroll_into_view().await;
        element.click().await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }

    /// Types into a field.
    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        let _ = element.clear().await;
        element.send_keys(text).await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Runs a script in the page; what it returns.
    pub(crate) async fn script(&self, code: &str) -> serde_json::Value {
        let answer = self.driver.execute(code, vec![]).await;
        answer.unwrap_or_else(|error| panic!("{code}: {error}")).json().clone()
    }

    /// A call of the Chrome DevTools Protocol.
    pub(crate) async fn cdp(&self, method: &str, parameters: serde_json::Value) -> serde_json::Value {
        self.driver
            .cdp()
            .send_raw(method, parameters)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn add_authenticator(&self) {
        self.cdp("WebAuthn.enable", json!({})).await;
        let options = json!({"options": {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true,
        }});
        self.cdp("WebAuthn.addVirtualAuthenticator", options).await;
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // The driver takes its browser with it.
        let _ = Command::new("pkill").args(["-P", &self.process.id().to_string()]).status();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A still picture as a camera sees it: an element's screenshot in the middle of white, 640 x 480,
/// grey Y4M.
pub(crate) fn camera_sees(png: &[u8], file: &Path) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("a picture");
    let step = info.color_type.samples();
    let (width, height) = (info.width as usize, info.height as usize);
    // Shrink by whole steps until it fits with a margin.
    let scale = (width.div_ceil(CAMERA_WIDTH - 40)).max(height.div_ceil(CAMERA_HEIGHT - 40)).max(1);
    let (wide, high) = (width / scale, height / scale);
    let (left, top) = ((CAMERA_WIDTH - wide) / 2, (CAMERA_HEIGHT - high) / 2);
    let mut luma = vec![235u8; CAMERA_WIDTH * CAMERA_HEIGHT];
    for y in 0..high {
        for x in 0..wide {
            let at = (y * scale * width + x * scale) * step;
            luma[(top + y) * CAMERA_WIDTH + left + x] = pixels[at].clamp(16, 235);
        }
    }
    let mut out = std::fs::File::create(file).expect("a file");
    writeln!(out, "YUV4MPEG2 W{CAMERA_WIDTH} H{CAMERA_HEIGHT} F10:1 Ip A1:1 C420jpeg").expect("written");
    let chroma = vec![128u8; CAMERA_WIDTH * CAMERA_HEIGHT / 2];
    for _ in 0..3 {
        out.write_all(b"FRAME\n").expect("written");
        out.write_all(&luma).expect("written");
        out.write_all(&chroma).expect("written");
    }
}

async fn connect(port: u16, caps: Capabilities) -> WebDriver {
    let url = format!("http://127.0.0.1:{port}");
    let started = Instant::now();
    loop {
        match WebDriver::new(&url, caps.clone()).await {
            Ok(driver) => return driver,
            Err(error) if started.elapsed() > PATIENCE => panic!("chromedriver: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The policy by which Chromium picks the one certificate it has, instead of a dialog that no test
/// can click.
fn choose_certificates_without_asking() {
    let folder = Path::new("/etc/chromium/policies/managed");
    let file: PathBuf = folder.join("portcullis-tests.json");
    if file.exists() {
        return;
    }
    let policy = json!({"AutoSelectCertificateForUrls": ["{\"pattern\":\"*\",\"filter\":{}}"]});
    std::fs::create_dir_all(folder).expect("the browser tests need root, to set Chromium's policy");
    std::fs::write(&file, policy.to_string()).expect("the browser tests need root, to set Chromium's policy");
}

pub(crate) fn run(program: &str, arguments: &[&str]) {
    let out =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

const PATIENCE: Duration = Duration::from_secs(20);
const CAMERA_WIDTH: usize = 1280;
const CAMERA_HEIGHT: usize = 960;
