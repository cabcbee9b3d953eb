//! Fills the house: every room from its parts.

use std::sync::Arc;
use std::time::Duration;

use super::{AppError, Core};
use crate::auth::certificate::Judge;
use crate::auth::phone::place::Places;
use crate::auth::phone::{Approvals, RelyingParty, approvals};
use crate::auth::recovery::Recovery;
use crate::config::Config;
use crate::console::Console;
use crate::console::command::Acts;
use crate::crypto::Signer;
use crate::domain::TenantId;
use crate::domain::tenant::Tenant;
use crate::enrolment::pairing::Pairings;
use crate::front::house::House;
use crate::front::live::Live;
use crate::front::outside::Outside;
use crate::notify::webpush::Pusher;
use crate::phone::PhoneRoom;
use crate::policy::Policy;
use crate::portal::confirmations::{self, Confirmations};
use crate::portal::{self, Portal};
use crate::proxy::{self, Proxy};
use crate::public::est::EstRoom;
use crate::public::{self, Public};
use crate::renewal::{self, RenewalRoom};
use crate::sign_in::questions::Questions;
use crate::sign_in::{self, SignIn};
use crate::web::visit::RequestNumbers;

pub(super) fn house(
    config: &Config,
    core: &Core,
    policy: Arc<Policy>,
    live: Arc<Live>,
    outside: Arc<Outside>,
    acts: Arc<Acts>,
    pusher: Arc<Pusher>,
) -> Result<(House, Arc<Approvals>, serde_json::Value), AppError> {
    let (world, view, ledger) = (core.world.clone(), Arc::clone(&core.view), Arc::clone(&core.ledger));
    let phone_origin = config.origin(&config.phone.host);
    let party = RelyingParty::at(&config.phone.host, config.listen.public_port);
    let approvals = Approvals::new(
        Arc::clone(&ledger),
        Arc::clone(&core.pepper),
        party.clone(),
        world.clone(),
        terms(config)?,
    );
    let key = config.secrets.jwt_key()?;
    let signer =
        || Signer::from_pkcs8(&key).map_err(|_| AppError::JwtKey(config.secrets.jwt_key_file.clone()));
    let approvals = Arc::new(approvals.signing(signer()?));
    let pairings =
        Arc::new(Pairings::new(Arc::clone(&ledger), Arc::clone(&core.pepper), party.clone(), world.clone()));
    let recovery = Arc::new(Recovery::new(
        Arc::clone(&ledger),
        world.clone(),
        Arc::clone(&core.pepper),
        Arc::clone(&core.throttles),
    ));
    let proxy = Proxy::reaching(world.clone(), signer()?, proxy::Settings::default(), config.reach.clone())?;
    let proxy = Arc::new(proxy);
    let jwks = proxy.jwks();
    let questions = Arc::new(Questions::new(Arc::clone(&approvals), Arc::clone(&view), phone_origin));
    let sign_in = SignIn::new(sign_in::Parts {
        ledger: Arc::clone(&ledger),
        view: Arc::clone(&view),
        world: world.clone(),
        policy: Arc::clone(&policy),
        sessions: Arc::clone(&core.sessions),
        passwords: Arc::clone(&core.passwords),
        throttles: Arc::clone(&core.throttles),
        first_visits: Arc::clone(&core.first_visits),
        recovery: Arc::clone(&recovery),
        pairings: Arc::clone(&pairings),
        approvals: Arc::clone(&approvals),
        questions: Arc::clone(&questions),
    });
    let phone = PhoneRoom::new(
        Arc::clone(&view),
        Arc::clone(&approvals),
        Arc::clone(&pairings),
        pusher,
        party,
        world.clone(),
    );
    let confirmations = Confirmations::new(confirmations::Parts {
        ledger: Arc::clone(&ledger),
        view: Arc::clone(&view),
        world: world.clone(),
        pepper: Arc::clone(&core.pepper),
        policy: Arc::clone(&policy),
        proxy: Arc::clone(&proxy),
        sessions: Arc::clone(&core.sessions),
        approvals: Arc::clone(&approvals),
        questions: Arc::clone(&questions),
    });
    let portal = portal::Parts {
        ledger: Arc::clone(&ledger),
        view: Arc::clone(&view),
        world: world.clone(),
        sessions: Arc::clone(&core.sessions),
        recovery,
        questions,
        issuance: Arc::clone(&acts.issuance),
        pairings: Arc::clone(&pairings),
    };
    let portal = Portal::new(portal, &jwks);
    let est = EstRoom::new(Arc::clone(&acts.est), Arc::clone(&view));
    let deliveries = Arc::clone(&acts.deliveries);
    let console = Console::new(Arc::clone(&acts), Arc::clone(&core.sessions), Arc::clone(&policy));
    let renewal = Arc::new(RenewalRoom::new(renewal::Parts {
        ledger: Arc::clone(&ledger),
        view: Arc::clone(&view),
        world: world.clone(),
        pepper: Arc::clone(&core.pepper),
        policy: Arc::clone(&policy),
        passwords: Arc::clone(&core.passwords),
        throttles: Arc::clone(&core.throttles),
        first_visits: Arc::clone(&core.first_visits),
        approvals: Arc::clone(&approvals),
        issuance: Arc::clone(&acts.issuance),
        phone_origin: config.origin(&config.phone.host),
    }));
    let house = House {
        renewal: Arc::clone(&renewal),
        judge: Judge::new(Arc::clone(&view)),
        confirmations,
        portal,
        sessions: Arc::clone(&core.sessions),
        public: Public::new(public::Parts { view: Arc::clone(&view), deliveries, renewal }),
        public_origin: config.public.as_ref().map(|door| config.origin(&door.host).into()),
        nobody: Arc::new(nobody(core)),
        numbers: RequestNumbers::begin(&world),
        world,
        view,
        ledger,
        policy,
        proxy,
        live,
        outside,
        sign_in,
        phone,
        console,
        desk_at_work: Arc::default(),
        est,
    };
    Ok((house, approvals, jwks))
}

/// How phones are asked.
pub(super) fn terms(config: &Config) -> Result<approvals::Terms, AppError> {
    let settings = approvals::Settings {
        lives: Duration::from_secs(u64::from(config.approvals.seconds)),
        ..approvals::Settings::default()
    };
    let places = config.approvals.places_file.as_deref().map(Places::open).transpose()?;
    Ok(approvals::Terms { settings, places })
}

/// Whose name stands on the phone's and the public door: one tenant's where there is one, else ours.
fn nobody(core: &Core) -> Tenant {
    let mut clients = core.view.tenants().into_iter().filter(|tenant| !tenant.id.is_staff());
    if let (Some(only), None) = (clients.next(), clients.next()) {
        return (*only).clone();
    }
    Tenant { name: "Portcullis".to_owned(), ..Tenant::unknown(TenantId::staff()) }
}
