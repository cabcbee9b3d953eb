//! Routes with several backends through the whole gate: by host, by path, rewritten, closed, full, edited while
//! requests come. The oracle is what each backend received.

use futures_util::future::join_all;
use portcullis::audit::Event;
use portcullis::console::command::{Command, Kind, route};
use portcullis::domain::person::Role;
use portcullis::domain::route::{Backend as At, Maintenance, Route};
use portcullis::domain::tenant::Tenant;
use portcullis::store::table;
use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::browser::{Browser, program};
use crate::support::desk::*;
use crate::support::gate::{Gate, id};
use crate::support::program::Program;

fn route(name: &str, prefix: &str, to: &Backend) -> Route {
    Route::to(&id("bank"), name, prefix, format!("http://{}", to.address))
}

async fn apply(gate: &Gate, text: &str) -> Result<Value, portcullis::console::command::CommandError> {
    let command = route::Command::Apply { file: "routes.toml".to_owned(), text: text.to_owned() };
    gate.acts().run("local:1000", Command::Route(command)).await.map(|output| output.json)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_by_host_and_by_whole_segments() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let (app, old, named, unnamed) =
        (Backend::start().await, Backend::start().await, Backend::start().await, Backend::start().await);
    gate.put(&route("app", "/app", &app)).await;
    gate.put(&route("old", "/app/old/", &old)).await;
    gate.put(&Route { hosts: vec!["bank.localhost".into()], ..route("named", "/named", &named) }).await;
    gate.put(&Route {
        hosts: vec!["elsewhere.localhost".into()],
        ..route("unnamed", "/named/deep", &unnamed)
    })
    .await;
    for (path, to) in [
        ("/app", &app),
        ("/app/", &app),
        ("/app/x", &app),
        ("/app/old", &app),
        ("/app/old/", &old),
        ("/app/old/x", &old),
        ("/apple", &gate.backend),
        ("/app-store/x", &gate.backend),
        ("/", &gate.backend),
        ("/named/deep/x", &named),
    ] {
        let all = [&app, &old, &named, &unnamed, &gate.backend];
        all.iter().for_each(|backend| backend.forget());
        assert_eq!(client.open(path).await.status, 200, "{path}");
        for backend in all {
            let here = backend.text().contains(&format!("GET {path} HTTP/1.1"));
            assert_eq!(here, backend.address == to.address, "{path}");
        }
    }
}

