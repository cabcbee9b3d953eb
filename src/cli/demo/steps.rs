//! What the demo tells whoever started it: the steps, one after the other. Does nothing.

use std::path::Path;

use serde_json::json;

use super::browsers::Opened;
use super::house::{Place, passwords_file, root_file};
use crate::cli::failure::Failure;
use crate::cli::print::qr;
use crate::config::Config;

/// The steps, for people.
pub(super) fn text(
    place: &Place,
    config: &Config,
    first: bool,
    opened: Option<&Opened>,
) -> Result<Vec<String>, Failure> {
    let passwords = passwords_file(&place.dir);
    let kept = std::fs::read_to_string(&passwords).map_err(Failure::read(&passwords))?;
    let (root, dir) = (root_file(&place.dir), place.dir.display());
    let bank = format!("{}/", config.origin("bank.localhost"));
    let console = format!("{}/", config.origin("console.localhost"));
    let phone = format!("{}/", config.origin(&place.phone_host()));
    let metrics = metrics(config);

    let mut lines = vec![String::new()];
    lines.push(if first {
        format!("The demo runs. Its data is in {dir}; Ctrl-C stops it.")
    } else {
        format!("The demo runs again, with the data of {dir}; Ctrl-C stops it.")
    });
    lines.extend(
        [
            "",
            "  portal    the client's bank    ",
            "  console   the agent's desk     ",
            "  phone     the client's phone   ",
            "  metrics   the operator's tools ",
        ]
        .iter()
        .zip(["", bank.as_str(), console.as_str(), phone.as_str(), metrics.as_str()])
        .map(|(name, link)| format!("{name}{link}")),
    );
    lines.push(String::new());
    lines.extend(kept.lines().skip(2).map(ToOwned::to_owned));
    lines.push(format!("\nThese stand in {} too: only a demo keeps such a file.", passwords.display()));
    lines.push(
        "The desk asks for two locks here, certificate and password, so that one person can try it alone.\n\
         The rules that are shipped ask the desk for three (policies/console.toml).\n"
            .to_owned(),
    );
    match opened {
        Some(opened) => lines.extend(walk_opened(opened)),
        None => lines.extend(walk(&root, place, &bank, &console, &phone)),
    }
    if place.host.is_some() {
        let file =
            format!("http://{}:{}/ca/server-root.crt", place.phone_host(), config.listen.public_plain_port);
        lines.push(format!("\nYour phone first needs the demo's root, as a profile or a trusted CA: {file}"));
        lines.extend(qr(&file));
        lines.push(format!("Then the app: {phone}"));
        lines.extend(qr(&phone));
    }
    Ok(lines)
}

/// The same for programs.
pub(super) fn json(place: &Place, config: &Config) -> serde_json::Value {
    json!({
        "config": config.file.display().to_string(),
        "root": root_file(&place.dir).display().to_string(),
        "passwords": passwords_file(&place.dir).display().to_string(),
        "portal": config.origin("bank.localhost"),
        "console": config.origin("console.localhost"),
        "phone": config.origin(&place.phone_host()),
        "public": config.origin("start.localhost"),
        "metrics": metrics(config),
    })
}

/// On this machine alone, in clear.
fn metrics(config: &Config) -> String {
    config.listen.ops.map(|address| format!("http://{address}/metrics")).unwrap_or_default()
}

fn walk(root: &Path, place: &Place, bank: &str, console: &str, phone: &str) -> Vec<String> {
    let file = |name: &str| place.dir.join(name).display().to_string();
    let root = root.display();
    let second = if place.host.is_some() {
        "your phone (see below)".to_owned()
    } else {
        "a third browser profile, as the phone".to_owned()
    };
    [
        format!("1. Let a browser trust {root}. It can sign nothing but {}.", names(place)),
        "     Firefox    Settings > Privacy & Security > View Certificates > Authorities > Import".to_owned(),
        "     Chrome     Settings > Privacy and security > Security > Manage certificates > Custom > Trusted certificates > Import".to_owned(),
        format!("     or, for Chromium on Linux:  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n portcullis-demo -i {root}"),
        "   When you are done with the demo, take it out again in the same place.".to_owned(),
        format!("2. Be the client. Import {} in the same settings, under your own certificates;", file("client.p12")),
        format!("   its import password is above. Start the browser again, open {bank} and choose Anna's certificate."),
        "   The page shows a code of six digits and waits.".to_owned(),
        format!("3. Be the agent, in another profile (both trust and import once more): import {},", file("agent.p12")),
        format!("   open {console}, give Sam's password, look for Anna and type the code. Say the word it shows;"),
        "   pick it on the client's page; go down the checklist and release.".to_owned(),
        format!("4. Be the phone: {second}. Open {phone} and scan the QR code of the client's page,"),
        "   or open the link beside it. Both pages show the same two words: confirm, set a password, put away the ten recovery codes, and you are in.".to_owned(),
        "   A computer without a fingerprint reader or the like has no key store for this: in Chrome's developer tools,".to_owned(),
        "   More tools > WebAuthn, switch on the virtual authenticator (ctap2, internal, resident keys, user verification).".to_owned(),
        "5. Sign out and come again: certificate, password, six digits typed on the phone.".to_owned(),
        format!("   {} is a second device of Anna's; {} runs the desk.", file("tablet.p12"), file("operator.p12")),
        String::new(),
        "`portcullis demo --browser` prepares these profiles for you where chromium and certutil are present.".to_owned(),
        "`portcullis demo --host NAME` is for a real phone on your network.".to_owned(),
    ]
    .into()
}

fn walk_opened(opened: &Opened) -> Vec<String> {
    let mut lines = vec![
        "Three windows are open; each trusts the demo and holds its certificate:".to_owned(),
        "1. Client: choose Anna's certificate. The page shows a code of six digits and waits.".to_owned(),
        "2. Agent: choose Sam's certificate, give his password (above), look for Anna and type the code."
            .to_owned(),
        "   Say the word it shows; pick it on the client's page; go down the checklist and release."
            .to_owned(),
        "3. Phone: on the client's page copy the link beside the QR code, and open it in the phone's window."
            .to_owned(),
        "   Both pages show the same two words: confirm, set a password, and you are in.".to_owned(),
        "4. Sign out and come again: certificate, password, six digits typed on the phone.".to_owned(),
    ];
    lines.extend(opened.remarks.iter().cloned());
    lines
}

fn names(place: &Place) -> String {
    match &place.host {
        None => "names that end with `localhost`".to_owned(),
        Some(name) => format!("names that end with `localhost` or `{name}`"),
    }
}
