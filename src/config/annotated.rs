//! Writes the annotated `portcullis.toml` that `init` and `demo` leave behind;
//! `deploy/portcullis.toml` is what it writes for the example. Reads nothing.

use std::fmt::Write as _;

use super::{Engine, Push};

/// What differs from one installation to the next.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Folder of all that the gate keeps.
    pub data: String,
    /// TLS, all doors.
    pub tls: String,
    /// Plain HTTP.
    pub plain: String,
    /// Health and metrics; the demo has none.
    pub ops: Option<String>,
    /// What keeps the store.
    pub engine: Engine,
    /// File of the passphrase, where it lies in one.
    pub passphrase_file: Option<String>,
    /// The door of the staff.
    pub console_host: String,
    /// The door of the phone app.
    pub phone_host: String,
    /// The door that asks for nothing.
    pub public_host: Option<String>,
    /// Tenant and host of each portal.
    pub portals: Vec<(String, String)>,
    /// How phones are woken.
    pub push: Push,
}

impl Answers {
    /// The installation that the documents speak of.
    #[must_use]
    pub fn example() -> Self {
        Self {
            data: "/var/lib/portcullis".to_owned(),
            tls: "0.0.0.0:443".to_owned(),
            plain: "0.0.0.0:80".to_owned(),
            ops: Some("127.0.0.1:9100".to_owned()),
            engine: Engine::default(),
            passphrase_file: None,
            console_host: "console.example.com".to_owned(),
            phone_host: "phone.example.com".to_owned(),
            public_host: Some("start.example.com".to_owned()),
            portals: vec![("bank".to_owned(), "portal.example.com".to_owned())],
            push: Push::default(),
        }
    }
}

/// The whole file.
#[must_use]
pub fn text(answers: &Answers) -> String {
    let mut out = HEAD.to_owned();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line("# Folder of the store, the sealed keys of the CA and the control socket; mode 0700.");
    line(&format!("data = {}", quoted(&answers.data)));
    line("");
    line("[listen]");
    line(
        "# Every door is on this one; the host name chooses. Below 1024 needs root or CAP_NET_BIND_SERVICE.",
    );
    line(&format!("tls = {}", quoted(&answers.tls)));
    line("# Sends browsers to https, and serves the revocation lists that certificates point to.");
    line(&format!("plain = {}", quoted(&answers.plain)));
    line("# Health and metrics, on this machine alone.");
    match &answers.ops {
        Some(address) => line(&format!("ops = {}", quoted(address))),
        None => line("# ops = \"127.0.0.1:9100\""),
    }
    line("# The ports as browsers see them, where something in front changes them.");
    line("# public_port = 443");
    line("# public_plain_port = 80");
    line(
        "# Balancers in front that say who their client is by the PROXY protocol, version 2, on the TLS port. Whoever",
    );
    line("# connects from there must say it; from elsewhere nobody may.");
    line("# proxy_protocol_from = [\"10.0.0.5/32\"]");
    line("");
    line("[store]");
    line(
        "# redb keeps one file. The other engine, sled, keeps a folder and is there where the gate was built",
    );
    line("# with `--features sled`. One does not read what the other wrote: choose with `init --engine`.");
    match answers.engine {
        Engine::Redb => line("# engine = \"redb\""),
        #[cfg(feature = "sled")]
        other => line(&format!("engine = {}", quoted(other.name()))),
    }
    line("# In the data folder, as store.redb or store.sled, unless you say otherwise.");
    line("# path = \"store.redb\"");
    line("");
    line("[secrets]");
    line("# The passphrase opens the keys of the CA. It comes from this file (mode 0600), else from the");
    line("# systemd credential `passphrase` (see portcullis.service), else from PORTCULLIS_PASSPHRASE.");
    match &answers.passphrase_file {
        Some(file) => line(&format!("passphrase_file = {}", quoted(file))),
        None => line("# passphrase_file = \"/etc/portcullis/passphrase\""),
    }
    line("# These are made by `init` in the data folder. Back them up apart from the store: without the");
    line(
        "# pepper no password opens any more; without the push key no phone is woken until its app is opened.",
    );
    line("# pepper_file = \"pepper\"");
    line("# jwt_key_file = \"jwt.key\"");
    line("# push_key_file = \"push.key\"");
    line("");
    line(DOORS);
    line("");
    line("# Staff: operators, support, auditors.");
    door(&mut line, "[console]", None, &answers.console_host);
    line("# The app that clients and staff open on their phones.");
    door(&mut line, "[phone]", None, &answers.phone_host);
    line(
        "# Asks for no certificate: one-time links, the renewal of those whose certificate has expired, EST.",
    );
    match &answers.public_host {
        Some(host) => door(&mut line, "[public]", None, host),
        None => line("# [public]\n# host = \"start.example.com\"\n# certificate = \"internal\"\n"),
    }
    line("# One for each portal. The tenant itself, its name, telephone and backend, is in the store:");
    line("# portcullis tenant add bank --name \"Bank Muster\" --telephone \"+41 44 555 01 00\" \\");
    line("#     --host portal.example.com --backend http://127.0.0.1:9000");
    for (tenant, host) in &answers.portals {
        door(&mut line, "[[portal]]", Some(tenant), host);
    }
    out.push_str(MAIL);
    push(&mut out, &answers.push);
    out.push_str(BACKENDS);
    out.push_str(OUTSIDE);
    out.push_str(BESIDE);
    out.push_str(LIMITS);
    out
}

