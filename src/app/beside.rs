//! Serves the listeners of other proxies.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::front::Front;
use crate::front::beside::{self, Plan};
use crate::front::house::House;

/// Until the front closes. What is stored in a plan's place counts from then on.
pub(super) fn serve(
    bound: Vec<(TcpListener, Plan)>,
    house: &Arc<House>,
    front: &Front,
) -> Vec<(SocketAddr, Arc<ArcSwap<Plan>>)> {
    let mut plans = Vec::new();
    for (listener, plan) in bound {
        let (listen, plan) = (plan.listen, Arc::new(ArcSwap::from_pointee(plan)));
        plans.push((listen, Arc::clone(&plan)));
        tokio::spawn(beside::serve(listener, plan, Arc::clone(house), front.clone()));
    }
    plans
}
