//! Hundreds of devices by the sheet: what is written, who can open it, and that neither a kill at any point nor a
//! second run issues anything twice or loses a password.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::gate::{Gate, portcullis};
use crate::skipped::skipped;

/// A gate with a bank, and a key of `age`.
struct Desk {
    gate: Gate,
    recipient: String,
}

impl Desk {
    /// `None`, said aloud, where the tool that opens the passwords is not installed.
    fn made() -> Option<Self> {
        let gate = gate();
        let made = Command::new("age-keygen").args(["-o", "key.txt"]).current_dir(gate.dir()).output();
        if !made.is_ok_and(|made| made.status.success()) {
            skipped("bulk: age is not installed (apt install age)");
            return None;
        }
        let key = std::fs::read_to_string(gate.dir().join("key.txt")).unwrap();
        let recipient = key.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
        Some(Self { gate, recipient })
    }

    fn sheet(&self, text: &str) {
        std::fs::write(self.gate.dir().join("clients.csv"), text).unwrap();
    }

    fn arguments(&self) -> [&str; 8] {
        ["device", "issue", "--from", "clients.csv", "--out", "out", "--recipient", &self.recipient]
    }

    fn out(&self) -> PathBuf {
        self.gate.dir().join("out")
    }

    fn manifest(&self) -> Vec<csv::StringRecord> {
        let mut reader = csv::Reader::from_path(self.out().join("manifest.csv")).unwrap();
        reader.records().map(|record| record.unwrap()).collect()
    }

    /// What the `age` tool makes of the passwords: by the name of the file.
    fn passwords(&self) -> BTreeMap<String, String> {
        let opened = Command::new("age")
            .args(["-d", "-i", "key.txt", "out/passwords.csv.age"])
            .current_dir(self.gate.dir())
            .output()
            .unwrap();
        assert!(opened.status.success(), "{opened:?}");
        let mut reader = csv::Reader::from_reader(opened.stdout.as_slice());
        let rows = reader.records().map(|record| record.unwrap());
        rows.map(|row| (row[0].to_owned(), row[4].to_owned())).collect()
    }

    fn openssl_opens(&self, file: &str, password: &str) -> bool {
        let opened = Command::new("openssl")
            .args(["pkcs12", "-in", file, "-noout", "-passin", &format!("pass:{password}")])
            .current_dir(self.out())
            .stderr(Stdio::null())
            .status();
        opened.unwrap().success()
    }

