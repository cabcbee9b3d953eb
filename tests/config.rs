//! The configuration file: what is accepted, and that every mistake is told with its line.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis::config::annotated::{self, Answers};
use portcullis::config::{Config, DoorCertificate, Engine, Environment};
use portcullis::console::command::reload::Changed;
use portcullis::front::beside::{Kind, Serves};
use portcullis::front::outside::Field;
use portcullis::front::outside::access_log::To;

const SMALL: &str = r#"
data = "data"
[console]
host = "console.example.com"
[phone]
host = "phone.example.com"
"#;

fn parse(text: &str) -> Result<Config, Vec<(Option<usize>, String)>> {
    Config::parse(text, Path::new("/etc/portcullis/portcullis.toml")).map_err(|mistakes| {
        mistakes.list().iter().map(|mistake| (mistake.line, mistake.what.clone())).collect()
    })
}

#[test]
#[allow(clippy::disallowed_methods, reason = "whoever runs the test says whether to write the file anew")]
fn the_example_in_deploy_is_what_init_writes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/portcullis.toml");
    let written = annotated::text(&Answers::example());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &written).unwrap();
    }
    if std::env::args().any(|argument| argument == "--bless") {
        std::fs::write(&file, &written).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
}

#[test]
fn the_example_in_deploy_parses() {
    let text = include_str!("../deploy/portcullis.toml");
    let config = parse(text).unwrap();
    assert_eq!(config.data, Path::new("/var/lib/portcullis"));
    assert_eq!(config.store, Path::new("/var/lib/portcullis/store.redb"));
    assert_eq!(config.listen.tls.port(), 443);
    assert_eq!(config.console.host, "console.example.com");
    assert_eq!(config.portals[0].tenant.as_str(), "bank");
    assert_eq!(config.doors().len(), 4);
    assert_eq!(config.origin("portal.example.com"), "https://portal.example.com");
}

#[test]
fn every_line_that_is_commented_out_in_the_example_parses_too() {
    let text: String = include_str!("../deploy/portcullis.toml")
        .lines()
        .map(|line| {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            let is_key = bare
                .split_once(" = ")
                .is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            if is_key || bare.starts_with('[') { format!("{bare}\n") } else { format!("{line}\n") }
        })
        .collect();
    let config = parse(&text).unwrap();
    assert!(config.mail.is_some());
    assert_eq!(config.push.proxy.as_deref(), Some("proxy.example.com:3128"));
    assert!(config.push.private_services && config.push.contact.is_some() && config.push.ca_file.is_some());
    assert_eq!(config.limits, portcullis::config::Limits::default());
    assert_eq!(config.listen.public_plain_port, 80);
    let spans = config.outside.spans.unwrap();
    assert_eq!((spans.authority.as_str(), spans.path.as_str()), ("127.0.0.1:4318", "/v1/traces"));
    let log = config.outside.access_log.unwrap();
    assert_eq!(log.to, To::File("/etc/portcullis/access.log".into()));
    assert!(log.fields.iter().all(|field| Field::usual().contains(field)), "{:?}", log.fields);
    assert_eq!(config.secrets.passphrase_file.unwrap(), Path::new("/etc/portcullis/passphrase"));
}

#[test]
fn a_small_one_is_enough_and_paths_start_at_the_file() {
    let config = parse(SMALL).unwrap();
    assert_eq!(config.data, Path::new("/etc/portcullis/data"));
    assert_eq!(config.control_socket(), Path::new("/etc/portcullis/data/control.sock"));
    assert_eq!(config.secrets.pepper_file, Path::new("/etc/portcullis/data/pepper"));
    assert_eq!(config.console.certificate, DoorCertificate::Internal);
    assert_eq!(config.listen.tls, "0.0.0.0:443".parse().unwrap());
    assert!(config.public.is_none());
}

