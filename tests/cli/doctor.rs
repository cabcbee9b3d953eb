//! What the doctor says of a configuration and a store that do not fit each other, and that its next step helps.

use portcullis::config::Config;
use portcullis::world::World;

use crate::gate::Gate;

fn rewritten(gate: &Gate, from: &str, to: &str) {
    let file = gate.dir().join("portcullis.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "no {from:?} in {text}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
}

pub(crate) fn tenant(gate: &Gate, id: &str) {
    let host = format!("{id}.localhost");
    gate.run(&["tenant", "add", id, "--name", "Bank", "--telephone", "+41 44 555 01 00", "--host", &host])
        .well();
}

#[test]
fn a_portal_of_a_tenant_that_is_not_there_is_told_with_the_next_step() {
    let mut gate = Gate::made();
    let told = gate.run(&["doctor"]);
    let next = "tenant add bank --host bank.localhost";
    assert!(told.out.contains("no tenant `bank`") && told.out.contains(next), "{}", told.out);
    gate.serve();
    let log = || std::fs::read_to_string(gate.dir().join("serve.log")).unwrap();
    assert!(log().contains("no tenant `bank`") && log().contains(next), "{}", log());
    tenant(&gate, "bank");
    assert!(!gate.run(&["doctor"]).out.contains("no tenant"));
    assert_eq!(gate.json(&["reload"]).get("heed"), None);
    // A slip of the pen in a file that was right.
    rewritten(&gate, "tenant = \"bank\"", "tenant = \"bnak\"");
    let told = gate.run(&["reload"]).well();
    let next = "correct `tenant` in the [[portal]] with host = \"bank.localhost\"";
    assert!(told.out.contains("no tenant `bnak`") && told.out.contains(next), "{}", told.out);
    assert!(gate.json(&["reload"])["heed"][0].as_str().unwrap().contains("no tenant `bnak`"));
    let told = gate.run(&["doctor"]).refused(1, "bank.localhost has no door in the configuration");
    assert!(told.out.contains(next), "{}", told.out);
    rewritten(&gate, "tenant = \"bnak\"", "tenant = \"bank\"");
    assert_eq!(gate.json(&["reload"]).get("heed"), None);
}

/// Who changed the file and forgot the reload is told so, whether or not the file is right.
#[test]
fn a_file_that_was_changed_since_the_gate_read_it_is_told() {
    let mut gate = Gate::made();
    tenant(&gate, "bank");
    assert!(!gate.run(&["doctor"]).out.contains("running settings"), "there is no gate that runs");
    gate.serve();
    let same = "those of ";
    let other = "was changed since the gate read it at 20";
    let told = gate.run(&["doctor"]);
    assert!(told.out.contains(same) && !told.out.contains(other), "{}", told.out);
    rewritten(&gate, "[listen]", "# A word more.\n[listen]");
    let told = gate.run(&["doctor"]);
    assert!(told.out.contains(other) && told.out.contains("portcullis reload"), "{}", told.out);
    rewritten(&gate, "[listen]", "nonsense = 1\n[listen]");
    gate.run(&["reload"]).refused(1, "nonsense");
    let told = gate.run(&["doctor"]);
    assert!(told.out.contains(other), "{}", told.out);
    assert!(!told.out.contains("next: type `portcullis reload`"), "it would be refused: {}", told.out);
    rewritten(&gate, "nonsense = 1\n", "");
    gate.run(&["reload"]).well();
    let told = gate.run(&["doctor"]);
    assert!(told.out.contains(same) && !told.out.contains(other), "{}", told.out);
}

#[test]
fn a_console_under_another_name_is_taken_up_by_the_next_start() {
    let mut gate = Gate::made();
    tenant(&gate, "bank");
    let hosts = |gate: &Gate| gate.json(&["tenant", "list"])["tenants"][1]["hosts"].clone();
    assert_eq!(hosts(&gate), serde_json::json!(["console.localhost"]));
    rewritten(&gate, "host = \"console.localhost\"", "host = \"desk.localhost\"");
    let told = gate.run(&["doctor"]);
    assert!(told.out.contains("start the gate, which takes that up"), "{}", told.out);
    assert!(!told.out.contains("[[portal]] with tenant = \"staff\""), "{}", told.out);
    for _ in 0..2 {
        gate.serve();
        assert_eq!(hosts(&gate), serde_json::json!(["desk.localhost"]));
        assert!(gate.run(&["doctor"]).out.contains("Bank Muster desk.localhost"));
        assert_eq!(gate.stop(), Some(0));
    }
    let told = gate.json(&["audit", "list", "--event", "tenant.changed"]);
    assert_eq!(told["lines"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["lines"][0]["who"], "gate");
}

#[test]
fn each_route_that_the_configuration_has_cut_off_is_named() {
    let gate = Gate::made();
    let file = gate.dir().join("portcullis.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let folders = |folders: &str| {
        std::fs::write(&file, format!("{written}\n[backends]\nsocket_folders = [{folders}]\n")).unwrap();
    };
    folders("\"/run/one\", \"/run/two\"");
    tenant(&gate, "bank");
    let set = |name, backend| {
        gate.run(&[
            "route",
            "set",
            "bank",
            "--name",
            name,
            "--path",
            &format!("/{name}"),
            "--backend",
            backend,
        ])
        .well();
    };
    set("one", "unix:/run/one/web.sock");
    set("two", "unix:/run/two/web.sock");
    set("three", "http://127.0.0.1:9");
    assert!(!gate.run(&["doctor"]).out.contains("leads nowhere"));
    folders("\"/run/three\"");
    let told = gate.run(&["doctor"]).refused(1, "BAD");
    for (name, at) in [("one", "unix:/run/one/web.sock"), ("two", "unix:/run/two/web.sock")] {
        let says = format!("the route `{name}` of `bank` leads nowhere, to {at}");
        assert!(told.out.contains(&says), "{says}: {}", told.out);
    }
    assert!(!told.out.contains("`three`"), "{}", told.out);
}

/// `route set` refuses them: whoever takes away what they need is told.
#[test]
fn a_reload_names_the_routes_that_it_cuts_off() {
    let mut gate = Gate::made();
    let file = gate.dir().join("portcullis.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{written}\n[backends]\nsocket_folders = [\"/run/one\"]\n")).unwrap();
    tenant(&gate, "bank");
    let backend = "unix:/run/one/web.sock";
    gate.run(&["route", "set", "bank", "--backend", backend]).well();
    gate.serve();
    assert_eq!(gate.json(&["reload"]).get("heed"), None);
    std::fs::write(&file, &written).unwrap();
    let says = format!("the route `portal` of `bank` leads nowhere, to {backend}");
    let told = gate.run(&["reload"]).well();
    assert!(told.out.contains(&says) && told.out.contains("socket_folders"), "{}", told.out);
    assert!(gate.json(&["reload"])["heed"][0].as_str().unwrap().contains(&says));
    gate.run(&["doctor"]).refused(1, &says);
    let told = gate.run(&["route", "list"]).well();
    assert!(told.out.contains(&says), "{}", told.out);
    gate.stop();
    gate.serve();
    let log = std::fs::read_to_string(gate.dir().join("serve.log")).unwrap();
    assert!(log.contains(&says), "{log}");
}

/// The passphrase is the running gate's; whoever looks needs none.
#[test]
fn beside_a_running_gate_a_terminal_needs_no_passphrase() {
    let mut gate = Gate::made();
    gate.serve();
    rewritten(&gate, "\npassphrase_file = ", "\n# passphrase_file = ");
    let of = |gate: &Gate| {
        let checks = gate.json(&["doctor"])["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "passphrase").unwrap()
    };
    let check = of(&gate);
    assert!(check["state"] == "well" && check["found"].as_str().unwrap().contains("next start"), "{check}");
    assert_eq!(gate.stop(), Some(0));
    let check = of(&gate);
    assert!(
        check["state"] == "heed" && check["found"].as_str().unwrap().contains("no passphrase"),
        "{check}"
    );
}

/// As in the middle of an upgrade: its ports and its store are taken, and nobody answers yet.
#[test]
fn a_gate_that_is_just_starting_is_neither_to_be_started_nor_stopped() {
    let gate = Gate::made();
    let config = Config::load(&gate.dir().join("portcullis.toml")).unwrap();
    let held = portcullis::app::open_store(&config, World::real()).unwrap();
    let _listens = std::net::TcpListener::bind(config.listen.tls).unwrap();
    let told = gate.run(&["doctor"]).well();
    assert!(told.out.contains("just starting or stopping, as in an upgrade"), "{}", told.out);
    for wrong in ["BAD", "portcullis serve", "stop what listens", "stop it"] {
        assert!(!told.out.contains(wrong), "{wrong}: {}", told.out);
    }
    drop(held);
    gate.run(&["doctor"]).refused(1, "stop what listens");
}

/// A reload that was not forgotten is not all: what the next start wants is told until then.
#[test]
fn what_counts_from_the_next_start_is_told_until_then() {
    let mut gate = Gate::made();
    tenant(&gate, "bank");
    gate.serve();
    let file = gate.dir().join("portcullis.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let config = Config::load(&file).unwrap();
    rewritten(
        &gate,
        &format!("tls = \"{}\"", config.listen.tls),
        &format!("tls = \"{}\"", crate::gate::free()),
    );
    gate.run(&["reload"]).well();
    let check = check(&gate, "running settings");
    assert_eq!(check["state"], "heed", "{check}");
    let found = check["found"].as_str().unwrap();
    assert!(found.contains("[listen] tls") && found.contains("next start"), "{check}");
    assert!(check["next"].as_str().unwrap().contains("portcullis upgrade"), "{check}");
    // Put back, it is the running one's again.
    std::fs::write(&file, &written).unwrap();
    gate.run(&["reload"]).well();
    assert_eq!(self::check(&gate, "running settings")["state"], "well");
}

fn check(gate: &Gate, name: &str) -> serde_json::Value {
    let told = gate.run(&["--json", "doctor"]).json();
    let checks = told["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {told:#}")).clone()
}

/// Beside a running gate its own addresses are taken by itself; those that the next start wants must be free.
#[test]
fn an_address_of_the_next_start_that_another_program_has_is_told() {
    let mut gate = Gate::made();
    gate.serve();
    assert!(!gate.run(&["doctor"]).out.contains("stop what listens"));
    let config = Config::load(&gate.dir().join("portcullis.toml")).unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    rewritten(&gate, &format!("tls = \"{}\"", config.listen.tls), &format!("tls = \"{taken}\""));
    for _ in 0..2 {
        let told = gate.run(&["doctor"]).refused(1, "stop what listens");
        assert!(told.out.contains(&format!("BAD   port {}", taken.port())), "{}", told.out);
        gate.run(&["reload"]).well();
    }
    drop(other);
    assert!(!gate.run(&["doctor"]).out.contains("stop what listens"));
}

/// The running gate has the port, but not there.
#[test]
fn an_address_that_cannot_be_listened_at_is_told_whatever_its_port() {
    let mut gate = Gate::made();
    gate.serve();
    let file = gate.dir().join("portcullis.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let plain = Config::load(&file).unwrap().listen.plain.unwrap();
    let beside = std::net::SocketAddr::from(([127, 0, 0, 2], plain.port()));
    let other = std::net::TcpListener::bind(beside).unwrap();
    rewritten(&gate, &format!("\"{plain}\""), &format!("\"{beside}\""));
    gate.run(&["doctor"]).refused(1, &format!("stop what listens at {beside}"));
    drop(other);
    assert!(!gate.run(&["doctor"]).out.contains("BAD   port"));
    // It would have everything there, and it is the gate's own.
    std::fs::write(&file, written.replace(&format!("\"{plain}\""), &format!("\"0.0.0.0:{}\"", plain.port())))
        .unwrap();
    assert!(!gate.run(&["doctor"]).out.contains("BAD   port"));
    // RFC 5737: nobody has it.
    let nowhere = format!("192.0.2.77:{}", plain.port());
    std::fs::write(&file, written.replace(&format!("\"{plain}\""), &format!("\"{nowhere}\""))).unwrap();
    for _ in 0..2 {
        let told = gate.run(&["doctor"]).refused(1, "this machine has no address 192.0.2.77");
        assert!(!told.out.contains("stop what listens"), "{}", told.out);
        gate.stop();
    }
}

/// Two listeners at one address would share its connections: the half of all requests would find the wrong one.
#[test]
fn an_address_that_is_given_twice_is_told() {
    let mut gate = Gate::made();
    let config = Config::load(&gate.dir().join("portcullis.toml")).unwrap();
    let (tls, plain, ops) = (config.listen.tls, config.listen.plain.unwrap(), config.listen.ops.unwrap());
    let everywhere = format!("0.0.0.0:{}", plain.port());
    for (from, to) in [
        (plain.to_string(), tls.to_string()),
        (tls.to_string(), everywhere),
        (ops.to_string(), tls.to_string()),
    ] {
        let written = std::fs::read_to_string(gate.dir().join("portcullis.toml")).unwrap();
        rewritten(&gate, &format!("\"{from}\""), &format!("\"{to}\""));
        let told = gate.run(&["doctor"]).refused(1, "given twice");
        assert!(told.out.contains("portcullis.toml:"), "{}", told.out);
        gate.run(&["serve"]).refused(1, "given twice");
        std::fs::write(gate.dir().join("portcullis.toml"), written).unwrap();
    }
    gate.serve();
    rewritten(&gate, &format!("\"{ops}\""), &format!("\"{plain}\""));
    gate.run(&["doctor"]).refused(1, "given twice");
    gate.run(&["reload"]).refused(1, "given twice");
}

/// The file of a gate is named when it starts: whoever names another for a reload is told which one was read.
#[test]
fn a_reload_that_names_another_file_is_told_which_one_was_read() {
    let mut gate = Gate::made();
    tenant(&gate, "bank");
    gate.serve();
    let other = gate.dir().join("other.toml");
    std::fs::copy(gate.dir().join("portcullis.toml"), &other).unwrap();
    let says = "not other.toml";
    for same in [&["reload"][..], &["--config", "./portcullis.toml", "reload"]] {
        let told = gate.run(same).well();
        assert!(!told.out.contains("But"), "{}", told.out);
    }
    let told = gate.run(&["--config", "other.toml", "reload"]).well();
    assert!(told.out.contains(says) && told.out.contains("portcullis.toml"), "{}", told.out);
    let told = gate.json(&["--config", "other.toml", "reload"]);
    assert!(told["heed"][0].as_str().unwrap().contains(says), "{told}");
    assert_eq!(gate.json(&["reload"]), serde_json::json!({ "changed": [], "next_start": [] }));
}
