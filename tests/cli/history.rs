//! The issue history from the command line: found by what people know of a certificate, shown, exported.

use std::os::unix::fs::PermissionsExt as _;

use crate::gate::Gate;

/// Searches and exports, without a server and beside one; called by the walk over every command.
pub(crate) fn history(gate: &Gate) {
    let all = gate.json(&["certificate", "list", "--tenant", "bank"]);
    let certificates = all["certificates"].as_array().unwrap();
    assert_eq!(certificates.len(), 3, "{all:#}");
    assert!(certificates.iter().all(|one| one["name"] == "Anna Muster"));
    let serial = certificates.iter().find(|one| one["state"] == "in-force").unwrap()["serial"].clone();
    let serial = serial.as_str().unwrap();
    let sha256 = certificates.iter().find(|one| one["serial"] == serial).unwrap()["sha256"].clone();
    let sha256 = sha256.as_str().unwrap();

    let with_colons: Vec<String> = serial.to_uppercase().as_bytes().chunks(2).map(text).collect();
    for words in
        ["anna@muster.example", "anna-muster laptop", "MUSTER", &serial[..8], sha256, &with_colons.join(":")]
    {
        let found = gate.json(&["certificate", "list", words]);
        let found = found["certificates"].as_array().unwrap();
        assert!(found.iter().any(|one| one["serial"] == serial), "{words}");
    }
    let revoked = gate.json(&["certificate", "list", "anna", "--state", "revoked"]);
    assert_eq!(revoked["total"], 2);
    assert_eq!(revoked["certificates"][0]["reason"], "key-compromise");
    assert_eq!(gate.json(&["certificate", "list", "nobody at all"])["total"], 0);
    gate.run(&["certificate", "list", "--state", "gone"]).refused(2, "superseded");
    gate.run(&["certificate", "list", "anna", "--most", "1"]).well().refused(0, "of 3");

    let shown = gate.json(&["certificate", "show", &serial[..10]]);
    assert_eq!(shown["serial"], serial);
    assert!(shown["trail"].as_array().unwrap().iter().any(|line| line["what"] == "certificate.issued"));
    let gone = revoked["certificates"][0]["serial"].as_str().unwrap();
    let told = gate.run(&["certificate", "show", gone]).well();
    assert!(
        told.out.contains("revoked: key-compromise") && told.out.contains("certificate.revoked"),
        "{}",
        told.out
    );
    gate.run(&["certificate", "show", "ffffffffffff"]).refused(1, "certificate list");

    gate.run(&["certificate", "export", "anna", "--out", "all.csv"]).well();
    let file = gate.dir().join("all.csv");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut reader = csv::Reader::from_path(&file).unwrap();
    let serials: Vec<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
    assert_eq!(serials.len(), 3);
    assert!(serials.iter().any(|one| one == serial));
    gate.run(&["certificate", "export", "--format", "json", "--out", "all.json"]).well();
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(gate.dir().join("all.json")).unwrap()).unwrap();
    assert!(json.as_array().unwrap().len() >= 3);
    gate.run(&["certificate", "export", "--out", "all.csv"]).refused(2, "exists already");
    let exported = gate.json(&["audit", "list", "--event", "history.exported"]);
    let formats: Vec<&str> = exported["lines"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["details"]["format"].as_str())
        .collect();
    assert_eq!(formats, ["csv", "json"]);
}

fn text(pair: &[u8]) -> String {
    String::from_utf8_lossy(pair).into_owned()
}
