//! The house rules, held by a machine: rooms on floors, crates in their places, files that can be
//! read, dependencies that say why they are here, no key in the repository.
//! Each check lies in `tidy/` with the proof that it can fail.
#![allow(clippy::expect_used, reason = "a test may stop where it stands")]

#[path = "tidy/attacks.rs"]
mod attacks;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/manners.rs"]
mod manners;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "tidy/source.rs"]
mod source;

use std::process::Command;

use skipped::skipped;
use source::{Source, package, read};

#[test]
fn rooms_see_lower_floors_only() {
    held(&read(&["src"]), floors::faults);
}

#[test]
fn crates_stay_in_their_places() {
    held(&read(&["src"]), manners::confined);
}

#[test]
fn files_say_what_they_are_for_and_are_finished() {
    held(&read(&["src", "tests", "benches"]), manners::forbidden);
}

#[test]
fn files_can_be_read_to_the_end() {
    held(&read(&["src"]), manners::long);
}

#[test]
fn dependencies_say_why_they_are_here() {
    let manifest = std::fs::read_to_string(package().join("Cargo.toml")).expect("there is a manifest");
    none(&manners::unexplained(&manifest));
}

#[test]
fn each_attack_is_shown_by_a_test_that_exists() {
    let table = std::fs::read_to_string(package().join("tests/ATTACKS.md")).expect("there is a table");
    none(&attacks::faults(&table, &read(&["src", "tests"])));
}

#[test]
fn no_key_is_committed() {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(package())
        .output();
    let listed = match listed {
        Ok(listed) if listed.status.success() => listed.stdout,
        _ => return skipped("no git here, so nobody knows which files are committed"),
    };
    let mut faults = Vec::new();
    let mut looked_at = 0;
    for file in String::from_utf8_lossy(&listed).split('\0').filter(|file| !file.is_empty()) {
        if let Ok(content) = std::fs::read(package().join(file)) {
            looked_at += 1;
            faults.extend(manners::key_material(file, &content));
        }
    }
    assert!(looked_at > 10, "{looked_at} files were looked at");
    none(&faults);
}

#[test]
fn one_cryptography_is_built_at_a_time() {
    let default = [vec![], vec!["--features", "sled"]];
    for features in default.iter().filter(|features| features.is_empty() || has_feature("sled")) {
        let by_default = tree(features);
        must_hold(&by_default, features, "aws-lc-rs", &["ring"]);
        let with_ring =
            tree(&[features.as_slice(), &["--no-default-features", "--features", "ring"]].concat());
        must_hold(&with_ring, features, "ring", &["aws-lc-rs", "aws-lc-sys"]);
    }
}

/// The one cryptography and the one hyper, nothing of the other cryptography, nothing of OpenSSL, and nothing
/// that only tests may use.
fn must_hold(tree: &[String], features: &[&str], cryptography: &str, not: &[&str]) {
    for one in [cryptography, "hyper", "rustls"] {
        assert_eq!(versions(tree, one), 1, "{features:?}: one {one}, no more and no less");
    }
    for foreign in not.iter().chain(&["openssl", "openssl-sys", "native-tls", "p12", "passkey", "proptest"]) {
        assert_eq!(versions(tree, foreign), 0, "{features:?}: the build with {cryptography} holds {foreign}");
    }
}

fn has_feature(name: &str) -> bool {
    let manifest = std::fs::read_to_string(package().join("Cargo.toml")).expect("there is a manifest");
    let features = manifest.split("[features]").nth(1).unwrap_or_default();
    let features = features.split("\n[").next().unwrap_or_default();
    features.lines().any(|line| line.split('=').next().is_some_and(|key| key.trim() == name))
}

fn held(sources: &[Source], check: impl Fn(&Source) -> Vec<String>) {
    assert!(sources.len() > 10, "only {} files were looked at", sources.len());
    none(&sources.iter().flat_map(check).collect::<Vec<_>>());
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The packages of a build, a line for each: `name vVERSION`.
fn tree(features: &[&str]) -> Vec<String> {
    let out = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(features)
        .current_dir(package())
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    let mut lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    lines.sort();
    lines.dedup();
    assert!(lines.len() > 50, "the tree holds {} packages", lines.len());
    lines
}

fn versions(tree: &[String], name: &str) -> usize {
    tree.iter().filter(|line| line.split(' ').next() == Some(name)).count()
}