/// Rules are asked about the path that the browser sent; the backend alone sees the other.
#[tokio::test(flavor = "multi_thread")]
async fn rules_see_the_path_as_it_came_and_the_backend_the_other() {
    const RULES: &str = r#"
[[rule]]
name  = "Portal"
paths = ["/", "/app/open/**"]
who   = ["group:clients"]
need  = ["certificate", "password", "phone"]
"#;
    let gate = Gate::with(|plan| plan.portal = RULES.to_owned()).await;
    let (client, _, _) = anna_inside(&gate).await;
    let app = Backend::start().await;
    gate.put(&Route { rewrite: Some("/new/".into()), ..route("app", "/app", &app) }).await;
    assert_eq!(client.open("/app/secret/x").await.status, 403);
    assert_eq!(client.open("/app/secret/%2e%2e/open/x").await.status, 400);
    assert_eq!(app.bytes(), 0);
    // What the backend's own path would be judged by is not what came.
    assert_eq!(client.open("/app/open/x?y=/app").await.status, 200);
    assert!(app.text().starts_with("GET /new/open/x?y=/app HTTP/1.1\r\n"), "{}", app.text());
    assert_eq!(app.header("x-forwarded-prefix").as_deref(), Some("/app"));
    gate.backend.forget();
    assert_eq!(client.open("/new/open/x").await.status, 403);
    assert_eq!((gate.backend.bytes(), app.text().matches("HTTP/1.1").count()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_route_is_a_page_and_the_gates_own_pages_stay_open() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let close = route::Close {
        which: route::Which { tenant: id("bank"), name: "portal".to_owned() },
        text: "We are moving to a new house.".to_owned(),
        until: Some(gate.world.clock.now().plus(std::time::Duration::from_secs(90_000)).to_string()),
    };
    let past = route::Close { until: Some("2020-01-01T00:00:00Z".to_owned()), ..close.clone() };
    let refused = gate.acts().run("local:1000", Command::Route(route::Command::Close(past))).await;
    let Err(refused) = refused else { panic!("a moment that is past") };
    assert!(refused.to_string().contains("--until is past already"), "{refused}");
    let odd = route::Close { until: Some("tomorrow".to_owned()), ..close.clone() };
    let refused = gate.acts().run("local:1000", Command::Route(route::Command::Close(odd))).await;
    let Err(refused) = refused else { panic!("no moment") };
    assert!(refused.to_string().contains("--until: \"tomorrow\" is no moment"), "{refused}");
    gate.run(Command::Route(route::Command::Close(close.clone()))).await;
    gate.backend.forget();
    let page = client.open("/accounts").await;
    assert_eq!(page.status, 503);
    page.must_say("closed for maintenance")
        .must_say("We are moving to a new house.")
        .must_say("We expect to be done at")
        .must_say("+41 44 555 01 77");
    let told = client.send(program("/accounts")).await;
    assert_eq!(told.problem()["type"], "urn:portcullis:refusal:maintenance");
    assert_eq!(told.header("retry-after"), "60");
    assert_eq!(gate.backend.bytes(), 0);
    assert_eq!(client.open("/.portcullis/settings/").await.status, 200);
    // It never opens by itself.
    let mut bank: Route = gate.all().await.into_iter().find(|one: &Route| one.tenant == id("bank")).unwrap();
    bank.maintenance = Some(Maintenance { text: String::new(), until: Some(portcullis::domain::Time(1)) });
    gate.put(&bank).await;
    let page = client.open("/accounts").await;
    assert!(page.says("nothing of yours is lost") && !page.says("expect to be done"), "{}", page.words());
    gate.run(Command::Route(route::Command::Open(close.which))).await;
    assert_eq!(client.open("/accounts").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backend_is_a_page_that_tries_again() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let mut bank: Route = gate.all().await.into_iter().find(|one: &Route| one.tenant == id("bank")).unwrap();
    bank.requests_max = 1;
    gate.put(&bank).await;
    let (wire, mut never) = (client.wire.clone(), crate::support::browser::navigation("/never"));
    client.dress(&mut never);
    let mut sender = wire.h1("bank.localhost").await;
    let waiting = tokio::spawn(async move { sender.send_request(never).await });
    let proxy = &gate.started().house.proxy;
    let busy = async {
        while !proxy.backends().iter().any(|seen| seen.tenant == id("bank") && seen.requests == 1) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, busy).await.unwrap();
    let page = client.open("/accounts").await;
    assert_eq!(page.status, 503, "{}", page.words());
    page.must_say("have a great deal to do").must_say("+41 44 555 01 77");
    let told = client.send(program("/accounts")).await;
    assert_eq!((told.status.as_u16(), told.header("retry-after")), (503, "10"));
    waiting.abort();
    let free = async {
        while client.open("/accounts").await.status != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, free).await.unwrap();
}

/// O-06: the backend of one route is gone, and the other route hears nothing of it; of two the one that is there
/// answers all that may be sent again.
#[tokio::test(flavor = "multi_thread")]
async fn one_backend_that_is_gone_harms_nobody_elses() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let there = Backend::start().await;
    let mut two = route("two", "/two", &there);
    two.backends.push(At::at(format!("http://{closed}")));
    gate.put(&two).await;
    gate.put(&Route { backends: vec![At::at(format!("http://{closed}"))], ..route("gone", "/gone", &there) })
        .await;
    for _ in 0..30 {
        assert_eq!(client.open("/two/x").await.status, 200);
    }
    assert_eq!(client.open("/gone").await.status, 502);
    assert_eq!(client.open("/accounts").await.status, 200);
    let proxy = &gate.started().house.proxy;
    let seen = proxy.backends();
    let one =
        seen.iter().find(|seen| seen.route == "two" && seen.backend.ends_with(&closed.port().to_string()));
    assert!(one.unwrap().ejected, "{seen:?}");
    // What no route has any more is not measured any more.
    gate.put(&route("two", "/two", &there)).await;
    assert_eq!(client.open("/two/x").await.status, 200);
    let seen = proxy.backends();
    assert_eq!(seen.iter().filter(|seen| seen.route == "two").count(), 1, "{seen:?}");
}

/// Behind an open rule, who never signed in is not told that they are.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_is_signed_in_reads_so_when_a_backend_is_gone() {
    let open = "[[rule]]\nname = \"news\"\npaths = [\"/news/**\"]\nwho = [\"everyone\"]\nneed = []\n";
    let gate = Gate::with(|plan| plan.portal = format!("{open}{}", plan.portal)).await;
    let (client, _, _) = anna_inside(&gate).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let there = Backend::start().await;
    gate.put(&Route { backends: vec![At::at(format!("http://{closed}"))], ..route("gone", "/news", &there) })
        .await;
    let page = client.open("/news/today").await;
    assert_eq!(page.status, 502);
    page.must_say("You are still signed in.").must_say("tries again by itself");
    let stranger = gate.stranger("bank");
    let page = stranger.open("/news/today").await;
    assert_eq!(page.status, 502);
    page.must_say("are not answering");
    assert!(!page.says("signed in"), "{}", page.words());
    let told = stranger.send(program("/news/today")).await.problem();
    assert_eq!(told["next"], "Try again in 20 seconds.");
    assert!(!told["detail"].as_str().unwrap().contains("signed in"), "{told}");
}

/// The one line of a refusal names the route, the backend that was asked and what it did not do, and nothing that a client said.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_which_backend_gave_no_answer() {
    let open = "[[rule]]\nname = \"news\"\npaths = [\"/news/**\"]\nwho = [\"everyone\"]\nneed = []\n";
    let gate = Gate::with(|plan| plan.portal = format!("{open}{}", plan.portal)).await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // It takes connections, and answers nothing.
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = |name: &str, path: &str, at| Route::to(&id("bank"), name, path, format!("http://{at}"));
    let hung = hung.local_addr().map(|at| (at, hung)).unwrap();
    gate.put(&to("gone", "/news/gone", gone)).await;
    gate.put(&Route { first_byte_ms_max: 200, ..to("late", "/news/late", hung.0) }).await;
    gate.put(&Route { total_ms_max: 300, ..to("long", "/news/long", hung.0) }).await;
    let program = Program::instead_of(gate).await;
    let stranger = program.stranger("bank");
    for (name, status, at, why) in [
        ("gone", 502, gone, "Connection refused"),
        ("late", 504, hung.0, "no first byte within first_byte_seconds (0.2 s)"),
        ("long", 504, hung.0, "not answered within total_seconds (0.3 s)"),
    ] {
        assert_eq!(stranger.open(&format!("/news/{name}/quokka?quokka")).await.status, status, "{name}");
        let log = program.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut lines = lines.map(|line| line["fields"].clone());
        let line = lines.find(|line| line["message"] == "request refused" && line["route"] == name);
        let line = line.unwrap_or_else(|| panic!("{name}: {log}"));
        assert_eq!(line["backend"], format!("http://{at}"), "{line}");
        assert!(line["why"].as_str().unwrap().contains(why), "{line}");
        assert!(!log.contains("quokka"), "{log}");
    }
}

