//! Opens the listeners of other proxies.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::AppError;
use crate::config::Config;
use crate::front::Front;
use crate::front::accept;
use crate::front::beside::{self, Plan};
use crate::front::house::House;

/// Takes the addresses.
pub(super) fn bind(config: &Config) -> Result<Vec<(TcpListener, Plan)>, AppError> {
    let mut bound = Vec::new();
    for plan in &config.other_proxies {
        let file = config.file.display().to_string();
        let (what, address) = ("the listener of another proxy", plan.listen);
        let listeners =
            accept::bind(address, 1).map_err(|source| AppError::Listen { what, address, file, source })?;
        bound.extend(listeners.into_iter().map(|listener| (listener, plan.clone())));
    }
    Ok(bound)
}

/// Serves them, until the front closes. What is stored in a plan's place counts from then on.
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
