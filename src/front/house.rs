//! The house: every room, handed from request to request. `app` fills it; nothing here decides.

use std::sync::Arc;

use super::live::{Live, Standing};
use super::outside::Outside;
use crate::audit::Ledger;
use crate::auth::certificate::Judge;
use crate::auth::session::Sessions;
use crate::console::Console;
use crate::domain::Time;
use crate::domain::certificate::Fingerprint;
use crate::domain::device::DeviceState;
use crate::domain::session::TokenHash;
use crate::domain::tenant::Tenant;
use crate::phone::PhoneRoom;
use crate::policy::Policy;
use crate::portal::Portal;
use crate::portal::confirmations::Confirmations;
use crate::proxy::Proxy;
use crate::public::Public;
use crate::public::est::EstRoom;
use crate::renewal::RenewalRoom;
use crate::sign_in::SignIn;
use crate::store::view::View;
use crate::web::visit::RequestNumbers;
use crate::world::World;

/// Every room of the house.
pub struct House {
    /// Time and chance.
    pub world: World,
    /// Numbers the requests.
    pub numbers: RequestNumbers,
    /// What is in memory.
    pub view: Arc<View>,
    /// Writes.
    pub ledger: Arc<Ledger>,
    /// The first lock.
    pub judge: Judge,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Who may what.
    pub policy: Arc<Policy>,
    /// The way to the backend.
    pub proxy: Arc<Proxy>,
    /// What the operator's tools see of requests.
    pub outside: Arc<Outside>,
    /// What is open.
    pub live: Arc<Live>,
    /// The steps of signing in.
    pub sign_in: SignIn,
    /// Renewal of certificates that ended.
    pub renewal: Arc<RenewalRoom>,
    /// Requests to be confirmed.
    pub confirmations: Arc<Confirmations>,
    /// The client's room.
    pub portal: Portal,
    /// The phone app's room.
    pub phone: PhoneRoom,
    /// The desk.
    pub console: Console,
    /// Held by each of the desk's requests: what one does may take several steps.
    pub desk_at_work: Arc<()>,
    /// What asks for nothing.
    pub public: Public,
    /// Machines that enrol by themselves.
    pub est: EstRoom,
    /// `https://start.example.com`, where there is a public door.
    pub public_origin: Option<Arc<str>>,
    /// Whose name stands on doors that are no tenant's.
    pub nobody: Arc<Tenant>,
}

/// What still counts, by the view and the clock: the live register asks it before it cuts.
pub struct Counting {
    /// What is in memory.
    pub view: Arc<View>,
    /// Time.
    pub world: World,
}

impl Standing for Counting {
    fn certificate_counts(&self, serial: &str, fingerprint: &Fingerprint, opened: Time) -> bool {
        let now = self.world.now();
        // A certificate that never counted hangs on a connection that shows a page and nothing else.
        let Some(record) = self.view.certificate(serial) else { return true };
        if record.fingerprint != *fingerprint {
            return true;
        }
        let shut_out = self.view.person(&record.tenant, &record.person).is_none_or(|one| one.shut_out(now));
        let retired = self
            .view
            .device(&record.tenant, &record.person, &record.device)
            .is_none_or(|device| device.state == DeviceState::Retired);
        // What opened before the end goes with it; what came after it shows pages and renews.
        let over = record.not_after.plus(std::time::Duration::from_secs(1));
        let in_time = now <= record.not_after || opened >= over;
        record.state.counts(now) && in_time && !shut_out && !retired
    }

    fn session_lives(&self, token: &TokenHash) -> bool {
        self.view.session(token).is_some_and(|session| session.is_live(self.world.now()))
    }
}
