//! What a person was asked lately, as the app shows it, and "this was not me" afterwards.

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use serde_json::{Value, json};

use super::PhoneRoom;
use super::api::ok;
use super::problem::Problem;
use crate::auth::phone::proof::ProvedCall;
use crate::domain::PhoneId;
use crate::domain::approval::{Approval, ApprovalState};

use crate::domain::phone::Phone;

impl PhoneRoom {
    /// The last questions and how they ended.
    pub(super) async fn history(&self, call: &ProvedCall) -> Result<Response<Body>, Problem> {
        let this = call.phone();
        let phones = self.view.phones(&this.tenant, &this.person);
        let over = self.approvals.history(&this.tenant, &this.person).await?;
        let over: Vec<Value> = over.iter().map(|it| past(it, this, &phones)).collect();
        Ok(ok(&json!({ "now": self.world.now().millis(), "history": over })))
    }
}

fn past(approval: &Approval, this: &Phone, phones: &[Arc<Phone>]) -> Value {
    let (end, by) = match &approval.state {
        ApprovalState::Approved { phone, at, .. } => ("approved", Some((phone, at))),
        ApprovalState::Denied { phone, at, .. } => ("denied", Some((phone, at))),
        ApprovalState::WrongDigits => ("wrong-digits", None),
        ApprovalState::Superseded => ("superseded", None),
        ApprovalState::Withdrawn => ("withdrawn", None),
        ApprovalState::Pending => ("expired", None),
    };
    let name = |id: &PhoneId| phones.iter().find(|it| it.id == *id).map(|it| it.name.as_str());
    json!({
        "id": approval.id.as_str(),
        "purpose": approval.purpose.as_str(),
        "reason": approval.shown.reason,
        "usual": approval.shown.reason == approval.purpose.reason(),
        "rows": approval.shown.rows,
        "site": approval.shown.site,
        "device": approval.shown.device,
        "browser": approval.shown.browser,
        "address": approval.shown.address,
        "place": approval.shown.place,
        "asked": approval.created.millis(),
        "end": end,
        "at": by.map(|(_, at)| at.millis()),
        // No name where that phone is not paired any more.
        "phone": by.and_then(|(id, _)| name(id)),
        "this_phone": by.is_some_and(|(id, _)| *id == this.id),
    })
}