/// Each line as it was written, or as it could be.
fn push(out: &mut String, written: &Push) {
    let Push { contact, proxy, ca_file, private_services } = written;
    let none = *written == Push::default();
    out.push_str(PUSH);
    out.push_str(if none { "# [push]\n" } else { "[push]\n" });
    let mut key = |name: &str, value: Option<String>, usual: &str, about: &str| {
        let line = match value {
            Some(value) => format!("{name} = {value}\n"),
            None => format!("# {:<50}{about}", format!("{name} = {usual}")).trim_end().to_owned() + "\n",
        };
        out.push_str(&line);
    };
    let contact = contact.as_deref().map(quoted);
    key("contact", contact, "\"mailto:gate@example.com\"", "# whom a push service writes to");
    let proxy = proxy.as_deref().map(|proxy| quoted(&format!("http://{proxy}")));
    key("proxy", proxy, "\"http://proxy.example.com:3128\"", "# where nothing leaves without one");
    let ca_file = ca_file.as_ref().map(|file| quoted(&file.display().to_string()));
    key("ca_file", ca_file, "\"/etc/portcullis/push-ca.pem\"", "# a CA beside those that browsers trust");
    key(
        "private_services",
        private_services.then(|| "true".to_owned()),
        "true",
        "# push services inside your own network",
    );
    out.push('\n');
}

