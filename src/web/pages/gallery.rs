//! Every page with sample data, written to `target/pages` to be looked at. Knows no browser.

mod confirm;
mod delivery;
mod desk;
mod recovery;
mod renewal;
mod requests;
mod second;
mod settings;
mod sign_in;

use std::path::{Path, PathBuf};

use super::Page;
use crate::web::visit::tests::visit;
use crate::web::{assets, brand, refusal};

#[tokio::test]
async fn every_page_is_written_to_be_looked_at() {
    let folder = folder();
    write_assets(&folder);
    let mut names = Vec::new();
    let mut show = |name: &str, html: String| {
        assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{name}");
        assert!(!html.contains(" style=") && !html.contains("onclick"), "{name} breaks the content policy");
        assert!(!html.contains("<script>"), "{name} holds an inline script");
        let number = format!("Request <span class=\"number\">{}</span>", visit().request_id);
        assert!(html.contains(&number), "{name} has no number to read out");
        std::fs::write(folder.join(format!("{name}.html")), beside(&html)).unwrap();
        names.push(name.to_owned());
    };
    sign_in::sign_in_pages(&mut show);
    renewal::renewal_pages(&mut show);
    settings::settings_pages(&mut show);
    recovery::recovery_pages(&mut show);
    confirm::confirm_pages(&mut show);
    desk::desk_pages(&mut show);
    delivery::delivery_pages(&mut show);
    for reason in refusal::tests::reasons() {
        let response = refusal::respond(&reason, &visit());
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        let name = format!("refused-{}", refusal::manner(&reason).key);
        show(&name, String::from_utf8(body.to_vec()).unwrap());
    }
    std::fs::write(folder.join("pages.txt"), names.join("\n")).unwrap();
    // Nobody at the desk can set another password: no page says so.
    for name in ["password", "renewal-password"] {
        let html = std::fs::read_to_string(folder.join(format!("{name}.html"))).unwrap();
        assert!(
            html.contains("we cannot give you another one") && !html.contains("choose a new one"),
            "{name}"
        );
    }
}

fn html<P: Page>(page: P) -> String {
    assert!(!page.head().request.is_empty());
    page.render().unwrap()
}

/// Files beside the pages, so that a browser finds them without a server.
fn write_assets(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/assets");
    for name in assets::names() {
        std::fs::copy(here.join(name), folder.join(name)).unwrap();
    }
    for accent in [Some("#14532d"), None] {
        let name = brand::asset_name(accent);
        std::fs::write(folder.join(&name), brand::sheet(&name).unwrap()).unwrap();
    }
}

/// The page with its assets' addresses made relative, without their hashes.
fn beside(html: &str) -> String {
    let mut out = String::new();
    for (n, part) in html.split(assets::PATH).enumerate() {
        if n == 0 {
            out.push_str(part);
            continue;
        }
        let (address, rest) = part.split_once('"').unwrap();
        out.push_str(address.split('?').next().unwrap());
        out.push('"');
        out.push_str(rest);
    }
    out
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages")
}

fn text(words: &str) -> String {
    words.to_owned()
}
