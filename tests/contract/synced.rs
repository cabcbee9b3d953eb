//! Nothing is acknowledged before it is on the disk: these tests run themselves under strace, which
//! tells the order of their system calls, lets one of them fail, or kills them there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use portcullis::store::{Condition, Store};
use portcullis::world::World;

use super::{ENGINES, Kind, commit, delete, put, value};

#[test]
fn what_is_acknowledged_was_synced_before_and_many_share_a_sync() {
    const NAME: &str = "what_is_acknowledged_was_synced_before_and_many_share_a_sync";
    for child in children(NAME) {
        let log = child.folder.path().join("strace");
        let output = child.run(&["-y", "-e", "trace=fdatasync,write", "-o", log.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        let data = if child.engine.name == "sled" { child.store.join("db") } else { child.store.clone() };
        let syncs = syncs_before_each_mark(&std::fs::read_to_string(&log).unwrap(), &data);
        eprintln!("{}: fdatasync before each acknowledgement: {syncs:?}", child.engine.name);
        assert_eq!(syncs.len(), ONE_BY_ONE + 1, "the marks of the child");
        let (many, one_by_one) = syncs.split_last().unwrap();
        assert!(one_by_one.iter().all(|syncs| *syncs >= 1), "{one_by_one:?}");
        assert!((1..=AT_ONCE / 4).contains(many), "{many} for {AT_ONCE} commits at once");
    }
}

#[test]
fn where_a_sync_fails_nothing_is_acknowledged_any_more_and_nothing_acknowledged_is_lost() {
    const NAME: &str = "where_a_sync_fails_nothing_is_acknowledged_any_more_and_nothing_acknowledged_is_lost";
    for child in children(NAME) {
        let fails = "inject=fdatasync:error=EIO:when=20+";
        let output = child.run(&["-e", "trace=fdatasync", "-e", fails, "-o", "/dev/null"]);
        assert!(output.status.success(), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        let marked = |mark: &str| told.lines().filter(|line| line.starts_with(mark)).count();
        let acknowledged = marked(ACKNOWLEDGED);
        eprintln!("{}: {acknowledged} acknowledged, then {} refused", child.engine.name, marked(REFUSED));
        assert!(acknowledged > 0 && marked(REFUSED) > 1, "{told}");
        assert_eq!(acknowledged + marked(REFUSED), ONE_BY_ONE, "{told}");
        let first_refused = told.find(REFUSED).unwrap();
        assert!(!told[first_refused..].contains(ACKNOWLEDGED), "none after the first that failed: {told}");
        runtime().block_on(async {
            let store = (child.engine.open)(&child.store, World::real()).unwrap();
            for n in 0..acknowledged {
                assert_eq!(value(&*store, &n.to_string()).await.as_deref(), Some("x"), "{n}");
            }
            commit(&*store, vec![put("again", Condition::Absent, "it takes commits")]).await;
        });
    }
}

#[test]
fn killed_at_a_system_call_it_opens_again_with_all_that_was_acknowledged() {
    const NAME: &str = "killed_at_a_system_call_it_opens_again_with_all_that_was_acknowledged";
    for child in children(NAME) {
        let mut killed = 0;
        for calls in
            ["pwrite64,write", "fsync,fdatasync,sync_file_range", "rename,link,unlink,ftruncate", "openat"]
        {
            for when in [1, 2, 3, 5, 8, 13, 21, 34, 55] {
                let kill = format!("inject={calls}:signal=SIGKILL:when={when}");
                let output = child.run(&["-e", &format!("trace={calls}"), "-e", &kill, "-o", "/dev/null"]);
                killed += usize::from(!output.status.success());
                let told = String::from_utf8(output.stderr).unwrap();
                let acknowledged = told.lines().filter(|line| line.starts_with(ACKNOWLEDGED)).count();
                let round = format!("{} killed at {calls} {when}", child.engine.name);
                runtime().block_on(async {
                    let store = (child.engine.open)(&child.store, World::real());
                    let store = store.unwrap_or_else(|error| panic!("{round}: {error}"));
                    for n in 0..acknowledged.min(ONE_BY_ONE) {
                        assert_eq!(
                            value(&*store, &n.to_string()).await.as_deref(),
                            Some("x"),
                            "{round}: {n}"
                        );
                    }
                    // So that the next round has them to write again.
                    let gone = (0..ONE_BY_ONE).map(|n| delete(&n.to_string(), Condition::Any));
                    commit(&*store, gone.collect()).await;
                });
            }
        }
        eprintln!("{}: killed {killed} times", child.engine.name);
        assert!(killed >= 18, "{killed}");
    }
}

/// This test as a process of its own, over one engine.
struct Child {
    name: &'static str,
    engine: &'static Kind,
    folder: tempfile::TempDir,
    store: PathBuf,
}

/// The children of a test; none where this process is one, which then has done its work, and where
/// strace is missing.
#[allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the test starts itself anew and says so by a variable; what is skipped is told"
)]
fn children(name: &'static str) -> Vec<Child> {
    if let Some(path) = std::env::var_os(CHILD) {
        runtime().block_on(work(Path::new(&path)));
        return Vec::new();
    }
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        println!("SKIPPED: strace is not installed, so {name} is not looked at");
        return Vec::new();
    }
    let child = |engine: &'static Kind| {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join(format!("store.{}", engine.name));
        Child { name, engine, folder, store }
    };
    ENGINES.iter().map(child).collect()
}