/// Routes are edited a hundred times while requests come: each is answered by the old or the new.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_route_fails_no_request() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let other = Backend::start().await;
    let asked = async {
        for _ in 0..300 {
            assert_eq!(client.open("/accounts").await.status, 200);
        }
    };
    let edited = async {
        for n in 0..100 {
            let to = if n % 2 == 0 { &other } else { &gate.backend };
            gate.put(&route("portal", "/", to)).await;
        }
    };
    tokio::join!(asked, edited);
    assert!(other.bytes() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_routes_is_applied_whole_or_not_at_all() {
    let gate = Gate::open().await;
    let text = r#"
[[route]]
tenant = "bank"
name = "app"
hosts = ["bank.localhost"]
path = "/app"
rewrite = "/"
backends = [
    { url = "http://127.0.0.1:9001", weight = 3 },
    { url = "http://127.0.0.1:9002" },
]
sticky = true
slow_start_seconds = 30
connect_seconds = 0.5
total_seconds = 120
requests_max = 50
eject = { failures_in_a_row = 3, for_seconds = 20 }
health = { kind = "http", path = "/healthz", interval_seconds = 2 }

[[route]]
tenant = "bank"
name = "portal"
path = "/"
backend = "http://127.0.0.1:9000"
maintenance = { text = "Back \"soon\"", until = "2026-11-29T02:30:00Z" }
"#;
    apply(&gate, text).await.unwrap();
    let app =
        table::get::<Route>(gate.store(), &table::route(&id("bank"), "app")).await.unwrap().unwrap().record;
    assert_eq!(app.backends[0], At { url: "http://127.0.0.1:9001".to_owned(), weight: 3 });
    assert_eq!((app.connect_ms_max, app.first_byte_ms_max, app.total_ms_max), (500, 60_000, 120_000));
    assert_eq!(app.health.as_ref().unwrap().unhealthy_after, 3);
    // What is exported is applied as it was, and changes nothing.
    let export = Command::Route(route::Command::Export { tenant: Some(id("bank")) });
    let exported = gate.run(export).await.lines.join("\n");
    let told = gate.told(Event::RouteSet).await;
    apply(&gate, &exported).await.unwrap_or_else(|error| panic!("{error}\n{exported}"));
    assert_eq!(gate.told(Event::RouteSet).await, told);
    // What no option of `route set` names stays as it was.
    let set = |set: route::Set| {
        let set = route::Set { backends: vec!["http://127.0.0.1:9001".to_owned()], ..set };
        gate.run(Command::Route(route::Command::Set(Box::new(set))))
    };
    let named = || route::Set::of(id("bank"), "app".to_owned());
    set(route::Set { first_byte_seconds: Some(5), ..named() }).await;
    let after =
        table::get::<Route>(gate.store(), &table::route(&id("bank"), "app")).await.unwrap().unwrap().record;
    assert_eq!((after.health, after.requests_max, after.backends[0].weight), (app.health, 50, 3));
    assert_eq!((after.path_prefix.as_str(), after.sticky, after.first_byte_ms_max), ("/app", true, 5_000));
    assert_eq!((after.rewrite, after.hosts), (app.rewrite, app.hosts));

    let one = |rest: &str| format!("\n[[route]]\ntenant = \"bank\"\nname = \"x\"\n{rest}\n");
    let good = "backend = \"http://127.0.0.1:1\"\n";
    for (rest, said) in [
        ("backend = \"http://127.0.0.1:1\"\nstiky = true", "routes.toml:6: unknown field `stiky`"),
        (
            "backend = \"http://127.0.0.1:1\"\nhealth = { kind = \"http\", pth = \"/\" }",
            "routes.toml:6: unknown field `pth`",
        ),
        ("path = \"/\"", "routes.toml:2: route \"x\": backends: write one at least"),
        ("backend = \"ftp://x\"", "routes.toml:2: route \"x\": backend: \"ftp://x\""),
        (&format!("{good}path = \"/a//b\""), "path: \"/a//b\" is no plain path"),
        (&format!("{good}path = \"/.portcullis/x\""), "path: the gate's own pages"),
        (&format!("{good}rewrite = \"/a/../b\""), "rewrite: \"/a/../b\" is no plain path"),
        (&format!("{good}rewrite = \"//b\""), "rewrite: \"//b\" is no plain path"),
        (&format!("{good}hosts = [\"other.localhost\"]"), "hosts: \"other.localhost\" is no host of `bank`"),
        (&format!("{good}connect_seconds = 100"), "connect_seconds: write 0.05 to 60"),
        (&format!("{good}total_seconds = -1"), "routes.toml:6: `total_seconds`: write seconds between"),
        (&format!("{good}health = {{ kind = \"http\" }}"), "health.path: write what is to be fetched"),
        (
            &format!("{good}maintenance = {{ until = \"tomorrow\" }}"),
            "maintenance.until: \"tomorrow\" is no moment",
        ),
        ("backends = [{ url = \"http://127.0.0.1:1\", weight = 0 }]", "one at least needs a weight above 0"),
        (
            "backends = [{ url = \"http://127.0.0.1:1\" }, { url = \"http://127.0.0.1:1\" }]",
            "stands there twice",
        ),
    ] {
        let error = apply(&gate, &format!("{}{}", one(rest), exported)).await.unwrap_err();
        assert!(error.kind == Kind::Usage && error.what.contains(said), "{rest}\n{error}");
        assert!(gate.all::<Route>().await.iter().all(|route| route.name != "x"));
    }
}

/// Of two routes for the same requests one would never be asked, and which one nobody could say.
#[tokio::test(flavor = "multi_thread")]
async fn no_two_routes_are_for_the_same_requests() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let one = |name: &str, rest: &str| {
        format!("[[route]]\ntenant = \"bank\"\nname = \"{name}\"\nbackend = \"http://127.0.0.1:1\"\n{rest}\n")
    };
    let app = "path = \"/app\"";
    let named = "path = \"/app\"\nhosts = [\"bank.localhost\"]";
    // One that names the host is asked before one that names none.
    apply(&gate, &format!("{}{}", one("app", app), one("named", named))).await.unwrap();
    let kept = gate.all::<Route>().await.len();
    for (text, both, host) in [
        (format!("{}{}", one("x", "path = \"/x\""), one("y", "path = \"/x\"")), ["x", "y"], "any host"),
        (one("x", app), ["app", "x"], "any host"),
        (one("x", named), ["named", "x"], "bank.localhost"),
        (one("x", "path = \"/\""), ["portal", "x"], "any host"),
    ] {
        let error = apply(&gate, &text).await.unwrap_err();
        assert_eq!(error.kind, Kind::Usage, "{error}");
        let [a, b] = both.map(|name| error.what.contains(&format!("`{name}`")));
        assert!(a && b && error.what.contains(host), "{text}\n{error}");
        assert_eq!(gate.all::<Route>().await.len(), kept);
    }
    let json = json!({ "routes": [{ "tenant": "bank", "name": "x", "path": "/app", "backend": "http://127.0.0.1:1" }] });
    let put = call(&otto, "routes", &json).await;
    assert!(put.status == 400 && put.text().contains("`app`"), "{}", put.text());
    let mut set = route::Set::of(id("bank"), "x".to_owned());
    set.path = Some("/app".to_owned());
    set.backends = vec!["http://127.0.0.1:1".to_owned()];
    let refused = gate.acts().run("local:1000", Command::Route(route::Command::Set(Box::new(set)))).await;
    assert!(refused.err().is_some_and(|error| error.what.contains("`app`")));
    // Two that change places in one file are none, nor is one that gives way in it.
    apply(&gate, &format!("{}{}", one("app", "path = \"/b\""), one("new", app))).await.unwrap();
    apply(&gate, &format!("{}{}", one("app", app), one("new", "path = \"/b\""))).await.unwrap();
}

