//! Every command, once with a server beside it and once without.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use portcullis::app;
use portcullis::audit::{Entry, Event};
use portcullis::auth::password;
use portcullis::config::Config;
use portcullis::domain::device::Device;
use portcullis::domain::enrolment::{Enrolment, EnrolmentKind, EnrolmentState};
use portcullis::domain::{PersonId, TenantId};
use portcullis::store::table;
use portcullis::world::World;

use crate::gate::{Done, Gate};
use crate::history::history;

#[test]
fn every_command_without_a_server() {
    walk(Gate::made(), false);
}

#[test]
fn every_command_beside_a_server() {
    walk(Gate::made(), true);
}

fn walk(mut gate: Gate, beside: bool) {
    staff_code(&gate);
    if beside {
        gate.serve();
    }
    tenants(&gate);
    people(&gate);
    devices(&gate);
    history(&gate);
    authorities(&gate);
    codes(&gate);
    rules(&gate);
    trail(&gate);
    push(&gate, beside);
    doctor(&gate, beside);
    if beside {
        assert_eq!(gate.stop(), Some(0));
        assert!(!gate.socket().exists());
    }
    // Whoever did it, it is in the store.
    assert_eq!(gate.json(&["tenant", "list"])["tenants"].as_array().unwrap().len(), 2);
}

/// The key that `init` made, two after it, and one where there is none.
fn push(gate: &Gate, beside: bool) {
    let file = gate.folder.path().join("data/push.key");
    let keys = || std::fs::read_to_string(&file).unwrap().matches("BEGIN PRIVATE KEY").count();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!((keys(), mode), (1, 0o600));
    let first = gate.json(&["push", "rotate-key"])["key"].as_str().unwrap().to_owned();
    assert_eq!(keys(), 2);
    let second = gate.json(&["push", "rotate-key", "--at-once"])["key"].as_str().unwrap().to_owned();
    assert_eq!(keys(), 1);
    assert!(first != second && first.len() == 87, "{first}");
    let says = |done: Done, words: &str| assert!(done.out.contains(words), "{done:?}");
    says(gate.run(&["doctor"]).well(), "push");
    if !beside {
        // A gate from before: it goes on without push, says so, and the command makes the first key.
        std::fs::remove_file(&file).unwrap();
        says(gate.run(&["doctor"]).well(), "there is no key for it");
        says(gate.run(&["push", "rotate-key"]).well(), "The first key for push is made");
    }
    let told = gate.json(&["audit", "list", "--event", "push.key-rotated"]);
    assert_eq!(told["lines"].as_array().unwrap().len(), if beside { 2 } else { 3 });
}

fn tenants(gate: &Gate) {
    let add = [
        "tenant",
        "add",
        "bank",
        "--name",
        "Bank Muster & Cie",
        "--telephone",
        "+41 44 555 01 00",
        "--host",
        "bank.localhost",
        "--backend",
        "http://127.0.0.1:9",
    ];
    gate.run(&add).well();
    gate.run(&add).refused(1, "already");
    gate.run(&[
        "tenant",
        "add",
        "two",
        "--name",
        "Two",
        "--telephone",
        "+41 44 555 01 00",
        "--host",
        "bank.localhost",
    ])
    .refused(1, "bank.localhost is the door of tenant `bank`");
    gate.run(&["tenant", "add", "two", "--name", "Two", "--telephone", "call us", "--host", "two.localhost"])
        .refused(2, "cannot be dialled");
    let list = gate.json(&["tenant", "list"]);
    assert_eq!(list["tenants"][0]["id"], "bank");
    gate.run(&["tenant", "list"]).well().refused(0, "Bank Muster & Cie");
    gate.run(&["route", "set", "bank", "--backend", "http://127.0.0.1:10", "--client-cert"]).well();
    let routes = gate.json(&["route", "list", "bank"]);
    assert_eq!(routes["routes"][0]["backend"], "http://127.0.0.1:10");
    switches(gate);
    gate.run(&["route", "set", "nobody", "--backend", "http://127.0.0.1:10"]).refused(1, "tenant list");
}