    /// Serial numbers in force, by device id; a device with two or none fails.
    fn in_force(&self) -> BTreeMap<String, String> {
        let listed = self.gate.json(&["device", "list", "bank"]);
        let devices = listed["devices"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let one = |device: &Value| {
            let all = device["certificates"].as_array().unwrap();
            let active: Vec<&Value> = all.iter().filter(|one| one["state"] == "active").collect();
            assert_eq!(active.len(), 1, "{device}");
            (text(&device["id"]), text(&active[0]["serial"]))
        };
        devices.iter().map(one).collect()
    }

    /// Store, manifest, files and passwords say the same of so many devices. Opens every so manieth file.
    fn must_agree(&self, devices: usize, every: usize) {
        let (manifest, passwords, in_force) = (self.manifest(), self.passwords(), self.in_force());
        assert_eq!((manifest.len(), passwords.len(), in_force.len()), (devices, devices, devices));
        let mut files = BTreeSet::new();
        for (number, row) in manifest.iter().enumerate() {
            let (device, serial, file, sha256) = (&row[5], &row[6], &row[7], &row[8]);
            assert_eq!(in_force[device], serial, "{row:?}");
            let bytes = std::fs::read(self.out().join(file)).unwrap();
            assert_eq!(hex(&portcullis::crypto::sha256(&bytes)), sha256);
            assert_eq!(mode(&self.out().join(file)), 0o600);
            assert!(files.insert(file.to_owned()), "two rows have one file: {file}");
            if number % every == 0 {
                assert!(self.openssl_opens(file, &passwords[file]), "{file} does not open");
                assert!(!self.openssl_opens(file, "x7kd4-m2qpa-aaaaa-bbbbb"), "{file} opens with anything");
            }
        }
        let p12: BTreeSet<String> =
            names(&self.out()).into_iter().filter(|name| name.ends_with(".p12")).collect();
        assert_eq!(p12, files, "a file that no row names");
        assert_eq!(mode(&self.out()), 0o700);
        let distinct: BTreeSet<&String> = passwords.values().collect();
        assert_eq!(distinct.len(), devices, "a password twice");
        // Nowhere in clear, and no longer sealed in the journal.
        for name in names(&self.out()) {
            assert_eq!(mode(&self.out().join(&name)), 0o600, "{name}");
            let bytes = std::fs::read(self.out().join(&name)).unwrap();
            for password in passwords.values().step_by(7) {
                let found = memchr::memmem::find(&bytes, password.as_bytes());
                assert!(found.is_none(), "a password stands in {name}");
            }
            assert!(memchr::memmem::find(&bytes, b"\"sealed\"").is_none(), "{name} keeps sealed passwords");
        }
    }

    fn spawn(&self, under: &[&str]) -> std::process::Child {
        let binary = env!("CARGO_BIN_EXE_portcullis");
        let line: Vec<&str> = under.iter().copied().chain([binary]).chain(self.arguments()).collect();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).current_dir(self.gate.dir());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn journal(&self) -> String {
        std::fs::read_to_string(self.out().join("journal.jsonl")).unwrap_or_default()
    }
}

/// With the bank's tenant.
fn gate() -> Gate {
    let gate = Gate::made();
    let add = ["tenant", "add", "bank", "--name", "Bank Muster", "--telephone", "+41 44 555 01 00"];
    let door = ["--host", "bank.localhost", "--backend", "http://127.0.0.1:9"];
    gate.run(&[add.as_slice(), &door].concat()).well();
    gate
}

fn names(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir(folder).unwrap();
    all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn rows(count: usize) -> String {
    let mut text = "tenant,name,email,device,encoding\r\n".to_owned();
    for number in 0..count {
        let encoding = ["modern", "compatible", ""][number % 3];
        text.push_str(&format!("bank,Client {number},client{number}@bank.example,laptop,{encoding}\r\n"));
    }
    text
}

/// Beside a running gate: all of it, from the sheet to what `age` and `openssl` open.
#[test]
fn three_hundred_devices_are_issued_by_the_sheet() {
    let Some(mut desk) = Desk::made() else { return };
    desk.gate.serve();
    desk.gate.run(&["person", "add", "bank", "--name", "Anna Muster"]).well();
    let mut text =
        rows(298).replace("tenant,name", "tenant,person,name").replace("bank,Client", "bank,,Client");
    text.push_str("bank,anna-muster,,,@SUM(A1),\r\n");
    text.push_str("bank,evil,-1 Evil,evil@bank.example,laptop,\r\n");
    desk.sheet(&text);
    let done = desk.gate.run(&desk.arguments()).well();
    assert!(done.out.contains("300 devices issued into out."), "{done:?}");
    assert!(done.err.is_empty(), "no bar where there is no terminal: {done:?}");
    desk.must_agree(300, 23);
    // A spreadsheet runs nothing of what we write.
    let kept = std::fs::read_to_string(desk.out().join("manifest.csv")).unwrap();
    assert!(kept.contains(",'-1 Evil,") && kept.contains(",'@SUM(A1),"), "{kept}");
    assert!(!kept.contains(",-1") && !kept.contains(",@SUM"), "{kept}");
    let log = std::fs::read_to_string(desk.gate.dir().join("serve.log")).unwrap();
    assert!(desk.passwords().values().all(|password| !log.contains(password)), "a password is in the log");
    for (event, count) in [("bulk.begun", 1), ("bulk.ended", 1), ("certificate.issued", 300)] {
        let lines = desk.gate.json(&["audit", "list", "--last", "10000", "--event", event]);
        let told = lines["lines"].as_array().unwrap();
        // The first owner's own certificate is one more.
        assert!((count..=count + 1).contains(&told.len()), "{event}: {}", told.len());
    }
    desk.gate.run(&["audit", "verify"]).well();

    // Again: nothing is to be done; with another row: not into this folder.
    let again = desk.gate.json(&desk.arguments());
    assert_eq!((&again["issued"], &again["before"]), (&0.into(), &300.into()));
    desk.sheet(&format!("{text}bank,anna-muster,,,tablet,\r\n"));
    desk.gate.run(&desk.arguments()).refused(2, "name another folder with --out");
    desk.must_agree(300, 101);
}

/// Killed wherever it just is, beside a server that goes on: nothing twice, no file without its password.
#[test]
fn a_run_that_is_killed_goes_on_beside_a_server() {
    let Some(mut desk) = Desk::made() else { return };
    desk.gate.serve();
    killed_and_resumed(&desk);
}

/// The same where the killed process holds the store too.
#[test]
fn a_run_that_is_killed_goes_on_without_a_server() {
    let Some(desk) = Desk::made() else { return };
    killed_and_resumed(&desk);
}

fn killed_and_resumed(desk: &Desk) {
    desk.sheet(&rows(230));
    let (mut orphans, mut amid) = (0, 0);
    for round in 0..14_u32 {
        let mut child = desk.spawn(&[]);
        // From when it wrote its next line, some moment later.
        let (before, begun) = (desk.journal().len(), Instant::now());
        while desk.journal().len() <= before && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(120), "it does nothing");
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(u64::from(round * 37 % 260)));
        let _ = child.kill();
        child.wait().unwrap();
        let journal = desk.journal();
        let (begun, done) = (journal.matches("{\"begun\"").count(), journal.matches("{\"done\"").count());
        amid += usize::from(done < 230);
        orphans += usize::from(done < begun);
    }
    assert!(amid >= 3 && orphans >= 2, "killed amid it {amid} times, {orphans} times with rows under way");
    desk.gate.run(&desk.arguments()).well();
    desk.must_agree(230, 1);
    desk.gate.run(&["audit", "verify"]).well();
}

