//! Each engine of the store from the command line: made by `init`, kept from a second process,
//! refused when it is damaged.

use std::path::PathBuf;
use std::process::Command;

use crate::gate::{Gate, portcullis};

#[test]
fn a_gate_is_made_served_and_looked_at_over_each_engine() {
    for engine in ENGINES {
        let mut gate = Gate::made_with(engine);
        let store = gate.dir().join("data").join(format!("store.{engine}"));
        assert_eq!((store.exists(), store.is_dir()), (true, *engine == "sled"));
        let tenants = gate.json(&["tenant", "list"]);
        gate.serve();
        assert_eq!(gate.json(&["tenant", "list"]), tenants, "{engine}: beside the server");
        // Whoever cannot find the server's socket meets its store.
        let hidden = gate.dir().join("hidden.sock");
        std::fs::rename(gate.socket(), &hidden).unwrap();
        gate.run(&["tenant", "list"]).refused(1, "another process uses the store");
        std::fs::rename(&hidden, gate.socket()).unwrap();
        assert_eq!(gate.stop(), Some(0), "{engine}");
        assert_eq!(gate.json(&["tenant", "list"]), tenants, "{engine}: after it");
        let told = gate.run(&["doctor"]).out;
        assert!(told.contains("answers, at commit"), "{engine}: {told}");

        let backup = gate.dir().join("backup");
        assert!(Command::new("cp").arg("-a").args([&store, &backup]).status().unwrap().success());
        let file = if *engine == "sled" { store.join("db") } else { store.clone() };
        let broken: Vec<u8> = std::fs::read(&file).unwrap().iter().map(|byte| byte ^ 1).collect();
        std::fs::write(&file, broken).unwrap();
        gate.run(&["serve"]).refused(1, "set it aside, and restore the last backup");
        gate.run(&["doctor"]).refused(1, "set it aside, and restore the last backup");
        std::fs::rename(&store, gate.dir().join("aside")).unwrap();
        std::fs::rename(&backup, &store).unwrap();
        assert_eq!(gate.json(&["tenant", "list"]), tenants, "{engine}: the backup");
    }
}

#[test]
fn an_engine_that_is_not_there_is_told_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    portcullis(folder.path(), &["init", "--engine", "rocksdb"]).refused(2, "take redb, or sled");
    if !ENGINES.contains(&"sled") {
        portcullis(folder.path(), &["init", "--engine", "sled"]).refused(2, "--features sled");
    }
    let left: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

const ENGINES: &[&str] = &[
    "redb",
    #[cfg(feature = "sled")]
    "sled",
];
