//! "Not me", and what a phone hears while its owner is frozen. Knows not what ends by it: that is one commit of
//! `auth::phone::approvals`, with the message to every address in it.

use std::net::IpAddr;

use axum::body::Body;
use http::Response;
use serde_json::{Value, json};

use super::PhoneRoom;
use super::api::ok;
use super::problem::Problem;
use crate::auth::phone::proof::ProvedCall;
use crate::domain::ApprovalId;
use crate::domain::approval::Approval;
use crate::domain::person::Person;
use crate::notify::{self, About};
use crate::store::Write;

impl PhoneRoom {
    /// "Not me", to what is asked now or was asked before.
    pub(super) async fn not_me(
        &self,
        call: &ProvedCall,
        id: &ApprovalId,
        from: IpAddr,
    ) -> Result<Response<Body>, Problem> {
        let tell = |denied: &Approval, person: &Person| self.telling(denied, person).into_iter().collect();
        self.approvals.not_me(call, id, from, tell).await?;
        Ok(ok(&json!({ "state": "denied", "frozen": self.frozen(call) })))
    }

    /// Every address of the person hears of it.
    fn telling(&self, denied: &Approval, person: &Person) -> Option<Write> {
        let tenant = self.view.tenant(&denied.tenant)?;
        let (device, address) = (denied.shown.device.clone(), denied.shown.address.clone());
        notify::queue(&self.world, &tenant, person, About::NotMe { device, address })
    }

    /// Since when the phone's owner is frozen, for the phone's own page; nothing where they are not.
    pub(super) fn frozen(&self, call: &ProvedCall) -> Value {
        let phone = call.phone();
        let person = self.view.person(&phone.tenant, &phone.person);
        person.and_then(|it| it.frozen().map(|frozen| frozen.at.millis())).into()
    }
}
