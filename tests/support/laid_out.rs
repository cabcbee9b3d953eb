//! What lies on disk before a house opens: keys, configuration, the first records. Opens no door.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portcullis::app;
use portcullis::ca::{self, CaNames};
use portcullis::config::Config;
use portcullis::crypto::Signer;
use portcullis::domain::Secret;
use portcullis::domain::certificate::Issuer;
use portcullis::domain::route::Rules;
use portcullis::domain::tenant::{Brand, CertificateTerms, SessionProfile, Tenant};
use portcullis::notify::webpush::{Before, Keys};
use portcullis::policy::shipped;
use portcullis::store::{Write, table};
use portcullis::world::{HeldClock, World};

use super::gate::{Plan, id};

/// Bytes by file name.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The CA is made once for all tests; sealing its keys takes a second each time.
pub(crate) fn lay_out(folder: &Path) -> Vec<Issuer> {
    static MADE: OnceLock<(Files, Vec<Issuer>)> = OnceLock::new();
    let (files, issuers) = MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let names =
            CaNames { organization: "Bank Muster".to_owned(), server_names: vec!["localhost".to_owned()] };
        let issuers = ca::init(dir.path(), &Secret::new(PASSPHRASE), &names, &two_days_ago()).unwrap();
        let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
        let files = files.map(|path| (path.file_name().unwrap().into(), std::fs::read(&path).unwrap()));
        (files.collect(), issuers)
    });
    private_folder(&folder.join("data"));
    private_folder(&folder.join("data/ca"));
    for (name, bytes) in files {
        private_file(&folder.join("data/ca").join(name), bytes);
    }
    let pepper = data_encoding::HEXLOWER.encode(&World::real().bytes::<32>());
    private_file(&folder.join("data/pepper"), pepper.as_bytes());
    let key = pem::encode(&pem::Pem::new("PRIVATE KEY", Signer::generate().unwrap().to_vec()));
    private_file(&folder.join("data/jwt.key"), key.as_bytes());
    Keys::open(&folder.join("data/push.key")).unwrap().rotate(Before::Ends).unwrap();
    issuers.clone()
}

/// So that the CA is in force for a house whose clock stands before now.
fn two_days_ago() -> World {
    let real = World::real();
    let then = real.now().minus(Duration::from_secs(2 * 86_400));
    World { clock: Arc::new(HeldClock::at(then)), entropy: real.entropy }
}

/// What the operator would have written.
pub(crate) fn configuration(folder: &Path, port: u16, drain_seconds: u32) -> Config {
    // The one between is the test's, for a mail server or the like.
    let plain = port + 2;
    let text = format!(
        r#"
data = "data"
[listen]
tls = "127.0.0.1:{port}"
plain = "127.0.0.1:{plain}"
[console]
host = "console.localhost"
certificate = "internal"
[phone]
host = "phone.localhost"
certificate = "internal"
[public]
host = "start.localhost"
certificate = "internal"
[[portal]]
tenant = "bank"
host = "bank.localhost"
certificate = "internal"
[[portal]]
tenant = "other"
host = "other.localhost"
certificate = "internal"
[limits]
drain_seconds = {drain_seconds}
"#
    );
    let file = folder.join("portcullis.toml");
    std::fs::write(&file, &text).unwrap();
    Config::parse(&text, &file).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// What `init`, `tenant add` and `policy apply` leave behind.
pub(crate) async fn first_records(config: &Config, world: &World, issuers: &[Issuer], plan: &Plan) {
    let store = app::open_store(config, world.clone()).unwrap();
    let mut writes: Vec<Write> = issuers.iter().map(table::create).collect();
    let tenants = [
        ("staff", "Bank Muster", "console"),
        ("bank", "Bank Muster & Cie", "bank"),
        ("other", "Other", "other"),
    ];
    for (tenant, name, door) in tenants {
        writes.push(table::create(&Tenant {
            id: id(tenant),
            name: name.to_owned(),
            hosts: vec![format!("{door}.localhost")],
            telephone: "+41 44 555 01 77".to_owned(),
            language: "en".to_owned(),
            brand: Brand::default(),
            profile: SessionProfile::Strict,
            identified_on_incoming_call: false,
            certificates: CertificateTerms::default(),
            synced_passkeys: portcullis::domain::tenant::SyncedPasskeys::Accept,
            created: world.now(),
        }));
        let (file, text) = match tenant {
            "staff" => (plan.console.file, plan.console.rules.to_owned()),
            "bank" => ("portal.toml", plan.portal.clone()),
            _ => ("portal.toml", shipped::PORTAL.rules.to_owned()),
        };
        writes.push(table::create(&Rules {
            tenant: id(tenant),
            file: file.to_owned(),
            text,
            revision: 1,
            applied_by: "local:1000".to_owned(),
            applied: world.now(),
        }));
    }
    store.commit(writes).await.unwrap();
}

fn private_folder(path: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).unwrap();
}

fn private_file(path: &Path, bytes: &[u8]) {
    portcullis::config::secrets::write_new(path, bytes).unwrap();
}

/// A port that nobody has, and the two after it.
pub(crate) fn free_port() -> u16 {
    super::ports::free_ports()
}

/// Opens the keys of the tests' CA.
pub(crate) const PASSPHRASE: &str = "only for tests, in memory alone";