fn door(line: &mut impl FnMut(&str), section: &str, tenant: Option<&str>, host: &str) {
    line(section);
    if let Some(tenant) = tenant {
        line(&format!("tenant = {}", quoted(tenant)));
    }
    line(&format!("host = {}", quoted(host)));
    line("certificate = \"internal\"");
    line("");
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

const HEAD: &str = "\
# Portcullis: the gate's configuration.
#
# A key that is not known here is refused, and every mistake is told with its line:
#     portcullis doctor --config FILE
# After a change: portcullis reload, which says what counts at once and what from the next start.
# Relative paths start at this file's folder. Tenants, people, routes and rules are not here
# but in the store: portcullis tenant, person, device, route, policy.

";

const DOORS: &str = "\
# Doors. Each has a host name and a server certificate of its own, so that browsers keep their
# connections apart. \"internal\" is the built-in server CA, for private use: its root must be
# trusted by every browser (portcullis ca show). Else name PEM files; they are read again when
# they change:
#     certificate = \"/etc/portcullis/portal.crt\"     # the door's own, then its chain
#     key         = \"/etc/portcullis/portal.key\"     # mode 0600";

const MAIL: &str = "\
# Mail. Without it the gate sends none, and `doctor` says so.
# [mail]
# smtp = \"smtps://portcullis@mail.example.com\"       # or smtp:// for STARTTLS, which is demanded
#     (a server without TLS: smtp:// and tls = \"none\"; whoever is on the way reads all)
# password_file = \"/etc/portcullis/mail-password\"    # mode 0600
# ca_file = \"/etc/portcullis/mail-ca.pem\"           # where the mail server's CA is your own
# from = \"Bank Muster <gate@example.com>\"

# Questions to the phone: how long one waits (600 at most), and a file in MaxMind's format (.mmdb) that says
# where about an address is. Nothing is fetched, and nothing is decided by it.
# [approvals]
# seconds = 120
# places_file = \"/usr/share/GeoIP/GeoLite2-City.mmdb\"

";

const PUSH: &str = "\
# Web Push wakes the phone. The gate goes out to the push service of the phone's browser (Google, Mozilla,
# Apple), TCP port 443; what it sends is sealed for the phone and names your site alone. A phone chooses that
# address, so those inside your network are refused unless you say otherwise.
";

const BACKENDS: &str = "\
# Backends are named by routes (portcullis route set): http://, h2c:// (HTTP/2 in clear), https://, unix:/path,
# unix+h2c:/path. What a route may use of this machine is said here, so that whoever edits routes chooses
# neither whom the gate believes nor its sockets. Folders whose sockets a route may name:
# [backends]
# socket_folders = [\"/run/app\"]
#
# A backend with https:// is believed by the CA named for it and by no other; without one the route is refused.
# The files are read again when they change.
# [[backend_tls]]
# hosts = [\"app.internal:9443\"]                      # as in the route; without a port, at every port
# ca = \"/etc/portcullis/app-ca.pem\"                  # \"system\": those that browsers trust
# certificate = \"/etc/portcullis/gate-client.crt\"    # the gate's own, where the backend asks for one
# key = \"/etc/portcullis/gate-client.key\"            # mode 0600
# server_name = \"app.example.com\"                    # where its certificate has another name than the host

";

const OUTSIDE: &str = "\
# A line of JSON for each request, in a file or on \"stdout\"; it is opened again on SIGHUP. Never a header, a cookie
# or a body; of our own pages the route alone. Those that are not written unless chosen: \"query\" (it may hold
# secrets of the backend's) and \"agent\" (the browser, as it calls itself). docs/observability.md has all fields.
# [access_log]
# file = \"access.log\"
# fields = [\"time\", \"request\", \"tenant\", \"route\", \"method\", \"path\", \"status\", \"bytes\", \"ms\", \"upstream_ms\", \"address\", \"person\"]

# A span for each request, exported over OTLP/HTTP to a collector near by, and `traceparent` to the backend. Without
# `endpoint` nothing is exported: what those in `follow_from` say of their traces goes on as it came, nobody else's does.
# [tracing]
# endpoint = \"http://127.0.0.1:4318\"                 # its /v1/traces is asked
# service = \"portcullis\"
# percent = 100                                       # of the requests; so many are sampled
# follow_from = [\"10.0.0.0/24\"]                      # callers that decide themselves about their traces

";

const BESIDE: &str = "\
# Other proxies, each with a listener of its own: those that ask the gate about each request and forward it
# themselves (forward-auth), and those that stand in front and end TLS. What such a proxy says of a client's
# certificate is believed, so it must take these headers from its clients, and say with each request, in the header
# Portcullis-Secret, what stands in secret_file: docs/forward-auth.md. Cookies cross this listener in clear.
# [[other_proxy]]
# kind = \"nginx\"                                     # nginx, caddy, haproxy, traefik or envoy
# listen = \"127.0.0.1:9180\"
# from = [\"127.0.0.1/32\"]                            # connections from elsewhere are closed
# secret_file = \"/etc/portcullis/other-proxy.secret\" # mode 0600: 32 letters and digits or more, at random
# hosts = [\"portal.example.com\"]                     # portals that it speaks for; never the console
# serves = \"forward-auth\"                            # or \"door\", all of it, where the proxy stands in front
# in_clear = true                                    # needed where `listen` is not on this machine alone

";

const LIMITS: &str = "\
# What the gate takes at most; these are the defaults.
# [limits]
# connections = 10000
# connections_per_address = 500
# handshake_seconds = 10
# headers_seconds = 10
# idle_seconds = 75
# body_stall_seconds = 30
# drain_seconds = 30
";
