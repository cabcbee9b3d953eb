//! The calls by which an app says where it wants to be woken. Pushes nothing, and tells no address to anybody: the app
//! is told the hash of the one that we hold, to compare with its own.

use std::net::IpAddr;

use axum::body::Body;
use data_encoding::BASE64URL_NOPAD;
use http::Response;
use serde::Deserialize;
use serde_json::json;

use super::api::{Base64, ok, read};
use super::problem::Problem;
use super::{Heard, PhoneRoom};
use crate::audit::{Event, RecordError};
use crate::auth::phone::proof::{Handle, ProvedCall};
use crate::crypto::sha256;
use crate::domain::push::Subscription;
use crate::notify::webpush;
use crate::store::StoreError;
use crate::store::table::{self, Stored};

impl PhoneRoom {
    /// With which key to subscribe, and what we hold.
    pub(super) async fn push_state(&self, call: &ProvedCall) -> Result<Response<Body>, Problem> {
        let held = self.subscription(call).await?.map(|it| it.record);
        Ok(ok(&json!({
            "key": self.pusher.keys().newest().map(|key| key.public_text()),
            "subscribed": held.is_some(),
            "with": held.as_ref().map(|it| BASE64URL_NOPAD.encode(&it.key)),
            "endpoint": held.as_ref().map(|it| BASE64URL_NOPAD.encode(&sha256(it.endpoint.as_bytes()))),
        })))
    }

    /// As the browser gave it (`PushSubscription.toJSON`), and with which key it was made.
    pub(super) async fn subscribe(
        &self,
        call: &ProvedCall,
        heard: &Heard,
        from: IpAddr,
    ) -> Result<Response<Body>, Problem> {
        #[derive(Deserialize)]
        struct Subscribe {
            endpoint: String,
            keys: BrowserKeys,
            key: Base64,
        }
        #[derive(Deserialize)]
        struct BrowserKeys {
            p256dh: Base64,
            auth: Base64,
        }
        if self.pusher.keys().newest().is_none() {
            return Err(Problem::no_push());
        }
        let asked: Subscribe = read(heard)?;
        let phone = call.phone();
        let wanted = Subscription {
            tenant: phone.tenant.clone(),
            person: phone.person.clone(),
            phone: phone.id.clone(),
            endpoint: asked.endpoint,
            p256dh: asked.keys.p256dh.0,
            auth: asked.keys.auth.0,
            key: asked.key.0,
            since: heard.now,
        };
        self.pusher.check(&wanted)?;
        let held = self.subscription(call).await?;
        let same =
            |it: &Stored<Subscription>| Subscription { since: heard.now, ..it.record.clone() } == wanted;
        if !held.as_ref().is_some_and(same) {
            let write = match &held {
                Some(held) => table::replace(held, &wanted),
                None => table::create(&wanted),
            };
            // The phone is still paired in the very commit: what nobody can remove is not written.
            let paired = self.still_paired(call).await?;
            self.put_down(call, Event::PushSubscribed, &wanted, vec![write, paired], from).await?;
        }
        Ok(ok(&json!({ "subscribed": true })))
    }

    /// The phone does not want to be woken any more.
    pub(super) async fn unsubscribe(
        &self,
        call: &ProvedCall,
        from: IpAddr,
    ) -> Result<Response<Body>, Problem> {
        if let Some(held) = self.subscription(call).await? {
            let write = table::consume(&held);
            self.put_down(call, Event::PushDropped, &held.record, vec![write], from).await?;
        }
        Ok(ok(&json!({ "subscribed": false })))
    }

    async fn subscription(&self, call: &ProvedCall) -> Result<Option<Stored<Subscription>>, StoreError> {
        let phone = call.phone();
        let key = table::subscription(&phone.tenant, &phone.person, &phone.id);
        table::get(&**self.pusher.ledger().store(), &key).await
    }

    async fn still_paired(&self, call: &ProvedCall) -> Result<crate::store::Write, Problem> {
        let phone = call.phone();
        let key = table::phone(&phone.tenant, &phone.person, &phone.id);
        let read = table::get::<crate::domain::phone::Phone>(&**self.pusher.ledger().store(), &key).await?;
        Ok(table::unchanged(&read.ok_or_else(Problem::unpaired)?))
    }

    async fn put_down(
        &self,
        call: &ProvedCall,
        what: Event,
        of: &Subscription,
        writes: Vec<crate::store::Write>,
        from: IpAddr,
    ) -> Result<(), Problem> {
        let actor = format!("phone:{}", Handle::of(call.phone()));
        match self.pusher.ledger().record(webpush::entry(&actor, what, of).whence(from), writes).await {
            Ok(_) => Ok(()),
            Err(RecordError::Conflict) => Err(Problem::busy("Something else changed at the same time.")),
            Err(RecordError::Store(error)) => Err(error.into()),
        }
    }
}