impl Child {
    fn run(&self, strace: &[&str]) -> Output {
        let mut command = Command::new("strace");
        command.arg("-f").args(strace).arg(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("synced::{}", self.name), "--nocapture"]);
        command.env(CHILD, &self.store).output().unwrap()
    }
}

/// Opens a store and commits; a mark on the standard error tells of each answer.
async fn work(path: &Path) {
    let engine = ENGINES.iter().find(|engine| path.extension() == Some(OsStr::new(engine.name))).unwrap();
    let store: Arc<dyn Store> = (engine.open)(path, World::real()).unwrap();
    let mut refused = false;
    for n in 0..ONE_BY_ONE {
        let answer = store.commit(vec![put(&n.to_string(), Condition::Absent, "x")]).await;
        refused |= answer.is_err();
        mark(if answer.is_ok() { ACKNOWLEDGED } else { REFUSED });
    }
    if refused {
        return;
    }
    let commits: Vec<_> = (0..AT_ONCE)
        .map(|n| {
            let (store, name) = (Arc::clone(&store), format!("at once {n}"));
            tokio::spawn(async move { commit(&*store, vec![put(&name, Condition::Any, "x")]).await })
        })
        .collect();
    for commit in commits {
        commit.await.unwrap();
    }
    mark(ACKNOWLEDGED);
}

fn mark(what: &str) {
    std::io::stderr().write_all(format!("{what}\n").as_bytes()).unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// How many times `file` was synced with success before the first mark, and between one and the next.
fn syncs_before_each_mark(log: &str, file: &Path) -> Vec<usize> {
    // redb's file still bears the name under which it was made.
    let named = format!("<{}", file.display());
    let mut begun = BTreeSet::new();
    let (mut counts, mut count) = (Vec::new(), 0);
    for line in log.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        let done = call.ends_with("= 0");
        if call.starts_with("write(2") && call.contains(ACKNOWLEDGED) {
            counts.push(std::mem::take(&mut count));
        } else if call.starts_with("fdatasync(") && call.contains(&named) {
            if call.contains("unfinished") {
                begun.insert(thread);
            }
            count += usize::from(done);
        } else if call.starts_with("<... fdatasync resumed") && begun.remove(thread) {
            count += usize::from(done);
        }
    }
    counts
}

const CHILD: &str = "PORTCULLIS_TEST_CHILD_STORE";

const ACKNOWLEDGED: &str = "acknowledged";

const REFUSED: &str = "refused";

const ONE_BY_ONE: usize = 40;

const AT_ONCE: usize = 200;
