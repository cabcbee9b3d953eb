//! What the command line says when something is wrong: the exit code, and the next step.

use std::os::unix::fs::PermissionsExt as _;

use crate::doctor::tenant;
use crate::gate::{Gate, command, portcullis, write_secret};

#[test]
fn the_first_words_lead_on() {
    let folder = tempfile::tempdir().unwrap();
    let help = portcullis(folder.path(), &["--help"]).well();
    assert!(help.out.contains("portcullis demo") && help.out.contains("portcullis init"), "{}", help.out);
    portcullis(folder.path(), &["--version"]).well();
    portcullis(folder.path(), &[]).refused(2, "Usage");
    portcullis(folder.path(), &["tennant", "list"]).refused(2, "tenant");
    portcullis(folder.path(), &["tenant", "list"]).refused(2, "portcullis init");
    portcullis(folder.path(), &["person", "lock", "anna", "--why", "x"]).refused(2, "bank/anna-muster");
}

#[test]
fn in_json_a_mistake_is_json_too() {
    let folder = tempfile::tempdir().unwrap();
    let done = portcullis(folder.path(), &["--json", "tenant", "list", "--config", "none.toml"]);
    assert_eq!(done.code, 1);
    assert!(done.err.is_empty());
    assert!(done.json()["error"]["what"].as_str().unwrap().contains("none.toml"));
}

#[test]
fn every_mistake_of_the_configuration_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("portcullis.toml"), "data = 1\n[listen]\ntls = \"x\"\n").unwrap();
    let done = portcullis(folder.path(), &["tenant", "list"]).refused(1, "portcullis.toml:1:");
    assert!(done.err.contains("portcullis.toml:3:"), "{}", done.err);
    portcullis(folder.path(), &["doctor"]).refused(1, "portcullis.toml:3:");
}

