//! The examples of `docs/confirmation.md`, as they stand there, judge receipts of a real gate: they take the right
//! one for the right request, and nothing else.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::rig::said;
use crate::strangers::{command, node_with_jose, python};
use crate::support::browser::program;
use crate::support::cashier::invoice;
use crate::support::desk::anna_inside;
use crate::support::gate::Gate;
use crate::support::payment::pays_and_confirms;

/// The first block of a language in the page.
fn example(language: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/confirmation.md");
    let page = std::fs::read_to_string(page).unwrap();
    let begin = format!("```{language}\n");
    let blocks = page.split(&begin).skip(1);
    let block =
        blocks.map(|rest| rest.split("```").next().unwrap()).find(|block| block.contains("confirmed("));
    block.expect("an example").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_examples_take_a_real_receipt_and_nothing_else() {
    let (python, node) = (python().is_some(), node_with_jose().is_some());
    if !python && !node {
        return;
    }
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    pays_and_confirms(&client, &phone).await;
    let sent = cashier.confirmed().remove(0);
    let header = |name: &str| sent.headers[name].to_str().unwrap().to_owned();
    let keys = client.send(program("/.portcullis/jwks.json")).await;
    let keys: Value = serde_json::from_slice(&keys.body).unwrap();
    let (path, query) = sent.target.split_once('?').unwrap();
    let good = json!({
        "token": header("portcullis-confirmation"),
        "keys": keys,
        "issuer": client.origin(),
        "audience": "bank/payments",
        "method": sent.method,
        "path": path,
        "query": query,
        "body": BASE64.encode(&sent.body),
        "rows": invoice()["rows"],
    });
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let mut flipped = sent.body.clone();
    flipped[7] ^= 1;
    let mut dearer = invoice()["rows"].clone();
    dearer[0]["value"] = json!("CHF 1’200.01");
    let token = header("portcullis-confirmation");
    let (text, signature) = token.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    let bad = [
        ("another body", with("body", json!(BASE64.encode(&flipped)))),
        ("another amount", with("rows", dearer)),
        ("another method", with("method", json!("PUT"))),
        ("another path", with("path", json!("/payments/other"))),
        ("no query", with("query", Value::Null)),
        ("another issuer", with("issuer", json!("https://evil.example"))),
        ("another audience", with("audience", json!("other/payments"))),
        ("an assertion for a receipt", with("token", json!(header("portcullis-assertion")))),
        ("another signature", with("token", json!(format!("{text}.{turned}")))),
    ];
    let folder = gate.folder.path().to_owned();
    let judges = [python.then(|| Judge::python(&folder)), node.then(|| Judge::node(&folder))];
    for judge in judges.into_iter().flatten() {
        let claims = judge.ask(&good).unwrap_or_else(|why| panic!("{}: {why}", judge.name));
        assert_eq!(claims["sub"], "anna", "{}", judge.name);
        assert_eq!(claims["rows"], invoice()["rows"], "{}", judge.name);
        for (what, bad) in &bad {
            assert!(judge.ask(bad).is_err(), "{} takes {what}", judge.name);
        }
    }
}

/// An example with what asks it.
struct Judge {
    name: &'static str,
    program: PathBuf,
    script: PathBuf,
    input: PathBuf,
}

impl Judge {
    fn python(folder: &Path) -> Self {
        let asks = "\n\nif __name__ == \"__main__\":\n    import json\n    import sys\n\n    told = json.load(open(sys.argv[1]))\n    \
                    told[\"body\"] = base64.b64decode(told[\"body\"])\n    print(json.dumps(confirmed(**told)))\n";
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/.venv/bin/python");
        Self::new("Python", program, folder.join("receipt.py"), &(example("python") + asks))
    }

    fn node(folder: &Path) -> Self {
        let asks = "\nimport { readFileSync } from \"node:fs\";\nconst told = JSON.parse(readFileSync(process.argv[2], \"utf8\"));\n\
                    const { token, keys, issuer, audience, ...request } = told;\nrequest.body = Buffer.from(request.body, \"base64\");\n\
                    console.log(JSON.stringify(await confirmed(token, keys, issuer, audience, request)));\n";
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/node_modules");
        std::os::unix::fs::symlink(modules, folder.join("node_modules")).unwrap();
        Self::new("Node", command("node").unwrap(), folder.join("receipt.mjs"), &(example("js") + asks))
    }

    fn new(name: &'static str, program: PathBuf, script: PathBuf, text: &str) -> Self {
        std::fs::write(&script, text).unwrap();
        let input = script.with_extension("json");
        Self { name, program, script, input }
    }

    fn ask(&self, told: &Value) -> Result<Value, String> {
        std::fs::write(&self.input, told.to_string()).unwrap();
        let mut command = Command::new(&self.program);
        command.arg(&self.script).arg(&self.input).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        let output: Output = tokio::task::block_in_place(|| command.output().unwrap());
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).unwrap())
        } else {
            Err(said(&output))
        }
    }
}