#[test]
fn all_mistakes_are_told_together_each_with_its_line() {
    let text = r#"data = 7
[listen]
tls = "443"
ops = "0.0.0.0:9100"
publik_port = 8443
[console]
host = "https://console.example.com"
[phone]
certificate = "phone.crt"
[[portal]]
tenant = "Bank"
host = "same.example.com"
[[portal]]
tenant = "staff"
host = "SAME.example.com"
[mail]
smtp = "smtp://user:geheim@mail.example.com"
from = "nobody"
[limits]
connections = 0
[approvals]
seconds = 601
[nonsense]
"#;
    let mistakes = parse(text).unwrap_err();
    let lines: Vec<usize> = mistakes.iter().filter_map(|(line, _)| *line).collect();
    for expected in [1, 3, 4, 5, 7, 8, 9, 11, 14, 15, 17, 18, 20, 21, 23] {
        assert!(lines.contains(&expected), "line {expected} is missing in {mistakes:#?}");
    }
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    assert_eq!(lines, sorted);
    let told: String = mistakes.iter().map(|(_, what)| format!("{what}\n")).collect();
    assert!(told.contains("did you mean `public_port`?"), "{told}");
    assert!(told.contains("known here are"), "{told}");
}

#[test]
fn a_password_in_the_mail_address_is_not_printed_by_its_own_message() {
    let text = format!("{SMALL}[mail]\nsmtp = \"smtp://user:geheim@host\"\nfrom = \"a@b.example\"\n");
    let mistakes = parse(&text).unwrap_err();
    assert!(mistakes.iter().all(|(_, what)| !what.contains("geheim")));
}

/// Whatever is wrong with the line, in whatever line: what is printed, logged and answered does not hold it.
#[test]
fn no_secret_is_printed_with_its_line() {
    const PLANTED: &str = "S3cretPW";
    for (lines, key) in [
        ("[mail]\nsmtp = \"smtps://gate:S3cretPW@mail.example.com\"\nfrom = \"a@b.example\"", "smtp = …"),
        ("[mail]\nsmtp = \"https://gate:S3cretPW@mail.example.com\"", "smtp = …"),
        ("[mail]\nsmtp = \"smtps://gate:S3cretPW@mail.example.com", "smtp = …"),
        ("[mail]\nsmtp = \"\"\"\nsmtps://gate:S3cretPW@mail.example.com\\q\"\"\"", "smtp = …"),
        ("[mail]\n\"smtp\" = \"smtps://gate:S3cretPW@mail.example.com", "smtp = …"),
        ("mail = { smtp = \"smtps://gate:S3cretPW@mail.example.com\"", "mail = …"),
        ("[mail]\npassword = \"S3cretPW\"", "password = …"),
        ("[mail]\npassword = \"\"\"\n\\S3cretPW\"\"\"", "password = …"),
        ("[push]\nproxy = \"http://gate:S3cretPW@proxy.example.com:3128\"", "proxy = …"),
        ("[push]\nproxy = \"S3cretPW\"", "proxy = …"),
        ("[secrets]\npassphrase = \"S3cretPW\"", "passphrase = …"),
        ("[secrets]\npassphrase_file = [\"S3cretPW\"]", "passphrase_file = …"),
        ("[push]\ncontact = \"http://gate:S3cretPW@example.com/\"", "contact = …"),
        ("[listen]\ntls = \"https://gate:S3cretPW@example.com\"", "tls = …"),
        ("[tracing]\nendpoint = \"grpc://gate:S3cretPW/@S3cretPW@example.com\"", "endpoint = …"),
        ("[[backend_tls]]\nhosts = [\n \"https://gate:S3cretPW@example.com\",\n]", "hosts = …"),
    ] {
        let text = format!("{SMALL}{lines}\n");
        let mistakes = Config::parse(&text, Path::new("portcullis.toml")).unwrap_err();
        for told in [mistakes.to_string(), format!("{mistakes:?}"), format!("{mistakes:#?}")] {
            assert!(!told.contains(PLANTED), "{lines}: {told}");
        }
        assert!(
            mistakes.to_string().contains(&format!("| {key}\n"))
                || mistakes.to_string().ends_with(&format!("| {key}")),
            "{lines}: {mistakes}"
        );
    }
    // What is none is shown as it stands.
    let mistakes =
        Config::parse(&format!("{SMALL}[listen]\ntls = \"443\" # here\n"), Path::new("p.toml")).unwrap_err();
    assert!(mistakes.to_string().contains("| tls = \"443\" # here"), "{mistakes}");
}

