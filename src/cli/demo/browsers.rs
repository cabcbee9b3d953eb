//! Chromium windows for the demo's client, agent and phone: each its own profile, with the demo's
//! root trusted and its certificate imported. Touches no profile of the user's.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::authenticator::Authenticator;
use super::house::{Place, passwords_file, root_file};
use crate::cli::failure::Failure;
use crate::config::{Config, Environment, secrets};

/// Windows that are open; they close when this is dropped.
pub(super) struct Opened {
    /// What the user should know.
    pub(super) remarks: Vec<String>,
    _windows: Vec<Window>,
    _phone: Option<Authenticator>,
}

/// Opens the three windows.
pub(super) fn open(place: &Place, config: &Config, environment: &Environment) -> Result<Opened, Failure> {
    let tools = Tools::find(environment)?;
    let mut windows = Vec::new();
    for (who, file, url) in [
        ("client", Some("client.p12"), config.origin("bank.localhost")),
        ("agent", Some("agent.p12"), config.origin("console.localhost")),
    ] {
        let home = tools.profile(place, who, file)?;
        windows.push(tools.window(tools.command(&home).arg(url))?);
    }
    let home = tools.profile(place, "phone", None)?;
    let url = format!("{}/", config.origin(&place.phone_host()));
    let phone = Authenticator::open(&tools, &home, &url)?;
    let mut remarks = vec![
        "   The phone's window has a virtual authenticator in the place of a fingerprint; its keys are kept in".to_owned(),
        format!("   {}.", home.join("authenticator.json").display()),
    ];
    if rustix::process::geteuid().is_root() {
        remarks.push(
            "   You are root, so Chromium runs without its sandbox: open nothing else in these windows."
                .to_owned(),
        );
    }
    Ok(Opened { remarks, _windows: windows, _phone: Some(phone) })
}

/// The programs it takes.
pub(super) struct Tools {
    pub(super) chromium: PathBuf,
    certutil: PathBuf,
    pk12util: PathBuf,
    path: Vec<PathBuf>,
}

impl Tools {
    fn find(environment: &Environment) -> Result<Self, Failure> {
        let chromium = CHROMIUMS.iter().find_map(|name| environment.program(name));
        let (certutil, pk12util) = (environment.program("certutil"), environment.program("pk12util"));
        match (chromium, certutil, pk12util) {
            (Some(chromium), Some(certutil), Some(pk12util)) => {
                Ok(Self { chromium, certutil, pk12util, path: environment.path.clone() })
            }
            _ => Err(Failure::Usage(
                "`--browser` needs Chromium and certutil: on Debian type `sudo apt install chromium libnss3-tools`, \
                 or start without --browser and follow the steps by hand"
                    .to_owned(),
            )),
        }
    }

    /// A home of its own for one part: certificate store and profile.
    fn profile(&self, place: &Place, who: &str, p12: Option<&str>) -> Result<PathBuf, Failure> {
        let home =
            std::path::absolute(place.dir.join("browsers").join(who)).map_err(Failure::read(&place.dir))?;
        let store = home.join(".pki/nssdb");
        if store.join("cert9.db").is_file() {
            return Ok(home);
        }
        std::fs::create_dir_all(&store).map_err(Failure::written(&store))?;
        let database = format!("sql:{}", store.display());
        let root = root_file(&place.dir).display().to_string();
        run(&self.certutil, &["-d", &database, "-N", "--empty-password"])?;
        run(&self.certutil, &["-d", &database, "-A", "-t", "C,,", "-n", "Portcullis demo", "-i", &root])?;
        if let Some(name) = p12 {
            let word = import_password(&place.dir, name)?;
            let file = home.join("import-password");
            // In a file, since arguments are seen by everybody on the machine.
            secrets::write_new(&file, format!("{word}\n").as_bytes()).map_err(Failure::written(&file))?;
            let (p12, word) = (place.dir.join(name).display().to_string(), file.display().to_string());
            let imported = run(&self.pk12util, &["-d", &database, "-i", &p12, "-w", &word, "-K", ""]);
            std::fs::remove_file(&file).map_err(Failure::written(&file))?;
            imported?;
        }
        Ok(home)
    }

    /// Chromium with that home, and nothing of the user's.
    fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.chromium);
        self.dress(&mut command, home);
        command.args(arguments(home));
        command
    }

    /// Environment and streams of a browser.
    pub(super) fn dress(&self, command: &mut Command, home: &Path) {
        command
            .env("HOME", home)
            .env("PATH", std::env::join_paths(&self.path).unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
    }

    /// Opens a window.
    pub(super) fn window(&self, command: &mut Command) -> Result<Window, Failure> {
        command.spawn().map(Window).map_err(Failure::read(&self.chromium))
    }
}

/// A window that closes with the demo.
pub(super) struct Window(Child);

impl Drop for Window {
    fn drop(&mut self) {
        // It may have been closed by hand.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The arguments that every window gets.
pub(super) fn arguments(home: &Path) -> Vec<String> {
    let mut arguments = vec![format!("--user-data-dir={}", home.join("profile").display())];
    arguments.extend(QUIET.iter().map(|&argument| argument.to_owned()));
    if rustix::process::geteuid().is_root() {
        // Chromium's sandbox does not start as root.
        arguments.push("--no-sandbox".to_owned());
    }
    arguments
}

fn run(program: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let done = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(Failure::read(program))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(Failure::Other(format!(
        "{} failed ({said}): take the folder `browsers` of the demo away and start again",
        program.display()
    )))
}

/// From the demo's file of passwords.
fn import_password(dir: &Path, p12: &str) -> Result<String, Failure> {
    let file = passwords_file(dir);
    let text = std::fs::read_to_string(&file).map_err(Failure::read(&file))?;
    text.lines()
        .find(|line| line.trim_start().starts_with(p12))
        .and_then(|line| line.split_whitespace().last())
        .map(ToOwned::to_owned)
        .ok_or_else(|| {
            Failure::Other(format!(
                "{} lacks {p12}: take the demo's folder away and start again",
                file.display()
            ))
        })
}

/// As distributions call it.
const CHROMIUMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// No first-run pages, no calls home.
const QUIET: [&str; 6] = [
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
];