/// Killed exactly at each point where something is put on disk.
#[test]
fn a_run_is_killed_at_each_write() {
    let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    if !strace.is_ok_and(|status| status.success()) {
        skipped("bulk, killed at each write: strace is not installed (apt install strace)");
        return;
    }
    let Some(mut desk) = Desk::made() else { return };
    desk.gate.serve();
    let mut died = 0;
    // Folder, journal, five files, folder, journal, manifest, passwords, folder, journal, folder; and one more.
    for point in 1..=15 {
        desk.sheet(&rows(5));
        let inject = format!("inject=fsync,fdatasync:signal=SIGKILL:when={point}");
        let status = desk.spawn(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject]).wait().unwrap();
        died += usize::from(!status.success());
        desk.gate.run(&desk.arguments()).well();
        desk.must_agree(5, 1);
        // The persons are known now; the next round has a gate of its own.
        let gate = gate();
        std::fs::copy(desk.gate.dir().join("key.txt"), gate.dir().join("key.txt")).unwrap();
        desk = Desk { gate, recipient: desk.recipient.clone() };
        desk.gate.serve();
    }
    assert!(died >= 10, "it was killed at {died} points");
}

/// Every mistake of a sheet in one answer, and nothing issued until it is mended.
#[test]
fn bad_rows_are_told_together_and_nothing_is_issued() {
    let Some(mut desk) = Desk::made() else { return };
    desk.gate.serve();
    desk.gate.run(&["person", "add", "bank", "--name", "Anna Muster"]).well();
    desk.gate.run(&["device", "issue", "bank/anna-muster", "--name", "laptop"]).well();
    desk.gate.run(&["person", "add", "bank", "--name", "Late Larry"]).well();
    desk.gate.run(&["person", "lock", "bank/late-larry", "--why", "left", "--yes"]).well();
    let sheet = b"\xef\xbb\xbftenant,person,name,email,device,encoding\r\n\
        bank,anna-muster,,,tablet,modern\r\n\
        bnk,anna-muster,,,tablet,modern\r\n\
        bank,anna-muster,,,laptop,modern\r\n\
        bank,,Beat Keller,beat(at)bank,laptop,modern\r\n\
        bank,,Beat Keller,beat@bank.example,laptop,modern\r\n\
        bank,,Beat Keller,beat@bank.example,laptop,compatible\r\n\
        bank,,Z\xfcrich,z@bank.example,laptop,modern\r\n\
        bank,anna-muster,,,phone\r\n\
        bank,nobody,,,laptop,modern\r\n\
        bank,late-larry,,,laptop,modern\r\n\
        bank,anna-muster,Anna Other,other@bank.example,desk,modern\r\n";
    std::fs::write(desk.gate.dir().join("clients.csv"), sheet).unwrap();
    let refused = desk.gate.run(&desk.arguments()).refused(2, "nothing was");
    assert_eq!(refused.err, BAD_ROWS);
    assert_eq!(refused.out, "");
    assert_eq!(desk.in_force().len(), 1);
    assert!(names(&desk.out()).iter().all(|name| name == "journal.jsonl"), "{:?}", names(&desk.out()));

    let arguments = [desk.arguments().as_slice(), &["--skip-bad"]].concat();
    let done = desk.gate.json(&arguments);
    assert_eq!((&done["issued"], &done["skipped_rows"]), (&2.into(), &9.into()), "{done}");
    assert_eq!(desk.manifest().len(), 2);
    assert_eq!(desk.in_force().len(), 3);
    // The same again: what was left out is no other row.
    let again = desk.gate.json(&arguments);
    assert_eq!((&again["issued"], &again["before"]), (&0.into(), &2.into()), "{again}");
}

/// Golden: each line, what is wrong with it, what to write instead.
const BAD_ROWS: &str = include_str!("bad_rows.txt");

/// What would leave passwords that nobody can open, or that anybody can read, is refused before anything happens.
#[test]
fn without_somebody_who_can_open_the_passwords_nothing_begins() {
    let Some(desk) = Desk::made() else { return };
    desk.sheet(&rows(1));
    let from = ["device", "issue", "--from", "clients.csv", "--out", "out"];
    let run = |more: &[&str]| desk.gate.run(&[from.as_slice(), more].concat());
    run(&[]).refused(2, "--recipient age1...");
    run(&["--recipient", "age1nobody"]).refused(2, "is no age recipient");
    let secret = std::fs::read_to_string(desk.gate.dir().join("key.txt")).unwrap();
    let secret = secret.lines().last().unwrap().to_owned();
    let told = run(&["--recipient", &secret]).refused(2, "never the secret key");
    assert!(!told.err.contains(&secret[20..40]), "{told:?}");
    desk.gate
        .run(&["device", "issue", "--from", "clients.csv", "--recipient", &desk.recipient])
        .refused(2, "--out");
    assert!(!desk.out().exists());
    std::fs::create_dir(desk.out()).unwrap();
    std::fs::set_permissions(desk.out(), std::fs::Permissions::from_mode(0o755)).unwrap();
    desk.gate.run(&desk.arguments()).refused(2, "chmod 700 out");
    assert!(names(&desk.out()).is_empty());
    assert!(portcullis(desk.gate.dir(), &["device", "issue"]).code == 2);
}