/// What is not named stays; what was switched on can be switched off.
fn switches(gate: &Gate) {
    let route = |more: &[&str]| {
        gate.json(&[&["route", "set", "bank", "--name", "app"][..], more].concat());
        let listed = gate.json(&["route", "list", "bank"]);
        listed["routes"].as_array().unwrap().iter().find(|one| one["name"] == "app").unwrap().clone()
    };
    let flags = ["sticky", "client_cert", "service_worker", "confirm"];
    let on = |route: &serde_json::Value| flags.map(|flag| route[flag] == true);
    gate.run(&["route", "set", "bank", "--name", "app"]).refused(2, "a new one needs --backend");
    let all = ["--sticky", "--client-cert", "--service-worker", "--confirm"];
    let new =
        ["--backend", "http://127.0.0.1:10", "--path", "/app", "--rewrite", "/", "--host", "bank.localhost"];
    let made = route(&[&new[..], &all].concat());
    assert_eq!(on(&made), [true; 4]);
    assert_eq!(route(&["--backend", "http://127.0.0.1:11"])["path"], "/app");
    let kept = route(&["--first-byte-seconds", "7"]);
    assert_eq!(
        (on(&kept), &kept["rewrite"], &kept["hosts"][0]),
        ([true; 4], &"/".into(), &"bank.localhost".into())
    );
    assert_eq!(kept["backend"], "http://127.0.0.1:11");
    for (at, flag) in all.iter().enumerate() {
        let off = route(&[&flag.replace("--", "--no-")]);
        assert_eq!(on(&off), std::array::from_fn(|place| place > at), "{flag}");
    }
    let bare = route(&["--no-rewrite", "--no-host", "--no-sticky", "--sticky"]);
    assert_eq!((&bare["rewrite"], on(&bare)), (&serde_json::Value::Null, [true, false, false, false]));
    assert!(bare["hosts"].as_array().is_none_or(Vec::is_empty), "{bare}");
    gate.run(&["route", "remove", "bank", "app"]).well();
}

fn people(gate: &Gate) {
    let anna =
        gate.json(&["person", "add", "bank", "--name", "Anna Muster", "--email", "anna@muster.example"]);
    assert_eq!(anna["id"], "anna-muster");
    assert_eq!(anna["groups"][0], "clients");
    gate.run(&["person", "add", "bank", "--name", "Anna Muster"]).refused(1, "another --id");
    gate.run(&["person", "add", "staff", "--name", "Sam"]).refused(2, "need a role");
    gate.run(&["person", "add", "nowhere", "--name", "Sam"]).refused(1, "no tenant");
    gate.run(&["person", "list", "bank"]).well().refused(0, "bank/anna-muster");
    let all = gate.run(&["person", "list"]).well();
    assert!(all.out.contains("bank/anna-muster") && all.out.contains("staff/olga-owner"), "{}", all.out);

    gate.run(&["person", "lock", "bank/anna-muster", "--why", "asked by telephone"]).refused(2, "--yes");
    let locked = gate.json(&["person", "lock", "bank/anna-muster", "--why", "asked by telephone", "--yes"]);
    assert_eq!(locked["standing"], "locked");
    gate.run(&["device", "issue", "bank/anna-muster", "--name", "laptop"]).refused(1, "person unlock");
    gate.run(&["person", "unlock", "bank/anna-muster"]).well();
    assert_eq!(gate.json(&["person", "list", "bank"])["people"][0]["standing"], "invited");
    gate.run(&["person", "lock", "staff/olga-owner", "--why", "the last one", "--yes"])
        .refused(1, "last owner");
}

fn devices(gate: &Gate) {
    let issued = gate.json(&["device", "issue", "bank/anna-muster", "--name", "laptop"]);
    let word = issued["import_password"].as_str().unwrap();
    assert!(word.split('-').count() == 4 && word.len() == 23, "{word}");
    let file = gate.dir().join(issued["file"].as_str().unwrap());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    gate.run(&["device", "issue", "bank/anna-muster", "--name", "laptop"]).refused(1, "device renew");
    gate.run(&["device", "issue", "bank/anna-muster", "--name", "a,b"]).refused(2, "U+002C");
    gate.run(&["device", "issue", "bank/anna-muster", "--name", "phone", "--out", file.to_str().unwrap()])
        .refused(2, "exists already");

    let told = gate.run(&["device", "renew", "bank/anna-muster/laptop", "--encoding", "compatible"]).well();
    assert!(told.out.contains("Import password") && told.out.contains("to read out"), "{}", told.out);
    assert!(gate.dir().join("anna-muster-laptop-2.p12").is_file());
    let list = gate.json(&["device", "list", "bank"]);
    assert_eq!(list["devices"][0]["certificates"].as_array().unwrap().len(), 2);
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(list["devices"][0]["issued_by"], format!("local:{uid}"));

    gate.run(&["device", "revoke", "bank/anna-muster/laptop"]).refused(2, "2 certificates");
    let revoke = ["device", "revoke", "bank/anna-muster/laptop", "--reason", "key-compromise", "--yes"];
    assert_eq!(gate.json(&revoke)["revoked"].as_array().unwrap().len(), 2);
    gate.run(&revoke).refused(1, "already");
    gate.run(&["device", "renew", "bank/anna-muster/laptop"]).refused(1, "device issue");
    gate.run(&["device", "issue", "bank/anna-muster", "--name", "laptop"]).well();
    gate.run(&["device", "list", "bank/anna-muster"]).well().refused(0, "retired");
    let all = gate.run(&["device", "list"]).well();
    assert!(all.out.contains("bank/anna-muster") && all.out.contains("staff/sam-support"), "{}", all.out);
    keeps_no_key(gate, &file, word);
}