/// What each of two commands found of the others is true still when it is recorded.
#[tokio::test(flavor = "multi_thread")]
async fn of_routes_that_are_set_at_once_none_is_anothers_twin_and_none_is_lost() {
    let gate = Gate::open().await;
    let act = async |command| gate.acts().run("local:1000", Command::Route(command)).await;
    let set = |name: &str, path: String| {
        let mut set = route::Set::of(id("bank"), name.to_owned());
        (set.path, set.backends) = (Some(path), vec!["http://127.0.0.1:1".to_owned()]);
        route::Command::Set(Box::new(set))
    };
    let names: Vec<String> = (0..20).map(|n| format!("r{n}")).collect();
    let twins = join_all(names.iter().map(|name| act(set(name, "/app".to_owned())))).await;
    assert_eq!(twins.iter().filter(|done| done.is_ok()).count(), 1, "one of them was first");
    let apart = join_all(names.iter().map(|name| act(set(name, format!("/{name}"))))).await;
    assert!(apart.iter().all(Result::is_ok));
    let which = route::Which { tenant: id("bank"), name: "r0".to_owned() };
    let close = route::Close { which, text: String::new(), until: None };
    for _ in 0..20 {
        let (one, other) =
            tokio::join!(act(set("r0", "/r0".to_owned())), act(route::Command::Close(close.clone())),);
        one.and(other).unwrap();
        let routes = gate.all::<Route>().await;
        assert!(routes.iter().any(|route| route.name == "r0" && route.maintenance.is_some()), "it is closed");
        act(route::Command::Open(close.which.clone())).await.unwrap();
    }
}

