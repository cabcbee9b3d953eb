//! What is done to the house in a life, by the operations that people's hands would reach.

use super::*;

impl World {
    pub(super) async fn new() -> Self {
        let rig = Rig::new().await;
        let dir = rig.folder.path().join("ca");
        std::fs::create_dir(&dir).unwrap();
        let names =
            CaNames { organization: "Bank Muster".to_owned(), server_names: vec!["localhost".to_owned()] };
        let issuers = ca::init(&dir, &passphrase(), &names, &rig.world).unwrap();
        rig.write(issuers.iter().map(table::create).collect()).await;
        let settings = ca::Settings { crl_url_base: "http://start.localhost".to_owned() };
        let authority = Authority::open(&dir, &passphrase(), &issuers, rig.world.clone(), settings).unwrap();
        let authority = Arc::new(authority);
        let mut tenant: Tenant = rig.read(&table::tenant(&rig.tenant)).await.unwrap();
        tenant.certificates.supersede_grace_secs = GRACE;
        rig.put(&tenant).await;
        let hashing = password::Settings { memory_kib: 64, passes: 1, workers: 1, waiting_max: 1 };
        let (ledger, world) = (rig.ledger.clone(), rig.world.clone());
        let throttles = Arc::new(Throttles::new(ledger.clone(), world.clone()));
        Self {
            keys: KeyFolder::at(&dir),
            issuance: Issuance::new(ledger.clone(), Some(authority.clone()), world.clone()),
            revocation: Revocation::new(ledger.clone(), world.clone()),
            judge: Judge::new(rig.view.clone()),
            shelf: CrlShelf::new(),
            ocsp: Ocsp::new(),
            steps: Steps {
                sessions: Arc::new(Sessions::new(
                    ledger.clone(),
                    rig.view.clone(),
                    world.clone(),
                    rig.pepper.clone(),
                )),
                passwords: Arc::new(Passwords::new(rig.pepper.clone(), world.clone(), hashing)),
                throttles: throttles.clone(),
                recovery: Arc::new(Recovery::new(
                    ledger.clone(),
                    world.clone(),
                    rig.pepper.clone(),
                    throttles,
                )),
                ledger,
                world,
            },
            authority,
            tenant,
            rig,
            rotations: AtomicUsize::new(0),
            expiries: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            came: AtomicUsize::new(0),
        }
    }

    pub(super) async fn new_device(&self, life: &mut Life, person: usize) {
        let device = Device {
            tenant: self.rig.tenant.clone(),
            person: life.persons[person].id.clone(),
            id: DeviceId::from_bits(self.rig.world.bytes()),
            name: "laptop".to_owned(),
            state: DeviceState::Active,
            issued_by: "local:0".to_owned(),
            delivered_by: None,
            released_by: None,
            created: self.rig.world.now(),
        };
        self.rig.put(&device).await;
        life.devices.push((self.device(&device).await, person, false));
        self.issue(life, life.devices.len() - 1).await;
    }

    pub(super) async fn device(&self, device: &Device) -> Stored<Device> {
        table::get(&**self.rig.ledger.store(), &device.key()).await.unwrap().unwrap()
    }

    /// A retired device gets nothing, however it is looked at.
    pub(super) async fn issue(&self, life: &mut Life, at: usize) {
        let stored = life.devices[at].0.clone();
        let issued = self.issued(life, at, &stored).await;
        assert_eq!(
            issued.is_some(),
            !life.devices[at].2,
            "who is switched off gets none, everybody else does"
        );
        life.certificates.extend(issued.map(|record| Known::of(record, at)));
    }

    pub(super) async fn issued(
        &self,
        life: &Life,
        at: usize,
        stored: &Stored<Device>,
    ) -> Option<Certificate> {
        let order = Order {
            tenant: &self.tenant,
            person: &life.persons[life.devices[at].1],
            device: &stored.record,
            by: "local:0",
            whence: "",
            event: Event::CertificateIssued,
        };
        let unchanged = || vec![table::unchanged(stored)];
        let entry = order.entry(Event::GrantMade);
        let grant = self.issuance.open(&order, "a test", entry, unchanged()).await.ok()?;
        tokio::task::yield_now().await;
        let key = NewKey::make().unwrap().prove().unwrap();
        let issued = self.issuance.certify(&order, &grant, key, "test", unchanged()).await.ok()?;
        Some(issued.certificate)
    }

    /// As a browser that proves all; whether it came in.
    pub(super) async fn sign_in(&self, life: &Life, at: usize) -> bool {
        let presented = self.judge.read(&[&life.certificates[at].record.der]);
        let now = self.rig.world.now();
        let CertificateEvidence::Proved(proved) = self.judge.stand(&presented, &self.rig.tenant, now) else {
            return false;
        };
        self.advance(&proved).await
    }

    pub(super) async fn advance(&self, proved: &ProvedCertificate) -> bool {
        let begun = self.steps.sessions.begin(proved, None).session;
        let writes = vec![table::create(&begun)];
        self.rig.ledger.record(Entry::new("gate", Event::SessionBegan), writes).await.unwrap();
        tokio::task::yield_now().await;
        let session = ProvedSession::for_tests(Arc::new(begun));
        let walker = Walker {
            tenant: &self.tenant,
            certificate: proved,
            session: &session,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let entry = Entry::new("gate", Event::SessionStepped);
        self.steps.advance(&walker, &[Proof::Password, Proof::Phone], entry, vec![]).await.is_ok()
    }

    pub(super) async fn revoke(&self, life: &mut Life, scope: Scope) {
        self.fell(&scope).await;
        life.fell(&scope);
    }

    pub(super) async fn fell(&self, scope: &Scope) {
        let reason = RevocationReason::KeyCompromise;
        let order = revocation::Order { scope, reason, by: "local:0", whence: "" };
        self.revocation.revoke(order).await.unwrap();
    }

    pub(super) async fn rotate(&self) {
        self.rotations.fetch_add(1, Ordering::SeqCst);
        let store = &**self.rig.ledger.store();
        let before = table::list::<Issuer>(store, &table::all::<Issuer>()).await.unwrap();
        let issuers: Vec<Issuer> = before.iter().map(|read| read.record.clone()).collect();
        let rotated =
            self.keys.rotate(&passphrase(), &issuers, IssuerKind::Devices, &self.rig.world).unwrap();
        let mut writes = vec![table::create(rotated.issuer())];
        let old = before.iter().filter(|read| read.record.kind == IssuerKind::Devices && read.record.issues);
        writes.extend(old.map(|read| table::replace(read, &Issuer { issues: false, ..read.record.clone() })));
        self.rig.write(writes).await;
        self.authority.take_up(rotated);
    }
}