#[test]
fn broken_toml_has_its_line_and_the_rest_is_still_judged() {
    let mistakes = parse("data = \"d\"\n[console\nhost = \"c.example.com\"\nnonsense = 1\n").unwrap_err();
    assert!(
        mistakes.iter().any(|(line, what)| *line == Some(2) && what.contains("no TOML")),
        "{mistakes:#?}"
    );
}

#[test]
fn the_engine_is_one_that_was_built_in_and_names_the_file() {
    let with = |engine: &str| parse(&format!("{SMALL}[store]\nengine = {engine}\n"));
    let redb = with("\"redb\"").unwrap();
    assert_eq!((redb.engine, parse(SMALL).unwrap().engine), (Engine::Redb, Engine::Redb));
    assert_eq!(redb.store, Path::new("/etc/portcullis/data/store.redb"));
    let elsewhere = with("\"redb\"\npath = \"elsewhere\"").unwrap();
    assert_eq!(elsewhere.store, Path::new("/etc/portcullis/elsewhere"));

    let refused = |engine: &str| {
        let mistakes = with(engine).unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].0), (1, Some(8)), "{mistakes:#?}");
        mistakes[0].1.clone()
    };
    let told = refused("\"rocksdb\"");
    assert!(told.contains("rocksdb") && told.contains("take redb, or sled"), "{told}");
    refused("7");
    #[cfg(feature = "sled")]
    {
        let sled = with("\"sled\"").unwrap();
        assert_eq!(sled.engine, Engine::Sled);
        assert_eq!(sled.store, Path::new("/etc/portcullis/data/store.sled"));
    }
    #[cfg(not(feature = "sled"))]
    {
        let told = refused("\"sled\"");
        assert!(told.contains("--features sled") && told.contains("take redb"), "{told}");
    }
}

#[test]
fn each_missing_piece_says_what_to_write() {
    let mistakes = parse("").unwrap_err();
    let told: String = mistakes.iter().map(|(_, what)| format!("{what}\n")).collect();
    assert!(told.contains("write data = "), "{told}");
    assert!(told.contains("[console]") && told.contains("[phone]"), "{told}");
}

#[test]
fn host_names_are_names() {
    for bad in [
        "*.example.com",
        "127.0.0.1",
        "a b",
        "-a.example.com",
        "example.com:443",
        "bank..localhost",
        "ünicode.example",
    ] {
        let text = SMALL.replace("console.example.com", bad);
        assert!(parse(&text).is_err(), "{bad}");
    }
}