/// A name with a slip in it is no backend that somebody forgot, and a route that is closed may stay so unseen.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_is_set_says_which_there_are_and_whether_it_is_closed() {
    let gate = Gate::open().await;
    let act = async |command| gate.acts().run("local:1000", Command::Route(command)).await;
    let set = |name: &str| route::Set::of(id("bank"), name.to_owned());
    let slip = act(route::Command::Set(Box::new(set("portl")))).await.err().unwrap();
    let said = "`bank` has no route \"portl\" yet; a new one needs --backend: there are portal";
    assert_eq!((slip.kind, slip.to_string().as_str()), (Kind::Usage, said));

    let written = |more: &str| {
        format!(
            "[[route]]\ntenant = \"bank\"\nname = \"app\"\npath = \"/app\"\nbackend = \"http://127.0.0.1:1\"\n{more}\n"
        )
    };
    let applied = async |more: &str| {
        let command = route::Command::Apply { file: "routes.toml".to_owned(), text: written(more) };
        act(command).await.unwrap().lines.join("\n")
    };
    let until = "closed until `portcullis route open bank app`.";
    assert!(applied("").await.ends_with("from now on."));
    let closed = applied("maintenance = {}").await;
    assert!(closed.ends_with(&format!("from now on; it is {until}")), "{closed}");
    let still = applied("maintenance = {}\nsticky = true").await;
    assert!(still.ends_with(&format!("from now on; it is still {until}")), "{still}");
    let mut sticky = set("app");
    sticky.switches.no_sticky = true;
    let still = act(route::Command::Set(Box::new(sticky))).await.unwrap().lines.join("\n");
    assert!(still.ends_with(&format!("from now on; it is still {until}")), "{still}");
    let opened = applied("").await;
    assert!(opened.ends_with("from now on; it was closed, and is open now."), "{opened}");
}