/// No file of the data folder holds the client's private key; the .p12 alone does.
fn keeps_no_key(gate: &Gate, file: &Path, password: &str) {
    let bytes = std::fs::read(file).unwrap();
    let store = KeyStore::from_pkcs12(&bytes, password, Pkcs12ImportPolicy::Strict).unwrap();
    let (_, chain) = store.private_key_chain().unwrap();
    // SEC 1 in PKCS #8: the private scalar is an octet string of 32 bytes.
    let der = chain.key().as_der();
    let at = der.windows(2).position(|pair| pair == [0x04, 0x20]).unwrap();
    let scalar = &der[at + 2..at + 34];
    let mut folders = vec![gate.dir().join("data")];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                looked_at += 1;
                assert!(!bytes.windows(32).any(|window| window == scalar), "{}", path.display());
            }
        }
    }
    assert!(looked_at > 5, "{looked_at} files");
}

fn authorities(gate: &Gate) {
    let shown = gate.json(&["ca", "show"]);
    assert_eq!(shown["issuers"].as_array().unwrap().len(), 3);
    let pem = gate.run(&["ca", "show", "--pem", "server"]).well();
    assert!(pem.out.starts_with("-----BEGIN CERTIFICATE-----\n"), "{}", pem.out);
}

const CODE: &str = "271828";

/// A first visit of the owner, and one of a support agent, as if both pages were open.
fn staff_code(gate: &Gate) {
    gate.run(&["person", "add", "staff", "--name", "Sam Support", "--role", "support"]).well();
    // Who is support is not sent to support.
    let told = gate.run(&["device", "issue", "staff/sam-support", "--name", "desk"]).well();
    assert!(told.out.contains("to an owner") && !told.out.contains("out to support"), "{}", told.out);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for person in ["olga-owner", "sam-support"] {
            awaits_code(gate.dir(), &PersonId::parse(person).unwrap()).await;
        }
    });
}

async fn awaits_code(dir: &Path, person: &PersonId) {
    let config = Config::load(&dir.join("portcullis.toml")).unwrap();
    let core = app::open(&config, World::real(), password::Settings::default()).await.unwrap();
    let staff = TenantId::staff();
    let devices =
        table::list::<Device>(&**core.ledger.store(), &table::devices(&staff, person)).await.unwrap();
    let device = &devices[0].record;
    let session = core.world.bytes::<32>();
    let parts: [&[u8]; 4] = [b"staff", device.id.as_str().as_bytes(), &session, CODE.as_bytes()];
    let now = core.world.now();
    let enrolment = Enrolment {
        tenant: staff.clone(),
        person: person.clone(),
        device: device.id.clone(),
        session,
        number: "12345".to_owned(),
        code_mac: Some(core.pepper.mac("enrolment code", &parts)),
        code_expires: now.plus(Duration::from_secs(600)),
        browser: "Chrome on Linux".to_owned(),
        address: "127.0.0.1".to_owned(),
        alarm: false,
        started: now,
        state: EnrolmentState::Waiting,
        kind: EnrolmentKind::FirstVisit,
    };
    let entry = Entry::new("gate", Event::CodeShown).tenant(&staff);
    core.ledger.record(entry, vec![table::create(&enrolment)]).await.unwrap();
}