#[test]
fn a_secret_that_others_may_read_is_refused_with_the_command_to_type() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portcullis.toml");
    std::fs::write(&file, SMALL).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let pepper = folder.path().join("data/pepper");
    std::fs::write(&pepper, "00".repeat(32)).unwrap();

    std::fs::set_permissions(&pepper, std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = Config::load(&file).unwrap_err().to_string();
    assert!(told.contains(&format!("chmod 600 {}", pepper.display())), "{told}");

    std::fs::set_permissions(&pepper, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(*config.secrets.pepper().unwrap(), [0; 32]);
}

#[test]
fn the_passphrase_comes_from_the_file_then_systemd_then_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let (named, credentials) = (folder.path().join("named"), folder.path().join("credentials"));
    std::fs::create_dir(&credentials).unwrap();
    std::fs::write(&named, "from the file\n").unwrap();
    std::fs::set_permissions(&named, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(credentials.join("passphrase"), "from systemd").unwrap();
    let environment = Environment {
        passphrase: Some(portcullis::domain::Secret::new("from the environment")),
        credentials: Some(credentials.clone()),
        ..Environment::default()
    };
    let mut secrets = parse(SMALL).unwrap().secrets;
    assert_eq!(secrets.passphrase(&environment).unwrap().secret.expose(), "from systemd");
    secrets.passphrase_file = Some(named);
    assert_eq!(secrets.passphrase(&environment).unwrap().secret.expose(), "from the file");
    secrets.passphrase_file = None;
    std::fs::remove_file(credentials.join("passphrase")).unwrap();
    assert_eq!(secrets.passphrase(&environment).unwrap().secret.expose(), "from the environment");
    let error = secrets.passphrase(&Environment::default()).unwrap_err().to_string();
    assert!(error.contains("PORTCULLIS_PASSPHRASE"), "{error}");
}

#[test]
fn what_is_wrong_with_push_is_told_with_its_line() {
    let text = format!(
        "{SMALL}\n[push]\ncontact = \"gate@example.com\"\nproxy = \"https://proxy.example.com\"\nprivate_services = \"yes\"\nprivate = true\n"
    );
    let line = |of: &str| text.lines().position(|line| line.starts_with(of)).map(|at| at + 1);
    let mistakes = parse(&text).unwrap_err();
    for (key, words) in [
        ("contact", "mailto:"),
        ("proxy", "http://proxy.example.com:3128"),
        ("private_services", "true or false"),
        ("private =", "is no key in [push]"),
    ] {
        let told = mistakes.iter().any(|(at, what)| *at == line(key) && what.contains(words));
        assert!(told, "{key}: {mistakes:?}");
    }
    let good = format!("{SMALL}\n[push]\nproxy = \"http://[::1]:3128\"\n");
    assert_eq!(parse(&good).unwrap().push.proxy.as_deref(), Some("[::1]:3128"));
}

#[test]
fn what_routes_may_reach_is_read_with_its_files() {
    use portcullis::proxy::Ca;
    let text = format!(
        "{SMALL}
[backends]
socket_folders = [\"/run/app\"]
[[backend_tls]]
hosts = [\"app.internal:9443\", \"[::1]\"]
ca = \"app-ca.pem\"
certificate = \"gate.crt\"
key = \"gate.key\"
server_name = \"App.example.com\"
[[backend_tls]]
hosts = [\"outside.example\"]
ca = \"system\"
"
    );
    let config = parse(&text).unwrap();
    assert_eq!(config.reach.socket_folders, [Path::new("/run/app")]);
    let [app, outside] = config.reach.tls.as_slice() else { panic!("{:?}", config.reach) };
    assert_eq!(app.ca, Ca::Pinned("/etc/portcullis/app-ca.pem".into()));
    let shows = ("/etc/portcullis/gate.crt".into(), "/etc/portcullis/gate.key".into());
    assert_eq!(app.shows, Some(shows));
    assert_eq!(app.server_name.as_deref(), Some("app.example.com"));
    assert_eq!(outside.ca, Ca::Public);
    assert!(config.secret_files().contains(&"/etc/portcullis/gate.key".into()));

    for (written, said) in [
        ("[[backend_tls]]\nhosts = [\"a\"]\n", "lacks `ca`"),
        ("[[backend_tls]]\nca = \"a.pem\"\n", "lacks `hosts`"),
        ("[[backend_tls]]\nhosts = [\"a\"]\nca = \"sytem\"\n", "did you mean \"system\"?"),
        ("[[backend_tls]]\nhosts = \"a\"\nca = \"a.pem\"\n", "is a list"),
        ("[[backend_tls]]\nhosts = [\"https://a/\"]\nca = \"a.pem\"\n", "is no host"),
        ("[[backend_tls]]\nhosts = [\"a\"]\nca = \"a.pem\"\nkey = \"a.key\"\n", "needs its `certificate`"),
        ("[[backend_tls]]\nhosts = [\"a\"]\nca = \"a.pem\"\nverify = false\n", "`verify` is no key"),
        ("[backends]\nsocket_folders = [\"run\"]\n", "is written whole"),
        ("[backends]\nsocket_folders = [\"/\"]\n", "is written whole"),
    ] {
        let mistakes = parse(&format!("{SMALL}{written}")).unwrap_err();
        assert!(mistakes.iter().any(|(line, what)| line.is_some() && what.contains(said)), "{mistakes:?}");
    }
}

#[test]
fn balancers_are_networks() {
    let listen = "[listen]\ntls = \"0.0.0.0:443\"\n";
    let config =
        parse(&format!("{SMALL}{listen}proxy_protocol_from = [\"10.0.0.5/32\", \"2001:db8::/64\"]\n"));
    assert_eq!(config.unwrap().listen.proxy_protocol_from.len(), 2);
    assert!(parse(SMALL).unwrap().listen.proxy_protocol_from.is_empty());
    for wrong in ["[\"10.0.0.5\"]", "[\"everybody\"]", "\"10.0.0.0/8\"", "[7]", "true"] {
        let mistakes = parse(&format!("{SMALL}{listen}proxy_protocol_from = {wrong}\n")).unwrap_err();
        assert!(mistakes[0].0.is_some(), "{wrong}: {mistakes:?}");
    }
}

#[test]
fn what_is_told_of_requests_is_chosen_field_by_field() {
    let with = |text: &str| parse(&format!("{SMALL}{text}"));
    let quiet = parse(SMALL).unwrap().outside;
    assert_eq!((quiet.access_log, quiet.spans), (None, None), "nothing leaves unless it is wanted");
    let log = with("[access_log]\nfile = \"stdout\"\n").unwrap().outside.access_log.unwrap();
    assert_eq!((log.to, &log.fields), (To::Stdout, &Field::usual()));
    assert!(!log.fields.contains(&Field::Query) && !log.fields.contains(&Field::Agent));
    let base = "[tracing]\nendpoint = \"http://[::1]/otlp/\"\npercent = 7\nfollow_from = [\"10.0.0.0/24\"]\n";
    let outside = with(base).unwrap().outside;
    let spans = outside.spans.unwrap();
    assert_eq!((spans.authority.as_str(), spans.path.as_str()), ("[::1]:80", "/otlp/v1/traces"));
    assert_eq!((spans.percent, outside.follow_from), (7, vec!["10.0.0.0/24".parse().unwrap()]));
    let followed = with("[tracing]\nfollow_from = [\"10.0.0.0/24\"]\n").unwrap().outside;
    assert_eq!((followed.spans, followed.follow_from.len()), (None, 1), "passed on, and nothing exported");
    for (text, wanted) in [
        ("[access_log]\n", "lacks `file`"),
        ("[access_log]\nfile = \"a\"\nfields = [\"cookie\"]\n", "is no field of the access log"),
        ("[access_log]\nfile = \"a\"\nfields = [\"path\", \"path\"]\n", "twice"),
        ("[tracing]\nendpoint = \"https://collector.example\"\n", "in clear"),
        ("[tracing]\nendpoint = \"http://u:p@127.0.0.1\"\n", "in clear"),
        (
            "[tracing]\nendpoint = \"http://[::1]:4318/otlp/v1/traces/\"\n",
            "before /v1/traces: write http://[::1]:4318/otlp",
        ),
        ("[tracing]\nendpoint = \"http://127.0.0.1\"\npercent = 101\n", "of a hundred"),
        ("[tracing]\nendpoint = \"http://127.0.0.1\"\nfollow_from = [\"::/0\"]\n", "names everybody"),
        ("[tracing]\nendpoint = \"http://127.0.0.1\"\nfollow_from = [\"all\"]\n", "is no network"),
        ("[tracing]\n", "lacks `endpoint`"),
        ("[tracing]\npercent = 10\nfollow_from = [\"10.0.0.0/24\"]\n", "lacks `endpoint`"),
    ] {
        let mistakes = with(text).unwrap_err();
        assert!(mistakes.iter().any(|(_, what)| what.contains(wanted)), "{text}: {mistakes:?}");
    }
    let mistaken = with("[tracing]\nfollow_from = [\"10.0.0.0/33\"]\n").unwrap_err();
    assert!(mistaken.len() == 1 && mistaken[0].1.contains("is no network"), "{mistaken:?}");
}

#[test]
fn a_share_of_requests_that_is_none_is_told_where_it_stands() {
    let mistakes =
        parse(&format!("{SMALL}[tracing]\nendpoint = \"http://127.0.0.1\"\npercent = 101\n")).unwrap_err();
    let last = SMALL.lines().count() + 3;
    assert!(
        mistakes.iter().any(|(line, what)| *line == Some(last) && what.contains("of a hundred")),
        "{mistakes:?}"
    );
}

const BESIDE: &str = r#"
[[portal]]
tenant = "bank"
host = "portal.example.com"
[[other_proxy]]
kind = "caddy"
listen = "127.0.0.1:9180"
from = ["127.0.0.1/32", "2001:db8::7"]
secret_file = "other-proxy.secret"
hosts = ["Portal.example.com"]
"#;

#[test]
fn another_proxy_is_believed_from_where_it_is_written_and_nowhere_else() {
    assert!(parse(SMALL).unwrap().other_proxies.is_empty(), "nothing listens by itself");
    let config = parse(&format!("{SMALL}{BESIDE}")).unwrap();
    let [plan] = config.other_proxies.as_slice() else { panic!("{:?}", config.other_proxies) };
    assert_eq!((plan.kind, plan.serves), (Kind::Rfc9440, Serves::ForwardAuth));
    assert_eq!((plan.from.len(), plan.hosts.as_slice()), (2, &["portal.example.com".to_owned()][..]));
    assert_eq!(plan.secret_file, Path::new("/etc/portcullis/other-proxy.secret"));
    let everywhere = BESIDE.replace("127.0.0.1:9180", "0.0.0.0:9180");
    let knowingly = format!("{everywhere}in_clear = true\nserves = \"door\"\n");
    assert_eq!(parse(&format!("{SMALL}{knowingly}")).unwrap().other_proxies[0].serves, Serves::Door);
    for (written, said) in [
        (BESIDE.replace("\"caddy\"", "\"squid\""), "`kind` is"),
        (BESIDE.replace("from = ", "# "), "lacks `from`"),
        (BESIDE.replace("127.0.0.1/32", "0.0.0.0/0"), "name the proxy's own addresses"),
        (BESIDE.replace("127.0.0.1/32", "everybody"), "is no network"),
        (BESIDE.replace("Portal", "console"), "the host of no [[portal]]"),
        (BESIDE.replace("hosts = ", "# "), "lacks `hosts`"),
        (BESIDE.replace("listen = ", "# "), "lacks `listen`"),
        // At an address, this machine's too, more may run than the proxy.
        (BESIDE.replace("secret_file = ", "# "), "lacks `secret_file`"),
        (everywhere, "in_clear = true"),
        (format!("{BESIDE}serves = \"all\"\n"), "`serves` is"),
        (format!("{BESIDE}trust = \"me\"\n"), "`trust` is no key"),
    ] {
        let mistakes = parse(&format!("{SMALL}{written}")).unwrap_err();
        assert!(
            mistakes.iter().any(|(line, what)| line.is_some() && what.contains(said)),
            "{said}: {mistakes:?}"
        );
    }
    let foreign = parse(&format!("{SMALL}{}", BESIDE.replace("Portal", "console"))).unwrap_err();
    assert!(foreign.iter().all(|(_, what)| !what.contains("lacks")), "they are there: {foreign:?}");
}

#[test]
fn another_proxys_secret_is_read_and_told_by_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, secret) = (folder.path().join("portcullis.toml"), folder.path().join("other-proxy.secret"));
    std::fs::write(&file, format!("{SMALL}{BESIDE}")).unwrap();
    let write = |text: &str, mode: u32| {
        std::fs::write(&secret, text).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        Config::load(&file)
    };
    let missing = Config::load(&file).unwrap_err().to_string();
    let last = SMALL.lines().count() + BESIDE.lines().count() - 1;
    let place = format!("portcullis.toml:{last}: `secret_file` in [[other_proxy]]: ");
    assert!(missing.contains("other-proxy.secret cannot be read") && missing.contains(&place), "{missing}");
    let (one, two) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
    let open = write(one, 0o640).unwrap_err().to_string();
    assert!(open.contains("chmod 600") && open.contains(&place), "{open}");
    for bad in ["", "\n", &one[1..], &format!("{one}\n{two}\n{two}"), "0123456789abcdef 0123456789abcdef"] {
        assert!(write(bad, 0o600).is_err(), "{bad:?}");
    }
    let short = write(&one[1..], 0o600).unwrap_err().to_string();
    assert!(short.contains("openssl rand -hex 32") && !short.contains(&one[1..]), "{short}");
    assert!(short.contains(&place) && short.ends_with("secret_file = …"), "{short}");
    let was = write(&format!("{one}\n"), 0o600).unwrap();
    assert!(!format!("{was:?}").contains(one));
    // Another in the same file is taken up by a gate that runs.
    let (is, changes) = was.taking_up(write(&format!("{one}\n{two}\n"), 0o600).unwrap());
    assert_eq!(Changed::words(&changes.now), ["[[other_proxy]] 127.0.0.1:9180"]);
    assert!(changes.next_start.is_empty() && is.other_proxies != was.other_proxies);
}

#[test]
fn what_changed_is_named_as_it_was_written_and_what_is_gone_as_gone() {
    let changes = |was: &str, is: &str| {
        let read = |text: &str| parse(&format!("{SMALL}{text}")).unwrap();
        let changes = read(was).taking_up(read(is)).1;
        (Changed::words(&changes.now), Changed::words(&changes.next_start))
    };
    let portal = "[[portal]]\ntenant = \"bank\"\nhost = \"bank.example.com\"\n";
    let portals = (vec!["[[portal]] bank.example.com".to_owned()], vec![]);
    assert_eq!(changes("", portal), portals);
    assert_eq!(changes(portal, ""), (vec!["[[portal]] bank.example.com is gone".to_owned()], vec![]));
    let other = "[[other_proxy]]\nlisten = \"127.0.0.1:9180\"\nkind = \"nginx\"\nfrom = [\"127.0.0.1/32\"]\nsecret_file = \"s\"\nhosts = [\"bank.example.com\"]\n";
    let with = format!("{portal}{other}");
    assert_eq!(changes(&with, portal), (vec![], vec!["[[other_proxy]] 127.0.0.1:9180 is gone".to_owned()]));
    for section in [
        "[mail]\nsmtp = \"smtps://mail.example.com\"\nfrom = \"gate@example.com\"\n",
        "[[backend_tls]]\nhosts = [\"a\"]\nca = \"a.pem\"\n",
        "[access_log]\nfile = \"stdout\"\n",
        "[tracing]\nendpoint = \"http://127.0.0.1\"\n",
        // Whom it follows is a matter of trust.
        "[tracing]\nfollow_from = [\"10.0.0.0/24\"]\n",
    ] {
        let name = section.lines().next().unwrap().to_owned();
        assert_eq!(changes(section, ""), (vec![format!("{name} is gone")], vec![]));
        assert_eq!(changes("", section), (vec![name], vec![]));
    }
    let follow = |from: &str| format!("[tracing]\nendpoint = \"http://127.0.0.1\"\nfollow_from = [{from}]\n");
    assert_eq!(changes(&follow(""), &follow("\"10.0.0.0/24\"")).0, ["[tracing]"]);
    // Ports that nobody wrote follow the addresses.
    let listen = |more: &str| format!("[listen]\n{more}");
    let changed = |was: &str, is: &str| changes(&listen(was), &listen(is)).1;
    assert_eq!(changed("plain = \"[::]:8080\"", "plain = \"[::]:8081\""), ["[listen] plain"]);
    assert_eq!(changed("plain = \"[::]:8080\"", ""), ["[listen] plain"]);
    assert_eq!(changed("tls = \"[::]:8443\"", "tls = \"[::]:8444\""), ["[listen] tls"]);
    assert_eq!(
        changed("", "public_port = 8443\npublic_plain_port = 8080"),
        ["[listen] public_port", "[listen] public_plain_port"]
    );
}