const LIST_OF_BACKENDS: &str = "5: `backends`: write a list of tables: backends = [{ url = \"http://...\" }]";

/// Whoever writes a file of routes knows its fields and no types of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_file_of_routes_names_the_field_and_what_to_write() {
    let gate = Gate::open().await;
    for (rest, wanted) in [
        ("sticky = \"yes\"", "5: `sticky`: write true or false"),
        ("requests_max = -1", "5: `requests_max`: write a whole number of at least 0"),
        ("requests_max = \"many\"", "5: `requests_max`: write a whole number"),
        ("hosts = \"bank.localhost\"", "5: `hosts`: write a list, such as hosts = [\"...\"]"),
        ("health = \"http\"", "5: `health`: write a table, such as health = { ... }"),
        ("health = { kind = \"icmp\" }", "5: `kind`: write `http` or `tcp`"),
        ("health = { path = \"/\" }", "5: `health`: `kind` is missing"),
        ("first_byte_seconds = \"soon\"", "5: `first_byte_seconds`: write a number"),
        // It would be neither an end at once nor none.
        ("first_byte_seconds = 0", "5: `first_byte_seconds`: write seconds between 0.001 and"),
        ("health = { kind = \"tcp\", timeout_seconds = 0 }", "5: `timeout_seconds`: write seconds between"),
        // Which would be that of another route, silently.
        ("", "1: `name` is missing"),
        (
            "backends = [\n  { url = \"http://127.0.0.1:1\", weight = 1.5 },\n]",
            "6: `weight`: write a whole number",
        ),
        ("name = 7", "5: `name`: write a text in quotes"),
        ("backends = [\"http://127.0.0.1:1\", \"http://127.0.0.1:2\"]", LIST_OF_BACKENDS),
        ("backends = [{ url = \"http://127.0.0.1:1\" }, \"http://127.0.0.1:2\"]", LIST_OF_BACKENDS),
        ("backends = { url = \"http://127.0.0.1:1\" }", LIST_OF_BACKENDS),
        ("backends = \"http://127.0.0.1:1\"", LIST_OF_BACKENDS),
    ] {
        let text = format!(
            "[[route]]\ntenant = \"bank\"\npath = \"/x\"\nbackend = \"http://127.0.0.1:1\"\n{rest}\n"
        );
        let error = apply(&gate, &text).await.unwrap_err();
        assert!(error.what.starts_with(&format!("routes.toml:{wanted}")), "{rest}: {error}");
        for ours in ["u32", "struct", "Written", "expected", "boolean", "sequence", "f64"] {
            assert!(!error.what.contains(ours), "{rest}: {error}");
        }
        assert!(error.next.contains("nothing was applied"), "{error}");
    }
    for (text, wanted) in [
        ("[[route]]\nname = \"x\"\nbackend = \"http://127.0.0.1:1\"\n", "routes.toml:1: `tenant` is missing"),
        ("[[route]]\ntenant = 3\n", "routes.toml:2: `tenant`: write a text in quotes"),
        ("[route]\ntenant = \"bank\"\n", "routes.toml:1: `route`: write [[route]], once for each"),
        ("[[route]]\ntenant = \"No Tenant\"\n", "routes.toml:2: `tenant`: "),
    ] {
        let error = apply(&gate, text).await.unwrap_err();
        assert!(error.what.starts_with(wanted), "{text}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_keeps_routes() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let bank: Tenant = gate.all().await.into_iter().find(|one: &Tenant| one.id == id("bank")).unwrap();
    let wanted = json!({ "routes": [{
        "tenant": "bank", "name": "app", "path": "/app", "hosts": bank.hosts,
        "backends": [{ "url": "http://127.0.0.1:9001", "weight": 2 }, { "url": "http://127.0.0.1:9002" }],
        "health": { "kind": "tcp" },
    }] });
    let put = call(&otto, "routes", &wanted).await;
    assert_eq!(put.status, 200, "{}", put.text());
    let listed = call_get(&otto, "routes?tenant=bank").await;
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    let app = listed["routes"].as_array().unwrap().iter().find(|one| one["name"] == "app").unwrap();
    assert_eq!((&app["backends"][0]["weight"], &app["first_byte_seconds"]), (&json!(2), &json!(60)));
    // What was listed can be sent back as it is.
    assert_eq!(call(&otto, "routes", &json!({ "routes": [app] })).await.status, 200);
    let odd =
        call(&otto, "routes", &json!({ "routes": [{ "tenant": "bank", "backend": "http://a:1", "x": 1 }] }))
            .await;
    assert!(odd.status == 400 && odd.text().contains("unknown field `x`"), "{}", odd.text());
    // In the words of a file.
    let (at, name, backend) = ("bank", "x", "http://127.0.0.1:1");
    for (body, says) in [
        (
            json!({ "tenant": at, "name": name, "backend": backend, "requests_max": "many" }),
            "`requests_max`: write a whole",
        ),
        (
            json!({ "tenant": at, "name": name, "backend": backend, "health": { "kind": "icmp" } }),
            "`kind`: write `http` or",
        ),
        (
            json!({ "tenant": at, "name": name, "backends": [{ "url": 7 }], "rewrite": null }),
            "`url`: write a text in quotes",
        ),
        (
            json!({ "tenant": at, "name": name, "backend": backend, "idle_seconds": 0 }),
            "`idle_seconds`: write seconds",
        ),
        (json!({ "tenant": at, "backend": backend }), "`name` is missing"),
        (json!({ "tenant": at, "name": name, "backends": [backend] }), "`backends`: write a list of tables"),
    ] {
        let put = call(&otto, "routes", &json!({ "routes": [app, body] })).await;
        let told: Value = serde_json::from_slice(&put.body).unwrap();
        assert!(
            put.status == 400 && told.to_string().contains(&format!("routes[1]: {says}")),
            "{says}: {told}"
        );
    }
    let close = json!({ "text": "Back soon" });
    assert_eq!(call(&otto, "routes/bank/app/close", &close).await.status, 200);
    let closed = table::get::<Route>(gate.store(), &table::route(&id("bank"), "app")).await.unwrap().unwrap();
    assert_eq!(closed.record.maintenance.unwrap().text, "Back soon");
    assert_eq!(call(&otto, "routes/bank/app/open", &json!({})).await.status, 200);
    assert_eq!(call(&otto, "routes/bank/app/remove", &json!({})).await.status, 200);
    assert_eq!(call(&otto, "routes/bank/app/remove", &json!({})).await.status, 404);
    let lines = gate.trail().await;
    let by: Vec<_> =
        lines.iter().filter(|line| line.who == "person:staff/otto").map(|line| line.what).collect();
    assert!(by.contains(&Event::RouteSet) && by.contains(&Event::RouteRemoved), "{by:?}");
}

/// Which backend is down and why, by its checks and by what clients met; what was listed can be sent back whole.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_routes_says_which_backends_are_down_and_why() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let at = crate::support::ports::free_ports();
    let (checked, asked) = (format!("http://127.0.0.1:{at}"), format!("http://127.0.0.1:{}", at + 1));
    let live = format!("http://{}", gate.backend.address);
    apply(
        &gate,
        &format!(
            "[[route]]\ntenant = \"bank\"\nname = \"checked\"\npath = \"/checked\"\n\
             backends = [{{ url = \"{live}\" }}, {{ url = \"{checked}\" }}]\n\
             health = {{ kind = \"tcp\", interval_seconds = 1, unhealthy_after = 1 }}\n\
             [[route]]\ntenant = \"bank\"\nname = \"asked\"\npath = \"/asked\"\nbackend = \"{asked}\"\n"
        ),
    )
    .await
    .unwrap();
    assert!(gate.acts().proxy.set(std::sync::Arc::clone(&gate.started().house.proxy)).is_ok());
    let list = || gate.run(Command::Route(route::Command::List { tenant: None }));
    let down = |json: &Value| -> Vec<Value> {
        let all = json["backends"].as_array().unwrap().iter();
        all.filter(|one| one["up"] == false).map(|one| one["backend"].clone()).collect()
    };
    assert_eq!(client.open("/asked").await.status, 502);
    for _ in 0..500 {
        if down(&list().await.json).len() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let told = list().await;
    assert_eq!(down(&told.json), [json!(checked)], "{}", told.json);
    let lines = told.lines.join("\n");
    for says in [
        format!("{checked} of `checked` of `bank`: its checks fail, so it gets no requests: "),
        // It is asked all the same: one that failed once is not down.
        format!("{asked} of `asked` of `bank`: the last request failed ("),
        " s ago): ".to_owned(),
        "last request failed".to_owned(),
        "1 of 2 down".to_owned(),
        "refused".to_owned(),
    ] {
        assert!(lines.contains(&says), "{says}: {lines}");
    }
    let doctor = gate.run(Command::Doctor).await;
    let checks = doctor.json["checks"].as_array().unwrap();
    let of = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
    for (name, state) in [("route bank/asked", "heed"), ("route bank/checked", "heed")] {
        let check = of(name);
        assert!(check["state"] == state && check["found"].as_str().unwrap().contains("refused"), "{check}");
    }
    assert!(checks.iter().all(|check| check["name"] != "route bank/portal"), "{checks:?}");
    let portal = told.lines.iter().find(|line| line.contains("portal")).unwrap();
    assert!(!portal.contains("down"), "{portal}");
    let listed: Value = serde_json::from_slice(&call_get(&otto, "routes").await.body).unwrap();
    assert_eq!(down(&listed).len(), 1, "{listed}");
    let back = call(&otto, "routes", &listed).await;
    assert_eq!(back.status, 200, "{}", back.text());
    // Where it fails as often as another would be left alone for, nothing of the route answers.
    for _ in 0..4 {
        assert_eq!(client.open("/asked").await.status, 502);
    }
    let lines = list().await.lines.join("\n");
    assert!(lines.contains("the last 5 requests failed (the last one"), "{lines}");
    assert!(lines.contains("last 5 requests failed") && !lines.contains("down, last"), "{lines}");
    let doctor = gate.run(Command::Doctor).await;
    let checks = doctor.json["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["name"] == "route bank/asked" && check["state"] == "bad"));
    // Once it answers again it is well.
    let _there = std::net::TcpListener::bind(format!("127.0.0.1:{at}")).unwrap();
    for _ in 0..600 {
        if down(&list().await.json).is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{}", list().await.lines.join("\n"));
}

async fn call(browser: &Browser, path: &str, body: &Value) -> crate::support::wire::Answer {
    let request = http::Request::post(format!("/api/v1/{path}"))
        .header("content-type", "application/json")
        .header("accept", "application/json");
    browser.send(request.body(axum::body::Body::from(body.to_string())).unwrap()).await
}

async fn call_get(browser: &Browser, path: &str) -> crate::support::wire::Answer {
    browser.send(program(&format!("/api/v1/{path}"))).await
}
