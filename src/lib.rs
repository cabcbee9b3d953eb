//! Portcullis: a gate with three locks. The map follows once the house stands.

pub mod audit;
pub mod auth;
pub mod ca;
pub mod crypto;
pub mod domain;
pub mod enrolment;
pub mod notify;
pub mod policy;
pub mod proxy;
pub mod store;
pub mod web;
pub mod world;
