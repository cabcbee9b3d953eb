//! Portcullis: a gate with three locks. The map follows once the house stands.

pub mod app;
pub mod audit;
pub mod auth;
pub mod ca;
pub mod cli;
pub mod config;
pub mod console;
pub mod control;
pub mod crypto;
pub mod domain;
pub mod enrolment;
pub mod front;
pub mod notify;
pub mod phone;
pub mod policy;
pub mod portal;
pub mod proxy;
pub mod public;
pub mod sign_in;
pub mod store;
pub mod web;
pub mod world;