#[test]
fn init_names_all_that_is_missing_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let done = portcullis(folder.path(), &["init"]).refused(2, "--organization");
    for flag in ["--telephone", "--console-host", "--phone-host", "--owner-name"] {
        assert!(done.err.contains(flag), "{}", done.err);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

const INIT: [&str; 11] = [
    "init",
    "--organization",
    "Bank",
    "--telephone",
    "+41 44 555 01 00",
    "--console-host",
    "console.localhost",
    "--phone-host",
    "phone.localhost",
    "--owner-name",
    "Olga Owner",
];

#[test]
fn init_refuses_to_go_on_without_a_passphrase_or_with_one_that_others_may_read() {
    let folder = tempfile::tempdir().unwrap();
    portcullis(folder.path(), &INIT).refused(2, "PORTCULLIS_PASSPHRASE");
    let file = folder.path().join("passphrase");
    write_secret(&file, "correct horse battery staple");
    let with_file = [&INIT[..], &["--passphrase-file", "passphrase"]].concat();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    portcullis(folder.path(), &with_file).refused(1, "chmod 600");
    std::fs::remove_file(&file).unwrap();
    write_secret(&file, "short");
    portcullis(folder.path(), &with_file).refused(2, "fewer than 12");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A flag is no line of a file that is not there.
#[test]
fn init_tells_a_mistaken_address_by_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    for flag in ["--tls", "--plain", "--ops"] {
        let done = portcullis(folder.path(), &[&INIT[..], &[flag, "20443"]].concat()).refused(2, flag);
        assert!(done.err.contains("such as 0.0.0.0:443") && !done.err.contains("toml"), "{}", done.err);
    }
}

/// Who was not asked for a public door learns what it is for before a link leads nowhere.
#[test]
fn init_says_what_a_public_door_is_for_where_there_is_none() {
    for (more, said) in [(&[][..], true), (&["--public-host", "start.localhost"], false)] {
        let folder = tempfile::tempdir().unwrap();
        write_secret(&folder.path().join("passphrase"), "correct horse battery staple");
        let made =
            portcullis(folder.path(), &[&INIT[..], &["--passphrase-file", "passphrase"], more].concat())
                .well();
        assert_eq!(
            made.out.contains("write [public] with a host of its own in portcullis.toml"),
            said,
            "{}",
            made.out
        );
    }
}

#[test]
fn an_init_that_fails_takes_back_what_it_made() {
    let folder = tempfile::tempdir().unwrap();
    write_secret(&folder.path().join("passphrase"), "correct horse battery staple");
    let with = [&INIT[..], &["--passphrase-file", "passphrase", "--portal", "bank=not_a_host"]].concat();
    portcullis(folder.path(), &with).refused(1, "no host name");
    assert!(!folder.path().join("data").exists() && !folder.path().join("portcullis.toml").exists());
}

#[test]
fn a_second_init_and_a_wrong_passphrase_are_refused() {
    let gate = Gate::made();
    let again = [&INIT[..], &["--passphrase-file", "passphrase"]].concat();
    portcullis(gate.dir(), &again).refused(2, "there already");

    std::fs::remove_file(gate.dir().join("passphrase")).unwrap();
    write_secret(&gate.dir().join("passphrase"), "wrong horse battery staple");
    gate.run(&["serve"]).refused(1, "passphrase");
    gate.run(&["device", "issue", "staff/olga-owner", "--name", "second"]).refused(1, "passphrase");
    // What needs no key goes on.
    gate.run(&["person", "list", "staff"]).well();
    let told = gate.run(&["doctor"]);
    assert!(told.out.contains("CA keys"), "{}", told.out);
}

/// All of them at once, each with a line of its own: what a start would say of the first alone.
#[test]
fn the_doctor_names_each_file_that_a_start_could_not_use() {
    let gate = Gate::made();
    let file = gate.dir().join("portcullis.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let mail = "smtp = \"smtps://gate@mail.example\"\npassword_file = \"no-password\"\nfrom = \"gate@bank.example\"\n";
    let more = format!(
        "{written}\n[mail]\n{mail}[access_log]\nfile = \"nowhere/access.log\"\n[approvals]\nplaces_file = \"no.mmdb\"\n"
    );
    std::fs::write(&file, more).unwrap();
    std::fs::write(gate.dir().join("data/jwt.key"), "no key").unwrap();
    let told = gate.run(&["doctor"]);
    assert_eq!(told.code, 1, "{}", told.out);
    let lines = written.lines().count();
    let at = |more: usize, key: &str| format!("portcullis.toml:{}: {key}: ", lines + more);
    for (name, says, place) in [
        ("mail", "no-password", at(4, "`password_file` in [mail]")),
        // Its owner and mode do not help: there is no such folder.
        ("access log", "nowhere/access.log", at(7, "`file` in [access_log]")),
        ("access log", "make its folder", at(7, "`file` in [access_log]")),
        ("approvals", "no.mmdb", at(9, "`places_file` in [approvals]")),
        ("signing key", "jwt.key", String::new()),
    ] {
        let line = |line: &str| {
            line.contains("BAD") && line.contains(name) && line.contains(says) && line.contains(&place)
        };
        assert!(told.out.lines().any(line), "{name}: {}", told.out);
    }
    // A log that can be made is well, and is not made.
    std::fs::write(&file, format!("{written}\n[access_log]\nfile = \"access.log\"\n")).unwrap();
    assert!(!gate.run(&["doctor"]).out.contains("access log"));
    assert!(!gate.dir().join("access.log").exists());
}

#[test]
fn a_store_that_is_gone_is_missed_and_not_made_anew() {
    let gate = Gate::made();
    let store = gate.dir().join("data/store.redb");
    let aside = gate.dir().join("aside");
    std::fs::rename(&store, &aside).unwrap();
    for command in [&["serve"][..], &["doctor"], &["tenant", "list"], &["audit", "verify"]] {
        gate.run(command).refused(1, "only `portcullis init` makes a new one");
    }
    // Under the other engine's name it is found, and the key to change is named.
    std::fs::rename(&aside, gate.dir().join("data/store.sled")).unwrap();
    gate.run(&["tenant", "list"]).refused(1, "correct `[store]`");
    std::fs::rename(gate.dir().join("data/store.sled"), &store).unwrap();
    gate.run(&["tenant", "list"]).well();
    let toml = gate.dir().join("portcullis.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    std::fs::write(&toml, text.replacen("data = ", "data = \"nowhere\" #", 1)).unwrap();
    gate.run(&["tenant", "list"]).refused(1, "nowhere does not exist: correct `data`");
}

#[test]
fn another_user_is_kept_from_leaving_files_of_theirs() {
    let gate = Gate::made();
    if std::os::unix::fs::chown(gate.dir().join("data"), Some(65_534), None).is_err() {
        crate::skipped::skipped("only root can give a folder away");
        return;
    }
    gate.run(&["audit", "verify"]).refused(1, "sudo -u '#65534' portcullis");
    gate.run(&["serve"]).refused(1, "sudo -u '#65534' portcullis");
}

/// Who may not read the file is no newcomer without one.
#[test]
fn another_user_is_not_sent_to_make_another_gate() {
    use std::os::unix::process::CommandExt as _;
    let gate = Gate::made();
    let (config, folder) = (gate.dir().join("portcullis.toml"), gate.dir());
    let chmod = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let owner = rustix::process::geteuid();
    let asked = |file: &std::path::Path| {
        let mut command = command(std::path::Path::new("/"));
        command.uid(65_534).args(["route", "list", "--config"]).arg(file).output()
    };
    chmod(folder, 0o755);
    chmod(&config, 0o600);
    if !owner.is_root() || asked(std::path::Path::new("/nowhere")).is_err() {
        crate::skipped::skipped("only root becomes another user, who must reach the program");
        return;
    }
    // The folder hides it as well as its own mode does.
    for _ in 0..2 {
        let output = asked(&config).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("Permission denied") && said.contains("sudo -u '#0' portcullis"), "{said}");
        assert!(!said.contains("portcullis init") && !output.status.success(), "{said}");
        chmod(folder, 0o700);
    }
}

