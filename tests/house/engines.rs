//! The whole house over each engine of the store: a first visit, a restart, and the client is still in.

use portcullis::audit::Event;
use portcullis::config::Engine;

use crate::support::desk::*;
use crate::support::gate::Gate;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_still_in_after_a_restart_whatever_keeps_the_store() {
    for engine in ENGINES.iter().copied() {
        let mut gate = Gate::with(|plan| plan.engine = engine).await;
        let (client, phone, _) = anna_inside(&gate).await;
        gate.backend.forget();
        gate.restart().await;
        client.open("/accounts").await.must_say("the bank's own page at /accounts");
        let text = gate.backend.text();
        assert!(text.starts_with("GET /accounts HTTP/1.1\r\n"), "{engine:?}: {text}");
        let out = client.send(client.posting("/.portcullis/sign-out", &[])).await;
        assert_eq!(out.status, 200);
        gate.restart().await;
        gate.backend.forget();
        client.open("/accounts").await.must_say("Your password");
        assert_eq!(gate.backend.bytes(), 0, "{engine:?}: what was ended stays so");
        later_visit(&client, &phone, "/accounts").await.must_say("the bank's own page at /accounts");
        assert_eq!(gate.told(Event::HouseStarted).await, 3);
        gate.must_verify().await;
        gate.close().await;
        assert_eq!(gate.config.store.is_dir(), engine != Engine::Redb);
    }
}

const ENGINES: &[Engine] = &[
    Engine::Redb,
    #[cfg(feature = "sled")]
    Engine::Sled,
];