fn codes(gate: &Gate) {
    gate.run(&["code", "verify", "bank/anna-muster", CODE]).refused(1, "at the desk");
    gate.run(&["code", "verify", "olga-owner", "12"]).refused(2, "six digits");
    gate.run(&["code", "verify", "olga-owner", "000000"]).refused(1, "wrong");
    // The first who comes in is an owner, unless the glass is broken.
    gate.run(&["code", "verify", "sam-support", CODE]).refused(1, "--break-glass");
    gate.run(&["code", "verify", "sam-support", CODE, "--break-glass", "why"]).refused(2, "too little");
    let broken =
        gate.json(&["code", "verify", "sam-support", CODE, "--break-glass", "both owners lost their phones"]);
    assert_eq!(broken["person"], "staff/sam-support");
    let verified = gate.run(&["code", "verify", "olga-owner", "271 828"]).well();
    assert!(verified.out.contains("Chrome on Linux"), "{}", verified.out);
    gate.run(&["code", "verify", "olga-owner", CODE]).refused(1, "no page of theirs");
    let told = gate.run(&["doctor"]);
    let lacks = "Olga Owner was let in by the code, and has no phone and no password yet";
    assert!(told.out.contains(lacks) && !told.out.contains("none has come in yet"), "{}", told.out);
    let used = gate.json(&["audit", "list", "--event", "breakglass.used"]);
    assert_eq!(used["lines"][0]["details"]["reason"], "both owners lost their phones");
}

fn rules(gate: &Gate) {
    gate.run(&["policy", "export", "rules"]).well();
    let bank = gate.dir().join("rules/bank.toml");
    assert!(bank.is_file() && gate.dir().join("rules/staff.toml").is_file());
    gate.run(&["policy", "check", "rules"]).well();
    gate.run(&["policy", "apply", "rules"]).well().refused(0, "already");
    let text = std::fs::read_to_string(&bank).unwrap();
    std::fs::write(&bank, text.replace("\"/**\"", "\"/open/**\"")).unwrap();
    let applied = gate.json(&["policy", "apply", "rules"]);
    assert_eq!(applied["applied"][0]["revision"], 2);
    std::fs::write(&bank, text.replace("need ", "needs")).unwrap();
    gate.run(&["policy", "apply", "rules"]).refused(2, "\nNothing was applied");
    gate.run(&["policy", "check", "rules"]).refused(1, "bank.toml");

    let explained =
        gate.json(&["policy", "explain", "bank", "/open/x", "--group", "clients", "--proved", "certificate"]);
    assert_eq!(explained["answer"], "ask password");
    let explained = gate.json(&[
        "policy",
        "explain",
        "bank",
        "/elsewhere",
        "--person",
        "anna-muster",
        "--proved",
        "certificate,password,phone",
    ]);
    assert_eq!(explained["answer"], "refuse");

    std::fs::write(&bank, &text).unwrap();
    std::fs::write(
        gate.dir().join("rules/bank.test.toml"),
        "[[case]]\nname = \"wrong on purpose\"\nwho = [\"group:clients\"]\nproved = []\npath = \"/\"\nanswer = \"permit\"\n",
    )
    .unwrap();
    gate.run(&["policy", "test", "rules"]).refused(1, "wrong on purpose");
    gate.run(&["policy", "apply", "rules"]).refused(2, "wrong on purpose");
    std::fs::remove_file(gate.dir().join("rules/bank.test.toml")).unwrap();
    gate.run(&["policy", "apply", "rules/bank.toml", "--tenant", "bank"]).well();
}

fn trail(gate: &Gate) {
    let list = gate.json(&["audit", "list", "--last", "500"]);
    let lines = list["lines"].as_array().unwrap();
    let uid = rustix::process::getuid().as_raw();
    for word in [
        "ca.created",
        "tenant.created",
        "person.created",
        "person.locked",
        "certificate.issued",
        "certificate.revoked",
        "policy.applied",
        "device.released",
        "code.wrong",
    ] {
        let line = lines.iter().find(|line| line["what"] == word).unwrap_or_else(|| panic!("no {word}"));
        assert_eq!(line["who"], format!("local:{uid}"), "{word}");
    }
    assert!(!list.to_string().contains(CODE));
    gate.run(&["audit", "list", "--event", "device.exploded"]).refused(2, "device.released");
    let verified = gate.json(&["audit", "verify"]);
    assert_eq!(verified["whole"], true);
}

fn doctor(gate: &Gate, beside: bool) {
    let told = gate.run(&["doctor"]);
    assert_eq!(told.code, 0, "{told:#?}");
    let expected = if beside { "runs, and answers" } else { "does not run" };
    assert!(told.out.contains(expected), "{}", told.out);
    let json = gate.json(&["doctor"]);
    assert!(json["checks"].as_array().unwrap().iter().all(|check| check["state"] != "bad"), "{json:#}");
}