/// A person is named as everywhere else, and what a slip of the pen meant is said.
#[test]
fn names_that_were_meant_are_told() {
    let gate = Gate::made();
    tenant(&gate, "bank");
    gate.run(&["person", "add", "bank", "--name", "Anna Muster"]).well();
    let asked = |person: &str| gate.run(&["policy", "explain", "bank", "/", "--person", person]);
    assert_eq!(asked("anna-muster").well().out, asked("bank/anna-muster").well().out);
    asked("staff/olga-owner").refused(2, "nobody of `bank`");
    asked("anna muster").refused(2, "bank/anna-muster");

    let routes = gate.dir().join("routes.toml");
    let apply = |key: &str| {
        let url = "http://127.0.0.1:9000";
        std::fs::write(
            &routes,
            format!("[[route]]\ntenant = \"bank\"\nname = \"portal\"\n{key} = \"{url}\"\n"),
        )
        .unwrap();
        gate.run(&["route", "apply", "routes.toml"])
    };
    let told = apply("bakend").refused(2, "did you mean `backend`?");
    assert!(told.err.contains("routes.toml:4: unknown field `bakend`"), "{}", told.err);
    assert!(!told.err.contains("first_byte_seconds"), "{}", told.err);
    apply("colour").refused(2, "first_byte_seconds");
    apply("backend").well();
    let write = |text: &str| {
        std::fs::write(&routes, text).unwrap();
        gate.run(&["route", "apply", "routes.toml"])
    };
    write("# none yet\n").refused(2, "no routes in routes.toml: nothing was applied");
    let told = write("[[route]]\ntenant = \"bnak\"\nname = \"x\"\nbackend = \"http://127.0.0.1:1\"\n");
    let says = "routes.toml:1: route \"x\": there is no tenant `bnak`";
    assert!(told.err.contains(says) && told.err.contains("nothing was applied"), "{}", told.err);
    gate.run(&["route", "set", "bank", "--path", "/café"]).refused(2, "in ASCII letters");

    let rule = "[[rule]]\nname = \"Open\"\npaths = [\"/**\"]\nwho = [\"everyone\"]\nneed = []\n";
    std::fs::write(gate.dir().join("open.toml"), rule).unwrap();
    gate.run(&["policy", "apply", "open.toml"]).refused(1, "--tenant TENANT");
    gate.run(&["policy", "apply", "open.toml", "--tenant", "bank"]).well();
}
